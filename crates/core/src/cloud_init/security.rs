//! Hosts that speak TLS: which listeners they have, on which ports, and who is who on each.
//!
//! Brokers, controllers and kstack prove who they are by certificates of the hosts' authority, on `INTERNAL` and `QUORUM`. Clients come
//! by listeners of their own, where no certificate makes a super user.

use std::net::Ipv4Addr;

use serde::Serialize;

use super::phase::{CONTROLLER, QUORUM};
use super::{CLIENT_PORT, CONTROLLER_PORT, Host, HostRole, Phase};
use crate::certificates::{Authority, CLIENT_RULES, HOST_RULES, super_users};

/// Where brokers, and kstack, reach a broker.
pub const INTERNAL_PORT: u16 = 9091;
/// Where clients with certificates do.
pub const MTLS_PORT: u16 = 9094;
/// Where clients with tokens reach a broker.
pub const OAUTH_PORT: u16 = 9097;
/// Where every node reaches a controller.
pub const QUORUM_PORT: u16 = 9095;
/// Where clients with user names and passwords reach a broker.
pub const SCRAM_PORT: u16 = 9096;

/// What a host's security is made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Security {
    /// Clients with user names and passwords.
    pub scram: bool,
    /// Clients with certificates.
    pub mtls: bool,
    /// Clients with tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oauth: Option<Tokens>,
    /// Clients without anything: they are the user ANONYMOUS.
    pub plaintext: bool,
    /// How far the host is on its way from plaintext to TLS. One that is there has the fingerprint that it had before there was a way.
    #[serde(skip_serializing_if = "is_closed")]
    pub phase: Phase,
    /// The certificates of the user's own CAs that sign for clients, in PEM: brokers trust those alone where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clients_ca: Option<String>,
    /// The names in DNS by which clients may verify the host, beside its address: it rolls for others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// The region of the parameter that has the host's key and certificates.
    pub region: String,
    /// The URL of Systems Manager there, without a path.
    pub ssm: String,
}

fn is_closed(phase: &Phase) -> bool {
    *phase == Phase::Closed
}

/// Which tokens of clients brokers take (OAUTHBEARER, RFC 7628).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tokens {
    /// What a token's `iss` is.
    pub issuer: String,
    /// What its `aud` has.
    pub audience: String,
    /// The URL of the keys that sign (JWKS, RFC 7517).
    pub jwks: String,
    /// The claim that is the client's name.
    pub claim: String,
}

impl Tokens {
    /// The option of the Java machine without which Kafka fetches nothing from the URL (since 3.9.1).
    pub fn jvm_option(&self) -> String {
        format!("-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={}", self.jwks)
    }
}

/// What the templates see of it.
#[derive(Debug, Serialize)]
pub(super) struct SecurityView {
    /// `NAME://ADDRESS:PORT,..`: what the host listens on.
    listeners: String,
    /// The same, as it advertises it: clients are told the broker's name, where it has one.
    advertised: String,
    /// `NAME:PROTOCOL,..` of these, and of the controllers' that a broker connects to.
    protocols: String,
    host_rules: &'static str,
    client_rules: &'static str,
    super_users: String,
    /// The controllers' listeners, and by which brokers reach each other.
    controllers: String,
    between_brokers: &'static str,
    /// Whether everybody may do everything that no ACL forbids.
    open_to_all: bool,
    oauth: Option<Tokens>,
    /// What Java is started with for it.
    oauth_option: String,
    /// The user's own CAs of clients.
    clients_ca: Option<String>,
    /// The file with those that a broker trusts.
    clients_trust: &'static str,
    /// The name of the parameter.
    parameter: String,
}

/// Where a broker has the user's own CAs of clients.
pub const CLIENTS_CA: &str = "/etc/kafka/clients-ca.pem";

/// Where the parameters of all stacks are that have keys or certificates. It is not below `/kstack`, which every command lists for
/// leases and records.
pub const PAPERS: &str = "/kstack-papers";

/// The parameter that is kept of a user of `stack`: its password, where it has one.
pub fn user_parameter(stack: &str, user: &str) -> String {
    format!("{PAPERS}/{stack}/users/{user}")
}

/// The user of which `parameter` is kept.
pub fn user_of<'a>(stack: &str, parameter: &'a str) -> Option<&'a str> {
    parameter.strip_prefix(PAPERS)?.strip_prefix('/')?.strip_prefix(stack)?.strip_prefix("/users/")
}

/// The parameter that keeps which roles may have the policy of a user of `stack`.
pub fn role_parameter(stack: &str, user: &str) -> String {
    format!("{PAPERS}/{stack}/roles/{user}")
}

/// The user whose roles `parameter` keeps.
pub fn user_of_role<'a>(stack: &str, parameter: &'a str) -> Option<&'a str> {
    parameter.strip_prefix(PAPERS)?.strip_prefix('/')?.strip_prefix(stack)?.strip_prefix("/roles/")
}

