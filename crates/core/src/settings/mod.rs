//! Kafka's settings. What counts for each that follows from the workload, or that sizing counts on: Check, sizes, prices, designs, user
//! data, MSK's configurations and comparisons all ask this one place.
//!
//! [`definitions`] are Kafka's own: what a setting is called, what it takes, whether a running Kafka changes it. [`pairs`] are those that
//! contradict each other.
//!
//! A file has one source for each: the workload's key, or a setting in `config`. The checks refuse two that differ, so `config`
//! wins here wherever it has a value.

pub mod definitions;
pub mod dynamic;
mod names;
pub mod pairs;
mod retention;
mod takes;

use std::collections::BTreeMap;

pub use definitions::{Definition, Found, KafkaVersion, Update};
pub use names::Setting;
pub use retention::Retention;
pub use takes::{Kind, Takes};

use crate::file::Workload;
use crate::units::GIB;

/// Kafka's default of `log.segment.bytes`.
const SEGMENT_BYTES: u64 = 1 << 30;

/// What becomes of old records. Source: Kafka's documentation, `log.cleanup.policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleanup {
    /// They are deleted by age or size.
    Delete,
    /// Of each key the last record is kept, whatever its age.
    Compact,
    /// Both: the last record of each key, as long as it is not too old.
    CompactAndDelete,
}

/// How brokers store what they get. Source: Kafka's documentation, `compression.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storing {
    /// As producers send it, or compressed anew.
    Compressed,
    /// Brokers take producers' compression off.
    Uncompressed,
}

/// What counts in a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long records are kept.
    pub retention: Retention,
    /// Bytes of a partition above which its oldest records go, whatever their age; `None` for no limit.
    pub partition_bytes: Option<u64>,
    /// Copies of each partition, in topics that ask for no other number.
    pub copies: u32,
    /// Copies that must have a record before it is acknowledged.
    pub min_insync: u32,
    /// Bytes of a segment. Only closed segments are deleted.
    pub segment_bytes: u64,
    pub cleanup: Cleanup,
    pub storing: Storing,
}

impl Settings {
    /// What counts for brokers with `config` under `workload`. What Kafka can't read is as if it were not there: the checks
    /// refuse it.
    pub fn of(workload: &Workload, config: &BTreeMap<String, String>) -> Settings {
        let text = |setting: Setting| config.get(setting.word()).map(String::as_str);
        let number = |setting: Setting| text(setting).and_then(|text| setting.number(text));
        let copies = |setting: Setting| number(setting).and_then(|copies| u32::try_from(copies).ok());
        let bytes = |setting: Setting| number(setting).and_then(|bytes| u64::try_from(bytes).ok());
        let retention = Setting::RETENTION.into_iter().find_map(|setting| setting.retention(text(setting)?));
        let words = |setting: Setting| text(setting).filter(|text| setting.takes(text)).unwrap_or_default();
        Settings {
            retention: retention.unwrap_or(Retention::of(workload.retention)),
            partition_bytes: bytes(Setting::RetentionBytes),
            copies: copies(Setting::Copies).unwrap_or(workload.replication_factor),
            min_insync: copies(Setting::MinInsync).unwrap_or(workload.min_insync_replicas),
            segment_bytes: bytes(Setting::SegmentBytes).unwrap_or(SEGMENT_BYTES),
            cleanup: match (words(Setting::Cleanup).contains("compact"), words(Setting::Cleanup).contains("delete")) {
                (true, true) => Cleanup::CompactAndDelete,
                (true, false) => Cleanup::Compact,
                (false, _) => Cleanup::Delete,
            },
            storing: match words(Setting::Compression) {
                "uncompressed" => Storing::Uncompressed,
                _ => Storing::Compressed,
            },
        }
    }

    /// GiB of a segment.
    pub fn segment_gib(&self) -> f64 {
        self.segment_bytes as f64 / GIB as f64
    }

    /// GiB that a partition keeps at most; infinite without a limit.
    pub fn partition_gib(&self) -> f64 {
        self.partition_bytes.map_or(f64::INFINITY, |bytes| bytes as f64 / GIB as f64)
    }
}

/// The settings of `config` that [`Settings`] does not carry to a host by itself, so that no host has two sources for one.
pub fn others(config: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let carried = |name: &str| {
        Setting::named(name).is_some_and(|setting| {
            Setting::RETENTION.contains(&setting) || [Setting::Copies, Setting::MinInsync].contains(&setting)
        })
    };
    config.iter().filter(|(name, _)| !carried(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::TimeSpan;

    fn of(config: &[(&str, &str)]) -> Settings {
        let config = config.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Settings::of(&Workload::default(), &config)
    }

    #[test]
    fn the_workload_counts_where_the_settings_are_silent() {
        let settings = of(&[("num.io.threads", "8")]);
        assert_eq!(settings.retention, Retention::of(TimeSpan(7 * 86_400)));
        assert_eq!((settings.copies, settings.min_insync, settings.segment_gib()), (3, 2, 1.0));
        assert_eq!((settings.partition_bytes, settings.cleanup), (None, Cleanup::Delete));
        assert_eq!(settings.storing, Storing::Compressed);
    }

    #[test]
    fn milliseconds_count_before_minutes_and_those_before_hours() {
        let all = [("log.retention.hours", "1"), ("log.retention.minutes", "30"), ("log.retention.ms", "1500")];
        assert_eq!(of(&all).retention, Retention::Millis(1500));
        assert_eq!(of(&all[..2]).retention, Retention::Millis(30 * 60_000));
        assert_eq!(of(&all[..1]).retention, Retention::Millis(3_600_000));
        // Any negative number is for ever, and ends the search.
        assert_eq!(of(&[all[0], ("log.retention.minutes", "-5")]).retention, Retention::Forever);
    }

    #[test]
    fn every_setting_that_sizing_counts_on_is_read() {
        let settings = of(&[
            ("default.replication.factor", "2"),
            ("min.insync.replicas", "1"),
            ("log.segment.bytes", "536870912"),
            ("log.retention.bytes", "10737418240"),
            ("log.cleanup.policy", "compact, delete"),
            ("compression.type", "uncompressed"),
        ]);
        assert_eq!((settings.copies, settings.min_insync, settings.segment_gib()), (2, 1, 0.5));
        assert_eq!((settings.partition_gib(), settings.cleanup), (10.0, Cleanup::CompactAndDelete));
        assert_eq!(settings.storing, Storing::Uncompressed);
        assert_eq!(of(&[("log.cleanup.policy", "compact")]).cleanup, Cleanup::Compact);
        // No limit, as Kafka's own default.
        assert_eq!(of(&[("log.retention.bytes", "-1")]).partition_bytes, None);
    }

    #[test]
    fn what_kafka_can_t_read_does_not_count() {
        let settings = of(&[
            ("log.retention.ms", "30d"),
            ("log.retention.hours", "0"),
            ("log.segment.bytes", "1GB"),
            ("default.replication.factor", "three"),
            ("log.cleanup.policy", "compact;delete"),
        ]);
        assert_eq!(settings, of(&[]));
    }

    #[test]
    fn a_host_gets_each_setting_once() {
        let names = ["log.retention.hours", "min.insync.replicas", "default.replication.factor", "log.segment.bytes"];
        let config =
            names.into_iter().chain(["num.io.threads"]).map(|name| (name.to_owned(), "1".to_owned())).collect();
        assert_eq!(others(&config).into_keys().collect::<Vec<_>>(), ["log.segment.bytes", "num.io.threads"]);
    }
}
