//! More brokers of an MSK cluster and fewer, by `kstack apply` alone: LocalStack's MSK, over a real Kafka of this machine that has a process for each
//! of its brokers. Records are written all the time, and every run but the last is killed, at a call to MSK or after a request to Kafka.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::client::Client;
use crate::generations::killed_at;
use crate::moves::TOPICS;
use crate::processes::kstack;
use crate::room::{beside, block, owner};
use crate::scale::{Dies, applied, on};
use crate::support::{Run, sandbox_command, text};

const STACK: &str = "\
apiVersion: kstack/v1
name: msk
region: eu-west-1
network: {cidr: 10.20.0.0/16, nat: none}
cluster:
  msk:
    kafka: 4.1.x.kraft
    brokers:
      count: 3
      instance_type: kafka.m7g.large
      storage: {size: 200 GiB}
    auth: {iam: false, unauthenticated: true}
    encryption: {in_transit: plaintext}
";

/// The cluster while the test changes it.
struct Cluster {
    kafka: PathBuf,
    file: String,
}

impl Cluster {
    /// Writes the file with so many brokers.
    fn write(&self, count: &str) {
        let text = STACK.replacen("10.20.0.0/16", &format!("10.{}.0.0/16", block()), 1);
        std::fs::write(&self.file, text.replacen("count: 3", count, 1)).expect("a file");
    }

    fn run(&self, arguments: &[&str]) -> Run {
        kstack(&self.kafka, arguments)
    }

    /// A client of the brokers that there are now. MSK's names lead nowhere; the processes are where the interfaces are, on loopback.
    fn client(&self) -> Client {
        let status = self.run(&["status", &self.file, "--wait", "--json"]).expect(0).json();
        let at = |one: &Value| format!("{}:9092", text(&one["address"]).replacen("10.", "127.", 1));
        let servers: Vec<String> = status["msk"]["brokers"].as_array().expect("brokers").iter().map(at).collect();
        Client::new(&self.kafka, servers.join(","))
    }

    /// `ACTION ADDRESS` of every step that a plan has now.
    fn steps(&self) -> Vec<String> {
        let plan = self.run(&["plan", &self.file, "--json"]).expect(0).json();
        let steps = plan["steps"].as_array().expect("steps").iter();
        steps.map(|step| format!("{} {}", text(&step["action"]), text(&step["address"]))).collect()
    }

    /// The ids of the brokers that are registered, of which nothing is wrong.
    fn registered(&self) -> Vec<u64> {
        let proposal = self.run(&["rebalance", &self.file, "--dry-run", "--json"]).expect(0).json();
        assert_eq!(proposal["troubles"], serde_json::json!([]));
        let brokers = proposal["brokers"].as_array().expect("brokers");
        brokers.iter().filter_map(|one| one["broker"].as_u64()).collect()
    }

    fn killed_at(&self, address: &str) {
        killed_at(&self.kafka, &self.file, address);
    }
}

