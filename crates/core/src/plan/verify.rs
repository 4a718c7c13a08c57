//! What every plan must be before it is run, whatever made it: a second opinion, which shares nothing with the planner's own way.

use std::collections::{BTreeMap, BTreeSet};

use super::order::dependencies;
use super::{Action, Plan, Step};
use crate::model::{Address, Deletion, StepId};
use crate::observed::Observed;

/// Every reason why `plan` must not be run on what is `observed`, as sentences; none for a plan that is right.
pub fn verify(plan: &Plan, observed: &Observed) -> Vec<String> {
    let mut faults = Vec::new();
    in_order(plan, &mut faults);
    what_it_needs_comes_first(plan, &mut faults);
    what_uses_it_goes_first(plan, &mut faults);
    nothing_is_lost_unasked(plan, &mut faults);
    one_roll_at_a_time(plan, &mut faults);
    of_what_is_live(plan, observed, &mut faults);
    faults
}

/// Each step stands once, and behind all that it waits for.
fn in_order(plan: &Plan, faults: &mut Vec<String>) {
    let mut before: BTreeSet<StepId> = BTreeSet::new();
    for step in &plan.steps {
        for needed in &step.after {
            if *needed == step.id() {
                faults.push(format!("{needed} waits for itself"));
            } else if !before.contains(needed) {
                faults.push(format!("{} waits for {needed}, which does not come before it", step.id()));
            }
        }
        if !before.insert(step.id()) {
            faults.push(format!("{} is there twice", step.id()));
        }
    }
}

/// All steps that `step` waits for, directly or by way of others.
fn all_before<'a>(plan: &'a Plan, step: &'a Step) -> BTreeSet<&'a StepId> {
    let by_id: BTreeMap<StepId, &Step> = plan.steps.iter().map(|step| (step.id(), step)).collect();
    let mut all = BTreeSet::new();
    let mut next: Vec<&StepId> = step.after.iter().collect();
    while let Some(id) = next.pop() {
        if all.insert(id)
            && let Some(step) = by_id.get(id)
        {
            next.extend(&step.after);
        }
    }
    all
}

/// Whoever needs a resource waits for every step that makes or changes it.
fn what_it_needs_comes_first(plan: &Plan, faults: &mut Vec<String>) {
    let mut by_address: BTreeMap<&Address, Vec<&Step>> = BTreeMap::new();
    for step in plan.steps.iter().filter(|step| step.action() != Action::Delete) {
        by_address.entry(&step.address).or_default().push(step);
    }
    for step in &plan.steps {
        let Some(wanted) = step.wanted() else { continue };
        let needed = dependencies(&step.address, wanted);
        let needed: Vec<&Step> = needed.iter().filter_map(|one| by_address.get(one)).flatten().copied().collect();
        if needed.is_empty() {
            continue;
        }
        let before = all_before(plan, step);
        for other in needed.iter().filter(|other| !before.contains(&other.id())) {
            faults.push(format!("{} needs {}, and does not wait for it", step.id(), other.id()));
        }
    }
}

/// A resource is deleted after every step that lets go of it.
fn what_uses_it_goes_first(plan: &Plan, faults: &mut Vec<String>) {
    for gone in plan.steps.iter().filter(|step| step.action() == Action::Delete) {
        let uses = |step: &&Step| {
            step.address != gone.address
                && step.live().is_some_and(|live| dependencies(&step.address, &live.spec).contains(&gone.address))
        };
        let users: Vec<&Step> = plan.steps.iter().filter(uses).collect();
        if users.is_empty() {
            continue;
        }
        let before = all_before(plan, gone);
        for user in users.iter().filter(|user| !before.contains(&user.id())) {
            faults.push(format!("{} is deleted while {} still uses it", gone.address, user.id()));
        }
    }
}

/// What holds data is deleted or replaced only where that was asked for, or the plan is refused.
fn nothing_is_lost_unasked(plan: &Plan, faults: &mut Vec<String>) {
    if plan.data_loss_allowed || !plan.refusals.is_empty() {
        return;
    }
    for step in &plan.steps {
        let deletes = matches!(step.action(), Action::Delete | Action::Replace);
        let data = step.live().is_some_and(|live| matches!(live.spec.deletion(), Deletion::Data(_)));
        // A cluster on its way out is lost already.
        let going = step.changes().iter().any(|change| change.field == "state");
        if deletes && data && !going {
            faults.push(format!("{} would lose data, and nobody asked for it", step.id()));
        }
    }
}

/// Of two rolls, one waits for the other.
fn one_roll_at_a_time(plan: &Plan, faults: &mut Vec<String>) {
    let rolls: Vec<&Step> = plan.steps.iter().filter(|step| step.action() == Action::Roll).collect();
    for pair in rolls.windows(2) {
        if !all_before(plan, pair[1]).contains(&pair[0].id()) {
            faults.push(format!("{} and {} could be rolled at once", pair[0].id(), pair[1].id()));
        }
    }
}

/// What is made is not there, and what is changed or deleted is there under this id.
fn of_what_is_live(plan: &Plan, observed: &Observed, faults: &mut Vec<String>) {
    for step in &plan.steps {
        let live = observed.live.get(&step.address).map(|live| live.id.as_str());
        match step.live() {
            None if live.is_some() => faults.push(format!("{} would be made twice", step.address)),
            Some(target) if live != Some(&target.id) => {
                faults.push(format!("{} is not at {} any more", target.id, step.address));
            }
            _ => {}
        }
    }
}
