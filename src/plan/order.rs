//! The order of steps: what waits for what, one roll at a time, and a list in which every step comes after those it waits for. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Step};
use crate::kinds::{NAMES, Resource};
use crate::resource::{Address, StepId, references};

/// Fills in `after` of every step and sorts them so that they could be run one by one. What `split` has put there, the
/// operation before, stays.
pub fn wire(steps: &mut Vec<Step>) {
    // Who waits for a resource waits for the last operation on it.
    let last: BTreeMap<Address, (StepId, Action)> =
        steps.iter().map(|step| (step.address.clone(), (step.id(), step.action))).collect();
    let mut after: BTreeMap<StepId, BTreeSet<StepId>> = BTreeMap::new();
    for step in steps.iter() {
        after.entry(step.id()).or_default().extend(step.after.iter().cloned());
        if let Some(wanted) = &step.wanted {
            for needed in dependencies(&step.address, wanted) {
                if let Some((needed, _)) = last.get(&needed).filter(|(_, action)| *action != Action::Delete) {
                    after.entry(step.id()).or_default().insert(needed.clone());
                }
            }
        }
        // What goes waits for everything that still uses it to go, or to let go of it.
        if let Some(live) = &step.live {
            for used in dependencies(&step.address, live) {
                let Some((id, action)) = last.get(&used) else { continue };
                if *action == Action::Delete {
                    after.entry(id.clone()).or_default().insert(step.id());
                } else if id.operation.is_some() && step.action == Action::Delete {
                    // Operations may need that what hangs on the resource is gone.
                    for operation in steps.iter().filter(|other| other.address == used) {
                        after.entry(operation.id()).or_default().insert(step.id());
                    }
                }
            }
        }
    }
    chain_rolls(steps, &mut after);
    for step in steps.iter_mut() {
        step.after = after.remove(&step.id()).unwrap_or_default().into_iter().collect();
    }
    sort(steps);
}

/// What `resource` needs: what its spec names, and what its kind says comes before.
fn dependencies(address: &Address, resource: &Resource) -> BTreeSet<Address> {
    let mut all = references(&resource.spec());
    all.extend(resource.after(&address.name));
    all.remove(address);
    all
}

/// One broker at a time: each roll waits for the one before, and the first for all instances that start or change anyway.
fn chain_rolls(steps: &[Step], after: &mut BTreeMap<StepId, BTreeSet<StepId>>) {
    let mut rolls: Vec<&Step> = steps.iter().filter(|step| step.action == Action::Roll).collect();
    rolls.sort_by_cached_key(|step| rank(&step.address));
    let moving = steps.iter().filter(|step| {
        rolls.first().is_some_and(|roll| roll.address.kind == step.address.kind)
            && matches!(step.action, Action::Create | Action::Update)
    });
    if let Some(first) = rolls.first() {
        after.entry(first.id()).or_default().extend(moving.map(Step::id));
    }
    for pair in rolls.windows(2) {
        after.entry(pair[1].id()).or_default().insert(pair[0].id());
    }
}

/// Controllers before brokers, each by number: a broker must not be newer than its controllers.
pub fn rank(address: &Address) -> (bool, u32, Address) {
    let (role, number) = address.name.rsplit_once('-').unwrap_or((&address.name, ""));
    (role != "controller", number.parse().unwrap_or_default(), address.clone())
}

/// Where a resource stands in a list: by kind, in the order in which kinds depend on each other, then by rank.
pub fn place(address: &Address) -> (usize, (bool, u32, Address)) {
    let kind = NAMES.iter().position(|name| *name == address.kind).unwrap_or_default();
    (kind, rank(address))
}

/// Sorts topologically; among steps that are free to run, by their place. Deletions come last, their kinds in reverse.
fn sort(steps: &mut Vec<Step>) {
    let key = |step: &Step| {
        let (kind, rank) = place(&step.address);
        if step.action == Action::Delete { (true, NAMES.len() - kind, rank) } else { (false, kind, rank) }
    };
    let mut waiting: BTreeMap<_, Step> =
        steps.drain(..).enumerate().map(|(number, step)| ((key(&step), number), step)).collect();
    let mut done: BTreeSet<StepId> = BTreeSet::new();
    let all: BTreeSet<StepId> = waiting.values().map(Step::id).collect();
    while !waiting.is_empty() {
        let free =
            waiting.iter().find(|(_, step)| step.after.iter().all(|one| done.contains(one) || !all.contains(one)));
        // Kinds depend on each other in one direction, so there is always a free step; a test holds that.
        let key = free.map(|(key, _)| key.clone()).or_else(|| waiting.keys().next().cloned());
        if let Some(step) = key.and_then(|key| waiting.remove(&key)) {
            done.insert(step.id());
            steps.push(step);
        }
    }
}
