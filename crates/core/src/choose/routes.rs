//! Routes to other networks: which can be made now, and which wait for others.

use crate::choose::PlanningInput;
use crate::kinds::{RouteTable, Vpc};
use crate::refusal::Refusal;
use crate::stack::{NamedRoute, Stack};

/// The routes of the file whose gateways are attached to the VPC or that are there already, and the others of it.
pub fn choose(stack: &Stack, input: &PlanningInput, refusals: &mut Vec<Refusal>) -> (Vec<NamedRoute>, Vec<NamedRoute>) {
    let vpc = input.observed.of::<Vpc>().into_values().next().map(|(live, _)| live.id.clone());
    let tables: Vec<RouteTable> =
        input.observed.of::<RouteTable>().into_values().map(|(_, spec)| spec.clone()).collect();
    for route in &stack.network.routes {
        // What a VPN announces is another route beside the stack's, which counts for more.
        let start = format!("the route to {} by ", route.to);
        let others = tables.iter().flat_map(|table| table.others.iter().flatten());
        let mut others = others.filter_map(|words| words.strip_prefix(&start)).filter(|by| !by.ends_with("propagated"));
        if let Some(by) = others.find(|by| **by != *route.via) {
            refusals.push(Refusal::general(
                format!("others have made a route to {} by {by}, and the file asks for one by {}", route.to, route.via),
                "remove the route from `network.routes`, or have the other one deleted",
            ));
        }
    }
    let is_live = |route: &NamedRoute| {
        let same = |live: &crate::kinds::route_table::Route| {
            live.to == route.to.to_string() && live.via.id() == Some(&route.via)
        };
        tables.iter().any(|table| table.routes.iter().any(same))
    };
    let attached = |route: &NamedRoute| {
        let Some(gateways) = &input.facts.network.gateways else { return true };
        let vpcs = gateways.get(&*route.via);
        vpc.as_ref().is_some_and(|vpc| vpcs.is_some_and(|vpcs| vpcs.contains(vpc)))
    };
    stack.network.routes.iter().cloned().partition(|route| attached(route) || is_live(route))
}
