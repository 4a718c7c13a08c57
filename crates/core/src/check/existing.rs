//! Rules of a network that is there already, and of who may connect: what the file alone can tell. What AWS knows of it is
//! looked at while planning.

use std::collections::BTreeSet;

use ipnet::Ipv4Net;

use super::ipv6;
use super::network::is_private;
use crate::file::read::Read as _;
use crate::file::{Checker, Existing, Network, Peer, SubnetChoice};
use crate::text::many;

/// Security groups that an interface can have. Source: "Amazon VPC quotas", 2026: 5, which AWS raises up to 16.
const MOST_GROUPS: usize = 16;
const USUAL_GROUPS: usize = 5;

/// Checks what the file says of an existing network.
pub fn check(existing: &Existing, zones: usize, checker: &mut Checker<'_>) {
    for key in ["cidr", "secondary_cidrs", "ipam_pool", "nat", "private_cidrs", "public_cidrs", "routes"] {
        let path = format!("network.{key}");
        if checker.given(&path).is_some() && checker.text(&path) != "none" {
            let message = format!("`{key}` is for a network of the stack's own, and this file has `existing`");
            let help =
                format!("remove `{key}`: kstack makes no subnets, routes and NAT gateways in a network that is there");
            checker.error(&path, message, help);
        }
    }
    let SubnetChoice::Ids(ids) = &existing.subnets else { return };
    let path = "network.existing.subnets";
    let unique: BTreeSet<_> = ids.iter().collect();
    if unique.len() < ids.len() {
        checker.error(path, "a subnet is listed twice", "list each subnet once");
    } else if ids.len() < zones {
        let help = match ids.len() {
            0 => "name at least one private subnet in each zone, by id or by tags".to_owned(),
            count => format!("name at least one private subnet in each zone, or write `zones: {count}`"),
        };
        checker.error(path, format!("{} can't be in {}", many(ids.len(), "subnet"), many(zones, "zone")), help);
    }
}

/// Checks who may connect, and the hosts' own groups.
pub fn check_access(net: &Network, checker: &mut Checker<'_>) {
    // MSK's brokers alone can be reached from the internet.
    let public = checker.part::<Option<bool>>("cluster.msk.public_access").flatten() == Some(true);
    for (index, peer) in net.clients.iter().enumerate() {
        check_peer(peer, &format!("network.clients.{index}"), public, checker);
    }
    for (index, peer) in net.monitors.iter().enumerate() {
        check_peer(peer, &format!("network.monitors.{index}"), false, checker);
    }
    for (index, rule) in net.rules.iter().enumerate() {
        check_peer(&rule.from, &format!("network.rules.{index}.from"), public, checker);
    }
    for (key, node) in checker.entries("cluster.ec2.listeners.others") {
        for index in 0.. {
            let Some(peer) = node.get(&format!("clients.{index}")) else { break };
            if let Some(peer) = Peer::read(peer, &mut Vec::new()) {
                check_peer(
                    &peer,
                    &format!("cluster.ec2.listeners.others.{}.clients.{index}", key.name),
                    false,
                    checker,
                );
            }
        }
    }
    check_own_groups(net, checker);
    let path = "network.security_groups";
    let (count, unique) = (net.security_groups.len(), net.security_groups.iter().collect::<BTreeSet<_>>().len());
    if unique < count {
        checker.error(path, "a security group is listed twice", "list each group once");
    }
    if count + usize::from(net.own_groups) > MOST_GROUPS {
        let message = format!("an interface takes {MOST_GROUPS} security groups, and one is the stack's");
        checker.error(path, message, format!("list at most {} groups", MOST_GROUPS - 1));
    } else if count >= USUAL_GROUPS && net.own_groups {
        checker.warning(
            path,
            format!("with the stack's own, each interface has {} groups, and AWS allows {USUAL_GROUPS} unless asked for more", count + 1),
            format!("list at most {} groups, or have the quota \"Security groups per network interface\" raised", USUAL_GROUPS - 1),
        );
    }
}

/// A stack without groups of its own has those that the file names, and makes no rules.
fn check_own_groups(net: &Network, checker: &mut Checker<'_>) {
    if net.own_groups {
        return;
    }
    let path = "network.own_groups";
    if checker.given("cluster.ec2").is_some() {
        let message =
            "hosts on EC2 need the stack's own security groups, in which brokers and controllers reach each other";
        return checker.error(
            path,
            message,
            "remove `own_groups: false`; `security_groups` adds groups beside the stack's",
        );
    }
    if net.existing.is_none() {
        let message = "a stack in a network of its own makes its security groups, too";
        checker.error(path, message, "remove `own_groups: false`, or name a VPC that is there with `existing`");
    } else if net.security_groups.is_empty() {
        let message = "the brokers would have no security group";
        checker.error(
            path,
            message,
            "name at least one below `network.security_groups`, or remove `own_groups: false`",
        );
    }
    for (key, some) in
        [("clients", !net.clients.is_empty()), ("monitors", !net.monitors.is_empty()), ("rules", !net.rules.is_empty())]
    {
        if some {
            let message = format!("`{key}` become rules of the stack's own groups, and this stack has none");
            let help = format!("remove `{key}`, and add rules to the groups in `security_groups`");
            checker.error(&format!("network.{key}"), message, help);
        }
    }
}

fn check_peer(peer: &Peer, path: &str, public: bool, checker: &mut Checker<'_>) {
    let block: &Ipv4Net = match peer {
        Peer::Block(block) => block,
        Peer::Block6(block) => return ipv6::check_clients(*block, path, checker),
        Peer::PrefixList(_) | Peer::Group(_) => return,
    };
    if block.prefix_len() < 8 {
        checker.error(
            path,
            format!("`{block}` would open the brokers to almost everyone"),
            "list the CIDR blocks of your clients' networks",
        );
    } else if !is_private(*block) && !public {
        checker.warning(
            path,
            format!("`{block}` has public addresses, and brokers are reached from private networks only"),
            "list the addresses that clients have in their own network, as in a peered VPC or behind a VPN",
        );
    }
}
