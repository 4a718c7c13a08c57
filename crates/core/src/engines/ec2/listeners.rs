//! How clients reach brokers: the keys of `cluster.ec2.listeners`, and what each broker makes of them.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

use serde_json::{Value, json};

use crate::cloud_init::{CLIENT_PORT, Listener, MTLS_PORT, OAUTH_PORT, SCRAM_PORT, Tokens};
use crate::file::node::{Content, Node};
use crate::file::problem::Problem;
use crate::file::read::Read;
use crate::file::read::{Scalar, fields};
use crate::file::{ListenerName, Peer, Port};

/// What stands for a broker's number in a name.
const BROKER: &str = "{broker}";
/// The least port that a process without privileges listens on.
pub(super) const LEAST_PORT: u16 = 1024;

fields! {
    /// How clients reach brokers. With `plaintext` alone, brokers and controllers speak plaintext to each other too, and take whoever reaches
    /// them; else they speak TLS, and nothing is allowed that no ACL allows.
    pub struct Listeners {
        /// Clients with user names and passwords (SCRAM-SHA-512), over TLS, on port 9096. When absent: on, where there is none of `mtls`, `oauth` and `plaintext`, but in a live stack that speaks plaintext, which stays so, with a warning.
        scram: Option<bool>,
        /// Clients with certificates, on port 9094: `true` for those of an authority that kstack makes for the stack, or whose they are.
        mtls: Mtls = Mtls::Off,
        /// Clients with tokens of an OAuth 2.0 issuer (OAUTHBEARER), over TLS, on port 9097.
        oauth: Option<Oauth>,
        /// Clients in plaintext, on port 9092, where nobody is asked who it is. Beside the others such clients are the user ANONYMOUS. In a live stack that comes from plaintext no ACL counts while it is on.
        plaintext: Option<bool>,
        /// KMS key id, alias or ARN of the stack's account and region, symmetric, that encrypts the hosts' keys and certificates; kstack then makes none, for 1 USD a month. A live stack keeps its key.
        kms_key: Option<String>,
        /// Listeners for clients in other networks, who reach brokers by other names or ports: by name, of lower-case letters, digits and hyphens. A change rolls the brokers.
        others: BTreeMap<String, OtherListener> = BTreeMap::new(),
    }
}

/// Clients with certificates: none, those of the stack's own authority, or of the user's.
#[derive(Debug, Clone, PartialEq)]
pub enum Mtls {
    Off,
    Own,
    Of(ClientsMtls),
}

fields! {
    /// Which tokens of clients brokers take. Nothing is allowed to a client that no ACL allows to the user whom its token names.
    pub struct Oauth {
        /// Who issues them: the token's `iss`, to the letter.
        issuer: String,
        /// For whom they are: what the token's `aud` has.
        audience: String,
        /// The https URL of the issuer's public keys (JWKS). Brokers fetch them without a proxy, and trust the server as Java does by itself.
        jwks: String,
        /// The claim of a token that is the user's name in ACLs.
        claim: String = "sub".to_owned(),
    }
}

fields! {
    /// Whose certificates clients have.
    pub struct ClientsMtls {
        /// A file in PEM with the certificates of your own CAs that sign for clients, relative to this file. kstack then makes no authority for clients. A change rolls the brokers.
        clients_ca: ClientsCa,
    }
}

/// A file with the certificates of the CAs of clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientsCa {
    /// Its name, as the stack file has it.
    pub file: String,
    /// What is in it, which the core does not read: see [`Listeners::trust`].
    pub pem: String,
}

fields! {
    /// A listener for clients in another network. It speaks plaintext: let it be reached by a VPN, a peering or PrivateLink alone.
    pub struct OtherListener {
        /// The port that brokers listen on, from 1024. Kafka's own, 9091 to 9098, 11001 and 11002, are taken.
        port: Port,
        /// The name or address by which its clients reach a broker, with `{broker}` for the broker's number, such as `b-{broker}.kafka.partner.example.com`. The broker's private address when absent.
        advertise: Option<HostPattern>,
        /// The port by which they do: a port, or one to which the broker's number is added, such as `9192 + broker`. `port` when absent.
        advertise_port: Option<PortFormula>,
        /// Who may connect to it: address blocks, prefix lists (`pl-...`) and security groups (`sg-...`). `network.clients` may not.
        clients: Vec<Peer>,
    }
}

