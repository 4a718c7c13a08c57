//! What every engine's bill may have: the network, replication between zones, clients in other zones.
//!
//! AWS charges 0.01 USD per GiB that crosses a zone on each side, 0.02 in all.

use super::{Bill, HOURS_PER_MONTH, Market};
use crate::file::{Nat, Network};
use crate::sizing::Demand;
use crate::text::{five_digits, many};

/// GiB that a host fetches through NAT in a month: updates, and Kafka's archive when it starts anew. An assumption.
const NAT_GIB_PER_HOST: f64 = 2.0;
/// GiB that a host sends and fetches through each interface endpoint in a month: mostly Systems Manager's agent. An assumption.
const ENDPOINT_GIB_PER_HOST: f64 = 0.1;

/// From which copy consumers read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reads {
    /// From the leader, as clients do unless told otherwise.
    #[default]
    Leader,
    /// From the nearest copy: clients set `client.rack`, and brokers have a rack-aware selector, as kstack's have.
    Nearest,
}

/// NAT gateways and their addresses, and interface endpoints, with what `hosts` of the stack's own send through them. Gateway
/// endpoints (`s3`) are free.
pub fn charge_network(bill: &mut Bill, market: Market<'_>, network: &Network, hosts: f64) {
    let zones = network.zones.count() as f64;
    let gateways = match network.nat_gateways() {
        Nat::OnePerZone => zones,
        Nat::Single => 1.0,
        Nat::None => 0.0,
    };
    if gateways > 0.0 {
        let formula = format!("{gateways} × {HOURS_PER_MONTH} h");
        bill.charge(market, "NAT gateways", "nat gateway", gateways * HOURS_PER_MONTH, formula.clone());
        if hosts > 0.0 {
            let bytes = format!("{hosts} hosts × {NAT_GIB_PER_HOST} GiB of updates and archives, assumed");
            bill.charge(market, "NAT data", "nat data", hosts * NAT_GIB_PER_HOST, bytes);
        }
        bill.charge(market, "public addresses", "public address", gateways * HOURS_PER_MONTH, formula);
    }
    if network.privatelink.is_some() {
        let formula = format!("1 × {zones} zones × {HOURS_PER_MONTH} h");
        bill.charge(market, "PrivateLink endpoint", "endpoint", zones * HOURS_PER_MONTH, formula);
    }
    let endpoints = network.endpoints.iter().filter(|endpoint| endpoint.0 != "s3").count() as f64;
    if endpoints > 0.0 {
        let formula = format!("{endpoints} × {zones} zones × {HOURS_PER_MONTH} h");
        bill.charge(market, "endpoints", "endpoint", endpoints * zones * HOURS_PER_MONTH, formula);
        if hosts > 0.0 {
            let bytes = format!("{endpoints} × {hosts} hosts × {ENDPOINT_GIB_PER_HOST} GiB, assumed");
            bill.charge(market, "endpoint data", "endpoint data", endpoints * hosts * ENDPOINT_GIB_PER_HOST, bytes);
        }
    }
}

/// The hosted zones that a stack has for itself: that of its brokers' names, and that of a PrivateLink service's.
pub fn charge_zones(bill: &mut Bill, market: Market<'_>, network: &Network) {
    let own = network.dns.as_ref().is_some_and(|dns| dns.existing.is_none());
    let link = network.privatelink.as_ref().is_some_and(|link| link.domain.is_some());
    let (name, count) = match (own, link) {
        (false, false) => return,
        (true, true) => ("hosted zones", 2),
        _ => ("hosted zone", 1),
    };
    bill.charge(
        market,
        name,
        "hosted zone",
        f64::from(count),
        format!("{}, without queries", many(count as usize, "zone")),
    );
}

/// Notes that nobody knows how much is logged of `what`, with the price of each GiB where it goes into CloudWatch.
pub fn note_logs(bill: &mut Bill, market: Market<'_>, what: &str, in_cloudwatch: bool) {
    let price = market.prices.get(market.region, "logs").filter(|_| in_cloudwatch);
    let each = price.map(|price| format!(" ({} USD each GiB)", five_digits(price.usd))).unwrap_or_default();
    bill.gaps.push(format!("{what} of an unknown amount{each}"));
}

/// Notes that nobody knows how much goes through the endpoint of a PrivateLink service, with the price of each GiB.
pub fn note_privatelink(bill: &mut Bill, market: Market<'_>, network: &Network) {
    if network.privatelink.is_some() {
        let price = market.prices.get(market.region, "endpoint data");
        let each = price.map(|price| format!(" ({} USD each GiB)", five_digits(price.usd))).unwrap_or_default();
        bill.gaps.push(format!("data through the PrivateLink endpoint of an unknown amount{each}"));
    }
}

/// The same of VPC flow logs, where there are any.
pub fn note_flow_logs(bill: &mut Bill, market: Market<'_>, network: &Network) {
    if let Some(logs) = &network.flow_logs {
        note_logs(bill, market, "VPC flow logs", logs.own().is_some());
    }
}

/// Traffic from leaders to followers in other zones: paid on EC2, and not on MSK.
pub fn charge_replication(bill: &mut Bill, market: Market<'_>, demand: &Demand) {
    let across = demand.copies_across_zones();
    let formula = format!(
        "{} × {} of {} copies in another zone than the leader",
        sent(demand),
        five_digits(across),
        demand.copies
    );
    bill.charge(market, "traffic: replication", "zone traffic", demand.month_gib() * across, formula);
}

/// Traffic between clients and leaders in other zones.
pub fn charge_clients(bill: &mut Bill, market: Market<'_>, demand: &Demand, reads: Reads) {
    let month = demand.month_gib();
    let (far, zones, groups) = (demand.far_from_leader(), demand.zones, demand.consumer_groups);
    let far_text = format!("{} ÷ {zones} with a leader in another zone", zones - 1);
    let formula = format!("{} × {far_text}", sent(demand));
    bill.charge(market, "traffic: producers", "zone traffic", month * far, formula);
    let formula = format!("{} × {groups} groups × {far_text}", sent(demand));
    let from_leader = ("traffic: consumers, from the leader", month * groups * far, formula);
    let missing = zones.saturating_sub(demand.copies);
    let formula = format!("{} × {groups} groups × {missing} ÷ {zones} without a copy in their zone", sent(demand));
    let nearest = ("traffic: consumers, from the nearest copy", month * groups * demand.far_from_nearest(), formula);
    for ((name, gib, formula), of) in [(from_leader, Reads::Leader), (nearest, Reads::Nearest)] {
        if of == reads {
            bill.charge(market, name, "zone traffic", gib, formula);
        } else {
            bill.mention(market, name, "zone traffic", gib, formula);
        }
    }
}

/// The month's bytes from producers as a formula.
fn sent(demand: &Demand) -> String {
    format!("{} MiB/s × {HOURS_PER_MONTH} h × 3600 s ÷ 1024", five_digits(demand.average_mibs))
}