#[test]
fn brokers_of_msk_come_and_go_under_writes_whatever_is_killed() {
    let Some((_room, kafka)) = beside() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster { kafka, file: folder.path().join("stack.yaml").display().to_string() };
    let (kafka, file): (&Path, &str) = (&cluster.kafka, &cluster.file);
    cluster.write("count: 3");
    cluster.run(&["apply", file, "--yes"]).expect(0);
    let first = cluster.client();
    first.create_topic();
    let mut producer = first.produce(folder.path().join("acknowledged.jsonl"));
    producer.expect_more("writing to the new topic", 20);
    first.fill("bulk", 6, 48);
    let single =
        ["--create", "--topic", "single", "--replica-assignment", "1,2,3", "--config", "min.insync.replicas=1"];
    first.say(TOPICS, &single);
    // A topic of MSK's own stays where it is, and keeps no broker from being taken away.
    let own = ["--create", "--topic", "__amazon_msk_canary", "--replica-assignment", "1,2,3"];
    first.say(TOPICS, &own);

    cluster.write("count: 6");
    let planned = kstack(kafka, &["plan", file]).expect(0);
    println!("{planned}");
    assert!(planned.out.contains("brokers 4-6 get their share of the partitions"), "{planned}");
    cluster.killed_at("msk_cluster/main:broker-count");
    let ([out, _], _) = applied(kafka, file, |kills| Dies::InKafka(kills + 1));
    assert!(out > 3, "{out}");
    let six = cluster.client();
    assert_eq!(on(&six), (1..=6).collect());
    assert!(six.throttles().is_empty(), "{:?}", six.throttles());
    assert_eq!(cluster.steps(), Vec::<String>::new());
    assert_eq!(cluster.registered(), [1, 2, 3, 4, 5, 6]);
    producer.expect_more("writing on six brokers", 20);
    let own = ["--create", "--topic", "__amazon_msk_canary_state", "--replica-assignment", "4,5,6"];
    six.say(TOPICS, &own);

    cluster.write("count: 3");
    // Where nobody asks the brokers, MSK still looks.
    let blind = |arguments: &[&str]| {
        let mut command = sandbox_command(owner());
        Run::of(command.env_remove("KSTACK_SANDBOX_KAFKA").arg("--sandbox").args(arguments))
    };
    let refused = blind(&["plan", file]).expect(1);
    assert!(refused.out.contains("3 of 6 brokers would leave, and it is not known what is on them"), "{refused}");
    let refused = blind(&["apply", file, "--yes", "--allow-data-loss"]).expect(1);
    assert!(refused.err.contains("Brokers that have partitions cannot be removed"), "{refused}");

    let planned = kstack(kafka, &["plan", file]).expect(0);
    println!("{planned}");
    assert!(planned.out.contains("brokers 4-6 leave: what they have moves to the others"), "{planned}");
    cluster.killed_at("partitions/main");
    let users = |id: &u32| *id > 3;
    let leaving = || {
        let replicas = six.replicas();
        let of_users = replicas.iter().filter(|line| !line.starts_with("__amazon_msk_canary"));
        let ids = of_users.filter_map(|line| line.rsplit(' ').next()).flat_map(|list| list.split(','));
        ids.filter_map(|id| id.parse::<u32>().ok()).any(|id| users(&id))
    };
    let mut emptied = false;
    let ([kills, _], said) = applied(kafka, file, |kills| {
        if kills == 2 {
            six.say(TOPICS, &["--create", "--topic", "late", "--replica-assignment", "4:5:6,5:6:4"]);
        }
        if !emptied && !leaving() {
            emptied = true;
            // Nothing is on them but what is MSK's own: a run dies before the last look, and one when MSK is asked to take them away.
            cluster.killed_at("broker/broker-5");
            cluster.killed_at("msk_cluster/main:broker-removal");
        }
        Dies::InKafka(if emptied { 80 } else { kills + 1 })
    });
    assert!(kills > 3 && emptied, "{kills}, {said}");
    // MSK would have moved it.
    six.say(TOPICS, &["--delete", "--topic", "__amazon_msk_canary_state"]);
    let three = cluster.client();
    assert_eq!(three.servers.split(',').count(), 3);
    assert_eq!(cluster.steps(), Vec::<String>::new());
    assert_eq!(cluster.registered(), [1, 2, 3], "those that left are registered no more");
    let of_users = three.replicas().into_iter().filter(|line| !line.starts_with("__amazon_msk_canary"));
    let ids = of_users.flat_map(|line| line.rsplit(' ').next().map(str::to_owned)).collect::<Vec<_>>();
    assert!(ids.iter().flat_map(|list| list.split(',')).all(|id| ["1", "2", "3"].contains(&id)), "{ids:?}");
    assert!(three.throttles().is_empty(), "{:?}", three.throttles());
    producer.expect_more("writing on three brokers again", 20);
    let none = kstack(kafka, &["move", "cancel", file, "--yes"]).expect(0);
    assert!(none.out.starts_with("Took back 0 moves"), "{none}");
    producer.stop_and_find_all(&three);
    cluster.run(&["destroy", file, "--yes"]).expect(0);
    cluster.run(&["sandbox", "stop"]);
}
