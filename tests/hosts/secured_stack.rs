//! A stack whose hosts speak TLS, through kstack's own commands, on the sandbox with a Kafka: made, used by clients with passwords and
//! certificates, rolled with new certificates, and gone without a trace of its keys.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use aws_sdk_ssm::types::{ParameterStringFilter, ParameterType};
use kstack::aws::declared::during;
use kstack::aws::{Clients, Fence, Place};
use kstack_core::certificates::Told;
use kstack_core::permissions::{Call, call};
use serde_json::Value;

use crate::client::{Client, RATE, TOPIC};
use crate::processes::{kstack, kstack_with_life};
use crate::room::{beside, block};
use crate::support::poll;

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const ACLS: &str = "org.apache.kafka.tools.AclCommand";

/// What this test itself asks of AWS.
const LISTED: &[&Call] = &[call("DescribeParameters")];
const WRITTEN: &[&Call] = &[call("PutParameter")];

struct Stack {
    kafka: PathBuf,
    folder: tempfile::TempDir,
}

impl Stack {
    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn write(&self, instance_type: &str) -> String {
        self.write_with(instance_type, "{}")
    }

    /// The same with these authorities.
    fn write_with(&self, instance_type: &str, authorities: &str) -> String {
        let block = block();
        let text = format!(
            "apiVersion: kstack/v1\nname: payments\nregion: us-east-1\nnetwork: {{cidr: 10.{block}.0.0/16, nat: single, endpoints: [ssm]}}\n\
             workload: {{ingress: 1 MiB/s, retention: 1d}}\ncluster:\n  ec2:\n    kafka: 4.1.1\n    combined: true\n    \
             listeners: {{scram: true, mtls: true}}\n    authorities: {authorities}\n    brokers: {{count: 3, instance_type: {instance_type}}}\n"
        );
        fs::write(self.path("payments.yaml"), text).expect("a file");
        self.path("payments.yaml")
    }

    /// Settings that `kstack credentials` writes, in a file of this name.
    fn credentials(&self, name: &str, arguments: &[&str]) -> String {
        let (file, out) = (self.path("payments.yaml"), self.path(name));
        kstack(&self.kafka, &[&["credentials", &file, "--out", &out], arguments].concat()).expect(0);
        let mode = fs::metadata(&out).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "only its owner reads it");
        out
    }

    fn tool(&self, script: &str) -> Command {
        let mut command = Command::new(self.kafka.join("bin").join(script));
        command.env("KAFKA_HEAP_OPTS", "-Xms64m -Xmx192m").env("LOG_DIR", self.folder.path()).stdin(Stdio::null());
        command.env("KAFKA_JVM_PERFORMANCE_OPTS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC");
        command
    }

    /// What a tool of Kafka's says that has everything from the settings in this file.
    fn ask(&self, tool: &str, settings: &str, arguments: &[&str]) -> String {
        let mut command = self.tool("kafka-run-class.sh");
        command.args([tool, "--bootstrap-server", &servers(settings), "--command-config", settings]).args(arguments);
        let output = command.output().expect("the tool starts");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    /// Writes five records, and gives what was said against it.
    fn produce(&self, settings: &str) -> String {
        let mut command = self.tool("kafka-console-producer.sh");
        let servers = servers(settings);
        command.args(["--bootstrap-server", &servers, "--producer.config", settings, "--topic", "orders"]);
        command.args(["--producer-property", "acks=all", "--producer-property", "max.block.ms=20000"]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        child.stdin.take().expect("a pipe").write_all(b"1\n2\n3\n4\n5\n").expect("it reads");
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        said.lines().filter(|line| line.contains("Exception")).collect::<Vec<_>>().join("\n")
    }

    fn consume(&self, settings: &str, count: u32) -> String {
        let mut command = self.tool("kafka-console-consumer.sh");
        let servers = servers(settings);
        command.args(["--bootstrap-server", &servers, "--consumer.config", settings, "--topic", "orders"]);
        command.args([
            "--group",
            "billing",
            "--from-beginning",
            "--timeout-ms",
            "60000",
            "--max-messages",
            &count.to_string(),
        ]);
        let output = command.output().expect("it starts");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    /// Does `work` in the sandbox's Parameter Store.
    fn on_parameters<T>(&self, work: impl AsyncFnOnce(Clients) -> T) -> T {
        let status: Value = kstack(&self.kafka, &["sandbox", "status", "--json"]).expect(0).json();
        let endpoint = status["endpoint"].as_str().expect("an endpoint").to_owned();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let place = Place { region: "us-east-1".to_owned(), sandbox: Some(endpoint) };
            let fence = Fence::default();
            fence.allow((Instant::now(), SystemTime::now()), Duration::from_secs(60));
            work(Clients::connect(&place, fence).await).await
        })
    }

    /// Has Parameter Store tell that the certificate of the host at `address` ends an hour later than it does.
    fn tell_another_end(&self, address: &str) {
        let parameter = format!("/hosts/{address}/tls");
        let (name, told) =
            self.papers().0.into_iter().find(|(name, _)| name.ends_with(&parameter)).expect("its papers");
        let told = Told { ends: told.ends + jiff::SignedDuration::from_hours(1), ..told };
        let text = serde_json::to_string(&told).expect("JSON");
        self.on_parameters(async |clients| {
            let call = clients.ssm.put_parameter().name(&name).value("none").r#type(ParameterType::SecureString);
            let call = call.overwrite(true).description(&text);
            let put = during([WRITTEN, &[]], async { call.send().await });
            put.await.expect("the parameter");
        });
    }

    /// What the descriptions of the hosts' parameters tell, by parameter; and how many parameters there are in all.
    fn papers(&self) -> (BTreeMap<String, Told>, usize) {
        let all = self.on_parameters(async |clients| {
            let path = ParameterStringFilter::builder().key("Path").option("Recursive").values("/kstack-papers");
            let call = clients.ssm.describe_parameters().max_results(50);
            let call = call.parameter_filters(path.build().expect("a filter"));
            let asked = during([LISTED, &[]], async { call.send().await });
            asked.await.expect("parameters").parameters.unwrap_or_default()
        });
        let told: Vec<(String, Told)> = all
            .into_iter()
            .map(|one| {
                let told = serde_json::from_str(one.description().expect("a description")).expect("what it tells");
                (one.name.expect("a name"), told)
            })
            .collect();
        let count = told.len();
        (told.into_iter().filter(|(name, _)| name.contains("/hosts/")).collect(), count)
    }
}

