//! The exporters for Prometheus, with a real Kafka: which metrics there are, in `tests/monitoring`, and that a host that boots has them.

use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::client::PATIENCE;
use crate::network::run;
use crate::support::aws::DEV;
use crate::support::{Account, poll, skip};
use crate::watch::{Running, Watch, Watched, free_port, get, panels};
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
        std::thread::sleep(Duration::from_secs(20));
        let all: Vec<String> = poll("the metrics", PATIENCE, &found).into_iter().collect();
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, all.join("\n") + "\n").expect("a list");
    }
    let text = fs::read_to_string(&path).expect("the list");
    let listed: BTreeSet<String> = text.lines().map(str::to_owned).collect();
    assert!(listed.len() > 30, "{listed:?}");
    // What lacks at the end is told.
    let (begun, mut lacks) = (Instant::now(), BTreeSet::new());
    while begun.elapsed() < PATIENCE {
        match found() {
            Some(found) => lacks = listed.difference(&found).cloned().collect(),
            None => lacks = BTreeSet::from(["an answer of each".to_owned()]),
        }
        if lacks.is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    panic!("{list}: after {PATIENCE:?} there is not {lacks:?}");
}

/// The content of a file of the user data.
fn file(user_data: &str, path: &str) -> String {
    let document: Value = serde_yaml::from_str(user_data).expect("YAML");
    let files = document["write_files"].as_array().expect("files");
    files
        .iter()
        .find(|file| file["path"] == path)
        .and_then(|file| file["content"].as_str())
        .expect("the file")
        .to_owned()
}

/// Hosts as processes that have the exporters, each on its own address: a Kafka distribution like `kafka`, whose brokers start with the agent as
/// the user data says.
pub struct Exported {
    pub kafka: PathBuf,
    folder: PathBuf,
}

impl Exported {
    /// Where the agent can't be had, that is said.
    pub fn new(kafka: &Path, folder: &Path) -> Option<Exported> {
        let own = folder.join("exported");
        fs::create_dir_all(own.join("bin")).expect("a folder");
        if let Err(why) = agent(&own) {
            skip(&format!("no agent can be had here: {why}"));
            return None;
        }
        for name in fs::read_dir(kafka.join("bin")).expect("scripts").flatten().map(|entry| entry.file_name()) {
            let (from, to) = (kafka.join("bin").join(&name), own.join("bin").join(&name));
            let script = match name.to_str() == Some("kafka-server-start.sh") {
                true => format!(
                    "#!/bin/sh\naddress=$(sed -n 's,^listeners=[A-Z]*://\\([0-9.]*\\):.*,\\1,p' \"$1\")\n\
                     export KAFKA_OPTS=\"-javaagent:{at}/{AGENT}=$address:11001:{at}/jmx-exporter.yaml\"\nexec {} \"$@\"\n",
                    from.display(),
                    at = own.display(),
                ),
                false => format!("#!/bin/sh\nexec {} \"$@\"\n", from.display()),
            };
            fs::write(&to, script).expect("a script");
            fs::set_permissions(&to, fs::Permissions::from_mode(0o755)).expect("it is ours");
        }
        Some(Exported { kafka: own.clone(), folder: own })
    }

    /// What the hosts' user data has for the exporters, before they start.
    pub fn user_data(&self, text: &str) {
        let install = file(text, "/usr/local/lib/kstack/install-exporters");
        assert!(install.contains(&sha512(&self.folder.join(AGENT))), "the pinned agent is Maven Central's");
        fs::write(self.folder.join("jmx-exporter.yaml"), file(text, "/etc/kafka/jmx-exporter.yaml")).expect("a file");
    }
}

/// Sees that what these hosts' Kafka tells is what the lists in `tests/monitoring` have, and what node exporter tells that has the user data's options.
pub fn metrics_are_those_of_the_lists(addresses: &[Ipv4Addr], user_data: &str) {
    compare("kafka-4.1.1.txt", || {
        let all: Option<Vec<BTreeSet<String>>> =
            addresses.iter().map(|address| Some(names(&get(*address, 11001, "/metrics")?))).collect();
        Some(all?.into_iter().flatten().collect())
    });
    let unit = file(user_data, "/etc/systemd/system/node-exporter.service");
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("a command");
    let port = free_port();
    let options = line.split(' ').skip(1).filter(|option| !option.starts_with("--web.listen-address"));
    let mut command = Command::new("prometheus-node-exporter");
    let command = command.args(options).arg(format!("--web.listen-address=127.0.0.1:{port}")).stderr(Stdio::null());
    let Ok(child) = command.spawn() else { return skip("there is no prometheus-node-exporter on this machine") };
    let _node = Running(child);
    compare("node-exporter.txt", || Some(names(&get(Ipv4Addr::LOCALHOST, port, "/metrics")?)));
}

