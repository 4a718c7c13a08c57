//! Users in the stack file, over a real secured Kafka: made with their stack, changed row by row, killed at requests, put right after
//! what others did, written by `kstack export`, and gone with their rights when the file has them no more. What others have is told by
//! `kstack status`, and goes where the file has its names for itself.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::processes::kstack;
use crate::room::{beside, block};
use crate::support::text;
use crate::topics::{dying, finish};

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const ACLS: &str = "org.apache.kafka.tools.AclCommand";
const CONFIGS: &str = "kafka.admin.ConfigCommand";

/// What the file has at first.
const FIRST: &str = "    orders-api:\n      produce: [orders, \"orders.*\"]\n      quota: {produce: 10 MiB/s, request: 50%}\n    \
    billing:\n      mechanism: mtls\n      consume: {topics: [payments], groups: [\"billing*\"]}\n";

/// A row: what of the file changes to what, and the steps that this plans.
const ROWS: [(&str, &str, &[&str]); 3] = [
    ("produce: 10 MiB/s, request", "consume: 1 MiB/s, request", &["update user_quota/orders-api"]),
    (
        "consume: {topics: [payments]",
        "acls: [{topic: \"*\", allow: [all], deny: [delete], host: 10.0.0.7}]\n      consume: {topics: [invoices]",
        &["update user_rights/billing"],
    ),
    ("      quota: {consume: 1 MiB/s, request: 50%}\n", "", &["delete user_quota/orders-api"]),
];

struct Stack {
    kafka: PathBuf,
    folder: tempfile::TempDir,
}

impl Stack {
    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn write(&self, users: &str) -> String {
        let block = block();
        let access = if users.is_empty() { String::new() } else { format!("access:\n  users:\n{users}") };
        let text = format!(
            "apiVersion: kstack/v1\nname: users\nregion: us-east-1\nnetwork: {{cidr: 10.{block}.0.0/16, nat: single, endpoints: [ssm]}}\n\
             workload: {{ingress: 1 MiB/s, retention: 1d}}\ncluster:\n  ec2:\n    kafka: 4.1.1\n    combined: true\n    \
             listeners: {{scram: true, mtls: true}}\n    brokers: {{count: 3, instance_type: t4g.medium}}\n{access}"
        );
        std::fs::write(self.path("users.yaml"), text).expect("a file");
        self.path("users.yaml")
    }

    /// Applies the file to its end, after who died; then there is nothing more to do.
    fn finish(&self, file: &str) {
        finish(&self.kafka, &["apply", file, "--yes"]);
        assert_eq!(self.steps(file), Vec::<String>::new());
    }

    /// The steps of the file's plan, each with its action.
    fn steps(&self, file: &str) -> Vec<String> {
        let plan = kstack(&self.kafka, &["plan", file, "--json"]).expect(0).json();
        let step = |step: &Value| format!("{} {}", text(&step["action"]), text(&step["address"]));
        plan["steps"].as_array().expect("steps").iter().map(step).collect()
    }

    fn export(&self, file: &str) -> String {
        kstack(&self.kafka, &["export", file]).expect(0).out
    }

    /// What a tool of Kafka's says that comes in as kstack does.
    fn ask(&self, tool: &str, arguments: &[&str]) -> String {
        let settings = self.path("admin.properties");
        let text = std::fs::read_to_string(&settings).expect("settings");
        let servers = text.lines().find_map(|line| line.strip_prefix("bootstrap.servers=")).expect("servers");
        let mut command = Command::new(self.kafka.join("bin/kafka-run-class.sh"));
        command.env("KAFKA_HEAP_OPTS", "-Xms64m -Xmx192m").env("LOG_DIR", self.folder.path()).stdin(Stdio::null());
        command.args([tool, "--bootstrap-server", servers, "--command-config", &settings]).args(arguments);
        let output = command.output().expect("the tool starts");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }
}

/// The password in the settings of a client.
fn password(settings: &str) -> String {
    let rest = settings.split_once("password=\"").expect("a password").1;
    rest.split('"').next().unwrap_or_default().trim_end_matches('\\').to_owned()
}

fn lines(text: &str) -> BTreeSet<String> {
    text.lines().map(|line| line.trim().to_owned()).collect()
}

