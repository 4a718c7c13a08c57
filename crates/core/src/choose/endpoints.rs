//! Whether AWS has the endpoint services of the file, in the region and in its zones. What is live is there already.

use crate::design::{ExistingNetwork, Facts};
use crate::endpoint_services::{by_gateway, full_name, nearest_known};
use crate::file::Endpoint;
use crate::kinds::VpcEndpoint;
use crate::observed::Observed;
use crate::refusal::Refusal;
use crate::stack::Stack;

/// The endpoints of the file that are still to be made. In a network of others, `network`, some are there already.
fn new<'a>(
    stack: &'a Stack,
    observed: &'a Observed,
    network: Option<&'a ExistingNetwork>,
) -> impl Iterator<Item = &'a str> {
    let live = observed.of::<VpcEndpoint>();
    let names = stack.network.endpoints.iter().map(|Endpoint(name)| name.as_str());
    let names = names.filter(move |name| !network.is_some_and(|network| network.has_endpoint(&stack.region, name)));
    names.filter(move |name| !live.contains_key(VpcEndpoint::name_of(name).as_str()))
}

/// The interface endpoints still to be made whose service has nothing in `zone`.
pub fn not_offered<'a>(
    stack: &'a Stack,
    facts: &Facts,
    observed: &'a Observed,
    network: Option<&'a ExistingNetwork>,
    zone: &str,
) -> Vec<&'a str> {
    let lacks = |name: &&str| {
        let service = facts.endpoints.get(*name).filter(|service| service.interface && !by_gateway(name));
        // A service that names no zones has none to lack.
        service.is_some_and(|service| !service.zones.is_empty() && !service.zones.contains(zone))
    };
    new(stack, observed, network).filter(lacks).collect()
}

/// Refuses endpoints that AWS does not have in the region.
pub fn check(
    stack: &Stack,
    facts: &Facts,
    observed: &Observed,
    network: Option<&ExistingNetwork>,
    refusals: &mut Vec<Refusal>,
) {
    for name in new(stack, observed, network) {
        let form = if by_gateway(name) { "gateway" } else { "interface" };
        match facts.endpoints.get(name) {
            None => {
                let service = full_name(&stack.region, name);
                let near = match nearest_known(name) {
                    Some(near) if near != name => format!("write `{near}` if that is meant, or remove it"),
                    _ => "remove it, or choose another region".to_owned(),
                };
                let what = format!("AWS has no endpoint service `{name}` in {} ({service})", stack.region);
                refusals.push(Refusal::general(what, near));
            }
            Some(service) if (if by_gateway(name) { service.gateway } else { service.interface }) => {}
            Some(_) => refusals.push(Refusal::general(
                format!("the endpoint service `{name}` has no {form} endpoint in {}", stack.region),
                format!("remove `{name}` from `network.endpoints`"),
            )),
        }
    }
}