/// One of the ways by which clients reach every broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    pub listener: ListenerName,
    pub port: u16,
    /// What it is for, in a few words: of clients in the VPC, and of those outside.
    pub what: &'static str,
    pub outside: &'static str,
}

impl Way {
    /// The listener's key in the stack file; in capitals, Kafka's name of it.
    pub fn word(&self) -> &'static str {
        match self.listener {
            ListenerName::Tls => "mtls",
            other => other.word(),
        }
    }

    /// Kafka's name of the listener.
    pub fn kafka_name(&self) -> String {
        self.word().to_ascii_uppercase()
    }
}

const SCRAM: &str = "Kafka clients with SCRAM";
const MTLS: &str = "Kafka clients with certificates";
const OAUTH: &str = "Kafka clients with tokens";

impl Listeners {
    /// What a file has without `listeners`: it does not say by which of them clients come.
    pub const DEFAULT: Listeners = Listeners {
        scram: None,
        mtls: Mtls::Off,
        oauth: None,
        plaintext: None,
        kms_key: None,
        others: BTreeMap::new(),
    };

    /// Whether it is left to kstack by which listeners clients come: new stacks have that for users with passwords, and live ones what they have.
    pub fn unsaid(&self) -> bool {
        self.scram.is_none() && self.plaintext.is_none() && !self.others_with_tls()
    }

    /// The same, of a live stack in plaintext, which stays so. No file has that: it would have no listener for clients.
    #[must_use]
    pub fn kept_in_plaintext(self) -> Listeners {
        Listeners { scram: Some(false), kms_key: None, ..self }
    }

    /// Whether clients come by user names and passwords.
    pub fn scram(&self) -> bool {
        self.scram.unwrap_or(self.plaintext != Some(true) && !self.others_with_tls())
    }

    fn others_with_tls(&self) -> bool {
        self.mtls != Mtls::Off || self.oauth.is_some()
    }

    /// Whether hosts speak TLS: with each other, with kstack and with clients that prove who they are.
    pub fn secured(&self) -> bool {
        self.scram() || self.others_with_tls()
    }

    /// The user's own CAs of clients.
    pub fn clients_ca(&self) -> Option<&ClientsCa> {
        match &self.mtls {
            Mtls::Of(whose) => Some(&whose.clients_ca),
            Mtls::Off | Mtls::Own => None,
        }
    }

    /// Takes `pem` for what is in the file of the user's own CAs, where the stack file names one.
    pub fn trust(&mut self, pem: &str) {
        if let Mtls::Of(whose) = &mut self.mtls {
            pem.clone_into(&mut whose.clients_ca.pem);
        }
    }

    /// Whether clients may come in plaintext.
    pub fn in_plaintext(&self) -> bool {
        self.plaintext.unwrap_or(!self.secured())
    }

    /// The ways in that every broker has, the one for most clients first.
    pub fn ways(&self) -> Vec<Way> {
        self.ways_beside(self.in_plaintext())
    }

    /// The same, where `plaintext` says whether clients may come in it.
    pub fn ways_beside(&self, plaintext: bool) -> Vec<Way> {
        let all = [
            (self.scram(), ListenerName::Scram, SCRAM_PORT, SCRAM, SCRAM),
            (self.mtls != Mtls::Off, ListenerName::Tls, MTLS_PORT, MTLS, MTLS),
            (self.oauth.is_some(), ListenerName::Oauth, OAUTH_PORT, OAUTH, OAUTH),
            (plaintext, ListenerName::Plaintext, CLIENT_PORT, "Kafka clients", "Kafka clients outside"),
        ];
        let on = all.into_iter().filter(|(on, ..)| *on);
        on.map(|(_, listener, port, what, outside)| Way { listener, port, what, outside }).collect()
    }

