//! Kafka's own word on its settings: the tables are what the Kafka that boots here says, and check takes what that Kafka takes.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kstack_core::check::{Severity, parse};
use kstack_core::cloud_init::{self, Checksum, Host, HostRole, Os, Voter};
use kstack_core::settings::definitions::{Definition, definitions};
use kstack_core::settings::{KafkaVersion, Kind};

use crate::client::{PATIENCE, distribution};
use crate::support::{poll, skip};

/// The Kafka that is assembled here, as tests/kafka/pom.xml has it.
const VERSION: KafkaVersion = (4, 1, 1);

/// The distribution, where there is a Java that compiles, too.
fn kafka() -> Result<PathBuf, String> {
    match Command::new("javac").arg("-version").output() {
        Ok(output) if output.status.success() => distribution(),
        _ => Err("there is no javac on this machine".to_owned()),
    }
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs the program beside the assembled Kafka with that Kafka, and gives its lines.
fn program(kafka: &Path, mode: &str, input: &str) -> Vec<String> {
    let jars = std::fs::read_dir(kafka.join("libs")).expect("its jars").flatten();
    let class_path: Vec<String> = jars.map(|jar| jar.path().display().to_string()).collect();
    let mut command = Command::new("java");
    command.arg(repository().join("tests/kafka/Definitions.java")).arg(mode);
    command.arg(format!("4.1.1={}", class_path.join(":"))).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::null()).spawn().expect("java starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("it ends").expect("it reads");
    assert!(output.status.success(), "{mode}");
    String::from_utf8(output.stdout).expect("UTF-8").lines().map(str::to_owned).collect()
}

/// The rows of a committed table that are this Kafka's, without the versions from and before which they hold.
fn committed(file: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(repository().join("crates/core/src/tables").join(file)).expect("the table");
    let version = |text: &str| -> Option<KafkaVersion> {
        let mut parts = text.split('.').map(|part| part.parse().expect("a number"));
        Some((parts.next()?, parts.next()?, parts.next()?)).filter(|_| !text.is_empty())
    };
    let mut all = BTreeSet::new();
    for line in text.lines().skip(1) {
        let (rest, before) = line.rsplit_once(',').expect("a column");
        let (rest, from) = rest.rsplit_once(',').expect("a column");
        let [from, before] = [from, before].map(|end| if end.is_empty() { None } else { version(end) });
        if from.is_none_or(|from| from <= VERSION) && before.is_none_or(|before| VERSION < before) {
            all.insert(format!("{rest},,"));
        }
    }
    all
}

#[test]
fn the_tables_are_what_kafka_says_of_itself() {
    let kafka = match kafka() {
        Ok(kafka) => kafka,
        Err(why) => return skip(&format!("no Kafka can be asked here: {why}")),
    };
    let tables = [
        ("settings", "kafka_settings.csv", 20),
        ("topics", "kafka_topic_settings.csv", 20),
        ("features", "kafka_features.csv", 5),
    ];
    for (mode, file, least) in tables {
        let said: BTreeSet<String> = program(&kafka, mode, "").into_iter().skip(1).collect();
        assert!(said.len() > least, "{mode}");
        assert_eq!(said, committed(file), "run tests/kafka/definitions");
    }
    // Levels never change, and a newer Kafka has more of them.
    let levels = std::fs::read_to_string(repository().join("crates/core/src/tables/kafka_metadata_levels.csv"));
    let (levels, said) = (levels.expect("the table"), program(&kafka, "levels", ""));
    assert!(said.len() > 20 && levels.lines().zip(&said).all(|(one, said)| one == said), "run tests/kafka/definitions");
}

/// A stack file with these settings.
fn stack(config: &[(&str, &str)]) -> String {
    let mut text =
        "apiVersion: kstack/v1\nname: t\nregion: us-east-1\nnetwork: {cidr: 10.0.0.0/16}\ncluster:\n  ec2:\n    listeners: {plaintext: true}\n    \
                    kafka: 4.1.1\n    combined: true\n    brokers: {count: 3, instance_type: m7g.large}\n    config:\n"
            .to_owned();
    for (name, value) in config {
        let _ = writeln!(text, "      {name}: {}", serde_json::Value::from(*value));
    }
    text
}

/// What check has against the settings.
fn errors(config: &[(&str, &str)]) -> Vec<String> {
    let problems = match parse("t.yaml", &stack(config)) {
        Ok(parsed) => parsed.warnings.problems,
        Err(report) => report.problems,
    };
    problems.into_iter().filter(|one| one.severity == Severity::Error).map(|one| one.message).collect()
}

/// The server.properties of a host on `address` that is a cluster by itself, with these settings.
fn properties(address: Ipv4Addr, config: &[(&str, &str)]) -> (Host, String) {
    let settings = config.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let id = "MkU3OEVBNTcwNTJENDM2Qg".to_owned();
    let host = Host {
        stack: "t".to_owned(),
        name: "broker-1".to_owned(),
        node_id: 1,
        role: HostRole::Combined,
        os: Os::Debian12,
        zone_id: "use1-az1".to_owned(),
        address,
        volume_id: cloud_init::VOLUME_ID_PLACEHOLDER.to_owned(),
        more_volumes: Vec::new(),
        own_disks: None,
        endpoints: Vec::new(),
        joins: false,
        cluster_id: id.clone(),
        controllers: vec![Voter { node_id: 1, address, directory_id: id }],
        kafka_version: "4.1.1".to_owned(),
        archive_url: "https://example.com/kafka.tgz".to_owned(),
        archive_checksum: Checksum::Published("https://example.com/kafka.tgz.sha512".to_owned()),
        memory_mib: 4096,
        settings,
        replication_factor: 1,
        min_insync_replicas: 1,
        retention_ms: 604_800_000,
        package_mirror: None,
        advertised: None,
        proxy: None,
        listeners: Vec::new(),
        security: None,
        ipv6: false,
        monitoring: None,
        logs: None,
    };
    let text = cloud_init::server_properties(&host).expect("it renders");
    (host, text)
}

/// What Kafka makes of each of the settings: nothing against it, or what it says.
fn judged(kafka: &Path, configs: &[Vec<(&str, &str)>]) -> Vec<Option<String>> {
    // The last line counts of two for the same setting, so one rendering stands for thousands.
    let (_, base) = properties(Ipv4Addr::LOCALHOST, &[]);
    let lines =
        |config: &Vec<(&str, &str)>| config.iter().map(|(name, value)| format!("{name}={value}\n")).collect::<String>();
    let input: String = configs.iter().map(|config| format!("{base}\n{}\n---\n", lines(config))).collect();
    let lines = program(kafka, "judge", &input);
    assert_eq!(lines.len(), configs.len());
    lines.into_iter().map(|line| Some(line).filter(|line| line != "taken")).collect()
}

/// Values of every type, within and beyond what most settings take.
const VALUES: [&str; 15] = [
    "true",
    "yes",
    "-2",
    "-1",
    "0",
    "1",
    "0.5",
    "7",
    "1GB",
    "2147483648",
    "9223372036854775808",
    "",
    "no-such-word",
    "compact,delete",
    "a,,b",
];

/// What check can't know, or asks beyond what a broker asks of its file: classes and names of assignors, which must be on the host;
/// what only the authorizer reads; copies, retention and the like, in which the workload has a say.
fn beyond(one: &Definition) -> bool {
    let own = [
        "allow.everyone.if.no.acl.found",
        "default.replication.factor",
        "group.consumer.assignors",
        "group.share.assignors",
        "log.cleanup.policy",
        "min.insync.replicas",
    ];
    one.takes.kind == Kind::Class || own.contains(&one.name) || one.name.starts_with("log.retention.")
}

#[test]
fn check_takes_the_values_that_kafka_takes() {
    let kafka = match kafka() {
        Ok(kafka) => kafka,
        Err(why) => return skip(&format!("no Kafka can be asked here: {why}")),
    };
    let names: Vec<&str> = definitions(VERSION).filter(|one| !beyond(one)).map(|one| one.name).collect();
    let mut configs = Vec::new();
    for value in VALUES {
        // All at once, as each name is judged by itself; what contradicts another setting is not judged here.
        let errors = errors(&names.iter().map(|name| (*name, value)).collect::<Vec<_>>());
        let said = |name: &str, what: &str| errors.iter().any(|error| error.starts_with(&format!("`{name}` {what}")));
        for name in &names {
            // What kstack sets for each host, and secrets, are refused whatever they are.
            let whatever = said(name, "is set by kstack")
                || errors.iter().any(|error| error.contains(&format!("of `{name}` is a secret")));
            if !whatever {
                configs.push((vec![(*name, value)], said(name, "can't be")));
            }
        }
    }
    assert!(configs.len() > 3000, "{}", configs.len());
    let alone: Vec<_> = configs.iter().map(|(config, _)| config.clone()).collect();
    let differs = |config: &[(&str, &str)], refused: bool, kafka: &Option<String>| match (refused, kafka) {
        (true, None) => true,
        // Perhaps it contradicts Kafka's default of another setting.
        (false, Some(_)) => errors(config).is_empty(),
        (true, Some(_)) | (false, None) => false,
    };
    let wrong: Vec<String> = configs
        .iter()
        .zip(judged(&kafka, &alone))
        .filter(|((config, refused), kafka)| differs(config, *refused, kafka))
        .map(|((config, refused), kafka)| format!("{config:?}: refused by check: {refused}; Kafka: {kafka:?}"))
        .collect();
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Whether a Kafka with these settings starts; what it says where it ends instead.
fn starts(kafka: &Path, number: u8, config: &[(&str, &str)]) -> Result<(), String> {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data").display().to_string();
    let address = Ipv4Addr::new(127, crate::room::block(), 201, number);
    let with_data: Vec<(&str, &str)> = config.iter().copied().chain([("log.dirs", data.as_str())]).collect();
    let (host, text) = properties(address, &with_data);
    let file = folder.path().join("server.properties");
    std::fs::write(&file, text).expect("a file");
    let logging = folder.path().join("log4j2.yaml");
    std::fs::copy(repository().join("cloud-init/log4j2.yaml.hbs"), &logging).expect("a file");
    let logging = format!("-Dlog4j2.configurationFile={}", logging.display());
    let tool = |name: &str| {
        let mut command = Command::new(kafka.join("bin").join(name));
        command
            .env("LOG_DIR", folder.path())
            .env("KAFKA_HEAP_OPTS", "-Xmx512m")
            .env("KAFKA_LOG4J_OPTS", &logging)
            .stdin(Stdio::null());
        command
    };
    let mut format = tool("kafka-storage.sh");
    format.args(["format", "--config"]).arg(&file).args(cloud_init::format_arguments(&host));
    let output = format.output().expect("the tool starts");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned());
    }
    let log = folder.path().join("log");
    let out = std::fs::File::create(&log).expect("a file");
    let mut server = tool("kafka-server-start.sh");
    server.arg(&file).stdout(out.try_clone().expect("a file")).stderr(out);
    let mut server = server.spawn().expect("Kafka starts");
    let ended = poll("Kafka starting, or ending", PATIENCE, || {
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        match server.try_wait().expect("a process") {
            Some(_) => Some(Some(said)),
            None => said.contains("Kafka Server started").then_some(None),
        }
    });
    let _ = server.kill();
    let _ = server.wait();
    ended.map_or(Ok(()), Err)
}

