//! The plan: what differs between the stack file and what is live, in an order that can be run. Pure.
//!
//! All meaning is decided here. The same file and the same live resources give the same plan, byte for byte.

mod change;
mod cost;
mod diff;
mod order;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::design::Design;
use crate::expiry::{PROTECTED, Term};
use crate::kinds::{self, Resource};
use crate::resource::{Address, Deletion, FieldChange, Live, Observed, StepId, Tags, tag};

pub use cost::{Change, change as cost_change, running};
pub use order::{rank, roll_last};
pub use text::{printable, render};

/// What a step does to its resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    Create,
    Update,
    /// The instance is ended and another started on the same volume and interface.
    Roll,
    /// Deleted and made again.
    Replace,
    Delete,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    pub address: Address,
    /// Which of the operations on the resource it is, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<&'static str>,
    pub action: Action,
    /// The reason, as a clause.
    pub why: String,
    pub changes: Vec<FieldChange>,
    /// The AWS id of the live resource, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The spec that the resource is to have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec: Option<Value>,
    /// Steps that must be done before.
    pub after: Vec<StepId>,
    /// What tells this making of the resource from earlier ones: a part of the client token.
    #[serde(skip)]
    pub generation: String,
    #[serde(skip)]
    pub wanted: Option<Resource>,
    #[serde(skip)]
    pub live: Option<Resource>,
    /// Every tag that the resource is to have.
    #[serde(skip)]
    pub tags: Tags,
}

impl Step {
    /// What names the step in its plan.
    pub fn id(&self) -> StepId {
        StepId { address: self.address.clone(), operation: self.operation }
    }
}

/// Why a plan can't be run, and a way out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    pub why: String,
    /// The change that is refused, where it is one of a field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<FieldChange>,
    pub way_out: String,
}

impl Refusal {
    /// A refusal that is not about one resource.
    pub fn general(why: impl Into<String>, way_out: impl Into<String>) -> Self {
        Refusal { address: None, why: why.into(), change: None, way_out: way_out.into() }
    }
    fn at(address: &Address, why: impl Into<String>, way_out: impl Into<String>) -> Self {
        Refusal { address: Some(address.clone()), ..Refusal::general(why, way_out) }
    }
}

/// Something that the plan leaves as it is, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Note {
    pub address: Address,
    pub text: String,
}

/// How many steps of each action.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub create: usize,
    pub change: usize,
    pub roll: usize,
    pub replace: usize,
    pub delete: usize,
}

