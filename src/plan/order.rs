//! The order of steps: what waits for what, one roll at a time, and a list in which every step comes after those it waits for. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Step};
use crate::kinds::{NAMES, Resource};
use crate::resource::{Address, references};

/// Fills in `after` of every step and sorts them so that they could be run one by one.
pub fn wire(steps: &mut Vec<Step>) {
    let actions: BTreeMap<Address, Action> = steps.iter().map(|step| (step.address.clone(), step.action)).collect();
    let mut after: BTreeMap<Address, BTreeSet<Address>> = BTreeMap::new();
    for step in steps.iter() {
        if let Some(wanted) = &step.wanted {
            for needed in dependencies(&step.address, wanted) {
                if actions.get(&needed).is_some_and(|action| *action != Action::Delete) {
                    after.entry(step.address.clone()).or_default().insert(needed);
                }
            }
        }
        // What goes waits for everything that still uses it to go, or to let go of it.
        if let Some(live) = &step.live {
            for used in dependencies(&step.address, live) {
                if actions.get(&used) == Some(&Action::Delete) {
                    after.entry(used).or_default().insert(step.address.clone());
                }
            }
        }
    }
    chain_rolls(steps, &mut after);
    for step in steps.iter_mut() {
        step.after = after.remove(&step.address).unwrap_or_default().into_iter().collect();
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
fn chain_rolls(steps: &[Step], after: &mut BTreeMap<Address, BTreeSet<Address>>) {
    let mut rolls: Vec<&Step> = steps.iter().filter(|step| step.action == Action::Roll).collect();
    rolls.sort_by_cached_key(|step| rank(&step.address));
    let moving = steps.iter().filter(|step| {
        rolls.first().is_some_and(|roll| roll.address.kind == step.address.kind)
            && matches!(step.action, Action::Create | Action::Update)
    });
    if let Some(first) = rolls.first() {
        after.entry(first.address.clone()).or_default().extend(moving.map(|step| step.address.clone()));
    }
    for pair in rolls.windows(2) {
        after.entry(pair[1].address.clone()).or_default().insert(pair[0].address.clone());
    }
}

/// Puts the roll of `host`, on which the active controller is, behind all rolls of its role, so that the quorum moves once.
/// Which host that is changes by itself: the plan is the same plan, and only its rolls are chained anew.
pub fn roll_last(steps: &mut [Step], host: &str) {
    let role = |name: &str| name.rsplit_once('-').map_or(name, |(role, _)| role).to_owned();
    let mut rolls: Vec<Address> =
        steps.iter().filter(|step| step.action == Action::Roll).map(|step| step.address.clone()).collect();
    rolls.sort_by_cached_key(|address| (rank(address).0, address.name == host, rank(address)));
    if !rolls.iter().any(|address| role(&address.name) == role(host)) {
        return;
    }
    let all: BTreeSet<Address> = rolls.iter().cloned().collect();
    // What the first roll waited for, the new first one has to wait for too.
    let starts: BTreeSet<Address> = steps
        .iter()
        .filter(|step| all.contains(&step.address))
        .flat_map(|step| step.after.iter().filter(|one| one.kind == step.address.kind && !all.contains(one)).cloned())
        .collect();
    for step in steps.iter_mut().filter(|step| all.contains(&step.address)) {
        let mut after: BTreeSet<Address> = step.after.iter().filter(|one| !all.contains(one)).cloned().collect();
        match rolls.iter().position(|address| *address == step.address) {
            Some(0) | None => after.extend(starts.iter().cloned()),
            Some(place) => drop(after.insert(rolls[place - 1].clone())),
        }
        step.after = after.into_iter().collect();
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
    let mut waiting: BTreeMap<_, Step> = steps.drain(..).map(|step| (key(&step), step)).collect();
    let mut done: BTreeSet<Address> = BTreeSet::new();
    let all: BTreeSet<Address> = waiting.values().map(|step| step.address.clone()).collect();
    while !waiting.is_empty() {
        let free =
            waiting.iter().find(|(_, step)| step.after.iter().all(|one| done.contains(one) || !all.contains(one)));
        // Kinds depend on each other in one direction, so there is always a free step; a test holds that.
        let key = free.map(|(key, _)| key.clone()).or_else(|| waiting.keys().next().cloned());
        if let Some(step) = key.and_then(|key| waiting.remove(&key)) {
            done.insert(step.address.clone());
            steps.push(step);
        }
    }
}
