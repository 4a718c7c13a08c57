//! The client host of a design, and by which listeners clients come in.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::{Provisioned, listeners};
use crate::cloud_init::{CLIENT_PORT, ClientHost};
use crate::engines::msk::client_properties::{AuthMethod, client_properties};
use crate::stack::Stack;

/// The client host: an instance that can be thrown away.
#[derive(Debug, Clone)]
pub struct ClientDesign {
    /// Its place among the chosen zones.
    pub zone: usize,
    /// Its private address, where EC2 must not choose one that a broker is to have.
    pub address: Option<Ipv4Addr>,
    pub instance_type: String,
    pub image: String,
    pub cloud: ClientHost,
    /// User data, in which placeholders stand for brokers of MSK.
    pub user_data: String,
    /// Names everything that it is configured with.
    pub config: String,
}

/// A listener that brokers have for the group of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientListener {
    pub method: AuthMethod,
    pub port: u16,
}

impl ClientListener {
    /// The properties of a client that comes in by this listener. A client host, `up`, `with` and `shell` have them from here.
    pub fn properties(&self, servers: &str) -> String {
        client_properties(self.method, servers)
    }
}

/// The listeners by which the clients of `stack` come in, the one that is best to begin with first; `cluster` is the provisioned MSK cluster,
/// where it has one.
pub fn client_listeners(stack: &Stack, cluster: Option<&Provisioned>) -> Vec<ClientListener> {
    let Some(msk) = &stack.cluster.msk else {
        // By the others a client needs what no plan knows: a password or a key, and the authority of the hosts.
        let plaintext = stack.cluster.ec2.as_ref().is_none_or(|ec2| ec2.listeners.in_plaintext());
        let listener = ClientListener { method: AuthMethod::Plaintext, port: CLIENT_PORT };
        return plaintext.then_some(listener).into_iter().collect();
    };
    let ports: BTreeMap<&str, u16> = listeners(cluster).iter().map(|one| (one.method, one.port)).collect();
    let of = |method: AuthMethod| {
        // Clients that prove nothing come by TLS's own.
        let listener = if method == AuthMethod::Unauthenticated { AuthMethod::Tls } else { method };
        Some(ClientListener { method, port: *ports.get(listener.word())? })
    };
    AuthMethod::of(msk).into_iter().filter_map(of).collect()
}
