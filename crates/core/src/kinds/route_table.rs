//! Route tables with their routes and associations: one for all public subnets, one for each private subnet.

use super::elastic_ip::nat_zones;
use super::prelude::*;
use serde::{Deserialize, Serialize};

spec! {
    pub struct RouteTable {
        pub vpc: Ref => Rule::fixed("a route table's VPC", NEW_STACK).hidden(),
        pub subnets: Vec<Ref> => Rule::in_place(),
        pub routes: Vec<Route> => Rule::in_place(),
    }
}

/// A route of the table, other than the VPC's own and those of gateway endpoints.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Route {
    pub to: String,
    pub via: Ref,
}

const EVERYWHERE: &str = "0.0.0.0/0";

impl Kind for RouteTable {
    const NAME: &'static str = "route_table";

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let table = |subnets: Vec<Ref>, via: Option<Ref>| RouteTable {
            vpc: Ref::to("vpc", "main"),
            subnets,
            routes: via.map(|via| Route { to: EVERYWHERE.to_owned(), via }).into_iter().collect(),
        };
        let public = design.zones.iter().map(|zone| Ref::to("subnet", &format!("public-{}", zone.key))).collect();
        let mut tables = vec![("public".to_owned(), table(public, Some(Ref::to("internet_gateway", "main"))))];
        let gateways = nat_zones(design);
        for zone in &design.zones {
            let subnets = vec![Ref::to("subnet", &format!("private-{}", zone.key))];
            let gateway = gateways.iter().find(|key| **key == zone.key).or(gateways.first());
            let via = gateway.map(|key| Ref::to("nat_gateway", key));
            tables.push((format!("private-{}", zone.key), table(subnets, via)));
        }
        tables
    }

    fn price(&self, _: &mut Costs<'_>) {}
}

references!(Route { via });
