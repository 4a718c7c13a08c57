//! What is written for Prometheus and Grafana: every metric in it is one that a real Kafka, or a real node exporter, has; and Prometheus's own
//! tool takes the files, and their tests.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kstack_core::check::parse;
use kstack_core::monitoring::files;
use serde_json::Value;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn of(stack: &str) -> Vec<(&'static str, String)> {
    let text = fs::read_to_string(repository().join(format!("stacks/{stack}.yaml"))).expect("a stack file");
    let parsed = parse(stack, &text).expect("a file without problems");
    files(&parsed.stack, &["b-1.orders.kafka.us-east-1.amazonaws.com".to_owned()])
}

fn file(files: &[(&'static str, String)], name: &str) -> String {
    files.iter().find(|(one, _)| *one == name).expect("the file").1.clone()
}

/// The metrics that an expression names, as the lists have them: with the labels that say what is measured.
fn named(expression: &str) -> Vec<String> {
    let mut all = Vec::new();
    for (at, _) in expression.match_indices(['k', 'n', 'j']) {
        let rest = &expression[at..];
        let whole = !expression[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '"');
        if !whole || !["kafka_", "node_", "java_"].iter().any(|start| rest.starts_with(start)) {
            continue;
        }
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let labels = rest[end..].strip_prefix('{').and_then(|rest| rest.split('}').next()).unwrap_or_default();
        let kept: Vec<&str> =
            labels.split(',').filter(|label| label.starts_with("name=") || label.starts_with("request=")).collect();
        let labels = if kept.is_empty() { String::new() } else { format!("{{{}}}", kept.join(",")) };
        all.push(format!("{}{labels}", &rest[..end]));
    }
    all
}

fn expressions(files: &[(&'static str, String)]) -> Vec<String> {
    let rules: Value = serde_yaml::from_str(&file(files, "rules.yml")).expect("YAML");
    let rules = rules["groups"][0]["rules"].as_array().expect("rules").clone();
    let dashboard: Value = serde_json::from_str(&file(files, "dashboard.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels").clone();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().expect("targets").clone());
    let all = rules.into_iter().chain(targets);
    all.map(|one| one["expr"].as_str().expect("an expression").to_owned()).collect()
}

#[test]
fn every_metric_is_one_that_a_real_kafka_has() {
    let list = |name: &str| fs::read_to_string(repository().join("tests/monitoring").join(name)).expect("a list");
    let lists = list("kafka-4.1.1.txt") + &list("node-exporter.txt");
    let known: BTreeSet<&str> = lists.lines().collect();
    let mut seen = 0;
    for stack in ["dev", "prod", "msk"] {
        for expression in expressions(&of(stack)) {
            for name in named(&expression) {
                assert!(known.contains(name.as_str()), "{name} of {expression}");
                seen += 1;
            }
        }
    }
    assert!(seen > 60, "{seen}");
    assert_eq!(
        named("rate(kafka_a_Count{name=\"X\",stack=\"kafka_b\"}[5m]) / node_c"),
        ["kafka_a_Count{name=\"X\"}", "node_c"]
    );
}

#[test]
fn thresholds_are_those_of_the_stack() {
    let rules = |stack: &str| file(&of(stack), "rules.yml");
    assert!(
        rules("dev").contains("< 0.6") && rules("prod").contains("< 0.3"),
        "two pools mark one meter in combined hosts"
    );
    assert!(rules("dev").contains("> 2097152\""), "twice 1 MiB/s: {}", rules("dev"));
    let scraped = file(&of("dev"), "prometheus.yml");
    assert!(scraped.contains("tag:kstack:stack") && scraped.contains("\"port\":11001"), "{scraped}");
    assert!(file(&of("msk"), "prometheus.yml").contains("b-1.orders.kafka.us-east-1.amazonaws.com:11002"));
}

#[test]
fn every_alert_has_its_paragraph_in_the_runbook() {
    let runbook = fs::read_to_string(repository().join("docs/runbook.md")).expect("the runbook");
    let rules: Value = serde_yaml::from_str(&file(&of("prod"), "rules.yml")).expect("YAML");
    let alerts = rules["groups"][0]["rules"].as_array().expect("rules");
    let names: Vec<&str> = alerts.iter().map(|rule| rule["alert"].as_str().expect("a name")).collect();
    let headings: Vec<&str> = runbook.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert_eq!(headings, names);
    for rule in alerts {
        let link = rule["annotations"]["runbook"].as_str().expect("a link");
        let name = rule["alert"].as_str().expect("a name").to_lowercase();
        assert!(link == format!("runbook.md#{name}"), "{link}");
    }
}

#[test]
fn prometheus_takes_the_files_and_their_tests() {
    if Command::new("promtool").arg("--version").output().is_err() {
        assert!(std::env::var_os("KSTACK_REQUIRE").is_none_or(|value| value.is_empty()), "there is no promtool");
        return;
    }
    for stack in ["dev", "prod", "msk"] {
        let folder = std::env::temp_dir().join(format!("kstack-monitoring-{stack}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        for (name, text) in of(stack) {
            fs::write(folder.join(name), text).expect("a file");
        }
        let checks = [
            ["check", "config", "prometheus.yml"],
            ["check", "rules", "rules.yml"],
            ["test", "rules", "rules-test.yml"],
        ];
        for arguments in checks {
            let output = Command::new("promtool").args(arguments).current_dir(&folder).output().expect("promtool runs");
            let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert!(output.status.success(), "{stack} {arguments:?}: {said}");
        }
        fs::remove_dir_all(&folder).expect("it is removed");
    }
}
