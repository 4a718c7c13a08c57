//! A live plaintext cluster comes to TLS through kstack's own commands, on the sandbox with a Kafka, while producers write. Runs are killed
//! before and after hosts are rolled; no acknowledged record may be missing.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::client::{Client, RATE};
use crate::processes::{kstack, kstack_command};
use crate::room::{beside, block};
use crate::support::{Run, stack, text};

/// The topic of the client that came to SCRAM.
const MOVED: &str = "moved";

/// Lets nobody wait after a run that was killed.
fn hasty(kafka: &Path, arguments: &[&str]) -> Command {
    let mut command = kstack_command(kafka, arguments);
    command.env("KSTACK_TEST_LEASE", "60").env("KSTACK_TEST_SETTLE", "0");
    command
}

/// Applies the file, and kills the run at the first event for which `at` holds, which is given back.
pub fn cut_off(kafka: &Path, file: &str, at: impl Fn(&Value) -> bool) -> Value {
    let mut command = hasty(kafka, &["apply", file, "--yes", "--json"]);
    let mut apply = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().expect("the binary starts");
    let lines = BufReader::new(apply.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    let mut events = lines.filter_map(|line| serde_json::from_str::<Value>(&line).ok());
    let event = events.find(|event| at(event)).expect("an event before the end");
    apply.kill().expect("it runs");
    let _ = apply.wait();
    kstack(kafka, &["unlock", file, "--yes"]).expect(0);
    event
}

/// That a host was rolled, by Kafka's word.
pub fn rolled(event: &Value) -> bool {
    event["event"] == "checked" && event["by"] == "kafka"
}

fn begins(event: &Value) -> bool {
    event["event"] == "started" && event["action"] == "roll"
}

/// What `status` warns of.
fn phases(kafka: &Path, file: &str) -> String {
    kstack(kafka, &["status", file]).expect(0).out.lines().filter(|line| line.starts_with("Warning")).collect()
}

#[test]
fn a_plaintext_cluster_comes_to_tls_under_writes_wherever_runs_die() {
    let Some((_room, kafka)) = beside() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("stack.yaml");
    let at = |name: &str| folder.path().join(name).display().to_string();
    let block = format!("10.{}.0.0/16", block());
    let write = |listeners: &str| {
        fs::write(&path, stack("dev", &[("10.20.0.0/16", &block), ("combined: true", listeners)])).expect("a file");
        path.display().to_string()
    };
    let apply = |file: &str| Run::of(&mut hasty(&kafka, &["apply", file, "--yes"])).expect(0);
    let file = write("combined: true");
    apply(&file);
    let status = kstack(&kafka, &["status", &file, "--wait", "--json"]).expect(0).json();
    let servers: Vec<String> =
        status["bootstrap_servers"].as_array().expect("servers").iter().map(|one| text(one).to_owned()).collect();
    let client = Client::new(kafka.clone(), servers.join(","));
    client.create_topic();
    let mut old = client.produce(folder.path().join("old.jsonl"));
    old.expect_more("writing in plaintext", 20);

    // Open, and switch. The runs die after a host, while one is rolled, and after the first of the second stage.
    let both = write("combined: true\n    listeners: {scram: true, plaintext: true}");
    let refused = write("combined: true\n    listeners: {scram: true}");
    let early = kstack(&kafka, &["apply", &refused, "--yes"]).expect(1);
    assert!(early.out.contains("they would lose the brokers"), "{early}");
    write("combined: true\n    listeners: {scram: true, plaintext: true}");
    cut_off(&kafka, &both, rolled);
    assert!(phases(&kafka, &both).contains("2 plaintext, 1 open"), "{}", phases(&kafka, &both));
    cut_off(&kafka, &both, begins);
    old.expect_more("writing while hosts are in two phases", 20);
    cut_off(&kafka, &both, |event| rolled(event) && phases(&kafka, &both).contains("switched"));
    assert!(phases(&kafka, &both).contains("open, "), "{}", phases(&kafka, &both));
    apply(&both);
    assert!(phases(&kafka, &both).contains("no ACL counts"), "{}", phases(&kafka, &both));
    old.expect_more("writing in plaintext, which the hosts do not use any more", 20);

    // The pause: a client comes by SCRAM, and the other one ends.
    let settings = at("api.properties");
    kstack(&kafka, &["credentials", &both, "orders-api", "--out", &settings]).expect(0);
    let admin = at("admin.properties");
    kstack(&kafka, &["credentials", &both, "--admin", "--out", &admin]).expect(0);
    let by = |settings: &str| {
        let text = fs::read_to_string(settings).expect("settings");
        let servers = text.lines().find_map(|line| line.strip_prefix("bootstrap.servers="));
        Client::new(kafka.clone(), servers.expect("servers").to_owned())
    };
    let ask = |class: &str, arguments: &[&str]| {
        let mut command = Command::new(kafka.join("bin/kafka-run-class.sh"));
        command.args([class, "--bootstrap-server", &by(&admin).servers, "--command-config", &admin]).args(arguments);
        let output = command.stdin(Stdio::null()).output().expect("the tool starts");
        assert!(output.status.success(), "{class}: {}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let topic = ["--create", "--topic", MOVED, "--partitions", "6", "--replication-factor", "3"];
    ask("org.apache.kafka.tools.TopicCommand", &topic);
    let allow = ["--add", "--topic", MOVED, "--allow-principal", "User:orders-api", "--producer"];
    ask("org.apache.kafka.tools.AclCommand", &allow);
    let mut new =
        by(&settings).produce_to(MOVED, folder.path().join("new.jsonl"), RATE, &["--producer.config", &settings]);
    new.expect_more("writing by SCRAM", 20);
    let written = old.stop();

    // Close, in two runs.
    let tls = write("combined: true\n    listeners: {scram: true}");
    cut_off(&kafka, &tls, rolled);
    apply(&tls);
    assert_eq!(phases(&kafka, &tls), "");
    new.expect_more("writing after plaintext has gone", 20);
    let moved = new.stop();
    let admins = by(&admin);
    let quorum = ask("org.apache.kafka.tools.MetadataQuorumCommand", &["describe", "--status"]);
    assert!(quorum.contains("QUORUM://") && !quorum.contains("CONTROLLER://"), "{quorum}");
    let reader = ["--consumer.config", admin.as_str()];
    for (topic, acknowledged) in [("orders", written), (MOVED, moved)] {
        let found = admins.read_from(topic, &reader);
        let lost: Vec<&u64> = acknowledged.difference(&found).collect();
        assert!(lost.is_empty(), "{topic}: of {} acknowledged records {} are lost", acknowledged.len(), lost.len());
        println!("{topic}: {} acknowledged records, 0 lost", acknowledged.len());
    }
    for server in servers {
        let address: SocketAddr = server.parse().expect("an address");
        for port in [9092, 9093] {
            let there = TcpStream::connect_timeout(&SocketAddr::new(address.ip(), port), Duration::from_secs(5));
            assert!(there.is_err(), "{} listens on {port}", address.ip());
        }
    }
    assert!(kstack(&kafka, &["plan", &tls]).expect(0).out.contains("Nothing to do"));
    kstack(&kafka, &["destroy", &tls, "--yes"]).expect(0);
    kstack(&kafka, &["sandbox", "stop"]);
}
