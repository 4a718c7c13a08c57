//! The steps for a live resource that differs from what is wanted.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Action, Creation, LiveTarget, Note, Plan, Step, Work, diff};
use crate::design::Design;
use crate::kinds::{self, Resource};
use crate::model::{Address, Effect, FieldChange, Operation, Ref, Tags};
use crate::observed::{Live, Observed};
use crate::refusal::Refusal;

/// Adds the steps that bring `live` to what is wanted, or the reasons why it can't be, to `plan`. `new` are the addresses that
/// the plan makes.
pub fn change(address: &Address, wanted: Creation, live: &Live, new: &BTreeSet<Address>, plan: &mut Plan) {
    let mut action = None;
    let mut changes = Vec::new();
    for change in diff::fields(&wanted.spec.spec(), &live.spec.spec()) {
        let next = match effect(address, &change, &wanted.spec, new) {
            Effect::InPlace => Action::Update,
            Effect::Roll => Action::Roll,
            Effect::Replace => Action::Replace,
            Effect::Keep(text) => {
                plan.notes.push(Note::of(address, text));
                continue;
            }
            Effect::UntilRoll => continue,
            Effect::Lossy { .. } if plan.data_loss_allowed => Action::Update,
            Effect::Lossy { reason, remedy } | Effect::Refuse { reason, remedy } => {
                plan.refusals.push(Refusal { change: Some(change), ..Refusal::at(address, reason, remedy) });
                continue;
            }
        };
        action = action.max(Some(next));
        changes.push(change);
    }
    if kinds::is_tagged(&address.kind) {
        let tag_changes = diff::tags(&wanted.tags, &live.tags);
        action = action.max((!tag_changes.is_empty()).then_some(Action::Update));
        changes.extend(tag_changes);
    }
    let Some(action) = action else { return };
    let live = LiveTarget { id: live.id.clone(), spec: live.spec.clone(), tags: live.tags.clone() };
    let step = |reason: &str, work: Work| Step::new(address, reason, work);
    match action {
        Action::Roll => {
            let reason = wanted.spec.roll_reason(&changes);
            plan.steps.push(step(reason, Work::Roll { live, changes, new: wanted }));
        }
        Action::Replace => {
            let reason = "this can't be changed in place: the resource is deleted and created again";
            plan.steps.push(step(reason, Work::Replace { live, changes, new: wanted }));
        }
        _ => plan.steps.extend(updates(address, live, wanted, changes)),
    }
}

/// Adds the changes of live resources whose references are set again: what they name is made anew by the plan, under the same address and
/// with another id.
pub fn follow(desired: &BTreeMap<Address, Resource>, design: &Design, observed: &Observed, plan: &mut Plan) {
    let anew = |step: &Step| matches!(step.action(), Action::Roll | Action::Replace);
    let anew = plan.steps.iter().filter(|step| anew(step));
    let old: BTreeMap<Address, String> =
        anew.filter_map(|step| Some((step.address.clone(), step.live()?.id.clone()))).collect();
    for (address, live) in &observed.live {
        let (Some(field), Some(wanted)) = (kinds::follows(&address.kind), desired.get(address)) else { continue };
        let named = wanted.refs().into_iter().filter_map(Ref::address).filter(|named| old.contains_key(named));
        let named: Vec<String> = named.map(ToString::to_string).collect::<BTreeSet<_>>().into_iter().collect();
        if named.is_empty() {
            continue;
        }
        let after = wanted.spec()[field].clone();
        let change = FieldChange { field: field.to_owned(), before: with_ids(&after, &old), after };
        let own = plan.steps.iter_mut().find(|step| step.address == *address);
        match own.map(|step| &mut step.work) {
            Some(Work::Update { changes, .. }) if changes.iter().all(|one| one.field != field) => changes.push(change),
            Some(_) => {}
            None => plan.steps.push(Step {
                address: address.clone(),
                operation: None,
                reason: match &named[..] {
                    [one] => format!("{one} is another then"),
                    all => format!("{} and {} more are others then", all[0], all.len() - 1),
                },
                work: Work::Update {
                    live: LiveTarget { id: live.id.clone(), spec: live.spec.clone(), tags: live.tags.clone() },
                    wanted: wanted.clone(),
                    tags: super::tags(design, address, wanted),
                    changes: vec![change],
                },
                after: Vec::new(),
                after_all: None,
            }),
        }
    }
}

/// `value`, with ids in the place of the addresses that `ids` has.
fn with_ids(value: &Value, ids: &BTreeMap<Address, String>) -> Value {
    match value {
        Value::String(text) => {
            let id = Address::parse(text).and_then(|address| ids.get(&address));
            Value::String(id.unwrap_or(text).clone())
        }
        Value::Array(items) => items.iter().map(|item| with_ids(item, ids)).collect(),
        Value::Object(map) => map.iter().map(|(key, one)| (key.clone(), with_ids(one, ids))).collect(),
        other => other.clone(),
    }
}

/// What `change` does, and to what it leads: whether its new value names a resource that the plan makes.
fn effect(address: &Address, change: &FieldChange, wanted: &Resource, new: &BTreeSet<Address>) -> Effect {
    let names = |address: &Address| {
        let text = Some(address.to_string());
        let items = change.after.as_array().map_or(std::slice::from_ref(&change.after), Vec::as_slice);
        items.iter().any(|item| item.as_str() == text.as_deref())
    };
    let target_is_new = wanted.refs().into_iter().filter_map(Ref::address).any(|one| names(one) && new.contains(one));
    kinds::effect(&address.kind, change, target_is_new).unwrap_or_else(|| Effect::Refuse {
        reason: format!("kstack has no rule for the field `{}` of {}", change.field, address.kind),
        remedy: "this is a defect of kstack: please report it with this message".to_owned(),
    })
}

/// One step for the changes; or a step for each operation that the kind needs for them, one after the other, tags first.
fn updates(address: &Address, live: LiveTarget, wanted: Creation, changes: Vec<FieldChange>) -> Vec<Step> {
    let differs = |changes: &[FieldChange]| kinds::update_reason(&address.kind, changes);
    let step = |operation: Option<&'static str>, reason: String, changes: Vec<FieldChange>| Step {
        address: address.clone(),
        operation,
        reason,
        work: Work::Update { live: live.clone(), wanted: wanted.spec.clone(), tags: wanted.tags.clone(), changes },
        after: Vec::new(),
        after_all: None,
    };
    let (tags, fields): (Vec<_>, Vec<_>) = changes.iter().cloned().partition(|change| change.tag().is_some());
    let mut operations = wanted.spec.operations(&live.spec, &fields);
    if operations.is_empty() {
        return vec![step(None, differs(&changes), changes)];
    }
    if !tags.is_empty() {
        operations.insert(0, Operation { name: "tags", reason: differs(&tags), changes: tags });
    }
    let mut steps: Vec<Step> = Vec::new();
    for Operation { name, reason, changes } in operations {
        let after = steps.last().map(Step::id).into_iter().collect();
        steps.push(Step { after, ..step(Some(name), reason, changes) });
    }
    steps
}

/// The tags that `changes` set, and the keys that they remove.
pub fn tag_changes(changes: &[FieldChange]) -> (Tags, Vec<String>) {
    let tags = || changes.iter().filter_map(|change| Some((change.tag()?.to_owned(), change)));
    let set = tags().filter_map(|(key, change)| Some((key, change.after.as_str()?.to_owned()))).collect();
    let unset = tags().filter(|(_, change)| change.after.is_null()).map(|(key, _)| key).collect();
    (set, unset)
}
