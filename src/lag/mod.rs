//! How far consumer groups are behind: in records, and in time. Everything in this file is pure; `client` asks the brokers, and `search`
//! finds how old a record is.

mod client;
mod search;

use serde::Serialize;

pub use client::{Answers, EARLIEST, LATEST, Place, Reached, ask, reach};

/// The lag of a cluster's consumer groups.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Lags {
    /// Brokers that don't answer: groups that they coordinate are missing, and so is the lag on partitions that they lead.
    pub silent: Vec<u32>,
    pub groups: Vec<GroupLag>,
}

/// A group that commits offsets.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupLag {
    pub group: String,
    /// `classic`, `consumer` or `streams`; absent before Kafka 3.8, which has one type.
    pub kind: Option<String>,
    /// Kafka's word, such as `Stable`, or `Empty` when no member runs.
    pub state: String,
    /// Why its offsets are not known.
    pub problem: Option<String>,
    pub partitions: Vec<PartitionLag>,
}

/// A partition of which a group has committed an offset.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PartitionLag {
    pub topic: String,
    pub partition: u32,
    /// The first record that the group has not read.
    pub committed: u64,
    /// One after the last record; absent when its leader did not say.
    pub end: Option<u64>,
    /// Offsets between them. The end of a transaction counts as a record, as it does in Kafka's own tools: brokers tell no difference.
    pub records: Option<u64>,
    /// How old the first unread record is, at most. Absent when that is not known.
    pub seconds: Option<f64>,
    /// What of it is not known and why, or that unread records are deleted.
    pub problem: Option<String>,
}

impl GroupLag {
    /// Records behind in all partitions whose lag is known; `None` where none is.
    pub fn records(&self) -> Option<u64> {
        self.partitions.iter().filter_map(|one| one.records).reduce(u64::saturating_add)
    }

    /// The age of the oldest unread record; `None` where none is known.
    pub fn seconds(&self) -> Option<f64> {
        self.partitions.iter().filter_map(|one| one.seconds).reduce(f64::max)
    }
}

/// The lag as a file for Prometheus, in OpenMetrics' text format, which node exporter's textfile collector reads too.
pub fn openmetrics(stack: &str, lags: &Lags) -> String {
    let mut out = String::new();
    let mut family = |name: &str, help: &str, value: &dyn Fn(&PartitionLag) -> Option<String>| {
        out.push_str(&format!("# HELP {name} {help}\n# TYPE {name} gauge\n"));
        for group in &lags.groups {
            for one in &group.partitions {
                let Some(value) = value(one) else { continue };
                let (stack, name_of_group, topic) = (label(stack), label(&group.group), label(&one.topic));
                let partition = one.partition;
                out.push_str(&format!(
                    "{name}{{stack=\"{stack}\",group=\"{name_of_group}\",topic=\"{topic}\",partition=\"{partition}\"}} {value}\n"
                ));
            }
        }
    };
    let records = |one: &PartitionLag| one.records.map(|records| records.to_string());
    family("kstack_consumer_group_lag_records", "Records that the group has not read.", &records);
    let seconds = |one: &PartitionLag| one.seconds.map(|seconds| format!("{seconds:.3}"));
    family("kstack_consumer_group_lag_seconds", "The age of the first record that the group has not read.", &seconds);
    out.push_str("# HELP kstack_lag_silent_brokers Brokers that did not answer, so that lag is missing.\n");
    out.push_str("# TYPE kstack_lag_silent_brokers gauge\n");
    out.push_str(&format!("kstack_lag_silent_brokers{{stack=\"{}\"}} {}\n# EOF\n", label(stack), lags.silent.len()));
    out
}

/// A text as the value of a label.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_stay_labels_and_what_is_not_known_is_left_out() {
        let partition = |partition: u32, records: Option<u64>, seconds: Option<f64>| PartitionLag {
            topic: "orders".to_owned(),
            partition,
            committed: 1,
            end: None,
            records,
            seconds,
            problem: None,
        };
        let group = GroupLag {
            group: "a\"}\n\\b".to_owned(),
            kind: None,
            state: "Empty".to_owned(),
            problem: None,
            partitions: vec![partition(0, Some(7), Some(1.5)), partition(1, Some(1), None), partition(2, None, None)],
        };
        assert_eq!((group.records(), group.seconds()), (Some(8), Some(1.5)));
        let text = openmetrics("dev", &Lags { silent: vec![3], groups: vec![group] });
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let name = r#"stack="dev",group="a\"}\n\\b",topic="orders""#;
        assert_eq!(
            lines,
            [
                &format!("kstack_consumer_group_lag_records{{{name},partition=\"0\"}} 7"),
                &format!("kstack_consumer_group_lag_records{{{name},partition=\"1\"}} 1"),
                &format!("kstack_consumer_group_lag_seconds{{{name},partition=\"0\"}} 1.500"),
                "kstack_lag_silent_brokers{stack=\"dev\"} 1",
            ]
        );
        assert!(text.ends_with("# EOF\n"));
    }
}
