//! Rules of topics.

use std::collections::BTreeMap;

use crate::engines::ENGINES;
use crate::engines::kafka_settings::{check_value_of, misspelt, shown};
use crate::engines::rules::settings;
use crate::file::node::{Content, Key, Node};
use crate::file::problem::At;
use crate::file::read::Read as _;
use crate::file::{Checker, Network, Topic};
use crate::settings::definitions::{FoundOfTopic, find_of_topic, newest, topic_settings};
use crate::settings::{KafkaVersion, Settings};
use crate::stack::{MskVersion, Version};
use crate::text::many;

/// The longest name that Kafka takes, in characters. Source: Kafka's `Topic.MAX_NAME_LENGTH`.
const LONGEST_NAME: usize = 249;
/// The most partitions of a topic: Kafka's controllers take no request with more (`QuorumController.MAX_RECORDS_PER_USER_OP`).
const MOST_PARTITIONS: u32 = 9_999;
/// Topics that Kafka and MSK make for themselves, by their names' beginnings. Source: Kafka's `Topic`, and MSK's guide.
const INTERNAL: [&str; 6] = [
    "__consumer_offsets",
    "__transaction_state",
    "__share_group_state",
    "__cluster_metadata",
    "__remote_log_metadata",
    "__amazon_msk",
];

/// Checks the key `topics`.
pub fn check(checker: &mut Checker<'_>) {
    let config = ENGINES.each_ref().map(|engine| format!("cluster.{}.config", engine.key));
    let config = config.iter().find(|config| checker.given(config).is_some()).unwrap_or(&config[0]);
    let cluster = Cluster {
        version: version(checker),
        brokers: ENGINES
            .iter()
            .find_map(|engine| checker.part::<Option<u32>>(&format!("cluster.{}.brokers.count", engine.key))?),
        settings: settings(config, checker),
        zones: checker.part::<Network>("network").map_or(1, |net| net.zones.count()),
    };
    // Kafka takes a dot and an underline for the same in the names of its metrics, and makes no topic beside such another.
    let mut names: BTreeMap<String, &Key> = BTreeMap::new();
    let mut partitions = 0;
    for (key, value) in checker.entries("topics") {
        check_name(key, checker);
        if let Some(other) = names.insert(key.name.replace('.', "_"), key) {
            let message = format!(
                "`{}` and `{}` are the same to Kafka's metrics, and it makes only one of them",
                key.name, other.name
            );
            checker.error_at(key.at, message, "use either dots or underlines");
        }
        if let Some(topic) = Topic::read(value, &mut Vec::new()) {
            check_topic(key, value, &topic, &cluster, checker);
            partitions += u64::from(topic.partitions());
        }
    }
    check_count(partitions, checker);
}

/// What topics are held against.
struct Cluster {
    version: KafkaVersion,
    /// How many brokers there are, when the file says so.
    brokers: Option<u32>,
    settings: Option<Settings>,
    zones: usize,
}

fn version(checker: &Checker<'_>) -> KafkaVersion {
    let ec2 = || checker.part::<Option<Version>>("cluster.ec2.kafka").flatten().map(Version::numbers);
    let msk = || checker.part::<Option<MskVersion>>("cluster.msk.kafka").flatten().map(|version| version.numbers());
    ec2().or_else(msk).unwrap_or(newest())
}

/// The names that Kafka takes. Source: Kafka's `Topic.validate`.
fn check_name(key: &Key, checker: &mut Checker<'_>) {
    let name = key.name.as_str();
    let shown = name.escape_debug();
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let help = "use 1 to 249 letters, digits, dots, underlines and hyphens";
    if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(fits) {
        let beginning: String = shown.take(60).collect();
        checker.error_at(key.at, format!("`{beginning}` is not a topic's name"), help);
    } else if name == "." || name == ".." {
        checker.error_at(key.at, format!("Kafka has no topic with the name `{name}`"), help);
    } else if INTERNAL.iter().any(|internal| name.starts_with(internal)) {
        let message = format!("`{name}` is a topic that Kafka makes for itself");
        checker.error_at(key.at, message, "remove it; its copies are settings of the brokers");
    }
}

