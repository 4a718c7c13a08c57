//! Kafka's own resources, where it is not known what a live cluster has of them: they are held back, and nothing else is.

use std::collections::{BTreeMap, BTreeSet};

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

/// Whether a live resource that the design does not ask for may be deleted. A topic: where the stack file says that it is absent, since
/// others make topics too. What is kept of a user stays while it is not known whether the cluster has the user still: it tells that the user
/// is kstack's.
pub fn may_go(address: &Address, stack: &Stack, observed: &Observed) -> bool {
    match address.kind.as_str() {
        "topic" => stack.topics.get(&address.name).is_some_and(|topic| topic.absent),
        "kafka_user" | "user_secret" => observed.unknown_inside().is_none(),
        _ => true,
    }
}

/// Says what of the stack file is held back, and why.
pub fn say_unknown(desired: &BTreeMap<Address, Resource>, stack: &Stack, observed: &Observed, plan: &mut Plan) {
    let Some(why) = observed.unknown_inside() else { return };
    let wanted = desired.keys().filter(|address| address.kind == "topic").count();
    let topics = wanted + stack.topics.values().filter(|topic| topic.absent).count();
    // Those that are no longer in the file too.
    let of_user = |address: &&Address| ["kafka_user", "user_secret"].contains(&address.kind.as_str());
    let users: BTreeSet<&Address> = desired.keys().chain(observed.live.keys()).filter(of_user).collect();
    let count = topics + users.len();
    if count == 0 {
        return;
    }
    let of = [(topics, "topic"), (users.len(), "user")].into_iter().filter(|(count, _)| *count > 0);
    let of: Vec<String> = of.map(|(count, noun)| many(count, noun)).collect();
    let has = if count == 1 { "has" } else { "have" };
    let text = format!(
        "{} of the stack file {has} no step, as it is not known what Kafka has: {why}; run it where the brokers can be reached, or name a \
         way with --via or --proxy",
        of.join(" and ")
    );
    plan.notes.push(Note { warning: true, ..Note::of(&Address::new("kafka", "main"), text) });
}
