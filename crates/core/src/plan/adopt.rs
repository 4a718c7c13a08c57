//! The plan that takes an MSK cluster under kstack which others made: its tags, and nothing else. Pure.

use serde_json::Value;

use super::{LiveTarget, Plan, Step, Work, ordered, tags};
use crate::design::Design;
use crate::kinds::msk_cluster::{ACTIVE, adoption_tags, is_to_be_adopted};
use crate::kinds::{Kind as _, MskCluster, OfKind as _};
use crate::model::{Address, FieldChange, Tags, tag};
use crate::observed::{Live, Observed};
use crate::refusal::Refusal;

const DESCRIBE: &str = "`kstack describe CLUSTER-ARN` prints a file that describes what is live; what is to change afterwards, change with \
                        `kstack apply`";

/// The plan that gives the cluster the stack's tags, where that is all that `design` and `ordinary`, the ordinary plan for it, would do.
/// Else it is refused for each difference. `observed` has the cluster as if it were the stack's already.
pub fn adopt(design: Option<&Design>, ordinary: Plan, observed: &Observed) -> Plan {
    let mut plan = Plan { steps: Vec::new(), ..ordinary };
    let address = Address::new(MskCluster::NAME, "main");
    let Some((live, cluster)) = observed.live.get(&address).and_then(|live| Some((live, MskCluster::of(&live.spec)?)))
    else {
        if plan.refusals.is_empty() || observed.unplaced.is_empty() {
            plan.refusals = vec![missing(&plan)];
        }
        return plan;
    };
    if let Some(refusal) = not_to_adopt(&plan.stack, live, cluster) {
        plan.refusals = vec![refusal];
        return plan;
    }
    let Some(design) = design else { return plan };
    if design.existing.is_none() {
        plan.refusals = vec![Refusal::general(
            "the file asks for a network of the stack's own, and the cluster is in one that is there",
            DESCRIBE,
        )];
        return plan;
    }
    if design.expires.is_some() {
        plan.refusals.push(Refusal::general(
            "the file has a lifetime, and what others made does not expire",
            "remove `ttl`; it can be written once the cluster is adopted",
        ));
    }
    for step in ordinary.steps.iter() {
        differences(step, &mut plan);
    }
    plan.steps.extend(tagging(design, &address, live));
    ordered(plan, observed)
}

fn missing(plan: &Plan) -> Refusal {
    Refusal::general(
        format!("there is no MSK cluster named `{}` in {} for account {}", plan.stack, plan.region, plan.account),
        "a stack has the name of its cluster: correct `name` or `region`, or use the credentials of the cluster's account",
    )
}

/// Why the cluster is not to be adopted at all.
fn not_to_adopt(stack: &str, live: &Live, cluster: &MskCluster) -> Option<Refusal> {
    let owner = live.tags.get(tag::STACK).map(String::as_str).unwrap_or_default();
    if owner != stack {
        let reason = format!("{} has the tag `{}` of another stack, `{owner}`", live.id, tag::STACK);
        let remedy =
            format!("if there is no such stack any more, remove the cluster's tags that begin with `{}`", tag::OURS[0]);
        return Some(Refusal::general(reason, remedy));
    }
    if !live.tags.contains_key(tag::ADOPTED) {
        let reason = format!("the stack {stack} has made this cluster itself: {}", live.id);
        return Some(Refusal::general(reason, "use `kstack plan` and `kstack apply`"));
    }
    if cluster.state != ACTIVE {
        let reason = format!("the cluster is not there to be adopted: its state is {}", cluster.state);
        return Some(Refusal::general(reason, "adopt it once it is active"));
    }
    None
}

/// Refuses everything of `step` that is no tag.
fn differences(step: &Step, plan: &mut Plan) {
    let at = |reason: &str| Refusal::at(&step.address, reason, DESCRIBE);
    match &step.work {
        Work::Create(_) => plan.refusals.push(at("the file asks for it, and it is not there")),
        Work::Delete { .. } => plan.refusals.push(at("it is there, and not in the file")),
        _ => {
            let fields = step.changes().iter().filter(|change| change.tag().is_none());
            plan.refusals.extend(
                fields
                    .map(|change| Refusal { change: Some(change.clone()), ..at("the file differs from what is live") }),
            );
        }
    }
}

/// The step that sets the tags; none where the cluster has them all.
fn tagging(design: &Design, address: &Address, live: &Live) -> Option<Step> {
    let subnets: Vec<String> =
        live.tags.get(tag::NETWORK).map(|text| text.split(' ').map(str::to_owned).collect()).unwrap_or_default();
    let key = live.tags.get(tag::KMS_KEY).map(String::as_str);
    let mut wanted = tags(design, address, &live.spec);
    wanted.remove(tag::NAME);
    wanted.extend(adoption_tags(&design.stack.name, &subnets, key, false));
    let mut now: Tags = live.tags.clone();
    if is_to_be_adopted(&now) {
        now.retain(|name, _| !name.starts_with(tag::OURS[0]));
    }
    let differs = wanted.iter().filter(|(name, value)| now.get(*name) != Some(value));
    let change = |(name, value): (&String, &String)| FieldChange {
        field: format!("tags.{name}"),
        before: now.get(name).map_or(Value::Null, |value| Value::String(value.clone())),
        after: Value::String(value.clone()),
    };
    let changes: Vec<FieldChange> = differs.map(change).collect();
    (!changes.is_empty()).then(|| Step {
        address: address.clone(),
        operation: Some("tags"),
        reason: "it gets the tags by which kstack knows it; nothing else of it is changed".to_owned(),
        work: Work::Update {
            live: LiveTarget { id: live.id.clone(), spec: live.spec.clone(), tags: now },
            wanted: live.spec.clone(),
            tags: wanted,
            changes,
        },
        after: Vec::new(),
        after_all: None,
    })
}
