//! What is said of brokers that join a cluster: Kafka gives them new partitions only.

use super::{Note, Plan};
use crate::design::{Design, HostDesign};
use crate::kinds::NetworkInterface;
use crate::model::Address;
use crate::observed::Observed;

/// Says that brokers which the plan adds to live ones are empty until partitions are moved to them. A broker whose volume is lost
/// keeps its interface, and fetches its replicas from the others by itself.
pub(super) fn say_empty(design: &Design, observed: &Observed, plan: &mut Plan) {
    let interfaces = observed.of::<NetworkInterface>();
    let is_live = |host: &&HostDesign| interfaces.contains_key(host.name.as_str());
    let brokers = design.hosts.iter().filter(|host| host.broker());
    let (old, new): (Vec<&HostDesign>, Vec<&HostDesign>) = brokers.partition(is_live);
    if !old.is_empty() {
        let text = "it has no partitions until some are moved to it: `kstack rebalance` does that after the apply";
        plan.notes.extend(new.iter().map(|host| Note::of(&Address::new("instance", &host.name), text.to_owned())));
    }
}
