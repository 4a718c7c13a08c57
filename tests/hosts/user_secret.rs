//! A user of brokers on EC2 whose password is in a secret of others, over a real Kafka: a client comes in by it, another value of the secret
//! is found and given to Kafka, the old one is refused from then on, and the secret stays as it is.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use aws_sdk_secretsmanager::config::{BehaviorVersion, Credentials, Region};

use crate::processes::kstack;
use crate::room::{beside, block};
use crate::support::aws::wait;
use crate::support::text;
use crate::topics::steps;

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const CONFIGS: &str = "kafka.admin.ConfigCommand";
const REGION: &str = "us-east-1";
const NAME: &str = "teams/billing";
/// What passwords of others may have in them.
const FIRST: &str = "first \"one\" \\ of, theirs= \u{e4}";
const SECOND: &str = "the second one";
const THIRD: &str = "the-third-one";

fn value(password: &str) -> String {
    serde_json::json!({"username": "billing", "password": password}).to_string()
}

struct Stack {
    kafka: PathBuf,
    folder: tempfile::TempDir,
}

impl Stack {
    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// The settings of a client as kstack gives them, in a file of this name.
    fn client(&self, name: &str, who: &str) -> String {
        let out = self.path(name);
        kstack(&self.kafka, &["credentials", &self.path("stack.yaml"), who, "--out", &out]).expect(0);
        out
    }

    /// What a tool of Kafka's says that comes in by these settings.
    fn ask(&self, settings: &str, tool: &str, arguments: &[&str]) -> String {
        let text = std::fs::read_to_string(settings).expect("settings");
        let servers = text.lines().find_map(|line| line.strip_prefix("bootstrap.servers=")).expect("servers");
        let mut command = Command::new(self.kafka.join("bin/kafka-run-class.sh"));
        command.env("KAFKA_HEAP_OPTS", "-Xms64m -Xmx192m").env("LOG_DIR", self.folder.path()).stdin(Stdio::null());
        command.args([tool, "--bootstrap-server", servers, "--command-config", settings]).args(arguments);
        let output = command.output().expect("the tool starts");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    /// Whether brokers let a client with these settings in, who then sees the topic that it may.
    fn takes(&self, settings: &str) -> bool {
        let said = self.ask(settings, TOPICS, &["--list"]);
        let (sees, refused) =
            (said.lines().any(|line| line == "payments"), said.contains("SaslAuthenticationException"));
        assert!(sees != refused, "{said}");
        sees
    }
}

#[test]
fn the_password_of_a_secret_is_the_users_also_once_it_is_another() {
    let Some((_room, kafka)) = beside() else { return };
    let stack = Stack { kafka, folder: tempfile::tempdir().expect("a folder") };
    let run = |arguments: &[&str]| kstack(&stack.kafka, arguments);
    run(&["sandbox", "start"]).expect(0);
    let sandbox = run(&["sandbox", "status", "--json"]).expect(0).json();
    let config = aws_sdk_secretsmanager::Config::builder().behavior_version(BehaviorVersion::latest());
    let config = config.endpoint_url(text(&sandbox["endpoint"])).region(Region::new(REGION));
    let config = config.credentials_provider(Credentials::new("test", "test", None, None, "tests"));
    let secrets = aws_sdk_secretsmanager::Client::from_conf(config.build());
    let made = wait(secrets.create_secret().name(NAME).secret_string(value(FIRST)).send());
    let arn = made.arn().expect("an ARN");
    let say = |password: &str| {
        wait(secrets.put_secret_value().secret_id(NAME).secret_string(value(password)).send());
    };

    let (file, block) = (stack.path("stack.yaml"), block());
    let text = format!(
        "apiVersion: kstack/v1\nname: secret\nregion: {REGION}\nnetwork: {{cidr: 10.{block}.0.0/16, nat: single, endpoints: [ssm]}}\n\
         workload: {{ingress: 1 MiB/s, retention: 1d}}\ncluster:\n  ec2:\n    kafka: 4.1.1\n    combined: true\n    \
         brokers: {{count: 3, instance_type: t4g.medium}}\ntopics:\n  payments: {{partitions: 1}}\n  others: {{partitions: 1}}\n\
         access:\n  users:\n    billing:\n      secret: {arn}\n      consume: {{topics: [payments], groups: [billing]}}\n"
    );
    std::fs::write(&file, text).expect("a file");
    let applied = run(&["apply", &file, "--yes"]).expect(0);
    assert_eq!(steps(&stack.kafka, &file, &[]), Vec::<String>::new());
    let first = stack.client("first.properties", "billing");
    assert!(stack.takes(&first), "a client comes in by the secret's password");

    // Another value of the secret: the next plan finds it, and until the apply Kafka has the old one.
    say(SECOND);
    let found = run(&["plan", &file]).expect(0);
    assert_eq!(steps(&stack.kafka, &file, &[]), ["update scram_credential/billing"]);
    assert!(found.out.contains("Kafka has another password than the one that is kept"), "{found}");
    let second = stack.client("second.properties", "billing");
    assert!(stack.takes(&first) && !stack.takes(&second));
    let mended = run(&["apply", &file, "--yes"]).expect(0);
    assert_eq!(steps(&stack.kafka, &file, &[]), Vec::<String>::new());
    assert!(stack.takes(&second) && !stack.takes(&first), "the old password is refused");

    // A password that somebody gave the user in Kafka, past the secret, is found and goes as well.
    let admin = stack.path("admin.properties");
    run(&["credentials", &file, "--admin", "--out", &admin]).expect(0);
    let setting = format!("SCRAM-SHA-512=[password={THIRD}]");
    let by_hand = ["--alter", "--entity-type", "users", "--entity-name", "billing", "--add-config", &setting];
    let said = stack.ask(&admin, CONFIGS, &by_hand);
    assert!(said.contains("Completed updating"), "{said}");
    assert!(!stack.takes(&second));
    assert_eq!(steps(&stack.kafka, &file, &[]), ["update scram_credential/billing"]);
    run(&["apply", &file, "--yes"]).expect(0);
    assert!(stack.takes(&second));

    // A secret that is no longer this user's: nothing is given to Kafka, and the reason is said without the value.
    let foreign = serde_json::json!({"username": "somebody", "password": THIRD}).to_string();
    wait(secrets.put_secret_value().secret_id(NAME).secret_string(foreign).send());
    let refused = run(&["apply", &file, "--yes"]).expect(1);
    assert!(refused.err.contains("its `username` is another"), "{refused}");
    assert!(stack.takes(&second), "the user keeps what it has");

    // kstack says no password, and leaves the secret.
    for output in [&applied, &found, &mended, &refused] {
        assert!([FIRST, SECOND, THIRD].iter().all(|secret| !output.to_string().contains(secret)), "{output}");
    }
    run(&["destroy", &file, "--yes"]).expect(0);
    let left = wait(secrets.get_secret_value().secret_id(NAME).send());
    assert!(left.secret_string().is_some_and(|value| value.contains(THIRD)), "{left:?}");
    run(&["sandbox", "stop"]);
}
