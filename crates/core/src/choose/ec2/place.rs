//! Where the hosts are: zones, the controllers' quorum, placement groups.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use crate::choose::derived_uuid;
use crate::cloud_init::Voter;
use crate::design::{CONTROLLER_IDS, Design, Seat, Zone};
use crate::kinds::{Kind as _, NetworkInterface, Subnet, Volume};
use crate::model::Ref;
use crate::network;
use crate::observed::Observed;
use crate::stack::{Ec2, Placement};

/// The zone of each host of a role: where its volume is, or its interface; else the zone with the fewest of the hosts with
/// a smaller number. Later ones don't count: a first apply that ended half-way is then gone on with as it began.
pub fn place(design: &Design, observed: &Observed, role: &str, count: u32) -> Vec<usize> {
    let (volumes, interfaces) = (observed.of::<Volume>(), observed.of::<NetworkInterface>());
    let live = |name: &str| {
        let of_volume = |zone: &Zone| volumes.get(name).is_some_and(|(_, volume)| volume.zone == zone.name);
        let subnet = |zone: &Zone| Ref::to(Subnet::NAME, &format!("private-{}", zone.key));
        let of_interface = |zone: &Zone| interfaces.get(name).is_some_and(|(_, one)| one.subnet == subnet(zone));
        design.zones.iter().position(of_volume).or_else(|| design.zones.iter().position(of_interface))
    };
    let mut load = vec![0_usize; design.zones.len()];
    let mut zones = Vec::new();
    for number in 1..=count {
        let emptiest = || (0..load.len()).min_by_key(|zone| load[*zone]).unwrap_or(0);
        let zone = live(&format!("{role}-{number}")).unwrap_or_else(emptiest);
        load[zone] += 1;
        zones.push(zone);
    }
    zones
}

/// The controllers' quorum.
pub fn voters(design: &Design, ec2: &Ec2, broker_zones: &[usize], controller_zones: &[usize]) -> Vec<Voter> {
    let voter = |node_id: u32, address: Option<Ipv4Addr>| {
        let directory_id = derived_uuid(&format!("{}/{node_id}", design.cluster_id));
        address.map(|address| Voter { node_id, address, directory_id })
    };
    let block = |zone: usize| design.zones[zone].private;
    if ec2.combined {
        let numbered = (1..=ec2.voters()).zip(broker_zones);
        numbered.filter_map(|(id, zone)| voter(id, network::broker_address(block(*zone), id))).collect()
    } else {
        let numbered = (1..).zip(controller_zones);
        numbered
            .filter_map(|(number, zone)| {
                voter(CONTROLLER_IDS + number, network::controller_address(block(*zone), number))
            })
            .collect()
    }
}

/// Placement groups and partitions, filled in the order of the hosts.
#[derive(Default)]
pub struct Seats(BTreeMap<(&'static str, usize), u32>);

/// A spread group takes at most 7 running instances in a zone; a partition group has at most 7 partitions in a zone.
const SEVEN: u32 = 7;

impl Seats {
    /// The next seat of `role` in `zone`.
    pub fn take(&mut self, placement: Placement, role: &'static str, zone: usize) -> Option<Seat> {
        let seat = self.0.entry((role, zone)).or_insert(0);
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
