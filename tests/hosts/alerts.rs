//! The alerts of a secured cluster on hosts that boot: which fire when a broker, the quorum or room on a disk is lost or a consumer stands still,
//! and that none does in a roll or while partitions move. `cargo test --test hosts alerts -- --ignored --nocapture` shows the table of
//! docs/monitoring.md; with `KSTACK_UPDATE=1` it draws the picture there, too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::client::{Client, PATIENCE, TOPIC};
use crate::monitoring::{own_exporters, textfile_collector};
use crate::secured_machines::Secured;
use crate::support::aws::DEV;
use crate::support::{Account, poll, text};
use crate::watch::{Running, Watch, Watched, now, panels};
use crate::{Ground, Host, hosts_of, on_this_machine, picture, with_machines};

/// By what durations are divided: a host here is back after a sixth of the time that an instance needs.
const FASTER: u32 = 6;

#[test]
#[ignore = "it takes twenty minutes, and is run by hand"]
fn those_that_must_fire_do_and_none_does_in_a_roll_or_in_moves() {
    with_machines(|ground| {
        let account = Account::new();
        let Some((monitoring, served)) = own_exporters(26) else { return };
        let secured = "listeners: {scram: true}".to_owned();
        let edits = [
            ("10.20.0.0/16", "10.26.0.0/16".to_owned()),
            ("kafka: 4.1.1", on_this_machine(&account, DEV, &ground.kafka, 26) + &monitoring),
            ("listeners: {plaintext: true}", secured),
        ];
        let file = account.write("dev", &edits.each_ref().map(|(old, new)| (*old, new.as_str())));
        let (network, mut hosts) = hosts_of(ground, &account, &file, served);
        let cloud = Secured::start(ground, &account, DEV, "dev", &network);
        hosts.iter_mut().for_each(|host| host.launch(ground));
        hosts.iter_mut().for_each(Host::booted);
        healthy(&account, &file);
        cloud.administrator(&account, &file);
        let folder = tempfile::tempdir().expect("a folder");
        account.run(&["monitoring", &file, "--out", &folder.path().display().to_string()]).expect(0);
        let textfile = folder.path().join("lag");
        let Some((_node, lag)) = textfile_collector(&textfile) else { return };
        let watched = Watched {
            files: folder.path(),
            endpoint: &account.endpoint,
            access_key: &account.id,
            processes: false,
            lag: Some(lag),
            faster: FASTER,
        };
        let Some(watch) = Watch::start(&watched) else { return };
        for job in ["kafka", "node"] {
            watch.hosts(job, 3);
        }
        let admin = cloud.settings("admin");
        let client = Client::new(ground.kafka.clone(), String::new());
        let mut stage =
            Stage { ground, account: &account, file: &file, hosts, client, admin: &admin, watch, rows: Vec::new() };
        let ends = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let (ends, account, file, textfile) = (&ends, &account, &file, &textfile);
            let asking = scope.spawn(move || {
                while !ends.load(Ordering::Relaxed) {
                    ask_for_lag(account, file, textfile);
                    std::thread::sleep(Duration::from_secs(3));
                }
            });
            let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| stage.play()));
            ends.store(true, Ordering::Relaxed);
            asking.join().expect("it ends");
            if let Err(why) = ended {
                stage.table();
                std::panic::resume_unwind(why);
            }
        });
        stage.table();
        stage.draw(folder.path());
    });
}

/// What cron does each minute.
fn ask_for_lag(account: &Account, file: &str, folder: &Path) {
    let ran = account.run(&["lag", file, "--openmetrics"]);
    if ran.code == 0 {
        fs::write(folder.join("kstack.new"), ran.out).expect("a file");
        fs::rename(folder.join("kstack.new"), folder.join("kstack.prom")).expect("it is there");
    }
}

fn healthy(account: &Account, file: &str) {
    account.run(&["status", file, "--wait", "--timeout", "10m"]).expect(0);
}

/// A situation: its name, when it began and ended, and what fired in it, in order.
struct Row {
    name: &'static str,
    between: (f64, f64),
    fired: Vec<(String, f64)>,
}

