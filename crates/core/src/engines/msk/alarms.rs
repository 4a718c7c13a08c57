//! What is watched of an MSK cluster and its brokers, by their kind and the level of their metrics.
//!
//! Source: MSK developer guide, "Amazon MSK metrics for monitoring Standard brokers" and "... Express brokers", for the metrics, their
//! levels and dimensions; "Best practices for Standard brokers" and AWS's sample of recommended alarms for MSK, for the thresholds; 2026.
//! Express brokers tell nothing of replicas, disks and heap, which are AWS's there. Serverless clusters have no metrics of health.

use super::keys::{MonitoringLevel, Msk};
use crate::engines::alarms::{AS_BREACHING, AS_UNKNOWN, AS_WELL, Watch, Watched};

/// Which brokers have a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Brokers {
    Standard,
    Express,
    Both,
}

impl Brokers {
    /// Whether Express brokers, or standard ones, have it.
    pub(super) fn has(self, express: bool) -> bool {
        self == Brokers::Both || (self == Brokers::Express) == express
    }
}

/// What is watched of `msk`.
pub fn watches(msk: &Msk) -> impl Iterator<Item = &'static Watch> {
    let (brokers, default) = (msk.brokers.is_some(), msk.monitoring.level == MonitoringLevel::Default);
    of_kind(msk).filter(move |(of_broker, _)| brokers && !(default && *of_broker)).map(|(_, watch)| watch)
}

/// The names of the metrics that would be watched if the level of `msk` had them.
pub(crate) fn missing(msk: &Msk) -> Vec<&'static str> {
    let default = msk.monitoring.level == MonitoringLevel::Default;
    let all = of_kind(msk).filter(|(of_broker, _)| default && *of_broker && msk.brokers.is_some());
    all.map(|(_, watch)| watch.metric.trim_start_matches("AWS/Kafka ")).collect()
}

/// How many metrics are watched in the whole cluster.
pub(crate) fn metrics(msk: &Msk) -> usize {
    let brokers = msk.brokers.as_ref().map_or(0, |brokers| brokers.count as usize);
    let each = |watch: &Watch| if watch.of == Watched::Cluster { 1 } else { brokers };
    watches(msk).map(|watch| watch.metrics() * each(watch)).sum()
}

/// What is watched of brokers of this kind, each with whether that takes the level `per-broker`.
fn of_kind(msk: &Msk) -> impl Iterator<Item = (bool, &'static Watch)> {
    let express = msk.express();
    ALL.iter().filter(move |(of, ..)| of.has(express)).map(|(_, level, watch)| (*level, watch))
}

const ALL: [(Brokers, bool, Watch); 10] = [
    (
        Brokers::Both,
        false,
        Watch {
            name: "controller",
            of: Watched::Cluster,
            metric: "AWS/Kafka ActiveControllerCount",
            condition: "Maximum < 1",
            periods: "5 of 5 x 60 s",
            missing: AS_BREACHING,
            says: "No controller has been active for 5 minutes: no leader is elected. MSK repairs that; see `kstack status`, and open a case if it stays.",
        },
    ),
    (
        Brokers::Standard,
        false,
        Watch {
            name: "offline",
            of: Watched::Cluster,
            metric: "AWS/Kafka OfflinePartitionsCount",
            condition: "Maximum > 0",
            periods: "5 of 5 x 60 s",
            missing: AS_UNKNOWN,
            says: "Partitions have had no leader for 5 minutes, and can't be read or written. The brokers of their replicas in sync must come back: see `kstack status`.",
        },
    ),
    (
        Brokers::Both,
        false,
        Watch {
            name: "cpu",
            of: Watched::Host,
            metric: "AWS/Kafka CpuUser + AWS/Kafka CpuSystem",
            condition: "Average > 60",
            periods: "3 of 3 x 300 s",
            missing: AS_UNKNOWN,
            says: "The broker's processors have been above 60 % for 15 minutes: what AWS keeps free is for the load of a broker that fails or is patched. See `kstack size` for more or larger brokers.",
        },
    ),
    (
        Brokers::Standard,
        false,
        Watch {
            name: "disk",
            of: Watched::Host,
            metric: "AWS/Kafka KafkaDataLogsDiskUsed",
            condition: "Maximum > 85",
            periods: "5 of 5 x 60 s",
            missing: AS_UNKNOWN,
            says: "The broker's volume is filled to more than 85 %. A larger `size` below `storage` grows it; so does MSK up to `max`.",
        },
    ),
    (
        Brokers::Standard,
        false,
        Watch {
            name: "replicas",
            of: Watched::Host,
            metric: "AWS/Kafka UnderReplicatedPartitions",
            condition: "Maximum > 0",
            periods: "15 of 15 x 60 s",
            missing: AS_UNKNOWN,
            says: "Partitions of the broker have had a replica out of sync for 15 minutes: the next loss may stop writes. See `kstack status`.",
        },
    ),
    (
        Brokers::Standard,
        false,
        Watch {
            name: "min-isr",
            of: Watched::Host,
            metric: "AWS/Kafka UnderMinIsrPartitionCount",
            condition: "Maximum > 0",
            periods: "5 of 5 x 60 s",
            missing: AS_UNKNOWN,
            says: "Partitions of the broker have refused writes with acks=all for 5 minutes: too few replicas are in sync. See `kstack status`.",
        },
    ),
    (
        Brokers::Standard,
        false,
        Watch {
            name: "heap",
            of: Watched::Host,
            metric: "AWS/Kafka HeapMemoryAfterGC",
            condition: "Maximum > 60",
            periods: "3 of 3 x 300 s",
            missing: AS_UNKNOWN,
            says: "More than 60 % of the broker's heap is left after garbage collection: fewer partitions or transactions, or larger brokers, help.",
        },
    ),
    (
        Brokers::Both,
        true,
        Watch {
            name: "handlers",
            of: Watched::Host,
            metric: "AWS/Kafka RequestHandlerAvgIdlePercent",
            condition: "Average < 0.3",
            periods: "3 of 3 x 300 s",
            missing: AS_UNKNOWN,
            says: "The broker's request handlers have been busy for 15 minutes. Larger batches of producers, or more brokers, help.",
        },
    ),
    (
        Brokers::Express,
        true,
        Watch {
            name: "produce-throttled",
            of: Watched::Host,
            metric: "AWS/Kafka ProduceThrottleTime",
            condition: "Average > 0",
            periods: "15 of 15 x 60 s",
            missing: AS_WELL,
            says: "The broker has slowed producers down for 15 minutes: they send more than its type takes. See `kstack size` for more or larger brokers.",
        },
    ),
    (
        Brokers::Express,
        true,
        Watch {
            name: "fetch-throttled",
            of: Watched::Host,
            metric: "AWS/Kafka FetchThrottleTime",
            condition: "Average > 0",
            periods: "15 of 15 x 60 s",
            missing: AS_WELL,
            says: "The broker has slowed consumers down for 15 minutes: they read more than its type gives. See `kstack size` for more or larger brokers.",
        },
    ),
];
