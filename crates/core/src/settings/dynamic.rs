//! The settings of brokers that a running Kafka changes for all of them at once, and what a stack file wants of those.
//!
//! They are compared in one form: Kafka tells `604800000` where a file may have ` 604800000`.

use std::collections::{BTreeMap, BTreeSet};

use super::definitions::{KafkaVersion, Update, definition, definitions};
use super::{Kind, Setting, Settings, others};

/// What hosts have beside the stack file. Source: cloud-init/server.properties.hbs.
const OF_HOSTS: [(&str, &str); 4] = [
    ("num.io.threads", "8"),
    ("num.network.threads", "5"),
    ("num.recovery.threads.per.data.dir", "4"),
    ("num.replica.fetchers", "2"),
];

/// Those that hosts are rolled for all the same: classes, whose own settings are read at a start; and a part of the heap, of which it shows
/// at a start whether it is there.
const ROLLED: [&str; 3] = ["config.providers", "log.cleaner.dedupe.buffer.size", "metric.reporters"];

/// Counts that Kafka at most doubles or halves in one request. Source: `validateReconfiguration` of `DynamicThreadPool`, `LogCleaner` and
/// `DynamicRemoteLogConfig`.
const BY_HALVES: [&str; 10] = [
    "background.threads",
    "log.cleaner.threads",
    "num.io.threads",
    "num.network.threads",
    "num.recovery.threads.per.data.dir",
    "num.replica.fetchers",
    "remote.log.manager.copier.thread.pool.size",
    "remote.log.manager.expiration.thread.pool.size",
    "remote.log.manager.follower.thread.pool.size",
    "remote.log.reader.threads",
];

/// Whether Kafka changes `name` to `value` for all brokers while they run, and back. One without a default can't be taken back as long as a
/// host's file has it, and what refers to a secret is resolved where the file is.
fn changes(name: &str, value: &str, version: KafkaVersion) -> bool {
    let known = definition(name, version).is_some_and(|one| one.update == Update::ClusterWide && one.default.is_some());
    known && !ROLLED.contains(&name) && !value.contains("${")
}

/// The names of all of those.
pub fn names(version: KafkaVersion) -> impl Iterator<Item = &'static str> {
    let ours = [Setting::RetentionMs.word(), Setting::MinInsync.word()];
    let names = definitions(version).map(|one| one.name);
    names.filter(move |name| ours.contains(name) || changes(name, "", version))
}

/// The value as it is compared with others.
pub fn normal(name: &str, value: &str, version: KafkaVersion) -> String {
    let text = value.trim();
    let number = |text: &str| text.parse::<i64>().map_or_else(|_| text.to_owned(), |number| number.to_string());
    let Some(one) = definition(name, version) else { return text.to_owned() };
    match one.takes.kind {
        Kind::Boolean => text.to_lowercase(),
        Kind::Int | Kind::Short | Kind::Long => number(text),
        Kind::Double => text.parse::<f64>().map_or_else(|_| text.to_owned(), |number| number.to_string()),
        Kind::List => text.split(',').map(str::trim).filter(|one| !one.is_empty()).collect::<Vec<_>>().join(","),
        Kind::String | Kind::Class | Kind::Password => text.to_owned(),
    }
}

/// The part of `config` that a running Kafka changes, but for what [`Settings`] carries.
pub fn of_config(config: &BTreeMap<String, String>, version: KafkaVersion) -> BTreeMap<String, String> {
    let those = others(config).into_iter().filter(|(name, value)| changes(name, value, version));
    those.map(|(name, value)| (name.clone(), normal(&name, &value, version))).collect()
}

/// What all brokers are to have. Hosts with templates of the user's own may have other values than kstack's.
pub fn wanted(
    settings: &Settings,
    config: &BTreeMap<String, String>,
    version: KafkaVersion,
    own_templates: bool,
) -> BTreeMap<String, String> {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let of_hosts = OF_HOSTS.iter().filter(|(name, _)| !own_templates && !config.contains_key(*name)).map(pair);
    let mut all: BTreeMap<String, String> = of_hosts.collect();
    all.extend(of_config(config, version));
    all.insert(Setting::RetentionMs.word().to_owned(), settings.retention.kafka_ms().to_string());
    all.insert(Setting::MinInsync.word().to_owned(), settings.min_insync.to_string());
    all
}

/// The lines of a server.properties for which a host would be rolled: without those that a running Kafka changes, and those that follow
/// from the workload's minimum.
pub fn lines_of_starts(properties: &str, version: KafkaVersion) -> Vec<&str> {
    let running: BTreeSet<&str> = names(version).chain(Setting::MIN_INSYNC.map(|one| one.word())).collect();
    let of_start = |line: &&str| match line.split_once('=') {
        Some((name, value)) => !running.contains(name) || value.contains("${"),
        None => true,
    };
    properties.lines().filter(of_start).collect()
}

