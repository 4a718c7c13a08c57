//! What MSK's broker types and serverless clusters can do, as AWS's pages had it in 2026.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::instance_types;
use crate::tables::Table;
use crate::units::Bounds;

/// The size of a standard broker's volume. Source: MSK quotas, 2026.
pub const VOLUME_GIB: Bounds<u64> = Bounds { least: 1, most: 16_384 };
/// MiB/s of a standard broker's volume without provisioned throughput; the least that can be provisioned.
/// Source: MSK storage throughput, 2026.
pub const UNPROVISIONED_MIBS: f64 = 250.0;
/// GiB of a volume from which on throughput can be provisioned. Source: MSK storage throughput, 2026.
pub const PROVISIONED_FROM_GIB: u64 = 10;
/// What an Express broker sends, sustained, over what it takes in. Source: MSK Express quotas, 2026.
pub const EXPRESS_OUT_PER_IN: f64 = 2.0;
/// Copies of each partition in an Express cluster. Can't be chosen. Source: MSK Express, read-only configurations, 2026.
pub const EXPRESS_COPIES: u32 = 3;
/// In-sync copies that a write to an Express cluster waits for. Can't be chosen. Source: the same.
pub const EXPRESS_MIN_INSYNC: u32 = 2;
/// Zones of an Express cluster.
pub const EXPRESS_ZONES: u32 = 3;
/// Releases that Express brokers run in 2026. AWS's list grows; a plan asks for it.
pub const EXPRESS_RELEASES: [(u32, u32); 4] = [(3, 6), (3, 8), (3, 9), (4, 2)];

/// Whether the broker type `name` is an Express type.
pub fn is_express(name: &str) -> bool {
    name.starts_with("express.")
}

/// Quotas of a serverless cluster. Source: MSK Serverless quota, 2026.
pub mod serverless {
    use crate::units::Bounds;

    /// From producers.
    pub const IN_MIBS: f64 = 200.0;
    /// To consumers.
    pub const OUT_MIBS: f64 = 400.0;
    /// From producers to one partition.
    pub const PARTITION_IN_MIBS: f64 = 5.0;
    /// From one partition to consumers.
    pub const PARTITION_OUT_MIBS: f64 = 10.0;
    /// Partitions without their copies, of topics that are not compacted.
    pub const PARTITIONS: u32 = 2_400;
    /// The zones of a cluster.
    pub const ZONES: Bounds<usize> = Bounds { least: 2, most: 5 };
}

/// What one MSK broker type can do.
#[derive(Debug, Clone, PartialEq)]
pub struct BrokerLimits {
    /// The most throughput of the volume that can be provisioned; standard brokers only.
    pub storage_mibs: f64,
    /// Of the network; standard brokers only.
    pub network_mibs: f64,
    /// Sustained, from producers; Express brokers only.
    pub ingress_mibs: f64,
    /// The most partitions with their copies that AWS recommends.
    pub recommended_replicas: f64,
    /// Partitions with their copies above which MSK refuses updates.
    pub most_replicas: f64,
}

/// Source: MSK's pages on quotas, best practices and storage throughput, 2026.
const MSK_BROKERS: Table = Table { file: "tables/msk_brokers.csv", text: include_str!("../../tables/msk_brokers.csv") };

static BROKERS: LazyLock<BTreeMap<String, BrokerLimits>> = LazyLock::new(|| {
    let mut brokers: BTreeMap<String, BrokerLimits> = MSK_BROKERS.rows(row).into_iter().collect();
    // The table lacks the smallest type: EC2's baseline figures of it, and MSK's 300 partitions.
    if let Some(t3) = instance_types::embedded().get("t3.small") {
        let t3 = BrokerLimits {
            storage_mibs: t3.ebs_mibs(),
            network_mibs: t3.network_mibs(),
            ingress_mibs: 0.0,
            recommended_replicas: 300.0,
            most_replicas: 300.0,
        };
        brokers.insert("kafka.t3.small".to_owned(), t3);
    }
    brokers
});

fn row(cells: [&'static str; 6]) -> Option<(String, BrokerLimits)> {
    let [name, storage, network, ingress, recommended, most] = cells;
    // A kind of broker has no figure for what it is not limited by.
    let figure = |text: &str| if text.is_empty() { Some(0.0) } else { text.parse().ok() };
    let limits = BrokerLimits {
        storage_mibs: figure(storage)?,
        network_mibs: figure(network)?,
        ingress_mibs: figure(ingress)?,
        recommended_replicas: recommended.parse().ok()?,
        most_replicas: most.parse().ok()?,
    };
    Some((name.to_owned(), limits))
}

/// Every MSK broker type by name.
pub fn brokers() -> &'static BTreeMap<String, BrokerLimits> {
    &BROKERS
}

/// The most throughput that can be provisioned for each volume of a broker of this type; `None` when it can't: below
/// 4xlarge, and for Express.
pub fn most_throughput_mibs(name: &str) -> Option<f64> {
    let times = name.rsplit('.').next()?.strip_suffix("xlarge")?.parse::<u32>().ok()?;
    let broker = brokers().get(name).filter(|_| times >= 4 && name.starts_with("kafka."))?;
    Some(broker.storage_mibs.floor())
}

/// The most brokers of a cluster without a raised quota. Source: MSK quotas, 2026.
pub fn most_brokers(kraft: bool) -> u32 {
    if kraft { 60 } else { 30 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_read() {
        assert_eq!(MSK_BROKERS.bad_row(row), None);
        assert_eq!(brokers().len(), MSK_BROKERS.rows(row).len() + 1, "and kafka.t3.small");
        let large = &brokers()["kafka.m7g.large"];
        assert_eq!((large.storage_mibs, large.network_mibs), (78.75, 117.0));
        assert_eq!((large.recommended_replicas, large.most_replicas), (1000.0, 1500.0));
        assert_eq!(brokers()["express.m7g.2xlarge"].ingress_mibs, 62.5);
    }

    #[test]
    fn throughput_is_provisioned_from_4xlarge_on() {
        assert_eq!(most_throughput_mibs("kafka.m5.4xlarge"), Some(593.0));
        assert_eq!(most_throughput_mibs("kafka.m7g.16xlarge"), Some(1000.0));
        for name in
            ["kafka.m5.xlarge", "kafka.m7g.2xlarge", "kafka.t3.small", "express.m7g.4xlarge", "kafka.m9.4xlarge"]
        {
            assert_eq!(most_throughput_mibs(name), None, "{name}");
        }
    }
}
