//! How a broker is spoken to: by which way a connection gets there, in TLS or not, as whom, and Kafka's protocol on it. What is asked
//! is not known here.

pub mod acls;
mod brokers;
mod connection;
mod error;
pub mod features;
mod proxy;
pub mod quorum;
pub mod quotas;
mod sasl;
mod scram;
mod security;
mod session;
pub mod shape;
mod tls;
mod tunnel;
pub mod users;
mod way;

use std::fmt;
use std::net::SocketAddrV4;

pub use brokers::{Brokers, BrokersError, refused, text};
pub use connection::{Connection, check, decode};
pub use error::ConnectError;
pub use sasl::Sasl;
pub use security::{Identity, Roots, Security};
pub use tunnel::{Gate, PLUGIN};
pub use way::{Via, Way};

/// A broker as it names itself: an address or a name, and a port. A certificate is held against it, by whatever way it is reached.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Server {
    pub host: String,
    pub port: u16,
}

impl Server {
    /// Reads `HOST:PORT`.
    pub fn parse(text: &str) -> Option<Server> {
        let (host, port) = text.rsplit_once(':')?;
        Some(Server { host: host.to_owned(), port: port.parse().ok()? }).filter(|server| !server.host.is_empty())
    }
}

impl From<SocketAddrV4> for Server {
    fn from(address: SocketAddrV4) -> Server {
        Server { host: address.ip().to_string(), port: address.port() }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// What it takes to speak to the brokers of a cluster: as whom, and by which way. By default in plaintext, as nobody, directly.
#[derive(Debug, Default)]
pub struct Link {
    pub security: Security,
    pub way: Way,
}
