//! More controllers and fewer by `kstack apply` alone, and one whose volume was lost, over a real Kafka, while records are written. Runs die
//! before and after each request that changes the quorum, and lose the answer to one; one dies between rolls, and one while hosts go.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use aws_sdk_ec2::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_ec2::types::{Filter, VolumeState};
use serde_json::Value;

use crate::client::{Client, PATIENCE};
use crate::migration::{cut_off, rolled};
use crate::processes::{kill, kstack, kstack_command, sandbox_folder};
use crate::room::{beside, block, owner};
use crate::support::aws::wait;
use crate::support::{Run, poll, sandbox_command, stack, text};

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
        command.env("KSTACK_TEST_LEASE", "6").env("KSTACK_TEST_SETTLE", "0").env("KSTACK_TEST_DIE_IN_KAFKA", fault);
        let ran = Run::of(&mut command);
        assert_eq!(ran.code == 0, fault.starts_with('~'), "{fault}: {ran}");
        if ran.code != 0 {
            kstack(kafka, &["unlock", file, "--yes"]).expect(0);
            between();
        }
    }
}

fn steps(kafka: &Path, file: &str) -> Vec<String> {
    let plan = kstack(kafka, &["plan", file, "--json"]).expect(0).json();
    let steps = plan["steps"].as_array().expect("steps");
    steps.iter().map(|step| format!("{} {}", text(&step["action"]), text(&step["address"]))).collect()
}

/// The folder in which a host's process has its files.
fn folder_of(host: &str) -> PathBuf {
    let clusters = sandbox_folder().join("kafka");
    fs::read_dir(&clusters).expect("a folder").flatten().next().expect("a cluster").path().join(host)
}

/// How many controllers a host asks.
fn asks(host: &str) -> usize {
    let text = fs::read_to_string(folder_of(host).join("server.properties")).expect("its settings");
    let line = text.lines().find_map(|line| line.strip_prefix("controller.quorum.bootstrap.servers="));
    line.expect("a list").split(',').count()
}

/// Ends the instance of a host, and deletes its volume with all that is on it.
fn lose(host: &str) {
    let env = Run::of(sandbox_command(owner()).args(["sandbox", "env"])).expect(0).out;
    let value = |name: &str| {
        let line = env.lines().find(|line| line.contains(&format!("{name}="))).unwrap_or_else(|| panic!("{env}"));
        line.split_once('=').expect("a value").1.trim_matches(['\'', '"']).to_owned()
    };
    let config = aws_sdk_ec2::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(value("AWS_ENDPOINT_URL"))
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new(value("AWS_ACCESS_KEY_ID"), "test", None, None, "tests"));
    let ec2 = aws_sdk_ec2::Client::from_conf(config.build());
    let filter = |kind: &str| Filter::builder().name("tag:kstack:address").values(format!("{kind}/{host}")).build();
    let running = Filter::builder().name("instance-state-name").values("running").build();
    let instances = wait(ec2.describe_instances().filters(filter("instance")).filters(running).send());
    let instance = instances.reservations()[0].instances()[0].instance_id().expect("an id").to_owned();
    let volumes = wait(ec2.describe_volumes().filters(filter("volume")).send());
    let volume = volumes.volumes()[0].volume_id().expect("an id").to_owned();
    wait(ec2.terminate_instances().instance_ids(instance).send());
    kill(host);
    fs::remove_dir_all(folder_of(host)).expect("its files");
    poll("a volume that nobody has", PATIENCE, || {
        let found = wait(ec2.describe_volumes().volume_ids(&volume).send());
        (found.volumes()[0].state() == Some(&VolumeState::Available)).then_some(())
    });
    wait(ec2.delete_volume().volume_id(volume).send());
}

