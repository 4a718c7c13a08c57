//! Rules of the routes to other networks.

use std::collections::BTreeSet;

use ipnet::Ipv4Net;

use crate::file::{Checker, Destination, Nat, Network};
use crate::network::{EVERYWHERE, EVERYWHERE_V6};

/// How many characters the destinations have together at most: a tag of each route table keeps them, whose value takes 256.
const LONGEST: usize = 256;

/// Checks the routes of a stack with a network of its own.
pub fn check(net: &Network, cidr: Ipv4Net, checker: &mut Checker<'_>) {
    let mut seen = BTreeSet::new();
    for (index, route) in net.routes.iter().enumerate() {
        let path = format!("network.routes.{index}.to");
        let to = &route.to;
        if !seen.insert(to) {
            checker.error(&path, format!("there are two routes to `{to}`"), "list each destination once");
        }
        let everywhere = [EVERYWHERE, EVERYWHERE_V6].contains(&to.to_string().as_str());
        if everywhere && net.nat != Nat::None {
            let ways = match to {
                Destination::Block6(_) => "the egress-only internet gateway is",
                _ => "the NAT gateways are",
            };
            checker.error(
                &path,
                format!("{ways} the hosts' way to everywhere, and a route table has one route to it"),
                "write `nat: none` below `network`, or a smaller block such as `10.0.0.0/8`",
            );
        } else if everywhere && route.via.starts_with("pcx-") {
            checker.error(
                &path,
                "a peering connection carries what two VPCs send each other, and leads no further",
                "write the block of the other VPC, or name a transit gateway",
            );
        } else if let Destination::Block(block) = to
            && cidr.contains(block)
        {
            checker.error(
                &path,
                format!("`{block}` is in the VPC itself, `{cidr}`"),
                "write a block of the other network",
            );
        }
    }
    let marked = net.routes.iter().map(|route| route.to.to_string());
    let marked = marked.chain(net.ipv6.then(|| EVERYWHERE_V6.to_owned()));
    let length: usize = marked.map(|to| to.len() + 1).sum();
    if length > LONGEST {
        checker.error(
            "network.routes",
            "so many destinations do not fit into the tag by which kstack knows its routes",
            "put them together in larger blocks, or in a prefix list",
        );
    }
}
