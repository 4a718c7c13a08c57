//! More brokers and fewer by `kstack apply` alone, over a real secured Kafka, while records are written: every run but the last is killed, each
//! at another request to Kafka or call to AWS. A new broker dies while partitions are copied to it. Topics are made on a broker that is emptied,
//! and on one that is stopped already.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::begun::Begun;
use crate::client::{Client, PATIENCE};
use crate::moves::{CONFIGS, TOPICS, copying};
use crate::processes::{kill_for_a_restart, kstack, kstack_command};
use crate::support::{Run, poll, text};

/// The brokers that partitions have replicas on, by their ids.
pub fn on(client: &Client) -> std::collections::BTreeSet<u32> {
    let replicas = client.replicas();
    let lists = replicas.iter().filter_map(|line| line.rsplit(' ').next());
    lists.flat_map(|list| list.split(',').filter_map(|id| id.parse().ok()).collect::<Vec<u32>>()).collect()
}

/// Where a run is killed.
#[derive(Debug, Clone, Copy)]
pub enum Dies {
    /// After so many requests by which partitions are moved and brokers leave.
    InKafka(usize),
    /// After so many calls to AWS that change something, or before the last of them where it is negative.
    InAws(i32),
}

/// The calls to AWS at which runs die first: before one, and after it.
pub const IN_AWS: [i32; 4] = [-1, 1, -3, 3];

/// Applies until a run comes to its end, and each before dies as `dies` says of the number of those before it. What is run in it is run between
/// two. Gives how many died at requests to Kafka and at calls to AWS, and what all of them said.
pub fn applied(kafka: &Path, file: &str, mut dies: impl FnMut(usize) -> Dies) -> ([usize; 2], String) {
    let (mut deaths, mut said) = ([0, 0], String::new());
    for kills in 0..80 {
        let at = dies(kills);
        let mut command = kstack_command(kafka, &["apply", file, "--yes"]);
        command.env("KSTACK_TEST_SETTLE", "0");
        match at {
            Dies::InKafka(count) => command.env("KSTACK_TEST_DIE_AFTER", count.to_string()),
            Dies::InAws(count) => command.env("KSTACK_TEST_DIE_IN_AWS", count.to_string()),
        };
        let output = command.output().expect("the binary starts");
        // What dies at a call is killed, and what dies at a request aborts.
        let signal = output.status.signal();
        let ran = Run::from(output);
        said += &ran.err;
        match (ran.code, signal) {
            (0, _) => {
                let [kafka, aws] = deaths;
                println!("{kafka} runs died at requests to Kafka, and {aws} at calls to AWS; the last one:\n{ran}");
                return (deaths, said);
            }
            (_, None) => panic!("{ran}"),
            (_, Some(signal)) => {
                let aws = usize::from(signal == 9);
                deaths[aws] += 1;
                println!("killed: {at:?}, at {}", ["a request to Kafka", "a call to AWS"][aws]);
            }
        }
        kstack(kafka, &["unlock", file, "--yes"]).expect(0);
    }
    panic!("it comes to no end");
}