#[test]
fn controllers_come_and_go_and_one_is_replaced_under_writes_whatever_is_killed() {
    let Some((_room, kafka)) = beside() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("stack.yaml");
    let block = format!("10.{}.0.0/16", block());
    let write = |count: u32| {
        let controllers = format!("controllers: {{count: {count}, instance_type: t4g.medium}}");
        std::fs::write(&path, stack("dev", &[("10.20.0.0/16", &block), ("combined: true", &controllers)]))
            .expect("a file");
        path.display().to_string()
    };
    let file = write(3);
    kstack(&kafka, &["apply", &file, "--yes"]).expect(0);
    let status = kstack(&kafka, &["status", &file, "--wait", "--json"]).expect(0).json();
    let servers: Vec<&str> = status["bootstrap_servers"].as_array().expect("servers").iter().map(text).collect();
    let client = Client { kafka: kafka.clone(), servers: servers.join(",") };
    client.create_topic();
    let mut producer = client.produce(folder.path().join("acknowledged.jsonl"), 100);
    producer.expect_more("writing to the new topic", 100);
    let first = voters(&client);
    assert_eq!(ids(&first), [1001, 1002, 1003]);

    write(5);
    let planned = kstack(&kafka, &["plan", &file]).expect(0);
    println!("{planned}");
    assert!(planned.out.contains("it joins the quorum once it has caught up as an observer"), "{planned}");
    let event = cut_off(&kafka, &file, rolled);
    println!("the run died after {event}");
    assert_eq!(ids(&voters(&client)), [1001, 1002, 1003], "nobody joins before all hosts are told");
    let mut seen = Vec::new();
    faulty(&kafka, &file, &["-1", "1", "~1"], || seen.push(voters(&client).len()));
    assert_eq!(seen, [3, 4], "before the first request, and after it");
    let five = voters(&client);
    assert_eq!(ids(&five), [1001, 1002, 1003, 1004, 1005]);
    assert!(first.iter().all(|(id, directory)| five.get(id) == Some(directory)), "{first:?} {five:?}");
    let hosts = ["controller-1", "controller-5", "broker-1", "broker-3"];
    assert_eq!(hosts.map(asks), [5; 4], "everyone asks all of them");
    assert_eq!(steps(&kafka, &file), Vec::<String>::new());
    producer.expect_more("writing with five controllers", 100);

    write(3);
    println!("{}", kstack(&kafka, &["plan", &file]).expect(0));
    let mut seen = Vec::new();
    faulty(&kafka, &file, &["-1", "1"], || seen.push(voters(&client).len()));
    assert_eq!(seen, [5, 4]);
    let event = cut_off(&kafka, &file, |event| {
        event["event"] == "done" && event["action"] == "delete" && event["address"] == "instance/controller-5"
    });
    println!("the run died after {event}");
    kstack(&kafka, &["apply", &file, "--yes"]).expect(0);
    let three = voters(&client);
    assert_eq!(three, first, "those that stay have the directories that they had");
    assert!(!folder_of("controller-5").exists() && !folder_of("controller-4").exists(), "their volumes are gone");
    assert_eq!(asks("broker-1"), 5, "a host is told of fewer with its next roll");
    assert_eq!(steps(&kafka, &file), Vec::<String>::new());
    producer.expect_more("writing with three controllers again", 100);

    lose("controller-2");
    println!("{}", kstack(&kafka, &["plan", &file]).expect(0));
    let mut seen = Vec::new();
    faulty(&kafka, &file, &["-1", "1", "-1", "~1"], || seen.push(voters(&client).len()));
    assert_eq!(seen, [3, 2, 2], "the old directory leaves, and the new one joins");
    let again = voters(&client);
    assert_eq!(ids(&again), [1001, 1002, 1003]);
    assert_ne!(again[&1002], first[&1002], "what forgot its votes has another directory");
    assert_eq!((&again[&1001], &again[&1003]), (&first[&1001], &first[&1003]));
    assert_eq!(steps(&kafka, &file), Vec::<String>::new());
    producer.expect_more("writing after the loss", 100);

    producer.stop_and_find_all(&client);
    kstack(&kafka, &["destroy", &file, "--yes"]).expect(0);
    kstack(&kafka, &["sandbox", "stop"]);
}
