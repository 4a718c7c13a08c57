//! `stacks/prod.yaml` with its topics and users, over a real Kafka: made, changed by every row of the tables of docs/topics.md, docs/users.md
//! and docs/settings.md, and destroyed. For each row the plan has what it says, Kafka's own tools show what became of it, and the plan after
//! that is empty.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde::Deserialize;

use crate::processes::kstack;
use crate::room::{beside, block};
use crate::support::{Run, stack};
use crate::topics::steps;

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const ACLS: &str = "org.apache.kafka.tools.AclCommand";
const CONFIGS: &str = "kafka.admin.ConfigCommand";

/// What of the file is another than in stacks/prod.yaml: fewer hosts, as each is a Java process here, and settings to change.
const SMALLER: [(&str, &str); 2] = [
    ("count: 6", "count: 3"),
    ("    controllers:\n      count: 3", "    config: {num.io.threads: 12}\n    controllers:\n      count: 1"),
];

/// Rows that are planned and applied together.
#[derive(Debug, Deserialize)]
struct Round {
    /// What the plan says without `--allow-data-loss`, where it is refused then.
    #[serde(default)]
    refused: Vec<String>,
    rows: Vec<Row>,
}

/// Something that is done, and what becomes of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    what: String,
    from: Option<String>,
    #[serde(default)]
    to: String,
    tool: Option<String>,
    #[serde(default)]
    arguments: Vec<String>,
    #[serde(default)]
    planned: Vec<String>,
    #[serde(default)]
    said: Vec<String>,
    #[serde(default)]
    shown: Vec<String>,
    #[serde(default)]
    gone: Vec<String>,
}

fn rounds() -> Vec<Round> {
    let text = std::fs::read_to_string("tests/hosts/table.yaml").expect("the table");
    serde_yaml::from_str(&text).expect("rows")
}

/// Changes that are refused whatever is allowed, or that are planned alone: what of the file changes to what, and what the plan says.
const PLANNED: [(&str, &str, &str, i32, &[&str]); 2] = [
    ("fewer partitions", "partitions: 24", "partitions: 12", 1, &["Kafka takes no partition away from a topic"]),
    (
        "a setting of brokers that they read at a start",
        "num.io.threads: 16",
        "num.io.threads: 16, queued.max.requests: 600",
        0,
        &["-/+ instance/broker-3      roll", "4 to roll"],
    ),
];

/// A stack of the sandbox, and a folder for its files.
pub struct Site {
    pub kafka: PathBuf,
    pub folder: tempfile::TempDir,
}

impl Site {
    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    pub fn run(&self, arguments: &[&str]) -> Run {
        kstack(&self.kafka, arguments)
    }

