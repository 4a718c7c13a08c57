//! Hosts that speak TLS, as plain processes with the settings and certificates that they would have: who may do what, on which listener,
//! with dedicated controllers and with combined ones.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kstack::pki::{Pair, Signer, clients_ca};
use kstack_core::certificates::{Authority, Facts};
use kstack_core::check::At;
use kstack_core::client_files::{self, CLIENT_ID, CLIENT_SECRET, Format, TOKEN_URL, client_file};
use kstack_core::cloud_init::{
    self, Checksum, Host, HostRole, INTERNAL_PORT, MTLS_PORT, OAUTH_PORT, Os, Phase, SCRAM_PORT, Security, Voter,
};
use rcgen::KeyPair;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::client::PATIENCE;
use crate::issuer::{Issuer, tokens};
use crate::room::{beside, block};
use crate::support::poll;

// Kafka's tools: the assembled distribution has no scripts for some of them.
const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const CONFIGS: &str = "kafka.admin.ConfigCommand";
const ACLS: &str = "org.apache.kafka.tools.AclCommand";
const CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";

const PASSWORD: &str = "correct-horse-battery-staple";

/// Kafka's nodes as processes, which end with this.
struct Cluster {
    kafka: PathBuf,
    folder: tempfile::TempDir,
    nodes: Vec<(Host, Child)>,
    hosts: Signer,
    clients: Signer,
    issuer: Issuer,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for (_, child) in &mut self.nodes {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn user(name: &str) -> Facts {
    Facts::client(name, SignedDuration::from_hours(24)).expect("a user")
}

impl Cluster {
    /// Starts a node for each role, named by its node id.
    fn start(kafka: &Path, nodes: &[(u32, HostRole)]) -> Cluster {
        let now = Timestamp::now();
        let signer = |authority| Signer::make(authority, 1, "prod", now).expect("an authority");
        let folder = tempfile::tempdir().expect("a folder");
        let mut cluster = Cluster {
            kafka: kafka.to_owned(),
            folder,
            nodes: Vec::new(),
            hosts: signer(Authority::Hosts),
            clients: signer(Authority::Clients),
            issuer: Issuer::start(),
        };
        cluster.write("hosts-ca.pem", &cluster.hosts.pair().certificate);
        // Beside a CA of a user's own, as a file of both has them.
        let company = cluster.company_ca();
        let both = format!("{}{company}", cluster.clients.pair().certificate);
        let (both, wrong) = clients_ca("ca.pem", both.as_bytes(), At::START, Timestamp::now());
        assert!(wrong.is_empty(), "{wrong:?}");
        cluster.write("clients-ca.pem", &both);
        let address = |node: u32| Ipv4Addr::new(127, block(), 200, 100 + (node % 100) as u8 + (node / 1000) as u8 * 50);
        let voters = nodes.iter().filter(|(_, role)| *role != HostRole::Broker).map(|(node_id, _)| Voter {
            node_id: *node_id,
            address: address(*node_id),
            directory_id: "MkU3OEVBNTcwNTJENDM2Qg".to_owned(),
        });
        let voters: Vec<Voter> = voters.collect();
        for (node_id, role) in nodes {
            let host = cluster.host(*node_id, *role, address(*node_id), &voters);
            let child = cluster.run(&host);
            cluster.nodes.push((host, child));
        }
        cluster
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).expect("a file");
        path
    }

    fn openssl(&self, arguments: &[&str]) -> String {
        let output = Command::new("openssl").args(arguments).current_dir(self.folder.path()).output();
        let output = output.expect("openssl runs");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    /// The certificate of a CA that is none of kstack's, with what people write around it.
    fn company_ca(&self) -> String {
        let subject = ["-subj", "/O=Company/CN=Company clients", "-days", "365", "-keyout", "company.key"];
        self.openssl(
            &[&["req", "-x509", "-newkey", "rsa:3072", "-nodes"], &subject[..], &["-out", "company.pem"]].concat(),
        );
        self.openssl(&["x509", "-in", "company.pem", "-text"])
    }

    /// A client's key and certificate by that CA.
    fn of_company(&self, user: &str) -> Pair {
        let subject = format!("/CN={user}");
        self.openssl(&[
            "req", "-newkey", "rsa:2048", "-nodes", "-subj", &subject, "-keyout", "user.key", "-out", "user.csr",
        ]);
        // With an extension it is of version 3.
        self.write("user.ext", "basicConstraints=CA:FALSE\n");
        let by =
            ["-CA", "company.pem", "-CAkey", "company.key", "-CAcreateserial", "-days", "1", "-extfile", "user.ext"];
        let certificate = self.openssl(&[&["x509", "-req", "-in", "user.csr"], &by[..]].concat());
        Pair { key: fs::read_to_string(self.path("user.key")).expect("a key").into(), certificate }
    }

    fn host(&self, node_id: u32, role: HostRole, address: Ipv4Addr, voters: &[Voter]) -> Host {
        let name = if role == HostRole::Controller {
            format!("controller-{}", node_id - 1000)
        } else {
            format!("broker-{node_id}")
        };
        let papers = self.hosts.sign(&Facts::host("prod", &name, address), Timestamp::now()).expect("a certificate");
        let keystore = self.write(&format!("{name}.pem"), papers.keystore().expose());
        let settings = [
            ("log.dirs", self.path(&format!("data-{name}"))),
            ("log.cleaner.dedupe.buffer.size", "8388608".to_owned()),
            ("ssl.keystore.location", keystore),
            ("ssl.truststore.location", self.path("hosts-ca.pem")),
            ("listener.name.mtls.ssl.truststore.location", self.path("clients-ca.pem")),
        ];
        Host {
            stack: "prod".to_owned(),
            name,
            node_id,
            role,
            os: Os::Debian12,
            zone_id: "use1-az1".to_owned(),
            address,
            volume_id: cloud_init::VOLUME_ID_PLACEHOLDER.to_owned(),
            cluster_id: "MkU3OEVBNTcwNTJENDM2Qg".to_owned(),
            controllers: voters.to_vec(),
            kafka_version: "4.1.1".to_owned(),
            archive_url: "https://example.com/kafka.tgz".to_owned(),
            archive_checksum: Checksum::Published("https://example.com/kafka.tgz.sha512".to_owned()),
            memory_mib: 4096,
            settings: settings.map(|(name, value)| (name.to_owned(), value)).into(),
            replication_factor: 1,
            min_insync_replicas: 1,
            retention_ms: 604_800_000,
            package_mirror: None,
            proxy: None,
            listeners: Vec::new(),
            advertised: None,
            ipv6: false,
            monitoring: None,
            logs: None,
            more_volumes: Vec::new(),
            own_disks: None,
            endpoints: Vec::new(),
            joins: false,
            security: Some(Security {
                scram: true,
                mtls: true,
                plaintext: false,
                phase: Phase::Closed,
                oauth: Some(tokens(&self.issuer)),
                clients_ca: None,
                names: Vec::new(),
                region: "us-east-1".to_owned(),
                ssm: "https://ssm.us-east-1.amazonaws.com".to_owned(),
            }),
        }
    }

    fn tool(&self, name: &str) -> Command {
        let mut command = Command::new(self.kafka.join("bin").join(name));
        command.env("KAFKA_HEAP_OPTS", "-Xms64m -Xmx256m").env("LOG_DIR", self.folder.path()).stdin(Stdio::null());
        command.env("KAFKA_JVM_PERFORMANCE_OPTS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC");
        command.env("KAFKA_OPTS", format!("{},{}", tokens(&self.issuer).jvm_option(), self.issuer.url("token")));
        command
    }

    fn run(&self, host: &Host) -> Child {
        let properties = cloud_init::server_properties(host).expect("it renders");
        let file = self.write(&format!("{}.properties", host.name), &properties);
        let mut format = self.tool("kafka-storage.sh");
        let output = format.arg("format").args(cloud_init::format_arguments(host)).args(["--config", &file]).output();
        let output = output.expect("the tool starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&[output.stdout, output.stderr].concat()));
        let logging = concat!(env!("CARGO_MANIFEST_DIR"), "/cloud-init/log4j2.yaml.hbs");
        let mut command = self.tool("kafka-run-class.sh");
        command.env("KAFKA_LOG4J_OPTS", format!("-Dlog4j2.configurationFile={logging}"));
        let log = File::create(self.path(&format!("{}.log", host.name))).expect("a file");
        let command = command.args(["kafka.Kafka", &file]).stdout(log.try_clone().expect("a file")).stderr(log);
        command.spawn().expect("Kafka starts")
    }

    /// The addresses of the brokers, with the port of a listener.
    fn servers(&self, port: u16) -> String {
        let brokers = self.nodes.iter().filter(|(host, _)| host.role != HostRole::Controller);
        brokers.map(|(host, _)| format!("{}:{port}", host.address)).collect::<Vec<_>>().join(",")
    }

    /// What a tool says that connects to a listener, with these client properties.
    fn ask(&self, tool: &str, option: &str, properties: &str, port: u16, arguments: &[&str]) -> String {
        let mut command = self.tool("kafka-run-class.sh");
        command.arg(tool);
        command.args(["--bootstrap-server", &self.servers(port), option, properties]).args(arguments);
        let output = command.output().expect("the tool starts");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    /// Client properties in a file.
    fn properties(&self, name: &str, lines: &str) -> String {
        let hosts = self.path("hosts-ca.pem");
        let common =
            "request.timeout.ms=10000\ndelivery.timeout.ms=20000\nmax.block.ms=20000\ndefault.api.timeout.ms=20000";
        let text = format!("ssl.truststore.type=PEM\nssl.truststore.location={hosts}\n{common}\n{lines}\n");
        self.write(&format!("{name}.client"), &text)
    }

    fn with_certificate(&self, name: &str, pair: &Pair) -> String {
        let file = self.write(&format!("{name}.pem"), pair.keystore().expose());
        self.properties(name, &format!("security.protocol=SSL\nssl.keystore.type=PEM\nssl.keystore.location={file}"))
    }

    fn with_password(&self, user: &str, password: &str) -> String {
        let module = "org.apache.kafka.common.security.scram.ScramLoginModule";
        let login = format!("{module} required username=\"{user}\" password=\"{password}\";");
        let lines = format!("security.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\nsasl.jaas.config={login}");
        self.properties(&format!("{user}-{}", password.len()), &lines)
    }

    /// As `kstack credentials` makes the settings of a client with tokens, with what the issuer knows of it put in: the client's id is the
    /// token itself.
    fn with_token(&self, name: &str, token: &str) -> String {
        let ca = &self.hosts.pair().certificate;
        let text =
            client_file(Format::Java, "", Some(ca), client_files::Identity::Token).replace("bootstrap.servers=\n", "");
        let text = text.replace(&format!("={TOKEN_URL}"), &format!("={}", self.issuer.url("token")));
        let text = text.replace(CLIENT_ID, token).replace(CLIENT_SECRET, "secret");
        self.write(
            &format!("{name}.client"),
            &format!("{text}max.block.ms=20000\ndelivery.timeout.ms=20000\nrequest.timeout.ms=10000\n"),
        )
    }

    /// Writes five records to a topic, and gives what was said against it.
    fn produce(&self, properties: &str, port: u16, topic: &str) -> String {
        let mut command = self.tool("kafka-console-producer.sh");
        command.args(["--bootstrap-server", &self.servers(port), "--producer.config", properties, "--topic", topic]);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().expect("the tool starts");
        child.stdin.take().expect("a pipe").write_all(b"1\n2\n3\n4\n5\n").expect("it reads");
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        said.lines().filter(|line| line.contains("ERROR") || line.contains("Exception")).collect::<Vec<_>>().join("\n")
    }

    fn consume(&self, properties: &str, port: u16, topic: &str, group: &str) -> String {
        let arguments =
            ["--topic", topic, "--group", group, "--from-beginning", "--max-messages", "5", "--timeout-ms", "60000"];
        self.ask(CONSUMER, "--consumer.config", properties, port, &arguments)
    }

    /// Whether a broker's listener speaks Kafka with a client that has this certificate, or why not.
    fn connect(&self, port: u16, pair: Option<&Pair>) -> Result<(), String> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate");
        roots.add(der(&self.hosts.pair().certificate)).expect("an authority");
        let config =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
        let config = config.with_root_certificates(roots);
        let config = match pair {
            None => config.with_no_client_auth(),
            Some(pair) => {
                let key = PrivateKeyDer::from_pem_slice(pair.key.expose().as_bytes()).expect("a key");
                config.with_client_auth_cert(vec![der(&pair.certificate)], key).expect("a certificate with its key")
            }
        };
        let address = self.servers(port).split([':', ',']).next().expect("a broker").to_owned();
        let stream = TcpStream::connect((address.as_str(), port)).expect("the listener");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a limit");
        // The server is held to its address.
        let name = ServerName::try_from(address).expect("an address");
        let client = ClientConnection::new(Arc::new(config), name).expect("a client");
        let mut tls = StreamOwned::new(client, stream);
        // ApiVersions, version 0, correlation 7, no client id.
        let said = tls.write_all(&[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff]);
        let answer = said.and_then(|()| {
            let mut answer = [0; 8];
            tls.read_exact(&mut answer).map(|()| answer)
        });
        match answer {
            Ok([.., 0, 0, 0, 7]) => Ok(()),
            Ok(other) => Err(format!("{other:?} is no answer")),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The ends of the nodes' logs.
    fn logs(&self) -> String {
        let log = |(host, _): &(Host, Child)| {
            let text = fs::read_to_string(self.path(&format!("{}.log", host.name))).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            format!("{}:\n{}", host.name, lines[lines.len().saturating_sub(25)..].join("\n"))
        };
        self.nodes.iter().map(log).collect::<Vec<_>>().join("\n\n")
    }

    /// Waits until kstack's own certificate makes a topic, which takes brokers that have found each other.
    fn until_it_answers(&mut self, admin: &str) {
        poll("a cluster that answers kstack", PATIENCE, || {
            let ended = self.nodes.iter_mut().any(|(_, child)| child.try_wait().expect("a process").is_some());
            assert!(!ended, "a node has ended\n{}", self.logs());
            let arguments = ["--create", "--if-not-exists", "--topic", "first", "--partitions", "1"];
            let said = self.ask(TOPICS, "--command-config", admin, INTERNAL_PORT, &arguments);
            said.contains("Created topic first").then_some(())
        });
    }
}

#[test]
fn each_may_do_what_was_allowed_and_nobody_else_comes_in() {
    let Some((_room, kafka)) = beside() else { return };
    let nodes = [(1001, HostRole::Controller), (1, HostRole::Broker), (2, HostRole::Broker)];
    let mut cluster = Cluster::start(&kafka, &nodes);
    let now = Timestamp::now();
    let kstack = cluster.hosts.sign(&Facts::admin(), now).expect("a certificate");
    let signed = |facts: &Facts| cluster.clients.sign(facts, now).expect("a certificate");
    let (etl, mallory) = (signed(&user("etl")), signed(&user("mallory")));
    // Clients' certificates with the subjects, or the names, of super users.
    let as_broker = Facts { common_name: "broker-1".to_owned(), unit: Some("kstack-hosts"), ..user("a") };
    let as_name = Facts { common_name: "kstack:host".to_owned(), ..user("a") };
    let posing = [signed(&as_broker), signed(&as_name), signed(&user("kstack-host"))];
    let admin = cluster.with_certificate("kstack", &kstack);
    cluster.until_it_answers(&admin);

    let set_up = |tool: &str, arguments: &[&str], expected: &str| {
        let said = cluster.ask(tool, "--command-config", &admin, INTERNAL_PORT, arguments);
        assert!(said.contains(expected), "{arguments:?}: {said}\n{}", cluster.logs());
    };
    for topic in ["orders", "payments"] {
        let arguments = ["--create", "--topic", topic, "--partitions", "2", "--replication-factor", "1"];
        set_up(TOPICS, &arguments, "Created topic");
    }
    for name in ["orders-api", "intruder"] {
        let credential = format!("SCRAM-SHA-512=[iterations=8192,password={PASSWORD}]");
        let arguments = ["--alter", "--add-config", &credential, "--entity-type", "users", "--entity-name", name];
        set_up(CONFIGS, &arguments, "Completed updating config");
    }
    let allow = |principal: &str, more: &[&str]| {
        let arguments = [&["--add", "--allow-principal", principal], more].concat();
        set_up(ACLS, &arguments, "Adding ACLs");
    };
    allow("User:orders-api", &["--producer", "--topic", "orders"]);
    allow("User:orders-api", &["--consumer", "--topic", "orders", "--group", "orders-api"]);
    allow("User:etl", &["--producer", "--topic", "payments"]);

    // By name and password.
    let (api, intruder) = (cluster.with_password("orders-api", PASSWORD), cluster.with_password("intruder", PASSWORD));
    assert_eq!(cluster.produce(&api, SCRAM_PORT, "orders"), "");
    let read = cluster.consume(&api, SCRAM_PORT, "orders", "orders-api");
    assert!(read.contains("Processed a total of 5 messages"), "{read}");
    let refused = |said: String, why: &str| assert!(said.contains(why), "{why}: {said}");
    refused(cluster.consume(&api, SCRAM_PORT, "orders", "another"), "GroupAuthorizationException");
    refused(cluster.produce(&api, SCRAM_PORT, "payments"), "TopicAuthorizationException");
    refused(cluster.produce(&intruder, SCRAM_PORT, "orders"), "TopicAuthorizationException");
    let wrong = cluster.with_password("orders-api", "wrong");
    refused(cluster.produce(&wrong, SCRAM_PORT, "orders"), "SaslAuthenticationException");
    let arguments = ["--add", "--allow-principal", "User:intruder", "--producer", "--topic", "orders"];
    let said = cluster.ask(ACLS, "--command-config", &intruder, SCRAM_PORT, &arguments);
    refused(said, "ClusterAuthorizationException");

    // By token.
    let mut number = 0;
    let mut with = |token: &str| {
        number += 1;
        cluster.produce(&cluster.with_token(&format!("token-{number}"), token), OAUTH_PORT, "orders")
    };
    let issuer = &cluster.issuer;
    let good = |user: &str| issuer.token(&issuer.key, &[("client_id", user.into())]);
    assert_eq!(with(&good("orders-api")), "", "{}", cluster.logs());
    refused(with(&good("intruder")), "TopicAuthorizationException");
    // No token makes a super user, with or without what Kafka drops of a name.
    refused(with(&good("kstack:admin")), "TopicAuthorizationException");
    refused(with(&good(" kstack:admin")), "TopicAuthorizationException");
    let of = |key: &KeyPair, claims: &[(&str, serde_json::Value)]| {
        issuer.token(key, &[&[("client_id", "orders-api".into())], claims].concat())
    };
    // Java's client itself sends none that has ended.
    for (what, token) in [
        ("another issuer", of(&issuer.key, &[("iss", "https://login.example.net".into())])),
        ("another audience", of(&issuer.key, &[("aud", "billing".into())])),
        ("no user", issuer.token(&issuer.key, &[])),
        ("another's signature", of(&KeyPair::generate().expect("a key"), &[])),
    ] {
        let said = with(&token);
        assert!(said.contains("SaslAuthenticationException"), "{what}: {said}");
    }

    // By certificate.
    let with = |name: &str, pair: &Pair| cluster.with_certificate(name, pair);
    assert_eq!(cluster.produce(&with("etl", &etl), MTLS_PORT, "payments"), "");
    refused(cluster.produce(&with("mallory", &mallory), MTLS_PORT, "payments"), "TopicAuthorizationException");
    let own = cluster.with_certificate("own", &cluster.of_company("etl"));
    assert_eq!(cluster.produce(&own, MTLS_PORT, "payments"), "", "a CA of the user's own");
    for (number, pair) in posing.iter().enumerate() {
        let said = cluster.produce(&with(&format!("posing-{number}"), pair), MTLS_PORT, "payments");
        refused(said, "TopicAuthorizationException");
    }

    // Who comes in at all; each refusal beside one that comes in, so that it is no broken listener.
    let alert = |port, pair| {
        let refused = cluster.connect(port, pair).expect_err("refused");
        assert!(refused.contains("alert"), "{refused}");
    };
    assert_eq!(
        (cluster.connect(INTERNAL_PORT, Some(&kstack)), cluster.connect(MTLS_PORT, Some(&etl))),
        (Ok(()), Ok(()))
    );
    alert(INTERNAL_PORT, None);
    alert(INTERNAL_PORT, Some(&etl));
    alert(INTERNAL_PORT, Some(&posing[0]));
    let theirs = cluster.of_company("broker-1");
    alert(INTERNAL_PORT, Some(&theirs));
    alert(MTLS_PORT, Some(&kstack));
    alert(MTLS_PORT, None);
    let plain = cluster.write("plain.client", "max.block.ms=5000\nrequest.timeout.ms=3000\ndelivery.timeout.ms=5000\n");
    refused(cluster.produce(&plain, SCRAM_PORT, "orders"), "TimeoutException");
    let port = cloud_init::CLIENT_PORT;
    let address = cluster.servers(port);
    assert!(TcpStream::connect(address.split(',').next().expect("a broker")).is_err(), "nothing listens in plaintext");
}

#[test]
fn a_broker_that_is_a_controller_too_speaks_tls_alone() {
    let Some((_room, kafka)) = beside() else { return };
    let mut cluster = Cluster::start(&kafka, &[(1, HostRole::Combined)]);
    let kstack = cluster.hosts.sign(&Facts::admin(), Timestamp::now()).expect("a certificate");
    let admin = cluster.with_certificate("kstack", &kstack);
    cluster.until_it_answers(&admin);
    let quorum = |pair| cluster.connect(cloud_init::QUORUM_PORT, pair);
    assert_eq!(quorum(Some(&kstack)), Ok(()));
    assert!(quorum(None).expect_err("refused").contains("alert"));
    for port in [cloud_init::CLIENT_PORT, cloud_init::CONTROLLER_PORT] {
        assert!(TcpStream::connect(cluster.servers(port)).is_err(), "nothing listens on {port}");
    }
}
