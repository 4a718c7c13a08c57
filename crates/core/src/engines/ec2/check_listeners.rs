//! Rules of `cluster.ec2.listeners`.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::check::MOST_BROKERS;
use super::generation;
use super::listeners::{HostPattern, LEAST_PORT, Listeners, OtherListener, PortFormula};
use crate::cloud_init::{INTERNAL_PORT, PAPERS};
use crate::engines::rules::check_key;
use crate::file::node::{Content, Key, Node};
use crate::file::read::Read;
use crate::file::{Checker, Nat, Network, Port};
use crate::network::EVERYWHERE;
use crate::text::{many, quoted_list};

pub(super) const OTHERS: &str = "cluster.ec2.listeners.others";

/// The ports that Kafka's own listeners and metrics have, here and on MSK: they stay the same ones when a cluster is secured.
fn is_kafkas(port: u16) -> bool {
    matches!(port, 9091..=9098 | 11001 | 11002)
}

/// Names that are Kafka's or kstack's own: of listeners, protocols and methods.
const RESERVED: [&str; 15] = [
    "controller",
    "iam",
    "internal",
    "jmx",
    "mtls",
    "node",
    "oauth",
    "plaintext",
    "quorum",
    "replication",
    "sasl-plaintext",
    "sasl-ssl",
    "scram",
    "ssl",
    "tls",
];

/// From here to 60999, Linux gives ports to outgoing connections (`net.ipv4.ip_local_port_range`).
const FIRST_OUTGOING: u16 = 32768;
const LAST_OUTGOING: u16 = 60999;

const LISTENERS: &str = "cluster.ec2.listeners";
const SCRAM: &str = "cluster.ec2.listeners.scram";
const PLAINTEXT: &str = "cluster.ec2.listeners.plaintext";

/// The file's listeners; the default ones where it has none that read.
pub(crate) fn listeners(checker: &Checker<'_>) -> Listeners {
    checker.part::<Option<Listeners>>(LISTENERS).flatten().unwrap_or(Listeners::DEFAULT)
}

/// `help` on what is wrong with a stack that speaks TLS: with the other way out, where it does so only because its file does not say.
pub(crate) fn or_plaintext(listeners: &Listeners, help: &str) -> String {
    match listeners.unsaid() {
        true => format!(
            "{help}; or write `listeners: {{plaintext: true}}` below `cluster.ec2`, for a stack that speaks plaintext"
        ),
        false => help.to_owned(),
    }
}

/// Checks the ways in for all clients; then each further listener by itself, and beside the others.
pub(super) fn check(checker: &mut Checker<'_>) {
    let listeners = listeners(checker);
    check_plaintext(&listeners, checker);
    if listeners.secured() && checker.is_mapping("cluster.ec2") {
        check_papers(&listeners, checker);
    }
    check_papers_key(&listeners, checker);
    super::check_oauth::check(&listeners, checker);
    let count = checker.part::<u32>(super::check::BROKERS).unwrap_or(1).clamp(1, MOST_BROKERS);
    let generation = checker.part::<Option<u32>>("cluster.ec2.brokers.generation").flatten().unwrap_or_default();
    let brokers = generation::ids(generation.min(generation::LAST), count);
    let all: Vec<One<'_>> = checker.entries(OTHERS).iter().map(|(key, node)| One { key, node }).collect();
    if let Some(first) = all.first() {
        let names: Vec<&str> = all.iter().map(|one| one.key.name.as_str()).collect();
        let (listeners, speak) = if all.len() == 1 { ("listener", "speaks") } else { ("listeners", "speak") };
        let names = quoted_list(&names);
        let message = format!(
            "the {listeners} {names} {speak} plaintext: whoever is on the way can read and change what clients send"
        );
        checker.warning_at(first.key.at, message, "let them come through a VPN, a peering or PrivateLink alone");
    }
    let mut ports: BTreeMap<u16, &str> = BTreeMap::new();
    for one in &all {
        one.check_name(checker);
        one.check_port(&mut ports, checker);
        one.check_advertised(&brokers, checker);
        one.check_clients(checker);
    }
    check_apart(&all, &brokers, &listeners, checker);
}

fn check_plaintext(listeners: &Listeners, checker: &mut Checker<'_>) {
    match (listeners.plaintext, listeners.secured()) {
        (None | Some(false), false) => {
            let help = "remove it, for clients with user names and passwords; or set `mtls: true`, for clients with certificates, or `plaintext: true`";
            checker.error(SCRAM, "without `scram` there is no listener for clients", help);
        }
        (Some(true), secured) => {
            let message =
                "clients on port 9092 prove nothing, and whoever is on the way can read and change what they send";
            let help = match secured {
                true => "remove it once they come by the other listeners",
                false => "have them come by `scram` or `mtls`",
            };
            checker.warning(PLAINTEXT, message, help);
        }
        _ => {}
    }
}

