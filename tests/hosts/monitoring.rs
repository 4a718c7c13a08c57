//! The exporters for Prometheus, with a real Kafka: which metrics there are, in `tests/monitoring`, and that a host that boots has them.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use kstack_core::cloud_init::{self, Checksum, Exporters, Host, HostRole, Os, Overrides, Voter};
use serde_json::Value;

use crate::client::{Client, PATIENCE};
use crate::network::run;
use crate::room::{beside, block};
use crate::support::aws::DEV;
use crate::support::{Account, poll, skip};
use crate::{hosts_of, on_this_machine, with_machines};

const AGENT: &str = "jmx_prometheus_javaagent-1.0.1.jar";

/// Maven Central's agent, in `folder`.
fn agent(folder: &Path) -> Result<PathBuf, String> {
    let path = folder.join(AGENT);
    if !path.exists() {
        let output = format!("-DoutputDirectory={}", folder.display());
        let artifact = "-Dartifact=io.prometheus.jmx:jmx_prometheus_javaagent:1.0.1";
        run("mvn", &["--batch-mode", "--quiet", "dependency:copy", artifact, &output])?;
    }
    Ok(path)
}

fn sha512(path: &Path) -> String {
    run("sha512sum", &[&path.display().to_string()]).expect("a checksum").split(' ').next().expect("it").to_owned()
}

/// What an exporter says, once it answers.
fn scrape(address: Ipv4Addr, port: u16) -> Option<String> {
    let mut stream = TcpStream::connect((address, port)).ok()?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer).filter(|answer| answer.contains("200 OK"))
}

/// The series without their values, and of their labels those that name what is measured.
fn names(answer: &str) -> BTreeSet<String> {
    let kept = ["name=", "request="];
    let one = |line: &str| {
        let (series, _) = line.rsplit_once(' ')?;
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let labels: Vec<&str> = labels
            .trim_end_matches('}')
            .split(',')
            .filter(|label| kept.iter().any(|kept| label.starts_with(kept)))
            .collect();
        let wanted = ["kafka_", "java_lang_", "node_"].iter().any(|start| name.starts_with(start));
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        wanted.then(|| format!("{name}{labels}"))
    };
    answer.lines().filter(|line| !line.starts_with('#')).filter_map(one).collect()
}

/// Sees that everything in the list is there; with `KSTACK_UPDATE` the list is written anew.
fn compare(list: &str, found: impl Fn() -> Option<BTreeSet<String>>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/monitoring").join(list);
    if std::env::var_os("KSTACK_UPDATE").is_some() {
        // What is measured of the first requests alone comes after them.
        std::thread::sleep(std::time::Duration::from_secs(20));
        let all: Vec<String> = poll("the metrics", PATIENCE, &found).into_iter().collect();
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, all.join("\n") + "\n").expect("a list");
    }
    let text = fs::read_to_string(&path).expect("the list");
    let listed: BTreeSet<String> = text.lines().map(str::to_owned).collect();
    assert!(listed.len() > 30, "{listed:?}");
    poll(&format!("all metrics of {list}"), PATIENCE, || listed.is_subset(&found()?).then_some(()));
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The content of a file of the host's user data.
fn file(host: &Host, path: &str) -> String {
    let text = cloud_init::render(host, &Overrides::new()).expect("user data");
    let document: Value = serde_yaml::from_str(&text).expect("YAML");
    let files = document["write_files"].as_array().expect("files");
    files
        .iter()
        .find(|file| file["path"] == path)
        .and_then(|file| file["content"].as_str())
        .expect("the file")
        .to_owned()
}

