//! The zones of a stack: those that are live stay chosen.

use super::endpoints;
use super::existing::{in_words, live_zones};
use crate::design::{ExistingNetwork, Facts, Zone};
use crate::kinds::Subnet;
use crate::network as blocks;
use crate::observed::Observed;
use crate::refusal::Refusal;
use crate::stack::{Ec2, Stack, Zones};

/// Whether every zone must offer the type `name`: not that of the client host, which is in one.
fn of_cluster(stack: &Stack, name: &str) -> bool {
    let controllers = |ec2: &Ec2| ec2.controllers.as_ref().is_some_and(|controllers| controllers.instance_type == name);
    let hosts = stack.cluster.ec2.as_ref().is_some_and(|ec2| ec2.brokers.instance_type == name || controllers(ec2));
    hosts || stack.client.as_ref().is_none_or(|client| client.instance_type != name)
}

/// The instance types of the file's brokers and controllers that `zone` does not offer.
fn not_offered<'a>(stack: &Stack, facts: &'a Facts, zone: &str) -> Vec<&'a str> {
    let offered = |name: &str| facts.offers.get(name).is_some_and(|zones| zones.contains(zone));
    facts.types.keys().map(String::as_str).filter(|name| !offered(name) && of_cluster(stack, name)).collect()
}

/// The zones: those that the file names; else those of the live subnets, and the region's first others. Where others made the
/// network, `network`, only zones with a subnet of it.
pub fn choose_zones(
    stack: &Stack,
    facts: &Facts,
    observed: &Observed,
    network: Option<&ExistingNetwork>,
    refusals: &mut Vec<Refusal>,
) -> Vec<Zone> {
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
            let own = live.iter().filter(|(name, _)| name.starts_with("private-"));
            let used: Vec<String> = match network {
                Some(network) => live_zones(network, observed),
                None => own.map(|(_, (_, subnet))| subnet.zone.clone()).collect(),
            };
            let used: Vec<String> = used.into_iter().filter(|zone| facts.zones.contains_key(zone)).collect();
            let whole = |zone: &&String| {
                network.is_none_or(|network| network.subnets.contains_key(*zone))
                    && not_offered(stack, facts, zone).is_empty()
                    && endpoints::not_offered(stack, facts, observed, network, zone).is_empty()
            };
            let others = facts.zones.keys().filter(whole).filter(|zone| !used.contains(zone)).cloned();
            let chosen: Vec<String> = used.iter().cloned().chain(others).take(*count as usize).collect();
            if let Some(network) = network.filter(|_| chosen.len() < *count as usize) {
                // That there is none at all has been said.
                if network.subnets.is_empty() {
                    return Vec::new();
                }
                refusals.push(Refusal::general(
                    format!(
                        "the file asks for {count} zones, and its subnets in zones that offer the instance types are in {}: {}",
                        chosen.len(),
                        in_words(network)
                    ),
                    "name a private subnet in each zone below `network.existing.subnets`, or lower `network.zones`",
                ));
            } else if chosen.len() < *count as usize {
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
        if let Some(network) = network.filter(|network| !network.subnets.contains_key(zone)) {
            refusals.push(Refusal::general(
                format!("there is no subnet for the stack in {zone}; there are in {}", in_words(network)),
                format!("name a private subnet in {zone} below `network.existing.subnets`, or leave the zone out"),
            ));
        }
        for name in not_offered(stack, facts, zone) {
            refusals.push(Refusal::general(
                format!("the instance type `{name}` is not offered in {zone}"),
                "choose another instance type, or name other zones",
            ));
        }
    }
    for zone in &names {
        for name in endpoints::not_offered(stack, facts, observed, network, zone) {
            refusals.push(Refusal::general(
                format!("the endpoint service `{name}` is not offered in {zone}"),
                format!("remove `{name}` from `network.endpoints`, or name other zones"),
            ));
        }
    }
    let subnets = observed.of::<Subnet>();
    // A live subnet keeps what it has; one of others is as it is.
    let ipv6 = |letter: char, public: bool| {
        let name = format!("{}-{letter}", if public { "public" } else { "private" });
        let live = subnets.get(name.as_str()).and_then(|(_, subnet)| subnet.ipv6_part);
        live.or_else(|| blocks::ipv6_number(letter, public).filter(|_| stack.network.ipv6 && network.is_none()))
    };
    let zones: Vec<Option<Zone>> = names
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let letter = blocks::zone_letter(name);
            let existing = network.map(|network| network.subnets.get(name)?.block);
            Some(Zone {
                name: name.clone(),
                id: facts.zones.get(name)?.clone(),
                key: letter.to_string(),
                private: existing.unwrap_or_else(|| blocks::private_block(&stack.network, letter, index))?,
                public: existing.unwrap_or_else(|| blocks::public_block(&stack.network, letter, index))?,
                private_ipv6: ipv6(letter, false),
                public_ipv6: ipv6(letter, true),
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
