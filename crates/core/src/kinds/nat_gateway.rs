//! NAT gateways: the private subnets' outbound internet access.

use super::elastic_ip::nat_zones;
use super::prelude::*;

spec! {
    pub struct NatGateway {
        pub subnet: Ref => Rule::fixed("a NAT gateway's subnet or address", NEW_STACK),
        pub elastic_ip: Ref => Rule::fixed("a NAT gateway's subnet or address", NEW_STACK),
        /// `available`; `pending` while it comes up.
        pub state: String => Rule::in_place().hidden(),
    }
}

impl Kind for NatGateway {
    const NAME: &'static str = "nat_gateway";
    const ACCESS: bool = true;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let gateway = |key: String| {
            let spec = NatGateway {
                subnet: Ref::to("subnet", &format!("public-{key}")),
                elastic_ip: Ref::to("elastic_ip", &format!("nat-{key}")),
                state: "available".to_owned(),
            };
            (key, spec)
        };
        nat_zones(design).into_iter().map(gateway).collect()
    }

    fn after(&self, _: &str) -> Vec<Address> {
        // AWS refuses a public NAT gateway in a VPC without an internet gateway.
        vec![Address::new("internet_gateway", "main")]
    }

    fn home(&self) -> Vec<&str> {
        self.subnet.id().into_iter().collect()
    }

    fn price(&self, costs: &mut Costs<'_>) {
        costs.charge("nat gateway", HOURS_PER_MONTH);
    }
}