/// One host with the agent and node exporter from the test's own web server, as a closed network has them.
#[test]
fn a_host_that_boots_has_the_exporters() {
    with_machines(|ground| {
        let account = Account::new();
        let Some((monitoring, served)) = own_exporters(27) else { return };
        let edits = [
            // The web servers of other tests in this process stay at their addresses.
            ("10.20.0.0/16", "10.27.0.0/16".to_owned()),
            ("kafka: 4.1.1", on_this_machine(&account, DEV, &ground.kafka, 27) + &monitoring),
            ("nat: single", "zones: 1\n  nat: single\n  monitors: [10.9.0.0/16]".to_owned()),
            ("retention: 1d", "retention: 1d\n  replication_factor: 1\n  min_insync_replicas: 1".to_owned()),
            ("count: 3", "count: 1".to_owned()),
        ];
        let file = account.write("dev", &edits.each_ref().map(|(old, new)| (*old, new.as_str())));
        let (_network, mut hosts) = hosts_of(ground, &account, &file, served);
        let host = &mut hosts[0];
        host.launch(ground);
        host.booted();
        account.run(&["status", &file, "--wait", "--timeout", "10m"]).expect(0);
        found_by_its_tags_and_on_the_dashboard(&account, &file);
        let address = Ipv4Addr::new(10, 27, 0, 10);
        let kafka = poll("Kafka's metrics", PATIENCE, || get(address, 11001, "/metrics"));
        let node = poll("the host's metrics", PATIENCE, || get(address, 11002, "/metrics"));
        println!("{} series of Kafka and {} of the host", names(&kafka).len(), names(&node).len());
    });
}

/// A Prometheus with the stack's files, whose thresholds and durations are as they were, finds the host as EC2's, and each question of the
/// dashboard has an answer.
fn found_by_its_tags_and_on_the_dashboard(account: &Account, file: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    account.run(&["monitoring", file, "--out", &folder.path().display().to_string()]).expect(0);
    let textfile = folder.path().join("lag");
    let Some((_node, lag)) = textfile_collector(&textfile) else { return };
    fs::write(textfile.join("kstack.prom"), LAG).expect("a file");
    let watched = Watched {
        files: folder.path(),
        endpoint: &account.endpoint,
        access_key: &account.id,
        processes: false,
        lag: Some(lag),
        faster: 1,
    };
    let Some(watch) = Watch::start(&watched) else { return };
    for job in ["kafka", "node"] {
        let found = watch.hosts(job, 1);
        assert!(found["broker-1"].starts_with("eu-west-1"), "{found:?}");
    }
    for (title, targets) in panels(folder.path()) {
        for (expression, legend) in targets {
            poll(&format!("{title}: {expression}"), PATIENCE, || {
                let answer = watch.ask(&expression);
                let named = |one: &Value| !legend.contains("{{host}}") || one["metric"]["host"] == "broker-1";
                (!answer.is_empty() && answer.iter().all(named)).then_some(())
            });
        }
    }
}

/// As `kstack lag --openmetrics` writes it.
const LAG: &str =
    "kstack_consumer_group_lag_seconds{stack=\"dev\",group=\"billing\",topic=\"orders\",partition=\"0\"} 1.5\n";

/// A node exporter with a textfile collector alone, as a machine has it where `kstack lag` is run, and its port.
pub fn textfile_collector(folder: &Path) -> Option<(Running, u16)> {
    fs::create_dir_all(folder).expect("a folder");
    let port = free_port();
    let mut command = Command::new("prometheus-node-exporter");
    command.args(["--collector.disable-defaults", "--collector.textfile"]);
    command.arg(format!("--collector.textfile.directory={}", folder.display()));
    let child = command.arg(format!("--web.listen-address=127.0.0.1:{port}")).stderr(Stdio::null()).spawn();
    match child {
        Ok(child) => Some((Running(child), port)),
        Err(_) => {
            skip("there is no prometheus-node-exporter on this machine");
            None
        }
    }
}

/// The exporters from the web server of machines on network `number`, as a closed network has them: the lines of the file, and what is served.
pub fn own_exporters(number: u8) -> Option<(String, Vec<PathBuf>)> {
    let folder = crate::folder().join("exporters");
    fs::create_dir_all(folder.join("node_exporter-1")).expect("a folder");
    let agent = agent(&folder).expect("the agent");
    let Ok(program) = run("sh", &["-c", "command -v prometheus-node-exporter"]) else {
        skip("there is no prometheus-node-exporter on this machine");
        return None;
    };
    let node = folder.join("node.tar.gz");
    fs::copy(program, folder.join("node_exporter-1/node_exporter")).expect("a copy");
    let (archive, at) = (node.display().to_string(), folder.display().to_string());
    run("tar", &["--create", "--gzip", "--file", &archive, "--directory", &at, "node_exporter-1"]).expect("an archive");
    let download = |path: &Path| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        format!("{{url: \"http://10.{number}.255.254/{name}\", sha512: {}}}", sha512(path))
    };
    let lines = format!("\n    monitoring:\n      agent: {}\n      node: {}", download(&agent), download(&node));
    Some((lines, vec![agent, node]))
}
