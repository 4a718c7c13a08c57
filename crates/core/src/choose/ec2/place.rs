//! Where the hosts are: zones, the controllers' quorum, placement groups.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

use ipnet::Ipv4Net;

use crate::choose::{PlanningInput, derived_uuid};
use crate::cloud_init::Voter;
use crate::design::{CONTROLLER_IDS, Design, Seat, Zone};
use crate::engines::ec2::generation;
use crate::kinds::{Kind as _, NetworkInterface, OfKind as _, Volume};
use crate::model::{Address, Ref};
use crate::network;
use crate::observed::Observed;
use crate::stack::{Ec2, Placement};

/// The zone of each host of a role: where its volume is, or its interface; else the zone with the fewest of the hosts with
/// a smaller number. Later ones don't count: a first apply that ended half-way is then gone on with as it began.
pub fn place(design: &Design, observed: &Observed, role: &str, numbers: RangeInclusive<u32>) -> Vec<usize> {
    let (volumes, interfaces) = (observed.of::<Volume>(), observed.of::<NetworkInterface>());
    let live = |name: &str| {
        let of_volume = |zone: &Zone| volumes.get(name).is_some_and(|(_, volume)| volume.zone == zone.name);
        let subnet = |zone: &Zone| design.private_subnet(zone);
        let of_interface = |zone: &Zone| interfaces.get(name).is_some_and(|(_, one)| one.subnet == subnet(zone));
        design.zones.iter().position(of_volume).or_else(|| design.zones.iter().position(of_interface))
    };
    let mut load = vec![0_usize; design.zones.len()];
    let mut zones = Vec::new();
    for number in numbers {
        let emptiest = || (0..load.len()).min_by_key(|zone| load[*zone]).unwrap_or(0);
        let zone = live(&format!("{role}-{number}")).unwrap_or_else(emptiest);
        load[zone] += 1;
        zones.push(zone);
    }
    zones
}

/// The subnet of `host` in the zone at `zone`. In a network of others it stays in the one where it was made: its volume shows that the zone is
/// still its own.
pub fn subnet(design: &Design, observed: &Observed, host: &str, zone: usize) -> Ref {
    let zone = &design.zones[zone];
    let spec = |kind: &str| {
        let there = design.existing.as_ref().and_then(|_| observed.live.get(&Address::new(kind, host)));
        there.map(|live| &live.spec)
    };
    let of_zone = spec(Volume::NAME).and_then(Volume::of).is_some_and(|volume| volume.zone == zone.name);
    let interface = spec(NetworkInterface::NAME).and_then(NetworkInterface::of).filter(|_| of_zone);
    let live = interface.map(|one| one.subnet.clone()).filter(|subnet| subnet.id().is_some());
    live.unwrap_or_else(|| design.private_subnet(zone))
}

/// How many hosts of the zone at `index` have no interface yet.
pub fn missing_hosts(design: &Design, ec2: &Ec2, observed: &Observed, index: usize) -> u32 {
    let interfaces = observed.of::<NetworkInterface>();
    let controllers = ec2.controllers.as_ref().map_or(0, |controllers| controllers.count);
    let missing = |(role, numbers): (&str, RangeInclusive<u32>)| {
        let zones = place(design, observed, role, numbers.clone());
        let here = numbers.zip(zones).filter(|(_, zone)| *zone == index);
        here.filter(|(number, _)| !interfaces.contains_key(format!("{role}-{number}").as_str())).count()
    };
    let missing: usize =
        [("broker", ec2.brokers.ids()), ("controller", 1..=controllers)].into_iter().map(missing).sum();
    u32::try_from(missing).unwrap_or(u32::MAX)
}

/// The address of each host that has or gets one. In the stack's own subnets it follows from the host's number. In a subnet of
/// others it is that of the live interface, or else a free one.
pub fn addresses(
    design: &Design,
    input: &PlanningInput,
    (brokers, broker_zones): (RangeInclusive<u32>, &[usize]),
    controller_zones: &[usize],
) -> BTreeMap<String, Ipv4Addr> {
    let of = |role: &'static str, numbers: RangeInclusive<u32>, zones: &[usize]| {
        let hosts = numbers.zip(zones.to_vec());
        hosts.map(move |(number, zone)| (role, number, zone)).collect::<Vec<_>>()
    };
    let controllers = of("controller", 1..=u32::MAX, controller_zones);
    let hosts = controllers.into_iter().chain(of("broker", brokers, broker_zones));
    let Some(network) = &design.existing else {
        let address = |(role, number, zone): (&str, u32, usize)| {
            let block = design.zones[zone].private;
            let address = match role {
                "controller" => network::controller_address(block, number),
                _ => network::broker_address(block, generation::of_id(number), generation::number(number)),
            };
            Some((format!("{role}-{number}"), address?))
        };
        return hosts.filter_map(address).collect();
    };
    let interfaces = input.observed.of::<NetworkInterface>();
    let live = |name: &str| interfaces.get(name).and_then(|(_, one)| one.address.parse().ok());
    let (hosts, used): (Vec<_>, _) = (hosts.collect(), network.subnets.values().flat_map(|subnet| &subnet.used));
    let mut taken: Vec<Ipv4Net> = used.copied().collect();
    let mut addresses = BTreeMap::new();
    for (role, number, zone) in hosts {
        let name = format!("{role}-{number}");
        let free = || network::free_address(design.zones[zone].private, &design.stack.name, &name, &taken);
        let Some(address) = live(&name).or_else(free) else { continue };
        taken.push(address.into());
        addresses.insert(name, address);
    }
    addresses
}

/// The controllers' quorum.
pub fn voters(design: &Design, ec2: &Ec2, addresses: &BTreeMap<String, Ipv4Addr>) -> Vec<Voter> {
    let (role, first) = if ec2.combined { ("broker", 0) } else { ("controller", CONTROLLER_IDS) };
    let voter = |number: u32| {
        let node_id = first + number;
        let directory_id = derived_uuid(&format!("{}/{node_id}", design.cluster_id));
        let address = addresses.get(&format!("{role}-{number}"))?;
        Some(Voter { node_id, address: *address, directory_id })
    };
    (1..=ec2.voters()).filter_map(voter).collect()
}

/// Placement groups and partitions, filled in the order of the hosts.
#[derive(Default)]
pub struct Seats(BTreeMap<(String, usize), u32>);

/// A spread group takes at most 7 running instances in a zone; a partition group has at most 7 partitions in a zone.
const SEVEN: u32 = 7;

impl Seats {
    /// The next seat of `role` in `zone`.
    pub fn take(&mut self, placement: Placement, role: &str, zone: usize) -> Option<Seat> {
        let seat = self.0.entry((role.to_owned(), zone)).or_insert(0);
        let index = *seat;
        *seat += 1;
        match placement {
            Placement::Spread => Some(Seat { group: format!("{role}-spread-{}", index / SEVEN + 1), partition: None }),
            Placement::Partition => {
                Some(Seat { group: format!("{role}-partition"), partition: Some(index % SEVEN + 1) })
            }
            Placement::None => None,
        }
    }
}
