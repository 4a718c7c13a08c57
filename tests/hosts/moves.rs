//! Partitions of a real secured Kafka, moved while records are written: every run but the last is killed, each after one request more.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::begun::Begun;
use crate::client::{Client, PATIENCE};
use crate::network::run;
use crate::processes::{kstack, kstack_command};
use crate::support::{Run, poll};

/// What others have set, and nobody takes away.
pub const FOREIGN_RATE: &str = "leader.replication.throttled.rate=50000000";
pub const FOREIGN_LIST: &str = "leader.replication.throttled.replicas=[0:1,3:2]";

pub const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
pub const CONFIGS: &str = "kafka.admin.ConfigCommand";

/// Runs it so that it dies after so many requests. Nothing waits for what a dead run may have made; its lease is still to be ended.
pub fn hasty(kafka: &Path, arguments: &[&str], dies_after: Option<usize>) -> Run {
    let mut command = kstack_command(kafka, arguments);
    command.env("KSTACK_TEST_SETTLE", "0");
    if let Some(count) = dies_after {
        command.env("KSTACK_TEST_DIE_AFTER", count.to_string());
    }
    Run::of(&mut command)
}

impl Client {
    /// Makes a topic on the first three brokers only, and writes so many MiB to it.
    pub fn fill(&self, topic: &str, partitions: usize, mib: usize) {
        let on: Vec<&str> = ["1:2:3", "2:3:1", "3:1:2"].into_iter().cycle().take(partitions).collect();
        self.say(TOPICS, &["--create", "--topic", topic, "--replica-assignment", &on.join(",")]);
        self.write_mib(topic, mib);
    }

    /// Writes so many MiB to a topic.
    pub fn write_mib(&self, topic: &str, mib: usize) {
        let mut command = self.tool("kafka-console-producer.sh");
        command.args(["--topic", topic, "--producer-property", "acks=all", "--producer-property", "batch.size=100000"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("the tool starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        let line = format!("{}\n", "kstack".repeat(170));
        for _ in 0..mib * 1024 {
            stdin.write_all(line.as_bytes()).expect("it reads");
        }
        drop(stdin);
        assert!(child.wait().expect("it ends").success());
    }

    /// Every throttle that a broker or a topic has of its own.
    pub fn throttles(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for (kind, name) in [("brokers", "broker "), ("topics", "topic ")] {
            let said = self.say(CONFIGS, &["--describe", "--entity-type", kind]);
            let mut of = String::new();
            for line in said.lines() {
                if let Some(at) = line.to_lowercase().find(name) {
                    line[at + name.len()..].split_whitespace().next().unwrap_or_default().clone_into(&mut of);
                } else if let Some(setting) = line.trim().split(" sensitive=").next()
                    && setting.contains("replication.throttled")
                {
                    found.insert(format!("{of} {setting}"));
                }
            }
        }
        found
    }

    /// Each partition with its replicas, in Kafka's order.
    pub fn replicas(&self) -> BTreeSet<String> {
        let said = self.say(TOPICS, &["--describe"]);
        let field = |line: &str, name: &str| {
            let rest = line.split(&format!("{name}: ")).nth(1)?;
            Some(rest.split_whitespace().next()?.to_owned())
        };
        let line =
            |line: &str| Some([field(line, "Topic")?, field(line, "Partition")?, field(line, "Replicas")?].join(" "));
        said.lines().filter_map(line).collect()
    }
}

pub fn copying(kafka: &Path, file: &str) -> Vec<Value> {
    let status = kstack(kafka, &["move", "status", file, "--json"]).expect(0).json();
    status["progress"]["copying"].as_array().expect("a list").clone()
}

#[test]
fn partitions_move_to_new_brokers_under_writes_whatever_is_killed() {
    let Some(mut begun) = Begun::new(&[], "count: 3", "count: 3") else { return };
    begun.write("count: 6");
    begun.run(&["apply", &begun.file, "--yes"]).expect(0);
    begun.client.fill("bulk", 9, 72);
    assert_eq!(begun.steps(), Vec::<String>::new(), "that some have more than others is no difference");
    begun.throttle_as_others("bulk");
    let (kafka, file, client, producer) = (&begun.kafka, &begun.file, &begun.client, &begun.producer);

    let proposal = kstack(kafka, &["rebalance", file, "--dry-run", "--json"]).expect(0).json();
    assert_eq!(proposal["troubles"], serde_json::json!([]));
    let (moved, least) = (&proposal["bytes"], &proposal["least_bytes"]);
    assert!(least.as_u64() > Some(50 << 20) && moved.as_u64() >= least.as_u64(), "{proposal:#}");
    begun.unthrottled();

    // Each run dies after one request more than the last one, so wherever a run can die one does.
    let mut kills = 0;
    let arguments = ["rebalance", file, "--yes", "--throttle", "6 MiB/s", "--json"];
    let last = loop {
        let ran = hasty(kafka, &arguments, Some(kills + 1));
        match ran.code {
            0 => break ran,
            1 => panic!("{ran}"),
            _ => kills += 1,
        }
        kstack(kafka, &["unlock", file, "--yes"]).expect(0);
        assert!(kills < 100, "it comes to no end");
    };
    println!("{kills} runs were killed, each after one request more; the last one ended with:\n{}", last.out);
    assert!(kills > 5, "{kills}");
    begun.unthrottled();
    assert!(copying(kafka, file).is_empty());
    let proposal = kstack(kafka, &["rebalance", file, "--dry-run"]).expect(0);
    assert!(proposal.out.contains("inside their bands, nothing to do"), "{proposal}");
    kstack(kafka, &["status", file, "--wait", "--timeout", "2m"]).expect(0);
    producer.expect_more("writing after the moves", 20);

    taken_back(kafka, file, client);
    begun.unthrottled();
    producer.expect_more("writing after they were taken back", 20);
    begun.end();
}

/// A run that gets a signal leaves its moves to Kafka, and they can be taken back.
fn taken_back(kafka: &Path, file: &str, client: &Client) {
    client.fill("more", 6, 60);
    kstack(kafka, &["status", file, "--wait", "--timeout", "2m"]).expect(0);
    let before = client.replicas();
    let mut command = kstack_command(kafka, &["rebalance", file, "--yes", "--throttle", "2 MiB/s"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    let ours = poll("moves under way", PATIENCE, || {
        let ours = copying(kafka, file);
        (!ours.is_empty()).then_some(ours)
    });
    assert!(ours.iter().all(|one| one["ours"] == true), "{ours:?}");
    run("kill", &["-s", "INT", &child.id().to_string()]).expect("it runs");
    let ended = child.wait_with_output().expect("it ends");
    assert_eq!(ended.status.code(), Some(130));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("goes on, throttled"), "{ended:?}");
    assert!(!copying(kafka, file).is_empty(), "Kafka goes on without it");
    let cancelled = kstack(kafka, &["move", "cancel", file, "--yes"]).expect(0);
    assert!(cancelled.out.starts_with("Took back "), "{cancelled}");
    assert!(copying(kafka, file).is_empty());
    assert_eq!(client.replicas(), before, "with their replicas in the order that they had");
    // Again there is nothing to take back.
    let again = kstack(kafka, &["move", "cancel", file, "--yes"]).expect(0);
    assert!(again.out.starts_with("Took back 0 moves"), "{again}");
}
