//! A cluster to move away from: Kafka 3.9 and its ZooKeeper, each a process on an address of this test's own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::client::{Client, PATIENCE, distribution_of};
use crate::room::block;
use crate::support::poll;

/// Ends the program as soon as standard input does: with the test, however that ends.
const GUARD: &str = r#"exec 3<&0
"$@" < /dev/null 3<&- & program=$!
(read -r _ <&3; kill -KILL "$program") & wait "$program""#;

const JVM: &str = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC";

/// A process that ends with this.
pub struct Process {
    child: Child,
    guard: Option<ChildStdin>,
}

impl Process {
    /// Starts a class of the distribution `kafka` with these settings. What it says is in `folder`, in the log of this name.
    pub fn start(kafka: &Path, folder: &Path, name: &str, class: &str, settings: &Path) -> Process {
        let log = File::create(folder.join(format!("{name}.log"))).expect("a log");
        let mut command = Command::new("sh");
        command.args(["-c", GUARD, name]).arg(kafka.join("bin/kafka-run-class.sh")).arg(class).arg(settings);
        let logging = folder.join("log4j2.yaml");
        fs::write(&logging, include_str!("../../cloud-init/log4j2.yaml.hbs")).expect("a file");
        command.env("KAFKA_LOG4J_OPTS", format!("-Dlog4j2.configurationFile={}", logging.display()));
        command.env("KAFKA_HEAP_OPTS", "-Xmx256m").env("KAFKA_JVM_PERFORMANCE_OPTS", JVM).env("LOG_DIR", folder);
        command.stdin(Stdio::piped()).stdout(log.try_clone().expect("a log")).stderr(log);
        let mut child = command.spawn().expect("it starts");
        Process { guard: child.stdin.take(), child }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.guard.take());
        let _ = self.child.wait();
    }
}

pub struct OldCluster {
    pub folder: PathBuf,
    kafka: PathBuf,
    address: String,
    _processes: Vec<Process>,
}

/// The user of the mirror at the old cluster, who proves itself by SCRAM.
const USER: &str = "mirror";
pub const PASSWORD: &str = "canary-of-the-mirror";

impl OldCluster {
    /// Starts both, with `tools` of a newer Kafka to ask them, and waits until the broker serves.
    pub fn start(folder: &Path, tools: &Path) -> OldCluster {
        let kafka = distribution_of(Some("zookeeper")).expect("Kafka 3.9");
        let address = format!("127.{}.254.1", block());
        fs::create_dir_all(folder).expect("a folder");
        let (data, zookeeper) = (folder.join("zookeeper"), folder.join("zookeeper.properties"));
        let text = format!(
            "dataDir={}\nclientPort=2181\nclientPortAddress={address}\nadmin.enableServer=false\n",
            data.display()
        );
        fs::write(&zookeeper, text).expect("a file");
        let jaas = "listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;";
        let text = format!(
            "broker.id=0\nzookeeper.connect={address}:2181\nlog.dirs={}\nlisteners=PLAINTEXT://{address}:9092,SASL_PLAINTEXT://{address}:9094\n\
             sasl.enabled.mechanisms=SCRAM-SHA-512\n{jaas}\nauthorizer.class.name=kafka.security.authorizer.AclAuthorizer\n\
             super.users=User:ANONYMOUS;User:{USER}\noffsets.topic.replication.factor=1\noffsets.topic.num.partitions=3\n\
             auto.create.topics.enable=false\nlog.cleaner.dedupe.buffer.size=8388608\ngroup.initial.rebalance.delay.ms=0\n",
            folder.join("data").display()
        );
        let broker = folder.join("server.properties");
        fs::write(&broker, text).expect("a file");
        let mut cluster = OldCluster { folder: folder.to_owned(), kafka, address, _processes: Vec::new() };
        let first = cluster.process("zookeeper", "org.apache.zookeeper.server.quorum.QuorumPeerMain", &zookeeper);
        cluster._processes.push(first);
        let config = ["--alter", "--entity-type", "users", "--entity-name", USER, "--add-config"];
        let secret = format!("SCRAM-SHA-512=[password={PASSWORD}]");
        poll("ZooKeeper taking the user", PATIENCE, || {
            let mut command = cluster.class("kafka.admin.ConfigCommand");
            command.args(["--zookeeper", &format!("{}:2181", cluster.address)]).args(config).arg(&secret);
            command.output().expect("it starts").status.success().then_some(())
        });
        let second = cluster.process("kafka", "kafka.Kafka", &broker);
        cluster._processes.push(second);
        poll("the old cluster serving", PATIENCE, || {
            let mut command = cluster.client(tools).tool("kafka-topics.sh");
            command.arg("--list").output().expect("it starts").status.success().then_some(())
        });
        cluster
    }

    fn class(&self, class: &str) -> Command {
        let mut command = Command::new(self.kafka.join("bin/kafka-run-class.sh"));
        command.arg(class).env("KAFKA_HEAP_OPTS", "-Xmx256m").env("KAFKA_JVM_PERFORMANCE_OPTS", JVM);
        command.env("LOG_DIR", &self.folder).stdin(Stdio::null());
        command
    }

    fn process(&self, name: &str, class: &str, settings: &Path) -> Process {
        Process::start(&self.kafka, &self.folder, name, class, settings)
    }

    /// Tools of a newer Kafka, which come without a proof of who they are.
    pub fn client(&self, tools: &Path) -> Client {
        Client::new(tools.to_owned(), format!("{}:9092", self.address))
    }

    /// The file that tells a client how it comes by SCRAM.
    pub fn settings(&self) -> String {
        let path = self.folder.join("old.properties");
        let text = format!(
            "bootstrap.servers={}:9094\nsecurity.protocol=SASL_PLAINTEXT\nsasl.mechanism=SCRAM-SHA-512\nsasl.jaas.config=\
             org.apache.kafka.common.security.scram.ScramLoginModule required \\\n  username=\"{USER}\" password=\"{PASSWORD}\";\n",
            self.address
        );
        fs::write(&path, text).expect("a file");
        path.display().to_string()
    }
}
