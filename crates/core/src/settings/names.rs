//! The names of the settings that the workload has a say in, or that sizing counts on.

use super::Retention;
use super::definitions::some_version_takes;
use crate::file::Scalar as _;
use crate::file::read::choices;

choices! {
    /// A Kafka setting that follows from the workload, or that sizing counts on.
    pub enum Setting {
        /// How long records are kept, in milliseconds.
        RetentionMs = "log.retention.ms",
        /// The same in minutes.
        RetentionMinutes = "log.retention.minutes",
        /// The same in hours.
        RetentionHours = "log.retention.hours",
        /// Bytes of a partition above which its oldest segments are deleted.
        RetentionBytes = "log.retention.bytes",
        /// Copies of each partition.
        Copies = "default.replication.factor",
        /// Copies of consumers' offsets.
        OffsetsCopies = "offsets.topic.replication.factor",
        /// Copies of the state of transactions.
        TransactionsCopies = "transaction.state.log.replication.factor",
        /// Copies of the state of share groups.
        SharesCopies = "share.coordinator.state.topic.replication.factor",
        /// Copies that must have a record before it is acknowledged.
        MinInsync = "min.insync.replicas",
        /// The same for the state of transactions.
        TransactionsMinInsync = "transaction.state.log.min.isr",
        /// The same for the state of share groups.
        SharesMinInsync = "share.coordinator.state.topic.min.isr",
        /// Bytes of a segment.
        SegmentBytes = "log.segment.bytes",
        /// How brokers store records.
        Compression = "compression.type",
        /// What becomes of old records.
        Cleanup = "log.cleanup.policy",
    }
}

impl Setting {
    /// How long records are kept, in the order in which Kafka asks: the first that is set counts. Source: Kafka's
    /// `KafkaConfig.logRetentionTimeMillis`, which also makes -1 of any negative number and refuses 0.
    pub const RETENTION: [Setting; 3] = [Setting::RetentionMs, Setting::RetentionMinutes, Setting::RetentionHours];
    /// Copies, those of all topics first.
    pub const COPIES: [Setting; 4] =
        [Setting::Copies, Setting::OffsetsCopies, Setting::TransactionsCopies, Setting::SharesCopies];
    /// In-sync copies, those of all topics first.
    pub const MIN_INSYNC: [Setting; 3] = [Setting::MinInsync, Setting::TransactionsMinInsync, Setting::SharesMinInsync];

    /// The setting that Kafka calls `name`.
    pub fn named(name: &str) -> Option<Setting> {
        Setting::parse(name).ok()
    }

    /// Whether some version of Kafka can read `text` as the setting's value. What the stack's own version takes is for the checks.
    pub fn takes(self, text: &str) -> bool {
        some_version_takes(self.word(), text)
    }

    /// The whole number in `text`, where Kafka takes it.
    pub fn number(self, text: &str) -> Option<i64> {
        text.trim().parse().ok().filter(|_| self.takes(text))
    }

    /// How long records are kept with the value `text`; `None` for what Kafka can't read, and for other settings.
    pub fn retention(self, text: &str) -> Option<Retention> {
        let millis = match self {
            Setting::RetentionMs => 1,
            Setting::RetentionMinutes => 60_000,
            Setting::RetentionHours => 3_600_000,
            Setting::RetentionBytes
            | Setting::Copies
            | Setting::OffsetsCopies
            | Setting::TransactionsCopies
            | Setting::SharesCopies
            | Setting::MinInsync
            | Setting::TransactionsMinInsync
            | Setting::SharesMinInsync
            | Setting::SegmentBytes
            | Setting::Compression
            | Setting::Cleanup => return None,
        };
        Some(match u64::try_from(self.number(text)?) {
            Ok(number) => Retention::Millis(number.saturating_mul(millis)),
            Err(_) => Retention::Forever,
        })
    }
}
