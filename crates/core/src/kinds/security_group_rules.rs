//! The rules of each security group: only the ports that Kafka and the hosts need, and nothing from everywhere.
//!
//! A kind of its own, though AWS keeps rules with their group: rules of different groups name each other, so they come
//! after all groups and go before them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::prelude::*;
use super::security_group::groups;
use super::vpc_endpoint::PRIVATELINK;
use crate::cloud_init::{CLIENT_PORT, CONTROLLER_PORT, INTERNAL_PORT, JMX_PORT, NODE_PORT, QUORUM_PORT};
use crate::design::{MskDesign, Provisioned, listeners};
use crate::engines::ec2::archive;
use crate::network::{EVERYWHERE, EVERYWHERE_V6};
use crate::stack::{Client, ListenerName, Peer};

spec! {
    pub struct SecurityGroupRules {
        pub group: Ref => Rule::in_place(),
        pub ingress: Vec<NetworkRule> => Rule::in_place(),
        pub egress: Vec<NetworkRule> => Rule::in_place(),
        /// Whether the VPC has IPv6: AWS then gives a new group a rule more.
        #[serde(skip)]
        pub ipv6: bool => Rule::creation_only(),
    }
}

/// Who reaches the listener that brokers have for each other, from where clients are.
const KSTACK: &str = "kstack to brokers, by its certificate";

/// What clients have beside the way to brokers.
const TO_PRIVATELINK: &str = "To the PrivateLink service";

/// One rule: which ports, from or to whom, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NetworkRule {
    /// `tcp 9092`, `tcp 1024-2048`, `all`.
    pub ports: String,
    /// A security group, an address block, or a prefix list.
    pub peer: Ref,
    pub description: String,
}

fn rule(port: u16, peer: Ref, description: &str) -> NetworkRule {
    NetworkRule { ports: format!("tcp {port}"), peer, description: description.to_owned() }
}

