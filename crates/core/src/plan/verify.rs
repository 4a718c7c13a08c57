//! What every plan must be before it is run, whatever made it: a second opinion, which shares little with the planner's own way.

use std::collections::{BTreeMap, BTreeSet};

use super::order::dependencies;
use super::{Action, All, Plan, Step};
use crate::design::node_id;
use crate::kinds::{self, Broker, Instance, Kind as _, NetworkInterface, Partitions, Volume};
use crate::model::{Address, Deletion, Ref, StepId, is_of_kafka};
use crate::observed::Observed;

/// Every reason why `plan` must not be run on what is `observed`, as clauses; none for a plan that is right.
pub fn verify(plan: &Plan, observed: &Observed) -> Vec<String> {
    let mut faults = Vec::new();
    let order = match Order::of(plan) {
        Ok(order) => order,
        Err(faults) => return faults,
    };
    order.what_it_needs_comes_first(&mut faults);
    order.what_it_names_exists(observed, &mut faults);
    order.what_uses_it_goes_first(&mut faults);
    order.one_roll_at_a_time(&mut faults);
    order.access_goes_last(&mut faults);
    order.kafka_runs_first(&mut faults);
    order.brokers_leave_first(&mut faults);
    if plan.refusals.is_empty() {
        order.everyone_reaches_a_voter(observed, &mut faults);
    }
    order.nothing_is_lost_unasked(plan, observed, &mut faults);
    of_what_is_live(plan, observed, &mut faults);
    faults
}

/// A plan's steps, and which come before which.
struct Order<'a> {
    steps: &'a [Step],
    /// For each step the places of those that it names as what it waits for: all before its own.
    after: Vec<Vec<usize>>,
}

impl<'a> Order<'a> {
    /// The order of a plan in which each step stands once, and behind all that it waits for.
    fn of(plan: &'a Plan) -> Result<Order<'a>, Vec<String>> {
        let mut faults = Vec::new();
        let mut places: BTreeMap<StepId, usize> = BTreeMap::new();
        let mut after: Vec<Vec<usize>> = Vec::new();
        let last = All::BOTH.map(|all| plan.steps.iter().rposition(|step| all.has(step)));
        for (place, step) in plan.steps.iter().enumerate() {
            let mut named = Vec::new();
            for needed in &step.after {
                match places.get(needed) {
                    Some(place) => named.push(*place),
                    None if *needed == step.id() => faults.push(format!("{needed} waits for itself")),
                    None => faults.push(format!("{} waits for {needed}, which does not come before it", step.id())),
                }
            }
            if let Some(late) = step.after_all.and_then(|all| last[all as usize]).filter(|late| *late >= place) {
                let late = plan.steps[late].id();
                faults.push(format!("{} waits for {late}, which does not come before it", step.id()));
            }
            after.push(named);
            if places.insert(step.id(), place).is_some() {
                faults.push(format!("{} is there twice", step.id()));
            }
        }
        if faults.is_empty() { Ok(Order { steps: &plan.steps, after }) } else { Err(faults) }
    }

    /// Whether the step at `place` waits for the one at `other`, directly or by way of others. Those are all between the two.
    fn waits(&self, place: usize, other: usize) -> bool {
        let direct = |place: usize| {
            let all = self.steps[place].after_all.is_some_and(|all| all.has(&self.steps[other]));
            all || self.after[place].contains(&other)
        };
        if direct(place) {
            return true;
        }
        let mut seen = BTreeSet::new();
        let mut next = vec![place];
        while let Some(place) = next.pop() {
            let all = self.steps[place].after_all;
            let members = (other + 1..place).filter(|one| all.is_some_and(|all| all.has(&self.steps[*one])));
            let between = self.after[place].iter().copied().filter(|one| *one > other).chain(members);
            for one in between {
                if direct(one) {
                    return true;
                }
                if seen.insert(one) {
                    next.push(one);
                }
            }
        }
        false
    }

    /// Of the places in `awaited` those of which the steps at `places` do not wait for one: each with the first of them. Most steps wait for
    /// all of an [`All`], so it is asked once which are not in that.
    fn not_waiting(&self, places: impl Iterator<Item = usize>, awaited: &[usize]) -> Vec<(usize, usize)> {
        let rest = All::BOTH
            .map(|all| awaited.iter().copied().filter(|one| !all.has(&self.steps[*one])).collect::<Vec<usize>>());
        let mut found = Vec::new();
        for place in places {
            let asked = self.steps[place].after_all.map_or(awaited, |all| &rest[all as usize][..]);
            found.extend(asked.iter().filter(|one| !self.waits(place, **one)).map(|one| (place, *one)));
        }
        found
    }

    /// The places of steps for which `which` is true, by address.
    fn places(&self, which: impl Fn(&Step) -> bool) -> BTreeMap<&'a Address, Vec<usize>> {
        let mut places: BTreeMap<&Address, Vec<usize>> = BTreeMap::new();
        for (place, step) in self.steps.iter().enumerate().filter(|(_, step)| which(step)) {
            places.entry(&step.address).or_default().push(place);
        }
        places
    }