/// Kafka's own default of a setting; none of one that can't be set back.
pub fn default_of(name: &str, version: KafkaVersion) -> Option<String> {
    let default = definition(name, version).filter(|_| changes(name, "", version))?.default?;
    Some(normal(name, &default.replace('|', ","), version))
}

/// The next value on the way from what brokers have, `now`, to `wanted`: Kafka refuses some that are too far away.
pub fn towards(name: &str, now: &[&str], wanted: &str) -> String {
    let numbers: Option<Vec<i64>> = now.iter().map(|text| text.parse().ok()).collect();
    let (Some(numbers), Ok(goal), true) = (numbers, wanted.parse::<i64>(), BY_HALVES.contains(&name)) else {
        return wanted.to_owned();
    };
    let (Some(least), Some(most)) = (numbers.iter().min(), numbers.iter().max()) else { return wanted.to_owned() };
    goal.min(least.saturating_mul(2)).max(most / 2).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::Workload;

    const VERSION: KafkaVersion = (4, 1, 1);

    fn config(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_running_kafka_changes_what_is_cluster_wide_and_can_be_set_back() {
        let all = config(&[
            ("num.io.threads", " 016"),
            ("unclean.leader.election.enable", "TRUE"),
            ("log.cleanup.policy", "compact, delete"),
            ("log.cleaner.min.cleanable.ratio", "0.50"),
            // By a restart, for one broker, without a default, with classes, with a secret, or carried by others.
            ("queued.max.requests", "500"),
            ("ssl.cipher.suites", "x"),
            ("log.roll.ms", "1000"),
            ("metric.reporters", "a.Reporter"),
            ("message.max.bytes", "${file:/a:b}"),
            ("log.retention.ms", "1"),
        ]);
        let expected = [
            ("log.cleaner.min.cleanable.ratio", "0.5"),
            ("log.cleanup.policy", "compact,delete"),
            ("num.io.threads", "16"),
            ("unclean.leader.election.enable", "true"),
        ];
        assert_eq!(of_config(&all, VERSION), config(&expected));
        assert!(
            names(VERSION).any(|name| name == "log.retention.ms") && !names(VERSION).any(|name| name == "log.roll.ms")
        );
    }

    #[test]
    fn what_is_wanted_has_the_workloads_part_and_what_hosts_have_anyway() {
        let settings = Settings::of(&Workload::default(), &BTreeMap::new());
        let all = wanted(&settings, &config(&[("num.io.threads", "16")]), VERSION, false);
        let of = |name: &str| all.get(name).map(String::as_str);
        assert_eq!((of("num.io.threads"), of("num.network.threads")), (Some("16"), Some("5")));
        assert_eq!((of("log.retention.ms"), of("min.insync.replicas")), (Some("604800000"), Some("2")));
        assert_eq!(wanted(&settings, &BTreeMap::new(), VERSION, true).len(), 2);
        assert!(all.keys().all(|name| names(VERSION).any(|one| one == name)));
    }

    #[test]
    fn hosts_have_what_their_template_says() {
        let template = include_str!("../../../../cloud-init/server.properties.hbs");
        for (name, value) in OF_HOSTS {
            assert!(template.contains(&format!("\n{name}={value}\n")), "{name}");
        }
        let lines = template.lines().filter_map(|line| line.split_once('='));
        let changed = lines.filter(|(name, value)| changes(name, "", VERSION) && !value.contains("{{"));
        assert_eq!(changed.count(), OF_HOSTS.len());
    }

    #[test]
    fn a_file_differs_for_a_start_where_more_than_those_differs() {
        let lines = |text| lines_of_starts(text, VERSION);
        assert_eq!(lines("a=1\nnum.io.threads=8\nlog.retention.ms=1\nnode.id=2\n"), ["a=1", "node.id=2"]);
        assert_eq!(lines("message.max.bytes=${file:/a:b}"), ["message.max.bytes=${file:/a:b}"]);
    }

    #[test]
    fn threads_are_doubled_and_halved_until_they_are_as_many_as_are_wanted() {
        for (now, wanted, next) in
            [("8", "64", "16"), ("64", "8", "32"), ("8", "12", "12"), ("1", "5", "2"), ("3", "1", "1")]
        {
            assert_eq!(towards("num.io.threads", &[now], wanted), next, "{now} {wanted}");
        }
        assert_eq!(towards("message.max.bytes", &["8"], "64"), "64");
        for name in BY_HALVES {
            assert!(definition(name, (4, 4, 0)).is_some_and(|one| one.update == Update::ClusterWide), "{name}");
        }
    }

    #[test]
    fn a_default_is_one_that_kafka_takes() {
        for name in names(VERSION).filter(|name| *name != "log.retention.ms") {
            let default = default_of(name, VERSION).expect("a default");
            assert!(definition(name, VERSION).expect("known").takes.accepts(name, &default), "{name}: {default}");
        }
    }
}
