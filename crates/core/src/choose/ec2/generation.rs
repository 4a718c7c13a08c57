//! Whether the brokers of the file's generation can be made beside those that are there.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::Instances;
use crate::choose::PlanningInput;
use crate::design::{Design, host_of_volume, node_id};
use crate::engines::ec2::generation::of_id;
use crate::kinds::{NetworkInterface, Volume};
use crate::network;
use crate::observed::Observed;
use crate::refusal::Refusal;
use crate::stack::Ec2;

/// Notes why the brokers of `ec2` can't be made.
pub fn check(
    design: &Design,
    ec2: &Ec2,
    input: &PlanningInput,
    addresses: &BTreeMap<String, Ipv4Addr>,
    instances: &Instances<'_>,
    refusals: &mut Vec<Refusal>,
) {
    let live = brokers(&input.observed, instances);
    let generation = ec2.brokers.generation;
    // The way back, while some of them are there, is one that moves partitions as any other.
    let there: BTreeSet<u32> = live.values().map(|id| of_id(*id)).collect();
    if let Some(last) = there.last().filter(|last| **last > generation && !there.contains(&generation)) {
        refusals.push(Refusal::general(
            format!("the live brokers are of generation {last}, and the file asks for {generation}: a set that has gone does not come back"),
            format!("write `generation: {last}`; or `generation: {}`, for another set of brokers", last + 1),
        ));
        return;
    }
    let anew = |id: &u32| !instances.contains_key(format!("broker-{id}").as_str());
    let others = there.iter().any(|one| *one != generation);
    let controllers = instances.iter().filter(|(name, _)| name.starts_with("controller-"));
    let old = controllers.filter_map(|(_, (_, one))| one.kafka.as_ref()).find(|kafka| **kafka != ec2.kafka.to_string());
    if let Some(old) = old.filter(|_| others && ec2.brokers.ids().any(|id| anew(&id))) {
        refusals.push(Refusal::general(
            format!(
                "the brokers of generation {generation} would start with Kafka {} while controllers have {old}: no broker may be newer \
                 than its controllers",
                ec2.kafka
            ),
            "change `kafka` with the live `generation`, and apply; then write the new generation",
        ));
    }
    refusals.extend(taken(design, ec2, &input.observed, addresses));
}

/// The brokers that have anything of a host, and their ids.
fn brokers<'a>(observed: &'a Observed, instances: &Instances<'a>) -> BTreeMap<&'a str, u32> {
    let volumes = observed.of::<Volume>();
    let volumes = volumes.keys().map(|name| host_of_volume(name).0);
    let interfaces = observed.of::<NetworkInterface>();
    let all = volumes.chain(interfaces.keys().copied()).chain(instances.keys().copied());
    all.filter(|name| name.starts_with("broker-")).filter_map(|name| Some((name, node_id(name)?))).collect()
}

/// Why a broker's address is not free: in the stack's own subnets two generations have room, and a third one that of the first.
fn taken(design: &Design, ec2: &Ec2, observed: &Observed, addresses: &BTreeMap<String, Ipv4Addr>) -> Option<Refusal> {
    let interfaces = observed.of::<NetworkInterface>();
    let held: BTreeMap<&str, &str> = interfaces.iter().map(|(name, (_, one))| (one.address.as_str(), *name)).collect();
    let (name, address, holder) = ec2.brokers.ids().find_map(|id| {
        let name = format!("broker-{id}");
        let address = addresses.get(&name)?.to_string();
        let holder = held.get(address.as_str()).filter(|holder| **holder != name)?;
        Some((name, address, (*holder).to_owned()))
    })?;
    let of = node_id(&holder).map_or(0, of_id);
    let most = design.zones.iter().map(|zone| network::brokers_of_two(zone.private)).min().unwrap_or_default();
    let remedy = if ec2.brokers.generation.abs_diff(of).is_multiple_of(2) {
        format!("write `generation: {}`, and apply it to its end; then write the next one", of + 1)
    } else {
        format!(
            "lower `count` to {most} or fewer first, with the live `generation`: so many have room beside each other"
        )
    };
    Some(Refusal::general(format!("{name} would have the address {address}, which {holder} has"), remedy))
}