    /// A tool of Kafka's under way that comes in by these settings.
    fn tool(&self, settings: &str, tool: &str, arguments: &[&str]) -> Child {
        let text = std::fs::read_to_string(settings).expect("settings");
        let servers = text.lines().find_map(|line| line.strip_prefix("bootstrap.servers=")).expect("servers");
        let mut command = Command::new(self.kafka.join("bin/kafka-run-class.sh"));
        command.env("KAFKA_HEAP_OPTS", "-Xms64m -Xmx192m").env("LOG_DIR", self.folder.path()).stdin(Stdio::null());
        command.env("KAFKA_JVM_PERFORMANCE_OPTS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC");
        command.args([tool, "--bootstrap-server", servers, "--command-config", settings]).args(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the tool starts")
    }

    fn said(child: Child) -> String {
        let output = child.wait_with_output().expect("the tool ends");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{said}");
        said
    }

    /// Everything that Kafka has, as its own tools show it who come in by `admin.properties`: a line for each topic, right, password, quota
    /// and setting of the second broker.
    pub fn live(&self) -> BTreeSet<String> {
        let admin = self.path("admin.properties");
        let ask = |tool: &str, arguments: &[&str]| self.tool(&admin, tool, arguments);
        let topics = ask(TOPICS, &["--describe"]);
        let configs = ask(CONFIGS, &["--describe", "--entity-type", "topics"]);
        let acls = ask(ACLS, &["--list"]);
        let users = ask(CONFIGS, &["--describe", "--entity-type", "users"]);
        let broker = ask(CONFIGS, &["--describe", "--all", "--entity-type", "brokers", "--entity-name", "2"]);
        let mut lines: BTreeSet<String> = Site::said(topics).lines().filter_map(topic).collect();
        lines.extend(settings(&Site::said(configs)));
        lines.extend(rights(&Site::said(acls)));
        lines.extend(Site::said(users).lines().filter_map(user));
        let broker = Site::said(broker);
        let set = broker.lines().filter_map(|line| line.trim().split(' ').next().filter(|one| one.contains('=')));
        lines.extend(set.map(|one| format!("broker 2: {one}")));
        lines
    }
}

/// `orders 48x3`, of a line about a topic.
fn topic(line: &str) -> Option<String> {
    let field = |name: &str| Some(line.split(&format!("{name}: ")).nth(1)?.split('\t').next()?.trim());
    Some(format!("{} {}x{}", field("Topic")?, field("PartitionCount")?, field("ReplicationFactor")?))
}

/// `orders: retention.ms=1`, of all that the tool lists of topics.
fn settings(listed: &str) -> BTreeSet<String> {
    let (mut lines, mut topic) = (BTreeSet::new(), "");
    for line in listed.lines() {
        if let Some(rest) = line.strip_prefix("Dynamic configs for topic ") {
            topic = rest.split(' ').next().unwrap_or_default();
        } else if let Some(one) = line.trim().split(' ').next().filter(|one| one.contains('=')) {
            lines.insert(format!("{topic}: {one}"));
        }
    }
    lines
}

/// `billing: ALLOW READ TOPIC LITERAL orders *`, of all that the tool lists.
fn rights(listed: &str) -> BTreeSet<String> {
    let of = |line: &str, name: &str| {
        let rest = line.split(&format!("{name}=")).nth(1)?;
        Some(rest.split([',', ')']).next()?.to_owned())
    };
    let (mut lines, mut resource) = (BTreeSet::new(), String::new());
    for line in listed.lines() {
        if let Some(kind) = of(line, "resourceType") {
            let part = |name| of(line, name).expect("a part");
            resource = format!("{kind} {} {}", part("patternType"), part("name"));
        } else if let Some(principal) = of(line, "principal") {
            let part = |name| of(line, name).expect("a part");
            let user = principal.trim_start_matches("User:");
            lines.insert(format!(
                "{user}: {} {} {resource} {}",
                part("permissionType"),
                part("operation"),
                part("host")
            ));
        }
    }
    lines
}

/// `etl: SCRAM-SHA-512`, or `etl: producer_byte_rate=1.0`, of a line about a user.
fn user(line: &str) -> Option<String> {
    let (name, rest) = line.split_once("user-principal '")?.1.split_once("' are ")?;
    if rest.starts_with("SCRAM") {
        return Some(format!("{name}: SCRAM-SHA-512"));
    }
    let quotas: BTreeSet<&str> = rest.trim().split(", ").collect();
    Some(format!("{name}: {}", quotas.into_iter().collect::<Vec<_>>().join(", ")))
}

/// The table of docs/topics.md.
fn table() -> String {
    let mut lines =
        vec!["| what is done | what is planned | what Kafka shows then |".to_owned(), "|---|---|---|".to_owned()];
    for row in rounds().iter().flat_map(|round| &round.rows) {
        let quoted =
            |before: &str, all: &[String]| all.iter().map(|one| format!("{before}`{one}`")).collect::<Vec<_>>();
        let planned = if row.planned.is_empty() { "nothing".to_owned() } else { quoted("", &row.planned).join(", ") };
        let shown = [quoted("", &row.shown), quoted("no ", &row.gone)].concat().join(", ");
        lines.push(format!("| {} | {planned} | {shown} |", row.what));
    }
    lines.join("\n")
}

#[test]
fn the_table_of_the_documents_is_this_one() {
    let text = std::fs::read_to_string("docs/topics.md").expect("the document");
    assert!(text.contains(&table()), "docs/topics.md has another table than:\n{}", table());
}

#[test]
fn prod_with_topics_and_users_is_made_changed_row_by_row_and_destroyed() {
    let Some((_room, kafka)) = beside() else { return };
    let prod = Site { kafka, folder: tempfile::tempdir().expect("a folder") };
    let (file, block) = (prod.path("prod.yaml"), format!("10.{}.0.0/16", block()));
    let mut text = stack("prod", &[&SMALLER[..], &[("10.40.0.0/16", &block)]].concat());
    std::fs::write(&file, &text).expect("a file");

    // The plan is complete before there is a cluster.
    let fresh: BTreeSet<String> = steps(&prod.kafka, &file, &[]).into_iter().collect();
    for step in [
        "create topic/orders",
        "create topic/payments",
        "create user_rights/billing",
        "create scram_credential/orders-api",
    ] {
        assert!(fresh.contains(step), "{step}: {fresh:?}");
    }
    prod.run(&["apply", &file, "--yes"]).expect(0);
    assert_eq!(steps(&prod.kafka, &file, &[]), Vec::<String>::new());
    let admin = prod.path("admin.properties");
    prod.run(&["credentials", &file, "--admin", "--out", &admin]).expect(0);
    let live = prod.live();
    for line in [
        "orders 48x3",
        "payments 24x3",
        "payments: retention.ms=259200000",
        "orders-api: ALLOW WRITE TOPIC LITERAL payments *",
        "billing: ALLOW READ GROUP LITERAL billing *",
    ] {
        assert!(live.contains(line), "{line}: {live:#?}");
    }

    for round in rounds() {
        let mut tools = Vec::new();
        for row in &round.rows {
            if let Some(from) = &row.from {
                assert_eq!(text.matches(from).count(), 1, "{}: `{from}` in\n{text}", row.what);
                text = text.replacen(from, &row.to, 1);
            }
            if let Some(tool) = &row.tool {
                let tool = match tool.as_str() {
                    "topics" => TOPICS,
                    "acls" => ACLS,
                    _ => CONFIGS,
                };
                let arguments: Vec<&str> = row.arguments.iter().map(String::as_str).collect();
                tools.push(prod.tool(&admin, tool, &arguments));
            }
        }
        tools.into_iter().for_each(|tool| drop(Site::said(tool)));
        std::fs::write(&file, &text).expect("a file");
        let lossy: &[&str] = if round.refused.is_empty() { &[] } else { &["--allow-data-loss"] };
        if !round.refused.is_empty() {
            let refused = prod.run(&["plan", &file]).expect(1);
            assert!(round.refused.iter().all(|words| refused.out.contains(words)), "{refused}");
        }
        let planned: BTreeSet<String> = steps(&prod.kafka, &file, lossy).into_iter().collect();
        let expected: BTreeSet<String> = round.rows.iter().flat_map(|row| row.planned.clone()).collect();
        assert_eq!(planned, expected);
        let applied = prod.run(&[&["apply", &file, "--yes"], lossy].concat()).expect(0);
        assert_eq!(steps(&prod.kafka, &file, &[]), Vec::<String>::new());
        let live = prod.live();
        for row in &round.rows {
            let unsaid = row.said.iter().find(|words| !applied.out.contains(*words));
            assert_eq!(unsaid, None, "{}: {applied}", row.what);
            let missing = row.shown.iter().find(|line| !live.contains(*line));
            let left = row.gone.iter().find(|line| live.contains(*line));
            assert_eq!((missing, left), (None, None), "{}: {live:#?}", row.what);
        }
    }

    // A user does what the file allows, by the password that is kept: the one by hand is gone.
    let api = prod.path("orders-api.properties");
    prod.run(&["credentials", &file, "orders-api", "--out", &api]).expect(0);
    let sees = Site::said(prod.tool(&api, TOPICS, &["--list"]));
    let sees: BTreeSet<&str> = sees.lines().filter(|line| ["orders", "payments", "audit"].contains(line)).collect();
    assert_eq!(sees, BTreeSet::from(["orders", "payments"]));

    for (what, from, to, code, words) in PLANNED {
        assert_eq!(text.matches(from).count(), 1, "{what}: `{from}` in\n{text}");
        std::fs::write(&file, text.replacen(from, to, 1)).expect("a file");
        let plan = prod.run(&["plan", &file]).expect(code);
        assert!(words.iter().all(|words| plan.out.contains(words)), "{what}: {plan}");
    }
    std::fs::write(&file, &text).expect("a file");
    let destroyed = prod.run(&["destroy", &file, "--yes"]).expect(0);
    assert!(!destroyed.out.contains("topic/") && !destroyed.out.contains("user_rights/"), "{destroyed}");
    let status = prod.run(&["status", &file]).expect(0);
    assert!(status.out.contains("has no live resources"), "{status}");
    prod.run(&["sandbox", "stop"]);
}
