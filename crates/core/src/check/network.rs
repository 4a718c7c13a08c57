//! Rules of the network: zones, address blocks, the hosts' outbound internet access.

use std::collections::BTreeSet;

use ipnet::Ipv4Net;

use super::{dns, existing, ipv6, privatelink, routes};
use crate::file::Checker;
use crate::file::{Endpoint, Network, Zones};
use crate::text::many;
use crate::{endpoint_services, network};

/// Checks zones, address blocks, and the hosts' outbound internet access.
pub fn check(checker: &mut Checker<'_>) {
    let Some(net) = checker.part::<Network>("network") else { return };
    let zones = net.zones.count();
    let possible = (1..=6).contains(&zones);
    if !possible {
        checker.error("network.zones", format!("{zones} zones can't be used"), "use 1 to 6 zones; 3 is usual");
    }
    if let Zones::Named(names) = &net.zones {
        let unique: BTreeSet<&String> = names.iter().collect();
        if unique.len() < names.len() {
            checker.error("network.zones", "a zone is listed twice", "list each zone once");
        }
    }
    check_endpoints(&net, checker);
    if net.flow_logs.is_none() && net.existing.is_none() && checker.part("protected") == Some(true) {
        checker.warning(
            "network",
            "a protected stack has no VPC flow logs: who connected to its brokers is recorded nowhere",
            "write `flow_logs: {retention: 30d}` below `network`, or the ARN of a bucket; records cost by the GiB",
        );
    }
    match (net.cidr, &net.existing) {
        (_, Some(existing)) => existing::check(existing, zones, checker),
        (Some(cidr), None) => {
            check_size(cidr, &net, checker);
            check_range(cidr, checker);
            check_more(cidr, &net.secondary_cidrs, checker);
            if possible {
                check_counts(&net, zones, checker);
            }
            check_blocks(cidr, &net, checker);
            routes::check(&net, cidr, checker);
        }
        (None, None) if checker.misspelt("network") => {}
        (None, None) => checker.error(
            "network",
            "the key `cidr` is missing here",
            "write the VPC's address block, such as `10.40.0.0/16`; or `existing` with a VPC and subnets that are there",
        ),
    }
    existing::check_access(&net, checker);
    ipv6::check(&net, checker);
    dns::check(&net, checker);
    privatelink::check(&net, checker);
}

/// The VPC's block: of a size that AWS takes and that has room for the subnets derived from it.
fn check_size(cidr: Ipv4Net, net: &Network, checker: &mut Checker<'_>) {
    let prefix = cidr.prefix_len();
    let derived = net.private_cidrs.is_none() || net.public_cidrs.is_none();
    let longest = if derived { network::LONGEST_VPC_PREFIX } else { 28 };
    if prefix < 16 {
        let help = format!("AWS allows at most a /16, such as `{}/16`", cidr.addr());
        checker.error("network.cidr", format!("`{cidr}` is larger than a VPC may be"), help);
    } else if prefix > longest {
        let larger = Ipv4Net::new(cidr.addr(), longest).map(|block| block.trunc().to_string()).unwrap_or_default();
        let message = if derived {
            format!("`{cidr}` is too small for a public and a private subnet in each zone")
        } else {
            format!("`{cidr}` is smaller than a VPC may be")
        };
        checker.error("network.cidr", message, format!("use at least a /{longest}, such as `{larger}`"));
    }
}

/// A VPC's addresses should be private. Source: the VPC user guide, "VPC CIDR blocks", for the ranges that are recommended and
/// those that EC2 refuses.
fn check_range(cidr: Ipv4Net, checker: &mut Checker<'_>) {
    const REFUSED: [&str; 4] = ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"];
    let help = "use a block of 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or 100.64.0.0/10";
    if REFUSED.iter().filter_map(|block| block.parse::<Ipv4Net>().ok()).any(|block| block.contains(&cidr)) {
        checker.error("network.cidr", format!("`{cidr}` is no range that a VPC may have"), help);
    } else if !is_private(cidr) {
        let message = format!("`{cidr}` has public addresses: hosts could not reach who has them on the internet");
        checker.warning("network.cidr", message, help);
    }
}

