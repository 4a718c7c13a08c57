//! Plans in stages: hosts go from plaintext to TLS, and back, or from one authority to another, by several rolls, of which each begins when
//! the one before has ended; and users have their rights before nobody may do anything without. Each stage is planned from what is live then; what is shown of the later ones is what they do if nothing else
//! changes.

use super::{Action, Note, Plan, applied, make_plan};
use crate::choose::PlanningInput;
use crate::cloud_init::{CLIENT_PORT, Overrides, Phase};
use crate::design::Design;
use crate::kinds::{Instance, Kind as _, Voter};
use crate::model::{Address, StepId};
use crate::observed::Observed;

impl Plan {
    /// The plan, and what the same run does after it.
    pub fn stages(&self) -> impl Iterator<Item = &Plan> {
        std::iter::successors(Some(self), |plan| plan.then.as_deref())
    }

    /// The first difference between what this stage does and what was `foreseen` of it, in words; `None` where it does the same.
    pub fn deviation(&self, foreseen: &Plan) -> Option<String> {
        let ids = |plan: &Plan| plan.steps.iter().map(|step| (step.id(), step.action())).collect::<Vec<_>>();
        let (mine, theirs) = (ids(self), ids(foreseen));
        let missing = |all: &[(StepId, _)], one: &(StepId, _)| !all.contains(one);
        let more = mine.iter().find(|one| missing(&theirs, one)).map(|(id, _)| format!("{id} has another step now"));
        more.or_else(|| {
            theirs.iter().find(|one| missing(&mine, one)).map(|(id, _)| format!("{id} has no such step any more"))
        })
    }
}

/// `plan` with what follows it, where hosts have not come to the end of their way with it.
pub(super) fn foresee(mut plan: Plan, design: &Design, input: &PlanningInput, overrides: &Overrides) -> Plan {
    let again = plan.steps.iter().any(|step| step.address.kind == Voter::NAME && step.action() == Action::Update);
    let rests = !again && design.course.rests() && design.authorities.then.is_empty() && !design.open_until_rights();
    // Where nothing is done, nothing follows from it either.
    if rests || plan.steps.is_empty() || !plan.refusals.is_empty() {
        return plan;
    }
    let mut after = input.clone();
    applied::apply_stage(&plan, &mut after.observed);
    let (_, then) = make_plan(&design.stack, &after, overrides, plan.data_loss_allowed);
    plan.refusals.extend(then.refusals.iter().cloned());
    plan.then = Some(Box::new(then)).filter(|then| !then.steps.is_empty());
    plan
}

/// Says what clients have to know of the listeners that they come by.
pub(super) fn say(design: &Design, observed: &Observed, plan: &mut Plan) {
    if design.open_until_rights() {
        // What follows says the rest, where it is known what users have.
        let Some(why) = observed.unknown_inside() else { return };
        let text = format!(
            "brokers go on to let everyone use what no ACL is for, and `allow.everyone.if.no.acl.found` is not made `false`: it is not known \
             whether the users of the stack file have their rights: {why}; run it where the brokers can be reached, or name a way with --via or --proxy"
        );
        plan.notes.push(Note { warning: true, ..Note::of(&Address::new("kafka", "main"), text) });
        return;
    }
    let Some(ec2) = &design.stack.cluster.ec2 else { return };
    let (course, listeners) = (design.course, &ec2.listeners);
    let kept = course.goal == Phase::Plaintext && listeners.plaintext.is_none();
    if observed.of::<Instance>().is_empty() && !kept {
        return;
    }
    let ways: Vec<String> =
        listeners.ways_beside(false).iter().map(|way| format!("{} on port {}", way.word(), way.port)).collect();
    let ways = ways.join(", or ");
    let text = match (course.now, course.goal) {
        (Phase::Plaintext, Phase::Plaintext) if kept => format!(
            "hosts and clients speak plaintext: whoever is on the way can read and change what they send;\n`listeners: {{scram: true, plaintext: true}}` below `ec2` brings listeners with TLS beside port {CLIENT_PORT},\nand `listeners: {{plaintext: true}}` leaves all as it is"
        ),
        (Phase::Plaintext, Phase::Plaintext) => format!(
            "hosts and clients speak plaintext: whoever is on the way can read and change what they send;\n`scram: true` beside `plaintext: true` brings listeners with TLS beside port {CLIENT_PORT}"
        ),
        (_, Phase::Switched) => format!(
            "brokers have port {CLIENT_PORT} beside the listeners with TLS, and everybody may do everything, as in plaintext: no ACL counts yet.\nGive the clients users and ACLs, and have all of them come by {ways}; then remove `plaintext: true`, and apply again: port {CLIENT_PORT} goes, and ACLs count"
        ),
        (now, Phase::Closed) if now != Phase::Closed => format!(
            "clients that still come by port {CLIENT_PORT} lose the brokers with this plan, and nobody may do anything that no ACL allows: have all of them come by {ways} before"
        ),
        (_, Phase::Closed) if listeners.in_plaintext() => format!(
            "clients on port {CLIENT_PORT} prove nothing, and whoever is on the way can read and change what they send"
        ),
        (now, Phase::Plaintext) if now != Phase::Plaintext => format!(
            "clients that still come by TLS lose the brokers with this plan, and no ACL counts any more: have all of them come by port {CLIENT_PORT} before"
        ),
        _ => return,
    };
    plan.notes.push(Note { warning: true, ..Note::of(&Address::new("security_group", "clients"), text) });
}
