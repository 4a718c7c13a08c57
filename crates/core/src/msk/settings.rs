//! The server properties of an MSK configuration: what kstack derives, and what may be set.

use std::collections::BTreeMap;

use crate::stack::{Msk, Stack};

/// Settings that MSK has for itself, on which a broker's address, identity or storage depends.
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

/// Settings that Express brokers have for themselves. Source: MSK, Express brokers' read-only configurations, 2026.
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

/// Settings of both kinds of brokers. Source: MSK, custom configurations, 2026.
const BOTH: [&str; 25] = [
    "allow.everyone.if.no.acl.found",
    "auto.create.topics.enable",
    "compression.type",
    "connections.max.idle.ms",
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

/// Whether a setting may be in a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// AWS documents it.
    Allowed,
    /// MSK sets it itself, and refuses a configuration that has it.
    Owned,
    /// AWS documents it neither way; MSK refuses what it doesn't know.
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

/// Every setting that AWS documents for standard or for Express brokers.
pub fn known(express: bool) -> impl Iterator<Item = &'static str> {
    let own: &[&str] = if express { &[EXPRESS] } else { &STANDARD };
    BOTH.into_iter().chain(own.iter().copied())
}

/// The settings of `stack`'s MSK configuration: those that follow from the workload, and the file's own, which win. `None`
/// for a stack without a provisioned MSK cluster.
///
/// MSK's own default lets a copy that lacks records become the leader (`unclean.leader.election.enable`); here it doesn't.
pub fn server_properties(stack: &Stack) -> Option<BTreeMap<String, String>> {
    let msk = stack.cluster.msk.as_ref().filter(|msk| !msk.serverless)?;
    let load = &stack.workload;
    let mut all = BTreeMap::new();
    let mut set = |name: &str, value: String| all.insert(name.to_owned(), value);
    if !retention_is_given(msk) {
        set("log.retention.ms", load.retention.millis().to_string());
    }
    set("replica.selector.class", "org.apache.kafka.common.replica.RackAwareReplicaSelector".to_owned());
    if !msk.express() {
        set("default.replication.factor", load.replication_factor.to_string());
        set("min.insync.replicas", load.min_insync_replicas.to_string());
        set("unclean.leader.election.enable", "false".to_owned());
    }
    all.extend(msk.config.clone());
    Some(all)
}

/// Whether the file's own settings say how long records are kept, in whichever unit: the derived one would win over hours and minutes.
fn retention_is_given(msk: &Msk) -> bool {
    ["log.retention.ms", "log.retention.minutes", "log.retention.hours"]
        .iter()
        .any(|name| msk.config.contains_key(*name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::parse;

    fn properties(msk: &str) -> BTreeMap<String, String> {
        let text = format!(
            "apiVersion: kstack/v1\nname: t\nregion: us-east-1\nnetwork: {{cidr: 10.0.0.0/16, nat: none}}\n\
             workload: {{retention: 36h}}\ncluster:\n  msk: {msk}\n"
        );
        server_properties(&parse("t.yaml", &text).expect("it reads").stack).unwrap_or_default()
    }

    #[test]
    fn what_follows_from_the_workload() {
        let standard = properties("{kafka: 3.9.x, brokers: {count: 3, instance_type: kafka.m7g.large}}");
        assert_eq!(standard["log.retention.ms"], "129600000");
        assert_eq!(
            (standard["default.replication.factor"].as_str(), standard["min.insync.replicas"].as_str()),
            ("3", "2")
        );
        assert_eq!(standard["unclean.leader.election.enable"], "false");
        let express = properties("{kafka: 3.9.x, brokers: {count: 3, instance_type: express.m7g.large}}");
        assert_eq!(express.keys().collect::<Vec<_>>(), ["log.retention.ms", "replica.selector.class"]);
        assert!(properties("{serverless: true}").is_empty());
    }

    #[test]
    fn what_the_file_says_wins() {
        let own = properties(
            "{kafka: 3.9.x, brokers: {count: 3, instance_type: kafka.m7g.large}, \
             config: {log.retention.hours: 24, min.insync.replicas: 1}}",
        );
        assert_eq!((own.get("log.retention.ms"), own["log.retention.hours"].as_str()), (None, "24"));
        assert_eq!(own["min.insync.replicas"], "1");
    }

    #[test]
    fn derived_settings_may_be_set() {
        for (kind, express) in [("kafka", false), ("express", true)] {
            let msk = format!("{{kafka: 3.9.x, brokers: {{count: 3, instance_type: {kind}.m7g.large}}}}");
            for name in properties(&msk).keys() {
                assert_eq!(standing(name, express), Standing::Allowed, "{name}");
            }
        }
        assert_eq!(standing("min.insync.replicas", true), Standing::Owned);
        assert_eq!(standing("controller.quorum.voters", false), Standing::Owned);
        assert_eq!(standing("log.segment.bytes", true), Standing::Unknown);
    }
}
