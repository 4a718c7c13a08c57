//! VPC endpoints: S3 through a gateway endpoint, other services through interface endpoints in the public subnets.

use super::prelude::*;
use crate::endpoint_services::{by_gateway, full_name};

spec! {
    pub struct VpcEndpoint {
        pub vpc: Ref => Rule::replace().hidden(),
        pub service: String => Rule::replace(),
        /// `Gateway` or `Interface`.
        pub kind: String => Rule::replace(),
        pub route_tables: Vec<Ref> => Rule::in_place(),
        pub subnets: Vec<Ref> => Rule::in_place(),
        pub security_groups: Vec<Ref> => Rule::in_place(),
        /// Whether the service's public name leads to the endpoint; interface endpoints only.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub private_dns: Option<bool> => Rule::in_place().hidden(),
        /// `available`; `pending` while it comes up.
        pub state: String => Rule::in_place().hidden(),
    }
}

impl VpcEndpoint {
    /// The name in a stack of the endpoint of the service `service`: addresses have no dots.
    pub fn name_of(service: &str) -> String {
        service.replace('.', "-")
    }
}

impl Kind for VpcEndpoint {
    const NAME: &'static str = "vpc_endpoint";
    const ACCESS: bool = true;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let network = &design.stack.network;
        let tables = design.zones.iter().map(|zone| Ref::to("route_table", &format!("private-{}", zone.key)));
        let subnets = design.zones.iter().map(|zone| Ref::to("subnet", &format!("public-{}", zone.key)));
        let endpoint = |name: &str| {
            let gateway = by_gateway(name);
            VpcEndpoint {
                vpc: Ref::to("vpc", "main"),
                service: full_name(&design.stack.region, name),
                kind: if gateway { "Gateway" } else { "Interface" }.to_owned(),
                route_tables: if gateway { tables.clone().collect() } else { Vec::new() },
                subnets: if gateway { Vec::new() } else { subnets.clone().collect() },
                security_groups: if gateway { Vec::new() } else { vec![Ref::to("security_group", "endpoints")] },
                private_dns: (!gateway).then_some(true),
                state: "available".to_owned(),
            }
        };
        network.endpoints.iter().map(|name| (VpcEndpoint::name_of(name), endpoint(name))).collect()
    }

    fn home(&self) -> Vec<&str> {
        self.vpc.id().into_iter().collect()
    }

    fn price(&self, costs: &mut Costs<'_>) {
        if self.kind == "Interface" {
            costs.charge("endpoint", self.subnets.len() as f64 * HOURS_PER_MONTH);
        }
    }
}
