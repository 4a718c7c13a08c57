//! The plan that deletes a stack. Pure.

use super::{Note, Plan, delete, ordered, refuse_unplaced};
use crate::expiry::Lifetime;
use crate::kinds::{ClientInstance, Instance, Kind as _, Vpc};
use crate::model::{StepId, is_of_kafka, tag};
use crate::observed::{Cause, Observed};
use crate::refusal::Refusal;
use crate::stack::Name;
use crate::surroundings::{GUARD_DUTY_REASON, Surroundings, is_adopted};

/// The plan that deletes everything that is live, its data with it; refused where something that is not the stack's stands in the
/// way. What AWS's services put into the VPC is among `observed` (see [`Surroundings::adopt_into`]).
pub fn destroy(stack: &Name, region: &str, account: &str, observed: &Observed, surroundings: &Surroundings) -> Plan {
    let mut plan = Plan::empty(stack, region, account, true);
    // Resources of others are left alone and refuse nothing.
    let mut observed = observed.clone();
    observed.unplaced.retain(|unplaced| unplaced.cause != Cause::Foreign);
    let observed = &observed;
    refuse_unplaced(observed, &mut plan);
    if Lifetime::of(observed, None, None) == Lifetime::Protected {
        plan.refusals.push(Refusal::general(
            format!("the stack {stack} is protected: its resources have the tag `{}`", tag::PROTECTED),
            "remove `protected: true` from its stack file, apply the file, then destroy the stack",
        ));
    }
    // What is somebody else's goes with what it hangs on.
    for (address, live) in observed.live.iter().filter(|(_, live)| !live.spec.of_others()) {
        // What Kafka has goes with the cluster.
        if is_of_kafka(&address.kind) {
            continue;
        }
        let reason = if is_adopted(live) { GUARD_DUTY_REASON } else { "the stack is destroyed" };
        delete(address, live, reason, &mut plan);
    }
    let others = observed.live.iter().map(|(address, live)| (address, live.spec.others()));
    let lost = others.filter(|(_, others)| !others.is_empty());
    plan.notes.extend(lost.map(|(address, others)| {
        Note::of(address, format!("what others have put there goes too: {}", others.join("; ")))
    }));
    plan.refusals.retain(|refusal| refusal.address.is_none());
    plan.refusals.extend(surroundings.refusals(observed));
    if let Some(vpc) = observed.live.keys().find(|address| address.kind == Vpc::NAME) {
        plan.notes.extend(surroundings.denied.iter().map(|operation| {
            Note::of(vpc, format!("{operation} is not allowed: what it would show in the VPC may stand in the way"))
        }));
    }
    // GuardDuty would put it there again while an instance runs.
    let runs = |step: &&super::Step| [Instance::NAME, ClientInstance::NAME].contains(&step.address.kind.as_str());
    let instances: Vec<StepId> = plan.steps.iter().filter(runs).map(super::Step::id).collect();
    for step in plan.steps.iter_mut().filter(|step| step.reason == GUARD_DUTY_REASON) {
        step.after.clone_from(&instances);
    }
    ordered(plan, observed)
}