/// Blocks beside the first: of a size that AWS takes, apart from each other, and of ranges that it lets go together. Source: the VPC
/// user guide, "IPv4 CIDR block association restrictions", 2026.
fn check_more(cidr: Ipv4Net, more: &[Ipv4Net], checker: &mut Checker<'_>) {
    const ALONE: [&str; 4] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "198.19.0.0/16"];
    let apart = |one: &Ipv4Net, other: &Ipv4Net| !one.contains(other) && !other.contains(one);
    for (index, block) in more.iter().enumerate() {
        let path = format!("network.secondary_cidrs.{index}");
        if !(16..=28).contains(&block.prefix_len()) {
            checker.error(&path, format!("`{block}` is no block that a VPC may have"), "use one from /16 to /28");
        }
        if let Some(other) = std::iter::once(&cidr).chain(&more[..index]).find(|other| !apart(block, other)) {
            let message = format!("`{block}` overlaps with the VPC's `{other}`");
            checker.error(&path, message, "use a block that no other one of the VPC touches");
        }
        let mut ranges = ALONE.iter().filter_map(|range| range.parse::<Ipv4Net>().ok());
        if let Some(range) = ranges.find(|range| range.contains(block) && !range.contains(&cidr)) {
            let message = format!("AWS adds no block of {range} to a VPC whose first one is `{cidr}`");
            checker.warning(&path, message, "use one of the first one's range, or of 100.64.0.0/10");
        }
    }
}

/// Whether all addresses of `block` are private (RFC 1918), shared (RFC 6598) or for benchmarks (RFC 2544).
pub(super) fn is_private(block: Ipv4Net) -> bool {
    const PRIVATE: [&str; 5] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15"];
    PRIVATE.iter().filter_map(|range| range.parse::<Ipv4Net>().ok()).any(|range| range.contains(&block))
}

/// Names of endpoint services: regions differ, and AWS adds some, so the plan asks.
fn check_endpoints(net: &Network, checker: &mut Checker<'_>) {
    let mut seen = BTreeSet::new();
    for (index, Endpoint(name)) in net.endpoints.iter().enumerate() {
        let path = format!("network.endpoints.{index}");
        if !seen.insert(name) {
            checker.error(&path, format!("the endpoint `{name}` is listed twice"), "list each endpoint once");
        } else if !endpoint_services::embedded().contains(name.as_str()) {
            let message = format!("kstack's table has no endpoint service `{name}`");
            let help = match endpoint_services::nearest_known(name) {
                Some(near) => {
                    format!("the nearest known one is `{near}`; a plan asks AWS whether the region has `{name}`")
                }
                None => format!("a plan asks AWS whether the region has `{name}`"),
            };
            checker.warning(&path, message, help);
        }
    }
}

fn check_counts(net: &Network, zones: usize, checker: &mut Checker<'_>) {
    for (name, blocks) in [("private_cidrs", &net.private_cidrs), ("public_cidrs", &net.public_cidrs)] {
        if let Some(blocks) = blocks.as_ref().filter(|blocks| blocks.len() != zones) {
            checker.error(
                &format!("network.{name}"),
                format!("`{name}` has {}, but the network has {}", many(blocks.len(), "block"), many(zones, "zone")),
                "write one block for each zone, in the order of the zones' names",
            );
        }
    }
}

/// Explicit subnet blocks: inside the VPC, of a size that AWS takes, apart from each other.
fn check_blocks(cidr: Ipv4Net, net: &Network, checker: &mut Checker<'_>) {
    let mut seen: Vec<(&str, Ipv4Net)> = Vec::new();
    for (name, blocks) in [("private_cidrs", &net.private_cidrs), ("public_cidrs", &net.public_cidrs)] {
        for (index, block) in blocks.iter().flatten().enumerate() {
            let path = format!("network.{name}.{index}");
            if !cidr.contains(block) && !net.secondary_cidrs.iter().any(|more| more.contains(block)) {
                let more: String = net.secondary_cidrs.iter().map(|more| format!(" or `{more}`")).collect();
                let message = format!("`{block}` is not inside the VPC's `{cidr}`{more}");
                checker.error(&path, message, "use a block inside it, or add one to `secondary_cidrs`");
            }
            if block.prefix_len() > 28 {
                let message = format!("`{block}` is smaller than a subnet may be");
                checker.error(&path, message, "AWS allows a /28 or larger");
            }
            let overlap = |(_, other): &&(&str, Ipv4Net)| other.contains(block) || block.contains(other);
            if let Some((other_name, other)) = seen.iter().find(overlap) {
                let message = format!("`{block}` overlaps with `{other}` of `{other_name}`");
                checker.error(&path, message, "use blocks that don't overlap");
            }
            seen.push((name, *block));
        }
    }
}
