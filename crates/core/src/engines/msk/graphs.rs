//! What a dashboard shows of an MSK cluster, by the kind of its brokers and the level of their metrics. Sources as in `alarms`.

use super::alarms::Brokers;
use super::keys::{MonitoringLevel, Msk};
use crate::engines::alarms::Watched;
use crate::engines::graphs::Graph;

/// What is shown of `msk`; nothing of a serverless cluster.
pub fn graphs(msk: &Msk) -> impl Iterator<Item = &'static Graph> {
    let (brokers, default) = (msk.brokers.is_some(), msk.monitoring.level == MonitoringLevel::Default);
    let express = msk.express();
    let shown = ALL.iter().filter(move |(of, level, _)| brokers && of.has(express) && !(default && *level));
    shown.map(|(.., graph)| graph)
}

const fn graph(title: &'static str, of: Watched, metric: &'static str, statistic: &'static str) -> Graph {
    Graph { title, of, metric, statistic, seconds: 60 }
}

/// Each with whether it takes the level `per-broker`.
const ALL: [(Brokers, bool, Graph); 13] = [
    (Brokers::Both, false, graph("Active controllers", Watched::Cluster, "AWS/Kafka ActiveControllerCount", "Maximum")),
    (Brokers::Standard, false, graph("Partitions without a leader", Watched::Cluster, OFFLINE, "Maximum")),
    (
        Brokers::Both,
        false,
        graph("Processors busy, %", Watched::Host, "AWS/Kafka CpuUser + AWS/Kafka CpuSystem", "Average"),
    ),
    (Brokers::Both, false, graph("Received, bytes a second", Watched::Host, "AWS/Kafka BytesInPerSec", "Average")),
    (Brokers::Both, false, graph("Sent, bytes a second", Watched::Host, "AWS/Kafka BytesOutPerSec", "Average")),
    (Brokers::Both, false, graph("Connections", Watched::Host, "AWS/Kafka ConnectionCount", "Average")),
    (Brokers::Standard, false, graph("Disks used, %", Watched::Host, "AWS/Kafka KafkaDataLogsDiskUsed", "Maximum")),
    (
        Brokers::Standard,
        false,
        graph("Replicas out of sync", Watched::Host, "AWS/Kafka UnderReplicatedPartitions", "Maximum"),
    ),
    (Brokers::Standard, false, graph("Partitions that refuse writes", Watched::Host, MIN_ISR, "Maximum")),
    (
        Brokers::Standard,
        false,
        graph("Heap left after collection, %", Watched::Host, "AWS/Kafka HeapMemoryAfterGC", "Maximum"),
    ),
    (
        Brokers::Both,
        true,
        graph("Request handlers idle", Watched::Host, "AWS/Kafka RequestHandlerAvgIdlePercent", "Average"),
    ),
    (
        Brokers::Express,
        true,
        graph("Producers held back, ms", Watched::Host, "AWS/Kafka ProduceThrottleTime", "Average"),
    ),
    (Brokers::Express, true, graph("Consumers held back, ms", Watched::Host, "AWS/Kafka FetchThrottleTime", "Average")),
];

const OFFLINE: &str = "AWS/Kafka OfflinePartitionsCount";
const MIN_ISR: &str = "AWS/Kafka UnderMinIsrPartitionCount";
