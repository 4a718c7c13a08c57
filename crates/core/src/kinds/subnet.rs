//! Public and private subnets, a pair in each zone. Private ones hold brokers and controllers; public ones hold NAT gateways
//! and the interfaces of endpoints, whose addresses AWS picks and which must not take a broker's.

use super::prelude::*;

spec! {
    pub struct Subnet {
        pub vpc: Ref => Rule::fixed("a subnet's VPC", NEW_STACK).hidden(),
        pub cidr: String => Rule::fixed("a subnet's address block", NEW_STACK),
        /// The number of the part of the VPC's IPv6 block that it has.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        pub ipv6_part: Option<u8> => Rule::in_place().hidden(),
        pub zone: String => Rule::fixed("a subnet's zone", NEW_STACK),
    }
}

impl Kind for Subnet {
    const NAME: &'static str = "subnet";

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let subnet = |zone: &str, cidr: ipnet::Ipv4Net, ipv6_part: Option<u8>| Subnet {
            vpc: design.vpc(),
            cidr: cidr.to_string(),
            ipv6_part,
            zone: zone.to_owned(),
        };
        let zones = design.zones.iter().filter(|_| design.existing.is_none());
        zones
            .flat_map(|zone| {
                [
                    (format!("private-{}", zone.key), subnet(&zone.name, zone.private, zone.private_ipv6)),
                    (format!("public-{}", zone.key), subnet(&zone.name, zone.public, zone.public_ipv6)),
                ]
            })
            .collect()
    }

    fn deletion(&self) -> Deletion {
        Deletion::Refuse {
            reason: format!(
                "the zone {} can't be removed: brokers' volumes and addresses are bound to their zone",
                self.zone
            ),
            remedy: format!("keep the zone in the file, or {NEW_STACK}"),
        }
    }

    fn home(&self) -> Vec<&str> {
        self.vpc.id().into_iter().collect()
    }

    fn price(&self, _: &mut Costs<'_>) {}
}
