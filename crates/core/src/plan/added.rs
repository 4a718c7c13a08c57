//! What is said of brokers that join a cluster, as Kafka gives them new partitions only; and of what is kept as it is.

use std::collections::BTreeMap;

use super::{Note, Plan};
use crate::design::{Design, HostDesign};
use crate::kinds::{NetworkInterface, Partitions};
use crate::model::Address;
use crate::observed::Observed;

/// Says that brokers which the plan adds to live ones are empty until partitions are moved to them. A broker whose volume is lost
/// keeps its interface, and fetches its replicas from the others by itself.
pub(super) fn say_empty(design: &Design, observed: &Observed, plan: &mut Plan) {
    let interfaces = observed.of::<NetworkInterface>();
    let is_live = |host: &&HostDesign| interfaces.contains_key(host.name.as_str());
    let brokers = design.hosts.iter().filter(|host| host.broker());
    let (old, new): (Vec<&HostDesign>, Vec<&HostDesign>) = brokers.partition(is_live);
    // Where the brokers have told, the plan itself moves some.
    if !old.is_empty() && observed.of::<Partitions>().is_empty() {
        let text = "it has no partitions until some are moved to it, and the brokers can't be asked now: `kstack rebalance` does that after the apply";
        plan.notes.extend(new.iter().map(|host| Note::of(&Address::new("instance", &host.name), text.to_owned())));
    }
}

/// Says which settings stay as they are live, a line for each topic, and one for the brokers.
pub(super) fn say_kept(design: &Design, plan: &mut Plan) {
    let mut by_address: BTreeMap<&Address, Vec<String>> = BTreeMap::new();
    for kept in &design.kept {
        let live = kept.live.as_deref().unwrap_or("unset");
        let text = format!("`{}` at {live}, and not {}", kept.setting, kept.file);
        by_address.entry(&kept.address).or_default().push(text);
    }
    let text = |all: Vec<String>| format!("`ignore_drift` keeps {}", all.join(" and "));
    plan.notes.extend(by_address.into_iter().map(|(address, all)| Note::of(address, text(all))));
}

/// Says which live hosts have no exporters, where the file does not say whether they should: kstack rolls no host unasked.
pub(super) fn say_unmonitored(design: &Design, observed: &Observed, plan: &mut Plan) {
    let silent = design.stack.cluster.ec2.as_ref().is_some_and(|ec2| ec2.monitoring.is_none());
    let off = design.hosts.iter().filter(|host| silent && host.cloud.monitoring.is_none());
    let live =
        off.map(|host| Address::new("instance", &host.name)).filter(|address| observed.live.contains_key(address));
    let text = "it has no exporters for Prometheus; `monitoring: {prometheus: true}` below `ec2` adds them by a roll, and `false` ends this note";
    plan.notes.extend(live.map(|address| Note::of(&address, text.to_owned())));
}