impl std::iter::Sum for Counts {
    fn sum<I: Iterator<Item = Counts>>(all: I) -> Counts {
        all.fold(Counts::default(), |sum, one| Counts {
            create: sum.create + one.create,
            change: sum.change + one.change,
            roll: sum.roll + one.roll,
            replace: sum.replace + one.replace,
            delete: sum.delete + one.delete,
        })
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
}

impl Plan {
    /// How many steps of each action.
    pub fn counts(&self) -> Counts {
        let count = |action| self.steps.iter().filter(|step| step.action == action).count();
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
                None => return Some(format!("{} now has a step, and had none", address(step))),
                Some(old) if old["action"] != step["action"] => {
                    let (was, now) = (text::value(&old["action"]), text::value(&step["action"]));
                    return Some(format!("{} was to {was}, and is now to {now}", address(step)));
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
        gone.map(|old| format!("{} had a step, and now has none", address(old)))
    }
}

/// The plan that brings what is live to `design`.
pub fn plan(design: &Design, observed: &Observed, allow_data_loss: bool) -> Plan {
    let desired = kinds::desired(design);
    let mut plan = empty(&design.stack.name, &design.stack.region, &design.account);
    refuse_strays(observed, &mut plan);
    let anew: BTreeSet<Address> =
        desired.keys().filter(|address| !observed.live.contains_key(address)).cloned().collect();
    for (address, wanted) in &desired {
        let tags = tags(design, address, wanted);
        match observed.live.get(address) {
            None => create(address, wanted, tags, observed, allow_data_loss, &mut plan),
            Some(live) => change::change(address, wanted, live, tags, &anew, observed, allow_data_loss, &mut plan),
        }
    }
    for (address, live) in observed.live.iter().filter(|(address, _)| !desired.contains_key(address)) {
        let twin = live.tags.get(tag::ADDRESS).is_some_and(|tag| *tag != address.to_string());
        let reason = if twin {
            "it was made when an answer was lost, there is another, and nothing uses it"
        } else {
            "it is no longer in the file"
        };
        delete(address, live, reason, allow_data_loss, &mut plan);
    }
    // The cause before what follows from it: the VPC before its subnets, and those before what is in them.
    plan.refusals.sort_by_cached_key(|refusal| refusal.address.as_ref().map(order::place));
    refuse_lost_quorum(&desired, observed, &mut plan);
    order::wire(&mut plan.steps);
    plan
}

/// Whether the volume of a host was taken away: its interface, which is made after it, or its instance is there without it.
fn lost(address: &Address, observed: &Observed) -> bool {
    let sibling = |kind: &str| observed.live.contains_key(&Address::new(kind, &address.name));
    address.kind == "volume"
        && !observed.live.contains_key(address)
        && (sibling("network_interface") || sibling("instance"))
}

/// Empty volumes for a majority of the voters would elect a leader without the cluster's metadata, whatever was allowed.
fn refuse_lost_quorum(desired: &BTreeMap<Address, Resource>, observed: &Observed, plan: &mut Plan) {
    let voters =
        desired.iter().filter(|(_, resource)| matches!(resource, Resource::Volume(volume) if volume.voters.is_some()));
    let voters: Vec<&Address> = voters.map(|(address, _)| address).collect();
    let gone: Vec<&str> =
        voters.iter().filter(|address| lost(address, observed)).map(|address| address.name.as_str()).collect();
    if gone.len() * 2 >= voters.len() && !gone.is_empty() {
        plan.refusals.push(Refusal::general(
            format!("the volumes of {} are lost, and with them the majority of the controllers' quorum", gone.join(", ")),
            "restore the volumes from snapshots and tag them as before; without them, the cluster's metadata is gone: destroy the stack and make it anew",
        ));
    }
}

/// The plan that deletes everything that is live, its data with it.
pub fn destroy(stack: &str, region: &str, account: &str, observed: &Observed) -> Plan {
    let mut plan = empty(stack, region, account);
    // What is somebody else's is left alone, and in nobody's way.
    let mut observed = observed.clone();
    observed.strays.retain(|stray| !stray.foreign);
    let observed = &observed;
    refuse_strays(observed, &mut plan);
    if Term::of(observed, None, None) == Term::Protected {
        plan.refusals.push(Refusal::general(
            format!("the stack {stack} is protected: its resources have the tag `{}`", tag::PROTECTED),
            "take `protected: true` out of its file, apply the file, and destroy the stack then",
        ));
    }
    for (address, live) in &observed.live {
        delete(address, live, "the stack is destroyed", true, &mut plan);
    }
    plan.refusals.retain(|refusal| refusal.address.is_none());
    order::wire(&mut plan.steps);
    plan
}

fn empty(stack: &str, region: &str, account: &str) -> Plan {
    Plan {
        stack: stack.to_owned(),
        region: region.to_owned(),
        account: account.to_owned(),
        steps: Vec::new(),
        notes: Vec::new(),
        refusals: Vec::new(),
    }
}

fn refuse_strays(observed: &Observed, plan: &mut Plan) {
    plan.refusals.extend(observed.strays.iter().map(|stray| {
        let way_out = match stray.foreign {
            true => "give the stack another name; or delete what has its name, if nobody needs it".to_owned(),
            false => format!("delete what does not belong to the stack, or remove its tag `{}`", tag::STACK),
        };
        Refusal::general(format!("{} ({}) {}", stray.ids.join(" and "), stray.kind, stray.why), way_out)
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
    tags.insert("Name".to_owned(), format!("{}-{}", stack.name, address.to_string().replace(['/', '_'], "-")));
    tags.insert(tag::STACK.to_owned(), stack.name.to_string());
    tags.insert(tag::ADDRESS.to_owned(), address.to_string());
    if let Some(at) = design.expires {
        tags.insert(tag::EXPIRES.to_owned(), at.to_string());
    }
    if stack.protected {
        tags.insert(tag::PROTECTED.to_owned(), PROTECTED.to_owned());
    }
    tags.extend(wanted.tags());
    tags
}

/// Ids of those who had this address before: they tell one making of a resource from the next.
fn generation(address: &Address, observed: &Observed) -> String {
    let of = |address: &Address| {
        let ended = observed.ended.get(address).into_iter().flatten().cloned();
        ended.chain(observed.live.get(address).map(|live| live.id.clone())).collect::<BTreeSet<String>>()
    };
    let mut ids = of(address);
    if address.kind == "volume" {
        // A deleted volume leaves no trace of its own; the instance that had it does.
        ids.extend(of(&Address::new("instance", &address.name)));
    }
    ids.into_iter().collect::<Vec<_>>().join(" ")
}

/// The ordinary reason of a creation.
const NEW: &str = "it is not there yet";

fn create(
    address: &Address,
    wanted: &Resource,
    tags: Tags,
    observed: &Observed,
    allow_data_loss: bool,
    plan: &mut Plan,
) {
    let mut why = NEW.to_owned();
    let sibling = |kind: &str| observed.live.contains_key(&Address::new(kind, &address.name));
    match address.kind.as_str() {
        // An interface is made after its volume, so one without the other had its volume taken away.
        "volume" if lost(address, observed) => {
            why = format!("the data of {} is lost: its volume is gone, and an empty one is made", address.name);
            if !allow_data_loss {
                plan.refusals.push(Refusal::at(
                    address,
                    format!("the data of {} is lost: its volume is gone, although the host is there", address.name),
                    "restore the volume from a snapshot and tag it as before; or run again with --allow-data-loss: an empty volume is made, and Kafka copies the replicas to it",
                ));
            }
        }
        "instance" if sibling("volume") => {
            why = "its instance is gone: another starts on the same volume and interface".to_owned()
        }
        _ => {}
    }
    plan.steps.push(Step {
        address: address.clone(),
        operation: None,
        action: Action::Create,
        why,
        changes: Vec::new(),
        id: None,
        spec: Some(wanted.spec()),
        after: Vec::new(),
        generation: generation(address, observed),
        wanted: Some(wanted.clone()),
        live: None,
        tags,
    });
}

fn delete(address: &Address, live: &Live, why: &str, allow_data_loss: bool, plan: &mut Plan) {
    let resource = Resource::from_live(&address.kind, &live.spec);
    match resource.as_ref().map(Resource::deletion) {
        Some(Deletion::Data(held)) if !allow_data_loss => plan.refusals.push(Refusal::at(
            address,
            format!("{} is no longer in the file, and its volume {} has {held}", address.name, live.id),
            "move its partitions away with kafka-reassign-partitions.sh, then run again with --allow-data-loss; or keep it in the file",
        )),
        Some(Deletion::Refuse(why, way_out)) => plan.refusals.push(Refusal::at(address, why, way_out)),
        None => plan.refusals.push(Refusal::at(
            address,
            format!("the live resource {} does not read as one of kstack's", live.id),
            "use the newest kstack; or delete the resource by hand",
        )),
        _ => {}
    }
    plan.steps.push(Step {
        address: address.clone(),
        operation: None,
        action: Action::Delete,
        why: why.to_owned(),
        changes: Vec::new(),
        id: Some(live.id.clone()),
        spec: None,
        after: Vec::new(),
        generation: String::new(),
        wanted: None,
        live: resource,
        tags: live.tags.clone(),
    });
}
