//! `kstack lag` against a real Kafka: what Kafka's own tool says in records, and what the clock says in time.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::client::{Client, PATIENCE, TOPIC};
use crate::processes::{kill, kstack};
use crate::room::{beside, block};
use crate::support::schema::assert_matches;
use crate::support::{poll, stack, text};

/// A tool by its class, with the brokers and more arguments.
fn class(kafka: &Path, class: &str) -> Command {
    let mut command = Command::new(kafka.join("bin/kafka-run-class.sh"));
    command.arg(class).env("KAFKA_JVM_PERFORMANCE_OPTS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC");
    command
}

/// Writes as many records as there are numbers.
fn write(client: &Client, topic: &str, count: usize) {
    let mut command = Command::new(client.kafka.join("bin/kafka-console-producer.sh"));
    command.args(["--bootstrap-server", &client.servers, "--topic", topic]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.spawn().expect("the tool starts");
    let numbers: String = (0..count).map(|number| format!("{number}\n")).collect();
    child.stdin.take().expect("a pipe").write_all(numbers.as_bytes()).expect("its input");
    assert!(child.wait().expect("it ends").success());
}

/// Reads the topic as `group` until nothing comes any more, and commits.
fn read(client: &Client, topic: &str, group: &str) {
    let mut command = Command::new(client.kafka.join("bin/kafka-console-consumer.sh"));
    command.args(["--bootstrap-server", &client.servers, "--topic", topic, "--group", group, "--from-beginning"]);
    command.args(["--timeout-ms", "15000"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // It ends with 1 where it ends for want of records.
    command.status().expect("the tool starts");
}

/// The lag of each partition in records, as Kafka's own tool tells it.
fn by_kafka(client: &Client, group: &str) -> BTreeMap<(String, u64), u64> {
    let mut command = class(&client.kafka, "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand");
    command.args(["--bootstrap-server", &client.servers, "--describe", "--group", group]);
    let output = command.stdin(Stdio::null()).output().expect("the tool starts");
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let rows = out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let rows = rows.filter(|row| row.len() > 5 && row[0] == group);
    rows.map(|row| ((row[1].to_owned(), row[2].parse().expect("a partition")), row[5].parse().expect("a lag")))
        .collect()
}

/// The same as `lag --json` tells it.
fn by_kstack(lag: &Value, group: &str) -> BTreeMap<(String, u64), u64> {
    let groups = lag["groups"].as_array().expect("groups");
    let group = groups.iter().find(|one| one["group"] == group).expect("the group");
    let all = group["partitions"].as_array().expect("partitions").iter();
    let number = |value: &Value| value.as_u64().expect("a number");
    all.map(|one| ((text(&one["topic"]).to_owned(), number(&one["partition"])), number(&one["records"]))).collect()
}

fn seconds(lag: &Value, group: &str) -> Vec<f64> {
    let groups = lag["groups"].as_array().expect("groups");
    let group = groups.iter().find(|one| one["group"] == group).expect("the group");
    group["partitions"].as_array().expect("partitions").iter().filter_map(|one| one["seconds"].as_f64()).collect()
}

#[test]
fn lag_is_what_kafkas_own_tool_says_and_as_old_as_the_first_unread_record() {
    let Some((_room, kafka)) = beside() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("stack.yaml");
    let block = format!("10.{}.0.0/16", block());
    std::fs::write(&path, stack("dev", &[("10.20.0.0/16", &block)])).expect("a file");
    let file = path.display().to_string();
    let none = kstack(&kafka, &["lag", &file]).expect(1);
    assert!(none.err.contains("has no live brokers to ask"), "{none}");
    kstack(&kafka, &["apply", &file, "--yes"]).expect(0);
    let status = kstack(&kafka, &["status", &file, "--wait", "--json"]).expect(0).json();
    let servers: Vec<&str> = status["bootstrap_servers"].as_array().expect("servers").iter().map(text).collect();
    let client = Client::new(kafka.clone(), servers.join(","));
    let lag = || {
        let lag = kstack(&kafka, &["lag", &file, "--json"]).expect(0).json();
        assert_matches(&lag, "lag");
        lag
    };
    assert_eq!(lag()["groups"], serde_json::json!([]));
    let told = kstack(&kafka, &["lag", &file]).expect(0);
    assert_eq!(told.out, "No consumer group has committed an offset.\n");

    client.create_topic();
    write(&client, TOPIC, 100);
    read(&client, TOPIC, "billing");
    let read_all = lag();
    let by_tool = by_kafka(&client, "billing");
    assert_eq!(by_kstack(&read_all, "billing"), by_tool);
    assert!(by_tool.values().all(|records| *records == 0) && !by_tool.is_empty(), "{by_tool:?}");
    assert!(seconds(&read_all, "billing").iter().all(|seconds| *seconds == 0.0), "{read_all:#}");

    let before = Instant::now();
    write(&client, TOPIC, 60);
    let after = Instant::now();
    std::thread::sleep(Duration::from_secs(5));
    read(&client, TOPIC, "mail");
    let (least, behind) = (after.elapsed().as_secs_f64(), lag());
    let most = before.elapsed().as_secs_f64();
    let by_tool = by_kafka(&client, "billing");
    assert_eq!(by_kstack(&behind, "billing"), by_tool);
    assert_eq!(by_tool.values().sum::<u64>(), 60, "{by_tool:?}");
    let oldest = seconds(&behind, "billing").into_iter().fold(0.0, f64::max);
    assert!((least - 0.1..most + 1.0).contains(&oldest), "{oldest} is between {least} and {most}");
    assert_eq!((&behind["complete"], by_kstack(&behind, "mail").values().sum::<u64>()), (&Value::Bool(true), 0));

    // The end of a transaction is an offset like a record's, to Kafka's own tools too.
    let tool = |name: &str, arguments: &[&str]| {
        let output = class(&kafka, name).args(arguments).stdin(Stdio::null()).output().expect("the tool starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&[output.stdout, output.stderr].concat()));
    };
    let at = ["--bootstrap-server", &client.servers, "--topic", "paid"];
    let create = [&at[..], &["--create", "--partitions", "1", "--replication-factor", "3"]].concat();
    tool("org.apache.kafka.tools.TopicCommand", &create);
    let servers = format!("bootstrap.servers={}", client.servers);
    let records = ["--topic", "paid", "--num-records", "5", "--record-size", "10", "--throughput", "100"];
    let paying = [&records[..], &["--transactional-id", "paying", "--producer-props", &servers]].concat();
    tool("org.apache.kafka.tools.ProducerPerformance", &paying);
    let reset = [&at[..], &["--group", "ledger", "--reset-offsets", "--to-offset", "5", "--execute"]].concat();
    tool("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", &reset);
    let paid = lag();
    let groups = paid["groups"].as_array().expect("groups");
    let ledger = groups.iter().find(|one| one["group"] == "ledger").expect("the group");
    let unread = ledger["partitions"].as_array().expect("partitions").iter().find(|one| one["committed"] == 5);
    let unread = unread.expect("the partition with the records");
    assert_eq!(unread["records"], 1, "{paid:#}");
    assert!(unread["seconds"].as_f64().is_some_and(|seconds| (0.0..600.0).contains(&seconds)), "{paid:#}");
    assert_eq!(by_kstack(&paid, "ledger"), by_kafka(&client, "ledger"));

    let named = kstack(&kafka, &["lag", &file, "--group", "billing"]).expect(0);
    let rows: Vec<Vec<&str>> = named.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["GROUP", "STATE", "TOPIC", "PARTITION", "RECORDS", "OLDEST", "UNREAD"]);
    assert_eq!((rows.len(), &rows[1][..4]), (7, &["billing", "Empty", TOPIC, "0"][..]), "{named}");
    let all = kstack(&kafka, &["lag", &file]).expect(0);
    let rows: Vec<Vec<&str>> = all.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(rows.iter().any(|row| row[..5] == ["billing", "Empty", TOPIC, "6", "60"]), "{all}");
    let nobody = kstack(&kafka, &["lag", &file, "--group", "nobody"]).expect(1);
    assert!(nobody.err.contains("the brokers know no consumer group `nobody`"), "{nobody}");
    let metrics = kstack(&kafka, &["lag", &file, "--openmetrics", "--group", "billing"]).expect(0).out;
    let sum = metrics.lines().filter(|line| line.starts_with("kstack_consumer_group_lag_records{"));
    assert_eq!(sum.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum::<u64>(), 60, "{metrics}");

    // Without a broker the others tell the same, once they lead its partitions and coordinate its groups.
    kill("broker-3");
    poll("the lag without broker-3", PATIENCE, || {
        let lag = kstack(&kafka, &["lag", &file, "--json"]).expect(0).json();
        assert_matches(&lag, "lag");
        // A new coordinator lists no group before it has read its offsets.
        let there = lag["groups"].as_array().expect("groups").iter().any(|one| one["group"] == "billing");
        let whole = there && lag["complete"] == true && lag["silent"] == serde_json::json!([]);
        (whole && by_kstack(&lag, "billing").values().sum::<u64>() == 60).then_some(())
    });
    kstack(&kafka, &["destroy", &file, "--yes"]).expect(0);
    kstack(&kafka, &["sandbox", "stop"]);
}
