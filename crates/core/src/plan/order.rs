//! The order of steps: what waits for what, one roll at a time, and a list in which every step comes after those it waits for. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, All, Ready, Step, Work};
use crate::kinds::{self, Kind as _, NAMES, Resource, Voter};
use crate::model::{Address, Ref, StepId, is_of_kafka};

/// Fills in `after` of every step and sorts them so that they could be run one by one. What is there already, the operation
/// before, stays.
///
/// # Errors
/// Steps that wait for each other in a circle: each for the next one, and the last for the first.
pub fn wire(steps: &mut Vec<Step>) -> Result<(), Vec<StepId>> {
    // Who waits for a resource waits for the last operation on it; but not for what takes access away, which comes last of all.
    let makes = steps.iter().filter(|step| !step.closes());
    let last: BTreeMap<Address, (StepId, Action)> =
        makes.map(|step| (step.address.clone(), (step.id(), step.action()))).collect();
    let mut after: BTreeMap<StepId, BTreeSet<StepId>> = BTreeMap::new();
    for step in steps.iter() {
        after.entry(step.id()).or_default().extend(step.after.iter().cloned());
        if let Some(wanted) = step.wanted() {
            for needed in dependencies(&step.address, wanted) {
                if let Some((needed, _)) = last.get(&needed).filter(|(_, action)| *action != Action::Delete) {
                    after.entry(step.id()).or_default().insert(needed.clone());
                }
            }
        }
        // What goes waits for everything that still uses it to go, or to let go of it.
        if let Some(live) = step.live() {
            for used in dependencies(&step.address, &live.spec) {
                let Some((id, action)) = last.get(&used) else { continue };
                if *action == Action::Delete {
                    after.entry(id.clone()).or_default().insert(step.id());
                } else if id.operation.is_some() && step.action() == Action::Delete && !kinds::is_access(&used.kind) {
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
        step.after_all = if step.closes() || takes_away(step) {
            Some(All::Changes)
        } else {
            is_of_kafka(&step.address.kind).then_some(All::Cluster)
        };
    }
    sort(steps)
}

/// What `resource` needs: what its spec names, and what its kind says comes before.
pub fn dependencies(address: &Address, resource: &Resource) -> BTreeSet<Address> {
    let mut all: BTreeSet<Address> = resource.refs().into_iter().filter_map(Ref::address).cloned().collect();
    all.extend(resource.after(&address.name));
    all.remove(address);
    all
}

/// One broker at a time: each roll waits for the one before, and the first for all instances that start or change anyway. Of a role
/// the hosts that are down come first: as long as they are, no other one may be stopped.
fn chain_rolls(steps: &[Step], after: &mut BTreeMap<StepId, BTreeSet<StepId>>) {
    let mut rolls: Vec<&Step> = steps.iter().filter(|step| matches!(step.work, Work::Roll { .. })).collect();
    rolls.sort_by_cached_key(|step| (rank(&step.address).0, !is_down(step), rank(&step.address)));
    let moving = steps.iter().filter(|step| {
        rolls.first().is_some_and(|roll| roll.address.kind == step.address.kind)
            && matches!(step.work, Work::Create(_) | Work::Update { .. })
    });
    if let Some(first) = rolls.first() {
        after.entry(first.id()).or_default().extend(moving.map(Step::id));
    }
    for pair in rolls.windows(2) {
        after.entry(pair[1].id()).or_default().insert(pair[0].id());
    }
}

/// Whether the step deletes something by which hosts or clients reach something.
fn takes_away(step: &Step) -> bool {
    step.action() == Action::Delete && kinds::is_access(&step.address.kind)
}

/// Puts the roll of `host`, on which the active controller is, behind all rolls of its role, so that the quorum moves once.
/// Which host that is changes at any time: the plan is the same plan, and only the order of its rolls differs.
///
/// # Errors
/// As [`wire`].
pub fn roll_last(steps: &mut Vec<Step>, host: &str) -> Result<(), Vec<StepId>> {
    let mut rolls: Vec<(bool, StepId)> = steps
        .iter()
        .filter(|step| matches!(step.work, Work::Roll { .. }))
        .map(|step| (!is_down(step), step.id()))
        .collect();
    rolls.sort_by_cached_key(|(runs, id)| {
        let address = &id.address;
        (rank(address).0, address.name == host, *runs, rank(address))
    });
    let place = |id: &StepId| rolls.iter().position(|(_, roll)| roll == id);
    let kind = rolls.first().map(|(_, id)| id.address.kind.clone()).unwrap_or_default();
    // What the first roll waited for, the new first one has to wait for too.
    let old = steps.iter().filter(|step| place(&step.id()).is_some()).flat_map(|step| &step.after);
    let starts: Vec<StepId> = old.filter(|id| id.address.kind == kind && place(id).is_none()).cloned().collect();
    for step in steps.iter_mut() {
        let Some(at) = place(&step.id()) else { continue };
        let mut after: BTreeSet<StepId> = step.after.iter().filter(|id| place(id).is_none()).cloned().collect();
        match at {
            0 => after.extend(starts.iter().cloned()),
            at => drop(after.insert(rolls[at - 1].1.clone())),
        }
        step.after = after.into_iter().collect();
    }
    leave_last(steps, host);
    sort(steps)
}

/// Lets the controller on `host`, the active one, leave the quorum after all others that leave: it moves once, or not at all.
fn leave_last(steps: &mut [Step], host: &str) {
    let leaves = |step: &Step| step.address.kind == Voter::NAME && step.action() == Action::Delete;
    let leaving: Vec<StepId> = steps.iter().filter(|step| leaves(step)).map(Step::id).collect();
    let Some(active) = leaving.iter().position(|id| id.address.name == host) else { return };
    // What comes before the first, and in which order the others were.
    let first: Vec<StepId> = steps
        .iter()
        .filter(|step| leaving.contains(&step.id()))
        .flat_map(|step| step.after.iter().filter(|id| !leaving.contains(id)).cloned())
        .collect();
    let mut order = leaving.clone();
    let active = order.remove(active);
    order.push(active);
    for step in steps.iter_mut().filter(|step| leaves(step)) {
        let at = order.iter().position(|id| *id == step.id()).unwrap_or_default();
        step.after.retain(|id| !leaving.contains(id));
        match at.checked_sub(1) {
            Some(before) => step.after.push(order[before].clone()),
            None => step.after.extend(first.clone()),
        }
        step.after.sort();
        step.after.dedup();
    }
}

/// Whether the step's live resource is a host that does not run.
fn is_down(step: &Step) -> bool {
    step.live().is_some_and(|live| live.spec.is_down())
}

/// Controllers before brokers, each by number: a broker must not be newer than its controllers.
pub fn rank(address: &Address) -> (bool, u32, Address) {
    let (role, number) = kinds::owner(address).rsplit_once('-').unwrap_or((&address.name, ""));
    (role != "controller", number.parse().unwrap_or_default(), address.clone())
}

/// Where a resource stands in a list: by kind, in the order in which kinds depend on each other, then by rank.
pub fn place(address: &Address) -> (usize, (bool, u32, Address)) {
    let kind = NAMES.iter().position(|name| *name == address.kind).unwrap_or_default();
    (kind, rank(address))
}

/// Sorts topologically; among steps that are free to run, by their place. Deletions come last, their kinds in reverse.
fn sort(steps: &mut Vec<Step>) -> Result<(), Vec<StepId>> {
    let key = |step: &Step| {
        let (kind, rank) = place(&step.address);
        if step.action() == Action::Delete { (true, NAMES.len() - kind, rank) } else { (false, kind, rank) }
    };
    let all: BTreeSet<StepId> = steps.iter().map(Step::id).collect();
    steps.sort_by_cached_key(key);
    let mut order: Vec<usize> = Vec::new();
    let mut ready = Ready::of(steps);
    // What the plan does not have is no reason to wait.
    let others: BTreeSet<&StepId> =
        steps.iter().flat_map(|step| &step.after).filter(|one| !all.contains(one)).collect();
    others.into_iter().for_each(|id| ready.there(id));
    while let Some(place) = ready.begin() {
        order.push(place);
        ready.done(place);
    }
    let mut unsorted: Vec<Option<Step>> = steps.drain(..).map(Some).collect();
    steps.extend(order.into_iter().filter_map(|place| unsorted[place].take()));
    let stuck: Vec<Step> = unsorted.into_iter().flatten().collect();
    if stuck.is_empty() {
        return Ok(());
    }
    let circle = circle(&stuck);
    steps.extend(stuck);
    Err(circle)
}

/// A circle among steps of which each waits for another of them: found by following what each waits for.
fn circle(stuck: &[Step]) -> Vec<StepId> {
    let waits_for = |id: &StepId| {
        let step = stuck.iter().find(|step| step.id() == *id)?;
        let named = step.after.iter().find(|one| stuck.iter().any(|other| other.id() == **one)).cloned();
        named.or_else(|| stuck.iter().find(|other| step.after_all.is_some_and(|all| all.has(other))).map(Step::id))
    };
    let mut path: Vec<StepId> = Vec::new();
    let mut next = stuck.first().map(Step::id);
    while let Some(id) = next {
        if let Some(start) = path.iter().position(|one| *one == id) {
            return path.split_off(start);
        }
        next = waits_for(&id);
        path.push(id);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::ElasticIp;
    use crate::model::Tags;
    use crate::plan::Creation;

    fn step(name: &str, after: &[&str]) -> Step {
        let id = |name: &&str| StepId::from(Address::new("elastic_ip", name));
        let creation = Creation { spec: ElasticIp::default().into(), tags: Tags::new(), generation: String::new() };
        Step {
            address: Address::new("elastic_ip", name),
            operation: None,
            reason: String::new(),
            work: Work::Create(creation),
            after: after.iter().map(id).collect(),
            after_all: None,
        }
    }

    #[test]
    fn a_circle_is_named_and_only_it() {
        // `a` waits for the circle, and is not in it; `z` is free.
        let mut steps =
            vec![step("a", &["b"]), step("b", &["c"]), step("c", &["d", "z"]), step("d", &["b"]), step("z", &[])];
        let circle = wire(&mut steps).expect_err("no order");
        let names: Vec<&str> = circle.iter().map(|id| id.address.name.as_str()).collect();
        assert_eq!(names, ["b", "c", "d"]);
        assert_eq!(steps.len(), 5, "no step is lost");
        assert_eq!(wire(&mut vec![step("a", &["a"])]).expect_err("no order").len(), 1);
        assert_eq!(wire(&mut vec![step("a", &["b"]), step("b", &[]), step("c", &["gone"])]), Ok(()));
    }
}
