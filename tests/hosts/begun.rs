//! What tests of changes of a live cluster begin with, a stack over a real Kafka and a producer that writes to it; and how they end: no
//! acknowledged record is missing.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::client::{Client, Producer};
use crate::processes::kstack;
use crate::room::{Room, beside, block};
use crate::support::{stack, text};

/// A stack of three brokers, with a topic that is written to all the time.
pub struct Begun {
    pub kafka: PathBuf,
    pub client: Client,
    pub producer: Producer,
    /// The stack file.
    pub file: String,
    /// The stack file without the edits; `dev` where there is none.
    base: Option<&'static str>,
    edits: Vec<(String, String)>,
    _folder: TempDir,
    _room: Room,
}

impl Begun {
    /// The stack `dev` with these edits, applied; `count` is what stands for its `count: 3`. `None` where no Kafka can be had.
    pub fn new(edits: &[(&str, &str)], count: &str) -> Option<Begun> {
        Begun::of(None, edits, count)
    }

    /// The same of another stack file, which has the same `cidr` and `count`.
    pub fn of(base: Option<&'static str>, edits: &[(&str, &str)], count: &str) -> Option<Begun> {
        let (room, kafka) = beside()?;
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("stack.yaml").display().to_string();
        let mut edits: Vec<(String, String)> =
            edits.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned())).collect();
        edits.push(("10.20.0.0/16".to_owned(), format!("10.{}.0.0/16", block())));
        write(&file, base, &edits, count);
        kstack(&kafka, &["apply", &file, "--yes"]).expect(0);
        let client = client(&kafka, &file);
        client.create_topic();
        let producer = client.produce(folder.path().join("acknowledged.jsonl"), 100);
        producer.expect_more("writing to the new topic", 100);
        Some(Begun { kafka, client, producer, file, base, edits, _folder: folder, _room: room })
    }

    /// Writes the file with another number of brokers.
    pub fn write(&self, count: &str) {
        write(&self.file, self.base, &self.edits, count);
    }

    /// `ACTION ADDRESS` of every step that a plan has now.
    pub fn steps(&self) -> Vec<String> {
        let plan = kstack(&self.kafka, &["plan", &self.file, "--json"]).expect(0).json();
        let steps = plan["steps"].as_array().expect("steps");
        steps.iter().map(|step| format!("{} {}", text(&step["action"]), text(&step["address"]))).collect()
    }

    /// The ids of the brokers that are registered, of which nothing is wrong.
    pub fn registered(&self) -> Vec<u64> {
        let proposal = kstack(&self.kafka, &["rebalance", &self.file, "--dry-run", "--json"]).expect(0).json();
        assert_eq!(proposal["troubles"], serde_json::json!([]));
        let brokers: &Vec<Value> = proposal["brokers"].as_array().expect("brokers");
        brokers.iter().filter_map(|one| one["broker"].as_u64()).collect()
    }

    /// Stops writing, and sees that all that was acknowledged is there.
    pub fn end(mut self) {
        self.producer.stop_and_find_all(&client(&self.kafka, &self.file));
        kstack(&self.kafka, &["destroy", &self.file, "--yes"]).expect(0);
        kstack(&self.kafka, &["sandbox", "stop"]);
    }
}

fn write(file: &str, base: Option<&str>, edits: &[(String, String)], count: &str) {
    let edits = edits.iter().map(|(old, new)| (old.as_str(), new.as_str()));
    let all: Vec<(&str, &str)> = [("count: 3", count)].into_iter().chain(edits).collect();
    let text = match base {
        Some(base) => all.iter().fold(base.to_owned(), |text, (old, new)| text.replacen(old, new, 1)),
        None => stack("dev", &all),
    };
    std::fs::write(file, text).expect("a file");
}

/// A client of the brokers that the stack has now.
pub fn client(kafka: &Path, file: &str) -> Client {
    let status = kstack(kafka, &["status", file, "--wait", "--json"]).expect(0).json();
    let servers = |all: &Value| all.as_array().expect("a list").iter().map(text).map(str::to_owned).collect::<Vec<_>>();
    let servers = match status["msk"]["brokers"].as_array() {
        // MSK's names lead nowhere; the processes are where the interfaces are, on loopback.
        Some(brokers) => {
            let at = |one: &Value| format!("{}:9092", text(&one["address"]).replacen("10.", "127.", 1));
            brokers.iter().map(at).collect()
        }
        None => servers(&status["bootstrap_servers"]),
    };
    Client { kafka: kafka.to_owned(), servers: servers.join(",") }
}
