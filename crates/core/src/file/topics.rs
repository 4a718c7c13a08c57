//! The key `topics`.

use std::collections::BTreeMap;

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
        /// Whether the topic must not be there: a live one is deleted, with its records, by `--allow-data-loss` alone.
        absent: bool = false,
    }
}