/// The parameter with the papers of the host of `stack` at `address`: its key and certificate, and those of both authorities.
pub fn papers_parameter(stack: &str, address: Ipv4Addr) -> String {
    format!("{PAPERS}/{stack}/hosts/{address}/tls")
}

/// The address of the host of `stack` whose papers the parameter `name` has; `None` for another parameter.
pub fn papers_address(stack: &str, name: &str) -> Option<Ipv4Addr> {
    name.strip_prefix(&format!("{PAPERS}/{stack}/hosts/"))?.strip_suffix("/tls")?.parse().ok()
}

/// The parameter with the key and the certificate of the authority of `stack` with this number.
pub fn authority_parameter(stack: &str, authority: Authority, number: u32) -> String {
    format!("{PAPERS}/{stack}/authorities/{}", authority.name(number))
}

/// The authority of `stack`, and its number, that the parameter `name` has; `None` for another parameter.
pub fn authority_of(stack: &str, name: &str) -> Option<(Authority, u32)> {
    Authority::of(name.strip_prefix(&format!("{PAPERS}/{stack}/authorities/"))?)
}

/// The parameter with the papers of the client host of `stack` at `address`, which the policy of the hosts lets that host read.
pub fn client_parameter(stack: &str, address: Ipv4Addr) -> String {
    format!("{PAPERS}/{stack}/hosts/{address}/client")
}

/// The address of the client host of `stack` whose papers the parameter `name` has; `None` for another parameter.
pub fn client_address(stack: &str, name: &str) -> Option<Ipv4Addr> {
    name.strip_prefix(&format!("{PAPERS}/{stack}/hosts/"))?.strip_suffix("/client")?.parse().ok()
}

impl Security {
    /// The listeners that a host with this role has: name, port and protocol.
    fn listeners(&self, role: HostRole) -> Vec<(&'static str, u16, &'static str)> {
        let broker = role != HostRole::Controller;
        let all = [
            (broker, "INTERNAL", INTERNAL_PORT, "SSL"),
            (broker && self.mtls, "MTLS", MTLS_PORT, "SSL"),
            (broker && self.scram, "SCRAM", SCRAM_PORT, "SASL_SSL"),
            (broker && self.oauth.is_some(), "OAUTH", OAUTH_PORT, "SASL_SSL"),
            (broker && (self.plaintext || self.phase.plain()), "PLAINTEXT", CLIENT_PORT, "PLAINTEXT"),
            (role != HostRole::Broker, QUORUM, QUORUM_PORT, "SSL"),
            (role != HostRole::Broker && self.phase.plain(), CONTROLLER, CONTROLLER_PORT, "PLAINTEXT"),
        ];
        all.into_iter().filter(|(is, ..)| *is).map(|(_, name, port, protocol)| (name, port, protocol)).collect()
    }

    pub(super) fn view(&self, host: &Host) -> SecurityView {
        let all = self.listeners(host.role);
        let quorum = [(QUORUM, QUORUM_PORT, "SSL"), (CONTROLLER, CONTROLLER_PORT, "PLAINTEXT")];
        let elsewhere = |(one, ..): &&(&str, u16, &str)| {
            self.phase.controllers().contains(one) && all.iter().all(|(name, ..)| name != one)
        };
        let inside = |name: &str| ["INTERNAL", QUORUM, CONTROLLER].contains(&name);
        let told = |name: &str| match &host.advertised {
            Some(own) if !inside(name) => own.clone(),
            _ => host.address.to_string(),
        };
        // Clients come by each of the host's addresses; brokers, controllers and kstack by the private IPv4 one.
        let bound = |name: &str| match host.ipv6 && !inside(name) {
            true => String::new(),
            false => host.address.to_string(),
        };
        let join = |parts: Vec<String>| parts.join(",");
        SecurityView {
            listeners: join(all.iter().map(|(name, port, _)| format!("{name}://{}:{port}", bound(name))).collect()),
            advertised: join(all.iter().map(|(name, port, _)| format!("{name}://{}:{port}", told(name))).collect()),
            protocols: join(
                all.iter()
                    .chain(quorum.iter().filter(elsewhere))
                    .map(|(name, _, how)| format!("{name}:{how}"))
                    .collect(),
            ),
            host_rules: HOST_RULES,
            client_rules: CLIENT_RULES,
            super_users: match self.phase.plain() {
                true => format!("{};User:ANONYMOUS", super_users()),
                false => super_users(),
            },
            controllers: self.phase.controllers().join(","),
            between_brokers: if self.phase.uses_tls() { "INTERNAL" } else { "PLAINTEXT" },
            open_to_all: self.phase.plain(),
            oauth: self.oauth.clone(),
            oauth_option: self.oauth.as_ref().map(Tokens::jvm_option).unwrap_or_default(),
            clients_ca: self.clients_ca.clone(),
            clients_trust: if self.clients_ca.is_some() { CLIENTS_CA } else { "/etc/kafka/tls/clients-ca.pem" },
            parameter: papers_parameter(&host.stack, host.address),
        }
    }
}