#[test]
fn users_of_the_file_are_those_of_kafka_wherever_a_run_dies() {
    let Some((_room, kafka)) = beside() else { return };
    let stack = Stack { kafka, folder: tempfile::tempdir().expect("a folder") };
    let run = |arguments: &[&str]| kstack(&stack.kafka, arguments);
    let mut now = FIRST.to_owned();
    let file = stack.write(&now);

    // The plan is complete before there is a cluster. Limits and passwords come before rights.
    let fresh = stack.steps(&file);
    let place = |step: &str| fresh.iter().position(|one| one == step).unwrap_or_else(|| panic!("{step}: {fresh:?}"));
    let rights = place("create user_rights/orders-api");
    assert!(place("create kafka_user/orders-api") < place("create scram_credential/orders-api"));
    assert!(place("create scram_credential/orders-api") < rights && place("create user_quota/orders-api") < rights);
    assert!(!fresh.contains(&"create scram_credential/billing".to_owned()), "{fresh:?}");
    dying(&stack.kafka, &["apply", &file, "--yes"], "1");
    stack.finish(&file);

    // What is exported is what the file says.
    let exported = stack.export(&file);
    let in_order = "    billing:\n      mechanism: mtls\n      consume: {topics: [payments], groups: [\"billing*\"]}\n    orders-api:\n      \
                    produce: [orders, \"orders.*\"]\n      quota: {produce: 10 MiB/s, request: 50%}\n";
    assert_eq!(exported, format!("access:\n  users:\n{in_order}"));
    assert_eq!(stack.steps(&stack.write(in_order)), Vec::<String>::new());

    // The password is kept, and never shown unasked.
    let kept = password(&run(&["credentials", &file, "orders-api", "--show"]).expect(0).out);
    assert_eq!(kept.len(), 32);
    assert_eq!(password(&run(&["credentials", &file, "orders-api", "--show"]).expect(0).out), kept);

    for (before, after, planned) in ROWS {
        assert!(now.contains(before), "{before}: {now}");
        now = now.replacen(before, after, 1);
        let file = stack.write(&now);
        let plan = run(&["plan", &file]).expect(0);
        assert!(!plan.out.contains(&kept) && !plan.err.contains(&kept), "{after}");
        assert_eq!(stack.steps(&file), planned, "{after}");
        if after.starts_with("acls") {
            // At no moment it may do what it may do neither before nor afterwards.
            for at in ["-2", "1"] {
                dying(&stack.kafka, &["apply", &file, "--yes"], at);
                let live = stack.export(&file);
                let allowed = live.contains("allow: [all]");
                assert!(!allowed || live.contains("deny: [delete]") && !live.contains("payments"), "{at}: {live}");
            }
        }
        stack.finish(&file);
    }

    // What others did is put right, but for the rights of users that are not the file's.
    let file = stack.write(&now);
    run(&["credentials", &file, "--admin", "--out", &stack.path("admin.properties")]).expect(0);
    let said = stack.ask(
        CONFIGS,
        &[
            "--alter",
            "--add-config",
            "SCRAM-SHA-512=[password=another]",
            "--entity-type",
            "users",
            "--entity-name",
            "orders-api",
        ],
    );
    assert!(said.contains("Completed updating"), "{said}");
    for user in ["User:orders-api", "User:stranger", "User:visitor"] {
        let added = stack.ask(ACLS, &["--add", "--topic", "secrets", "--allow-principal", user, "--operation", "Read"]);
        assert!(added.contains("Adding ACLs"), "{added}");
    }
    let steps: BTreeSet<String> = stack.steps(&file).into_iter().collect();
    assert_eq!(steps, lines("update scram_credential/orders-api\nupdate user_rights/orders-api"));
    stack.finish(&file);
    let exported = stack.export(&file);
    assert_eq!(exported.matches("secrets").count(), 2, "{exported}");
    assert!(exported.contains("stranger:"), "{exported}");

    // What others have is told, and goes where its names are the file's alone, by what is asked for alone.
    for topic in ["left.x", "kept"] {
        let made = stack.ask(TOPICS, &["--create", "--topic", topic, "--partitions", "1", "--replication-factor", "3"]);
        assert!(made.contains("Created topic"), "{made}");
    }
    let pruned = stack.write(&format!("{now}prune: {{topics: [\"left.*\"], users: [\"vis*\"]}}\n"));
    let told = run(&["status", &pruned, "--json"]).expect(0).json()["not_in_file"].take();
    let of = |names: &[&str]| serde_json::json!({"count": names.len(), "first": names});
    assert_eq!((&told["topics"], &told["users"]), (&of(&["kept"]), &of(&["stranger"])), "{told:#}");
    assert_eq!((&told["pruned_topics"], &told["pruned_users"]), (&of(&["left.x"]), &of(&["visitor"])), "{told:#}");
    let refused = run(&["plan", &pruned]).expect(1);
    assert!(refused.out.contains("1 topic is under `prune`") && refused.out.contains("visitor"), "{refused}");
    let pruning = ["apply", pruned.as_str(), "--yes", "--allow-data-loss"];
    dying(&stack.kafka, &pruning, "1");
    finish(&stack.kafka, &pruning);
    assert_eq!(stack.steps(&pruned), Vec::<String>::new());
    let text = run(&["status", &pruned]).expect(0).out;
    let line = "Not in the stack file, and left alone: 1 topic (kept), 1 user (stranger)\n";
    assert!(text.contains(line) && !text.contains("left.x") && !text.contains("visitor"), "{text}");

    // By a way that leads nowhere nothing is known: nobody's rights end, and nobody is forgotten.
    let file = stack.write("");
    let held = run(&["plan", &file, "--proxy", "socks5://127.0.0.1:9", "--json"]).expect(0).json();
    assert_eq!(held["steps"].as_array().map(Vec::len), Some(0), "{held:#}");

    // Users that the file has no more lose their rights first, wherever a run dies.
    let steps = stack.steps(&file);
    let place = |step: &str| steps.iter().position(|one| one == step).unwrap_or_else(|| panic!("{step}: {steps:?}"));
    assert!(place("delete user_rights/orders-api") < place("delete scram_credential/orders-api"));
    assert!(place("delete scram_credential/orders-api") < place("delete kafka_user/orders-api"));
    dying(&stack.kafka, &["apply", &file, "--yes"], "1");
    stack.finish(&file);
    let left = stack.export(&file);
    assert!(!left.contains("orders-api") && !left.contains("billing") && left.contains("stranger:"), "{left}");
    run(&["destroy", &file, "--yes"]).expect(0);
    run(&["sandbox", "stop"]);
}
