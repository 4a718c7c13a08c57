//! Routes of the stack's own subnets to other networks: what a stack file says of them.

use std::fmt;

use ipnet::{Ipv4Net, Ipv6Net};
use serde_json::{Value, json};

use super::existing::id;
use super::read::{Scalar, fields, text};

fields! {
    /// A route of the stack's subnets to another network.
    pub struct NamedRoute {
        /// Where to: an address block, or a prefix list (`pl-...`). `0.0.0.0/0` is the hosts' way out, with `nat: none`.
        to: Destination,
        /// By what: a transit gateway (`tgw-...`), a peering connection (`pcx-...`) or a virtual private gateway (`vgw-...`). It is attached to the VPC by whoever runs it; the route is made once it is.
        via: Gateway,
    }
}

text!(
    /// A gateway to other networks.
    Gateway, "a gateway's id",
    json!({"type": "string", "pattern": "^(tgw|pcx|vgw)-([0-9a-f]{8}|[0-9a-f]{17})$"}),
    |text| ["tgw-", "pcx-", "vgw-"].iter().any(|prefix| id(prefix, text)),
    "is no gateway to another network: write the id of a transit gateway (`tgw-...`), a peering connection (`pcx-...`) or a virtual private gateway (`vgw-...`)"
);

/// Where a route leads to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Destination {
    /// An address block.
    Block(Ipv4Net),
    /// An address block of IPv6.
    Block6(Ipv6Net),
    /// A prefix list, by its id.
    PrefixList(String),
}

impl fmt::Display for Destination {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Destination::Block(block) => block.fmt(out),
            Destination::Block6(block) => block.fmt(out),
            Destination::PrefixList(id) => out.write_str(id),
        }
    }
}

impl serde::Serialize for Destination {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Scalar for Destination {
    const WHAT: &'static str = "a CIDR block or a prefix list";
    fn parse(text: &str) -> Result<Self, String> {
        match text.starts_with("pl-") {
            false if text.contains(':') => Ipv6Net::parse(text).map(Destination::Block6),
            false => Ipv4Net::parse(text).map(Destination::Block),
            true if id("pl-", text) => Ok(Destination::PrefixList(text.to_owned())),
            true => Err(format!("`{text}` is not a prefix list: write `pl-` and 8 or 17 hexadecimal digits")),
        }
    }
    fn schema() -> Value {
        json!({"type": "string", "examples": ["10.8.0.0/16", "2001:db8:8::/56", "pl-0123456789abcdef0"]})
    }
}
