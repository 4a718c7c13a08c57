//! The plan: what differs between the stack file and what is live, in an order that can be run. Pure.
//!
//! All meaning is decided here. The same file and the same live resources give the same plan, byte for byte.

mod added;
mod adopt;
pub mod applied;
mod authorities;
mod change;
mod cost;
mod counts;
mod destroy;
mod diff;
mod duration;
mod escape;
mod held;
mod inside;
mod markdown;
mod meanwhile;
mod order;
mod prune;
mod quorum;
mod ready;
mod remarks;
mod saved;
mod scale;
mod stages;
mod step;
mod text;
mod upgrade;
mod user_data;
mod verify;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::choose::{self, PlanningInput};
use crate::cloud_init::Overrides;
use crate::design::Design;
use crate::expiry::PROTECTED;
use crate::kinds::{self, Kind as _, Resource};
use crate::model::{Address, Missing, StepId, Tags, tag};
use crate::observed::{Cause, Live, Observed};
use crate::refusal::Refusal;
use crate::sizing::{Fit, Misfit};
use crate::stack::Stack;

pub use adopt::adopt;
pub use change::tag_changes;
pub use cost::{CostDelta, cost_delta, running_cost};
pub use counts::Counts;
pub use destroy::destroy;
pub use markdown::{COMMENT, Planned, markdown};
pub use meanwhile::{Meanwhile, Moved};
pub use order::rank;
pub use ready::Ready;
pub use saved::{SAVED_PLAN, SavedPlan, Source};
pub use step::{Action, All, Creation, LiveTarget, Step, Work};
pub use text::{printable, render};
pub use verify::verify;

/// Something that the plan leaves as it is, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Note {
    pub address: Address,
    pub text: String,
    /// Whether it is something to look into.
    pub warning: bool,
}

impl Note {
    /// A note that is no warning.
    fn of(address: &Address, text: String) -> Self {
        Note { address: address.clone(), text, warning: false }
    }
}

/// An ordered list of steps; or reasons why there can be none.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    pub stack: String,
    pub region: String,
    pub account: String,
    pub steps: Vec<Step>,
    pub notes: Vec<Note>,
    pub refusals: Vec<Refusal>,
    /// What of the workload fits only tightly, and what to do about it.
    pub warnings: Vec<Misfit>,
    /// What partitions move in it, where any do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moved: Option<Moved>,
    /// What the same run does once all of this is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub then: Option<Box<Plan>>,
    /// Whether steps may lose data: it was asked for.
    #[serde(skip)]
    pub data_loss_allowed: bool,
}

impl Plan {
    /// A plan without steps.
    pub fn empty(stack: &str, region: &str, account: &str, data_loss_allowed: bool) -> Plan {
        Plan {
            stack: stack.to_owned(),
            region: region.to_owned(),
            account: account.to_owned(),
            steps: Vec::new(),
            notes: Vec::new(),
            refusals: Vec::new(),
            warnings: Vec::new(),
            moved: None,
            then: None,
            data_loss_allowed,
        }
    }

    /// How many steps of each action, in all stages.
    pub fn counts(&self) -> Counts {
        let steps = || self.stages().flat_map(|stage| &stage.steps);
        let count = |action| steps().filter(|step| step.action() == action).count();
        Counts {
            create: count(Action::Create),
            change: count(Action::Update),
            roll: count(Action::Roll),
            replace: count(Action::Replace),
            delete: count(Action::Delete),
        }
    }

    /// The first difference between the steps of this plan and `other`, in words; `None` when they do the same.
    pub fn difference(&self, other: &[Value]) -> Option<String> {
        let mine: Vec<Value> = self.steps.iter().map(|step| serde_json::to_value(step).unwrap_or_default()).collect();
        let address = |step: &Value| match (text::value(&step["address"]), step["operation"].as_str()) {
            (address, Some(operation)) => format!("{address}:{operation}"),
            (address, None) => address,
        };
        let theirs: BTreeMap<String, &Value> = other.iter().map(|step| (address(step), step)).collect();
        for step in &mine {
            match theirs.get(&address(step)) {
                None => return Some(format!("{} has a step now and had none before", address(step))),
                Some(old) if old["action"] != step["action"] => {
                    let (was, now) = (text::value(&old["action"]), text::value(&step["action"]));
                    return Some(format!("{} had the action {was} and now has {now}", address(step)));
                }
                Some(old) if *old != step => {
                    let fields =
                        |step: &Value| -> Vec<Value> { step["changes"].as_array().cloned().unwrap_or_default() };
                    let (old_changes, new_changes) = (fields(old), fields(step));
                    let mut others = old_changes.iter().filter(|one| !new_changes.contains(one));
                    let other = others.next().or_else(|| new_changes.iter().find(|one| !old_changes.contains(one)));
                    let field = other.map_or_else(String::new, |one| format!(" in `{}`", text::value(&one["field"])));
                    return Some(format!("the step of {} differs{field}", address(step)));
                }
                Some(_) => {}
            }
        }
        let gone = other.iter().find(|old| mine.iter().all(|step| address(step) != address(old)));
        gone.map(|old| format!("{} had a step before and has none now", address(old)))
    }
}

