//! More brokers and fewer by `kstack apply` alone, over a real Kafka, while records are written: every run but the last is killed, each after
//! another request. Topics are made on a broker that is emptied, and on one that is stopped already.

use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::Duration;

use crate::begun::Begun;
use crate::client::Client;
use crate::moves::{TOPICS, hasty};
use crate::processes::kstack;
use crate::support::{Run, text};

/// The brokers that partitions have replicas on, by their ids.
pub fn on(client: &Client) -> std::collections::BTreeSet<u32> {
    let replicas = client.replicas();
    let lists = replicas.iter().filter_map(|line| line.rsplit(' ').next());
    lists.flat_map(|list| list.split(',').filter_map(|id| id.parse().ok()).collect::<Vec<u32>>()).collect()
}

/// Applies until a run comes to its end: each other dies after so many requests that change something as `dies` says, by the number of those
/// before it. What is run between two is run with the same number.
pub fn applied(kafka: &Path, file: &str, mut dies: impl FnMut(usize) -> usize) -> (usize, Run) {
    for kills in 0..80 {
        let ran = hasty(kafka, &["apply", file, "--yes"], Some(dies(kills)));
        match ran.code {
            0 => {
                println!("{kills} runs were killed; the last one ended with:\n{ran}");
                return (kills, ran);
            }
            1 => panic!("{ran}"),
            _ => {}
        }
        kstack(kafka, &["unlock", file, "--yes"]).expect(0);
    }
    panic!("it comes to no end");
}

#[test]
fn brokers_come_and_go_under_writes_whatever_is_killed() {
    let Some(begun) = Begun::new(&[], "count: 3") else { return };
    let (kafka, file, client, producer) = (&begun.kafka, &begun.file, &begun.client, &begun.producer);
    client.fill("bulk", 6, 48);
    client.say(
        TOPICS,
        &["--create", "--topic", "single", "--replica-assignment", "1,2,3", "--config", "min.insync.replicas=1"],
    );

    begun.write("count: 6");
    let planned = kstack(kafka, &["plan", file]).expect(0);
    println!("{planned}");
    assert!(planned.out.contains("brokers 4-6 get their share of the partitions"), "{planned}");
    let (out, _) = applied(kafka, file, |kills| kills + 1);
    assert!(out > 3, "{out}");
    assert_eq!(on(client), (1..=6).collect());
    assert!(client.throttles().is_empty(), "{:?}", client.throttles());
    assert_eq!(begun.steps(), Vec::<String>::new());
    producer.expect_more("writing on six brokers", 100);

    begun.write("count: 3");
    let planned = kstack(kafka, &["plan", file]).expect(0);
    println!("{planned}");
    assert!(planned.out.contains("brokers 4-6 leave: what they have moves to the others"), "{planned}");
    // The last one that leaves: nobody listens there once it is stopped.
    let status = kstack(kafka, &["status", file, "--json"]).expect(0).json();
    let hosts = status["hosts"].as_array().expect("hosts");
    let host = hosts.iter().find(|host| host["name"] == "broker-6").expect("the last broker");
    let address: Ipv4Addr = text(&host["address"]).replacen("10.", "127.", 1).parse().expect("an address");
    let runs = || TcpStream::connect_timeout(&(address, 9092).into(), Duration::from_secs(5)).is_ok();
    assert!(runs(), "broker 6 listens at {address}");
    let (mut emptied, mut stopped) = (0, false);
    let (kills, last) = applied(kafka, file, |kills| {
        if kills == 2 {
            client.say(TOPICS, &["--create", "--topic", "late", "--replica-assignment", "4:5:6,5:6:4"]);
        }
        let empty = || on(client).iter().all(|id| *id <= 3);
        if emptied == 0 && !empty() {
            return kills + 1;
        }
        // From now on each run makes one request: it lifts a throttle, stops a broker, or unregisters the one that is stopped.
        emptied += 1;
        if !stopped && !runs() {
            stopped = true;
            client.say(TOPICS, &["--create", "--topic", "later", "--replica-assignment", "1:6"]);
        }
        if stopped { 80 } else { 1 }
    });
    assert!(stopped && kills >= emptied, "{kills}, {emptied} of them after brokers were empty");
    assert!(last.err.contains("broker-6 is started again"), "it was stopped when it got a replica: {last}");
    assert_eq!(on(client), (1..=3).collect());
    assert!(client.throttles().is_empty(), "{:?}", client.throttles());
    assert_eq!(begun.steps(), Vec::<String>::new());
    assert_eq!(begun.registered(), [1, 2, 3], "those that left are registered no more");
    producer.expect_more("writing on three brokers again", 100);
    begun.end();
}
