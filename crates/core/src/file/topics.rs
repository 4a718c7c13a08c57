//! The key `topics`.

use std::collections::BTreeMap;

use super::Workload;
use super::read::fields;

fields! {
    /// A topic: its partitions, their copies, and its settings.
    pub struct Topic {
        /// How many partitions it has. A live topic gets more in place, and never fewer. Not needed with `absent`.
        partitions: Option<u32>,
        /// Copies of each partition. Without it as many as the brokers' default.
        replication_factor: Option<u32>,
        /// Kafka's settings for this topic, by their own names, such as `retention.ms`. What is not named here is left as it is.
        config: BTreeMap<String, String> = BTreeMap::new(),
        /// Settings of `config` that a new topic gets, and that a live one keeps as they are, whoever changed them. The plan says which differ.
        ignore_drift: Vec<String> = Vec::new(),
        /// Whether the topic must not be there: a live one is deleted, with its records, by `--allow-data-loss` alone.
        absent: bool = false,
    }
}

impl Topic {
    /// Its partitions, counted once each; none of one that must not be there.
    pub fn partitions(&self) -> u32 {
        if self.absent { 0 } else { self.partitions.unwrap_or(1) }
    }
}

impl Workload {
    /// Takes its partitions from the topics of the file: whole hundreds, so that not every topic makes volumes a little larger, which AWS
    /// allows once in hours. A topic with more or fewer copies than others counts for more or less, so that the replicas are right.
    pub fn count(&mut self, topics: &BTreeMap<String, Topic>) {
        let copies = u64::from(self.replication_factor.max(1));
        let replicas =
            |topic: &Topic| u64::from(topic.partitions()) * topic.replication_factor.map_or(copies, u64::from);
        let all: u64 = topics.values().map(replicas).sum();
        let hundreds = all.div_ceil(copies).div_ceil(100).max(1) * 100;
        self.partitions = u32::try_from(hundreds).unwrap_or(u32::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_count_whatever_their_topics_factor() {
        let topic = |partitions, copies, absent| Topic {
            partitions: Some(partitions),
            replication_factor: copies,
            config: BTreeMap::new(),
            ignore_drift: Vec::new(),
            absent,
        };
        let count = |topics: &[Topic]| {
            let mut load = Workload::default();
            load.count(&topics.iter().enumerate().map(|(at, one)| (at.to_string(), one.clone())).collect());
            load.partitions
        };
        assert_eq!(count(&[]), 100);
        assert_eq!(count(&[topic(60, None, false), topic(40, Some(3), false)]), 100);
        assert_eq!(count(&[topic(60, None, false), topic(41, Some(3), false)]), 200);
        assert_eq!(count(&[topic(300, Some(1), false), topic(500, None, true)]), 100);
        assert_eq!(count(&[topic(100, Some(6), false), topic(1, Some(1), false)]), 300);
        assert_eq!(count(&[topic(u32::MAX, Some(9), false)]), u32::MAX);
    }
}
