//! A zone of a real Kafka while records are written: evacuated and filled again, cut off, and lost with all of its volumes. Runs are killed,
//! each after another request that changes something.

use std::collections::BTreeSet;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::begun::Begun;
use crate::client::{Client, PATIENCE};
use crate::controllers::lose;
use crate::heal::Ec2;
use crate::moves::{TOPICS, hasty};
use crate::network::run;
use crate::processes::{kill, kstack, process_ids};
use crate::scale::on;
use crate::support::{Run, poll, text};

const APART: &str = "controllers: {count: 3, instance_type: t4g.small}";

/// The brokers that lead a partition.
fn leaders(client: &Client) -> BTreeSet<u32> {
    let said = client.say(TOPICS, &["--describe"]);
    let leader = |line: &str| line.split("Leader: ").nth(1)?.split_whitespace().next()?.parse().ok();
    said.lines().filter_map(leader).collect()
}

/// Runs it until it comes to its end: each run dies after one request more than the last one.
fn killed(kafka: &Path, arguments: &[&str]) -> Run {
    for kills in 0..60 {
        let ran = hasty(kafka, arguments, Some(kills + 1));
        match ran.code {
            0 => {
                println!("{kills} runs were killed; the last one ended with:\n{ran}");
                assert!(kills > 1, "{kills}");
                return ran;
            }
            1 => panic!("{ran}"),
            _ => {}
        }
        kstack(kafka, &["unlock", arguments[1], "--yes"]).expect(0);
    }
    panic!("it comes to no end");
}

fn signal(hosts: &[&str], signal: &str) {
    let ids = process_ids();
    for host in hosts {
        run("kill", &["-s", signal, "--", &format!("-{}", ids[*host].trim())]).expect("a process");
    }
}

#[test]
fn a_zone_is_evacuated_filled_cut_off_and_lost_under_writes() {
    let Some(mut begun) = Begun::new(&[("combined: true", APART)], "      count: 3", "      count: 6") else { return };
    begun.client.fill("bulk", 6, 24);
    begun.throttle_as_others("bulk");
    let (kafka, file, producer) = (&begun.kafka, &begun.file, &begun.producer);
    let zone_of = |host: &str| {
        let status = kstack(kafka, &["status", file, "--json"]).expect(0).json();
        let hosts = status["hosts"].as_array().expect("hosts").clone();
        text(&hosts.iter().find(|one| one["name"] == host).expect("the host")["zone"]).to_owned()
    };
    evacuated(&begun, &zone_of("broker-1"));
    begun.unthrottled();
    producer.expect_more("writing after the evacuation", 20);
    let zone = zone_of("broker-3");
    cut_off(&begun, &zone);
    lost(&begun, &zone);
    begun.arrived(&[1, 2, 3, 4, 5, 6]);
    begun.end();
}