    /// What the broker with this number listens on beside port 9092.
    pub fn of(&self, broker: u32, address: Ipv4Addr) -> Vec<Listener> {
        let listener = |(name, one): (&String, &OtherListener)| Listener {
            name: name.to_ascii_uppercase(),
            port: one.port.0,
            host: one.advertise.as_ref().map_or_else(|| address.to_string(), |pattern| pattern.of(broker)),
            // What is above the last port has been refused.
            advertised_port: one.advertised_port(broker).unwrap_or(one.port.0),
        };
        self.others.iter().map(listener).collect()
    }
}

impl Oauth {
    /// The same, as hosts are told of it.
    pub fn tokens(&self) -> Tokens {
        let Oauth { issuer, audience, jwks, claim } = self.clone();
        Tokens { issuer, audience, jwks, claim }
    }
}

impl OtherListener {
    /// The port by which clients reach this broker; `None` where there is no port with that number.
    pub(super) fn advertised_port(&self, broker: u32) -> Option<u16> {
        self.advertise_port.as_ref().map_or(Some(self.port.0), |formula| formula.of(broker))
    }
}

impl Read for Mtls {
    fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match node.content {
            Content::Map(_) => ClientsMtls::read(node, problems).map(Mtls::Of),
            _ => bool::read(node, problems).map(|on| if on { Mtls::Own } else { Mtls::Off }),
        }
    }
    fn schema() -> Value {
        json!({"oneOf": [<bool as Read>::schema(), ClientsMtls::schema()]})
    }
}

impl serde::Serialize for Mtls {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Mtls::Off => serializer.serialize_bool(false),
            Mtls::Own => serializer.serialize_bool(true),
            Mtls::Of(whose) => whose.serialize(serializer),
        }
    }
}

impl serde::Serialize for ClientsCa {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.file)
    }
}

impl Scalar for ClientsCa {
    const WHAT: &'static str = "the name of a file";
    fn parse(text: &str) -> Result<Self, String> {
        match text.trim() {
            "" => Err("name the file with the CA's certificate, such as `ca.pem`, relative to this file".to_owned()),
            _ => Ok(ClientsCa { file: text.to_owned(), pem: String::new() }),
        }
    }
    fn schema() -> Value {
        json!({"type": "string", "examples": ["ca.pem"]})
    }
}

/// A port, or one to which the broker's number is added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortFormula {
    base: u16,
    adds_broker: bool,
}

impl PortFormula {
    pub(super) fn of(&self, broker: u32) -> Option<u16> {
        let added = if self.adds_broker { broker } else { 0 };
        u16::try_from(u32::from(self.base).checked_add(added)?).ok()
    }
    /// Whether each broker has another port.
    pub(super) fn differs(&self) -> bool {
        self.adds_broker
    }
}

impl std::fmt::Display for PortFormula {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let broker = if self.adds_broker { " + broker" } else { "" };
        write!(out, "{}{broker}", self.base)
    }
}

