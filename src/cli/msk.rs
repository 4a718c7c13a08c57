//! `kstack status` of an MSK stack: its cluster, what AWS is doing with it, its brokers, and where clients reach them.

use serde::Serialize;

use super::ui;
use crate::aws::kinds::{MskBroker, MskStatus};
use kstack_core::kinds::Subnet;
use kstack_core::observed::Observed;

/// An MSK cluster, with the zones of its brokers.
#[derive(Debug, Serialize)]
pub struct Msk {
    #[serde(flatten)]
    cluster: MskStatus,
    /// The zone of each broker, in their order.
    zones: Vec<Option<String>>,
}

impl Msk {
    /// The cluster with the zones that are known of its subnets.
    pub fn of(cluster: MskStatus, observed: &Observed) -> Msk {
        Msk { zones: zones(&cluster, observed), cluster }
    }

    /// MSK's state of it.
    pub fn state(&self) -> &str {
        &self.cluster.state
    }

    /// The number of its brokers; none are known of a serverless cluster.
    pub fn brokers(&self) -> usize {
        self.cluster.brokers.len()
    }

    /// The servers of the first listener.
    pub fn bootstrap_servers(&self) -> Vec<String> {
        self.cluster.listeners.first().map(|one| one.bootstrap_servers.clone()).unwrap_or_default()
    }
}

/// The zone of each broker, by its subnet.
fn zones(cluster: &MskStatus, observed: &Observed) -> Vec<Option<String>> {
    let subnets = observed.of::<Subnet>();
    let zone = |id: &str| subnets.values().find(|(live, _)| live.id == id).map(|(_, subnet)| subnet.zone.clone());
    cluster.brokers.iter().map(|broker| zone(&broker.subnet)).collect()
}

/// The cluster, its brokers, and where clients reach them, for people.
pub fn text(msk: &Msk) -> String {
    let one = &msk.cluster;
    let version = one.kafka.as_deref().map_or_else(|| "serverless".to_owned(), |kafka| format!("Kafka {kafka}"));
    let mut out = format!("MSK cluster {}: {}, {version}\n", one.arn, one.state);
    if let Some(reason) = &one.reason {
        out.push_str(&format!("AWS says: {reason}\n"));
    }
    if let Some(operation) = &one.operation {
        let since = operation.since.as_deref().map(|since| format!(" since {since}")).unwrap_or_default();
        out.push_str(&format!("Under way: {}, {}{since}\n", operation.operation, operation.state));
    }
    if !one.brokers.is_empty() {
        let size = one.volume_gib.map_or_else(|| "-".to_owned(), |size| format!("{size} GiB"));
        let row = |(broker, zone): (&MskBroker, &Option<String>)| {
            let endpoint = cell(&broker.endpoint);
            vec![
                broker.id.to_string(),
                cell(zone),
                cell(&one.instance_type),
                cell(&broker.address),
                size.clone(),
                endpoint,
            ]
        };
        let rows: Vec<Vec<String>> = one.brokers.iter().zip(&msk.zones).map(row).collect();
        out.push_str(&format!("\n{}", ui::table(&["BROKER", "ZONE", "TYPE", "ADDRESS", "SIZE", "NAME"], &rows)));
    }
    for listener in &one.listeners {
        let side = if listener.public { ", public" } else { "" };
        let servers = listener.bootstrap_servers.join(",");
        out.push_str(&format!("\nBootstrap servers ({}{side}): {servers}\n", listener.method));
    }
    for listener in &one.from_vpcs {
        let servers = listener.bootstrap_servers.join(",");
        out.push_str(&format!("\nBootstrap servers ({}, from other VPCs): {servers}\n", listener.method));
    }
    for listener in &one.over_ipv6 {
        let servers = listener.bootstrap_servers.join(",");
        out.push_str(&format!("\nBootstrap servers ({}, over IPv6): {servers}\n", listener.method));
    }
    out
}

fn cell(value: &Option<String>) -> String {
    value.clone().unwrap_or_else(|| "-".to_owned())
}
