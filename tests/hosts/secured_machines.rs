//! Booted hosts that speak TLS: they fetch their papers by themselves, clients come in by password and by certificate, and nobody else
//! does; no host gets the papers of another, and nothing that is secret is anywhere else than where it belongs.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use jiff::Timestamp;
use kstack::health::ask;
use kstack::kafka::{self, Link, Roots, Sasl, Security, Server};
use kstack::pki::{Pair, Signer};
use kstack_core::certificates::{Authority, Facts};
use kstack_core::client_files::{Format, Identity, client_file};
use kstack_core::cloud_init::{
    CLIENT_PORT, INTERNAL_PORT, MTLS_PORT, QUORUM_PORT, SCRAM_PORT, authority_parameter, papers_parameter,
};
use serde_json::Value;

use crate::client::Client;
use crate::cloud::{Asked, Cloud};
use crate::network::{Network, run};
use crate::support::{Account, Run, text};
use crate::{Ground, Host};

/// Who may do what in the topic `orders` and another topic; the client host sees one of the two.
pub const ACCESS: &str = "\
access:
  users:
    etl:
      mechanism: mtls
      produce: [orders]
      consume: {topics: [payments], groups: [billing]}
    orders-api:
      produce: [payments]
      consume: {topics: [orders], groups: [\"*\"]}
    kstack-client-host:
      mechanism: mtls
      acls: [{topic: orders, allow: [describe]}]
topics:
  orders: {partitions: 6}
  payments: {partitions: 3}
";

/// The stack's clients, and AWS as its hosts know it.
pub struct Secured {
    kafka: PathBuf,
    stack: String,
    cloud: Cloud,
    folder: tempfile::TempDir,
    passwords: Vec<String>,
}

impl Secured {
    /// What must be there before a host of the applied stack boots.
    pub fn start(ground: &Ground, account: &Account, region: &str, stack: &str, network: &Network) -> Secured {
        Secured {
            kafka: ground.kafka.clone(),
            stack: stack.to_owned(),
            cloud: Cloud::start(account, region, network, &ground.running),
            folder: tempfile::tempdir().expect("a folder"),
            passwords: Vec::new(),
        }
    }

    /// The client properties of a user, in a file.
    pub fn settings(&self, user: &str) -> PathBuf {
        self.folder.path().join(format!("{user}.properties"))
    }

    /// Writes the client properties of an administrator.
    pub fn administrator(&self, account: &Account, file: &str) {
        let arguments = ["credentials", file, "--format", "librdkafka", "--show", "--admin"];
        self.write("admin", &account.run(&arguments).expect(0).json());
    }

    fn write(&self, user: &str, all: &Value) {
        let identity = match all.get("ssl.key.pem") {
            Some(key) => Identity::Certificate { certificate: text(&all["ssl.certificate.pem"]), key: text(key) },
            None => Identity::Scram { user: text(&all["sasl.username"]), password: text(&all["sasl.password"]) },
        };
        let (servers, ca) = (text(&all["bootstrap.servers"]), text(&all["ssl.ca.pem"]));
        fs::write(self.settings(user), client_file(Format::Java, servers, Some(ca), identity)).expect("a file");
    }

    fn ran(command: &mut Command, input: &str) -> String {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().expect("it starts");
        child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
        said(&child.wait_with_output().expect("it ends"))
    }

    fn produce(&self, client: &Client, user: &str, topic: &str) -> String {
        let mut command = client.tool_by("kafka-console-producer.sh", Some(&self.settings(user)));
        command.args(["--topic", topic, "--producer-property", "max.block.ms=30000"]);
        let said = Secured::ran(&mut command, "1\n2\n3\n4\n5\n");
        said.lines().filter(|line| line.contains("Exception")).collect::<Vec<_>>().join("\n")
    }

    /// Makes the file's topics, users and rights, now that brokers answer, and sees who comes in, and who does not.
    pub fn prove(&mut self, account: &Account, file: &str, hosts: &[Host]) {
        let mut apply = account.command(&["apply", file, "--yes"]);
        let made = Run::of(apply.env_remove("KSTACK_TEST_NOBODY")).expect(0);
        assert!(made.out.contains("topic/payments") && made.out.contains("user_rights/etl"), "{made}");
        let shown = |arguments: &[&str]| {
            let more = [&["credentials", file, "--format", "librdkafka", "--show"], arguments].concat();
            account.run(&more).expect(0).json()
        };
        let (admin, etl) = (shown(&["--admin"]), shown(&["etl", "--by", "mtls"]));
        let (api, intruder) = (shown(&["orders-api"]), shown(&["intruder"]));
        for (user, all) in [("admin", &admin), ("etl", &etl), ("orders-api", &api), ("intruder", &intruder)] {
            self.write(user, all);
        }
        self.passwords = [&api, &intruder].map(|all| text(&all["sasl.password"]).to_owned()).into();
        self.refusals(hosts, &admin, &etl, &api);

        let client = Client::new(self.kafka.clone(), String::new());
        assert_eq!(self.produce(&client, "orders-api", "payments"), "");
        let mut read = client.tool_by("kafka-console-consumer.sh", Some(&self.settings("etl")));
        read.args(["--topic", "payments", "--group", "billing", "--from-beginning", "--max-messages", "5"]);
        let said = Secured::ran(read.args(["--timeout-ms", "60000"]), "");
        assert!(said.contains("Processed a total of 5 messages"), "{said}");
        let said = self.produce(&client, "intruder", "payments");
        assert!(said.contains("TopicAuthorizationException"), "{said}");
    }

    /// Each refusal by the listener that lets others in.
    fn refusals(&self, hosts: &[Host], admin: &Value, etl: &Value, api: &Value) {
        let pem = |all: &Value, key: &str| text(&all[key]).to_owned();
        let of = |all: &Value| kafka::Identity {
            certificate: pem(all, "ssl.certificate.pem"),
            key: pem(all, "ssl.key.pem"),
        };
        let other = |authority| Signer::make(authority, 1, &self.stack, Timestamp::now()).expect("an authority");
        let by_other = |authority, facts: &Facts| {
            let pair: Pair = other(authority).sign(facts, Timestamp::now()).expect("a certificate");
            kafka::Identity { certificate: pair.certificate.clone(), key: pair.key.expose().to_owned() }
        };
        let ca = pem(admin, "ssl.ca.pem");
        let tls = |identity: Option<&kafka::Identity>| Security::tls_by(&Roots::Pem(&ca), identity).expect("TLS");
        let scram = |password: &str| {
            let (user, password) = (text(&api["sasl.username"]).to_owned(), password.to_owned());
            tls(None).with_sasl(Sasl::Scram { user, password })
        };
        let foreign = other(Authority::Hosts);
        let foreign = Security::tls_by(&Roots::Pem(&foreign.pair().certificate), None).expect("TLS");
        let as_client = Facts::client("etl", Facts::HOST_LIFE).expect("a user");
        let not_taken = "does not take kstack's client certificate";
        let broker = address_of(hosts, "broker-1");
        let controller = address_of(hosts, "controller-1");
        let rows = [
            (
                "a foreign administrator",
                broker,
                INTERNAL_PORT,
                tls(Some(&by_other(Authority::Hosts, &Facts::admin()))),
                not_taken,
            ),
            ("a client among brokers", broker, INTERNAL_PORT, tls(Some(&of(etl))), not_taken),
            ("nobody among brokers", broker, INTERNAL_PORT, tls(None), "asks for a client certificate"),
            ("a client among controllers", controller, QUORUM_PORT, tls(Some(&of(etl))), not_taken),
            ("nobody among controllers", controller, QUORUM_PORT, tls(None), "asks for a client certificate"),
            ("a foreign client", broker, MTLS_PORT, tls(Some(&by_other(Authority::Clients, &as_client))), not_taken),
            ("an administrator among clients", broker, MTLS_PORT, tls(Some(&of(admin))), not_taken),
            ("a foreign CA", broker, SCRAM_PORT, foreign, "is not by a CA that kstack trusts"),
            ("a wrong password", broker, SCRAM_PORT, scram("wrong"), "his password is another one"),
            ("plaintext", broker, SCRAM_PORT, Security::default(), "it speaks TLS there"),
            ("plaintext at its own port", broker, CLIENT_PORT, Security::default(), "no broker is reachable"),
        ];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let asks = |address: Ipv4Addr, port, security| {
            let (server, link) = (Server { host: address.to_string(), port }, Link { security, ..Link::default() });
            runtime.block_on(async { ask(&[server], &link).await })
        };
        asks(broker, INTERNAL_PORT, tls(Some(&of(admin)))).expect("kstack comes in");
        for (who, address, port, security, why) in rows {
            let refused = asks(address, port, security).expect_err(who).to_string();
            assert!(refused.contains(why), "{who}: {refused}");
        }
    }

    /// What each host has on its disk and shows, and what it may read of what is not its own.
    pub fn look(&self, hosts: &[Host]) {
        let address = |host: &Host| address_of(hosts, &host.name);
        let own = |host: &Host| papers_parameter(&self.stack, address(host));
        let asked = self.cloud.asked();
        for host in hosts {
            let read = Asked { by: address(host), parameter: own(host), outcome: "read" };
            let reads = asked.iter().filter(|one| **one == read).count();
            assert!(reads >= host.launches, "{} has read its papers {reads} times", host.name);
        }
        assert!(asked.iter().all(|one| one.outcome == "read"), "{asked:?}");

        // Any process of a host may use its role, and gets no other papers by it.
        let thief = hosts.first().expect("a host");
        let another = own(hosts.last().expect("a host"));
        for (parameter, outcome) in [
            (another.as_str(), "denied"),
            (&authority_parameter(&self.stack, Authority::Hosts, 1), "denied"),
            (&authority_parameter(&self.stack, Authority::Clients, 1), "denied"),
            (&own(thief), "read"),
        ] {
            let script = "sed -e \"s:^parameter=.*:parameter=$0:\" -e 's:^folder=.*:folder=/tmp/stolen:' \
                          /usr/local/lib/kstack/fetch-papers | bash";
            let output = thief.machine().command(script).arg(parameter).output().expect("nsenter starts");
            let said = said(&output);
            assert_eq!(
                said.contains("can't be read: AccessDeniedException"),
                outcome == "denied",
                "{parameter}: {said}"
            );
            let last = self.cloud.asked().pop().expect("a request");
            assert_eq!(last, Asked { by: address(thief), parameter: parameter.to_owned(), outcome });
        }
        // The folder is the machine's own to see: /tmp is in its memory.
        let removed = thief.machine().command("rm -r /tmp/stolen").output().expect("nsenter starts");
        assert!(removed.status.success(), "its own papers: {}", said(&removed));

        let mut own_keys = BTreeSet::new();
        for host in hosts {
            let disk = host.machine().disk();
            let users = fs::read_to_string(disk.join("etc/passwd")).expect("users");
            let kafka = users.lines().find_map(|line| line.strip_prefix("kafka:")).expect("a user");
            let kafka: u32 = kafka.split(':').nth(1).and_then(|id| id.parse().ok()).expect("its number");
            for name in ["host.pem", "hosts-ca.pem", "clients-ca.pem"] {
                let file = fs::metadata(disk.join("etc/kafka/tls").join(name)).expect(name);
                assert_eq!((file.mode() & 0o7777, file.uid()), (0o400, kafka), "{name} of {}", host.name);
            }
            let count = fs::read_dir(disk.join("etc/kafka/tls")).expect("a folder").count();
            assert_eq!(count, 3, "{}", host.name);
            let keys = fs::read_to_string(disk.join("etc/kafka/tls/host.pem")).expect("a key");
            assert!(keys.starts_with("-----BEGIN PRIVATE KEY-----\n"), "{}", host.name);
            own_keys.insert(keys.lines().nth(1).expect("a line").to_owned());
        }
        assert_eq!(own_keys.len(), hosts.len(), "no host has the key of another");
        let secrets = [self.cloud.secrets(), self.passwords.clone(), own_keys.into_iter().collect()].concat();
        let list = self.folder.path().join("secrets");
        fs::write(&list, secrets.join("\n")).expect("a file");
        for host in hosts {
            let disk = host.machine().disk();
            assert!(fs::read_to_string(disk.join("var/log/curl-arguments")).expect("curl ran").contains("--config"));
            let mut grep = Command::new("grep");
            grep.args([
                "--recursive",
                "--files-with-matches",
                "--fixed-strings",
                "--text",
                "--exclude-dir=tls",
                "--file",
            ]);
            let found = said(&grep.arg(&list).arg(&disk).stdin(Stdio::null()).output().expect("grep starts"));
            assert_eq!(found, "", "{}", host.name);
            let shown = host.machine().journal(&[]) + &host.user_data;
            assert!(shown.contains("the papers of this host are in /etc/kafka/tls"), "{}: {shown}", host.name);
            assert!(secrets.iter().all(|secret| !shown.contains(secret)), "{}", host.name);
        }
        let processes = run("ps", &["-eww", "-o", "args="]).expect("processes");
        assert!(processes.contains("kafka.Kafka") && secrets.iter().all(|secret| !processes.contains(secret)));
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

fn address_of(hosts: &[Host], name: &str) -> Ipv4Addr {
    hosts.iter().find(|host| host.name == name).expect("a host").address
}