/// The address of the host `name`, as `kstack status` shows it.
fn address_of(hosts: &[Value], name: &str) -> String {
    let host = hosts.iter().find(|host| host["name"] == name).expect("the host");
    host["address"].as_str().expect("an address").to_owned()
}

fn servers(settings: &str) -> String {
    let text = fs::read_to_string(Path::new(settings)).expect("settings");
    let servers = text.lines().find_map(|line| line.strip_prefix("bootstrap.servers="));
    servers.expect("servers").to_owned()
}

#[test]
fn a_secured_stack_is_made_used_rolled_and_destroyed() {
    let Some((_room, kafka)) = beside() else { return };
    let stack = Stack { kafka, folder: tempfile::tempdir().expect("a folder") };
    let run = |arguments: &[&str]| kstack(&stack.kafka, arguments);
    let file = stack.write("t4g.medium");
    run(&["apply", &file, "--yes"]).expect(0);
    assert!(run(&["plan", &file]).expect(0).out.contains("Nothing to do"));
    let status = run(&["status", &file, "--json"]).expect(0).json();
    assert_eq!(status["kafka"]["healthy"], true, "{status:#}");
    let hosts = status["hosts"].as_array().expect("hosts");
    assert!(hosts.len() == 3 && hosts.iter().all(|host| host["certificate"] == "valid"), "{status:#}");

    // kstack's tools for an hour; a user with a password and one with a certificate, and what each may do.
    let admin = stack.credentials("admin.properties", &["--admin"]);
    let done = |said: String, expected: &str| assert!(said.contains(expected), "{expected}: {said}");
    let topic = ["--create", "--topic", "orders", "--partitions", "3", "--replication-factor", "3"];
    done(stack.ask(TOPICS, &admin, &topic), "Created topic");
    let api = stack.credentials("api.properties", &["orders-api"]);
    let billing = stack.credentials("billing.properties", &["billing", "--by", "mtls"]);
    done(stack.produce(&api), "TopicAuthorizationException");
    done(stack.consume(&billing, 1), "TopicAuthorizationException");
    let allow = |more: &[&str]| {
        done(stack.ask(ACLS, &admin, &[&["--add", "--topic", "orders"], more].concat()), "Adding ACLs");
    };
    allow(&["--allow-principal", "User:orders-api", "--producer"]);
    allow(&["--allow-principal", "User:billing", "--consumer", "--group", "billing"]);
    assert_eq!(stack.produce(&api), "");
    done(stack.consume(&billing, 5), "Processed a total of 5 messages");
    done(stack.ask(ACLS, &api, &["--list"]), "ClusterAuthorizationException");

    // A password is given once, and another takes its place.
    let again = run(&["credentials", &file, "orders-api", "--show"]).expect(1);
    assert!(again.err.contains("the user orders-api has a password, which Kafka tells nobody"), "{again}");
    let newer = stack.credentials("newer.properties", &["orders-api", "--new-password"]);
    done(stack.produce(&api), "SaslAuthenticationException");
    assert_eq!(stack.produce(&newer), "");
    let shown =
        run(&["credentials", &file, "web", "--by", "mtls", "--show", "--format", "librdkafka"]).expect(0).json();
    assert_eq!(shown["security.protocol"], "SSL", "{shown}");

    // Each roll brings a new certificate, and the client's settings stay good; so they do beside another authority.
    let (before, count) = stack.papers();
    assert_eq!((before.len(), count), (3, 5), "one for each host, and the two authorities");
    run(&["apply", &stack.write_with("t4g.large", "{hosts: [1, 2], clients: [1, 2]}"), "--yes"]).expect(0);
    let (after, _) = stack.papers();
    for (parameter, told) in &after {
        let old = &before[parameter];
        assert_ne!(told.serial, old.serial, "{parameter}");
        assert_eq!(told.before.as_ref().map(|life| life.ends), Some(old.ends), "{parameter}");
        assert_eq!((&told.by, &told.names, &told.subject), (&old.by, &old.names, &old.subject), "{parameter}");
    }
    assert_eq!(stack.produce(&newer), "");
    done(stack.consume(&billing, 10), "Processed a total of 10 messages");
    assert!(run(&["plan", &file]).expect(0).out.contains("Nothing to do"));

    // The second authorities take the place of the first, while a producer writes.
    // A certificate of `--admin` is by the old one, and is no longer taken in the end.
    let both = stack.credentials("both.properties", &["orders-api", "--new-password"]);
    let new_billing = stack.credentials("new-billing.properties", &["billing", "--by", "mtls"]);
    let client = Client::new(stack.kafka.clone(), servers(&both));
    let mut producer =
        client.produce_to(TOPIC, stack.folder.path().join("acknowledged.jsonl"), RATE, &["--producer.config", &both]);
    producer.expect_more("writing beside the old authority", 20);
    let rotated = run(&["apply", &stack.write_with("t4g.large", "{hosts: [2], clients: [2]}"), "--yes"]).expect(0);
    assert!(rotated.out.contains("After all of these, in the same run:"), "{rotated}");
    producer.expect_more("writing by the new authority", 20);
    let acknowledged = producer.stop();
    let (last, count) = stack.papers();
    assert_eq!((last.len(), count), (3, 5), "the old authorities are gone");
    for (parameter, told) in &last {
        assert_eq!(told.trust.to_string(), "by 2, trusts 2, clients 2", "{parameter}");
        assert_ne!((&told.by, &told.clients), (&after[parameter].by, &after[parameter].clients), "{parameter}");
    }
    for server in servers(&both).split(',') {
        let shown = Command::new("openssl").args(["s_client", "-connect", server]).stdin(Stdio::null()).output();
        let shown = String::from_utf8_lossy(&shown.expect("openssl runs").stdout).into_owned();
        assert!(shown.contains("CN = kstack payments hosts 2"), "{server}: {shown}");
    }
    let newest = stack.credentials("newest.properties", &["--admin"]);
    let read = Client::new(stack.kafka.clone(), servers(&newest)).read_from(TOPIC, &["--consumer.config", &newest]);
    let lost: Vec<_> = acknowledged.difference(&read).collect();
    assert!(lost.is_empty() && acknowledged.len() > 300, "{} of {} lost", lost.len(), acknowledged.len());
    assert!(!stack.consume(&new_billing, 5).contains("Exception"), "a certificate by the new authority is taken");
    done(stack.consume(&billing, 5), "SslAuthenticationException");
    assert!(run(&["plan", &file]).expect(0).out.contains("Nothing to do"));

    run(&["destroy", &file, "--yes"]).expect(0);
    assert_eq!(stack.papers(), (BTreeMap::new(), 0), "nothing of its keys is left");
    run(&["sandbox", "stop"]);
}

