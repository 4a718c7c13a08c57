//! A roll of a real Kafka in the sandbox: how long it is from "all replicas are in sync" to the next stop. Kafka itself is asked, every few
//! milliseconds and beside kstack: from the moment that all brokers serve and no replica is out of sync to the moment that a broker does not
//! answer.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kstack::health;
use kstack::kafka::{Link, Server};
use serde::{Deserialize, Serialize};

use crate::Options;
use crate::measure::median;
use crate::support::{Run, sandbox_command, stack, text};

/// How often Kafka is asked.
const LOOK: Duration = Duration::from_millis(20);

/// How long an answer takes at most where all is well.
const PROMPT: Duration = Duration::from_millis(250);

/// The rolls of a stack of three brokers that are controllers too, one file after another.
#[derive(Debug, Serialize, Deserialize)]
pub struct Roll {
    pub rolls: usize,
    /// Seconds in which a broker did not serve, or a replica was out of sync, for each host: Kafka's stop, start and recovery.
    pub out_s: Vec<f64>,
    /// Seconds from all in sync to the next host's stop.
    pub idle_s: Vec<f64>,
    pub out_median_s: f64,
    pub out_max_s: f64,
    pub idle_median_s: f64,
    pub idle_max_s: f64,
}

/// Kafka's distribution, made where it is not there.
fn distribution() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let made = Command::new(root.join("tests/kafka/assemble")).arg(root.join("target/kafka")).output();
    let made = made.expect("tests/kafka/assemble starts");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    PathBuf::from(String::from_utf8_lossy(&made.stdout).trim())
}

/// A sandbox of this process with a stack in it, which goes with the process.
struct Site {
    kafka: PathBuf,
    folder: tempfile::TempDir,
}

impl Site {
    fn file(&self) -> String {
        self.folder.path().join("dev.yaml").display().to_string()
    }

    fn write(&self, turn: usize) {
        let edits = [
            ("combined: true", format!("combined: true\n    config: {{queued.max.requests: \"{}\"}}", 600 + turn)),
            ("10.20.0.0/16", "10.98.0.0/16".to_owned()),
        ];
        let text = stack("dev", &edits.each_ref().map(|(old, new)| (*old, new.as_str())));
        std::fs::write(self.file(), text).expect("a file");
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = sandbox_command(std::process::id());
        command.env("KSTACK_SANDBOX_KAFKA", &self.kafka).arg("--sandbox").args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Run {
        Run::of(&mut self.command(arguments)).expect(0)
    }
}

/// Whether a host is out, by Kafka's word, with the time at which that changed.
type Changes = Vec<(bool, Instant)>;

/// Looks at Kafka until `ends`.
fn watch(brokers: &[Server], ends: &AtomicBool) -> Changes {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let link = Link::default();
    let mut changes = Changes::new();
    while !ends.load(Ordering::SeqCst) {
        // While another controller is elected, nobody has an answer, or only after a second: what was asked first is when that began.
        let asked = Instant::now();
        let answer = runtime.block_on(async { tokio::time::timeout(PROMPT, health::ask(brokers, &link)).await });
        let out = answer.ok().and_then(Result::ok).is_none_or(|seen| {
            let serves = seen.brokers.iter().filter(|one| !one.silent && !one.fenced).count();
            seen.counts().0 > 0 || serves < brokers.len()
        });
        if changes.last().map(|(was, _)| *was) != Some(out) {
            changes.push((out, if out { asked } else { Instant::now() }));
        }
        std::thread::sleep(LOOK);
    }
    changes
}

pub fn measure(options: &Options) -> Roll {
    let site = Site { kafka: distribution(), folder: tempfile::tempdir().expect("a folder") };
    site.write(0);
    site.run(&["apply", &site.file(), "--yes"]);
    let status = site.run(&["status", &site.file(), "--wait", "--json"]).json();
    let servers: BTreeSet<&str> = status["bootstrap_servers"].as_array().expect("servers").iter().map(text).collect();
    let topic = ["--create", "--topic", "orders", "--partitions", "12", "--replication-factor", "3"];
    let mut tool = Command::new(site.kafka.join("bin/kafka-topics.sh"));
    tool.args(topic).arg("--bootstrap-server").arg(servers.iter().copied().collect::<Vec<_>>().join(","));
    assert!(tool.stdout(Stdio::null()).status().expect("it starts").success());
    let brokers: Vec<Server> = servers
        .iter()
        .map(|server| Server::from(server.parse::<std::net::SocketAddrV4>().expect("an address")))
        .collect();
    let (mut out_s, mut idle_s) = (Vec::new(), Vec::new());
    for turn in 1..=options.repeats {
        site.write(turn);
        let ends = AtomicBool::new(false);
        let changes = std::thread::scope(|scope| {
            let watching = scope.spawn(|| watch(&brokers, &ends));
            site.run(&["apply", &site.file(), "--yes"]);
            ends.store(true, Ordering::SeqCst);
            watching.join().expect("no panic")
        });
        // All is in sync at first, and at the end: what is between two changes is a host that is out, or the time between two hosts.
        let spans: Vec<(bool, f64)> =
            changes.windows(2).map(|two| (two[0].0, (two[1].1 - two[0].1).as_secs_f64())).collect();
        assert!(!changes[0].0, "all was in sync before the roll");
        let mut between = spans.iter().skip(1).filter(|(out, _)| !out).map(|(_, seconds)| *seconds).collect::<Vec<_>>();
        let out = spans.iter().filter(|(out, _)| *out).map(|(_, seconds)| *seconds);
        println!("roll {turn}: {spans:.2?}");
        out_s.extend(out);
        idle_s.append(&mut between);
    }
    site.run(&["destroy", &site.file(), "--yes"]);
    site.run(&["sandbox", "stop"]);
    Roll {
        rolls: options.repeats,
        out_median_s: median(out_s.clone()),
        out_max_s: out_s.iter().copied().fold(0.0, f64::max),
        idle_median_s: median(idle_s.clone()),
        idle_max_s: idle_s.iter().copied().fold(0.0, f64::max),
        out_s,
        idle_s,
    }
}
