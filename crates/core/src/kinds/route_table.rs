//! Route tables with their routes and associations: one for all public subnets, one for each private subnet.

use super::elastic_ip::nat_zones;
use super::prelude::*;
use crate::network::{EVERYWHERE, EVERYWHERE_V6};
use crate::stack::Nat;
use serde::{Deserialize, Serialize};

spec! {
    pub struct RouteTable {
        pub vpc: Ref => Rule::fixed("a route table's VPC", NEW_STACK).hidden(),
        pub subnets: Vec<Ref> => Rule::in_place(),
        /// The stack's own: to everywhere, and to the file's other networks.
        pub routes: Vec<Route> => Rule::in_place(),
        /// The destinations, beside everywhere over IPv4, that the table's tag tells to be the stack's: it is written before their routes are made,
        /// and again after some are gone. Routes to all others belong to whoever made them.
        #[serde(default)]
        pub marks: Vec<String> => Rule::in_place().hidden().saying("marks: the table's tag says which routes are the stack's"),
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

/// What stands between the destinations in the tag.
const BETWEEN: &str = " ";

/// The destinations, beside everywhere over IPv4, whose routes are the stack's, as the tags of a live table say.
pub fn marks(tags: &Tags) -> Vec<String> {
    let marks = tags.get(tag::ROUTES).map(String::as_str).unwrap_or_default();
    marks.split(BETWEEN).filter(|mark| !mark.is_empty()).map(str::to_owned).collect()
}

/// The tag's value for these destinations.
pub fn marked(marks: &[String]) -> String {
    marks.join(BETWEEN)
}

impl Kind for RouteTable {
    const NAME: &'static str = "route_table";
    const ACCESS: bool = true;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        if design.existing.is_some() {
            return Vec::new();
        }
        let network = &design.stack.network;
        let named =
            design.routes.iter().map(|route| Route { to: route.to.to_string(), via: Ref::Id(route.via.0.clone()) });
        let named: Vec<Route> = named.collect();
        // A table has one route to everywhere: the internet gateway's for public subnets, and for private ones the file's or NAT's; and
        // over IPv6 one more. The latter is marked wherever the file has IPv6: nobody else's leads hosts to an internet gateway.
        let table = |subnets: Vec<Ref>, via: Option<Ref>, via_ipv6: Option<Ref>| {
            let out = via.map(|via| Route { to: EVERYWHERE.to_owned(), via });
            let out_ipv6 = via_ipv6.map(|via| Route { to: EVERYWHERE_V6.to_owned(), via });
            let own: Vec<Route> = out.into_iter().chain(out_ipv6).collect();
            let more = named.iter().filter(|route| own.iter().all(|one| one.to != route.to));
            let more: Vec<Route> = more.cloned().collect();
            let ipv6 = network.ipv6.then(|| EVERYWHERE_V6.to_owned());
            let marks = more.iter().map(|route| route.to.clone()).filter(|to| to != EVERYWHERE && to != EVERYWHERE_V6);
            RouteTable {
                vpc: design.vpc(),
                subnets,
                marks: marks.chain(ipv6).collect(),
                routes: own.into_iter().chain(more).collect(),
                others: None,
            }
        };
        let public = design.zones.iter().map(|zone| design.public_subnet(zone)).collect();
        let internet = || Ref::to("internet_gateway", "main");
        let mut tables = vec![("public".to_owned(), table(public, Some(internet()), network.ipv6.then(internet)))];
        let gateways = nat_zones(design);
        let egress_only = network.ipv6 && network.nat_gateways() != Nat::None;
        for zone in &design.zones {
            let subnets = vec![design.private_subnet(zone)];
            let gateway = gateways.iter().find(|key| **key == zone.key).or(gateways.first());
            let via = gateway.map(|key| Ref::to("nat_gateway", key));
            let via_ipv6 =
                egress_only.then(|| Ref::to(super::EgressOnlyGateway::NAME, super::egress_only_gateway::MAIN));
            tables.push((format!("private-{}", zone.key), table(subnets, via, via_ipv6)));
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
