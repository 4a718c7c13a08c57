//! Brokers as the cluster knows them. Each registers by itself when its host starts; one that the file no longer has is taken away: its
//! replicas are on the others then, its host is stopped, and it is looked at again before the cluster forgets it. One of MSK's is only looked at,
//! before MSK takes it away.

use super::prelude::*;
use crate::design::{node_id, volume_name};
use crate::stack::Stack;

/// The most data volumes that a host has.
const VOLUMES: u32 = 11;

spec! {
    pub struct Broker {
        /// Its node id.
        pub id: u32 => Rule::creation_only(),
    }
}

/// Whether `host` is a broker on EC2 that `stack` no longer has: of a higher number, or of another generation.
pub fn leaves(stack: &Stack, host: &str) -> bool {
    let id = node_id(host).filter(|_| host.starts_with("broker-"));
    id.zip(stack.cluster.ec2.as_ref()).is_some_and(|(id, ec2)| !ec2.has_broker(id))
}

impl Kind for Broker {
    const NAME: &'static str = "broker";
    const TAGGED: bool = false;

    /// None: brokers register by themselves.
    fn desired(_: &Design) -> Vec<(String, Self)> {
        Vec::new()
    }

    /// What the broker is on goes after it.
    fn after(&self, name: &str) -> Vec<Address> {
        let host = [super::Instance::NAME, super::NetworkInterface::NAME].map(|kind| Address::new(kind, name));
        let volumes = (1..=VOLUMES).map(|number| Address::new(super::Volume::NAME, &volume_name(name, number)));
        host.into_iter().chain(volumes).collect()
    }

    fn price(&self, _: &mut Costs<'_>) {}
}
