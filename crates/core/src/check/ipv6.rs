//! Rules of IPv6 beside IPv4.

use ipnet::Ipv6Net;

use crate::file::{Checker, Destination, Network};

/// What hosts that brokers can hear from have: addresses of the internet, which VPCs have too, and private ones. Source: IANA's "IPv6
/// Address Space", 2026: 2000::/3, and RFC 4193.
const GLOBAL: &str = "2000::/3";
const PRIVATE: &str = "fc00::/7";
/// The least length of a clients' block: a provider gets a /20 or a longer one; and as in IPv4, a private one may be a /8.
const SHORTEST: u8 = 20;
const SHORTEST_PRIVATE: u8 = 8;

/// Checks the routes that need `network.ipv6`. What an engine can't do with it is in the engine's own rules.
pub fn check(net: &Network, checker: &mut Checker<'_>) {
    for (index, route) in net.routes.iter().enumerate().filter(|_| !net.ipv6) {
        if let Destination::Block6(block) = route.to {
            needs_ipv6(block, &format!("network.routes.{index}.to"), checker);
        }
    }
}

/// Checks a block of clients.
pub fn check_clients(block: Ipv6Net, path: &str, checker: &mut Checker<'_>) {
    if checker.part::<bool>("network.ipv6") != Some(true) {
        return needs_ipv6(block, path, checker);
    }
    let of = |range: &str| range.parse::<Ipv6Net>().is_ok_and(|range| range.contains(&block));
    let wide = of(GLOBAL) && block.prefix_len() < SHORTEST
        || of(PRIVATE) && block.prefix_len() < SHORTEST_PRIVATE
        || [GLOBAL, PRIVATE].iter().any(|range| range.parse::<Ipv6Net>().is_ok_and(|range| block.contains(&range)));
    if wide {
        checker.error(
            path,
            format!("`{block}` would open the brokers to almost everyone"),
            "list the CIDR blocks of your clients' networks",
        );
    } else if !of(GLOBAL) && !of(PRIVATE) {
        checker.error(
            path,
            format!("`{block}` has no addresses that clients in a network of AWS's can have"),
            format!("write a block of {GLOBAL}, such as that of a peered VPC, or of {PRIVATE}"),
        );
    }
}

fn needs_ipv6(block: Ipv6Net, path: &str, checker: &mut Checker<'_>) {
    checker.error(
        path,
        format!("`{block}` is a block of IPv6, and the stack has IPv4 alone"),
        "write `ipv6: true` below `network`, or a block of IPv4",
    );
}