/// The plan that brings the live resources to what `stack` asks for, and the design that it follows; a plan with refusals, and
/// no design, where the facts do not allow one. `overrides` are the user's own templates.
pub fn make_plan(
    stack: &Stack,
    input: &PlanningInput,
    overrides: &Overrides,
    allow_data_loss: bool,
) -> (Option<Design>, Plan) {
    let warnings = |stack: &Stack| -> Vec<Misfit> {
        let sizing = stack.cluster.size(stack.common(), &input.facts.types);
        let misfits = sizing.map(|report| report.misfits).unwrap_or_default();
        misfits.into_iter().filter(|misfit| misfit.fit == Fit::Tight).collect()
    };
    match choose::design(stack, input, overrides) {
        Ok(design) => {
            let warnings = warnings(&design.stack);
            let plan = plan(&design, &input.observed, allow_data_loss);
            let plan = stages::foresee(plan, &design, input, overrides);
            (Some(design), Plan { warnings, ..plan })
        }
        Err(refusals) => {
            let plan = Plan::empty(&stack.name, &stack.region, &input.facts.account, allow_data_loss);
            (None, Plan { refusals, warnings: warnings(stack), ..plan })
        }
    }
}

/// The plan that brings the live resources to `design`.
pub fn plan(design: &Design, observed: &Observed, allow_data_loss: bool) -> Plan {
    let desired = kinds::desired(design);
    let mut plan = Plan::empty(&design.stack.name, &design.stack.region, &design.account, allow_data_loss);
    refuse_unplaced(observed, &mut plan);
    let new: BTreeSet<Address> =
        desired.keys().filter(|address| !observed.live.contains_key(address)).cloned().collect();
    let quorum = quorum::Quorum::of(design, observed);
    for (address, wanted) in &desired {
        let mut creation = Creation {
            spec: wanted.clone(),
            tags: tags(design, address, wanted),
            generation: generation(address, observed),
        };
        if observed.live.get(address).is_some_and(|live| live.tags.contains_key(tag::ADOPTED)) {
            creation.tags.remove(tag::NAME);
        }
        match observed.live.get(address) {
            // It is refused already, and none of them is gone.
            None if observed.is_contested(address) => {}
            // See `scale`: a cluster has them from its start.
            _ if address.kind == kinds::Partitions::NAME => {}
            None if inside::is_held(address, observed) => {}
            None => create(address, creation, (observed, &quorum), &mut plan),
            Some(live) => change::change(address, creation, live, &new, &mut plan),
        }
    }
    change::follow(&desired, design, observed, &mut plan);
    remarks::of_others(observed, &mut plan);
    remarks::later_routes(design, &mut plan);
    remarks::privatelink(design, observed, &mut plan);
    remarks::evacuated(observed, &mut plan);
    authorities::say(design, observed, &mut plan);
    let scale = scale::Scale::of(design, observed);
    added::say_empty(design, observed, &mut plan);
    added::say_kept(design, &mut plan);
    inside::say_unknown(&desired, &design.stack, observed, &mut plan);
    inside::judge_copies(&design.stack, &mut plan);
    added::say_unmonitored(design, observed, &mut plan);
    stages::say(design, observed, &mut plan);
    upgrade::judge(design, observed, &mut plan);
    let own = observed.live.iter().filter(|(_, live)| !live.spec.of_others());
    let own = own.filter(|(address, _)| !desired.contains_key(address));
    for (address, live) in own.filter(|(address, _)| inside::may_go(address, &design.stack, observed)) {
        let of_quorum = quorum.leaves(address);
        let leaves = of_quorum || scale.leaves(address, plan.data_loss_allowed);
        if [kinds::Broker::NAME, kinds::Voter::NAME].contains(&address.kind.as_str()) && !leaves {
            continue;
        }
        let duplicate = live.tags.get(tag::ADDRESS).is_some_and(|tag| *tag != address.to_string());
        let pruned = prune::why(address, &design.stack, observed);
        let reason = match &pruned {
            Some(why) => why,
            None if of_quorum => quorum::Quorum::reason(address),
            None if leaves => scale.reason(address),
            None if address.kind == "topic" => "the stack file says that it is absent",
            None if duplicate => "it is a duplicate from a call whose answer was lost, and nothing uses it",
            None => "it is no longer in the stack file",
        };
        if pruned.is_none() && !leaves {
            held::refuse(address, live, (&design.stack, observed), &mut plan);
        }
        delete(address, live, reason, &mut plan);
    }
    scale.plan(design, observed, &mut plan);
    quorum.plan(&mut plan);
    prune::refuse(&design.stack, observed, &mut plan);
    user_data::make(&mut plan);
    // The cause before what follows from it: the VPC before its subnets, and those before what is in them.
    plan.refusals.sort_by_cached_key(|refusal| refusal.address.as_ref().map(order::place));
    ordered(plan, observed)
}

