//! What MSK's broker types and serverless clusters can do.
//!
//! The table in `tables/msk_brokers.csv` is from MSK's pages on quotas, best practices and storage throughput of 2026.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::instance_types;

/// GiB that a standard broker's volume has at most. Source: MSK quotas, 2026.
pub const MOST_GIB: u64 = 16_384;
/// MiB/s of a standard broker's volume without provisioned throughput; the least that can be provisioned.
/// Source: MSK storage throughput, 2026.
pub const PLAIN_MIBS: f64 = 250.0;
/// GiB of a volume from which on throughput can be provisioned. Source: MSK storage throughput, 2026.
pub const PROVISIONED_FROM_GIB: u64 = 10;
/// What an Express broker sends, sustained, over what it takes in. Source: MSK Express quotas, 2026.
pub const EXPRESS_OUT: f64 = 2.0;
/// Copies of each partition in an Express cluster, and in-sync copies that a write waits for; neither can be chosen.
/// Source: MSK Express, read-only configurations, 2026.
pub const EXPRESS_COPIES: (u32, u32) = (3, 2);
/// Releases that Express brokers run, and the newest that standard brokers run, in 2026. AWS's list grows; a plan asks for it.
pub const EXPRESS_RELEASES: [(u32, u32); 4] = [(3, 6), (3, 8), (3, 9), (4, 2)];

/// Quotas of a serverless cluster. Source: MSK Serverless quota, 2026.
pub mod serverless {
    /// MiB/s from producers, and to consumers.
    pub const IN: f64 = 200.0;
    pub const OUT: f64 = 400.0;
    /// The same of one partition.
    pub const PARTITION_IN: f64 = 5.0;
    pub const PARTITION_OUT: f64 = 10.0;
    /// Partitions without their copies, of topics that are not compacted.
    pub const PARTITIONS: u32 = 2_400;
    /// Zones, at least and at most.
    pub const ZONES: (usize, usize) = (2, 5);
}

/// What one MSK broker type can do.
#[derive(Debug, Clone, PartialEq)]
pub struct Broker {
    /// MiB/s of the volume, standard brokers only; the most that can be provisioned.
    pub storage: f64,
    /// MiB/s of the network, standard brokers only.
    pub network: f64,
    /// Sustained MiB/s from producers, Express brokers only.
    pub ingress: f64,
    /// Partitions with their copies that are recommended at most.
    pub recommended: f64,
    /// Partitions with their copies above which MSK refuses updates.
    pub most: f64,
}

static BROKERS: LazyLock<BTreeMap<String, Broker>> = LazyLock::new(|| {
    let number = |text: &str| text.parse().unwrap_or(0.0);
    let mut brokers: BTreeMap<String, Broker> = include_str!("../tables/msk_brokers.csv")
        .lines()
        .skip(1)
        .filter_map(|line| {
            let [name, storage, network, ingress, recommended, most] =
                line.split(',').collect::<Vec<_>>().try_into().ok()?;
            let (storage, network, ingress) = (number(storage), number(network), number(ingress));
            let (recommended, most) = (number(recommended), number(most));
            Some((name.to_owned(), Broker { storage, network, ingress, recommended, most }))
        })
        .collect();
    // The table lacks the smallest type: EC2's baseline figures of it, and MSK's 300 partitions.
    if let Some(t3) = instance_types::embedded().get("t3.small") {
        let (storage, network) = (t3.ebs_mbs * 1e6 / 1_048_576.0, t3.network_gbps * 1e9 / 8.0 / 1_048_576.0);
        let t3 = Broker { storage, network, ingress: 0.0, recommended: 300.0, most: 300.0 };
        brokers.insert("kafka.t3.small".to_owned(), t3);
    }
    brokers
});

/// Every MSK broker type by name.
pub fn brokers() -> &'static BTreeMap<String, Broker> {
    &BROKERS
}

/// The most MiB/s that can be provisioned for each volume of a broker of this type; `None` when it can't: below 4xlarge, and for Express.
pub fn most_throughput(name: &str) -> Option<f64> {
    let times = name.rsplit('.').next()?.strip_suffix("xlarge")?.parse::<u32>().ok()?;
    let broker = brokers().get(name).filter(|_| times >= 4 && name.starts_with("kafka."))?;
    Some(broker.storage.floor())
}

/// Brokers that a cluster has at most without a raised quota. Source: MSK quotas, 2026.
pub fn most_brokers(kraft: bool) -> u32 {
    if kraft { 60 } else { 30 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_read() {
        let lines = include_str!("../tables/msk_brokers.csv").lines().count() - 1;
        assert_eq!(brokers().len(), lines + 1, "and kafka.t3.small");
        let large = &brokers()["kafka.m7g.large"];
        assert_eq!((large.storage, large.network, large.recommended, large.most), (78.75, 117.0, 1000.0, 1500.0));
        assert_eq!(brokers()["express.m7g.2xlarge"].ingress, 62.5);
    }

    #[test]
    fn throughput_is_provisioned_from_4xlarge_on() {
        assert_eq!(most_throughput("kafka.m5.4xlarge"), Some(593.0));
        assert_eq!(most_throughput("kafka.m7g.16xlarge"), Some(1000.0));
        for name in
            ["kafka.m5.xlarge", "kafka.m7g.2xlarge", "kafka.t3.small", "express.m7g.4xlarge", "kafka.m9.4xlarge"]
        {
            assert_eq!(most_throughput(name), None, "{name}");
        }
    }
}
