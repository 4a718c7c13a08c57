//! A real Kafka with TLS, client certificates and users, and kstack's own client with it: who is let in, who is not, and what is said
//! then; by every way.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kstack::aws::{Clients, Fence, Place};
use kstack::health::{AskError, KafkaHealth, ask};
use kstack::kafka::{Gate, Identity, Link, Roots, Sasl, Security, Server, Via, Way};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

use crate::client::PATIENCE;
use crate::proxies::{self, Behind};
use crate::room::beside;
use crate::sessions::{self, TOKEN};
use crate::support::poll;

/// The name that the broker's certificate has beside its address.
const NAME: &str = "broker-1.secured.kstack.internal";
const PASSWORD: &str = "a password with spaces";

/// A CA that signs certificates.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Authority { pem, issuer: Issuer::new(params, key) }
    }

    /// A certificate for `names`, which ended long ago if it is `over`.
    fn sign(&self, (unit, name): (&str, &str), names: &[String], over: bool) -> Identity {
        let mut params = CertificateParams::new(names).expect("names");
        // Not rcgen's own name.
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.distinguished_name.push(DnType::OrganizationalUnitName, unit);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        if over {
            (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 2, 3));
        }
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate").pem();
        Identity { certificate, key: key.serialize_pem() }
    }
}

/// One node in both roles, with a listener of each kind.
struct Broker {
    child: Child,
    address: Ipv4Addr,
    hosts: Authority,
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const MAPPING: &str =
    "RULE:^OU=kstack-hosts,CN=broker-[0-9]+$/kstack-host/,RULE:^OU=kstack-admins,CN=.*$/kstack-admin/,DEFAULT";

impl Broker {
    /// The ports of the listeners.
    const INTERNAL: u16 = 9091;
    const PLAIN: u16 = 9092;
    const SCRAM: u16 = 9096;
    const OAUTH: u16 = 9097;
    const OVER: u16 = 9098;

    fn start(kafka: &Path, folder: &Path) -> Broker {
        let hosts = Authority::new("kstack test hosts");
        let id = std::process::id();
        let address = Ipv4Addr::new(127, 61, u8::try_from(id % 250).expect("a byte"), 1);
        let keystore = |file: &str, identity: &Identity| {
            let path = folder.join(file);
            fs::write(&path, format!("{}{}", identity.key, identity.certificate)).expect("a key store");
            path.display().to_string()
        };
        let names = [address.to_string(), NAME.to_owned()];
        let own = keystore("host.pem", &hosts.sign(("kstack-hosts", "broker-1"), &names, false));
        let over = keystore("over.pem", &hosts.sign(("kstack-hosts", "broker-1"), &names, true));
        let truststore = folder.join("hosts-ca.pem");
        fs::write(&truststore, &hosts.pem).expect("a trust store");
        let kinds = [
            ("INTERNAL", Broker::INTERNAL, "SSL"),
            ("PLAIN", Broker::PLAIN, "PLAINTEXT"),
            ("SCRAM", Broker::SCRAM, "SASL_SSL"),
            ("OAUTH", Broker::OAUTH, "SASL_SSL"),
            ("OVER", Broker::OVER, "SSL"),
        ];
        let advertised: Vec<String> =
            kinds.iter().map(|(name, port, _)| format!("{name}://{address}:{port}")).collect();
        let advertised = advertised.join(",");
        let protocols: Vec<String> = kinds.iter().map(|(name, _, protocol)| format!("{name}:{protocol}")).collect();
        let protocols = protocols.join(",");
        let data = folder.join("data");
        let (data, truststore) = (data.display(), truststore.display());
        let settings = format!(
            "node.id=1
process.roles=broker,controller
listeners={advertised},QUORUM://{address}:9095
advertised.listeners={advertised}
listener.security.protocol.map={protocols},QUORUM:SSL
controller.listener.names=QUORUM
inter.broker.listener.name=INTERNAL
controller.quorum.bootstrap.servers={address}:9095
log.dirs={data}
offsets.topic.replication.factor=1
log.cleaner.dedupe.buffer.size=8388608
ssl.keystore.type=PEM
ssl.keystore.location={own}
ssl.truststore.type=PEM
ssl.truststore.location={truststore}
listener.name.internal.ssl.client.auth=required
listener.name.internal.ssl.principal.mapping.rules={MAPPING}
listener.name.quorum.ssl.client.auth=required
listener.name.quorum.ssl.principal.mapping.rules={MAPPING}
listener.name.over.ssl.keystore.type=PEM
listener.name.over.ssl.keystore.location={over}
listener.name.scram.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.scram.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.oauth.sasl.enabled.mechanisms=OAUTHBEARER
listener.name.oauth.oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=false
super.users=User:kstack-host;User:kstack-admin;User:orders;User:etl
"
        );
        let properties = folder.join("server.properties");
        fs::write(&properties, settings).expect("settings");
        let user = format!("SCRAM-SHA-512=[name=orders,password=\"{PASSWORD}\"]");
        let mut format = tool(kafka, folder, "kafka-storage.sh");
        format.args(["format", "--cluster-id", "a3RhY2stc2VjLXNwaWtlMQ", "--standalone", "--add-scram", &user]);
        let formatted = format.arg("--config").arg(&properties).output().expect("the tool starts");
        let said = [formatted.stdout, formatted.stderr].concat();
        assert!(formatted.status.success(), "{}", String::from_utf8_lossy(&said));
        let log = File::create(folder.join("kafka.log")).expect("a log");
        let mut server = tool(kafka, folder, "kafka-server-start.sh");
        server.arg(&properties).stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
        Broker { child: server.process_group(0).spawn().expect("Kafka starts"), address, hosts }
    }