/// Leaders leave, and then replicas; a rebalance in between brings nothing back; and then everything comes back.
fn evacuated(begun: &Begun, zone: &str) {
    let (kafka, file, client, producer) = (&begun.kafka, &begun.file, &begun.client, &begun.producer);
    let there = |ids: &BTreeSet<u32>| ids.contains(&1) || ids.contains(&4);
    assert!(there(&leaders(client)));
    let before = client.replicas();
    let shown = kstack(kafka, &["evacuate", file, "--zone", zone, "--dry-run"]).expect(0);
    println!("{shown}");
    assert!(shown.out.contains("controller-1 votes in the controllers' quorum, and goes on to"), "{shown}");
    let other = kstack(kafka, &["evacuate", file, "--zone", "eu-west-1x", "--dry-run"]).expect(1);
    assert!(other.err.contains("no broker of the stack is in a zone eu-west-1x"), "{other}");
    killed(kafka, &["evacuate", file, "--zone", zone, "--yes"]);
    assert!(!there(&leaders(client)), "{:?}", leaders(client));
    let sorted = |all: BTreeSet<String>| -> BTreeSet<String> {
        let sort = |line: &String| {
            let mut parts: Vec<&str> = line.split([' ', ',']).collect();
            parts[2..].sort_unstable();
            parts.join(" ")
        };
        all.iter().map(sort).collect()
    };
    assert_eq!(sorted(client.replicas()), sorted(before), "no data moved");
    let said = format!("{zone} is evacuated: brokers 1 and 4 are to lead nothing");
    let rebalanced = kstack(kafka, &["rebalance", file, "--yes"]).expect(0);
    assert!(rebalanced.err.contains(&format!("{zone} is evacuated")), "{rebalanced}");
    for arguments in [&["plan", file][..], &["status", file], &["rebalance", file, "--dry-run"]] {
        let shown = kstack(kafka, arguments).expect(0);
        assert!(shown.out.contains(&said), "{shown}");
    }
    assert!(!there(&leaders(client)), "a rebalance brings nothing back");
    producer.expect_more("writing while nobody leads there", 20);

    let shown = kstack(kafka, &["evacuate", file, "--zone", zone, "--replicas", "--dry-run"]).expect(0);
    println!("{shown}");
    killed(kafka, &["evacuate", file, "--zone", zone, "--replicas", "--yes", "--throttle", "12 MiB/s"]);
    assert_eq!(on(client), BTreeSet::from([2, 3, 5, 6]));
    println!("{}", kstack(kafka, &["status", file]).expect(0));
    println!("{}", kstack(kafka, &["plan", file]).expect(0));
    // Its brokers may be stopped then, and stay so.
    let ec2 = Ec2::of(kafka);
    ec2.stop("broker-4");
    kill("broker-4");
    let fenced = || {
        let told = kstack(kafka, &["status", file, "--json"]).expect(0).json();
        let brokers = told["kafka"]["brokers"].as_array()?.clone();
        brokers.iter().any(|one| one["node"] == 4 && one["fenced"] == true).then_some(())
    };
    poll("the controllers missing broker 4", PATIENCE, fenced);
    let quiet = kstack(kafka, &["heal", file, "--yes"]).expect(0);
    assert_eq!(quiet.out, "", "what was emptied may stay down");
    let refused = kstack(kafka, &["evacuate", file, "--zone", zone, "--undo", "--yes"]).expect(1);
    assert!(refused.err.contains(&format!("Not all of {zone} serve: broker 4")), "{refused}");
    kstack(kafka, &["rebalance", file, "--yes"]).expect(0);
    assert_eq!(on(client), BTreeSet::from([2, 3, 5, 6]), "a rebalance brings nothing back");
    kstack(kafka, &["apply", file, "--yes"]).expect(0);
    kstack(kafka, &["status", file, "--wait", "--timeout", "2m"]).expect(0);
    assert_eq!(on(client), BTreeSet::from([2, 3, 5, 6]), "nor does an apply");

    killed(kafka, &["evacuate", file, "--zone", zone, "--undo", "--yes", "--throttle", "12 MiB/s"]);
    assert_eq!(on(client), (1..=6).collect());
    assert!(there(&leaders(client)), "{:?}", leaders(client));
    let plan = kstack(kafka, &["plan", file]).expect(0);
    assert!(!plan.out.contains("is evacuated"), "{plan}");
}

/// All hosts of a zone are silent at once, and then they answer again.
fn cut_off(begun: &Begun, zone: &str) {
    let (kafka, file, producer) = (&begun.kafka, &begun.file, &begun.producer);
    let hosts = ["broker-3", "broker-6", "controller-3"];
    signal(&hosts, "STOP");
    producer.expect_more("writing without a zone", 20);
    let out = format!("The zone {zone} is out: ");
    let noticed = || {
        let told = kstack(kafka, &["status", file]).expect(0);
        told.out.contains(&out).then_some(told)
    };
    println!("{}", poll("the zone's being missed", PATIENCE, noticed));
    let told = kstack(kafka, &["heal", file, "--yes"]).expect(1);
    println!("{told}");
    assert!(told.out.starts_with(&out), "{told}");
    assert!(!told.out.contains("is back"), "a host that runs is left alone: {told}");
    assert_eq!(begun.steps(), Vec::<String>::new(), "hosts run by EC2's word, and nothing of the file is to be done");
    // Leaders have gone by themselves; it is possible all the same, and nothing waits for the zone.
    kstack(kafka, &["evacuate", file, "--zone", zone, "--yes"]).expect(0);
    producer.expect_more("writing while a zone is silent", 20);
    signal(&hosts, "CONT");
    kstack(kafka, &["status", file, "--wait", "--timeout", "3m"]).expect(0);
    kstack(kafka, &["evacuate", file, "--zone", zone, "--undo", "--yes"]).expect(0);
}