/// The rules for whom the file names: `network.clients` to every listener, and `network.rules` each to its own. `ports` gives the
/// ports of a listener and what they are for; of all that clients use, where none is named.
fn from_outside(design: &Design, ports: impl Fn(Option<ListenerName>) -> Vec<(u16, &'static str)>) -> Vec<NetworkRule> {
    let network = &design.stack.network;
    let clients = network.clients.iter().map(|from| (from, None, None));
    let rules = network.rules.iter().map(|one| (&one.from, Some(one.listener), one.description.as_ref()));
    let mut all: Vec<NetworkRule> = Vec::new();
    for (from, listener, description) in clients.chain(rules) {
        for (port, what) in ports(listener) {
            let new = rule(port, Ref::Id(from.to_string()), description.map_or(what, |text| &**text));
            // To EC2, a rule with another description is the same rule.
            if !all.iter().any(|one| (&one.ports, &one.peer) == (&new.ports, &new.peer)) {
                all.push(new);
            }
        }
    }
    all
}

/// The rules for the clients of further listeners, each to its own port.
fn of_further_listeners(design: &Design) -> Vec<NetworkRule> {
    let mut all: Vec<NetworkRule> = Vec::new();
    for (name, one) in design.stack.cluster.ec2.iter().flat_map(|ec2| &ec2.listeners.others) {
        for from in &one.clients {
            let new = rule(one.port.0, Ref::Id(from.to_string()), &format!("Kafka clients of the listener {name}"));
            if !all.contains(&new) {
                all.push(new);
            }
        }
    }
    all
}

/// Everywhere, by each of the stack's address families.
fn everywhere(design: &Design) -> impl Iterator<Item = Ref> {
    let ipv6 = design.stack.network.ipv6.then_some(EVERYWHERE_V6);
    std::iter::once(EVERYWHERE).chain(ipv6).map(|all| Ref::Id(all.to_owned()))
}

/// The rules for what a host downloads from the servers at `ports`, wherever they are.
fn to_downloads(design: &Design, ports: &BTreeSet<u16>) -> impl Iterator<Item = NetworkRule> {
    ports.iter().flat_map(|port| {
        let what = match port {
            443 => "Packages, the Kafka archive and AWS services",
            80 => "Package mirrors",
            _ => "Packages and the Kafka archive, as the stack file has them",
        };
        everywhere(design).map(move |all| rule(*port, all, what))
    })
}

/// What the client host reaches beside brokers.
fn of_client(design: &Design, downloads: &BTreeSet<u16>) -> Vec<NetworkRule> {
    let endpoints = groups(design).iter().any(|(name, _)| *name == "endpoints");
    let inside = endpoints.then(|| rule(443, Ref::to("security_group", "endpoints"), "AWS services inside the VPC"));
    to_downloads(design, downloads).chain(inside).collect()
}

/// The client host's way to endpoints of the stack.
fn from_client(design: &Design) -> Option<NetworkRule> {
    let client = super::ClientInstance::CLIENT;
    let there = groups(design).iter().any(|(name, _)| *name == client);
    there.then(|| rule(443, Ref::to("security_group", client), "The client host to AWS services"))
}

/// Whether the groups' VPC has an IPv6 block when they are made.
fn has_ipv6(design: &Design) -> bool {
    design.existing.as_ref().map_or(design.stack.network.ipv6, |existing| existing.ipv6)
}

/// The rules for whoever scrapes the exporters at `ports`, beside those that `ingress` has.
fn of_monitors(design: &Design, ports: &[(u16, &str)], ingress: &mut Vec<NetworkRule>) {
    for from in &design.stack.network.monitors {
        for (port, what) in ports {
            let new = rule(*port, Ref::Id(from.to_string()), what);
            if !ingress.iter().any(|one| (&one.ports, &one.peer) == (&new.ports, &new.peer)) {
                ingress.push(new);
            }
        }
    }
}

/// Endpoints in a VPC of others: a service's public name leads every host of the VPC to them, so that each must get in.
fn from_the_vpc(design: &Design) -> Vec<NetworkRule> {
    let blocks = design.existing.iter().flat_map(|existing| &existing.blocks);
    blocks.map(|block| rule(443, Ref::Id(block.to_string()), "Hosts of the VPC to AWS services")).collect()
}

/// The ports of the PrivateLink service, in the endpoint's group or towards it.
fn of_privatelink(design: &Design, peer: &Ref, what: &str) -> Vec<NetworkRule> {
    let link = design.stack.network.privatelink.as_ref().filter(|_| design.privatelink.is_some());
    let ports: BTreeSet<u16> = link.iter().flat_map(|link| &link.ports).map(|port| port.0).collect();
    ports.into_iter().map(|port| rule(port, peer.clone(), what)).collect()
}

/// Who reaches the PrivateLink service: hosts of the VPC, and clients outside of it that the file names. Its interfaces have IPv4 alone.
fn to_privatelink(design: &Design) -> Vec<NetworkRule> {
    let network = &design.stack.network;
    let blocks: Vec<String> = match &design.existing {
        Some(existing) => existing.blocks.iter().map(ToString::to_string).collect(),
        None => network.cidr.iter().chain(&network.secondary_cidrs).map(ToString::to_string).collect(),
    };
    let outside = network.clients.iter().filter(|peer| !matches!(peer, Peer::Block6(_))).map(ToString::to_string);
    let outside: Vec<String> = outside.filter(|peer| !blocks.contains(peer)).collect();
    let with = |what: &'static str| move |peer: String| of_privatelink(design, &Ref::Id(peer), what);
    let inside = blocks.into_iter().flat_map(with("Hosts of the VPC to the PrivateLink service"));
    inside.chain(outside.into_iter().flat_map(with("Clients to the PrivateLink service"))).collect()
}

impl Kind for SecurityGroupRules {
    const NAME: &'static str = "security_group_rules";
    const TAGGED: bool = false;
    const ACCESS: bool = true;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        if let Some(msk) = &design.msk {
            return of_msk(design, msk);
        }
        let group = |name: &str| Ref::to("security_group", name);
        let dedicated = design.dedicated();
        let endpoints = groups(design).iter().any(|(name, _)| *name == "endpoints");
        let Some(ec2) = &design.stack.cluster.ec2 else { return Vec::new() };
        let (secured, plain) = (design.course.tls(), design.course.plain());
        let ways = ec2.listeners.ways_beside(ec2.listeners.in_plaintext() || plain);
        // On the way between plaintext and TLS hosts have both for each other.
        let both = |tls: u16, other: u16| -> Vec<u16> {
            [(secured, tls), (plain, other)].into_iter().filter(|(is, _)| *is).map(|(_, port)| port).collect()
        };
        let (internal, quorum) = (both(INTERNAL_PORT, CLIENT_PORT), both(QUORUM_PORT, CONTROLLER_PORT));
        let rules = |ports: &[u16], peer: &str, what: &str| -> Vec<NetworkRule> {
            ports.iter().map(|port| rule(*port, group(peer), what)).collect()
        };
        let downloads = archive::ports(ec2);
        let mut all = Vec::new();
        for (name, _) in groups(design) {
            let (mut ingress, mut egress) = (Vec::new(), Vec::new());
            match name {
                "brokers" => {
                    ingress.extend(ways.iter().map(|way| rule(way.port, group("clients"), way.what)));
                    ingress.extend(secured.then(|| rule(INTERNAL_PORT, group("clients"), KSTACK)));
                    ingress.extend(rules(&internal, "brokers", "Replication between brokers"));
                    ingress.extend(from_outside(design, |listener| {
                        let on = ways.iter().filter(|way| listener.is_none_or(|listener| listener == way.listener));
                        let kstack = (secured && listener.is_none()).then_some((INTERNAL_PORT, KSTACK));
                        on.map(|way| (way.port, way.outside)).chain(kstack).collect()
                    }));
                    ingress.extend(of_further_listeners(design));
                    egress.extend(rules(&internal, "brokers", "Replication between brokers"));
                    if dedicated {
                        ingress.extend(rules(&internal, "controllers", "Controllers to brokers"));
                        egress.extend(rules(&quorum, "controllers", "Brokers to controllers"));
                    } else {
                        ingress.extend(rules(&quorum, "brokers", "The controllers' quorum"));
                        egress.extend(rules(&quorum, "brokers", "The controllers' quorum"));
                    }
                }
                "controllers" => {
                    ingress.extend(rules(&quorum, "brokers", "Brokers to controllers"));
                    ingress.extend(rules(&quorum, "controllers", "The controllers' quorum"));
                    egress.extend(rules(&quorum, "controllers", "The controllers' quorum"));
                    egress.extend(rules(&internal, "brokers", "Controllers to brokers"));
                }
                "clients" => {
                    egress.extend(ways.iter().map(|way| match way.listener {
                        ListenerName::Plaintext => rule(way.port, group("brokers"), "To the Kafka brokers"),
                        _ => rule(way.port, group("brokers"), way.what),
                    }));
                    egress.extend(secured.then(|| rule(INTERNAL_PORT, group("brokers"), KSTACK)));
                    egress.extend(of_privatelink(design, &group(PRIVATELINK), TO_PRIVATELINK));
                }
                PRIVATELINK => ingress.extend(to_privatelink(design)),
                super::ClientInstance::CLIENT => egress.extend(of_client(design, &downloads)),
                _ if design.existing.is_some() => ingress.extend(from_the_vpc(design)),
                _ => {
                    ingress.push(rule(443, group("brokers"), "Brokers to AWS services"));
                    if dedicated {
                        ingress.push(rule(443, group("controllers"), "Controllers to AWS services"));
                    }
                    ingress.extend(from_client(design));
                }
            }
            if ["brokers", "controllers"].contains(&name) {
                if design.hosts.iter().any(|host| host.cloud.monitoring.is_some()) {
                    let ports = [(JMX_PORT, "Kafka's metrics"), (NODE_PORT, "The hosts' metrics")];
                    of_monitors(design, &ports, &mut ingress);
                }
                egress.extend(to_downloads(design, &downloads));
                if endpoints {
                    egress.push(rule(443, group("endpoints"), "AWS services inside the VPC"));
                }
            }
            all.push((
                name.to_owned(),
                SecurityGroupRules { group: group(name), ingress, egress, ipv6: has_ipv6(design) },
            ));
        }
        all
    }

    /// A rule with another description is the same rule to AWS.
    fn operations(&self, _: &Self, changes: &[FieldChange]) -> Vec<Operation> {
        super::access::operations(changes, |_| &["ports", "peer"])
    }

    fn home(&self) -> Vec<&str> {
        self.group.id().into_iter().collect()
    }

    fn price(&self, _: &mut Costs<'_>) {}
}

/// The rules of an MSK stack: the listeners that are on, from the client group and from the file's clients outside; the
/// latter alone reach the public side. What brokers say to each other goes by AWS's own network.
fn of_msk(design: &Design, msk: &MskDesign) -> Vec<(String, SecurityGroupRules)> {
    let group = |name: &str| Ref::to("security_group", name);
    let listeners = listeners(msk.provisioned.as_ref());
    let exporters = msk.provisioned.as_ref().map(Provisioned::exporter_ports).unwrap_or_default();
    let mut all = Vec::new();
    for (name, _) in groups(design) {
        let (mut ingress, mut egress) = (Vec::new(), Vec::new());
        match name {
            "brokers" => {
                for one in &listeners {
                    ingress.push(rule(one.port, group("clients"), one.what));
                }
                ingress.extend(from_outside(design, |listener| {
                    let wanted = |method: &str| listener.is_none_or(|listener| listener.word() == method);
                    let on = listeners.iter().filter(|one| wanted(one.method));
                    let clients = on.flat_map(|one| {
                        let ports = [Some(one.port), one.public_port].into_iter().flatten();
                        ports.map(|port| (port, one.what))
                    });
                    let scraped = exporters.iter().filter(|(method, ..)| listener.is_some() && wanted(method));
                    clients.chain(scraped.map(|(_, port, what)| (*port, *what))).collect()
                }));
                ingress.extend(exporters.iter().map(|(_, port, what)| rule(*port, group("clients"), what)));
                let ports: Vec<(u16, &str)> = exporters.iter().map(|(_, port, what)| (*port, *what)).collect();
                of_monitors(design, &ports, &mut ingress);
            }
            "clients" => {
                egress.extend(listeners.iter().map(|one| rule(one.port, group("brokers"), one.what)));
                egress.extend(exporters.iter().map(|(_, port, what)| rule(*port, group("brokers"), what)));
                egress.extend(of_privatelink(design, &group(PRIVATELINK), TO_PRIVATELINK));
            }
            PRIVATELINK => ingress.extend(to_privatelink(design)),
            super::ClientInstance::CLIENT => {
                let urls = design.stack.client.iter().flat_map(Client::urls);
                egress.extend(of_client(design, &archive::ports_of(urls)));
            }
            _ if design.existing.is_some() => ingress.extend(from_the_vpc(design)),
            _ => {
                ingress.push(rule(443, group("clients"), "Kafka clients to AWS services"));
                ingress.extend(from_client(design));
            }
        }
        all.push((name.to_owned(), SecurityGroupRules { group: group(name), ingress, egress, ipv6: has_ipv6(design) }));
    }
    all
}

references!(NetworkRule { peer });
