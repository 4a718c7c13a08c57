//! Kafka settings of the file that sizing counts on, and what no volume carries.

use super::*;
use crate::sizing::Fit;

/// A stack with Kafka settings of its own, and a workload that says nothing of what they set.
fn with_settings(workload: &str, config: &str) -> Stack {
    stack(workload, &format!("count: 3, instance_type: m7g.large}}\n    config: {{{config}"))
}

/// 2 MiB/s × 2,592,000 s × 3 ÷ 1024 ÷ 3 ÷ 0.8 = 6,328.125 GiB, and 60 open segments.
#[test]
fn the_retention_of_the_settings_is_sized() {
    let load = "ingress: 2 MiB/s, partitions: 60";
    for config in ["log.retention.hours: 720", "log.retention.minutes: 43200", "log.retention.ms: \"2592000000\""] {
        let sizing = sized(&with_settings(load, config));
        assert_eq!((sizing.volume.size_gib, sizing.warnings.len()), (6389, 0), "{config}");
        assert!(sizing.render().contains("2 MiB/s × 2592000 s × 3 copies ÷ 1024"), "{}", sizing.render());
    }
    assert_eq!(sized(&with_settings(load, "num.io.threads: 8")).volume.size_gib, 1537);
}

/// 60 partitions × 5 GiB × 3 copies ÷ 3 ÷ 0.8 = 375 GiB, and 60 open segments: less than the 7 days take.
#[test]
fn what_a_partition_keeps_at_most_is_sized() {
    let load = "ingress: 2 MiB/s, partitions: 60";
    let sizing = sized(&with_settings(load, "log.retention.bytes: 5368709120"));
    assert_eq!((sizing.volume.size_gib, sizing.warnings.len()), (435, 0));
    assert!(sizing.render().contains("60 partitions × 5 GiB of log.retention.bytes × 3 copies"), "{}", sizing.render());
    assert_eq!(
        sized(&with_settings(load, "log.retention.bytes: 5368709120, log.retention.ms: -1")).volume.size_gib,
        435
    );
    // More than the 7 days take changes nothing.
    assert_eq!(sized(&with_settings(load, "log.retention.bytes: 536870912000")).volume.size_gib, 1537);
}

#[test]
fn copies_of_the_settings_are_sized() {
    let load = "ingress: 2 MiB/s, partitions: 60";
    let two = sized(&with_settings(load, "default.replication.factor: 2, min.insync.replicas: 1"));
    let same = sized(&stack(
        "ingress: 2 MiB/s, partitions: 60, replication_factor: 2, min_insync_replicas: 1",
        "count: 3, instance_type: m7g.large",
    ));
    assert_eq!((two.volume, line(&two, "stored data")), (same.volume, line(&same, "stored data")));
    assert_eq!(line(&two, "stored data"), 2.0 * 2.0 * 604_800.0 / 1024.0);
}

/// 1.5 GiB/s × 3 peak × 3 copies ÷ 3 brokers is more than any gp3 volume writes.
#[test]
fn more_than_a_volume_writes_is_refused() {
    let sizing = sized(&stack("ingress: 1536 MiB/s, peak: 3, retention: 1h", "count: 3, instance_type: m8g.24xlarge"));
    let refused: Vec<String> =
        sizing.warnings.iter().filter(|one| one.fit == Fit::Impossible).map(ToString::to_string).collect();
    assert_eq!(
        refused,
        [
            "Each broker writes 4608 MiB/s at the peak, 2608 MiB/s more than the 2000 MiB/s that a gp3 volume has at most; \
          use 9 brokers."
        ]
    );
}