/// Settings of every type, far from Kafka's defaults.
const UNUSUAL: [(&str, &str); 16] = [
    ("auto.create.topics.enable", "TRUE"),
    ("compression.gzip.level", "-1"),
    ("compression.type", "zstd"),
    ("connections.max.idle.ms", "-1"),
    ("group.consumer.migration.policy", "upgrade"),
    ("log.cleaner.min.cleanable.ratio", "1e-1"),
    ("log.cleanup.policy", "compact, delete"),
    ("log.message.timestamp.type", "LogAppendTime"),
    ("log.retention.bytes", "1099511627776"),
    ("log.segment.bytes", "1048576"),
    ("max.connections.per.ip.overrides", "127.0.0.1:200"),
    ("metric.reporters", "org.apache.kafka.common.metrics.JmxReporter"),
    ("num.io.threads", "+16"),
    ("num.partitions", " 6 "),
    ("socket.send.buffer.bytes", "-1"),
    ("super.users", "User:admin"),
];

/// What check refuses, each for another reason.
const REFUSED: [&[(&str, &str)]; 4] = [
    &[("log.segment.bytes", "1GB")],
    &[("num.network.threads", "0")],
    &[("replica.lag.time.max.ms", "400")],
    &[
        ("group.consumer.heartbeat.interval.ms", "15000"),
        ("group.consumer.session.timeout.ms", "45000"),
        ("group.consumer.max.session.timeout.ms", "30000"),
    ],
];

#[test]
fn kafka_starts_with_what_check_takes_and_not_with_what_it_refuses() {
    let kafka = match kafka() {
        Ok(kafka) => kafka,
        Err(why) => return skip(&format!("no Kafka can be started here: {why}")),
    };
    let Some((_room, _)) = crate::room::beside() else { return };
    assert_eq!(errors(&UNUSUAL), Vec::<String>::new());
    assert_eq!(starts(&kafka, 1, &UNUSUAL), Ok(()));
    for (number, config) in (2..).zip(REFUSED) {
        assert!(!errors(config).is_empty(), "{config:?}");
        let said = starts(&kafka, number, config).expect_err("it does not start");
        assert!(config.iter().any(|(name, _)| said.contains(name)), "{config:?}: {said}");
    }
}