/// The node of a topic's own key.
fn own<'a>(value: &'a Node, key: &str) -> Option<&'a Node> {
    value.get(key).filter(|node| node.content != Content::Null)
}

/// What is not in `config` is left as it is anyway; or it is misspelt.
fn check_ignored(value: &Node, topic: &Topic, checker: &mut Checker<'_>) {
    let Some(Content::List(items)) = own(value, "ignore_drift").map(|node| &node.content) else { return };
    for (item, name) in items.iter().zip(&topic.ignore_drift).filter(|(_, name)| !topic.config.contains_key(*name)) {
        let message =
            format!("`{}` is not in the topic's `config`, so it is left as it is anyway", name.escape_debug());
        checker.warning_at(item.at, message, "remove it, or name the setting in `config`");
    }
}

/// Whether a key of the mapping is not known.
fn misspelt_key(value: &Node, checker: &Checker<'_>) -> bool {
    matches!(&value.content, Content::Map(entries) if entries.iter().any(|(key, _)| checker.is_noted(key.at)))
}

fn check_topic(key: &Key, value: &Node, topic: &Topic, cluster: &Cluster, checker: &mut Checker<'_>) {
    let name = &key.name;
    if topic.absent {
        for other in ["partitions", "replication_factor", "config", "ignore_drift"] {
            if let Some(node) = own(value, other) {
                let message = format!("`{name}` is absent, and has `{other}`");
                checker.error_at(node.at, message, "remove it, or `absent: true`");
            }
        }
        return;
    }
    check_ignored(value, topic, checker);
    match (topic.partitions, own(value, "partitions")) {
        (Some(count), Some(node)) if !(1..=MOST_PARTITIONS).contains(&count) => {
            let help = format!("use 1 to {MOST_PARTITIONS}: Kafka makes no more at once");
            checker.error_at(node.at, format!("a topic can't have {}", many(count, "partition")), help);
        }
        // A misspelt key has been noted.
        (None, _) if misspelt_key(value, checker) => {}
        (None, _) => {
            let help = "write `partitions: 6`, or another number; or `absent: true` where it is to go";
            checker.error_at(key.at, format!("the topic `{name}` has no number of partitions"), help);
        }
        (Some(_), _) => {}
    }
    let factor_at = own(value, "replication_factor").map(|node| node.at);
    let factor = topic.replication_factor.or(cluster.settings.as_ref().map(|settings| settings.copies));
    if let (Some(factor), Some(at)) = (topic.replication_factor, factor_at) {
        if !(1..=10).contains(&factor) {
            checker.error_at(
                at,
                format!("a replication factor of {factor} is not possible"),
                "use 1 to 10; 3 is usual",
            );
        } else if let Some(brokers) = cluster.brokers.filter(|brokers| *brokers < factor) {
            let message = format!("a replication factor of {factor} needs {} or more", many(factor, "broker"));
            checker.error_at(
                at,
                message,
                format!("there are {brokers}: write `replication_factor: {brokers}` or less"),
            );
        } else if factor == 1 {
            let message = format!(
                "`{name}` has one copy: its records are gone with its broker's volume, and it stops with its broker"
            );
            checker.warning_at(at, message, "write `replication_factor: 3`, unless its records can be made again");
        }
    }
    let mut least = cluster.settings.as_ref().map(|settings| settings.min_insync);
    let mut least_at = None;
    if let Some(Content::Map(entries)) = value.get("config").map(|node| &node.content) {
        for (setting, value) in entries {
            check_setting(setting, value, cluster.version, checker);
            if let (true, Content::Scalar(text)) = (setting.name == "min.insync.replicas", &value.content) {
                (least, least_at) = (text.trim().parse().ok(), Some(value.at));
            }
        }
    }
    check_insync(name, factor, least, least_at.or(factor_at), checker);
    if let (Some(factor), Some(least), Some(at)) = (topic.replication_factor, least, factor_at) {
        check_zones(name, (factor, least), cluster.zones, at, checker);
    }
}