#[test]
fn the_metrics_of_a_real_kafka_are_those_of_the_list() {
    let Some((_room, kafka)) = beside() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let agent = match agent(folder.path()) {
        Ok(agent) => agent,
        Err(why) => return skip(&format!("no agent can be had here: {why}")),
    };
    let address = Ipv4Addr::new(127, block(), 202, 5);
    let voter = Voter { node_id: 1, address, directory_id: "AAAAAAAAQACAAAAAAAAAA1".to_owned() };
    let host = Host {
        stack: "dev".into(),
        name: "broker-1".into(),
        node_id: 1,
        role: HostRole::Combined,
        os: Os::Debian12,
        zone_id: "euw1-az1".into(),
        address,
        volume_id: "vol-0123456789abcdef0".into(),
        more_volumes: Vec::new(),
        own_disks: None,
        cluster_id: "MkU3OEVBNTcwNTJENDM2Qg".into(),
        controllers: vec![voter],
        kafka_version: "4.1.1".into(),
        archive_url: "https://archive.apache.org/dist/kafka/4.1.1/kafka_2.13-4.1.1.tgz".into(),
        archive_checksum: Checksum::Sha512("0".repeat(128)),
        memory_mib: 1024,
        settings: [("log.dirs".to_owned(), folder.path().join("data").display().to_string())].into(),
        replication_factor: 1,
        min_insync_replicas: 1,
        retention_ms: 86_400_000,
        package_mirror: None,
        ipv6: false,
        security: None,
        advertised: None,
        proxy: None,
        listeners: Vec::new(),
        monitoring: Some(Exporters::default()),
    };
    let plain = Host { settings: std::collections::BTreeMap::new(), ..host.clone() };
    let install = file(&plain, "/usr/local/lib/kstack/install-exporters");
    assert!(install.contains(&sha512(&agent)), "the pinned agent is Maven Central's");
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    let properties = write("server.properties", cloud_init::server_properties(&host).expect("settings"));
    let allowed = write("jmx-exporter.yaml", file(&plain, "/etc/kafka/jmx-exporter.yaml"));
    let tool = |name: &str| {
        let mut command = Command::new(kafka.join("bin").join(name));
        command
            .env("KAFKA_JVM_PERFORMANCE_OPTS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
            .env("LOG_DIR", folder.path());
        command
            .env("KAFKA_HEAP_OPTS", "-Xms64m -Xmx256m")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    };
    let mut format = tool("kafka-storage.sh");
    format.arg("format").args(cloud_init::format_arguments(&host)).args(["--config", &properties]);
    assert!(format.status().expect("the tool starts").success());
    let mut server = tool("kafka-server-start.sh");
    let option = format!("-javaagent:{}={address}:11001:{allowed}", agent.display());
    let _server = Running(server.arg(&properties).env("KAFKA_OPTS", option).spawn().expect("Kafka starts"));
    poll("Kafka's metrics", PATIENCE, || {
        scrape(address, 11001).filter(|answer| answer.contains("ActiveControllerCount\"} 1.0"))
    });
    let client = Client { kafka: kafka.clone(), servers: format!("{address}:9092") };
    let created = poll("a topic", PATIENCE, || {
        let mut create = tool("kafka-topics.sh");
        create.args(["--bootstrap-server", &client.servers, "--create", "--if-not-exists", "--topic", "orders"]);
        create.args(["--partitions", "3", "--replication-factor", "1"]).status().ok()?.success().then_some(true)
    });
    assert!(created);
    let mut producer = client.produce(folder.path().join("acknowledged.jsonl"), 100);
    producer.expect_more("writing", 100);
    compare("kafka-4.1.1.txt", || Some(names(&scrape(address, 11001)?)));
    producer.stop();

    let unit = file(&plain, "/etc/systemd/system/node-exporter.service");
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("a command");
    let Ok(child) =
        Command::new("prometheus-node-exporter").args(line.split(' ').skip(1)).stderr(Stdio::null()).spawn()
    else {
        return skip("there is no prometheus-node-exporter on this machine");
    };
    let _node = Running(child);
    compare("node-exporter.txt", || Some(names(&scrape(address, 11002)?)));
}

/// One host with the agent and node exporter from the test's own web server, as a closed network has them.
#[test]
fn a_host_that_boots_has_the_exporters() {
    with_machines(|ground| {
        let folder = tempfile::tempdir().expect("a folder");
        let agent = agent(folder.path()).expect("the agent");
        let program = run("sh", &["-c", "command -v prometheus-node-exporter"]);
        let Ok(program) = program else { return skip("there is no prometheus-node-exporter on this machine") };
        let node = folder.path().join("node.tar.gz");
        fs::create_dir_all(folder.path().join("node_exporter-1")).expect("a folder");
        fs::copy(program, folder.path().join("node_exporter-1/node_exporter")).expect("a copy");
        let (archive, at) = (node.display().to_string(), folder.path().display().to_string());
        run("tar", &["--create", "--gzip", "--file", &archive, "--directory", &at, "node_exporter-1"])
            .expect("an archive");
        let account = Account::new();
        let download = |path: &Path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            format!("{{url: \"http://10.27.255.254/{name}\", sha512: {}}}", sha512(path))
        };
        let monitoring =
            format!("\n    monitoring:\n      agent: {}\n      node: {}", download(&agent), download(&node));
        let edits = [
            // The web servers of other tests in this process stay at their addresses.
            ("10.20.0.0/16", "10.27.0.0/16".to_owned()),
            ("kafka: 4.1.1", on_this_machine(&account, DEV, &ground.kafka, 27) + &monitoring),
            ("nat: single", "zones: 1\n  nat: single\n  monitors: [10.9.0.0/16]".to_owned()),
            ("retention: 1d", "retention: 1d\n  replication_factor: 1\n  min_insync_replicas: 1".to_owned()),
            ("count: 3", "count: 1".to_owned()),
        ];
        let file = account.write("dev", &edits.each_ref().map(|(old, new)| (*old, new.as_str())));
        let (_network, mut hosts) = hosts_of(ground, &account, &file, vec![agent, node]);
        let host = &mut hosts[0];
        host.launch(ground);
        host.booted();
        account.run(&["status", &file, "--wait", "--timeout", "10m"]).expect(0);
        let address = Ipv4Addr::new(10, 27, 0, 10);
        let kafka = poll("Kafka's metrics", PATIENCE, || scrape(address, 11001));
        assert!(
            kafka.contains("kafka_controller_KafkaController_Value{name=\"ActiveControllerCount\"} 1.0"),
            "{kafka}"
        );
        let node = poll("the host's metrics", PATIENCE, || scrape(address, 11002));
        assert!(
            node.contains("node_filesystem_avail_bytes{") && node.contains("mountpoint=\"/var/lib/kafka\""),
            "{node}"
        );
        println!("{} series of Kafka and {} of the host", names(&kafka).len(), names(&node).len());
    });
}