struct Stage<'a> {
    ground: &'a Ground,
    account: &'a Account,
    file: &'a str,
    hosts: Vec<Host>,
    client: Client,
    admin: &'a Path,
    watch: Watch,
    rows: Vec<Row>,
}

impl Stage<'_> {
    fn play(&mut self) {
        let began = now();
        self.client.create_topic_by(Some(self.admin));
        self.fill("bulk", 60);
        let log = self.ground.running.join("acknowledged.jsonl");
        let mut producer =
            self.client.produce_to(TOPIC, log, 200, &["--producer.config", &self.admin.display().to_string()]);
        producer.expect_more("writing to the new topic", 200);
        let reader = self.reader();
        poll("the group's lag", PATIENCE, || {
            let lag = self.watch.ask("kstack_consumer_group_lag_seconds{group=\"billing\"}");
            (lag.len() >= 6).then_some(())
        });
        self.end("all is well", began, &[]);

        let began = now();
        for host in 0..self.hosts.len() {
            // As EC2 stops an instance, which kstack then replaces by another with its volume and address.
            self.hosts[host].machine.as_mut().expect("a machine").power_off().expect("it runs");
            self.start(&[host]);
        }
        self.end("a roll of all three hosts", began, &[]);

        let began = now();
        let moved = self.account.run(&["rebalance", self.file, "--yes"]).expect(0);
        assert!(!moved.out.contains("nothing to do"), "{moved}");
        self.end("a rebalance", began, &[]);

        let began = now();
        drop(reader);
        self.watch.expect(&["KafkaLagGrowing"]);
        let reader = self.reader();
        self.end("a consumer stands still", began, &["KafkaLagGrowing"]);

        let began = now();
        let script = "fallocate --length $(($(df --output=avail --block-size=1 /var/lib/kafka | tail -1) - 200000000)) /var/lib/kafka/ballast";
        self.on(0, script);
        self.watch.expect(&["KafkaDiskFilling"]);
        self.on(0, "rm /var/lib/kafka/ballast");
        self.end("a disk fills", began, &["KafkaDiskFilling"]);

        // The active controller's loss is a part of the next one.
        let active = self.watch.ask("kafka_controller_KafkaController_Value{name=\"ActiveControllerCount\"} == 1");
        let active = text(&active[0]["metric"]["host"]).to_owned();
        let lost = self.hosts.iter().rposition(|host| host.name != active).expect("another");
        let began = now();
        self.hosts[lost].machine.as_mut().expect("a machine").kill();
        let names = ["KafkaHostNotScraped", "KafkaBrokerFenced", "KafkaPartitionsUnderReplicated"];
        self.watch.expect(&names);
        producer.expect_more("writing without a broker", 200);
        self.start(&[lost]);
        self.end("a broker is lost", began, &names);

        let began = now();
        for host in [0, 1] {
            self.hosts[host].machine.as_mut().expect("a machine").kill();
        }
        let names = ["KafkaNoActiveController", "KafkaHostNotScraped"];
        self.watch.expect(&names);
        let status = self.account.run(&["status", self.file, "--json"]).expect(0).json();
        assert_ne!(status["findings"], serde_json::json!([]), "{status:#}");
        let survivor = self.watch.ask("kafka_controller_KafkaController_Value{name=\"OfflinePartitionsCount\"}");
        assert_eq!(text(&survivor[0]["value"][1]), "0", "nobody is left who could count");
        self.start(&[0, 1]);
        // Of the topic with two copies, both may have lost power at once: Kafka then takes the last leader, and counts it as unclean.
        let unclean = self.watch.fired(began).contains_key("KafkaUncleanElection");
        let seen: Vec<&str> = names.into_iter().chain(unclean.then_some("KafkaUncleanElection")).collect();
        self.end("the quorum is lost", began, &seen);
        drop(reader);

        let (acknowledged, found) = (producer.stop(), self.client.read_by(Some(self.admin)));
        assert!(acknowledged.is_subset(&found), "{} of {}", found.len(), acknowledged.len());
    }

    /// New instances for these hosts, all at once.
    fn start(&mut self, which: &[usize]) {
        which.iter().for_each(|host| self.hosts[*host].launch(self.ground));
        which.iter().for_each(|host| self.hosts[*host].booted());
        healthy(self.account, self.file);
    }

    fn on(&self, host: usize, script: &str) {
        let output = self.hosts[host].machine().command(script).output().expect("nsenter starts");
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Waits until nothing fires any more, and sees that only these have, which all did.
    fn end(&mut self, name: &'static str, began: f64, expected: &[&str]) {
        self.watch.calm();
        let first = self.watch.fired(began);
        let mut fired: Vec<(String, f64)> = first.into_iter().map(|(name, at)| (name, at - began)).collect();
        fired.sort_by(|one, other| one.1.total_cmp(&other.1));
        println!("{name}: {fired:?}");
        self.rows.push(Row { name, between: (began, now()), fired: fired.clone() });
        let fired: BTreeSet<&str> = fired.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(fired, expected.iter().copied().collect(), "{name}");
    }

    /// A topic with two replicas, of which the third broker has none, and so many MiB.
    fn fill(&self, topic: &str, mib: usize) {
        let mut command = self.client.tool_by("kafka-topics.sh", Some(self.admin));
        command.args(["--create", "--topic", topic, "--replica-assignment", "1:2,2:1,1:2,2:1,1:2,2:1"]);
        let output = command.args(["--config", "min.insync.replicas=1"]).output().expect("the tool starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut command = self.client.tool_by("kafka-console-producer.sh", Some(self.admin));
        command.args(["--topic", topic, "--producer-property", "batch.size=100000"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("the tool starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        let line = format!("{}\n", "kstack".repeat(170));
        (0..mib * 1024).for_each(|_| stdin.write_all(line.as_bytes()).expect("it reads"));
        drop(stdin);
        assert!(child.wait().expect("it ends").success());
    }

    /// A consumer of the group `billing`.
    fn reader(&self) -> Running {
        let mut command = self.client.tool_by("kafka-console-consumer.sh", Some(self.admin));
        command.args(["--topic", TOPIC, "--group", "billing", "--from-beginning"]);
        // Kafka's scripts leave their place to Java.
        Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the tool starts"))
    }

    fn table(&self) {
        println!("\n| situation | alerts, and seconds until each fired |\n|---|---|");
        for row in &self.rows {
            let fired: Vec<String> = row.fired.iter().map(|(name, after)| format!("`{name}` {after:.0}")).collect();
            let fired = if fired.is_empty() { "none".to_owned() } else { fired.join(", ") };
            println!("| {} ({:.0} s) | {fired} |", row.name, row.between.1 - row.between.0);
        }
        println!("Durations divided by {FASTER}.");
    }

    /// Each question of the dashboard, over all situations.
    fn draw(&self, files: &Path) {
        let Some((first, last)) = self.rows.first().zip(self.rows.last()) else { return };
        let between = (first.between.0, last.between.1);
        let mut panels_drawn = Vec::new();
        for (title, targets) in panels(files) {
            let mut lines = BTreeMap::new();
            for (expression, legend) in targets {
                let answers = self.watch.asked(&expression, between, 3.0);
                assert!(!answers.is_empty(), "{title}: {expression}");
                for (labels, points) in answers {
                    let named = ["host", "group", "topic", "mountpoint"].iter().fold(legend.clone(), |name, label| {
                        name.replace(&format!("{{{{{label}}}}}"), labels[*label].as_str().unwrap_or_default())
                    });
                    lines.insert(named, points);
                }
            }
            panels_drawn.push((title, lines));
        }
        let spans: Vec<(&str, (f64, f64))> = self.rows.iter().map(|row| (row.name, row.between)).collect();
        let drawn = picture::draw(&panels_drawn, &spans);
        if std::env::var_os("KSTACK_UPDATE").is_some() {
            fs::write("docs/monitoring.svg", drawn).expect("the picture can be written");
        }
    }
}