    /// Whoever needs a resource waits for every step that makes or changes it, but for one that only takes access away.
    fn what_it_needs_comes_first(&self, faults: &mut Vec<String>) {
        let made = self.places(|step| step.action() != Action::Delete && !step.closes());
        for (place, step) in self.steps.iter().enumerate() {
            let Some(wanted) = step.wanted() else { continue };
            for needed in dependencies(&step.address, wanted) {
                for other in made.get(&needed).into_iter().flatten().filter(|other| !self.waits(place, **other)) {
                    faults.push(format!("{} needs {}, and does not wait for it", step.id(), self.steps[*other].id()));
                }
            }
        }
    }

    /// A resource is deleted after every step that lets go of it.
    fn what_uses_it_goes_first(&self, faults: &mut Vec<String>) {
        let deleted = self.places(|step| step.action() == Action::Delete);
        for (place, step) in self.steps.iter().enumerate() {
            let Some(live) = step.live() else { continue };
            for used in dependencies(&step.address, &live.spec) {
                for gone in deleted.get(&used).into_iter().flatten().filter(|gone| !self.waits(**gone, place)) {
                    faults.push(format!("{} is deleted while {} still uses it", self.steps[*gone].address, step.id()));
                }
            }
        }
    }

    /// Rules, routes and ways out are taken away only after everything that is made or changed.
    fn access_goes_last(&self, faults: &mut Vec<String>) {
        let takes = |step: &Step| match step.action() {
            Action::Delete => kinds::is_access(&step.address.kind),
            _ => step.closes(),
        };
        let changes = |step: &Step| step.action() != Action::Delete && !takes(step);
        let changes: Vec<usize> = self.places(changes).into_values().flatten().collect();
        for (place, other) in self.not_waiting(self.places(takes).into_values().flatten(), &changes) {
            let (place, other) = (self.steps[place].id(), self.steps[other].id());
            faults.push(format!("{place} takes access away before {other} is done"));
        }
    }

    /// What Kafka has is made, changed and deleted after everything that is made or changed of what it runs on.
    fn kafka_runs_first(&self, faults: &mut Vec<String>) {
        let inside = |step: &Step| is_of_kafka(&step.address.kind);
        let outside = |step: &Step| !inside(step) && !step.closes() && step.action() != Action::Delete;
        let outside: Vec<usize> = self.places(outside).into_values().flatten().collect();
        let mut late = self.not_waiting(self.places(inside).into_values().flatten(), &outside);
        // One is enough to tell what is wrong.
        late.dedup_by_key(|(place, _)| *place);
        for (place, other) in late {
            let (place, other) = (self.steps[place].id(), self.steps[other].id());
            faults.push(format!("{place} does not wait for {other}, on which Kafka runs"));
        }
    }

    /// Whatever a wanted spec names is made by the plan, or live and not deleted.
    fn what_it_names_exists(&self, observed: &Observed, faults: &mut Vec<String>) {
        let made = self.places(|step| step.action() != Action::Delete);
        let deleted = self.places(|step| step.action() == Action::Delete);
        for step in self.steps {
            for named in step.wanted().iter().flat_map(|wanted| wanted.refs()).filter_map(Ref::address) {
                let stays = observed.live.contains_key(named) && !deleted.contains_key(named);
                // A plan with a contested address is refused; it names no more faults.
                if !made.contains_key(named) && !stays && !observed.is_contested(named) {
                    faults.push(format!("{} names {named}, which does not exist then", step.id()));
                }
            }
        }
    }

    /// Of two rolls one waits for the other, controllers before brokers; and the first waits for every host that starts or
    /// changes anyway.
    fn one_roll_at_a_time(&self, faults: &mut Vec<String>) {
        let rolls = self.places(|step| step.action() == Action::Roll).into_values().flatten();
        let mut rolls: Vec<usize> = rolls.collect();
        rolls.sort_unstable();
        let controller = |place: usize| self.steps[place].address.name.starts_with("controller-");
        for pair in rolls.windows(2).filter(|pair| controller(pair[1]) && !controller(pair[0])) {
            let (one, other) = (self.steps[pair[0]].id(), self.steps[pair[1]].id());
            faults.push(format!("{one} is rolled before {other}: a broker must not be newer than its controllers"));
        }
        if let Some(first) = rolls.first() {
            let rolled = &self.steps[*first];
            let moving = |step: &Step| {
                step.address.kind == rolled.address.kind && matches!(step.action(), Action::Create | Action::Update)
            };
            let waited = self.places(moving).into_values().flatten().filter(|place| !self.waits(*first, *place));
            faults.extend(
                waited.map(|place| format!("{} is rolled while {} starts", rolled.id(), self.steps[place].id())),
            );
        }
        for pair in rolls.windows(2).filter(|pair| !self.waits(pair[1], pair[0])) {
            let (one, other) = (self.steps[pair[0]].id(), self.steps[pair[1]].id());
            faults.push(format!("{one} and {other} could be rolled at once"));
        }
    }

