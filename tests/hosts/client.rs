//! The Kafka distribution, and its own tools as clients.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::network::run;
use crate::support::poll;

/// How long a tool, or a cluster, may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(300);
pub const TOPIC: &str = "orders";
/// How many records a second are written while a cluster changes. Each is a request that three brokers answer: a hundred take half a core, which
/// other tests wait for.
pub const RATE: u32 = 20;

/// What a reader that gets nothing is asked to tell.
const LOUD: &str = "\
Configuration:
  Appenders:
    Console: {name: STDERR, target: SYSTEM_ERR, PatternLayout: {pattern: '%d %p %c{1} %m%n'}}
  Loggers:
    Root: {level: INFO, AppenderRef: [{ref: STDERR}]}
    Logger: [{name: org.apache.kafka.clients.consumer, level: DEBUG}]
";

/// The folder of the distribution, which is made from Maven Central when it is not there.
pub fn distribution() -> Result<PathBuf, String> {
    distribution_of(None)
}

/// The same of another set of jars, as `tests/kafka` has them.
pub fn distribution_of(set: Option<&str>) -> Result<PathBuf, String> {
    // Looked for and not run: Maven takes seconds to say its version.
    let there = |program: &&str| run("sh", &["-c", &format!("command -v {program}")]).is_ok();
    if let Some(missing) = ["java", "mvn"].into_iter().find(|program| !there(program)) {
        return Err(format!("there is no {missing} on this machine"));
    }
    let assemble = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka/assemble");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("kafka");
    let folder = folder.display().to_string();
    let arguments: Vec<&str> = std::iter::once(&*folder).chain(set).collect();
    run(&assemble.display().to_string(), &arguments).map(PathBuf::from)
}

/// The tools of a distribution, the cluster that they work on, and the client properties by which they come in; none in plaintext.
pub struct Client {
    pub kafka: PathBuf,
    pub servers: String,
    settings: Option<PathBuf>,
}

impl Client {
    /// One who comes in plaintext.
    pub fn new(kafka: impl Into<PathBuf>, servers: impl Into<String>) -> Client {
        Client { kafka: kafka.into(), servers: servers.into(), settings: None }
    }

    /// One who comes with the client properties of a file, to the servers in it.
    pub fn by(kafka: &Path, settings: &Path) -> Client {
        let text = fs::read_to_string(settings).expect("settings");
        let servers = text.lines().find_map(|line| line.strip_prefix("bootstrap.servers=")).expect("servers");
        Client { kafka: kafka.to_owned(), servers: servers.to_owned(), settings: Some(settings.to_owned()) }
    }

    pub fn tool(&self, name: &str) -> Command {
        let mut command = Command::new(self.kafka.join("bin").join(name));
        command.args(self.arguments(name)).stdin(Stdio::null());
        command.env("KAFKA_JVM_PERFORMANCE_OPTS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC");
        command
    }

    /// Where the tool of this name comes in, and by what.
    fn arguments(&self, name: &str) -> Vec<String> {
        let option = match name {
            _ if name.contains("producer") => "--producer.config",
            _ if name.contains("consumer") => "--consumer.config",
            _ => "--command-config",
        };
        let settings = self.settings.iter().flat_map(|file| [option.to_owned(), file.display().to_string()]);
        ["--bootstrap-server".to_owned(), self.servers.clone()].into_iter().chain(settings).collect()
    }

    /// The output of one of Kafka's tools.
    pub fn say(&self, class: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(self.kafka.join("bin/kafka-run-class.sh"));
        command.arg(class).args(self.arguments(class)).args(arguments).stdin(Stdio::null());
        let output = command.output().expect("the tool starts");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{class}: {text}{}", String::from_utf8_lossy(&output.stderr));
        text
    }

    /// The tool with the client properties of a file, and the servers in it; without one, as [`tool`](Client::tool).
    pub fn tool_by(&self, name: &str, settings: Option<&Path>) -> Command {
        settings.map_or_else(|| self.tool(name), |settings| Client::by(&self.kafka, settings).tool(name))
    }

    /// Makes the topic: six partitions, three replicas of each, of which two must have a record.
    pub fn create_topic(&self) {
        self.create_topic_by(None);
    }

