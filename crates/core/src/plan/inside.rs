//! Kafka's own resources: those of a live cluster of which it is not known what it has are held back, and nothing else is; and what
//! another replication factor means.

use std::collections::{BTreeMap, BTreeSet};

use super::{Note, Plan, Work};
use crate::kinds::{Kind as _, OfKind as _, Resource, ScramCredential, Topic, UserQuota, UserRights, Voter, voter};
use crate::model::{Address, is_of_kafka};
use crate::moves::amount;
use crate::observed::Observed;
use crate::refusal::Refusal;
use crate::stack::Stack;
use crate::text::many;

/// The kinds of what a user has in Kafka.
pub const USERS: [&str; 3] = [ScramCredential::NAME, UserQuota::NAME, UserRights::NAME];

/// Whether the step that would make the resource is held back: that it was not seen does not mean that it is not there.
pub fn is_held(address: &Address, observed: &Observed) -> bool {
    is_of_kafka(&address.kind) && observed.unknown_inside().is_some()
}

/// Whether a live resource that the design does not ask for may be deleted. A topic: where the stack file says that it is absent, or that
/// all topics whose names begin so are its own, since others make topics too. What a user has in Kafka: where the user is or was the file's,
/// or the file says the same of it. What is kept of a user stays while it is not known whether the cluster has the user still: it tells that the user
/// is kstack's.
pub fn may_go(address: &Address, stack: &Stack, observed: &Observed) -> bool {
    match address.kind.as_str() {
        "topic" => {
            stack.topics.get(&address.name).is_some_and(|topic| topic.absent)
                || stack.prunes_topic(&address.name).is_some()
        }
        kind if USERS.contains(&kind) => {
            let name = address.name.as_str();
            let ours = stack.access.users.contains_key(name) || observed.made_users().contains(name);
            ours || stack.prunes_user(name).is_some()
        }
        Voter::NAME => voter::leaves(stack, &address.name),
        "kafka_user" | "user_secret" => observed.unknown_inside().is_none(),
        _ => true,
    }
}

/// Says what of the stack file is held back, and why.
pub fn say_unknown(desired: &BTreeMap<Address, Resource>, stack: &Stack, observed: &Observed, plan: &mut Plan) {
    let Some(why) = observed.unknown_inside() else { return };
    let settings = desired.keys().any(|address| address.kind == "cluster_settings");
    let wanted = desired.keys().filter(|address| address.kind == "topic").count();
    let topics = wanted + stack.topics.values().filter(|topic| topic.absent).count();
    // Those that are no longer in the file too.
    let of_user = |address: &&Address| ["kafka_user", "user_secret"].contains(&address.kind.as_str());
    let users: BTreeSet<&Address> = desired.keys().chain(observed.live.keys()).filter(of_user).collect();
    let (count, pruned) = (topics + users.len(), !stack.prune.is_empty());
    let of = [(topics, "topic"), (users.len(), "user")].into_iter().filter(|(count, _)| *count > 0);
    let of = of.map(|(count, noun)| many(count, noun));
    let more = [(pruned, "what is under `prune`"), (settings, "the brokers' settings")];
    let more = more.into_iter().filter(|(is, _)| *is).map(|(_, what)| what.to_owned());
    let of: Vec<String> = of.chain(more).collect();
    let has = match (count, settings, pruned) {
        (0, false, false) => return,
        (1, false, false) | (0, false, true) => "has",
        _ => "have",
    };
    let text = format!(
        "{} of the stack file {has} no step, as it is not known what Kafka has: {why}; run it where the brokers can be reached, or name a \
         way with --via or --proxy",
        of.join(" and ")
    );
    plan.notes.push(Note { warning: true, ..Note::of(&Address::new("kafka", "main"), text) });
}

/// Says what becomes of topics that get another replication factor, or refuses it.
pub fn judge_copies(stack: &Stack, plan: &mut Plan) {
    let (mut notes, mut refusals) = (Vec::new(), Vec::new());
    for step in &plan.steps {
        let Work::Update { live, wanted, changes, .. } = &step.work else { continue };
        let (Some(live), Some(wanted)) = (Topic::of(&live.spec), Topic::of(wanted)) else { continue };
        let Some(change) = changes.iter().find(|change| change.field == "replication_factor") else { continue };
        let mut refuse = |reason: String, remedy: String| {
            refusals.push(Refusal { change: Some(change.clone()), ..Refusal::at(&step.address, reason, remedy) });
        };
        // What the file says of it is checked with the file.
        let own = live.config.get("min.insync.replicas").filter(|_| !wanted.config.contains_key("min.insync.replicas"));
        let least = own.and_then(|text| text.parse::<u32>().ok()).unwrap_or_default();
        if stack.cluster.msk.as_ref().is_some_and(|msk| !msk.standard()) {
            refuse(
                "Express and serverless brokers keep the copies that they have: their number can't be chosen"
                    .to_owned(),
                format!("write `replication_factor: {}`", live.replication_factor),
            );
        } else if wanted.replication_factor < least {
            refuse(
                format!(
                    "the live topic has `min.insync.replicas: {least}`, which the stack file does not name: with {} nobody could \
                     write with acks=all",
                    many(wanted.replication_factor, "copy")
                ),
                format!("write `config: {{min.insync.replicas: \"{}\"}}` for it", wanted.replication_factor),
            );
        } else {
            notes.push(Note::of(&step.address, becomes(live, wanted)));
        }
    }
    plan.notes.extend(notes);
    plan.refusals.extend(refusals);
}

/// What becomes of the copies of a topic.
fn becomes(live: &Topic, wanted: &Topic) -> String {
    let (before, after) = (live.replication_factor, wanted.replication_factor);
    let each = if wanted.partitions == 1 { "its partition" } else { "each of its partitions" };
    if after < before {
        let gone = many(before - after, "copy");
        return format!(
            "{each} loses {gone}, and never that of its leader; a copy is deleted with its records, and the others have them"
        );
    }
    let more = u64::from(after - before);
    let bytes = match live.bytes {
        Some(bytes) => format!("{} are copied", amount(bytes.saturating_mul(more))),
        None => "all of it is copied".to_owned(),
    };
    format!(
        "{each} gets {} more: {bytes}, a few partitions at a time, with a throttle that leaves the brokers what their clients need",
        many(after - before, "copy")
    )
}
