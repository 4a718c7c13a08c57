//! Another replication factor of live topics, over a real secured Kafka, while records are written: every run but the last is killed, each after
//! one request more.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::begun::Begun;
use crate::client::Client;
use crate::scale::{Dies, applied};
use crate::support::text;

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
    let with = |topics: &str| format!("{topics}access:");
    let Some(mut begun) = Begun::new(&[], "access:", &with(FIRST)) else { return };
    begun.client.write_mib("bulk", 40);
    begun.throttle_as_others("bulk");
    let client = &begun.client;

    let more = FIRST
        .replace("factor: 1, ", "factor: 3, ")
        .replace("factor: 2, config: {min.insync.replicas: \"1\"", "factor: 3, config: {min.insync.replicas: \"2\"");
    for (topics, count) in [(more.as_str(), 3), (&FIRST.replace("factor: 1, ", "factor: 2, "), 2)] {
        begun.write(&with(topics));
        let planned = begun.run(&["plan", &begun.file, "--json"]).expect(0).json();
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
        let ([kills, _], _) = applied(&begun.kafka, &begun.file, |kills| Dies::InKafka(kills + 1));
        assert!(kills > if count == 3 { 4 } else { 0 }, "{kills}");
        assert_eq!(copies(client, "orders"), [count].into());
        assert_eq!(copies(client, "bulk"), [count].into());
        begun.arrived(&[1, 2, 3]);
    }
    begun.end();
}