    /// The host of a broker goes after the broker, and brokers one after another, once what they have has moved.
    fn brokers_leave_first(&self, faults: &mut Vec<String>) {
        let gone = |kind: &'static str| {
            let of_kind = move |step: &Step| step.address.kind == kind && step.action() == Action::Delete;
            self.places(of_kind)
                .into_iter()
                .flat_map(|(address, places)| places.into_iter().map(move |at| (address, at)))
        };
        let mut brokers: Vec<(&Address, usize)> = gone(Broker::NAME).collect();
        for (of, place) in [Instance::NAME, NetworkInterface::NAME, Volume::NAME].into_iter().flat_map(gone) {
            let broker = brokers.iter().find(|(address, _)| address.name == kinds::owner(of));
            if let Some((broker, _)) = broker.filter(|(_, before)| !self.waits(place, *before)) {
                faults.push(format!("{of} is deleted before {broker} has left"));
            }
        }
        brokers.sort_by_key(|(_, place)| *place);
        for pair in brokers.windows(2).filter(|pair| !self.waits(pair[1].1, pair[0].1)) {
            faults.push(format!("{} and {} could leave at once", pair[0].0, pair[1].0));
        }
        let moves = self.places(|step| step.address.kind == Partitions::NAME).into_values().flatten();
        for moves in moves {
            let early = brokers.iter().filter(|(_, place)| !self.waits(*place, moves));
            faults.extend(early.map(|(address, _)| format!("{address} leaves before what it has has moved")));
        }
        self.removed_by_msk(&brokers.into_iter().map(|(_, place)| place).collect::<Vec<_>>(), faults);
    }

    /// What holds data is deleted or replaced only where that was asked for, or after its broker has left the cluster; or the plan is refused.
    fn nothing_is_lost_unasked(&self, plan: &Plan, observed: &Observed, faults: &mut Vec<String>) {
        if plan.data_loss_allowed || !plan.refusals.is_empty() {
            return;
        }
        let told = observed.unknown_inside().is_none() && !observed.of::<Partitions>().is_empty();
        self.msk_removes_what_is_empty(told, faults);
        for (place, step) in self.steps.iter().enumerate() {
            let deletes = matches!(step.action(), Action::Delete | Action::Replace);
            let data = step.live().is_some_and(|live| matches!(live.spec.deletion(), Deletion::Data(_)));
            // A cluster that AWS deletes already is lost whatever the plan does.
            let going = step.changes().iter().any(|change| change.field == "state" && change.before == "deleting");
            if !deletes || !data || going {
                continue;
            }
            let of_host = [Instance::NAME, Volume::NAME].contains(&step.address.kind.as_str());
            let broker = Address::new(Broker::NAME, kinds::owner(&step.address));
            let leaves = |(at, other): (usize, &Step)| {
                other.address == broker && other.action() == Action::Delete && self.waits(place, at)
            };
            let stays = |other: &Step| other.action() != Action::Delete && kinds::owner(&other.address) == broker.name;
            let left = of_host
                && told
                && node_id(&broker.name).is_some()
                && !self.steps.iter().any(stays)
                && (!observed.live.contains_key(&broker) || self.steps.iter().enumerate().any(leaves));
            let left = left || step.action() == Action::Delete && self.voter_is_gone(place, observed);
            if !left {
                faults.push(format!("{} would lose data, and --allow-data-loss was not given", step.id()));
            }
        }
    }
}

/// What is made does not exist, and what is changed or deleted exists under its id.
fn of_what_is_live(plan: &Plan, observed: &Observed, faults: &mut Vec<String>) {
    for step in &plan.steps {
        let live = observed.live.get(&step.address).map(|live| live.id.as_str());
        match step.live() {
            None if live.is_some() => faults.push(format!("{} would be made twice", step.address)),
            Some(target) if live != Some(&target.id) => {
                faults.push(format!("the resource at {} is no longer {}", step.address, target.id));
            }
            _ => {}
        }
    }
}

mod msk;
mod quorum;

#[cfg(test)]
pub(super) mod tests;