/// Instances and volumes of a whole zone are gone. `heal` brings its brokers back one after another, though each run dies after a request, and
/// `apply` its controller.
fn lost(begun: &Begun, zone: &str) {
    let (kafka, file, client) = (&begun.kafka, &begun.file, &begun.client);
    for host in ["broker-3", "broker-6", "controller-3"] {
        lose(kafka, host);
    }
    begun.producer.expect_more("writing after the loss of a zone", 20);
    let missed = || {
        let told = kstack(kafka, &["status", file, "--json"]).expect(0).json();
        let brokers = told["kafka"]["brokers"].as_array()?.clone();
        let fenced = |one: &&Value| one["fenced"] == true;
        (brokers.iter().filter(fenced).count() == 2).then_some(())
    };
    poll("the controllers missing two brokers", PATIENCE, missed);
    let ec2 = Ec2::of(kafka);
    let told = kstack(kafka, &["heal", file, "--dry-run", "--replace-after", "0s"]).expect(1);
    println!("{told}");
    assert!(told.out.starts_with(&format!("The zone {zone} is out: ")), "{told}");
    assert_eq!([ec2.volume("broker-3"), ec2.volume("broker-6")], [None, None]);
    let behind = || client.say(TOPICS, &["--describe", "--under-replicated-partitions"]);
    let (begun_at, mut kills, mut first_is_back) = (Instant::now(), 0, false);
    let last = loop {
        assert!(begun_at.elapsed() < 3 * PATIENCE, "it comes to no end");
        let ran = hasty(kafka, &["heal", file, "--yes", "--replace-after", "0s"], Some(1));
        if ran.code == 1 {
            // The controller is what is left, and not for this.
            if !ran.out.contains("broker-") {
                break ran;
            }
            let goes_on = ["is back", "does not serve", "are up to date", "out of sync on another broker"];
            assert!(goes_on.iter().any(|one| ran.out.contains(one)), "{ran}");
            sleep(Duration::from_millis(500));
        } else {
            assert_ne!(ran.code, 0, "{ran}");
            kills += 1;
            kstack(kafka, &["unlock", file, "--yes"]).expect(0);
        }
        if !first_is_back && ec2.volume("broker-6").is_some() {
            first_is_back = true;
            let lacking = behind();
            let of_first = |line: &str| {
                let ids = |name: &str| line.split(name).nth(1)?.split_whitespace().next().map(str::to_owned);
                let has = |name: &str| ids(name).is_some_and(|ids| ids.split(',').any(|id| id == "3"));
                has("Replicas: ") && !has("Isr: ")
            };
            assert!(
                !lacking.lines().any(of_first),
                "all of broker 3 is in sync before the next one gets a disk: {lacking}"
            );
        }
    };
    println!("{kills} runs were killed; the last one ended with:\n{last}");
    assert!(kills > 12 && first_is_back, "{kills}");
    assert!(last.out.starts_with("controller-3 has lost its data: its volume is gone.\n"), "{last}");
    begun.unthrottled();
    kstack(kafka, &["apply", file, "--yes"]).expect(0);
    let quiet = kstack(kafka, &["heal", file, "--yes"]).expect(0);
    assert_eq!(quiet.out, "", "all is well");
    assert_eq!(behind().trim(), "", "all replicas are in sync");
}