impl serde::Serialize for PortFormula {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Scalar for PortFormula {
    const WHAT: &'static str = "a port";
    fn parse(text: &str) -> Result<Self, String> {
        let (base, added) = text.split_once('+').map_or((text, None), |(base, added)| (base, Some(added.trim())));
        match (base.trim().parse(), added) {
            (Ok(base), None | Some("broker")) if base > 0 => Ok(PortFormula { base, adds_broker: added.is_some() }),
            _ => Err(format!(
                "`{text}` is not a port: write one from 1 to 65535, or one with the broker's number, such as `9192 + broker`"
            )),
        }
    }
    fn schema() -> Value {
        json!({"type": ["integer", "string"], "minimum": 1, "maximum": 65535, "pattern": r"^\d+( *\+ *broker)?$", "examples": ["9192 + broker"]})
    }
}

/// The name of a host, or its address, in which `{broker}` stands for a broker's number.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct HostPattern(String);

impl HostPattern {
    pub(super) fn of(&self, broker: u32) -> String {
        self.0.replace(BROKER, &broker.to_string())
    }
    /// Whether each broker has another name.
    pub(super) fn differs(&self) -> bool {
        self.0.contains(BROKER)
    }
    /// What is neither a name nor an address that clients can use, for the first of `brokers` for which that is so.
    pub(super) fn wrong(&self, mut brokers: RangeInclusive<u32>) -> Option<String> {
        brokers.by_ref().map(|broker| self.of(broker)).find(|host| !is_host(host))
    }
}

impl Scalar for HostPattern {
    const WHAT: &'static str = "the name of a host";
    fn parse(text: &str) -> Result<Self, String> {
        let pattern = HostPattern(text.to_owned());
        match is_host(&pattern.of(1)) {
            true => Ok(pattern),
            false if text.replace(BROKER, "").contains(['{', '}', '$', '%']) => Err(format!(
                "`{text}` can't be advertised: `{BROKER}`, for the broker's number, is the only part that kstack puts in"
            )),
            false => Err(format!(
                "`{text}` is not the name or address of a host that clients can reach, such as `b-{BROKER}.kafka.example.com`; the port is `advertise_port`"
            )),
        }
    }
    fn schema() -> Value {
        json!({"type": "string", "examples": ["b-{broker}.kafka.partner.example.com"]})
    }
}

/// Whether `text` is a host's name (RFC 1123: labels of letters, digits and hyphens; not all digits at its end) or an IPv4 address that
/// other hosts can have.
fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        let plain = label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        plain && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    let number = |label: &str| label.chars().all(|c| c.is_ascii_digit());
    match text.rsplit('.').next() {
        Some(last) if number(last) => text.parse().is_ok_and(|address: Ipv4Addr| {
            let nowhere = address.is_unspecified() || address.is_loopback() || address.is_broadcast();
            !nowhere && !address.is_multicast() && !address.is_link_local()
        }),
        _ => text.len() <= 253 && text.split('.').all(label) && !text.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_that_others_can_have() {
        for text in
            ["b-1.kafka.example.com", "kafka", "10.60.0.1", "1.example.com", "xn--h1alffa9f.example", "KAFKA.Example"]
        {
            assert!(is_host(text), "{text}");
        }
        let long = ["a".repeat(64), vec!["a".repeat(60); 5].join(".")];
        let wrong =
            ["", ".", "a..b", "a.", "-a.b", "a-.b", "a_b", "a b", "a:9092", "1", "10.60.0", "10.60.0.256", "0.0.0.0"];
        let nowhere =
            ["127.0.0.1", "localhost", "224.0.0.1", "255.255.255.255", "[::1]", "ü.example", "a/b", "PLAINTEXT://a"];
        for text in wrong.into_iter().chain(nowhere).chain(long.iter().map(String::as_str)) {
            assert!(!is_host(text), "{text}");
        }
    }

    #[test]
    fn a_pattern_has_the_brokers_number_and_nothing_else() {
        let pattern = HostPattern::parse("b-{broker}.rack-{broker}.example.com").expect("a pattern");
        assert_eq!((pattern.of(12).as_str(), pattern.differs()), ("b-12.rack-12.example.com", true));
        for (text, part) in [
            ("broker-{{number}}.kafka.example.com", "`{broker}`, for the broker's number"),
            ("b-{id}.example.com", "`{broker}`, for the broker's number"),
            ("b-{broker}.example.com:9192", "the port is `advertise_port`"),
            ("b_{broker}.example.com", "is not the name or address"),
        ] {
            let error = HostPattern::parse(text).expect_err(text);
            assert!(error.starts_with(&format!("`{text}` ")) && error.contains(part), "{error}");
        }
        let addresses = HostPattern::parse("10.60.0.{broker}").expect("an address");
        assert_eq!((addresses.wrong(1..=255), addresses.wrong(1..=256)), (None, Some("10.60.0.256".to_owned())));
    }

    #[test]
    fn a_formula_is_a_port_or_one_and_the_brokers_number() {
        let of = |text: &str, broker| PortFormula::parse(text).ok().and_then(|formula| formula.of(broker));
        assert_eq!([of("9192", 3), of("9192 + broker", 3), of("9192+broker", 3)], [Some(9192), Some(9195), Some(9195)]);
        assert_eq!([of("65534 + broker", 1), of("65534 + broker", 2)], [Some(65535), None]);
        for text in ["", "0", "65536", "-1", "broker", "broker + 9192", "9192 + 1", "9192 + broker + 1", "9192 broker"]
        {
            assert!(PortFormula::parse(text).is_err(), "{text}");
        }
        assert_eq!(PortFormula::parse("9192+broker").expect("a formula").to_string(), "9192 + broker");
    }
}
