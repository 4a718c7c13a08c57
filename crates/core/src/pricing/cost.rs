//! The monthly bill of a stack on EC2, line by line.

use super::traffic::Load;
use super::{Bill, HOURS, Market, Prices, plain};
use crate::sizing::{Sizing, Volume};
use crate::stack::{GP3_IOPS, GP3_MIBS, Nat, Stack};

/// GiB of the root volume of each host, as the images of all three operating systems have it.
pub const ROOT_GIB: f64 = 8.0;
/// GiB that a host fetches through NAT in a month: updates, and Kafka's archive when it starts anew. An assumption.
const NAT_GIB_PER_HOST: f64 = 2.0;
/// GiB that a host sends and fetches through each interface endpoint in a month: mostly Systems Manager's agent. An assumption.
const ENDPOINT_GIB_PER_HOST: f64 = 0.1;
/// GiB of metadata volume of each controller, where the file has none.
pub(super) const CONTROLLER_GIB: f64 = 20.0;

/// From which copy consumers read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reads {
    /// From the leader, as clients do unless told otherwise.
    #[default]
    Leader,
    /// From the nearest copy: clients set `client.rack`, and brokers have a rack-aware selector, as kstack's have.
    Nearest,
}

/// Hosts on EC2.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Hosts {
    pub brokers: u32,
    pub broker_type: String,
    pub volume: Volume,
    /// How many dedicated controllers, their type, and GiB of each one's volume.
    pub controllers: Option<(u32, String, f64)>,
}

impl Hosts {
    fn count(&self) -> f64 {
        f64::from(self.brokers + self.controllers.as_ref().map_or(0, |controllers| controllers.0))
    }
}

/// What `stack` costs in a month with its brokers' volumes as `sizing` has them. `None` when it has no brokers on EC2.
pub fn cost(stack: &Stack, sizing: &Sizing, prices: &Prices, reads: Reads) -> Option<Bill> {
    let ec2 = stack.cluster.ec2.as_ref()?;
    let hosts = Hosts {
        brokers: ec2.brokers.count,
        broker_type: ec2.brokers.instance_type.clone(),
        volume: sizing.volume,
        controllers: ec2.controllers.as_ref().map(|controllers| {
            (controllers.count, controllers.instance_type.clone(), controllers.storage.gib_ceil() as f64)
        }),
    };
    let market = Market { prices, region: &stack.region };
    let mut bill = Bill::default();
    machines(&mut bill, market, &hosts);
    network(&mut bill, market, stack, hosts.count());
    let load = Load::of(stack);
    replication(&mut bill, market, &load);
    clients(&mut bill, market, &load, reads);
    bill.charge(market, "logs", "logs", 0.0, "0 GiB: hosts keep their logs on their root volumes".to_owned());
    Some(bill)
}

/// Instances and volumes.
pub(super) fn machines(bill: &mut Bill, market: Market<'_>, hosts: &Hosts) {
    bare_machines(bill, market, hosts);
    let (count, root) = (hosts.count(), ROOT_GIB);
    let formula = format!("{count} hosts × {root} GiB, gp3");
    bill.charge(market, "root volumes", "gp3 size", count * root, formula);
}

/// The same without root volumes, which belong to no published comparison of brokers.
pub(super) fn bare_machines(bill: &mut Bill, market: Market<'_>, hosts: &Hosts) {
    let hours = |bill: &mut Bill, name: &str, count: u32, kind: &str| {
        let formula = format!("{count} × {kind} × {HOURS} h");
        bill.charge(market, name, &format!("ec2 {kind}"), f64::from(count) * HOURS, formula);
    };
    hours(bill, "brokers", hosts.brokers, &hosts.broker_type);
    if let Some((count, kind, _)) = &hosts.controllers {
        hours(bill, "controllers", *count, kind);
    }
    let (count, volume) = (hosts.brokers, hosts.volume);
    let size = volume.size_gib as f64;
    let formula = format!("{count} × {size} GiB, gp3");
    bill.charge(market, "broker volumes", "gp3 size", f64::from(count) * size, formula);
    let iops = f64::from(volume.iops.saturating_sub(GP3_IOPS.0));
    if iops > 0.0 {
        let formula = format!("{count} × ({} − {} free) IOPS", volume.iops, GP3_IOPS.0);
        bill.charge(market, "broker volumes: IOPS", "gp3 iops", f64::from(count) * iops, formula);
    }
    let throughput = (f64::from(volume.throughput_mibs) - GP3_MIBS.0).max(0.0);
    if throughput > 0.0 {
        let formula = format!("{count} × ({} − {} free) MiB/s", volume.throughput_mibs, GP3_MIBS.0);
        bill.charge(market, "broker volumes: throughput", "gp3 throughput", f64::from(count) * throughput, formula);
    }
    if let Some((count, _, gib)) = &hosts.controllers {
        let formula = format!("{count} × {gib} GiB, gp3");
        bill.charge(market, "controller volumes", "gp3 size", f64::from(*count) * gib, formula);
    }
}

