//! The names of the settings, and what Kafka takes for each.

use super::Retention;
use crate::file::Scalar as _;
use crate::file::read::choices;
use crate::units::Bounds;

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

/// What a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Whole numbers.
    Numbers(Bounds<i64>),
    /// Whole numbers but 0; negative ones mean for ever.
    Span(Bounds<i64>),
    /// One of these words.
    Word(&'static [&'static str]),
    /// Several of these words with commas between them.
    Words(&'static [&'static str]),
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

    /// What Kafka takes. Source: the types and validators of Kafka's `ServerLogConfigs`, `LogConfig`, `ReplicationConfigs`,
    /// `GroupCoordinatorConfig`, `TransactionLogConfig` and `ShareCoordinatorConfig`: int, long, and short for copies.
    pub const fn kind(self) -> Takes {
        const INT: i64 = i32::MAX as i64;
        const SHORT: i64 = i16::MAX as i64;
        match self {
            Setting::RetentionMs => Takes::Span(Bounds { least: i64::MIN, most: i64::MAX }),
            Setting::RetentionMinutes | Setting::RetentionHours => {
                Takes::Span(Bounds { least: i32::MIN as i64, most: INT })
            }
            Setting::RetentionBytes => Takes::Numbers(Bounds { least: i64::MIN, most: i64::MAX }),
            Setting::Copies | Setting::OffsetsCopies | Setting::TransactionsCopies | Setting::SharesCopies => {
                Takes::Numbers(Bounds { least: 1, most: SHORT })
            }
            Setting::MinInsync | Setting::TransactionsMinInsync | Setting::SharesMinInsync | Setting::SegmentBytes => {
                Takes::Numbers(Bounds { least: 1, most: INT })
            }
            Setting::Compression => Takes::Word(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]),
            Setting::Cleanup => Takes::Words(&["compact", "delete"]),
        }
    }

    /// Whether Kafka can read `text` as the setting's value.
    pub fn takes(self, text: &str) -> bool {
        match self.kind() {
            Takes::Numbers(_) | Takes::Span(_) => self.number(text).is_some(),
            Takes::Word(words) => words.contains(&text.trim()),
            Takes::Words(words) => text.split(',').all(|word| words.contains(&word.trim())),
        }
    }

    /// The whole number in `text`, where Kafka takes it.
    pub fn number(self, text: &str) -> Option<i64> {
        let number = text.trim().parse().ok()?;
        match self.kind() {
            Takes::Numbers(bounds) => bounds.contains(number).then_some(number),
            Takes::Span(bounds) => (bounds.contains(number) && number != 0).then_some(number),
            Takes::Word(_) | Takes::Words(_) => None,
        }
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

    /// What Kafka takes, for a message.
    pub fn help(self) -> String {
        let words = |words: &[&str]| crate::text::quoted_list(words);
        match self.kind() {
            Takes::Numbers(Bounds { least: i64::MIN, .. }) => "Kafka takes a whole number; -1 for no limit".to_owned(),
            Takes::Numbers(Bounds { least, most }) => format!("Kafka takes a whole number from {least} to {most}"),
            Takes::Span(Bounds { most, .. }) => {
                format!("Kafka takes a whole number from 1 to {most}, or -1 to keep records for ever")
            }
            Takes::Word(known) => format!("Kafka takes one of {}", words(known)),
            Takes::Words(known) => format!("Kafka takes {}, with a comma between them", words(known)),
        }
    }
}
