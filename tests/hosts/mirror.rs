//! A cluster with ZooKeeper, moved into a secured stack while it is written to, by `kstack mirror`; and one topic moved back.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::client::{Client, PATIENCE, distribution_of};
use crate::network::run;
use crate::old_cluster::{OldCluster, PASSWORD};
use crate::processes::{kstack, kstack_command};
use crate::room::{beside, block};
use crate::support::{Run, poll};

/// The topic that is moved, and what the old cluster has beside it.
const TOPIC: &str = "orders";
const OTHERS: [&str; 2] = ["audit.log", "empty"];

struct Move {
    kafka: PathBuf,
    mirror: PathBuf,
    folder: tempfile::TempDir,
    old: OldCluster,
}

impl Move {
    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn file(&self) -> String {
        self.path("payments.yaml")
    }

    /// `kstack mirror` with this and the old cluster.
    fn command(&self, what: &str, more: &[&str]) -> Command {
        let (file, settings) = (self.file(), self.old.settings());
        let arguments = [&["mirror", what, &*file, "--from-config", &*settings], more].concat();
        let mut command = kstack_command(&self.kafka, &arguments);
        command.env("KAFKA_HOME", &self.mirror).env("KAFKA_HEAP_OPTS", "-Xmx256m");
        command
            .env("KAFKA_JVM_PERFORMANCE_OPTS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
            .env("TMPDIR", self.folder.path());
        command
    }

    fn kstack(&self, what: &str, more: &[&str]) -> Run {
        Run::of(&mut self.command(what, more))
    }

    /// Kills MirrorMaker, whose folder tells which process it is.
    fn kill_java(&self) {
        let folder = self.folder.path().join(&self.folders()[0]);
        let processes = fs::read_dir("/proc").expect("processes").flatten().map(|entry| entry.path());
        let here = |path: &PathBuf| fs::read_link(path.join("cwd")).is_ok_and(|cwd| cwd == folder);
        let java = |path: &PathBuf| {
            fs::read(path.join("cmdline")).is_ok_and(|line| line.windows(11).any(|part| part == b"MirrorMaker"))
        };
        let found: Vec<PathBuf> = processes.filter(here).filter(java).collect();
        // The guard's own line has the script's name, and not the class.
        let java = found
            .iter()
            .find(|path| fs::read_link(path.join("exe")).is_ok_and(|exe| exe.ends_with("java")))
            .expect("Java");
        run("kill", &["-s", "KILL", &java.file_name().expect("a number").to_string_lossy()]).expect("it runs");
    }

    /// What the group billing reads next: so many records, or all.
    fn consume(&self, client: &Client, settings: Option<&PathBuf>, count: Option<usize>) -> Vec<u64> {
        let mut command = client.tool_by("kafka-console-consumer.sh", settings.map(PathBuf::as_path));
        let patience = if count.is_some() { "60000" } else { "15000" };
        command.args(["--topic", TOPIC, "--group", "billing", "--timeout-ms", patience]);
        command.args(["--consumer-property", "auto.offset.reset=earliest"]);
        let count = count.map(|count| count.to_string());
        command.args(count.iter().flat_map(|count| ["--max-messages", count]));
        let told = said(&mut command);
        let read: Vec<u64> = told.lines().filter_map(|line| line.parse().ok()).collect();
        assert!(count.is_none_or(|count| count == read.len().to_string()), "the group reads {}: {told}", read.len());
        read
    }

    /// Writes these numbers, which all replicas in sync must acknowledge.
    fn produce(&self, client: &Client, settings: &Path, numbers: &BTreeSet<u64>) {
        let path = self.path("numbers");
        let text: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        fs::write(
            &path,
            text.join(
                "
",
            ) + "
",
        )
        .expect("a file");
        let mut command = client.tool_by("kafka-console-producer.sh", Some(settings));
        command
            .args(["--topic", TOPIC, "--producer-property", "acks=all"])
            .stdin(fs::File::open(path).expect("the file"));
        let output = command.output().expect("the tool starts");
        let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success() && !told.contains("Exception"), "{told}");
    }

