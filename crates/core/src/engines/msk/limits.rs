//! What MSK's broker types and serverless clusters can do, as AWS's pages had it in 2026.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::keys::MskVersion;
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
/// The versions that a new cluster of Express brokers can have, oldest first. AWS's list grows, and no call tells which kind of
/// broker a version is for. Source: MSK developer guide, "Amazon MSK Express brokers" (3.6, 3.8, 3.9, and KRaft from 3.9 on);
/// AWS's news of 2026-07-15 (4.2); AWS's answer for 3.9.x, "Express instance types are not supported for Kafka version 3.9.x"
/// (hashicorp/terraform-provider-aws#48309): only a cluster that was upgraded to it has it.
pub const EXPRESS_VERSIONS: [&str; 4] = ["3.6.0", "3.8.x", "3.9.x.kraft", "4.2.x.kraft"];
/// The newest release that standard brokers are known to have. Source: MSK developer guide, "Supported Apache Kafka versions";
/// AWS's news of 2026-07-15, which has 4.2 for Express brokers alone.
pub const NEWEST_STANDARD: (u32, u32) = (4, 1);
/// The one version from which a cluster is brought from ZooKeeper to KRaft. Source: MSK developer guide, "Migrate from ZooKeeper
/// to KRaft mode", 2026.
pub const LAST_WITH_ZOOKEEPER: &str = "3.9.x";
/// What it is brought to. Source: the same.
pub const FIRST_FROM_ZOOKEEPER: &str = "3.9.x.kraft";

/// The version to write instead of `version`, which no new cluster of Express brokers has; `None` where one has it, or where it
/// is newer than all that are known.
pub fn instead_on_express(version: &MskVersion) -> Option<&'static str> {
    let known = EXPRESS_VERSIONS.map(|one| (one, MskVersion(one.to_owned())));
    if EXPRESS_VERSIONS.contains(&version.0.as_str()) {
        return None;
    }
    let later = || known.iter().filter(|(_, one)| one.release() >= version.release());
    let same_mode = later().find(|(_, one)| one.is_kraft() == version.is_kraft());
    same_mode.or_else(|| later().next()).map(|(name, _)| *name)
}

/// The most zones of a cluster with brokers of its own. Source: the API's model, `BrokerNodeGroupInfo`, two or three subnets.
pub const MOST_ZONES: u32 = 3;

/// Whether the broker type `name` is an Express type.
pub fn is_express(name: &str) -> bool {
    name.starts_with("express.")
}

/// Whether clients of other VPCs can reach brokers of the type `name` by PrivateLink. Source: MSK, "Multi-VPC private
/// connectivity in a single Region", requirements and limitations, 2026.
pub fn has_vpc_connectivity(name: &str) -> bool {
    name != "kafka.t3.small"
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

/// The most throughput, in whole MiB/s, that can be provisioned for each volume of a broker of this type; `None` when it can't:
/// below kafka.m5.4xlarge and kafka.m7g.2xlarge, and for Express. Source: MSK developer guide, "Manage storage throughput for
/// Standard brokers", 2026.
pub fn most_throughput_mibs(name: &str) -> Option<f64> {
    let times = name.rsplit('.').next()?.strip_suffix("xlarge")?.parse::<u32>().ok()?;
    let least = if name.starts_with("kafka.m7g.") { 2 } else { 4 };
    let broker = brokers().get(name).filter(|_| times >= least && name.starts_with("kafka."))?;
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

    /// Every version that ListKafkaVersions had as active in September 2026.
    #[test]
    fn what_express_brokers_lack_has_a_version_instead() {
        for (version, instead) in [
            ("3.6.0", None),
            ("3.7.x", Some("3.8.x")),
            ("3.7.x.kraft", Some("3.9.x.kraft")),
            ("3.8.x", None),
            ("3.8.x.kraft", Some("3.9.x.kraft")),
            ("3.9.x", Some("3.9.x.kraft")),
            ("3.9.x.kraft", None),
            ("4.0.x.kraft", Some("4.2.x.kraft")),
            ("4.1.x.kraft", Some("4.2.x.kraft")),
            ("4.2.x.kraft", None),
            // Newer than what is known: AWS decides.
            ("5.0.x.kraft", None),
        ] {
            assert_eq!(instead_on_express(&MskVersion(version.to_owned())), instead, "{version}");
        }
    }

    #[test]
    fn throughput_is_provisioned_for_large_brokers() {
        assert_eq!(most_throughput_mibs("kafka.m5.4xlarge"), Some(593.0));
        assert_eq!(most_throughput_mibs("kafka.m7g.16xlarge"), Some(1000.0));
        assert_eq!(most_throughput_mibs("kafka.m7g.2xlarge"), Some(312.0));
        for name in
            ["kafka.m5.2xlarge", "kafka.m7g.xlarge", "kafka.t3.small", "express.m7g.4xlarge", "kafka.m9.4xlarge"]
        {
            assert_eq!(most_throughput_mibs(name), None, "{name}");
        }
    }
}
