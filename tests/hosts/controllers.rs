//! More controllers and fewer by `kstack apply` alone, and one whose volume was lost, over a real secured Kafka, while records are written. Runs die
//! before and after each request that changes the quorum, and lose the answer to one; one dies between rolls, and one while hosts go.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::begun::Begun;
use crate::client::Client;
use crate::heal::Ec2;
use crate::migration::{cut_off, rolled};
use crate::processes::{cluster, kill, kstack, kstack_command};
use crate::support::{Run, text};

const QUORUM: &str = "org.apache.kafka.tools.MetadataQuorumCommand";

/// The directories of those that vote, by node id.
fn voters(client: &Client) -> BTreeMap<u64, String> {
    let said = client.say(QUORUM, &["describe", "--status"]);
    let list = said.lines().find_map(|line| line.strip_prefix("CurrentVoters:")).unwrap_or_else(|| panic!("{said}"));
    let list: Value = serde_json::from_str(list.trim()).expect("a list");
    let one = |voter: &Value| (voter["id"].as_u64().expect("an id"), text(&voter["directoryId"]).to_owned());
    list.as_array().expect("a list").iter().map(one).collect()
}

fn ids(voters: &BTreeMap<u64, String>) -> Vec<u64> {
    voters.keys().copied().collect()
}

/// Applies, each run with a fault at another request that changes something in Kafka. A run goes on without an answer, and dies by the others.
fn faulty(kafka: &Path, file: &str, faults: &[&str], mut between: impl FnMut()) {
    for fault in faults {
        let mut command = kstack_command(kafka, &["apply", file, "--yes"]);
        command.env("KSTACK_TEST_SETTLE", "0").env("KSTACK_TEST_DIE_IN_KAFKA", fault);
        let ran = Run::of(&mut command);
        assert_eq!(ran.code == 0, fault.starts_with('~'), "{fault}: {ran}");
        if ran.code != 0 {
            kstack(kafka, &["unlock", file, "--yes"]).expect(0);
            between();
        }
    }
}

/// How many controllers a host asks.
fn asks(host: &str) -> usize {
    let text = fs::read_to_string(cluster().join(host).join("server.properties")).expect("its settings");
    let line = text.lines().find_map(|line| line.strip_prefix("controller.quorum.bootstrap.servers="));
    line.expect("a list").split(',').count()
}

/// Ends the instance of a host, and deletes its volume with all that is on it.
pub fn lose(kafka: &Path, host: &str) {
    kill(host);
    fs::remove_dir_all(cluster().join(host)).expect("its files");
    Ec2::of(kafka).end(host, true);
}

#[test]
fn controllers_come_and_go_and_one_is_replaced_under_writes_whatever_is_killed() {
    let controllers = |count: u32| format!("controllers: {{count: {count}, instance_type: t4g.medium}}");
    let Some(begun) = Begun::new(&[], "combined: true", &controllers(3)) else { return };
    let (kafka, file, client) = (&begun.kafka, &begun.file, &begun.client);
    let first = voters(client);
    assert_eq!(ids(&first), [1001, 1002, 1003]);

    begun.write(&controllers(5));
    let planned = begun.run(&["plan", file]).expect(0);
    println!("{planned}");
    assert!(planned.out.contains("it joins the quorum once it has caught up as an observer"), "{planned}");
    let event = cut_off(kafka, file, rolled);
    println!("the run died after {event}");
    assert_eq!(ids(&voters(client)), [1001, 1002, 1003], "nobody joins before all hosts are told");
    let mut seen = Vec::new();
    faulty(kafka, file, &["-1", "1", "~1"], || seen.push(voters(client).len()));
    assert_eq!(seen, [3, 4], "before the first request, and after it");
    let five = voters(client);
    assert_eq!(ids(&five), [1001, 1002, 1003, 1004, 1005]);
    assert!(first.iter().all(|(id, directory)| five.get(id) == Some(directory)), "{first:?} {five:?}");
    let hosts = ["controller-1", "controller-5", "broker-1", "broker-3"];
    assert_eq!(hosts.map(asks), [5; 4], "everyone asks all of them");
    begun.arrived(&[1, 2, 3]);

    begun.write(&controllers(3));
    println!("{}", begun.run(&["plan", file]).expect(0));
    let mut seen = Vec::new();
    faulty(kafka, file, &["-1", "1"], || seen.push(voters(client).len()));
    assert_eq!(seen, [5, 4]);
    let event = cut_off(kafka, file, |event| {
        event["event"] == "done" && event["action"] == "delete" && event["address"] == "instance/controller-5"
    });
    println!("the run died after {event}");
    begun.run(&["apply", file, "--yes"]).expect(0);
    let three = voters(client);
    assert_eq!(three, first, "those that stay have the directories that they had");
    assert!(
        !cluster().join("controller-5").exists() && !cluster().join("controller-4").exists(),
        "their volumes are gone"
    );
    assert_eq!(asks("broker-1"), 5, "a host is told of fewer with its next roll");
    begun.arrived(&[1, 2, 3]);

    lose(kafka, "controller-2");
    println!("{}", begun.run(&["plan", file]).expect(0));
    let mut seen = Vec::new();
    faulty(kafka, file, &["-1", "1", "-1", "~1"], || seen.push(voters(client).len()));
    assert_eq!(seen, [3, 2, 2], "the old directory leaves, and the new one joins");
    let again = voters(client);
    assert_eq!(ids(&again), [1001, 1002, 1003]);
    assert_ne!(again[&1002], first[&1002], "what forgot its votes has another directory");
    assert_eq!((&again[&1001], &again[&1003]), (&first[&1001], &first[&1003]));
    begun.arrived(&[1, 2, 3]);

    begun.end();
}