/// What of `plan` consists of the steps for which `keep` is true, in order and verified again; without its notes and warnings, and without what
/// follows it.
pub fn reduced(plan: &Plan, keep: impl Fn(&Step) -> bool, observed: &Observed) -> Plan {
    let mut steps: Vec<Step> = plan.steps.iter().filter(|step| keep(step)).cloned().collect();
    let kept: BTreeSet<StepId> = steps.iter().map(Step::id).collect();
    steps.iter_mut().for_each(|step| step.after.retain(|id| kept.contains(id)));
    let whole = Plan {
        steps,
        refusals: plan.refusals.clone(),
        data_loss_allowed: plan.data_loss_allowed,
        ..Plan::empty(&plan.stack, &plan.region, &plan.account, false)
    };
    ordered(whole, observed)
}

/// The plan with its steps in order, verified.
fn ordered(mut plan: Plan, observed: &Observed) -> Plan {
    let order = order::wire(&mut plan.steps);
    verified(plan, order, observed)
}

/// The same plan, in which `host`, on which the active controller is, is the last of its role that is rolled; verified again.
pub fn roll_last(mut plan: Plan, host: &str, observed: &Observed) -> Plan {
    let order = order::roll_last(&mut plan.steps, host);
    verified(plan, order, observed)
}

/// The plan with a refusal for whatever must not be run: a circle of steps, of which none could ever be done, or a fault that
/// [`verify`] finds.
fn verified(mut plan: Plan, order: Result<(), Vec<StepId>>, observed: &Observed) -> Plan {
    const DEFECT: &str = "this is a defect of kstack: please report it with the stack file and this message";
    match order {
        Err(circle) => {
            let names: Vec<String> = circle.iter().chain(circle.first()).map(ToString::to_string).collect();
            let reason = format!("the plan has a circle: {}", names.join(" waits for "));
            plan.refusals.push(Refusal::general(reason, DEFECT));
        }
        // A refused plan is never run.
        Ok(()) if !plan.refusals.is_empty() => {}
        Ok(()) => {
            let faults = verify(&plan, observed);
            plan.refusals.extend(faults.into_iter().map(|fault| Refusal::general(fault, DEFECT)));
        }
    }
    plan
}

fn refuse_unplaced(observed: &Observed, plan: &mut Plan) {
    plan.refusals.extend(observed.unplaced.iter().map(|unplaced| {
        let remedy = match unplaced.cause {
            Cause::Foreign => {
                "give the stack another name; or delete the resource that has its name, if nobody needs it".to_owned()
            }
            Cause::Unclear => {
                format!("delete the resource that does not belong to the stack, or remove its tag `{}`", tag::STACK)
            }
            Cause::Elsewhere => format!(
                "remove its tag `{}` if it is not the stack's; if it is, take it away from there, or give what it is in or attached to its tags back",
                tag::STACK
            ),
        };
        Refusal::general(format!("{} ({}) {}", unplaced.ids.join(" and "), unplaced.kind, unplaced.reason), remedy)
    }));
}

