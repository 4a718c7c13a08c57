//! Pairs of settings that contradict each other.

use super::definitions::{KafkaVersion, definition};

/// Of two settings, the one that may not be above the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    pub lower: &'static str,
    pub upper: &'static str,
    /// Whether they may not be equal either.
    pub strictly: bool,
    /// How often the lower one has to go into the upper one.
    pub times: i64,
    /// The upper one is no limit from this number on downwards.
    off: Option<i64>,
}

const fn at_most(lower: &'static str, upper: &'static str) -> Pair {
    Pair { lower, upper, strictly: false, times: 1, off: None }
}

const fn below(lower: &'static str, upper: &'static str) -> Pair {
    Pair { lower, upper, strictly: true, times: 1, off: None }
}

/// Source: `validateValues` of Kafka's `KafkaConfig`, and the constructors of `GroupCoordinatorConfig` and `ShareGroupConfig`: a
/// Kafka that breaks one of these does not start. The in-sync minima are of another kind: Kafka starts, and refuses every record
/// of the topic.
pub const PAIRS: &[Pair] = &[
    at_most("replica.fetch.wait.max.ms", "replica.socket.timeout.ms"),
    at_most("replica.fetch.wait.max.ms", "replica.lag.time.max.ms"),
    Pair { off: Some(-1), ..below("connection.failed.authentication.delay.ms", "connections.max.idle.ms") },
    Pair { off: Some(0), ..at_most("socket.request.max.bytes", "queued.max.request.bytes") },
    Pair { times: 1 << 20, ..below("log.cleaner.threads", "log.cleaner.dedupe.buffer.size") },
    at_most("group.consumer.min.heartbeat.interval.ms", "group.consumer.heartbeat.interval.ms"),
    at_most("group.consumer.heartbeat.interval.ms", "group.consumer.max.heartbeat.interval.ms"),
    at_most("group.consumer.min.session.timeout.ms", "group.consumer.session.timeout.ms"),
    at_most("group.consumer.session.timeout.ms", "group.consumer.max.session.timeout.ms"),
    below("group.consumer.heartbeat.interval.ms", "group.consumer.session.timeout.ms"),
    at_most("group.share.min.heartbeat.interval.ms", "group.share.heartbeat.interval.ms"),
    at_most("group.share.heartbeat.interval.ms", "group.share.max.heartbeat.interval.ms"),
    at_most("group.share.min.session.timeout.ms", "group.share.session.timeout.ms"),
    at_most("group.share.session.timeout.ms", "group.share.max.session.timeout.ms"),
    below("group.share.heartbeat.interval.ms", "group.share.session.timeout.ms"),
    at_most("group.share.min.record.lock.duration.ms", "group.share.record.lock.duration.ms"),
    at_most("group.share.record.lock.duration.ms", "group.share.max.record.lock.duration.ms"),
    at_most("group.share.max.size", "group.share.max.share.sessions"),
    at_most("group.streams.min.heartbeat.interval.ms", "group.streams.heartbeat.interval.ms"),
    at_most("group.streams.heartbeat.interval.ms", "group.streams.max.heartbeat.interval.ms"),
    at_most("group.streams.min.session.timeout.ms", "group.streams.session.timeout.ms"),
    at_most("group.streams.session.timeout.ms", "group.streams.max.session.timeout.ms"),
    below("group.streams.heartbeat.interval.ms", "group.streams.session.timeout.ms"),
    at_most("group.streams.num.standby.replicas", "group.streams.max.standby.replicas"),
    at_most("transaction.state.log.min.isr", "transaction.state.log.replication.factor"),
    at_most("share.coordinator.state.topic.min.isr", "share.coordinator.state.topic.replication.factor"),
];

/// The pairs that are broken in `version`, where both values are known.
pub fn broken(version: KafkaVersion, value: impl Fn(&str) -> Option<i64>) -> Vec<Pair> {
    let is_broken = |pair: &&Pair| {
        let known = definition(pair.lower, version).is_some() && definition(pair.upper, version).is_some();
        match (value(pair.lower), value(pair.upper)) {
            (Some(lower), Some(upper)) if known && pair.off.is_none_or(|off| upper > off) => {
                let lower = lower.saturating_mul(pair.times);
                lower > upper || (pair.strictly && lower == upper)
            }
            _ => false,
        }
    };
    PAIRS.iter().filter(is_broken).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kafkas_defaults_break_no_pair() {
        for version in [(3, 6, 0), (3, 9, 0), (4, 0, 0), (4, 1, 1), (4, 2, 2), (4, 3, 1), (4, 4, 0)] {
            assert_eq!(broken(version, |name| definition(name, version)?.default_number()), []);
        }
    }

    /// Every pair is of settings that some version has, and each can be broken.
    #[test]
    fn every_pair_can_be_broken() {
        for pair in PAIRS {
            let version = (4, 4, 0);
            let given = |name: &str| match name {
                _ if name == pair.lower => Some(i32::MAX.into()),
                _ if name == pair.upper => Some(1),
                _ => None,
            };
            assert!(broken(version, given).contains(pair), "{pair:?}");
        }
    }
}
