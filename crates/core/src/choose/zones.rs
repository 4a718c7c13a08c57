//! The zones of a stack: those that are live stay chosen.

use super::endpoints;
use crate::design::{Facts, Zone};
use crate::kinds::Subnet;
use crate::network;
use crate::observed::Observed;
use crate::refusal::Refusal;
use crate::stack::{Stack, Zones};

/// The instance types of the file that `zone` does not offer.
fn not_offered<'a>(facts: &'a Facts, zone: &str) -> Vec<&'a str> {
    let offered = |name: &str| facts.offers.get(name).is_some_and(|zones| zones.contains(zone));
    facts.types.keys().map(String::as_str).filter(|name| !offered(name)).collect()
}

/// The zones: those that the file names; else those of the live subnets, and the region's first others.
pub fn choose_zones(stack: &Stack, facts: &Facts, observed: &Observed, refusals: &mut Vec<Refusal>) -> Vec<Zone> {
    let mut names: Vec<String> = match &stack.network.zones {
        Zones::Named(wanted) => wanted
            .iter()
            .filter_map(|zone| {
                let found = facts.zones.iter().find(|(name, id)| *name == zone || *id == zone);
                if found.is_none() {
                    let known: Vec<&str> = facts.zones.keys().map(String::as_str).collect();
                    refusals.push(Refusal::general(
                        format!("{} has no zone `{zone}`", stack.region),
                        format!("use one of {}", known.join(", ")),
                    ));
                }
                found.map(|(name, _)| name.clone())
            })
            .collect(),
        Zones::Count(count) => {
            let live = observed.of::<Subnet>();
            let used: Vec<String> = live
                .iter()
                .filter(|(name, _)| name.starts_with("private-"))
                .map(|(_, (_, subnet))| subnet.zone.clone())
                .filter(|zone| facts.zones.contains_key(zone))
                .collect();
            let whole = |zone: &str| {
                not_offered(facts, zone).is_empty() && endpoints::not_offered(stack, facts, observed, zone).is_empty()
            };
            let others = facts.zones.keys().filter(|zone| !used.contains(zone) && whole(zone)).cloned();
            let chosen: Vec<String> = used.iter().cloned().chain(others).take(*count as usize).collect();
            if chosen.len() < *count as usize {
                refusals.push(Refusal::general(
                    format!(
                        "the file asks for {count} zones, and {} has {} that offer the instance types and the endpoint services",
                        stack.region,
                        chosen.len()
                    ),
                    "lower `network.zones`, or choose another region",
                ));
            }
            chosen
        }
    };
    names.sort();
    for zone in &names {
        for name in not_offered(facts, zone) {
            refusals.push(Refusal::general(
                format!("the instance type `{name}` is not offered in {zone}"),
                "choose another instance type, or name other zones",
            ));
        }
    }
    for zone in &names {
        for name in endpoints::not_offered(stack, facts, observed, zone) {
            refusals.push(Refusal::general(
                format!("the endpoint service `{name}` is not offered in {zone}"),
                format!("remove `{name}` from `network.endpoints`, or name other zones"),
            ));
        }
    }
    let zones: Vec<Option<Zone>> = names
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let letter = network::zone_letter(name);
            Some(Zone {
                name: name.clone(),
                id: facts.zones.get(name)?.clone(),
                key: letter.to_string(),
                private: network::private_block(&stack.network, letter, index)?,
                public: network::public_block(&stack.network, letter, index)?,
            })
        })
        .collect();
    if zones.iter().any(Option::is_none) && refusals.is_empty() {
        refusals.push(Refusal::general(
            "a zone has no address block",
            "write `private_cidrs` and `public_cidrs`, one block for each zone",
        ));
    }
    zones.into_iter().flatten().collect()
}
