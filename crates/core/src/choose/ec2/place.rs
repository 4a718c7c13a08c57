//! Where the hosts are: zones, the controllers' quorum, placement groups.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

use ipnet::Ipv4Net;

use crate::choose::{PlanningInput, derived_uuid};
use crate::cloud_init::Voter;
use crate::design::{CONTROLLER_IDS, Design, Seat, Zone, node_id};
use crate::engines::ec2::generation;
use crate::kinds::instance::Asked;
use crate::kinds::volume::NEW;
use crate::kinds::voter::{MOST, name_of};
use crate::kinds::{Instance, Kind as _, NetworkInterface, OfKind as _, Volume, Voter as LiveVoter};
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

/// The controllers' quorum: as the cluster starts with it, and as the file has it.
pub struct Quorum {
    /// Those with which it starts, or started.
    pub first: Vec<Voter>,
    /// Who is to vote: node ids and addresses.
    pub wanted: BTreeMap<u32, Ipv4Addr>,
    /// Whom hosts ask: those, and whoever votes now.
    asked: BTreeMap<u32, Ipv4Addr>,
}

impl Quorum {
    pub fn of(design: &Design, ec2: &Ec2, observed: &Observed, addresses: &BTreeMap<String, Ipv4Addr>) -> Quorum {
        let address = |id: u32| addresses.get(&name_of(id)).copied();
        let voter = |node_id: u32| {
            let directory_id = derived_uuid(&format!("{}/{node_id}", design.cluster_id));
            Some(Voter { node_id, address: address(node_id)?, directory_id })
        };
        let placed = |ids: BTreeSet<u32>| ids.into_iter().filter_map(|id| Some((id, address(id)?))).collect();
        let wanted = voters_of_file(ec2);
        let now = live_voters(ec2, observed);
        Quorum {
            first: first_voters(ec2, observed).into_iter().filter_map(voter).collect(),
            asked: placed(wanted.union(&now).copied().collect()),
            wanted: placed(wanted),
        }
    }

    /// Whether those with whom the quorum started are asked.
    fn is_first(&self) -> bool {
        self.first.iter().map(|voter| voter.node_id).eq(self.asked.keys().copied())
    }

    /// Where controllers are asked, where these are others than the first.
    pub fn endpoints(&self) -> Vec<Ipv4Addr> {
        if self.is_first() { Vec::new() } else { self.asked.values().copied().collect() }
    }

    /// The same as hosts are marked with it; those that have a mark get another.
    pub fn mark(&self, live: Option<&Instance>) -> Option<String> {
        let first = self.first.iter().map(|voter| voter.node_id).collect();
        let marked = live.is_some_and(|live| live.controllers.is_some());
        (marked || !self.is_first()).then(|| Asked { of: self.asked.keys().copied().collect(), first }.to_string())
    }

    /// How the voter `name` joins a quorum that is there; `None` for one of those that it starts with. An empty volume in the place of one that
    /// was lost must not vote under the same directory id: it would have forgotten what it voted for.
    pub fn joins(&self, input: &PlanningInput, name: &str) -> Option<String> {
        let observed = &input.observed;
        let id = node_id(name).filter(|id| self.wanted.contains_key(id))?;
        if let Some((_, volume)) = observed.get::<Volume>(name) {
            return volume.joins.clone();
        }
        let is_live = |kind: &str| observed.live.contains_key(&Address::new(kind, name));
        let had = is_live(NetworkInterface::NAME) || is_live(Instance::NAME);
        let begun = input.record.as_ref().is_some_and(|record| record.applies > 0);
        if !begun && !had && self.first.iter().any(|voter| voter.node_id == id) {
            return None;
        }
        let voter = observed.get::<LiveVoter>(name);
        Some(voter.map_or_else(|| NEW.to_owned(), |(_, voter)| voter.directory.clone()))
    }
}

fn voters_of_file(ec2: &Ec2) -> BTreeSet<u32> {
    let before = if ec2.combined { 0 } else { CONTROLLER_IDS };
    (1..=ec2.voters()).map(|number| before + number).collect()
}

/// With which voters the quorum starts; that of a live one, with which it started: its volumes have it.
fn first_voters(ec2: &Ec2, observed: &Observed) -> BTreeSet<u32> {
    let volumes = observed.of::<Volume>();
    let mut own = volumes.iter().filter(|(name, _)| name.starts_with("controller-") && !ec2.combined);
    own.find_map(|(_, (_, volume))| volume.first_voters()).unwrap_or_else(|| voters_of_file(ec2))
}

/// Who votes by Kafka's word, as far as they have hosts of their own.
fn live_voters(ec2: &Ec2, observed: &Observed) -> BTreeSet<u32> {
    let voters = observed.of::<LiveVoter>().into_values().map(|(_, voter)| voter.id);
    voters.filter(|id| !ec2.combined && *id > CONTROLLER_IDS).collect()
}

/// How many controllers there are, counting those with which the quorum started, and those that vote now.
pub fn controllers(ec2: &Ec2, observed: &Observed) -> u32 {
    let count = ec2.controllers.as_ref().map_or(0, |controllers| controllers.count);
    let others = [first_voters(ec2, observed), live_voters(ec2, observed)];
    let numbers = others.iter().flatten().filter_map(|id| id.checked_sub(CONTROLLER_IDS));
    numbers.filter(|number| *number <= MOST).fold(count, u32::max)
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