    /// Starts `kstack mirror run`.
    fn start(&self, more: &[&str]) -> Mirror {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.path("mirror.log")).expect("a log");
        let mut command = self.command("run", more);
        let child = command.stdout(Stdio::null()).stderr(log).spawn().expect("it starts");
        Mirror { child }
    }

    /// Waits until MirrorMaker runs and has copied all that was there at some moment.
    fn copied(&self, what: &str, more: &[&str]) {
        let more = [&["--json"], more].concat();
        let began = Instant::now();
        loop {
            let status: Value = self.kstack("status", &more).expect(0).json();
            let topics = status["topics"].as_array().map(Vec::as_slice).unwrap_or_default();
            let all = topics.iter().all(|topic| topic["left"] == 0 && topic["problem"].is_null());
            if status["runs"] == true && all && !topics.is_empty() {
                return;
            }
            if began.elapsed() > PATIENCE {
                let log = fs::read_to_string(self.path("mirror.log")).unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                panic!("{what}: {status:#}\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
            }
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    /// The folders that MirrorMaker's files are in.
    fn folders(&self) -> Vec<String> {
        let names = fs::read_dir(self.folder.path()).expect("a folder").flatten();
        let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with("kstack-mirror-")).collect()
    }

    /// Settings that `kstack credentials` writes.
    fn credentials(&self, name: &str, arguments: &[&str]) -> PathBuf {
        let (file, out) = (self.file(), self.path(name));
        kstack(&self.kafka, &[&["credentials", &*file, "--out", &*out], arguments].concat()).expect(0);
        PathBuf::from(out)
    }

    /// How often each number is in a topic, by these tools and settings.
    fn counts(&self, client: &Client, settings: Option<&PathBuf>, topic: &str) -> BTreeMap<u64, usize> {
        let mut command = client.tool_by("kafka-console-consumer.sh", settings.map(PathBuf::as_path));
        command.args(["--topic", topic, "--from-beginning", "--timeout-ms", "15000"]);
        command.args(["--consumer-property", "isolation.level=read_committed"]);
        let mut counts = BTreeMap::new();
        for number in said(&mut command).lines().filter_map(|line| line.parse().ok()) {
            *counts.entry(number).or_default() += 1;
        }
        counts
    }

    fn tool(&self, client: &Client, class: &str, settings: Option<&PathBuf>, arguments: &[&str]) -> String {
        let command = client.tool_by("kafka-run-class.sh", settings.map(PathBuf::as_path));
        // The class comes before what every tool has.
        let rest: Vec<std::ffi::OsString> = command.get_args().map(ToOwned::to_owned).collect();
        let mut all = Command::new(command.get_program());
        all.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        all.arg(class).args(rest).args(arguments).stdin(Stdio::null());
        said(&mut all)
    }
}

/// What a tool says to the end.
fn said(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("the tool starts");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// `kstack mirror run` at work, which is killed with the test.
struct Mirror {
    child: Child,
}

impl Mirror {
    fn kill(mut self) {
        self.child.kill().expect("it runs");
        let _ = self.child.wait();
    }

    /// Waits until it ends by itself, and gives the exit code.
    fn ended(mut self) -> Option<i32> {
        self.child.wait().expect("it ends").code()
    }

    /// Ends it as Ctrl-C does, and gives the exit code.
    fn stop(mut self) -> Option<i32> {
        let _ = run("kill", &["-s", "INT", &self.child.id().to_string()]);
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const ACLS: &str = "org.apache.kafka.tools.AclCommand";

#[test]
fn a_cluster_with_zookeeper_moves_into_a_secured_stack_and_back() {
    let Some((_room, kafka)) = beside() else { return };
    let mirror = distribution_of(Some("mirror")).expect("MirrorMaker");
    let folder = tempfile::tempdir().expect("a folder");
    let block = block();
    let text = format!(
        "apiVersion: kstack/v1\nname: payments\nregion: us-east-1\nnetwork: {{cidr: 10.{block}.0.0/16, nat: single, endpoints: [ssm]}}\n\
         workload: {{ingress: 1 MiB/s, retention: 1d}}\ncluster:\n  ec2:\n    kafka: 4.1.1\n    combined: true\n    \
         listeners: {{scram: true, mtls: true}}\n    brokers: {{count: 3, instance_type: t4g.medium}}\n"
    );
    fs::write(folder.path().join("payments.yaml"), text).expect("a file");
    let old = OldCluster::start(&folder.path().join("old"), &kafka);
    let world = Move { kafka, mirror, folder, old };
    kstack(&world.kafka, &["apply", &world.file(), "--yes"]).expect(0);

    // The old cluster: topics with settings, who may do what, a writer, and a group that has read a part.
    let old = world.old.client(&world.kafka);
    let create = |topic: &str, more: &[&str]| {
        let arguments =
            [&["--create", "--topic", topic, "--partitions", "3", "--replication-factor", "1"], more].concat();
        let told = world.tool(&old, TOPICS, None, &arguments);
        assert!(told.contains("Created topic"), "{told}");
    };
    create(TOPIC, &["--config", "retention.ms=86400000", "--config", "max.message.bytes=2000000"]);
    OTHERS.iter().for_each(|topic| create(topic, &[]));
    for (user, more) in [("orders-api", &["--producer"][..]), ("billing", &["--consumer", "--group", "billing"])] {
        let user = format!("User:{user}");
        let allow = [&["--add", "--topic", TOPIC, "--allow-principal", &*user], more].concat();
        world.tool(&old, ACLS, None, &allow);
    }
    let mut writer = old.produce_to(TOPIC, PathBuf::from(world.path("acknowledged.jsonl")), 100, &[]);
    writer.expect_more("writing to the old cluster", 500);
    let mut audit =
        old.produce_to(OTHERS[0], PathBuf::from(world.path("audit.jsonl")), 1000, &["--max-messages", "2000"]);
    audit.expect_more("writing to the other topic", 2000);
    audit.stop();

    let _ = world.consume(&old, None, Some(300));

    // Killed in the middle, nothing of it is left, and another run goes on; also where MirrorMaker itself had no time for a word.
    let first = world.start(&[]);
    world.copied("the first copy", &["--topics", OTHERS[0]]);
    assert_eq!(world.folders().len(), 1, "its files are in one folder");
    first.kill();
    poll("MirrorMaker ending with kstack", PATIENCE, || world.folders().is_empty().then_some(()));
    writer.expect_more("writing while nothing is copied", 200);
    let second = world.start(&[]);
    world.copied("the second copy", &["--topics", "audit*"]);
    writer.expect_more("writing while it is copied", 300);
    world.kill_java();
    assert_eq!(second.ended(), Some(1), "kstack tells that MirrorMaker has ended");
    let third = world.start(&[]);
    world.copied("the third copy", &["--topics", "audit*"]);

    // As long as anybody writes there, nobody is let in here.
    let refused = world.kstack("cutover", &[TOPIC]).expect(1);
    assert!(refused.err.contains("writers still write to orders at the cluster at"), "{refused}");
    let acknowledged = writer.stop();
    let left = 100;
    let _ = world.consume(&old, None, Some(acknowledged.len() - 300 - left));
    // The workers of the killed one count as there for a while: the third one may not have begun yet.
    world.copied("the rest", &["--topics", TOPIC]);
    let done = world.kstack("cutover", &[TOPIC]).expect(0);
    for part in [
        "Nobody writes to orders at the other cluster, and 3 partitions are copied.",
        "Gave orders-api: allow write on topic orders",
        "Gave billing: allow read on group billing",
        "Writers and groups of orders may start at the stack.",
    ] {
        assert!(done.out.contains(part), "{part}: {done}");
    }
    println!("{}", done.out);
    // It waits for a minute and a half, as the workers of a run that was killed count as there for a while.
    let both = world.start(&["--back", "--topics", TOPIC]);

    let admin = world.credentials("admin.properties", &["--admin"]);
    let servers = String::new();
    let new = Client::new(world.kafka.clone(), servers);
    let counts = world.counts(&new, Some(&admin), TOPIC);
    let missing: Vec<&u64> = acknowledged.iter().filter(|one| !counts.contains_key(*one)).collect();
    assert!(missing.is_empty(), "{} of {} acknowledged records are missing", missing.len(), acknowledged.len());
    let twice = counts.values().sum::<usize>() - counts.len();
    println!("{} acknowledged records, none missing, {twice} twice after two deaths", acknowledged.len());
    let told = world.tool(&new, TOPICS, Some(&admin), &["--describe", "--topic", TOPIC]);
    for part in ["PartitionCount: 3", "ReplicationFactor: 3", "retention.ms=86400000", "max.message.bytes=2000000"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    // What Connect keeps in the stack has names for secrets, and no secret; nor does what was told.
    let internal = world.tool(&new, TOPICS, Some(&admin), &["--list"]);
    let configs =
        internal.lines().find(|name| name.starts_with("mm2-configs.")).expect("Connect's settings").to_owned();
    let mut reader = new.tool_by("kafka-console-consumer.sh", Some(&admin));
    let kept = said(reader.args(["--topic", &configs, "--from-beginning", "--timeout-ms", "10000"]));
    assert!(
        kept.contains("${file:secrets.properties:") && !kept.contains(PASSWORD) && !kept.contains("PRIVATE KEY"),
        "{kept}"
    );
    let log = fs::read_to_string(world.path("mirror.log")).expect("a log");
    assert!(!log.contains(PASSWORD), "{log}");
    // The old cluster has nothing that it did not have.
    let before = world.tool(&old, TOPICS, None, &["--list"]);
    let before: Vec<&str> = before.lines().filter(|line| !line.starts_with("__")).collect();
    assert_eq!(before, [OTHERS[0], OTHERS[1], TOPIC]);
    // A writer and the group go on in the stack. The group has 100 records left to read, of those that were copied, and then the new ones.
    let api = world.credentials("api.properties", &["orders-api"]);
    let billing = world.credentials("billing.properties", &["billing", "--by", "mtls"]);
    let written: BTreeSet<u64> = (1_000_000..1_000_200).collect();
    world.produce(&new, &api, &written);
    let read = world.consume(&new, Some(&billing), None);
    let again = read.iter().filter(|one| !written.contains(one)).count();
    println!("the group reads {again} records where it had {left} left, and {} new ones", read.len() - again);
    assert!(written.iter().all(|one| read.contains(one)), "the group has all new records");
    assert!(again >= left, "none is left out");

    // Back, with what is new and nothing else; both ways at once are refused.
    assert_eq!(both.ended(), Some(1));
    let log = fs::read_to_string(world.path("mirror.log")).expect("a log");
    assert!(log.contains("a mirror runs the other way round"), "{log}");
    assert_eq!(third.stop(), Some(0), "{log}");
    assert!(world.folders().is_empty());
    let refused = world.kstack("status", &["--back", "--topics", OTHERS[0]]).expect(1);
    assert!(refused.err.contains("was cut over"), "{refused}");
    let back = world.start(&["--back"]);
    world.copied("the way back", &["--back"]);
    let done = world.kstack("cutover", &["--back", TOPIC]).expect(0);
    assert!(done.out.contains("Writers and groups of orders may start at the other cluster."), "{done}");
    // Forward again: its workers count as there for a while, until which the next run waits.
    world.kill_java();
    assert_eq!(back.ended(), Some(1));
    let again = world.start(&["--topics", TOPIC]);
    let counts = world.counts(&old, None, TOPIC);
    let everything: BTreeSet<u64> = acknowledged.union(&written).copied().collect();
    assert_eq!(counts.keys().copied().collect::<BTreeSet<u64>>(), everything);
    assert!(counts.values().all(|count| *count == 1), "what came from there did not go back");

    // What came from the stack does not come back.
    world.copied("forward again", &["--topics", TOPIC]);
    assert_eq!(again.stop(), Some(0));
    let total: usize = world.counts(&new, Some(&admin), TOPIC).values().sum();
    assert_eq!(total, everything.len() + twice);
}
