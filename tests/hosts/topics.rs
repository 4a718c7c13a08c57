//! Topics in the stack file, over a real Kafka: made with their stack, changed row by row, killed at every request, held back where no
//! broker can be asked, and gone with the stack.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::client::Client;
use crate::processes::{kstack, kstack_command};
use crate::room::{beside, block};
use crate::support::{Run, stack, text};

/// What the file has of topics at first.
const FIRST: &str = "  orders: {partitions: 6, config: {retention.ms: 604800000}}\n  Audit_log.v1: {partitions: 1}\n";

/// A row: what of the file changes to what, whether data may be lost, and the steps that this plans.
const ROWS: [(&str, &str, bool, &[&str]); 5] = [
    ("retention.ms: 604800000", "retention.ms: 86400000", false, &["update topic/orders"]),
    ("partitions: 6", "partitions: 8", false, &["update topic/orders"]),
    (
        "partitions: 1}",
        "partitions: 1}\n  new-one: {partitions: 2, replication_factor: 2, config: {cleanup.policy: compact, min.insync.replicas: 1}}",
        false,
        &["create topic/new-one"],
    ),
    ("Audit_log.v1: {partitions: 1}", "Audit_log.v1: {absent: true}", true, &["delete topic/Audit_log.v1"]),
    // What the file has no more is left alone.
    ("  Audit_log.v1: {absent: true}\n", "", false, &[]),
];

/// The binary, which dies at this request that changes something in Kafka: after it, or before it where there is a minus. Then its lease is
/// ended.
pub fn dying(kafka: &Path, arguments: &[&str], at: &str) {
    let mut command = kstack_command(kafka, arguments);
    let killed = Run::of(command.env("KSTACK_TEST_SETTLE", "0").env("KSTACK_TEST_DIE_IN_KAFKA", at));
    assert_eq!(killed.code, -1, "it is killed: {killed}");
    kstack(kafka, &["unlock", arguments[1], "--yes"]).expect(0);
}

/// Runs it to its end, after who died.
pub fn finish(kafka: &Path, arguments: &[&str]) {
    Run::of(kstack_command(kafka, arguments).env("KSTACK_TEST_SETTLE", "0")).expect(0);
}

/// The steps of the file's plan, each with its action.
pub fn steps(kafka: &Path, file: &str, more: &[&str]) -> Vec<String> {
    let plan = kstack(kafka, &[&["plan", file, "--json"], more].concat()).expect(0).json();
    let step = |step: &Value| format!("{} {}", text(&step["action"]), text(&step["address"]));
    plan["steps"].as_array().expect("steps").iter().map(step).collect()
}

/// Every topic with its partitions and copies, and a setting's value.
fn topics(client: &Client) -> BTreeSet<String> {
    let mut command = client.tool("kafka-topics.sh");
    let output = command.arg("--describe").output().expect("the tool starts");
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = |line: &str| {
        let field = |name: &str| Some(line.split(&format!("{name}: ")).nth(1)?.split('\t').next()?.trim().to_owned());
        let configs = field("Configs")?;
        let own: BTreeSet<&str> =
            configs.split(',').filter(|one| !one.starts_with("segment.bytes") && !one.is_empty()).collect();
        let own: Vec<&str> = own.into_iter().collect();
        Some(format!(
            "{} {}x{} {}",
            field("Topic")?,
            field("PartitionCount")?,
            field("ReplicationFactor")?,
            own.join(",")
        ))
    };
    out.lines().filter(|one| one.contains("PartitionCount")).filter_map(line).collect()
}

#[test]
fn topics_of_the_file_are_those_of_kafka_wherever_a_run_dies() {
    let Some((_room, kafka)) = beside() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("stack.yaml");
    let block = format!("10.{}.0.0/16", block());
    let base = stack("dev", &[("10.20.0.0/16", &block)]);
    let write = |topics: &str| {
        std::fs::write(&path, format!("{base}\ntopics:\n{topics}")).expect("a file");
        path.display().to_string()
    };
    let mut now = FIRST.to_owned();
    let file = write(&now);

    // The plan is complete before there is a cluster; the topics come last, after what they wait for.
    let fresh = steps(&kafka, &file, &[]);
    assert_eq!(fresh[fresh.len() - 2..], ["create topic/Audit_log.v1", "create topic/orders"]);
    dying(&kafka, &["apply", &file, "--yes"], "-1");
    dying(&kafka, &["apply", &file, "--yes"], "1");
    finish(&kafka, &["apply", &file, "--yes"]);
    assert_eq!(steps(&kafka, &file, &[]), Vec::<String>::new());
    let status = kstack(&kafka, &["status", &file, "--json"]).expect(0).json();
    let servers: Vec<&str> = status["bootstrap_servers"].as_array().expect("servers").iter().map(text).collect();
    let client = Client::new(kafka.clone(), servers.join(","));
    let told = topics(&client);
    let copies =
        told.iter().find_map(|one| one.strip_prefix("Audit_log.v1 1x")).expect("the topic").trim().split(' ').next();
    assert_eq!(copies, Some("3"), "{told:?}");
    assert!(told.iter().any(|one| one.starts_with("orders 6x3") && one.contains("retention.ms=604800000")), "{told:?}");

    for (before, after, lossy, planned) in ROWS {
        assert!(now.contains(before), "{before}: {now}");
        now = now.replacen(before, after, 1);
        let file = write(&now);
        let allowed: &[&str] = if lossy { &["--allow-data-loss"] } else { &[] };
        if lossy {
            let refused = kstack(&kafka, &["plan", &file]).expect(1);
            assert!(refused.out.contains("--allow-data-loss"), "{refused}");
        }
        assert_eq!(steps(&kafka, &file, allowed), planned, "{after}");
        let apply = [&["apply", &file, "--yes"], allowed].concat();
        // A run that dies once Kafka has done it, and has told nobody, leaves nothing to do twice.
        if lossy || after == "partitions: 8" {
            dying(&kafka, &apply, "1");
        }
        finish(&kafka, &apply);
        assert_eq!(steps(&kafka, &file, &[]), Vec::<String>::new(), "{after}");
    }
    let told = topics(&client);
    let has =
        |beginning: &str, setting: &str| told.iter().any(|one| one.starts_with(beginning) && one.contains(setting));
    assert!(has("orders 8x3", "retention.ms=86400000") && has("new-one 2x2", "cleanup.policy=compact"), "{told:?}");
    assert!(!told.iter().any(|one| one.starts_with("Audit_log")), "{told:?}");

    // Fewer partitions are refused.
    let refused = kstack(&kafka, &["plan", &write(&now.replace("partitions: 8", "partitions: 7"))]).expect(1);
    assert!(refused.out.contains("This plan can't be run"), "{refused}");

    // By a way that leads nowhere nothing is known, and nothing is taken to be missing.
    let file = write(&format!("{now}  another: {{partitions: 1}}\n"));
    let nowhere = ["--proxy", "socks5://127.0.0.1:9"];
    let held = kstack(&kafka, &[&["plan", &file, "--detailed-exitcode"], &nowhere[..]].concat()).expect(0);
    assert!(held.out.contains("3 topics of the stack file have no step") && held.out.contains("--via"), "{held}");
    assert_eq!(steps(&kafka, &file, &[]), ["create topic/another"]);
    let destroyed = kstack(&kafka, &["destroy", &file, "--yes"]).expect(0);
    assert!(!destroyed.out.contains("topic/"), "{destroyed}");
    kstack(&kafka, &["sandbox", "stop"]);
}
