//! Route tables with their routes and associations: one for all public subnets, one for each private subnet.

use super::elastic_ip::nat_zones;
use super::prelude::*;
use serde::{Deserialize, Serialize};

spec! {
    pub struct RouteTable {
        pub vpc: Ref => Rule::fixed("a route table's VPC", NEW_STACK).hidden(),
        pub subnets: Vec<Ref> => Rule::in_place(),
        /// The stack's own: to everywhere.
        pub routes: Vec<Route> => Rule::in_place(),
        /// Of a live table: what others have put into it, in words, such as routes to peered networks. It is left there.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        pub others: Option<Vec<String>> => Rule::in_place().hidden(),
    }
}

/// A route of the stack's own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Route {
    pub to: String,
    pub via: Ref,
}

/// The one destination whose route is the stack's: a table's routes to all others belong to whoever made them.
pub const EVERYWHERE: &str = "0.0.0.0/0";

impl Kind for RouteTable {
    const NAME: &'static str = "route_table";
    const ACCESS: bool = true;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        if design.existing.is_some() {
            return Vec::new();
        }
        let table = |subnets: Vec<Ref>, via: Option<Ref>| RouteTable {
            vpc: design.vpc(),
            subnets,
            routes: via.map(|via| Route { to: EVERYWHERE.to_owned(), via }).into_iter().collect(),
            others: None,
        };
        let public = design.zones.iter().map(|zone| design.public_subnet(zone)).collect();
        let mut tables = vec![("public".to_owned(), table(public, Some(Ref::to("internet_gateway", "main"))))];
        let gateways = nat_zones(design);
        for zone in &design.zones {
            let subnets = vec![design.private_subnet(zone)];
            let gateway = gateways.iter().find(|key| **key == zone.key).or(gateways.first());
            let via = gateway.map(|key| Ref::to("nat_gateway", key));
            tables.push((format!("private-{}", zone.key), table(subnets, via)));
        }
        tables
    }

    /// A route to the same destination takes the other's place in one call.
    fn operations(&self, _: &Self, changes: &[FieldChange]) -> Vec<Operation> {
        super::access::operations(changes, |field| if field == "routes" { &["to"] } else { &[] })
    }

    fn home(&self) -> Vec<&str> {
        self.vpc.id().into_iter().collect()
    }

    /// Subnets that are not the stack's.
    fn set_others_aside(&mut self) {
        let (own, others): (Vec<Ref>, Vec<Ref>) = self.subnets.drain(..).partition(|subnet| subnet.id().is_none());
        self.subnets = own;
        let others = others.iter().filter_map(Ref::id).map(|id| format!("the association with {id}"));
        self.others.get_or_insert_default().extend(others);
    }

    fn others(&self) -> Vec<String> {
        self.others.clone().unwrap_or_default()
    }

    fn price(&self, _: &mut Costs<'_>) {}
}

references!(Route { via });
