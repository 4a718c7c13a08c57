//! Without machines: the settings that the user data has for each host, in plain processes on loopback, as the sandbox runs them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::client::{Client, TOPIC};
use crate::migration::{cut_off, rolled};
use crate::monitoring::{Exported, metrics_are_those_of_the_lists};
use crate::moves::TOPICS;
use crate::network::run;
use crate::room::{beside, block, owner};
use crate::support::{Run, sandbox_command, stack, text};
use crate::watch::{Watch, Watched, now};

/// Where the sandbox of this test keeps what runs.
pub fn sandbox_folder() -> PathBuf {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("kstack-test");
    cache.join("sandbox").join(format!("of-{}", owner()))
}

/// The binary with a sandbox of this test's and its Kafka.
pub fn kstack_command(kafka: &Path, arguments: &[&str]) -> Command {
    let mut command: Command = sandbox_command(owner());
    command.env("KSTACK_SANDBOX_KAFKA", kafka).arg("--sandbox").args(arguments);
    command
}

pub fn kstack(kafka: &Path, arguments: &[&str]) -> Run {
    Run::of(&mut kstack_command(kafka, arguments))
}

/// The same, whose hosts get certificates of so many seconds' life.
pub fn kstack_with_life(kafka: &Path, seconds: u64, arguments: &[&str]) -> Run {
    Run::of(kstack_command(kafka, arguments).env("KSTACK_TEST_CERTIFICATE_LIFE", seconds.to_string()))
}

