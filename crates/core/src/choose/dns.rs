//! The hosted zone of a stack's names: every reason why it can't have them.

use super::PlanningInput;
use crate::design::ExistingNetwork;
use crate::kinds::{HostedZone, Vpc};
use crate::refusal::Refusal;
use crate::stack::{Dns, Stack};

/// Refuses a zone that can't hold the stack's names, or that its VPC does not see.
pub fn check(stack: &Stack, network: Option<&ExistingNetwork>, input: &PlanningInput, refusals: &mut Vec<Refusal>) {
    if let Some(domain) = stack.network.privatelink.as_ref().and_then(|link| link.domain.as_ref()) {
        let remedy = |_: &str| {
            "remove `domain` below `network.privatelink`, and have that zone lead to the endpoint; or take the zone away from the VPC".to_owned()
        };
        refusals.extend(own(domain, remedy, network, input));
    }
    let Some(dns) = &stack.network.dns else { return };
    match &dns.existing {
        Some(id) => refusals.extend(existing(stack, dns, id, network, input)),
        None => {
            let remedy = |id: &str| {
                format!("write `existing: {id}` below `network.dns` to have the names in it, or another `zone`")
            };
            refusals.extend(own(&dns.zone, remedy, network, input));
        }
    }
}

fn existing(
    stack: &Stack,
    dns: &Dns,
    id: &str,
    network: Option<&ExistingNetwork>,
    input: &PlanningInput,
) -> Option<Refusal> {
    let Some(zone) = &input.facts.network.hosted_zone else {
        return Some(Refusal::general(
            format!("there is no hosted zone {id} in this account"),
            "correct it below `network.dns.existing`; or remove it, and kstack makes a zone",
        ));
    };
    if !zone.private {
        return Some(Refusal::general(
            format!("the hosted zone {id} ({}) is public, and brokers have private addresses", zone.name),
            "name a private hosted zone",
        ));
    }
    if zone.name != *dns.zone {
        return Some(Refusal::general(
            format!("the hosted zone {id} is {}, and `network.dns.zone` says {}", zone.name, dns.zone),
            format!("write `zone: {}`, or the id of the zone that is meant", zone.name),
        ));
    }
    let own = input.observed.of::<Vpc>().into_values().next().map(|(live, _)| live.id.clone());
    let vpc = network.map(|network| network.vpc.clone()).or(own);
    // Where the VPC itself is in question, or brokers do without names, others may be the ones who ask for them.
    let asked = !zone.vpcs.is_empty();
    let needed = asked && (network.is_some() || stack.network.existing.is_none() && dns.advertise);
    match vpc {
        Some(vpc) if needed && !zone.vpcs.contains(&vpc) => Some(Refusal::general(
            format!(
                "the hosted zone {id} ({}) is not associated with {vpc}: hosts would not find its names",
                zone.name
            ),
            format!(
                "have it associated: `aws route53 associate-vpc-with-hosted-zone --hosted-zone-id {id} --vpc VPCRegion={},VPCId={vpc}`",
                &*stack.region
            ),
        )),
        None if needed => Some(Refusal::general(
            format!(
                "the hosted zone {id} ({}) can't be associated yet with the stack's own VPC, which is not made, and brokers would not find each other's names",
                zone.name
            ),
            "apply without `advertise`, have the zone associated with the VPC, and apply with it; or remove `existing`, and kstack makes a zone for the VPC",
        )),
        _ => None,
    }
}

/// A VPC sees one zone of a domain.
fn own(
    domain: &str,
    remedy: impl Fn(&str) -> String,
    network: Option<&ExistingNetwork>,
    input: &PlanningInput,
) -> Option<Refusal> {
    let vpc = &network?.vpc;
    let live = input.observed.of::<HostedZone>();
    let is_own = |id: &str| live.values().any(|(zone, _)| zone.id == id);
    let zones = &input.facts.network.zones_of_vpc;
    let (id, name) = zones.iter().find(|(id, name)| **name == *domain && !is_own(id))?;
    Some(Refusal::general(format!("{vpc} has a hosted zone of the domain {name} already, {id}"), remedy(id)))
}
