//! Another set of brokers in the place of the live one, over a real Kafka, while records are written: every run but the last is killed, after a
//! request to Kafka or at a call to AWS. Topics are made on the old set while it is emptied.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::begun::Begun;
use crate::moves::TOPICS;
use crate::processes::{kstack, kstack_command};
use crate::scale::{Dies, IN_AWS, applied, on};
use crate::support::schema::assert_matches;

/// What the file says of the brokers.
fn set(generation: u32, gib: u32) -> String {
    format!("count: 3\n      generation: {generation}\n      storage: {{size: {gib} GiB}}")
}

/// Kills an apply when it has begun with the step of `address`.
pub fn killed_at(kafka: &Path, file: &str, address: &str) {
    let mut command = kstack_command(kafka, &["apply", file, "--yes", "--json"]);
    command.env("KSTACK_TEST_SETTLE", "0");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().expect("the binary starts");
    let events = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut events = events.map(|line| serde_json::from_str::<Value>(&line.expect("a line")).expect("JSON"));
    let reached = events.any(|event| event["event"] == "started" && event["address"] == address);
    child.kill().expect("it is killed");
    child.wait().expect("it ends");
    assert!(reached, "it did not come to {address}");
    kstack(kafka, &["unlock", file, "--yes"]).expect(0);
}

#[test]
fn another_set_of_brokers_takes_the_place_of_the_live_one_whatever_is_killed() {
    let controllers = ("combined: true", "controllers: {count: 1, instance_type: t4g.small}");
    let Some(begun) = Begun::new(&[controllers], "count: 3", &set(0, 200)) else { return };
    let (file, old) = (&begun.file, &begun.client);
    old.fill("bulk", 6, 36);
    old.say(
        TOPICS,
        &["--create", "--topic", "single", "--replica-assignment", "1,2,3", "--config", "min.insync.replicas=1"],
    );

    begun.write(&set(1, 170));
    let planned = begun.run(&["plan", file]).expect(0);
    println!("{planned}");
    assert_matches(&begun.run(&["plan", file, "--json"]).expect(0).json(), "plan");
    for said in ["brokers 1-3 leave: what they have moves to the others", "While both sets of brokers are there: "] {
        assert!(planned.out.contains(said), "{planned}");
    }
    killed_at(&begun.kafka, &begun.file, "instance/broker-2002");
    killed_at(&begun.kafka, &begun.file, "partitions/main");
    // The writer knows the old addresses alone; these tools both.
    let both = begun.tools();
    assert_eq!(both.servers.split(',').count(), 6, "{}", both.servers);
    let (mut left, mut calls) = (0, IN_AWS.iter());
    let ([in_kafka, in_aws], _) = applied(&begun.kafka, &begun.file, |kills| {
        if kills == 2 {
            both.say(TOPICS, &["--create", "--topic", "late", "--replica-assignment", "1:2:3,2:3:1"]);
        }
        if on(&both).iter().any(|id| *id < 2000) {
            return Dies::InKafka(kills + 1);
        }
        // The old set is empty: a run that stops a broker, one that unregisters it, and those that delete its host.
        left += 1;
        if left < 3 { Dies::InKafka(1) } else { calls.next().map_or(Dies::InKafka(80), |call| Dies::InAws(*call)) }
    });
    assert!(in_kafka > 5 && in_aws == IN_AWS.len(), "{in_kafka}, {in_aws}, {left} after the old set was empty");
    assert_eq!(on(&begun.tools()), (2001..=2003).collect());
    begun.arrived(&[2001, 2002, 2003]);

    begun.write(&set(0, 170));
    let refused = begun.run(&["plan", file]).expect(1);
    assert!(refused.out.contains("a set that has gone does not come back"), "{refused}");
    begun.write(&set(1, 170));
    begun.end();
}
