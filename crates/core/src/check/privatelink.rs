//! Rules of the endpoint of a PrivateLink service.

use std::collections::BTreeSet;

use crate::file::{Checker, Network, Region};

/// Checks the key `network.privatelink`.
pub fn check(net: &Network, checker: &mut Checker<'_>) {
    let Some(link) = &net.privatelink else { return };
    let (of_service, region) = (link.service.region(), checker.part::<Region>("region"));
    if let Some(region) = region.filter(|region| **region != *of_service) {
        checker.error(
            "network.privatelink.service",
            format!("the service is in {of_service}, and the stack in {region}"),
            "an endpoint is in the region of its service: name the owner's service in this one",
        );
    }
    if link.ports.is_empty() {
        let help = "remove `ports`, which leaves 443 and 9092, or name those of the service";
        checker.error("network.privatelink.ports", "without a port nothing gets through the endpoint", help);
    }
    let mut seen = BTreeSet::new();
    for (index, port) in link.ports.iter().enumerate() {
        if !seen.insert(port.0) {
            let message = format!("the port {} is listed twice", port.0);
            checker.error(&format!("network.privatelink.ports.{index}"), message, "list each port once");
        }
    }
    let (Some(domain), Some(dns)) = (&link.domain, &net.dns) else { return };
    let below = |one: &str, other: &str| one == other || one.ends_with(&format!(".{other}"));
    if below(domain, &dns.zone) || below(&dns.zone, domain) {
        checker.error(
            "network.privatelink.domain",
            format!("`{domain}` and the brokers' `{}` overlap: the VPC would find names of one of them in the zone of the other", dns.zone),
            "write the service's own domain, as its owner tells it, and another one below `network.dns.zone`",
        );
    }
}
