//! Without machines: the settings that the user data has for each host, in plain processes on loopback, as the sandbox runs them.

use std::process::Command;

use crate::alone;
use crate::client::{Client, distribution};
use crate::support::{Run, sandbox_command, stack, text};

/// The binary with a sandbox of this process and its Kafka.
pub fn kstack(kafka: &std::path::Path, arguments: &[&str]) -> Run {
    let mut command: Command = sandbox_command(std::process::id());
    Run::of(command.env("KSTACK_SANDBOX_KAFKA", kafka).arg("--sandbox").args(arguments))
}

#[test]
fn the_settings_of_all_hosts_make_a_cluster_and_a_roll_waits_for_it() {
    let _alone = alone();
    let kafka = match distribution() {
        Ok(kafka) => kafka,
        Err(why) => return println!("SKIPPED: no Kafka can be had here: {why}"),
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("stack.yaml");
    // A block of loopback addresses of this run's own.
    let block = format!("10.{}.0.0/16", 100 + std::process::id() % 100);
    let write = |settings: &str| {
        let text = stack("dev", &[("10.20.0.0/16", &block), ("combined: true", settings)]);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    let file = write("combined: true");
    let applied = kstack(&kafka, &["apply", &file, "--yes"]).expect(0);
    let status = kstack(&kafka, &["status", &file, "--wait", "--json"]).expect(0).json();
    assert_eq!(status["kafka"]["brokers"].as_array().map(Vec::len), Some(3), "{status:#}");
    let racks: std::collections::BTreeSet<&str> =
        status["kafka"]["brokers"].as_array().expect("brokers").iter().map(|broker| text(&broker["rack"])).collect();
    assert_eq!(racks.len(), 3, "a rack is a zone");
    let servers: Vec<&str> = status["bootstrap_servers"].as_array().expect("servers").iter().map(text).collect();
    assert!(servers.iter().all(|server| server.starts_with("127.")), "{servers:?}");
    assert!(applied.out.ends_with(&format!("Bootstrap servers: {}\n", servers.join(","))), "{applied}");

    let client = Client { kafka: kafka.clone(), servers: servers.join(",") };
    client.create_topic();
    let mut producer = client.produce(folder.path().join("acknowledged.jsonl"), 100);
    producer.expect_more("writing to the new topic", 100);
    let file = write("combined: true\n    config: {log.cleaner.threads: \"2\"}");
    let events = kstack(&kafka, &["apply", &file, "--yes", "--json"]).expect(0).events();
    let checked: Vec<&str> = events
        .iter()
        .filter(|event| event["event"] == "checked" && event["by"] == "kafka")
        .map(|event| text(&event["address"]))
        .collect();
    assert_eq!(checked, ["instance/broker-1", "instance/broker-2", "instance/broker-3"], "one after another");
    producer.expect_more("writing after the roll", 100);
    let (acknowledged, found) = (producer.stop(), client.read());
    assert!(acknowledged.is_subset(&found), "{:?}", acknowledged.difference(&found).collect::<Vec<_>>());

    kstack(&kafka, &["destroy", &file, "--yes"]).expect(0);
    let status = kstack(&kafka, &["status", &file]).expect(0);
    assert!(status.out.starts_with("Nothing of the stack"), "{status}");
    kstack(&kafka, &["sandbox", "stop"]);
}