#[test]
fn the_settings_of_all_hosts_make_a_cluster_and_a_roll_waits_for_it() {
    let Some((_room, kafka)) = beside() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("stack.yaml");
    let block = format!("10.{}.0.0/16", block());
    let write = |settings: &str| {
        let text = stack("dev", &[("10.20.0.0/16", &block), ("combined: true", settings)]);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    let Some(exported) = Exported::new(&kafka, folder.path()) else { return };
    let (tools, kafka) = (kafka, exported.kafka.clone());
    let file = write("combined: true");
    let user_data = kstack(&kafka, &["render", &file, "--host", "broker-1"]).expect(0).out;
    exported.user_data(&user_data);
    let applied = kstack(&kafka, &["apply", &file, "--yes"]).expect(0);
    let status = kstack(&kafka, &["status", &file, "--wait", "--json"]).expect(0).json();
    assert_eq!(status["kafka"]["brokers"].as_array().map(Vec::len), Some(3), "{status:#}");
    assert_eq!(status["findings"], serde_json::json!([]), "all is well");
    let racks: BTreeSet<&str> =
        status["kafka"]["brokers"].as_array().expect("brokers").iter().map(|broker| text(&broker["rack"])).collect();
    assert_eq!(racks.len(), 3, "a rack is a zone");
    let servers: Vec<&str> = status["bootstrap_servers"].as_array().expect("servers").iter().map(text).collect();
    assert!(servers.iter().all(|server| server.starts_with("127.")), "{servers:?}");
    assert!(applied.out.ends_with(&format!("Bootstrap servers: {}\n", servers.join(","))), "{applied}");

    let client = Client::new(tools, servers.join(","));
    client.create_topic();
    let mut producer = client.produce(folder.path().join("acknowledged.jsonl"));
    producer.expect_more("writing to the new topic", 20);
    let addresses: Vec<&str> = servers.iter().filter_map(|server| server.split(':').next()).collect();
    let parsed: Vec<_> = addresses.iter().map(|address| address.parse().expect("an address")).collect();
    metrics_are_those_of_the_lists(&parsed, &user_data);
    let Some(watch) = watch(&kafka, &file, &folder.path().join("watch")) else { return };
    let zones: BTreeSet<String> = watch.hosts("kafka", 3).into_values().collect();
    assert_eq!(zones.len(), 3, "found by their tags, each in a zone of its own: {zones:?}");
    let before = now();
    // The roll gives the brokers listeners for other networks, too.
    let file = write(&format!("combined: true\n    {LISTENERS}\n    config: {{queued.max.requests: \"600\"}}"));
    let applied_again = kstack(&kafka, &["apply", &file, "--yes", "--json"]).expect(0);
    let events = applied_again.events();
    // The last one to be rolled would lead nothing.
    assert!(applied_again.err.contains("Preferred leaders lead "), "{applied_again}");
    let led = client.say(TOPICS, &["--describe", "--topic", TOPIC]);
    let field =
        |line: &str, name: &str| Some(line.split(&format!("{name}: ")).nth(1)?.split(['\t', ',']).next()?.to_owned());
    let others = led.lines().filter(|line| field(line, "Leader") != field(line, "Replicas"));
    assert_eq!(others.collect::<Vec<_>>(), Vec::<&str>::new());
    let checked = events.iter().filter(|event| event["event"] == "checked" && event["by"] == "kafka");
    // Their order is by number, but for the active controller, which is last and may move at any time.
    let checked: BTreeSet<&str> = checked.map(|event| text(&event["address"])).collect();
    assert_eq!(checked, BTreeSet::from(["instance/broker-1", "instance/broker-2", "instance/broker-3"]));
    producer.expect_more("writing after the roll", 20);
    assert_eq!(watch.fired(before), BTreeMap::new(), "a roll is no reason for an alert");
    for address in &addresses {
        let named = |broker: u32| (format!("b-{broker}.kafka.partner.example.com"), 9192);
        assert_eq!(advertised(address, 9192), [1, 2, 3].map(|broker| (broker, named(broker))).into(), "{address}");
        let one_name = |broker: u32| ("kafka.example.org".to_owned(), 9300 + broker);
        assert_eq!(advertised(address, 9292), [1, 2, 3].map(|broker| (broker, one_name(broker))).into(), "{address}");
        let own: BTreeSet<String> = advertised(address, 9392).into_values().map(|(host, _)| host).collect();
        assert_eq!(own, addresses.iter().map(|address| (*address).to_owned()).collect());
    }
    // A run that died between an instance and its process has left none. The next one starts it: a real host boots by itself.
    let file = write(&format!("combined: true\n    {LISTENERS}\n    config: {{queued.max.requests: \"650\"}}"));
    let event = cut_off(&kafka, &file, rolled);
    kill(text(&event["address"]).strip_prefix("instance/").expect("a host"));
    kstack(&kafka, &["apply", &file, "--yes"]).expect(0);
    producer.expect_more("writing after the rest of the roll", 20);
    let listeners = format!("combined: true\n    {LISTENERS}\n    config: {{queued.max.requests: \"700\"}}");
    refused_while_one_is_missing(&kafka, &write(&listeners));
    producer.expect_more("writing without broker-3", 20);
    // Fifteen minutes are fifteen seconds now.
    watch.faster(60);
    watch.expect(&["KafkaHostNotScraped", "KafkaBrokerFenced", "KafkaPartitionsUnderReplicated"]);
    let fired = watch.fired(before);
    let others =
        ["KafkaPartitionsOffline", "KafkaPartitionsUnderMinIsr", "KafkaHostsMissing", "KafkaLogDirectoryOffline"];
    assert!(others.iter().all(|name| !fired.contains_key(*name)), "{fired:?}");
    let up = watch.ask("up{job=\"kafka\"} == 0");
    assert!(up.len() == 1 && up[0]["metric"]["host"] == "broker-3", "{up:?}");
    drop(watch);
    let (acknowledged, found) = (producer.stop(), client.read());
    assert!(acknowledged.is_subset(&found), "{:?}", acknowledged.difference(&found).collect::<Vec<_>>());

    kstack(&kafka, &["destroy", &file, "--yes"]).expect(0);
    let status = kstack(&kafka, &["status", &file]).expect(0);
    assert!(status.out.contains("has no live resources"), "{status}");
    kstack(&kafka, &["sandbox", "stop"]);
}

/// What watches the stack from its files, four times as fast: as hosts here start, too.
fn watch(kafka: &Path, file: &str, folder: &Path) -> Option<Watch> {
    kstack(kafka, &["monitoring", file, "--out", &folder.display().to_string()]).expect(0);
    let sandbox = kstack(kafka, &["sandbox", "status", "--json"]).expect(0).json();
    let endpoint = text(&sandbox["endpoint"]);
    Watch::start(&Watched { files: folder, endpoint, access_key: "test", processes: true, lag: None, faster: 4 })
}

/// By name, by port, and by the brokers' own addresses.
const LISTENERS: &str = "listeners: {plaintext: true, others: {partner: {port: 9192, advertise: \"b-{broker}.kafka.partner.example.com\", clients: [10.60.0.0/16]}, \
    one-name: {port: 9292, advertise: kafka.example.org, advertise_port: 9300 + broker, clients: [10.60.0.0/16]}, \
    peer: {port: 9392, clients: [10.61.0.0/16]}}}";

/// Where the brokers of the cluster are, by node id, as the listener at this address tells its clients.
fn advertised(address: &str, port: u16) -> BTreeMap<u32, (String, u32)> {
    // Kafka's protocol: Metadata, version 1, correlation 7, no client id, no topics.
    const REQUEST: [u8; 18] = [0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 7, 0xff, 0xff, 0, 0, 0, 0];
    let mut stream = TcpStream::connect((address, port)).expect("the listener");
    stream.write_all(&REQUEST).expect("a request");
    let mut length = [0; 4];
    stream.read_exact(&mut length).expect("an answer");
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut answer).expect("the rest of it");
    let mut rest = &answer[4..];
    let mut take = |count: usize| {
        let (taken, left) = rest.split_at(count);
        rest = left;
        taken.to_vec()
    };
    let number = |bytes: Vec<u8>| bytes.into_iter().fold(0, |sum, byte| (sum << 8) | u32::from(byte));
    let brokers = number(take(4));
    let broker = |_| {
        let node = number(take(4));
        let host = number(take(2)) as usize;
        let host = String::from_utf8(take(host)).expect("a name");
        let port = number(take(4));
        // A rack may be null, which none is here.
        let rack = number(take(2)) as usize;
        take(rack);
        (node, (host, port))
    };
    (0..brokers).map(broker).collect()
}

