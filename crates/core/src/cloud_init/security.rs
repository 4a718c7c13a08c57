//! Hosts that speak TLS: which listeners they have, on which ports, and who is who on each.
//!
//! Brokers, controllers and kstack prove who they are by certificates of the hosts' authority, on `INTERNAL` and `QUORUM`. Clients come
//! by listeners of their own, where no certificate makes a super user.

use std::net::Ipv4Addr;

use serde::Serialize;

use super::{CLIENT_PORT, Host, HostRole};
use crate::certificates::{Authority, CLIENT_RULES, HOST_RULES, super_users};

/// Where brokers, and kstack, reach a broker.
pub const INTERNAL_PORT: u16 = 9091;
/// Where clients with certificates do.
pub const MTLS_PORT: u16 = 9094;
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
    /// Clients without anything: they are the user ANONYMOUS.
    pub plaintext: bool,
    /// The names in DNS by which clients may verify the host, beside its address: it rolls for others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// The region of the parameter that has the host's key and certificates.
    pub region: String,
    /// The URL of Systems Manager there, without a path.
    pub ssm: String,
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
    /// The name of the parameter.
    parameter: String,
}

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

/// The parameter with the papers of the host of `stack` at `address`: its key and certificate, and those of both authorities.
pub fn papers_parameter(stack: &str, address: Ipv4Addr) -> String {
    format!("{PAPERS}/{stack}/hosts/{address}/tls")
}

/// The address of the host of `stack` whose papers the parameter `name` has; `None` for another parameter.
pub fn papers_address(stack: &str, name: &str) -> Option<Ipv4Addr> {
    name.strip_prefix(&format!("{PAPERS}/{stack}/hosts/"))?.strip_suffix("/tls")?.parse().ok()
}

/// The parameter with the key and the certificate of an authority of `stack`.
pub fn authority_parameter(stack: &str, authority: Authority) -> String {
    format!("{PAPERS}/{stack}/authorities/{}", authority.word())
}

impl Security {
    /// The listeners that a host with this role has: name, port and protocol.
    fn listeners(&self, role: HostRole) -> Vec<(&'static str, u16, &'static str)> {
        let broker = role != HostRole::Controller;
        let all = [
            (broker, "INTERNAL", INTERNAL_PORT, "SSL"),
            (broker && self.mtls, "MTLS", MTLS_PORT, "SSL"),
            (broker && self.scram, "SCRAM", SCRAM_PORT, "SASL_SSL"),
            (broker && self.plaintext, "PLAINTEXT", CLIENT_PORT, "PLAINTEXT"),
            (role != HostRole::Broker, "QUORUM", QUORUM_PORT, "SSL"),
        ];
        all.into_iter().filter(|(is, ..)| *is).map(|(_, name, port, protocol)| (name, port, protocol)).collect()
    }

    pub(super) fn view(&self, host: &Host) -> SecurityView {
        let all = self.listeners(host.role);
        let quorum = all.iter().all(|(name, ..)| *name != "QUORUM").then_some(("QUORUM", QUORUM_PORT, "SSL"));
        let told = |name: &str| match &host.advertised {
            Some(own) if !["INTERNAL", "QUORUM"].contains(&name) => own.clone(),
            _ => host.address.to_string(),
        };
        // Clients come by each of the host's addresses; brokers, controllers and kstack by the private IPv4 one.
        let bound = |name: &str| match host.ipv6 && !["INTERNAL", "QUORUM"].contains(&name) {
            true => String::new(),
            false => host.address.to_string(),
        };
        let join = |parts: Vec<String>| parts.join(",");
        SecurityView {
            listeners: join(all.iter().map(|(name, port, _)| format!("{name}://{}:{port}", bound(name))).collect()),
            advertised: join(all.iter().map(|(name, port, _)| format!("{name}://{}:{port}", told(name))).collect()),
            protocols: join(all.iter().chain(&quorum).map(|(name, _, how)| format!("{name}:{how}")).collect()),
            host_rules: HOST_RULES,
            client_rules: CLIENT_RULES,
            super_users: super_users(),
            parameter: papers_parameter(&host.stack, host.address),
        }
    }
}