/// Whether hosts reach Systems Manager; in a network of others they may.
pub fn reaches_ssm(net: &Network) -> bool {
    reaches(net, "ssm")
}

/// The same of the service of AWS with this endpoint.
pub(crate) fn reaches(net: &Network, service: &str) -> bool {
    has_way_out(net) || net.endpoints.iter().any(|one| one.to_string() == service)
}

/// Whether hosts may reach what is not in the VPC: of a network of others that is not known.
pub(super) fn has_way_out(net: &Network) -> bool {
    let routed = net.existing.is_some() || net.routes.iter().any(|route| route.to.to_string() == EVERYWHERE);
    routed || net.nat != Nat::None
}

/// Hosts that speak TLS fetch their keys and certificates from Systems Manager, with their own role.
fn check_papers(listeners: &Listeners, checker: &mut Checker<'_>) {
    let Some(net) = checker.part::<Network>("network") else { return };
    if !reaches_ssm(&net) {
        let hosts = if listeners.unsaid() { "hosts of a new stack speak TLS, and" } else { "hosts that speak TLS" };
        checker.error(
            checker.written(&["network.endpoints", "network.nat", "network"]),
            format!("{hosts} fetch their certificates from Systems Manager, which they can't reach with `nat: none`"),
            or_plaintext(listeners, "add the endpoint `ssm`, or NAT gateways"),
        );
    }
    let profile = "cluster.ec2.iam.instance_profile";
    if checker.given(profile).is_some() {
        let message = format!(
            "hosts read their certificates with this profile's role, which must allow it: `ssm:GetParameter` below `{PAPERS}`, and `kms:Decrypt`"
        );
        checker.warning(
            profile,
            message,
            "leave the profile out, and kstack makes a role by which each host reads its own alone",
        );
    }
}

/// The key is one that the hosts' role is allowed, and Systems Manager uses. What only KMS knows of it is asked for in a plan.
fn check_papers_key(listeners: &Listeners, checker: &mut Checker<'_>) {
    const KEY: &str = "cluster.ec2.listeners.kms_key";
    let Some(key) = &listeners.kms_key else { return };
    check_key(KEY, key, "Systems Manager", checker);
    if key.contains("alias/aws/") {
        let message = format!("`{key}` is a key of AWS's own: every host of the account may decrypt with it");
        checker.error(KEY, message, "name one of your own; or leave it out, and kstack makes one");
    }
    if !listeners.secured() {
        let help =
            "remove it, or set `scram: true` or `mtls: true`; the key of the volumes is `kms_key` of `cluster.ec2`";
        checker.error(KEY, "hosts in plaintext have no keys and certificates to encrypt", help);
    }
}

/// A listener as it is written.
struct One<'a> {
    key: &'a Key,
    node: &'a Node,
}

impl<'a> One<'a> {
    /// A key's value, where it reads: what does not has been noted.
    fn read<T: Read>(&self, key: &str) -> Option<T> {
        self.node.get(key).and_then(|node| T::read(node, &mut Vec::new()))
    }

    fn check_name(&self, checker: &mut Checker<'_>) {
        let name = self.key.name.as_str();
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let begins = name.starts_with(|c: char| c.is_ascii_lowercase()) && !name.ends_with('-');
        if !begins || name.len() > 30 || !name.chars().all(plain) {
            let message = format!("`{}` can't be the name of a listener", name.escape_debug());
            let help =
                "use 1 to 30 lower-case letters, digits and hyphens, begin with a letter and do not end with a hyphen";
            checker.error_at(self.key.at, message, help);
        } else if RESERVED.contains(&name) {
            let message =
                format!("`{name}` is a name of Kafka's or kstack's own, and can't be that of another listener");
            checker.error_at(self.key.at, message, "name it after the network or the people that it is for");
        }
    }

    fn check_port(&self, ports: &mut BTreeMap<u16, &'a str>, checker: &mut Checker<'_>) {
        let (Some(node), Some(Port(port))) = (self.node.get("port"), self.read("port")) else { return };
        if is_kafkas(port) {
            let message = format!("port {port} is kept for Kafka's own listeners and metrics");
            return checker.error_at(node.at, message, "use another than 9091 to 9098, 11001 and 11002, such as 9192");
        }
        if port < LEAST_PORT {
            let message = format!("Kafka can't listen on port {port}: it runs without privileges");
            return checker.error_at(
                node.at,
                message,
                format!("use {LEAST_PORT} or above; what clients see may be another: `advertise_port`"),
            );
        }
        if let Some(other) = ports.insert(port, &self.key.name) {
            let message = format!("port {port} is the listener `{other}`'s already");
            return checker.error_at(node.at, message, "give each listener a port of its own");
        }
        if (FIRST_OUTGOING..=LAST_OUTGOING).contains(&port) {
            let message = format!("port {port} may be taken by a connection that goes out when Kafka starts");
            let help = format!(
                "use a port below {FIRST_OUTGOING}: Linux gives those from it to {LAST_OUTGOING} to outgoing connections"
            );
            checker.warning_at(node.at, message, help);
        }
    }

