//! The settings of a stack's MSK configuration: what follows from the workload, and the file's own; or which other configuration
//! is used instead.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::keys::Msk;
use crate::file::node::{Content, Node};
use crate::file::problem::Problem;
use crate::file::read::{Read, fields};
use crate::settings::{Setting, Settings};

fields! {
    /// A revision of a configuration that is there already.
    pub struct OthersConfiguration {
        /// The configuration's ARN.
        arn: String,
        /// The number of its revision, from 1.
        revision: u32,
    }
}

/// What a cluster uses instead of the stack's own configuration.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(untagged)]
pub enum ConfigurationChoice {
    /// AWS's own settings. Only a cluster that never had a configuration has them.
    Default(AwsDefault),
    /// A configuration that others have made.
    Others(OthersConfiguration),
}

/// The word for AWS's own settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AwsDefault {
    Default,
}

impl Read for ConfigurationChoice {
    fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match &node.content {
            Content::Map(_) => OthersConfiguration::read(node, problems).map(ConfigurationChoice::Others),
            Content::Scalar(text) if text == "default" => Some(ConfigurationChoice::Default(AwsDefault::Default)),
            _ => {
                let message =
                    format!("expected a configuration's ARN and revision, or `default`, found {}", node.what());
                let help = "write `{arn: \"arn:aws:kafka:...:configuration/NAME/...\", revision: 1}`; or `default` for AWS's own \
                            settings; or remove it for the stack's own configuration";
                problems.push(Problem::new(node.at, message).help(help));
                None
            }
        }
    }
    fn schema() -> Value {
        json!({"oneOf": [{"const": "default"}, OthersConfiguration::schema()]})
    }
}

/// The server properties with what counts of `settings`, and the file's own. `None` for a serverless cluster.
///
/// MSK's own default lets a copy that lacks records become the leader (`unclean.leader.election.enable`); here it doesn't.
pub fn server_properties(msk: &Msk, settings: Settings) -> Option<BTreeMap<String, String>> {
    if msk.serverless {
        return None;
    }
    let mut all = BTreeMap::new();
    let mut set = |name: &str, value: String| all.insert(name.to_owned(), value);
    if !retention_is_given(msk) {
        set("log.retention.ms", settings.retention.kafka_ms().to_string());
    }
    set("replica.selector.class", "org.apache.kafka.common.replica.RackAwareReplicaSelector".to_owned());
    if !msk.express() {
        set("default.replication.factor", settings.copies.to_string());
        set("min.insync.replicas", settings.min_insync.to_string());
        set("unclean.leader.election.enable", "false".to_owned());
    }
    all.extend(msk.config.clone());
    Some(all)
}

/// Whether the file's own settings say how long records are kept, in whichever unit: the derived one would win over hours and minutes.
fn retention_is_given(msk: &Msk) -> bool {
    Setting::RETENTION.iter().any(|setting| msk.config.contains_key(setting.word()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::parse;
    use crate::engines::msk::settings::{Standing, standing};

    fn properties(msk: &str) -> BTreeMap<String, String> {
        let text = format!(
            "apiVersion: kstack/v1\nname: t\nregion: us-east-1\nnetwork: {{cidr: 10.0.0.0/16, nat: none}}\n\
             workload: {{partitions: 10}}\ncluster:\n  msk: {msk}\n"
        );
        let stack = parse("t.yaml", &text).expect("it reads").stack;
        let settings = stack.common().settings;
        server_properties(&stack.cluster.msk.expect("msk"), settings).unwrap_or_default()
    }

    #[test]
    fn what_follows_from_the_workload() {
        let standard = properties("{kafka: 3.9.x, brokers: {count: 3, instance_type: kafka.m7g.large}}");
        assert_eq!(standard["log.retention.ms"], "604800000");
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
