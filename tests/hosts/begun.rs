//! What tests of changes of a live cluster begin with: a stack whose hosts speak TLS over a real Kafka, with users and their rights in its
//! file, and a producer with a password that writes to it. And how they end: nothing is left to do, no throttle and no key is left, and a
//! consumer with a certificate finds every record that was acknowledged.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use aws_sdk_ssm::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_ssm::types::ParameterStringFilter;
use kstack_core::cloud_init::papers_address;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Client, Producer};
use crate::moves::{CONFIGS, FOREIGN_LIST, FOREIGN_RATE};
use crate::processes::{kstack, kstack_command};
use crate::room::{Room, beside, block};
use crate::support::aws::{DEV, wait};
use crate::support::{Run, stack, text};

/// Who writes to the topic, and who reads it.
const ACCESS: &str = "\naccess:\n  users:\n    writer:\n      produce: [orders]\n    reader:\n      mechanism: mtls\n      \
                      consume: {topics: [orders], groups: [\"*\"]}\n";
const LISTENERS: (&str, &str) = ("listeners: {plaintext: true}", "listeners: {scram: true, mtls: true}");

/// A stack of three brokers, with a topic that is written to all the time.
pub struct Begun {
    pub kafka: PathBuf,
    /// Kafka's tools, by an administrator's certificate. They ask the brokers that were there when they were made.
    pub client: Client,
    pub producer: Producer,
    /// The stack file.
    pub file: String,
    /// What of it a test changes, and the rest.
    varies: String,
    rest: String,
    /// The throttles that others have set.
    foreign: BTreeSet<String>,
    folder: TempDir,
    _room: Room,
}

impl Begun {
    /// The stack `dev` in TLS with these edits, applied; what of it `varies` is `first`. `None` where no Kafka can be had.
    pub fn new(edits: &[(&str, &str)], varies: &str, first: &str) -> Option<Begun> {
        let (room, kafka) = beside()?;
        Some(Begun::on(room, &kafka, &kafka, edits, varies, first))
    }

    /// The same with `tools` for hosts that run a Kafka of the folder `kafka`.
    pub fn on(room: Room, tools: &Path, kafka: &Path, edits: &[(&str, &str)], varies: &str, first: &str) -> Begun {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("stack.yaml").display().to_string();
        let block = format!("10.{}.0.0/16", block());
        let all: Vec<(&str, &str)> = [LISTENERS, ("10.20.0.0/16", &block)].iter().chain(edits).copied().collect();
        let (rest, varies) = (stack("dev", &all) + ACCESS, varies.to_owned());
        write(&file, &rest, (&varies, first));
        kstack(kafka, &["apply", &file, "--yes"]).expect(0);
        kstack(kafka, &["status", &file, "--wait", "--json"]).expect(0);
        let client = client(tools, kafka, &file, folder.path(), &["--admin"]);
        if !first.contains("topics:") {
            client.create_topic();
        }
        let writer = self::client(tools, kafka, &file, folder.path(), &["writer"]);
        let producer = writer.produce(folder.path().join("acknowledged.jsonl"));
        producer.expect_more("writing to the new topic", 20);
        let kafka = kafka.to_owned();
        Begun { kafka, client, producer, file, varies, rest, foreign: BTreeSet::new(), folder, _room: room }
    }

    /// Writes the file with another value of what varies.
    pub fn write(&self, value: &str) {
        write(&self.file, &self.rest, (&self.varies, value));
    }

    /// Runs kstack with these arguments.
    pub fn run(&self, arguments: &[&str]) -> Run {
        kstack(&self.kafka, arguments)
    }

    /// Kafka's tools for the brokers that the stack has now.
    pub fn tools(&self) -> Client {
        client(&self.client.kafka, &self.kafka, &self.file, self.folder.path(), &["--admin"])
    }

    /// Throttles the copies to a broker and those of a topic, as others than kstack do.
    pub fn throttle_as_others(&mut self, topic: &str) {
        for (kind, name, setting) in [("brokers", "1", FOREIGN_RATE), ("topics", topic, FOREIGN_LIST)] {
            let arguments = ["--alter", "--entity-type", kind, "--entity-name", name, "--add-config", setting];
            self.client.say(CONFIGS, &arguments);
        }
        self.foreign = self.client.throttles();
        assert_eq!(self.foreign.len(), 2, "{:?}", self.foreign);
    }

