//! Which settings an MSK configuration may have. What each takes is in Kafka's own definitions, of the release that MSK's build is of;
//! where MSK takes less, it is here.

use crate::units::Bounds;

/// Settings that MSK manages: a broker's address, identity or storage depends on them.
const OWNED: [&str; 14] = [
    "advertised.listeners",
    "authorizer.class.name",
    "broker.id",
    "broker.rack",
    "inter.broker.listener.name",
    "listener.security.protocol.map",
    "listeners",
    "log.dir",
    "log.dirs",
    "metadata.log.dir",
    "node.id",
    "process.roles",
    "super.users",
    "zookeeper.connect",
];

/// Settings that are read-only for Express brokers. Source: MSK, Express brokers' read-only configurations, 2026.
const EXPRESS_OWNED: [&str; 13] = [
    "default.replication.factor",
    "fetch.max.bytes",
    "group.max.size",
    "inter.broker.protocol.version",
    "log.message.format.version",
    "min.insync.replicas",
    "num.io.threads",
    "num.network.threads",
    "replica.fetch.response.max.bytes",
    "request.timeout.ms",
    "transaction.state.log.min.isr",
    "transaction.state.log.replication.factor",
    "unclean.leader.election.enable",
];

/// A setting that MSK has and Kafka does not: addresses of the client's own choice. Source: AWS's agent toolkit, "Configure MSK
/// Brokers and Clusters", 2026.
const MSKS_OWN: &str = "custom.advertised.listeners";

/// Settings of both kinds of brokers. Source: MSK, custom configurations, 2026.
const BOTH: [&str; 26] = [
    "allow.everyone.if.no.acl.found",
    "auto.create.topics.enable",
    "compression.type",
    "connections.max.idle.ms",
    MSKS_OWN,
    "delete.topic.enable",
    "group.initial.rebalance.delay.ms",
    "group.max.session.timeout.ms",
    "leader.imbalance.per.broker.percentage",
    "log.cleanup.policy",
    "log.message.timestamp.after.max.ms",
    "log.message.timestamp.before.max.ms",
    "log.message.timestamp.type",
    "log.retention.bytes",
    "log.retention.ms",
    "max.incremental.fetch.session.cache.slots",
    "message.max.bytes",
    "num.partitions",
    "offsets.retention.minutes",
    "replica.fetch.max.bytes",
    "replica.selector.class",
    "socket.receive.buffer.bytes",
    "socket.request.max.bytes",
    "socket.send.buffer.bytes",
    "transaction.max.timeout.ms",
    "transactional.id.expiration.ms",
];

/// Settings of standard brokers alone. Source: the same.
const STANDARD: [&str; 25] = [
    "default.replication.factor",
    "group.min.session.timeout.ms",
    "log.cleaner.delete.retention.ms",
    "log.cleaner.min.cleanable.ratio",
    "log.flush.interval.messages",
    "log.flush.interval.ms",
    "log.message.timestamp.difference.max.ms",
    "log.retention.hours",
    "log.retention.minutes",
    "log.roll.ms",
    "log.segment.bytes",
    "min.insync.replicas",
    "num.io.threads",
    "num.network.threads",
    "num.recovery.threads.per.data.dir",
    "num.replica.fetchers",
    "offsets.topic.replication.factor",
    "replica.fetch.response.max.bytes",
    "replica.lag.time.max.ms",
    "replica.socket.receive.buffer.bytes",
    "transaction.state.log.min.isr",
    "transaction.state.log.replication.factor",
    "unclean.leader.election.enable",
    "zookeeper.connection.timeout.ms",
    "zookeeper.session.timeout.ms",
];

/// The one that Express brokers alone take. Source: the same.
const EXPRESS: &str = "max.connections.per.ip";

/// Where MSK takes less than Kafka, for standard brokers. Source: MSK, custom configurations.
const NARROWER: [(&str, Bounds<i64>); 2] = [
    ("replica.lag.time.max.ms", Bounds { least: 10_000, most: 30_000 }),
    ("zookeeper.session.timeout.ms", Bounds { least: 6_000, most: 18_000 }),
];

/// Whether a setting may be in a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// AWS documents it.
    Allowed,
    /// MSK sets it, and rejects a configuration that has it.
    Owned,
    /// AWS does not document it; MSK rejects unknown settings.
    Unknown,
}

/// Whether the setting `name` may be in a configuration for standard or for Express brokers.
pub fn standing(name: &str, express: bool) -> Standing {
    if OWNED.contains(&name) || (express && EXPRESS_OWNED.contains(&name)) || name.starts_with("controller.") {
        Standing::Owned
    } else if known(express).any(|known| known == name) {
        Standing::Allowed
    } else {
        Standing::Unknown
    }
}

/// The numbers that MSK takes for `name`, where it takes fewer than Kafka.
pub fn narrower(name: &str) -> Option<Bounds<i64>> {
    NARROWER.iter().find(|(narrow, _)| *narrow == name).map(|(_, bounds)| *bounds)
}

/// Every setting that AWS documents for standard or for Express brokers.
pub fn known(express: bool) -> impl Iterator<Item = &'static str> {
    let own: &[&str] = if express { &[EXPRESS] } else { &STANDARD };
    BOTH.into_iter().chain(own.iter().copied())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::settings::Found;
    use crate::settings::definitions::find;

    /// The sandbox refuses what MSK refuses, by the same list.
    #[test]
    fn the_sandbox_takes_the_same_settings() {
        let sandbox = include_str!("../../../../../localstack/src/localstack_aws_rules/kafka/properties.py");
        let names = |line: &'static str| line.strip_prefix("    \"").and_then(|rest| rest.split_once("\": "));
        let taken: BTreeSet<&str> = sandbox.lines().filter_map(names).map(|(name, _)| name).collect();
        assert_eq!(taken, known(false).chain(known(true)).collect());
    }

    /// A name that Kafka never had is a misspelling here.
    #[test]
    fn what_aws_documents_is_kafkas() {
        for name in known(false).chain(known(true)).filter(|name| *name != MSKS_OWN) {
            assert!(matches!(find(name, (3, 9, 0)), Found::Known(_)), "{name}");
        }
        for (name, _) in NARROWER {
            assert!(known(false).any(|known| known == name), "{name}");
        }
    }
}