/// In seconds: long enough for three hosts to start one after the other, and to be rolled.
const SHORT: u64 = 240;

#[test]
fn certificates_are_renewed_in_time_and_a_quorum_without_valid_ones_is_brought_back() {
    let Some((_room, kafka)) = beside() else { return };
    let stack = Stack { kafka, folder: tempfile::tempdir().expect("a folder") };
    let run = |arguments: &[&str]| kstack(&stack.kafka, arguments);
    let file = stack.write("t4g.medium");
    kstack_with_life(&stack.kafka, SHORT, &["apply", &file, "--yes"]).expect(0);
    let admin = stack.credentials("admin.properties", &["--admin"]);
    let topic = ["--create", "--topic", "orders", "--partitions", "3", "--replication-factor", "3"];
    let made = stack.ask(TOPICS, &admin, &topic);
    assert!(made.contains("Created topic"), "{made}");
    assert_eq!(stack.produce(&admin), "");

    // Less than a third of the life is left from the beginning: it begins an hour before it is made.
    let early = run(&["recover", &file, "--yes"]).expect(1);
    assert!(early.err.contains("no host runs with a certificate that has ended; nothing was changed"), "{early}");
    let plan = run(&["plan", &file]).expect(0);
    assert!(plan.out.contains("starts with a new certificate") && plan.out.contains("3 to roll"), "{plan}");
    let status = run(&["status", &file]).expect(0);
    assert!(status.out.contains("Certificates to renew: broker-1 ends "), "{status}");
    let (before, _) = stack.papers();
    run(&["apply", &file, "--yes"]).expect(0);
    assert!(run(&["plan", &file]).expect(0).out.contains("Nothing to do"));
    let (after, _) = stack.papers();
    assert!(after.iter().all(|(parameter, told)| told.serial != before[parameter].serial), "{after:?}");

    // Every process starts with one that ends soon, and nobody comes in time.
    let file = stack.write("t4g.large");
    kstack_with_life(&stack.kafka, SHORT, &["apply", &file, "--yes"]).expect(0);
    assert_eq!(stack.produce(&admin), "");
    let ended = |plan: &str| {
        plan.contains("so it can't be rolled while the others run") && plan.matches(" UTC -> valid").count() == 3
    };
    let end = stack.papers().0.values().map(|told| told.ends).max().expect("certificates");
    std::thread::sleep(end.duration_since(jiff::Timestamp::now()).try_into().unwrap_or_default());
    poll("the end of the certificates", Duration::from_secs(SHORT), || ended(&run(&["plan", &file]).out).then_some(()));
    let refused = run(&["apply", &file, "--yes"]).expect(1);
    assert!(refused.out.contains("run `kstack recover` with the file"), "{refused}");
    let status = run(&["status", &file, "--json"]).expect(0).json();
    assert_eq!(status["kafka"]["healthy"], false, "{status:#}");
    let recovered = run(&["recover", &file, "--yes"]).expect(0);
    assert!(recovered.out.ends_with("broker-1, broker-2, broker-3 run with new certificates.\n"), "{recovered}");
    let status = run(&["status", &file, "--json"]).expect(0).json();
    assert_eq!(status["kafka"]["healthy"], true, "{status:#}");
    // What brokers show in the handshake is what AWS tells; where it is not, both are said, with what helps.
    let served = |one: &Value| (one["certificate_ends"].clone(), one["served_certificate_ends"].clone());
    let hosts = status["hosts"].as_array().expect("hosts");
    assert!(hosts.iter().map(served).all(|(told, served)| told.is_string() && told == served), "{status:#}");
    assert_eq!(status["findings"], serde_json::json!([]), "{status:#}");
    assert!(run(&["status", &file]).expect(0).out.contains("valid on all 3 hosts; 3 of 3 brokers serve what they"));
    assert!(run(&["plan", &file]).expect(0).out.contains("Nothing to do"));
    stack.tell_another_end(&address_of(hosts, "broker-2"));
    let status = run(&["status", &file, "--json"]).expect(0).json();
    let what = status["findings"][0]["what"].as_str().unwrap_or_default();
    assert!(what.contains("serve other certificates than they should have started with: broker-2 ("), "{status:#}");
    let read = stack.consume(&stack.credentials("admin.properties", &["--admin"]), 10);
    assert!(read.contains("Processed a total of 10 messages"), "{read}");
    run(&["destroy", &file, "--yes"]).expect(0);
    run(&["sandbox", "stop"]);
}
