//! How often brokers are asked for a plan: as often for many topics, users and rights as for few. And for an apply: in requests that are for
//! all that is made at the same time.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

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

/// How often what was requested, by Kafka's key of it.
type Asked = BTreeMap<i16, usize>;

/// Kafka's key of the question what users may do.
const DESCRIBE_ACLS: i16 = 29;

/// Runs it, and counts.
fn counted(kafka: &Path, arguments: &[&str], requests: &Path) -> (Run, Asked) {
    std::fs::write(requests, "").expect("a file");
    let run = Run::of(kstack_command(kafka, arguments).env("KSTACK_TEST_REQUESTS", requests)).expect(0);
    let mut asked = Asked::new();
    let text = std::fs::read_to_string(requests).expect("what was asked");
    for key in text.lines().filter_map(|line| line.parse().ok()).filter(|key| !OF_CONNECTIONS.contains(key)) {
        *asked.entry(key).or_default() += 1;
    }
    (run, asked)
}

#[test]
fn a_plan_asks_brokers_as_often_about_many_topics_and_users_as_about_few() {
    let Some((_room, kafka)) = beside() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (path, requests) = (folder.path().join("users.yaml"), folder.path().join("requests"));
    let (name, block) = (path.display().to_string(), block());
    let (mut counts, mut applied) = (Vec::new(), Vec::new());
    for count in [2, 60] {
        std::fs::write(&path, file(block, count)).expect("a file");
        applied.push(counted(&kafka, &["apply", &name, "--yes"], &requests).1);
        let (plan, asked) = counted(&kafka, &["plan", &name], &requests);
        assert!(plan.out.contains("Nothing to do"), "{plan}");
        counts.push(asked);
    }
    println!("{:?}", counts[0]);
    assert_eq!(counts[0], counts[1]);
    // Six, and one to each of the three brokers for its settings.
    assert!(counts[0].values().sum::<usize>() <= 9, "{:?}", counts[0]);
    // 58 topics, passwords, quotas and rights are made in what a few take, and what is made at the same time is looked at together.
    println!("{applied:?}");
    let total = |asked: &Asked| asked.values().sum::<usize>();
    assert!(total(&applied[1]) <= 58 && applied[1][&DESCRIBE_ACLS] <= 15, "{applied:?}");
    kstack(&kafka, &["destroy", &name, "--yes"]).expect(0);
    kstack(&kafka, &["sandbox", "stop"]);
}