/// With more copies than zones one zone has several of them: what is left without it must still take writes.
fn check_zones(name: &str, (factor, least): (u32, u32), zones: usize, at: At, checker: &mut Checker<'_>) {
    let count = u32::try_from(zones).unwrap_or(u32::MAX);
    let left = factor.saturating_sub(factor.div_ceil(count.max(1)));
    if count > 1 && count < factor && left < least && least < factor {
        let message = format!(
            "without one of its {zones} zones, a partition of `{name}` may have {} left, and `min.insync.replicas` is {least}: nobody \
             could write with acks=all",
            copies(left)
        );
        checker.warning_at(at, message, format!("use {} zones, or `replication_factor: {}`", factor, least * 2));
    }
}

/// With fewer copies than must be in sync nobody can write with `acks=all`.
fn check_insync(name: &str, factor: Option<u32>, least: Option<u32>, at: Option<At>, checker: &mut Checker<'_>) {
    let (Some(factor), Some(least), Some(at)) = (factor, least, at) else { return };
    if least > factor {
        let message = format!(
            "`{name}` has {}, and `min.insync.replicas` is {least}: nobody could write with acks=all",
            copies(factor)
        );
        let help = format!(
            "write `config: {{min.insync.replicas: {}}}` for it, or raise its replication factor",
            factor.max(2) - 1
        );
        checker.error_at(at, message, help);
    }
}

fn copies(factor: u32) -> String {
    many(factor, "copy")
}

fn check_setting(key: &Key, value: &Node, version: KafkaVersion, checker: &mut Checker<'_>) {
    let name = key.name.as_str();
    let (message, help) = match find_of_topic(name, version) {
        FoundOfTopic::Known(_) if name.ends_with(".replication.throttled.replicas") => (
            format!("`{name}` is set while replicas move, and taken away after that"),
            "remove it; `kstack rebalance --throttle` says how fast they may".to_owned(),
        ),
        FoundOfTopic::Known(takes) => {
            if let Some((by, takes)) = takes {
                check_value_of(name, by, value, &takes, checker);
            }
            return;
        }
        FoundOfTopic::Gone(before) => {
            (format!("Kafka has no `{name}` for topics any more, from {} on", shown(before)), "remove it".to_owned())
        }
        FoundOfTopic::Later(from) => {
            let message = format!("Kafka has `{name}` from {} on, and the stack has {}", shown(from), shown(version));
            (message, "remove it, or use that version".to_owned())
        }
        FoundOfTopic::Unknown => {
            let help = match misspelt(name, topic_settings()) {
                Some(near) => format!("the nearest one is `{near}`"),
                None => {
                    "such as `retention.ms` or `cleanup.policy`; what brokers alone have is in the cluster's `config`"
                        .to_owned()
                }
            };
            (format!("Kafka has no setting `{}` for topics", name.escape_debug()), help)
        }
    };
    checker.error_at(key.at, message, help);
}

/// The workload's partitions are those of all topics, of which the file may name some: not fewer than it names.
fn check_count(named: u64, checker: &mut Checker<'_>) {
    let (Some(node), Some(written)) =
        (checker.given("workload.partitions"), checker.part::<u32>("workload.partitions"))
    else {
        return;
    };
    if named > u64::from(written) {
        let message = format!(
            "the topics of this file have {}, and `workload.partitions` is {written}",
            many(named, "partition")
        );
        let help = "remove it, so that it follows from the topics; or count them in";
        checker.error_at(node.at, message, help);
    }
}
