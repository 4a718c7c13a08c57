//! The endpoint of a PrivateLink service: in which of the stack's zones it can be, and why it can't be at all.

use std::collections::BTreeSet;

use super::PlanningInput;
use crate::design::{Design, PrivateLinkDesign};
use crate::kinds::VpcEndpoint;
use crate::kinds::vpc_endpoint::{ASKED, PRIVATELINK};
use crate::refusal::Refusal;

/// Chooses the zones: those of the stack that the service is in.
pub fn choose(design: &Design, input: &PlanningInput, refusals: &mut Vec<Refusal>) -> Option<PrivateLinkDesign> {
    let service = &design.stack.network.privatelink.as_ref()?.service;
    let endpoints = input.observed.of::<VpcEndpoint>();
    let live = endpoints.get(PRIVATELINK).map(|(_, endpoint)| *endpoint).filter(|live| live.service == **service);
    let facts = input.facts.endpoints.get(&**service);
    let (zones, without): (Vec<_>, Vec<_>) = match (facts, live) {
        (Some(facts), _) if !facts.interface => {
            refusals.push(Refusal::general(
                format!("the service {service} has no interface endpoint"),
                "ask its owner for one with a network load balancer, or remove `network.privatelink`",
            ));
            return None;
        }
        // A service that names no zones has none to lack.
        (Some(facts), _) => {
            design.zones.iter().cloned().partition(|zone| facts.zones.is_empty() || facts.zones.contains(&zone.name))
        }
        // Its owner lets this account make no further ones; what is there is as it was.
        (None, Some(live)) => {
            design.zones.iter().cloned().partition(|zone| live.subnets.contains(&design.public_subnet(zone)))
        }
        (None, None) => {
            refusals.push(Refusal::general(
                format!("AWS shows this account no PrivateLink service {service}"),
                format!(
                    "compare the name with what its owner tells, and have the owner let the account {} come; Confluent calls that a PrivateLink access",
                    design.account
                ),
            ));
            return None;
        }
    };
    if zones.is_empty() && !design.zones.is_empty() {
        let own: Vec<&str> = design.zones.iter().map(|zone| zone.name.as_str()).collect();
        let has: BTreeSet<&str> = facts.iter().flat_map(|facts| &facts.zones).map(String::as_str).collect();
        let has: Vec<&str> = has.into_iter().collect();
        refusals.push(Refusal::general(
            format!("the service {service} is in {}, and the stack in {}", has.join(", "), own.join(", ")),
            "write a zone of the service below `network.zones`, or have its owner offer it in one of the stack's",
        ));
    }
    Some(PrivateLinkDesign {
        zones,
        without: without.into_iter().map(|zone| zone.name).collect(),
        by_hand: facts.is_some_and(|facts| facts.by_hand),
        asked: live.is_some_and(|live| live.state == ASKED),
    })
}
