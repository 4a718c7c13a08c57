//! Settings that brokers change while they run, over a real Kafka: changed without a roll, wherever a run dies; put right after Kafka's own
//! tool; held back where no broker can be asked.

use std::process::{Command, Output};

use crate::client::Client;
use crate::processes::{kstack, process_ids};
use crate::room::{beside, block};
use crate::support::stack;
use crate::topics::{dying, finish, steps};

const CONFIG: &str = "combined: true\n    config: {num.io.threads: 3, log.cleaner.threads: 1}";
const UPDATE: [&str; 1] = ["update cluster_settings/brokers"];

/// Kafka's tool for settings.
fn configs(client: &Client, arguments: &[&str]) -> Output {
    let mut command = Command::new(client.kafka.join("bin/kafka-run-class.sh"));
    command.args(["kafka.admin.ConfigCommand", "--bootstrap-server", &client.servers, "--entity-type", "brokers"]);
    command.args(arguments).output().expect("the tool starts")
}

/// What the tool says of the settings of a broker.
struct Told(String);

impl Told {
    fn of(client: &Client, broker: &str) -> Told {
        let output = configs(client, &["--entity-name", broker, "--describe", "--all"]);
        Told(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// A setting's value and its sources.
    fn has(&self, name: &str) -> &str {
        let line = self.0.lines().find(|line| line.trim().starts_with(&format!("{name}=")));
        line.unwrap_or_else(|| panic!("{name}: {}", self.0)).trim()
    }
}

/// Sets something by hand, of all brokers or of one.
fn by_hand(client: &Client, broker: Option<&str>, setting: &str) {
    let whose = broker.map_or(vec!["--entity-default"], |broker| vec!["--entity-name", broker]);
    let output = configs(client, &[&whose[..], &["--alter", "--add-config", setting]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&[output.stdout, output.stderr].concat()));
}

#[test]
fn settings_change_without_a_roll_wherever_a_run_dies() {
    let Some((_room, kafka)) = beside() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("stack.yaml");
    let block = format!("10.{}.0.0/16", block());
    let base = stack("dev", &[("10.20.0.0/16", &block), ("combined: true", CONFIG)]);
    let write = |replaced: &[(&str, &str)]| {
        let text = replaced.iter().fold(base.clone(), |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        });
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    };

    // A new cluster has its hosts' files: nothing is to be set, and no broker is asked.
    let file = write(&[]);
    let nowhere = ["--proxy", "socks5://127.0.0.1:9"];
    assert!(!steps(&kafka, &file, &[]).iter().any(|step| step.contains("cluster_settings")));
    kstack(&kafka, &["apply", &file, "--yes"]).expect(0);
    assert_eq!(steps(&kafka, &file, &nowhere), Vec::<String>::new());
    let status = kstack(&kafka, &["status", &file, "--json"]).expect(0).json();
    let servers: Vec<&str> =
        status["bootstrap_servers"].as_array().expect("servers").iter().filter_map(|one| one.as_str()).collect();
    let client = Client::new(kafka.clone(), servers.join(","));
    let before = process_ids();
    assert_eq!(before.len(), 3, "{before:?}");

    // Six times the threads, which Kafka takes in several requests; less retention and a smaller minimum; and one that was not in the file.
    let second: [(&str, &str); 4] = [
        ("retention: 1d", "retention: 2h\n  min_insync_replicas: 1"),
        ("num.io.threads: 3", "num.io.threads: 18"),
        ("log.cleaner.threads: 1", "log.cleaner.threads: 1, message.max.bytes: 2097152"),
        ("partitions: 60", "partitions: 61"),
    ];
    let file = write(&second);
    assert_eq!(steps(&kafka, &file, &[]), UPDATE);
    let held = kstack(&kafka, &[&["plan", &file], &nowhere[..]].concat()).expect(0);
    assert!(
        held.out.contains("the brokers' settings of the stack file have no step") && held.out.contains("--via"),
        "{held}"
    );
    let apply = ["apply", file.as_str(), "--yes"];
    for at in ["-1", "1", "1"] {
        dying(&kafka, &apply, at);
    }
    finish(&kafka, &apply);
    assert_eq!(steps(&kafka, &file, &[]), Vec::<String>::new());
    for broker in ["1", "2", "3"] {
        let told = Told::of(&client, broker);
        assert!(told.has("num.io.threads").starts_with("num.io.threads=18 "));
        assert!(told.has("log.retention.ms").starts_with("log.retention.ms=7200000 "));
        assert!(told.has("min.insync.replicas").starts_with("min.insync.replicas=1 "));
        assert!(told.has("message.max.bytes").starts_with("message.max.bytes=2097152 "));
    }

    // By hand: of all, of one broker, and what no file names.
    by_hand(&client, None, "log.retention.ms=60000,log.cleaner.backoff.ms=20000");
    by_hand(&client, Some("2"), "message.max.bytes=3000000");
    let drift = kstack(&kafka, &["plan", &file]).expect(0);
    for said in ["60000 -> 7200000", "20000 -> 15000", "3000000 on broker 2"] {
        assert!(drift.out.contains(said), "{said}: {drift}");
    }
    dying(&kafka, &apply, "1");
    finish(&kafka, &apply);
    assert_eq!(steps(&kafka, &file, &[]), Vec::<String>::new());
    assert!(!Told::of(&client, "1").has("log.cleaner.backoff.ms").contains("DYNAMIC"), "it is taken away");
    assert!(Told::of(&client, "2").has("message.max.bytes").starts_with("message.max.bytes=2097152 "));

    // Back to what hosts' files say: what was set is found, though no host's own file differs, and goes.
    let file = write(&[]);
    assert_eq!(steps(&kafka, &file, &[]), UPDATE);
    kstack(&kafka, &["apply", &file, "--yes"]).expect(0);
    assert_eq!(steps(&kafka, &file, &[]), Vec::<String>::new());
    let told = Told::of(&client, "3");
    for name in ["num.io.threads", "log.retention.ms", "message.max.bytes"] {
        assert!(!told.has(name).contains("DYNAMIC"), "{}", told.has(name));
    }
    assert!(told.has("min.insync.replicas").starts_with("min.insync.replicas=2 "));
    assert_eq!(process_ids(), before, "no process was started again");
    kstack(&kafka, &["destroy", &file, "--yes"]).expect(0);
    kstack(&kafka, &["sandbox", "stop"]);
}
