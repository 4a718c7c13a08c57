//! Kafka's own resources, where it is not known what a live cluster has of them: they are held back, and nothing else is.

use std::collections::BTreeMap;

use super::{Note, Plan};
use crate::kinds::Resource;
use crate::model::{Address, is_of_kafka};
use crate::observed::Observed;
use crate::stack::Stack;
use crate::text::many;

/// Whether the step that would make the resource is held back: that it was not seen does not mean that it is not there.
pub fn is_held(address: &Address, observed: &Observed) -> bool {
    is_of_kafka(&address.kind) && observed.unknown_inside().is_some()
}

/// Whether what is kept of a user that is no longer in the file stays, as it is not known whether the cluster has the user still: it tells
/// that the user is kstack's.
pub fn is_kept(address: &Address, observed: &Observed) -> bool {
    address.kind == "kafka_user" && observed.unknown_inside().is_some()
}

/// Says what of the stack file is held back, and why.
pub fn say_unknown(desired: &BTreeMap<Address, Resource>, stack: &Stack, observed: &Observed, plan: &mut Plan) {
    let Some(why) = observed.unknown_inside() else { return };
    let wanted = desired.keys().filter(|address| is_of_kafka(&address.kind)).count();
    let absent = stack.topics.values().filter(|topic| topic.absent).count();
    let count = wanted + absent;
    if count == 0 {
        return;
    }
    let (waits, is, it) = if count == 1 { ("waits", "is", "it") } else { ("wait", "are", "them") };
    let text = format!(
        "{} of the stack file {waits}, and {is} left as they are: {why}. Run it where the brokers can be reached, or name a way with \
         --via or --proxy; then the plan has {it}",
        many(count, "Kafka resource")
    );
    plan.notes.push(Note { warning: true, ..Note::of(&Address::new("kafka", "main"), text) });
}