/// The folder of the only cluster, with one for each host.
pub fn cluster() -> PathBuf {
    let clusters = sandbox_folder().join("kafka");
    std::fs::read_dir(&clusters).expect("a folder").flatten().next().expect("a cluster").path()
}

/// The processes of the only cluster, by host.
pub fn process_ids() -> BTreeMap<String, String> {
    let hosts = std::fs::read_dir(cluster()).expect("a folder").flatten().map(|host| host.path());
    let one = |host: std::path::PathBuf| {
        let id = std::fs::read_to_string(host.join("pid")).ok()?;
        Some((host.file_name()?.to_string_lossy().into_owned(), id))
    };
    hosts.filter_map(one).collect()
}

/// Kills a host of the only cluster.
pub fn kill(host: &str) {
    let group = std::fs::read_to_string(cluster().join(host).join("pid")).expect("a process id");
    run("kill", &["-s", "KILL", "--", &format!("-{}", group.trim())]).expect("a process");
}

/// Kills a host of the only cluster, and gives what starts it again as it was.
pub fn kill_for_a_restart(host: &str) -> Command {
    let id = process_ids().remove(host).expect("a process id");
    let parts = |file: &str| -> Vec<String> {
        let bytes = std::fs::read(format!("/proc/{}/{file}", id.trim())).expect("a process");
        String::from_utf8(bytes).expect("text").split_terminator('\0').map(str::to_owned).collect()
    };
    let (arguments, environment) = (parts("cmdline"), parts("environ"));
    kill(host);
    let log = std::fs::File::options().append(true).open(cluster().join(host).join("kafka.log")).expect("its log");
    // In a group of its own, and nobody's child.
    let mut command = Command::new("setsid");
    command.arg("--fork").args(arguments).env_clear().envs(environment.iter().filter_map(|one| one.split_once('=')));
    command.stdin(Stdio::null()).stderr(log.try_clone().expect("a file")).stdout(log);
    command
}

/// With one broker lost, two replicas of three are in sync, and both are needed: no other broker is stopped.
fn refused_while_one_is_missing(kafka: &Path, file: &str) {
    kill("broker-3");
    let mut command = kstack_command(kafka, &["apply", file, "--yes", "--json"]);
    let mut apply = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the binary starts");
    let lines = BufReader::new(apply.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    let mut events = lines.map(|line| serde_json::from_str::<Value>(&line).expect("JSON"));
    let waiting = events.find(|event| event["event"] == "waiting").expect("it waits");
    assert!(text(&waiting["reason"]).contains("has 2 replicas in sync, and needs 2"), "{waiting}");
    run("kill", &["-s", "TERM", &apply.id().to_string()]).expect("it runs");
    let done: Vec<Value> = events.filter(|event| event["event"] == "done").collect();
    assert_eq!(apply.wait().expect("it ends").code(), Some(130));
    assert_eq!(done, Vec::<Value>::new(), "nothing was rolled");
    let status = kstack(kafka, &["status", file, "--json"]).expect(0).json();
    let alerts: BTreeSet<&str> =
        status["findings"].as_array().expect("findings").iter().filter_map(|one| one["alert"].as_str()).collect();
    // Until its replicas are missed, which takes Kafka some seconds, it is the broker alone.
    assert!(alerts.contains("KafkaBrokerFenced"), "{status:#}");
}
