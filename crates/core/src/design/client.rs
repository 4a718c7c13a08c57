//! The client host of a design.

use std::net::Ipv4Addr;

use crate::cloud_init::ClientHost;

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
