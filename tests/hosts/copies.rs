//! Another replication factor of live topics, over a real Kafka, while records are written: every run but the last is killed, each after
//! one request more.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;

use crate::client::Client;
use crate::moves::{CONFIGS, FOREIGN_LIST, FOREIGN_RATE, hasty};
use crate::processes::kstack;
use crate::room::{beside, block};
use crate::support::{stack, text};

/// What the file has at first.
const FIRST: &str = "topics:\n  orders: {partitions: 6, replication_factor: 2, config: {min.insync.replicas: \"1\"}}\n  bulk: {partitions: 5, \
                     replication_factor: 1, config: {min.insync.replicas: \"1\"}}\n";

/// How many replicas the partitions of a topic have.
fn copies(client: &Client, topic: &str) -> BTreeSet<usize> {
    let replicas = client.replicas();
    let lines = replicas.iter().filter(|line| line.starts_with(&format!("{topic} ")));
    lines.map(|line| line.rsplit(' ').next().unwrap_or_default().split(',').count()).collect()
}

#[test]
fn topics_get_more_copies_and_fewer_under_writes_whatever_is_killed() {
    let Some((_room, kafka)) = beside() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("stack.yaml");
    let block = format!("10.{}.0.0/16", block());
    let write = |topics: &str| {
        std::fs::write(&path, format!("{}\n{topics}", stack("dev", &[("10.20.0.0/16", &block)]))).expect("a file");
        path.display().to_string()
    };
    let file = write(FIRST);
    kstack(&kafka, &["apply", &file, "--yes"]).expect(0);
    let status = kstack(&kafka, &["status", &file, "--wait", "--json"]).expect(0).json();
    let servers: Vec<&str> = status["bootstrap_servers"].as_array().expect("servers").iter().map(text).collect();
    let client = Client { kafka: kafka.clone(), servers: servers.join(",") };
    let mut child = client.tool("kafka-console-producer.sh");
    child.args(["--topic", "bulk", "--producer-property", "acks=all", "--producer-property", "batch.size=100000"]);
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("the tool starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let line = format!("{}\n", "kstack".repeat(170));
    (0..40 * 1024).for_each(|_| stdin.write_all(line.as_bytes()).expect("it reads"));
    drop(stdin);
    assert!(child.wait().expect("it ends").success());
    let mut producer = client.produce(folder.path().join("acknowledged.jsonl"), 100);
    producer.expect_more("writing to the topic", 100);

    for (kind, name, setting) in [("brokers", "1", FOREIGN_RATE), ("topics", "bulk", FOREIGN_LIST)] {
        client.say(CONFIGS, &["--alter", "--entity-type", kind, "--entity-name", name, "--add-config", setting]);
    }
    let foreign = client.throttles();
    assert_eq!(foreign.len(), 2, "{foreign:?}");

    let more = FIRST
        .replace("factor: 1, ", "factor: 3, ")
        .replace("factor: 2, config: {min.insync.replicas: \"1\"", "factor: 3, config: {min.insync.replicas: \"2\"");
    for (topics, count) in [(more.as_str(), 3), (&FIRST.replace("factor: 1, ", "factor: 2, "), 2)] {
        let file = write(topics);
        let planned = kstack(&kafka, &["plan", &file, "--json"]).expect(0).json();
        let steps: Vec<&str> =
            planned["steps"].as_array().expect("steps").iter().map(|one| text(&one["address"])).collect();
        assert_eq!(steps, ["topic/bulk", "topic/orders"], "{planned:#}");
        let notes: Vec<&str> =
            planned["notes"].as_array().expect("notes").iter().map(|one: &Value| text(&one["text"])).collect();
        println!("{notes:#?}");
        if count == 3 {
            let told = notes.iter().any(|one| one.contains("2 copies more: ") && one.contains(" MiB are copied"));
            assert!(told, "{notes:?}");
        }
        let mut kills = 0;
        let last = loop {
            let ran = hasty(&kafka, &["apply", &file, "--yes"], Some(kills + 1));
            match ran.code {
                0 => break ran,
                1 => panic!("{ran}"),
                _ => kills += 1,
            }
            kstack(&kafka, &["unlock", &file, "--yes"]).expect(0);
            assert!(kills < 100, "it comes to no end");
        };
        println!("{kills} runs were killed, each after one request more; the last one ended with:\n{last}");
        assert!(kills > if count == 3 { 4 } else { 0 }, "{kills}");
        assert_eq!(client.throttles(), foreign, "its own throttle is lifted, and that of others is there");
        assert_eq!(copies(&client, "orders"), [count].into());
        assert_eq!(copies(&client, "bulk"), [count].into());
        let plan = kstack(&kafka, &["plan", &file, "--json"]).expect(0).json();
        assert_eq!(plan["steps"].as_array().map(Vec::len), Some(0), "{plan:#}");
        kstack(&kafka, &["status", &file, "--wait", "--timeout", "2m"]).expect(0);
        producer.expect_more("writing afterwards", 100);
    }

    producer.stop_and_find_all(&client);
    kstack(&kafka, &["destroy", &write(FIRST), "--yes"]).expect(0);
    kstack(&kafka, &["sandbox", "stop"]);
}