    fn at(&self, port: u16) -> Server {
        Server { host: self.address.to_string(), port }
    }

    fn security(&self, identity: Option<&Identity>) -> Security {
        Security::tls_by(&Roots::Pem(&self.hosts.pem), identity).expect("TLS")
    }

    /// As kstack itself.
    fn admin(&self) -> Security {
        self.security(Some(&self.hosts.sign(("kstack-admins", "kstack"), &[], false)))
    }
}

fn tool(kafka: &Path, folder: &Path, name: &str) -> Command {
    let mut command = Command::new(kafka.join("bin").join(name));
    let logging = folder.join("log4j2.yaml");
    fs::write(&logging, include_str!("../../cloud-init/log4j2.yaml.hbs")).expect("settings");
    command.env("KAFKA_HEAP_OPTS", "-Xms64m -Xmx256m").env("LOG_DIR", folder);
    command.env("KAFKA_JVM_PERFORMANCE_OPTS", "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djava.awt.headless=true");
    command.env("KAFKA_LOG4J_OPTS", format!("-Dlog4j2.configurationFile={}", logging.display()));
    command
}

/// A token without a signature, which a broker without a validator's settings takes.
fn token(subject: &str, life: i64) -> String {
    let now = jiff::Timestamp::now().as_second();
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let claims = format!(r#"{{"sub":"{subject}","iat":{now},"exp":{}}}"#, now + life);
    format!("{}.{}.", encode(r#"{"alg":"none"}"#), encode(&claims))
}

/// What is asked, and what must come: the cluster, or words of an error.
struct Row<'a> {
    what: &'a str,
    at: Server,
    security: Security,
    via: Via,
    expected: Result<(), &'a [&'a str]>,
}

async fn look(row: &Row<'_>) -> Result<KafkaHealth, AskError> {
    let link = Link { security: row.security.clone(), way: Way::new(row.via.clone(), None) };
    ask(std::slice::from_ref(&row.at), &link).await
}

#[test]
fn kstack_gets_into_a_secured_kafka_by_every_way_and_says_why_not() {
    let Some((_room, kafka)) = beside() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Broker::start(&kafka, folder.path());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let admin = Row {
        what: "kstack's certificate",
        at: broker.at(Broker::INTERNAL),
        security: broker.admin(),
        via: Via::Direct,
        expected: Ok(()),
    };
    let log: PathBuf = folder.path().join("kafka.log");
    let mut last = String::new();
    poll(&format!("Kafka, see {}", log.display()), PATIENCE, || match runtime.block_on(look(&admin)) {
        Ok(cluster) => (cluster.controller == Some(1)).then_some(()),
        Err(error) => {
            last = error.to_string();
            None
        }
    });
    let behind = runtime.block_on(proxies::start(BTreeMap::from([(NAME.to_owned(), broker.address)])));
    let mut failures = Vec::new();
    for row in rows(&broker, &behind) {
        match (runtime.block_on(look(&row)), row.expected) {
            (Ok(cluster), Ok(())) if cluster.brokers.len() == 1 && !cluster.brokers[0].fenced => {}
            (Err(error), Err(words)) if words.iter().all(|word| error.to_string().contains(word)) => {
                assert!(!error.to_string().contains(PASSWORD), "{}: {error}", row.what);
            }
            (other, _) => failures.push(format!("{}: {other:?}", row.what)),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    runtime.block_on(through_session_manager(&broker, folder.path()));
}

/// Tunnels, by a plugin of each kind of version; they end with the way, and nothing says the session's token.
async fn through_session_manager(broker: &Broker, folder: &Path) {
    let endpoint = sessions::start(&[("i-0123", &broker.address.to_string()), ("i-0456", NAME)]).await;
    let place = Place { region: "us-east-1".to_owned(), sandbox: Some(endpoint.url.clone()) };
    let clients = Clients::connect(&place, Fence::default()).await;
    let link = |via: Via, plugin: PathBuf| {
        let gate = Gate { clients: clients.clone(), stack: "secured".to_owned(), plugin };
        Link { security: broker.admin(), way: Way::new(via, Some(gate)) }
    };
    let plugin = |version: &str, token: &str| sessions::plugin(folder, version, token, (NAME, broker.address));
    let (here, elsewhere) = (broker.at(Broker::INTERNAL), Server { host: "10.9.9.9".to_owned(), port: 9091 });
    for version in ["1.2.497.0", "1.2.553.0"] {
        let link = link(Via::Ssm, plugin(version, TOKEN));
        for _ in 0..2 {
            let cluster = ask(&[here.clone(), elsewhere.clone()], &link).await.expect(version);
            assert_eq!(cluster.controller, Some(1));
        }
        let refused = link.way.connect(&elsewhere).await.expect_err("no tunnel").to_string();
        assert!(refused.contains("no running instance of the stack has the address 10.9.9.9"), "{refused}");
        assert_eq!(sessions::running(folder), 1, "one tunnel to a broker");
        match version {
            "1.2.497.0" => link.way.close().await,
            // As where kstack dies: nothing is closed, and nothing is left.
            _ => drop(link),
        }
        poll("the plugin's end", PATIENCE, || (sessions::running(folder) == 0).then_some(()));
    }
    // A name that only the tunnel's other end knows: what does not work is left, and what works is kept.
    let named = Server { host: NAME.to_owned(), port: Broker::INTERNAL };
    let auto = link(Via::default(), plugin("1.2.700.0", TOKEN));
    for _ in 0..2 {
        let cluster = ask(std::slice::from_ref(&named), &auto).await.expect("a tunnel");
        assert_eq!(cluster.controller, Some(1));
    }
    auto.way.close().await;
    // A host that refuses is reached directly, and needs no tunnel.
    let refusing = Server { host: broker.address.to_string(), port: 1 };
    let error = ask(std::slice::from_ref(&refusing), &link(Via::default(), plugin("1.2.700.0", TOKEN)))
        .await
        .expect_err("nobody listens");
    assert_eq!(error, AskError::Unreachable(None));
    let link = link(Via::Ssm, plugin("1.2.600.0", "another token"));
    let refused = ask(std::slice::from_ref(&here), &link).await.expect_err("no tunnel").to_string();
    assert!(refused.contains("session-manager-plugin has ended: Cannot join with TOKEN"), "{refused}");
    let asked = endpoint.asked.lock().expect("nobody fails with it");
    let calls = |name: &str| asked.iter().filter(|(operation, _)| operation == name).count();
    // Each time a session; all are ended by kstack but that of the kstack that died.
    assert_eq!((calls("StartSession"), calls("TerminateSession")), (4, 3), "{asked:?}");
    let (_, request) = asked.iter().find(|(operation, _)| operation == "StartSession").expect("a session");
    assert_eq!(request["Target"], "i-0123");
    assert_eq!(request["Parameters"]["host"], serde_json::json!([broker.address.to_string()]));
    let filtered = asked.iter().all(|(_, body)| body.as_str().is_none_or(|body| body.contains("kstack%3Astack")));
    assert!(filtered, "{asked:?}");
}

fn rows<'a>(broker: &Broker, behind: &Behind) -> Vec<Row<'a>> {
    let scram = |user: &str, password: &str| {
        let (user, password) = (user.to_owned(), password.to_owned());
        broker.security(None).with_sasl(Sasl::Scram { user, password })
    };
    let oauth = |token: String| broker.security(None).with_sasl(Sasl::OAuth { token });
    let other = Authority::new("kstack test hosts");
    let by_other = Security::tls_by(&Roots::Pem(&other.pem), None).expect("TLS");
    let proxy = |scheme: &str| Via::parse(&behind.url(scheme)).expect("a proxy");
    let nowhere = "socks5://127.0.0.1:1";
    let named = |port: u16| Server { host: NAME.to_owned(), port };
    let row = |what, at: Server, security, via, expected| Row { what, at, security, via, expected };
    let direct = |what, port: u16, security, expected| row(what, broker.at(port), security, Via::Direct, expected);
    vec![
        direct("an administrator's certificate", Broker::INTERNAL, broker.admin(), Ok(())),
        direct(
            "a certificate of another CA",
            Broker::INTERNAL,
            broker.security(Some(&other.sign(("kstack-admins", "kstack"), &[], false))),
            Err(&["does not take kstack's client certificate"]),
        ),
        direct(
            "a certificate that has ended",
            Broker::INTERNAL,
            broker.security(Some(&broker.hosts.sign(("kstack-admins", "kstack"), &[], true))),
            Err(&["client certificate"]),
        ),
        direct(
            "no certificate",
            Broker::INTERNAL,
            broker.security(None),
            Err(&["asks for a client certificate, and kstack has none"]),
        ),
        direct("a CA of the same name", Broker::SCRAM, by_other, Err(&["is not by a CA that kstack trusts"])),
        direct(
            "a server's certificate that has ended",
            Broker::OVER,
            broker.security(None),
            Err(&["its certificate ended at 2021-02-03"]),
        ),
        direct("a user", Broker::SCRAM, scram("orders", PASSWORD), Ok(())),
        direct("no user", Broker::SCRAM, broker.security(None), Err(&["as a listener does that asks for a user"])),
        direct(
            "a wrong password",
            Broker::SCRAM,
            scram("orders", "another password"),
            Err(&["it does not know the user orders, or his password is another one"]),
        ),
        direct("an unknown user", Broker::SCRAM, scram("nobody", PASSWORD), Err(&["does not know the user nobody"])),
        direct("a token", Broker::OAUTH, oauth(token("etl", 600)), Ok(())),
        direct(
            "a token that has ended",
            Broker::OAUTH,
            oauth(token("etl", -600)),
            Err(&["it does not take the token"]),
        ),
        direct("no token", Broker::OAUTH, oauth(String::new()), Err(&["kstack's token is none"])),
        direct(
            "a user at a listener with tokens",
            Broker::OAUTH,
            scram("orders", PASSWORD),
            Err(&["does not take SCRAM-SHA-512, but OAUTHBEARER"]),
        ),
        direct(
            "TLS to a listener with plaintext",
            Broker::PLAIN,
            broker.admin(),
            Err(&["as a listener does that speaks plaintext"]),
        ),
        direct("plaintext to a listener with TLS", Broker::SCRAM, Security::default(), Err(&["it speaks TLS there"])),
        row(
            "the name in place of the address, by SOCKS5",
            named(Broker::INTERNAL),
            broker.admin(),
            proxy("socks5"),
            Ok(()),
        ),
        row(
            "the name in place of the address, by HTTP",
            named(Broker::INTERNAL),
            broker.admin(),
            proxy("http"),
            Ok(()),
        ),
        row("an address by SOCKS5", broker.at(Broker::SCRAM), scram("orders", PASSWORD), proxy("socks5"), Ok(())),
        row("an address by HTTP", broker.at(Broker::SCRAM), scram("orders", PASSWORD), proxy("http"), Ok(())),
        row(
            "a name that the certificate lacks",
            Server { host: "localhost".to_owned(), port: Broker::INTERNAL },
            broker.admin(),
            Via::parse(&behind.to(broker.address)).expect("a proxy"),
            Err(&["its certificate is not for localhost, but for", NAME]),
        ),
        row(
            "auto finds the proxy",
            named(Broker::INTERNAL),
            broker.admin(),
            Via::Auto(None).or_environment(Some(&behind.url("socks5"))).expect("a proxy"),
            Ok(()),
        ),
        row(
            "auto goes directly",
            broker.at(Broker::INTERNAL),
            broker.admin(),
            Via::Auto(None).or_environment(Some(nowhere)).expect("a proxy"),
            Ok(()),
        ),
        row(
            "a proxy that is not there",
            broker.at(Broker::INTERNAL),
            broker.admin(),
            Via::parse(nowhere).expect("a proxy"),
            Err(&["no broker is reachable from here: the proxy socks5://127.0.0.1:1 can't be reached"]),
        ),
        row(
            "a host that is not there, by a proxy",
            Server { host: "nobody.kstack.internal".to_owned(), port: 1 },
            broker.admin(),
            proxy("socks5"),
            Err(&["no broker is reachable from here"]),
        ),
    ]
}