/// NAT gateways and their addresses, and interface endpoints, with what `hosts` of the stack's own send through them. Gateway
/// endpoints (`s3`) are free.
pub(super) fn network(bill: &mut Bill, market: Market<'_>, stack: &Stack, hosts: f64) {
    let zones = stack.network.zones.count() as f64;
    let gateways = match stack.network.nat {
        Nat::OnePerZone => zones,
        Nat::Single => 1.0,
        Nat::None => 0.0,
    };
    if gateways > 0.0 {
        let formula = format!("{gateways} × {HOURS} h");
        bill.charge(market, "NAT gateways", "nat gateway", gateways * HOURS, formula.clone());
        if hosts > 0.0 {
            let bytes = format!("{hosts} hosts × {NAT_GIB_PER_HOST} GiB of updates and archives, assumed");
            bill.charge(market, "NAT data", "nat data", hosts * NAT_GIB_PER_HOST, bytes);
        }
        bill.charge(market, "public addresses", "public address", gateways * HOURS, formula);
    }
    let endpoints = stack.network.endpoints.iter().filter(|endpoint| endpoint.0 != "s3").count() as f64;
    if endpoints > 0.0 {
        let formula = format!("{endpoints} × {zones} zones × {HOURS} h");
        bill.charge(market, "endpoints", "endpoint", endpoints * zones * HOURS, formula);
        if hosts > 0.0 {
            let bytes = format!("{endpoints} × {hosts} hosts × {ENDPOINT_GIB_PER_HOST} GiB, assumed");
            bill.charge(market, "endpoint data", "endpoint data", endpoints * hosts * ENDPOINT_GIB_PER_HOST, bytes);
        }
    }
}

/// Traffic from leaders to followers in other zones: paid on EC2, and not on MSK.
pub(super) fn replication(bill: &mut Bill, market: Market<'_>, load: &Load) {
    let across = load.copies_across();
    let formula =
        format!("{} × {} of {} copies in another zone than the leader", sent(load), plain(across), load.copies);
    bill.charge(market, "traffic: replication", "zone traffic", load.month() * across, formula);
}

/// Traffic between clients and leaders in other zones.
pub(super) fn clients(bill: &mut Bill, market: Market<'_>, load: &Load, reads: Reads) {
    let month = load.month();
    let (far, zones, groups) = (load.far(), load.zones, load.groups);
    let part = format!("{} ÷ {zones} with a leader in another zone", zones - 1);
    let formula = format!("{} × {part}", sent(load));
    bill.charge(market, "traffic: producers", "zone traffic", month * far, formula);
    let formula = format!("{} × {groups} groups × {part}", sent(load));
    let from_leader = ("traffic: consumers, from the leader", month * groups * far, formula);
    let missing = zones.saturating_sub(load.copies);
    let formula = format!("{} × {groups} groups × {missing} ÷ {zones} without a copy in their zone", sent(load));
    let nearest = ("traffic: consumers, from the nearest copy", month * groups * load.far_from_nearest(), formula);
    for ((name, gib, formula), of) in [(from_leader, Reads::Leader), (nearest, Reads::Nearest)] {
        if of == reads {
            bill.charge(market, name, "zone traffic", gib, formula);
        } else {
            bill.mention(market, name, "zone traffic", gib, formula);
        }
    }
}

/// The month's bytes from producers as a formula.
fn sent(load: &Load) -> String {
    format!("{} MiB/s × {HOURS} h × 3600 s ÷ 1024", plain(load.average))
}