/// A new broker dies while partitions are copied to it. The run says so, takes them back, and moves them again once the broker serves. It is
/// killed then.
fn target_dies(begun: &Begun) {
    // Copies take minutes.
    let rate = |change: &str, what: &str| {
        begun.client.say(CONFIGS, &["--alter", "--entity-type", "brokers", "--entity-default", change, what]);
    };
    rate("--add-config", "leader.replication.throttled.rate=200000");
    let mut command = kstack_command(&begun.kafka, &["apply", &begun.file, "--yes", "--json"]);
    command.env("KSTACK_TEST_SETTLE", "0");
    let mut apply = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().expect("the binary starts");
    let lines = BufReader::new(apply.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    let mut reasons = lines.filter_map(|line| {
        let event: Value = serde_json::from_str(&line).ok()?;
        println!("{line}");
        (event["event"] == "waiting").then(|| text(&event["reason"]).to_owned())
    });
    let mut says = |what: &str| assert!(reasons.any(|reason| reason.contains(what)), "it never said: {what}");
    says("Started ");
    let to = poll("copies to a new broker", PATIENCE, || {
        let copying = copying(&begun.kafka, &begun.file);
        copying.iter().find_map(|one| one["to"][0].as_u64())
    });
    let victim = format!("broker-{to}");
    let mut restart = kill_for_a_restart(&victim);
    says(&format!("broker {to} "));
    says("took back ");
    assert!(copying(&begun.kafka, &begun.file).iter().all(|one| one["to"][0] != to), "nothing waits for it");
    begun.producer.expect_more("writing without a new broker", 20);
    assert!(restart.status().expect("it starts again").success());
    says("Started ");
    apply.kill().expect("it runs");
    let _ = apply.wait();
    rate("--delete-config", "leader.replication.throttled.rate");
    begun.run(&["unlock", &begun.file, "--yes"]).expect(0);
}

#[test]
fn brokers_come_and_go_under_writes_whatever_is_killed() {
    let Some(begun) = Begun::new(&[], "count: 3", "count: 3") else { return };
    let (file, client) = (&begun.file, &begun.client);
    client.fill("bulk", 6, 48);
    client.say(
        TOPICS,
        &["--create", "--topic", "single", "--replica-assignment", "1,2,3", "--config", "min.insync.replicas=1"],
    );

    begun.write("count: 6");
    let planned = begun.run(&["plan", file]).expect(0);
    println!("{planned}");
    assert!(planned.out.contains("brokers 4-6 get their share of the partitions"), "{planned}");
    let mut died = false;
    let ([in_kafka, in_aws], _) = applied(&begun.kafka, &begun.file, |kills| match IN_AWS.get(kills) {
        Some(call) => Dies::InAws(*call),
        None => {
            if !std::mem::replace(&mut died, true) {
                target_dies(&begun);
            }
            Dies::InKafka(kills + 1 - IN_AWS.len())
        }
    });
    assert!(in_kafka > 3 && in_aws == IN_AWS.len(), "{in_kafka}, {in_aws}");
    assert_eq!(on(client), (1..=6).collect());
    begun.arrived(&[1, 2, 3, 4, 5, 6]);

    begun.write("count: 3");
    let planned = begun.run(&["plan", file]).expect(0);
    println!("{planned}");
    assert!(planned.out.contains("brokers 4-6 leave: what they have moves to the others"), "{planned}");
    // The last one that leaves: nobody listens there once it is stopped.
    let status = begun.run(&["status", file, "--json"]).expect(0).json();
    let hosts = status["hosts"].as_array().expect("hosts");
    let host = hosts.iter().find(|host| host["name"] == "broker-6").expect("the last broker");
    let address: Ipv4Addr = text(&host["address"]).replacen("10.", "127.", 1).parse().expect("an address");
    let runs = || TcpStream::connect_timeout(&(address, 9091).into(), Duration::from_secs(5)).is_ok();
    assert!(runs(), "broker 6 listens at {address}");
    let (mut emptied, mut stopped, mut calls) = (0, false, IN_AWS.iter());
    let ([in_kafka, in_aws], said) = applied(&begun.kafka, &begun.file, |kills| {
        if kills == 2 {
            client.say(TOPICS, &["--create", "--topic", "late", "--replica-assignment", "4:5:6,5:6:4"]);
        }
        let empty = || on(client).iter().all(|id| *id <= 3);
        if emptied == 0 && !empty() {
            return Dies::InKafka(kills + 1);
        }
        // From now on each run makes one request: it lifts a throttle, stops a broker, or unregisters the one that is stopped.
        emptied += 1;
        if !stopped && !runs() {
            stopped = true;
            client.say(TOPICS, &["--create", "--topic", "later", "--replica-assignment", "1:6"]);
        }
        match stopped {
            false => Dies::InKafka(1),
            // Hosts are deleted.
            true => calls.next().map_or(Dies::InKafka(80), |call| Dies::InAws(*call)),
        }
    });
    assert!(stopped && in_kafka + in_aws >= emptied && in_aws == IN_AWS.len(), "{in_kafka}, {in_aws}, {emptied}");
    assert!(said.contains("broker-6 is started again"), "it was stopped when it got a replica: {said}");
    assert_eq!(on(client), (1..=3).collect());
    begun.arrived(&[1, 2, 3]);
    begun.end();
}
