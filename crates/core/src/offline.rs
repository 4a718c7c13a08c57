//! What a change of a stack file does to the stack that was made from it, without AWS: the plan of the changed file against what the plan
//! of the other one leaves behind. What only AWS knows is assumed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::choose::{PlanningInput, assumed_facts};
use crate::cloud_init::Overrides;
use crate::design::Facts;
use crate::expiry::{ExpiryRequest, Lifetime};
use crate::observed::Observed;
use crate::plan::{Plan, applied, make_plan};
use crate::stack::{Stack, Zones};

/// A plan made without AWS, and what it is made against.
#[derive(Debug)]
pub struct Foreseen {
    pub plan: Plan,
    pub observed: Observed,
}

/// What no plan made without AWS knows.
pub const UNKNOWN: &str = "Planned without AWS, as if nothing but the first file had been applied. Not known here: what was changed by hand \
    or grew by itself, what the region has of zones, instance types and endpoint services, other people's networks, and own templates. \
    `kstack plan` asks AWS.";

/// The plan for `after` where nothing but the stack `before` has been made, at `now`.
///
/// # Errors
/// The refused plan of `before`, where that can't be made at all.
pub fn foresee(before: &Stack, after: &Stack, now: Timestamp, allow_data_loss: bool) -> Result<Foreseen, Box<Plan>> {
    let facts = facts(before, after);
    let mut observed = Observed::default();
    let made = planned(before, &facts, &observed, now, false);
    if !made.refusals.is_empty() {
        return Err(Box::new(made));
    }
    applied::apply(&made, &mut observed);
    let plan = planned(after, &facts, &observed, now, allow_data_loss);
    Ok(Foreseen { plan, observed })
}

fn planned(stack: &Stack, facts: &Facts, observed: &Observed, now: Timestamp, allow_data_loss: bool) -> Plan {
    let expires = ExpiryRequest { now, ttl: None }.choose(stack, Lifetime::of(observed, None, None));
    let input = PlanningInput { facts: facts.clone(), observed: observed.clone(), record: None, expires };
    make_plan(stack, &input, &Overrides::new(), allow_data_loss).1
}

/// The zones of both stacks and those of the region that neither names: each by name, with its id. An id takes the first free name, as
/// its name is another one in each account.
fn zones(before: &Stack, after: &Stack) -> BTreeMap<String, String> {
    let region = &*after.region;
    let named = [before, after].into_iter().filter_map(|stack| match &stack.network.zones {
        Zones::Named(names) => Some(names),
        Zones::Count(_) => None,
    });
    let named: Vec<&String> = named.flatten().collect();
    let (names, ids): (Vec<&String>, Vec<&String>) = named.into_iter().partition(|zone| zone.starts_with(region));
    let mut zones: BTreeMap<String, String> = names.into_iter().map(|name| (name.clone(), name.clone())).collect();
    let mut free = ('a'..='z').map(|letter| format!("{region}{letter}"));
    for id in ids {
        if zones.values().all(|known| known != id) {
            zones.extend(free.by_ref().find(|name| !zones.contains_key(name)).map(|name| (name, id.clone())));
        }
    }
    for letter in 'a'..='f' {
        zones.entry(format!("{region}{letter}")).or_insert_with(|| letter.to_string());
    }
    zones
}

/// Facts that have what both stacks name.
fn facts(before: &Stack, after: &Stack) -> Facts {
    let (mut facts, others) = (assumed_facts(after), assumed_facts(before));
    if facts.account.is_empty() {
        facts.account = others.account;
    }
    facts.zones = zones(before, after);
    let zones: BTreeSet<String> = facts.zones.keys().cloned().collect();
    facts.types.extend(others.types);
    facts.endpoints.extend(others.endpoints);
    facts.msk_versions.extend(others.msk_versions);
    facts.offers = facts.types.keys().map(|name| (name.clone(), zones.clone())).collect();
    facts.endpoints.values_mut().for_each(|service| service.zones.clone_from(&zones));
    let (network, more) = (&mut facts.network, others.network);
    let new = more.subnets.into_iter().filter(|one| network.subnets.iter().all(|other| other.id != one.id));
    let new: Vec<_> = new.collect();
    network.subnets.extend(new);
    let new: Vec<_> = more.vpcs.into_iter().filter(|one| network.vpcs.iter().all(|other| other.id != one.id)).collect();
    network.vpcs.extend(new);
    network.groups.extend(more.groups);
    network.prefix_lists.extend(more.prefix_lists);
    network.hosted_zone = network.hosted_zone.take().or(more.hosted_zone);
    facts
}
