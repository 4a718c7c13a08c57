//! Check holds every setting of a stack's Kafka against Kafka's own definition of it.

use crate::check::{Report, Severity, parse};
use crate::engines::kafka_settings::shown;
use crate::file::secret;
use crate::settings::definitions::definitions;
use crate::settings::{Definition, KafkaVersion, Kind};

/// Every release that hosts run, and one that is not known yet.
const VERSIONS: [KafkaVersion; 6] = [(4, 0, 0), (4, 1, 1), (4, 2, 2), (4, 3, 1), (4, 4, 0), (4, 9, 0)];

/// What is wrong with a stack of this Kafka with these settings.
fn problems(version: KafkaVersion, config: &[(&str, String)]) -> Vec<(Severity, String)> {
    let lines: Vec<String> = config
        .iter()
        .map(|(name, value)| format!("      {name}: {}\n", serde_json::Value::from(value.as_str())))
        .collect();
    let text = format!(
        "apiVersion: kstack/v1\nname: t\nregion: us-east-1\nnetwork: {{cidr: 10.0.0.0/16}}\ncluster:\n  ec2:\n    kafka: {}\n    \
         combined: true\n    brokers: {{count: 3, instance_type: m7g.large}}\n    config:\n{}",
        shown(version),
        lines.concat()
    );
    let report: Report = match parse("t.yaml", &text) {
        Ok(parsed) => parsed.warnings,
        Err(report) => report,
    };
    report.problems.into_iter().map(|problem| (problem.severity, problem.message)).collect()
}

/// The definitions that a file may have: kstack's own and secrets are refused whatever they are.
fn possible(version: KafkaVersion) -> Vec<&'static Definition> {
    let all: Vec<_> = definitions(version).map(|one| (one.name, "1".to_owned())).collect();
    let found = problems(version, &all);
    let free = |one: &&Definition| {
        let message = format!("`{}` is set by kstack for each host", one.name);
        !secret::is_secret(one.name) && found.iter().all(|(_, said)| *said != message)
    };
    definitions(version).filter(free).collect()
}

#[test]
fn every_default_passes_at_once() {
    for version in VERSIONS {
        let text = |one: &Definition| {
            let default = one.default?;
            Some(if one.takes.kind == Kind::List { default.replace('|', ",") } else { default.to_owned() })
        };
        let config: Vec<_> = possible(version).into_iter().filter_map(|one| Some((one.name, text(one)?))).collect();
        assert!(config.len() > 200, "{version:?}: {}", config.len());
        let errors: Vec<_> =
            problems(version, &config).into_iter().filter(|(severity, _)| *severity == Severity::Error).collect();
        assert_eq!(errors, [], "{version:?}");
    }
}

#[test]
fn every_value_of_another_type_or_out_of_range_is_refused() {
    for version in VERSIONS {
        let possible = possible(version);
        let mut rounds = 0;
        for round in 0.. {
            let sample = |one: &&Definition| Some((one.name, one.takes.samples_of_refused().get(round)?.clone()));
            let config: Vec<_> = possible.iter().filter_map(sample).collect();
            if config.is_empty() {
                break;
            }
            let found = problems(version, &config);
            for (name, text) in &config {
                let message = format!("`{name}` can't be `{text}`");
                assert!(found.contains(&(Severity::Error, message.clone())), "{version:?}: {message}");
            }
            rounds += 1;
        }
        assert!(rounds > 5, "{version:?}: {rounds}");
    }
}

#[test]
fn a_plugins_own_settings_are_taken_where_its_class_is_set() {
    let own = |name: &'static str| (name, "1".to_owned());
    let class = |name: &'static str, class: &str| (name, class.to_owned());
    let version = (4, 1, 1);
    let strimzi = class("client.quota.callback.class", "io.strimzi.kafka.quotas.StaticQuotaCallback");
    assert_eq!(problems(version, &[strimzi.clone(), own("client.quota.callback.static.produce")]), []);
    let reporter = class(
        "metric.reporters",
        "org.apache.kafka.common.metrics.JmxReporter,com.linkedin.CruiseControlMetricsReporter",
    );
    assert_eq!(problems(version, &[reporter, own("cruise.control.metrics.topic.num.partitions")]), []);
    // A letter too few is meant for Kafka all the same.
    assert_eq!(problems(version, &[strimzi, own("num.io.thread")])[0].0, Severity::Error);
    let kafkas = class("metric.reporters", "org.apache.kafka.common.metrics.JmxReporter");
    assert_eq!(problems(version, &[kafkas, own("cruise.control.metrics.topic")])[0].0, Severity::Warning);
}

#[test]
fn a_reference_is_what_kafka_puts_in_its_place() {
    let reference = ("num.io.threads", "${file:/etc/kafka/own.properties:threads}".to_owned());
    let providers = ("config.providers", "file".to_owned());
    let class =
        ("config.providers.file.class", "org.apache.kafka.common.config.provider.FileConfigProvider".to_owned());
    assert_eq!(problems((4, 1, 1), &[providers, class, reference.clone()]), []);
    assert_eq!(problems((4, 1, 1), &[reference])[0].0, Severity::Error);
}
