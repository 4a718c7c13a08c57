//! The egress-only internet gateway, by which hosts in private subnets reach the internet over IPv6, and nobody there reaches them: what
//! NAT gateways are for IPv4. AWS charges nothing for it.

use super::prelude::*;
use crate::stack::Nat;

/// The resource's name in the stack.
pub const MAIN: &str = "main";

spec! {
    pub struct EgressOnlyGateway {
        /// The VPC that it is attached to from its creation on.
        pub vpc: Ref => Rule::fixed("an egress-only internet gateway's VPC", NEW_STACK).hidden(),
    }
}

impl Kind for EgressOnlyGateway {
    const NAME: &'static str = "egress_only_gateway";
    const ACCESS: bool = true;
    const OF_IPV6: bool = true;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let network = &design.stack.network;
        let wanted = network.ipv6 && network.nat_gateways() != Nat::None;
        wanted.then(|| (MAIN.to_owned(), EgressOnlyGateway { vpc: design.vpc() })).into_iter().collect()
    }

    fn home(&self) -> Vec<&str> {
        self.vpc.id().into_iter().collect()
    }

    fn price(&self, _: &mut Costs<'_>) {}
}