    /// What each broker advertises is a host and a port.
    fn check_advertised(&self, brokers: &RangeInclusive<u32>, checker: &mut Checker<'_>) {
        let count = brokers.end() - brokers.start() + 1;
        let (pattern, formula) = (self.read::<HostPattern>("advertise"), self.read::<PortFormula>("advertise_port"));
        if let (Some(node), Some(wrong)) =
            (self.node.get("advertise"), pattern.as_ref().and_then(|one| one.wrong(brokers.clone())))
        {
            let message = format!("with {}, one would be `{wrong}`, which is no host", many(count, "broker"));
            checker.error_at(node.at, message, "put `{broker}` into a name, or leave room for every number");
        }
        if let (Some(node), Some(formula)) = (self.node.get("advertise_port"), &formula)
            && formula.of(*brokers.end()).is_none()
        {
            let message = format!("`{formula}` is above 65535 for broker {}", brokers.end());
            checker.error_at(node.at, message, "use a smaller port");
        }
        // What does not read may have the number in it.
        let whole = pattern.is_some() && (formula.is_some() || self.node.get("advertise_port").is_none());
        let same = |pattern: &HostPattern| !pattern.differs() && !formula.as_ref().is_some_and(PortFormula::differs);
        if let (Some(node), Some(pattern)) = (self.node.get("advertise").filter(|_| whole && count > 1), &pattern)
            && same(pattern)
        {
            let message = format!(
                "all {} would advertise the same name and port, so clients could not tell them apart",
                many(count, "broker")
            );
            let help = "put `{broker}` into the name, such as `b-{broker}.kafka.example.com`; or add it to the port: `advertise_port: 9192 + broker`";
            checker.error_at(node.at, message, help);
        }
    }

    fn check_clients(&self, checker: &mut Checker<'_>) {
        let own = checker.part::<Network>("network").is_some_and(|net| !net.security_groups.is_empty());
        let Some(node) = self.node.get("clients").filter(|_| !own) else { return };
        if matches!(&node.content, Content::List(items) if items.is_empty()) {
            let message = format!("nobody can connect to the listener `{}`", self.key.name);
            let help = "list the address blocks, prefix lists or security groups of its clients, or of the load balancer in front";
            checker.warning_at(node.at, message, help);
        }
    }
}

/// No two listeners advertise the same host and port: a client would come to whichever answers there.
fn check_apart(all: &[One<'_>], brokers: &RangeInclusive<u32>, listeners: &Listeners, checker: &mut Checker<'_>) {
    // A broker's own address has no name yet.
    let own = |broker: u32| format!("broker {broker}");
    let ways = listeners.ways().into_iter().map(|way| (way.port, way.word()));
    let ways: Vec<_> = ways.chain(listeners.secured().then_some((INTERNAL_PORT, "internal"))).collect();
    let of = |broker: u32| ways.iter().map(move |(port, word)| ((own(broker), *port), *word));
    let mut seen: BTreeMap<(String, u16), &str> = brokers.clone().flat_map(of).collect();
    for one in all {
        let listener = OtherListener::read(one.node, &mut Vec::new()).filter(|one| !is_kafkas(one.port.0));
        let Some(listener) = listener else { continue };
        let at = |broker: u32| {
            let host = listener.advertise.as_ref().map_or_else(|| own(broker), |pattern| pattern.of(broker));
            Some((host.to_ascii_lowercase(), listener.advertised_port(broker)?))
        };
        let mine: Vec<(String, u16)> = brokers.clone().filter_map(at).collect();
        if let Some((place, other)) = mine.iter().find_map(|place| Some((place, seen.get(place)?))) {
            let (host, port) = place;
            let place = match listener.advertise {
                Some(_) => format!("`{host}:{port}`"),
                None => format!("port {port} of {host}'s own address"),
            };
            let message = format!("`{}` and `{other}` would both advertise {place}", one.key.name);
            checker.error_at(one.key.at, message, "give each listener names or ports of its own");
        }
        seen.extend(mine.into_iter().map(|place| (place, one.key.name.as_str())));
    }
}