/// The tags that a resource is to have.
fn tags(design: &Design, address: &Address, wanted: &Resource) -> Tags {
    let stack = &design.stack;
    let mut tags = stack.tags.clone();
    // A tag's value takes 256 characters. Keys that don't fit are set like the others, and not removed by themselves later.
    let mut keys = String::new();
    for key in stack.tags.keys().filter(|key| !key.contains(' ')) {
        if keys.len() + key.len() < 256 {
            keys.push_str(if keys.is_empty() { "" } else { " " });
            keys.push_str(key);
        }
    }
    if !keys.is_empty() {
        tags.insert(tag::KEYS.to_owned(), keys);
    }
    tags.insert(tag::NAME.to_owned(), format!("{}-{}", stack.name, address.to_string().replace(['/', '_'], "-")));
    tags.insert(tag::STACK.to_owned(), stack.name.to_string());
    tags.insert(tag::ADDRESS.to_owned(), address.to_string());
    if let Some(at) = design.expires {
        tags.insert(tag::EXPIRES.to_owned(), at.to_string());
    }
    if stack.protected {
        tags.insert(tag::PROTECTED.to_owned(), PROTECTED.to_owned());
    }
    let others = wanted.home();
    if !others.is_empty() {
        tags.insert(tag::NETWORK.to_owned(), others.join(" "));
    }
    tags.extend(wanted.tags());
    tags
}

/// Ids of those who had this address before: they tell one making of a resource from the next.
fn generation(address: &Address, observed: &Observed) -> String {
    let of = |address: &Address| {
        let terminated = observed.terminated.get(address).into_iter().flatten().cloned();
        terminated.chain(observed.live.get(address).map(|live| live.id.clone())).collect::<BTreeSet<String>>()
    };
    let mut ids = of(address);
    for kind in kinds::generation_by(&address.kind) {
        ids.extend(of(&Address::new(kind, kinds::owner(address))));
    }
    ids.into_iter().collect::<Vec<_>>().join(" ")
}

/// Why the resource at `address` is not live.
fn missing(address: &Address, observed: &Observed) -> Missing {
    let sibling = |kind: &str| Address::new(kind, kinds::owner(address));
    let is_live = |kind: &str| observed.live.contains_key(&sibling(kind)) || observed.is_contested(&sibling(kind));
    let spec = |kind: &str| observed.live.get(&sibling(kind)).map(|live| &live.spec);
    let all = |kind: &str| {
        let of_kind = observed.live.iter().filter(|(address, _)| address.kind == kind);
        of_kind.map(|(_, live)| &live.spec).collect()
    };
    kinds::missing(address, &kinds::Siblings { is_live: &is_live, spec: &spec, all: &all })
}

/// The ordinary reason of a creation.
const NEW: &str = "it does not exist yet";

fn create(
    address: &Address,
    creation: Creation,
    (observed, quorum): (&Observed, &quorum::Quorum<'_>),
    plan: &mut Plan,
) {
    let reason = match (quorum.again(address), missing(address, observed)) {
        (Some(reason), _) => reason,
        (None, Missing::New) => NEW.to_owned(),
        (None, Missing::Gone(reason)) => reason.to_owned(),
        (None, Missing::Lost { reason, refusal, remedy }) => {
            if !plan.data_loss_allowed {
                plan.refusals.push(Refusal::at(address, refusal, remedy));
            }
            reason
        }
    };
    plan.steps.push(Step::new(address, reason, Work::Create(creation)));
}

fn delete(address: &Address, live: &Live, reason: &str, plan: &mut Plan) {
    let work =
        Work::Delete { live: LiveTarget { id: live.id.clone(), spec: live.spec.clone(), tags: live.tags.clone() } };
    plan.steps.push(Step::new(address, reason, work));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::ElasticIp;

    #[test]
    fn a_circle_is_a_refusal_with_the_circle_in_it() {
        let step = |name: &str, after: &str| Step {
            address: Address::new("elastic_ip", name),
            operation: None,
            reason: NEW.to_owned(),
            work: Work::Create(Creation {
                spec: ElasticIp::default().into(),
                tags: Tags::new(),
                generation: String::new(),
            }),
            after: vec![Address::new("elastic_ip", after).into()],
            after_all: None,
        };
        let steps = vec![step("nat-a", "nat-b"), step("nat-b", "nat-c"), step("nat-c", "nat-a")];
        let plan = ordered(Plan { steps, ..Plan::empty("dev", "us-east-1", "1", false) }, &Observed::default());
        let expected = "Stack dev in us-east-1 (account 1)\n\nThis plan can't be run:\n\n  ! the plan has a circle: \
            elastic_ip/nat-a waits for elastic_ip/nat-b waits for elastic_ip/nat-c waits for elastic_ip/nat-a\n    remedy: this is a \
            defect of kstack: please report it with the stack file and this message\n";
        assert_eq!(anstream::adapter::strip_str(&render(&plan)).to_string(), expected);
    }
}
