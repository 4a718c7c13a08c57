//! The steps for a live resource that differs from what is wanted. Pure.

use std::collections::BTreeSet;

use super::{Action, Note, Plan, Refusal, Step, diff, generation};
use crate::kinds::Resource;
use crate::resource::{Address, Effect, Live, Observed, Operation, Tags};

/// Adds the steps that bring `live` to `wanted`, or the reasons why it can't be, to `plan`.
#[allow(clippy::too_many_arguments)] // One call site; a struct would only name them twice.
pub fn change(
    address: &Address,
    wanted: &Resource,
    live: &Live,
    tags: Tags,
    anew: &BTreeSet<Address>,
    observed: &Observed,
    allow_data_loss: bool,
    plan: &mut Plan,
) {
    let mut action = None;
    let (mut changes, mut until_roll) = (Vec::new(), Vec::new());
    for change in diff::fields(&wanted.spec(), &live.spec) {
        let made_anew = change.after.as_str().and_then(Address::parse).is_some_and(|target| anew.contains(&target));
        let next = match Resource::effect(&address.kind, &change, made_anew) {
            Effect::InPlace => Action::Update,
            Effect::Roll => Action::Roll,
            Effect::Replace => Action::Replace,
            Effect::Keep(text) => {
                plan.notes.push(Note { address: address.clone(), text });
                continue;
            }
            Effect::KeepUntilRoll(text) => {
                until_roll.push(Note { address: address.clone(), text });
                continue;
            }
            Effect::Lossy(..) if allow_data_loss => Action::Update,
            Effect::Lossy(why, way_out) | Effect::Refuse(why, way_out) => {
                plan.refusals.push(Refusal { change: Some(change), ..Refusal::at(address, why, way_out) });
                continue;
            }
        };
        action = action.max(Some(next));
        changes.push(change);
    }
    if wanted.tagged() {
        let tag_changes = diff::tags(&tags, &live.tags);
        action = action.max((!tag_changes.is_empty()).then_some(Action::Update));
        changes.extend(tag_changes);
    }
    if action != Some(Action::Roll) {
        plan.notes.extend(until_roll);
    }
    let Some(action) = action else { return };
    let loses_volume = changes.iter().any(|change| change.field == "data_volume");
    let why = match action {
        Action::Roll if loses_volume => {
            "the host stops and starts anew on another volume while the others run; its address is kept"
        }
        Action::Roll => "the host stops and starts anew while the others run; its volume and address are kept",
        Action::Replace => "this can't be changed in place; it is deleted and made again",
        _ => "it differs from the file",
    };
    let step = Step {
        address: address.clone(),
        operation: None,
        action,
        why: why.to_owned(),
        changes,
        id: Some(live.id.clone()),
        spec: Some(wanted.spec()),
        after: Vec::new(),
        generation: generation(address, observed),
        wanted: Some(wanted.clone()),
        live: Resource::from_live(&address.kind, &live.spec),
        tags,
    };
    plan.steps.extend(split(step));
}

/// The step itself; or a step for each operation that its kind needs for the changes, one after the other, tags first.
fn split(step: Step) -> Vec<Step> {
    let (Action::Update, Some(wanted), Some(live)) = (step.action, &step.wanted, &step.live) else { return vec![step] };
    let (tags, fields): (Vec<_>, Vec<_>) =
        step.changes.iter().cloned().partition(|change| change.field.starts_with("tags."));
    let mut operations = wanted.operations(live, &fields);
    if !operations.is_empty() && !tags.is_empty() {
        operations.insert(0, Operation { name: "tags", why: step.why.clone(), changes: tags });
    }
    if operations.is_empty() {
        return vec![step];
    }
    let mut steps: Vec<Step> = Vec::new();
    for Operation { name, why, changes } in operations {
        let after = steps.last().map(Step::id).into_iter().collect();
        steps.push(Step { operation: Some(name), why, changes, after, ..step.clone() });
    }
    steps
}
