//! How often brokers are asked for a plan: as often for many topics, users and rights as for few.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::processes::{kstack, kstack_command};
use crate::room::{beside, block};
use crate::support::Run;

/// Kafka's keys of what each connection begins with: who one is, and which requests the broker knows. A password that is tried is such a
/// connection.
const OF_CONNECTIONS: [i16; 3] = [17, 18, 36];

fn file(block: u8, count: usize) -> String {
    let mut text = format!(
        "apiVersion: kstack/v1\nname: users\nregion: us-east-1\nnetwork: {{cidr: 10.{block}.0.0/16, nat: single, endpoints: [ssm]}}\n\
         workload: {{ingress: 1 MiB/s, retention: 1d}}\ncluster:\n  ec2:\n    kafka: 4.1.1\n    combined: true\n    \
         listeners: {{scram: true, mtls: true}}\n    brokers: {{count: 3, instance_type: t4g.medium}}\ntopics:\n"
    );
    for number in 0..count {
        let _ = writeln!(text, "  t{number}: {{partitions: 1}}");
    }
    text += "access:\n  users:\n";
    for number in 0..count {
        let _ = writeln!(text, "    u{number}: {{produce: [t{number}], quota: {{request: 50%}}}}");
    }
    text
}

#[test]
fn a_plan_asks_brokers_as_often_about_many_topics_and_users_as_about_few() {
    let Some((_room, kafka)) = beside() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (path, requests) = (folder.path().join("users.yaml"), folder.path().join("requests"));
    let (name, block) = (path.display().to_string(), block());
    let mut counts: Vec<BTreeMap<i16, usize>> = Vec::new();
    for count in [2, 60] {
        std::fs::write(&path, file(block, count)).expect("a file");
        kstack(&kafka, &["apply", &name, "--yes"]).expect(0);
        std::fs::write(&requests, "").expect("a file");
        let plan = Run::of(kstack_command(&kafka, &["plan", &name]).env("KSTACK_TEST_REQUESTS", &requests)).expect(0);
        assert!(plan.out.contains("Nothing to do"), "{plan}");
        let mut asked = BTreeMap::new();
        let text = std::fs::read_to_string(&requests).expect("what was asked");
        for key in text.lines().filter_map(|line| line.parse().ok()).filter(|key| !OF_CONNECTIONS.contains(key)) {
            *asked.entry(key).or_default() += 1;
        }
        counts.push(asked);
    }
    println!("{:?}", counts[0]);
    assert_eq!(counts[0], counts[1]);
    // Six, and one to each of the three brokers for its settings.
    assert!(counts[0].values().sum::<usize>() <= 9, "{:?}", counts[0]);
    kstack(&kafka, &["destroy", &name, "--yes"]).expect(0);
    kstack(&kafka, &["sandbox", "stop"]);
}