    /// `ACTION ADDRESS` of every step that a plan has now.
    pub fn steps(&self) -> Vec<String> {
        let plan = self.run(&["plan", &self.file, "--json"]).expect(0).json();
        let steps = plan["steps"].as_array().expect("steps");
        steps.iter().map(|step| format!("{} {}", text(&step["action"]), text(&step["address"]))).collect()
    }

    /// Sees that a change is done: nothing is left to do, these brokers are registered and no others, the throttles of others are there and
    /// none of kstack's, and each host of the stack has a key in Parameter Store and nobody else. Records are written.
    pub fn arrived(&self, brokers: &[u64]) {
        assert_eq!(self.steps(), Vec::<String>::new());
        let proposal = self.run(&["rebalance", &self.file, "--dry-run", "--json"]).expect(0).json();
        assert_eq!(proposal["troubles"], json!([]));
        let all: &Vec<Value> = proposal["brokers"].as_array().expect("brokers");
        let registered: Vec<u64> = all.iter().filter_map(|one| one["broker"].as_u64()).collect();
        assert_eq!(registered, brokers, "those that left are registered no more");
        self.unthrottled();
        let status = self.run(&["status", &self.file, "--wait", "--timeout", "2m", "--json"]).expect(0).json();
        let hosts = status["hosts"].as_array().expect("hosts").iter();
        assert_eq!(self.papers(), hosts.map(|host| text(&host["address"]).to_owned()).collect());
        self.producer.expect_more("writing after the change", 20);
    }

    /// Sees that no broker and no topic has a throttle, but for those of others.
    pub fn unthrottled(&self) {
        assert_eq!(self.tools().throttles(), self.foreign, "its own throttle is lifted, and that of others is there");
    }

    /// The addresses of the hosts that have a key in the sandbox's Parameter Store.
    fn papers(&self) -> BTreeSet<String> {
        let sandbox = self.run(&["sandbox", "status", "--json"]).expect(0).json();
        let config = aws_sdk_ssm::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(text(&sandbox["endpoint"]))
            .region(Region::new(DEV))
            .credentials_provider(Credentials::new("test", "test", None, None, "tests"));
        let ssm = aws_sdk_ssm::Client::from_conf(config.build());
        let below = ParameterStringFilter::builder().key("Path").option("Recursive").values("/kstack-papers/dev/hosts");
        let call = ssm.describe_parameters().max_results(50).parameter_filters(below.build().expect("a filter"));
        let all = wait(call.send()).parameters.unwrap_or_default();
        let host = |name: &str| papers_address("dev", name).map(|address| address.to_string());
        all.iter().filter_map(|one| host(one.name()?)).collect()
    }

    /// Stops writing, and sees that all that was acknowledged is there.
    pub fn end(mut self) {
        self.unthrottled();
        let reader = ["reader", "--by", "mtls"];
        let reader = client(&self.client.kafka, &self.kafka, &self.file, self.folder.path(), &reader);
        self.producer.stop_and_find_all(&reader);
        self.run(&["destroy", &self.file, "--yes"]).expect(0);
        assert_eq!(self.papers(), BTreeSet::new());
        self.run(&["sandbox", "stop"]);
    }
}

fn write(file: &str, rest: &str, (varies, value): (&str, &str)) {
    assert_eq!(rest.matches(varies).count(), 1, "`{varies}` in:\n{rest}");
    std::fs::write(file, rest.replacen(varies, value, 1)).expect("a file");
}

/// A client of the brokers that the stack has now, as what `kstack credentials` makes for these arguments.
fn client(tools: &Path, kafka: &Path, file: &str, folder: &Path, who: &[&str]) -> Client {
    let out = folder.join(format!("{}.properties", who[0].trim_start_matches('-')));
    let out_text = out.display().to_string();
    let arguments = [&["credentials", file, "--out", &out_text], who].concat();
    Run::of(&mut kstack_command(kafka, &arguments)).expect(0);
    Client::by(tools, &out)
}