    /// The same, with these client properties.
    pub fn create_topic_by(&self, settings: Option<&Path>) {
        let mut command = self.tool_by("kafka-topics.sh", settings);
        command.args(["--create", "--topic", TOPIC, "--partitions", "6", "--replication-factor", "3"]);
        let output = command.args(["--config", "min.insync.replicas=2"]).output().expect("the tool starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&[output.stdout, output.stderr].concat()));
    }

    /// Starts to write numbers, which all replicas in sync must acknowledge, and notes each in `log`.
    pub fn produce(&self, log: PathBuf) -> Producer {
        self.produce_to(TOPIC, log, RATE, &[])
    }

    /// The same, with these client properties.
    pub fn produce_by(&self, settings: Option<&Path>, log: PathBuf) -> Producer {
        let settings = settings.map(|file| file.display().to_string());
        let more: Vec<&str> = settings.iter().flat_map(|file| ["--producer.config", file]).collect();
        self.produce_to(TOPIC, log, RATE, &more)
    }

    /// The same to another topic, `rate` records a second, with more arguments.
    pub fn produce_to(&self, topic: &str, log: PathBuf, rate: u32, more: &[&str]) -> Producer {
        let mut command = self.tool("kafka-verifiable-producer.sh");
        command.args(["--topic", topic, "--acks", "-1", "--throughput", &rate.to_string()]).args(more);
        let file = File::create(&log).expect("a file");
        Producer { child: command.stdout(file).stderr(Stdio::null()).spawn().expect("the tool starts"), log }
    }

    /// Everything that is in the topic.
    pub fn read(&self) -> BTreeSet<u64> {
        self.read_from(TOPIC, &[])
    }

    /// The same of another topic, with more arguments.
    pub fn read_from(&self, topic: &str, more: &[&str]) -> BTreeSet<u64> {
        self.read_for(topic, 20_000, more)
    }

    /// The same by a reader that ends where nothing comes for so many milliseconds.
    fn read_for(&self, topic: &str, patience: u32, more: &[&str]) -> BTreeSet<u64> {
        let mut command = self.tool("kafka-console-consumer.sh");
        command.args(["--topic", topic, "--from-beginning", "--timeout-ms", &patience.to_string()]).args(more);
        let output = command.output().expect("the tool starts");
        String::from_utf8_lossy(&output.stdout).lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// The same, with these client properties. A busy machine may take long until a reader begins.
    pub fn read_by(&self, settings: Option<&Path>) -> BTreeSet<u64> {
        let mut said = String::new();
        let words = tempfile::NamedTempFile::with_suffix(".yaml").expect("a file");
        fs::write(words.path(), LOUD).expect("a file");
        let loud = format!("-Dlog4j2.configurationFile={}", words.path().display());
        for (patience, logging) in [("20000", None), ("60000", None), ("60000", Some(loud))] {
            let mut command = self.tool_by("kafka-console-consumer.sh", settings);
            command.args(["--topic", TOPIC, "--from-beginning", "--timeout-ms", patience]);
            command.envs(logging.map(|option| ("KAFKA_LOG4J_OPTS", option)));
            let output = command.output().expect("the tool starts");
            let text = String::from_utf8_lossy(&output.stdout);
            let found: BTreeSet<u64> = text.lines().filter_map(|line| line.parse().ok()).collect();
            if !found.is_empty() {
                return found;
            }
            said = format!("{text}{}", String::from_utf8_lossy(&output.stderr));
        }
        panic!("nothing can be read: {said}");
    }
}

/// A producer under way.
pub struct Producer {
    child: Child,
    log: PathBuf,
}

impl Producer {
    /// The numbers that were acknowledged so far.
    pub fn acknowledged(&self) -> BTreeSet<u64> {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let acknowledged = events.filter(|event| event["name"] == "producer_send_success");
        acknowledged.filter_map(|event| event["value"].as_str()?.parse().ok()).collect()
    }

    /// Sees that `more` records are acknowledged from now on.
    pub fn expect_more(&self, what: &str, more: usize) {
        let before = self.acknowledged().len();
        poll(what, PATIENCE, || (self.acknowledged().len() >= before + more).then_some(()));
    }

    /// Lets it end what is under way, and gives all that was acknowledged.
    pub fn stop(&mut self) -> BTreeSet<u64> {
        let _ = run("kill", &["-s", "TERM", &self.child.id().to_string()]);
        let _ = self.child.wait();
        self.acknowledged()
    }

    /// Lets it end, and finds all that was acknowledged among what `client` reads. A busy machine may take long until a reader has all.
    pub fn stop_and_find_all(&mut self, client: &Client) {
        let acknowledged = self.stop();
        let mut found = BTreeSet::new();
        for patience in [5_000, 20_000, 60_000] {
            if acknowledged.is_empty() || !acknowledged.is_subset(&found) {
                found = client.read_for(TOPIC, patience, &[]);
            }
        }
        assert!(!acknowledged.is_empty(), "nothing was written");
        let missing: Vec<&u64> = acknowledged.difference(&found).collect();
        assert!(missing.is_empty(), "{} of {} records are missing: {missing:?}", missing.len(), acknowledged.len());
        println!("{} records acknowledged, and none missing.", acknowledged.len());
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
