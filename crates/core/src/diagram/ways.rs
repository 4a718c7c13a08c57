//! Who comes into a stack's network, and where its hosts go out.

use super::shown::ZonesBy;
use crate::design::{Design, listeners};
use crate::kinds::EgressOnlyGateway;
use crate::kinds::Kind as _;
use crate::kinds::NatGateway;
use crate::stack::Peer;
use crate::text::{first_of, many};

/// A way in or out.
#[derive(Debug, Clone, PartialEq)]
pub struct WayPart {
    pub name: String,
    pub lines: Vec<String>,
    pub flow: Flow,
}

/// Which side begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    In,
    Out,
}

pub(super) fn ways(design: &Design, by: ZonesBy) -> Vec<WayPart> {
    let all = [
        Some(clients(design)),
        monitors(design),
        private_link(design),
        shell(design),
        internet(design, by),
        other_networks(design),
    ];
    all.into_iter().flatten().collect()
}

fn way(name: &str, flow: Flow, lines: impl IntoIterator<Item = String>) -> WayPart {
    WayPart { name: name.to_owned(), lines: lines.into_iter().collect(), flow }
}

fn peers<'a>(all: impl IntoIterator<Item = &'a Peer>) -> Option<String> {
    let mut all: Vec<String> = all.into_iter().map(ToString::to_string).collect();
    all.dedup();
    (!all.is_empty()).then(|| format!("from {}", first_of(&all)))
}

/// Kafka's clients: by which listeners, and from where.
fn clients(design: &Design) -> WayPart {
    let network = &design.stack.network;
    let mut ports: Vec<String> = Vec::new();
    let at = |listener: &str, port: u16| format!("{listener} at port {port}");
    if let Some(ec2) = &design.stack.cluster.ec2 {
        let ways = ec2.listeners.ways();
        ports.extend(ways.iter().map(|way| at(&way.kafka_name(), way.port)));
        ports.extend(ec2.listeners.others.iter().map(|(name, one)| at(name, one.port.0)));
    } else if let Some(msk) = &design.msk {
        let all = listeners(msk.provisioned.as_ref());
        ports.extend(all.iter().map(|one| at(&one.method.to_ascii_uppercase(), one.port)));
    }
    let group = match network.own_groups {
        true => format!("in the group {}-clients", design.prefix()),
        false => format!(
            "as {} says",
            first_of(&network.security_groups.iter().map(ToString::to_string).collect::<Vec<_>>())
        ),
    };
    let others = design.stack.cluster.ec2.iter().flat_map(|ec2| ec2.listeners.others.values());
    let from = network.clients.iter().chain(network.rules.iter().map(|rule| &rule.from));
    let from = peers(from.chain(others.flat_map(|one| &one.clients)));
    way("Clients", Flow::In, [ports.join(", "), group].into_iter().chain(from))
}

fn monitors(design: &Design) -> Option<WayPart> {
    let from = peers(&design.stack.network.monitors)?;
    Some(way("Prometheus", Flow::In, [from]))
}

fn private_link(design: &Design) -> Option<WayPart> {
    let one = design.msk.as_ref()?.provisioned.as_ref()?;
    let all = [(one.vpc_iam, "IAM"), (one.vpc_scram, "SCRAM"), (one.vpc_tls, "TLS")];
    let methods: Vec<&str> = all.into_iter().filter(|(on, _)| *on).map(|(_, word)| word).collect();
    let lines = ["by AWS PrivateLink".to_owned(), methods.join(", ")];
    (!methods.is_empty()).then(|| way("Clients of other VPCs", Flow::In, lines))
}

fn shell(design: &Design) -> Option<WayPart> {
    design.client.as_ref()?;
    Some(way("Operators", Flow::In, ["by Session Manager, to the client host".to_owned()]))
}

/// What leads to the internet, or from it.
fn internet(design: &Design, by: ZonesBy) -> Option<WayPart> {
    if let Some(existing) = &design.existing {
        let mut by_what: Vec<String> =
            existing.subnets.values().filter_map(|subnet| subnet.default_route.clone()).collect();
        by_what.sort();
        by_what.dedup();
        let known = by == ZonesBy::Aws && !by_what.is_empty();
        return known.then(|| way("Outside", Flow::Out, [format!("by {}", first_of(&by_what))]));
    }
    if design.msk.as_ref().is_some_and(|msk| msk.provisioned.as_ref().is_some_and(|one| one.public_access)) {
        return Some(way("Internet", Flow::In, ["brokers have public addresses".to_owned()]));
    }
    let nat = match NatGateway::desired(design).len() {
        0 => None,
        count => Some(format!("by {}", many(count, "NAT gateway"))),
    };
    let six =
        (!EgressOnlyGateway::desired(design).is_empty()).then(|| "over IPv6 by an egress-only gateway".to_owned());
    let lines: Vec<String> = nat.into_iter().chain(six).collect();
    (!lines.is_empty()).then(|| way("Internet", Flow::Out, lines))
}

fn other_networks(design: &Design) -> Option<WayPart> {
    let routes = &design.stack.network.routes;
    let lines: Vec<String> = routes.iter().map(|route| format!("{} by {}", route.to, route.via)).collect();
    (!lines.is_empty()).then(|| way("Other networks", Flow::Out, lines))
}
