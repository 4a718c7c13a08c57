//! The block `topics` of a live cluster. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::scalar;
use crate::kinds::Topic;

/// The block for `topics`, by name; empty where there are none. A setting that a topic has from its brokers is not in it.
pub fn topics_block(topics: &BTreeMap<String, Topic>) -> String {
    let mut out = String::new();
    if !topics.is_empty() {
        out += "topics:\n";
    }
    for (name, topic) in topics {
        let setting = |(key, value): (&String, &String)| format!("{key}: {}", serde_json::Value::from(value.as_str()));
        let config: Vec<String> = topic.config.iter().map(setting).collect();
        let config = if config.is_empty() { String::new() } else { format!(", config: {{{}}}", config.join(", ")) };
        let (partitions, copies) = (topic.partitions, topic.replication_factor);
        let _ = writeln!(out, "  {}: {{partitions: {partitions}, replication_factor: {copies}{config}}}", scalar(name));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::parse;

    #[test]
    fn a_block_is_what_the_file_says() {
        let topic = |partitions, config: &[(&str, &str)]| Topic {
            partitions,
            replication_factor: 3,
            config: config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            cut_off: false,
            bytes: None,
        };
        let topics: BTreeMap<String, Topic> = [
            ("1.0".to_owned(), topic(1, &[])),
            ("Orders_v1".to_owned(), topic(6, &[("cleanup.policy", "compact"), ("retention.ms", "86400000")])),
        ]
        .into();
        let block = topics_block(&topics);
        let head = "apiVersion: kstack/v1\nname: test\nregion: eu-central-1\nnetwork: {cidr: 10.60.0.0/16}\ncluster: {ec2: {kafka: 4.1.1, \
                    combined: true, brokers: {count: 3, instance_type: m7g.large}}}\n";
        let parsed =
            parse("test.yaml", &format!("{head}{block}")).unwrap_or_else(|report| panic!("{}", report.render(false)));
        let again: BTreeMap<String, Topic> = parsed
            .stack
            .topics
            .iter()
            .map(|(name, one)| {
                let spec = Topic {
                    partitions: one.partitions.unwrap_or_default(),
                    replication_factor: one.replication_factor.unwrap_or_default(),
                    config: one.config.clone(),
                    cut_off: false,
                    bytes: None,
                };
                (name.clone(), spec)
            })
            .collect();
        assert_eq!(again, topics);
        assert_eq!(topics_block(&BTreeMap::new()), "");
    }
}
