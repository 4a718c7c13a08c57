//! Kafka for the sandbox: the hosts of a stack as processes of this machine, with the settings that their user data has, on
//! loopback addresses of their own. For Linux, where all of 127.0.0.0/8 can be listened on without asking.
//!
//! Each cluster has a folder named by its id, with a folder for each host: `server.properties`, process id, log and data. Every
//! process ends with the sandbox, however that ends.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::aws::papers::Trusted;

use super::{SandboxError, begun, home, io_error};
use kstack_core::certificates::{EARLIER, Facts, Life};
use kstack_core::cloud_init;
use kstack_core::cloud_init::HostRole;
use kstack_core::design::{Design, HostDesign};
use kstack_core::settings::definitions::newest;
use kstack_core::settings::dynamic::lines_of_starts;
use kstack_core::stack::{Scalar as _, Version};

/// Names the folder of a Kafka distribution, as Apache's archive has it, or one with several, of which each host runs that of its version; the
/// hosts of a stack run when it is set.
pub const VARIABLE: &str = "KSTACK_SANDBOX_KAFKA";

/// Ends the node when the sandbox's process (the first argument) ends. Its own process id goes into the second. A node that fails is started
/// again after ten seconds, as systemd does it on a host.
const WATCH: &str = r#"guard=$1; echo $$ > "$2"; shift 2
while kill -0 "$guard" 2>/dev/null; do
    "$@" & node=$!
    while kill -0 "$guard" 2>/dev/null && kill -0 "$node" 2>/dev/null; do sleep 1; done
    kill -9 "$node" 2>/dev/null; wait "$node"; code=$?
    if [ "$code" = 0 ] || ! kill -0 "$guard" 2>/dev/null; then exit; fi
    echo "Kafka ended with code $code; it is started again in 10 s."; sleep 10
done"#;

/// Enough for a few small topics, and a fast start.
const HEAP: &str = "-Xms64m -Xmx256m";
const JVM: &str = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -Djava.awt.headless=true";

/// The link to the distribution that a host runs, in its folder.
pub(super) const KAFKA: &str = "kafka";

/// How many lines of a log are told.
const WORDS: usize = 5;

/// How long a killed process may take to end.
const KILLED: Duration = Duration::from_secs(10);

/// The distribution that [`VARIABLE`] names, if it names one.
///
/// # Errors
/// That there is none in that folder, no Java, or that this is not Linux.
pub fn distribution() -> Result<Option<PathBuf>, SandboxError> {
    let Some(folder) = std::env::var_os(VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from) else {
        return Ok(None);
    };
    if !cfg!(target_os = "linux") {
        return Err(SandboxError::NoKafka("the hosts' loopback addresses can be had on Linux only".to_owned()));
    }
    if !is_distribution(&folder) && !inside(&folder).any(|one| is_distribution(&one)) {
        let folder = folder.display();
        return Err(SandboxError::NoKafka(format!(
            "{VARIABLE} names {folder}, which has no bin/kafka-server-start.sh"
        )));
    }
    if Command::new("java").arg("-version").output().is_err() {
        return Err(SandboxError::NoKafka("there is no java on the path; Kafka 4 needs 17 or newer".to_owned()));
    }
    Ok(Some(folder))
}

pub(super) fn is_distribution(folder: &Path) -> bool {
    folder.join("bin/kafka-server-start.sh").is_file()
}

/// The distribution in `folder` that a host with Kafka `version` runs: the only one there is, or of several that of its version.
///
/// # Errors
/// That none of them is.
pub fn of_version(folder: &Path, version: &str) -> Result<PathBuf, SandboxError> {
    if is_distribution(folder) {
        return Ok(folder.to_owned());
    }
    let name = format!("kafka_2.13-{version}");
    let is = |path: &PathBuf| {
        let own = path.file_name().and_then(|own| own.to_str()?.strip_prefix(name.as_str()));
        own.is_some_and(|rest| rest.is_empty() || rest.starts_with('-')) && is_distribution(path)
    };
    let none = || SandboxError::NoKafka(format!("{VARIABLE} names {}, which has no {name}", folder.display()));
    inside(folder).find(is).ok_or_else(none)
}

/// The loopback address that stands for a host's private one: the first part becomes 127.
pub fn loopback(address: Ipv4Addr) -> Ipv4Addr {
    let [_, b, c, d] = address.octets();
    Ipv4Addr::new(127, b, c, d)
}

/// The processes of one stack's hosts.
#[derive(Debug, Clone)]
pub struct SandboxCluster {
    folder: PathBuf,
}

impl SandboxCluster {
    /// The cluster with this id, whether it runs or not.
    pub fn of(cluster_id: &str) -> SandboxCluster {
        SandboxCluster { folder: home().join("kafka").join(cluster_id) }
    }

    /// The addresses of all brokers by node id, stopped ones too, at the first of these listeners that they have; empty when no process of
    /// the cluster runs.
    pub fn brokers(&self, listeners: &[&str]) -> BTreeMap<u32, SocketAddrV4> {
        let nodes = nodes(&self.folder);
        match nodes.iter().any(|node| process(node).is_some()) {
            true => nodes.iter().filter_map(|node| broker_address(node, listeners)).collect(),
            false => BTreeMap::new(),
        }
    }

    /// Starts every host of `design` that does not run, and starts again those whose settings have changed. Data stays.
    ///
    /// # Errors
    /// That there is no distribution or no sandbox, or what the storage tool said.
    pub fn start(&self, distribution: &Path, design: &Design, papers: &Papers) -> Result<(), SandboxError> {
        std::thread::scope(|scope| {
            let start = |host| scope.spawn(move || self.start_host(distribution, host, papers));
            let started: Vec<_> = design.hosts.iter().map(start).collect();
            started.into_iter().try_for_each(|one| one.join().unwrap_or(Ok(())))
        })
    }

    /// Starts one host, as [`SandboxCluster::start`] does.
    ///
    /// # Errors
    /// As [`SandboxCluster::start`].
    pub fn start_host(&self, distribution: &Path, host: &HostDesign, papers: &Papers) -> Result<(), SandboxError> {
        // Busy, it may not answer in time; its processes only end with it.
        let guard = begun().ok_or_else(|| SandboxError::NoKafka("no sandbox is running".to_owned()))?.pid;
        let node = self.folder.join(&host.name);
        fs::create_dir_all(&node).map_err(io_error("making the folder", &node))?;
        let distribution = &of_version(distribution, &host.cloud.kafka_version)?;
        let local = local(&host.cloud, &node);
        let settings =
            cloud_init::server_properties(&local).map_err(|error| SandboxError::NoKafka(error.to_string()))?;
        let properties = node.join("server.properties");
        if process(&node).is_some() {
            // As on EC2 a host keeps its own file while it runs, where brokers are given the other settings, and goes on to ask the
            // controllers that it asked before.
            let version = Version::parse(&host.cloud.kafka_version).map_or(newest(), Version::numbers);
            let asked = |line: &&str| !line.starts_with("controller.quorum.bootstrap.servers=");
            let of_start = |text: &str| lines_of_starts(text, version).into_iter().filter(asked).collect::<String>();
            let same = fs::read_to_string(&properties).is_ok_and(|before| of_start(&before) == of_start(&settings));
            if same && fs::read_link(node.join(KAFKA)).is_ok_and(|before| before == *distribution) {
                return Ok(());
            }
            kill(&node);
        }
        let link = node.join(KAFKA);
        let _ = fs::remove_file(&link);
        symlink(distribution, &link).map_err(io_error("making the link", &link))?;
        fs::write(&properties, settings).map_err(io_error("writing", &properties))?;
        if host.cloud.security.is_some() {
            write_papers(papers, host, &node)?;
        }
        format(&node, distribution, &cloud_init::format_arguments(&local))?;
        let tokens = host.cloud.security.as_ref().and_then(|security| security.oauth.as_ref());
        spawn(&node, guard, tokens.map(|tokens| tokens.jvm_option()))
    }

    /// Starts the process of a stopped host again, as it was.
    ///
    /// # Errors
    /// As [`SandboxCluster::start`].
    pub fn resume(&self, name: &str) -> Result<(), SandboxError> {
        // Busy, it may not answer in time; its processes only end with it.
        let guard = begun().ok_or_else(|| SandboxError::NoKafka("no sandbox is running".to_owned()))?.pid;
        let node = self.folder.join(name);
        if process(&node).is_some() { Ok(()) } else { spawn(&node, guard, None) }
    }

    /// Removes the data of the host `name`, which does not run any more.
    pub fn remove_host(&self, name: &str) {
        let node = self.folder.join(name);
        kill(&node);
        let _ = fs::remove_dir_all(node);
    }

    /// Whether the process of the host `name` runs.
    pub fn runs(&self, name: &str) -> bool {
        process(&self.folder.join(name)).is_some()
    }

    /// Kills the process of the host `name`, as a power cut would. Its data stays.
    pub fn kill(&self, name: &str) {
        kill(&self.folder.join(name));
    }

    /// Kills every process and removes all data.
    ///
    /// # Errors
    /// That the folder can't be removed.
    pub fn remove(&self) -> Result<(), SandboxError> {
        nodes(&self.folder).iter().for_each(|node| kill(node));
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(io_error("removing", &self.folder)(error))
            }
            _ => Ok(()),
        }
    }

    /// The end of the log of the host `name`; none where it was never started.
    pub fn last_words(&self, name: &str) -> Option<String> {
        let log = fs::read(self.folder.join(name).join("kafka.log")).ok()?;
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        Some(lines[lines.len().saturating_sub(WORDS)..].join("\n"))
    }
}

/// Removes every cluster of the sandbox, which is about to end.
pub(super) fn remove_all() -> Result<(), SandboxError> {
    nodes(&home().join("kafka")).into_iter().try_for_each(|folder| SandboxCluster { folder }.remove())
}

/// What hosts that speak TLS get their papers with here; absent for those that do not.
pub type Papers = Option<Signed>;

/// What certificates are made with.
#[derive(Debug)]
pub struct Signed {
    pub trusted: Trusted,
    /// From when to when the certificate is valid that a host has in Parameter Store, by its address.
    pub lives: BTreeMap<Ipv4Addr, Life>,
}

/// Formats the disk of the host with the settings in its folder, unless it is.
pub(super) fn format(node: &Path, distribution: &Path, arguments: &[String]) -> Result<(), SandboxError> {
    let logging = node.join("log4j2.yaml");
    fs::write(&logging, include_str!("../../cloud-init/log4j2.yaml.hbs")).map_err(io_error("writing", &logging))?;
    if node.join("data/meta.properties").exists() {
        return Ok(());
    }
    let mut format = Command::new(distribution.join("bin/kafka-storage.sh"));
    format.arg("format").args(arguments).arg("--config").arg(node.join("server.properties"));
    super::run("kafka-storage.sh format", settings_of(&mut format, node))
}

/// Starts Kafka with what is in the folder of the host; `tokens` is the option for issuers of tokens.
pub(super) fn spawn(node: &Path, guard: u32, tokens: Option<String>) -> Result<(), SandboxError> {
    let link = node.join(KAFKA);
    // Not by the link: the archive of classes is for where the distribution is.
    let distribution = fs::read_link(&link).map_err(io_error("reading the link", &link))?;
    let log = node.join("kafka.log");
    let file = OpenOptions::new().create(true).append(true).open(&log).map_err(io_error("opening", &log))?;
    let errors = file.try_clone().map_err(io_error("opening", &log))?;
    // With SASL a broker asks for the name of its own address: a laptop's resolver may not answer. Only issuers of tokens have names.
    let names = node.join("hosts");
    fs::write(&names, "127.0.0.1 localhost\n").map_err(io_error("writing", &names))?;
    let jvm = tokens.is_none().then(|| format!("{JVM} -Djdk.net.hosts.file={}", names.display()));
    let mut command = Command::new("sh");
    command.args(["-c", WATCH, "kstack-kafka", &guard.to_string()]).arg(node.join("pid"));
    command.arg(distribution.join("bin/kafka-server-start.sh")).arg(node.join("server.properties"));
    // A group of its own, as the sandbox has; and it is killed as one.
    settings_of(&mut command, node)
        .envs(jvm.map(|options| ("KAFKA_JVM_PERFORMANCE_OPTS", options)))
        .envs(tokens.map(|option| ("KAFKA_OPTS", option)))
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(errors);
    let mut child = command.spawn().map_err(io_error("starting", &log))?;
    // From here on its folder identifies it; or it has ended already, and the log says why.
    while process(node).is_none() && matches!(child.try_wait(), Ok(None)) {
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Writes what a host has fetched before Kafka starts. Its certificate is another than the one in Parameter Store: it has the address that
/// the process listens on, and the same dates.
fn write_papers(papers: &Papers, host: &HostDesign, node: &Path) -> Result<(), SandboxError> {
    let none = |why: String| SandboxError::NoKafka(format!("{} has no certificate: {why}", host.name));
    let papers = papers.as_ref().ok_or_else(|| none("the authorities are not known".to_owned()))?;
    let (trusted, life) = (&papers.trusted, papers.lives.get(&host.address));
    let life = life.ok_or_else(|| none("Parameter Store has none for it".to_owned()))?;
    let made = life.begins + EARLIER;
    let facts = Facts::host(&host.cloud.stack, &host.name, loopback(host.address));
    let facts = Facts { life: made.duration_until(life.ends), ..facts };
    let pair = trusted.signer.sign(&facts, made).map_err(|error| none(error.to_string()))?;
    let keystore = pair.keystore();
    let own = host.cloud.security.as_ref().and_then(|security| security.clients_ca.as_deref());
    let files = [
        ("host.pem", keystore.expose()),
        ("hosts-ca.pem", &trusted.hosts),
        ("clients-ca.pem", own.unwrap_or(&trusted.clients)),
    ];
    for (name, text) in files {
        let path = node.join(name);
        let file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(io_error("writing", &path))?;
    }
    Ok(())
}

/// The host with loopback addresses and no name, which would not be found here, its data in `node`, and caches of a size for a test.
fn local(host: &cloud_init::Host, node: &Path) -> cloud_init::Host {
    let mut host = host.clone();
    let (address, local) = (host.address.to_string(), loopback(host.address));
    host.address = local;
    host.listeners.iter_mut().filter(|one| one.host == address).for_each(|one| one.host = local.to_string());
    host.advertised = None;
    // Every host has a loopback address of its own, and none has all.
    host.ipv6 = false;
    host.controllers.iter_mut().for_each(|voter| voter.address = loopback(voter.address));
    host.endpoints.iter_mut().for_each(|address| *address = loopback(*address));
    host.settings.entry("log.cleaner.dedupe.buffer.size".to_owned()).or_insert_with(|| "8388608".to_owned());
    // A broker ends that has found no active controller within Kafka's minute, and is started again. Here many start at once on one machine, and
    // take longer.
    let patient = host.settings.entry("initial.broker.registration.timeout.ms".to_owned());
    patient.or_insert_with(|| "150000".to_owned());
    host.settings.insert("log.dirs".to_owned(), node.join("data").display().to_string());
    if let Some(security) = &host.security {
        let mut files = vec![("ssl.keystore.location", "host.pem"), ("ssl.truststore.location", "hosts-ca.pem")];
        if security.mtls && host.role != HostRole::Controller {
            files.push(("listener.name.mtls.ssl.truststore.location", "clients-ca.pem"));
        }
        for (setting, file) in files {
            host.settings.insert(setting.to_owned(), node.join(file).display().to_string());
        }
    }
    host
}

fn settings_of<'a>(command: &'a mut Command, node: &Path) -> &'a mut Command {
    let logging = format!("-Dlog4j2.configurationFile={}", node.join("log4j2.yaml").display());
    command.env("KAFKA_HEAP_OPTS", HEAP).env("KAFKA_JVM_PERFORMANCE_OPTS", JVM).env("KAFKA_LOG4J_OPTS", logging);
    command.env("LOG_DIR", node).env_remove("KAFKA_OPTS").env_remove("KAFKA_JMX_OPTS").env_remove("KAFKA_GC_LOG_OPTS")
}

pub(super) fn nodes(folder: &Path) -> Vec<PathBuf> {
    inside(folder).filter(|path| path.is_dir()).collect()
}

/// What is in a folder; nothing where there is none.
pub(super) fn inside(folder: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// The id of the broker of the folder `node`, and its address at the first of `listeners` that it has; `None` for a controller.
fn broker_address(node: &Path, listeners: &[&str]) -> Option<(u32, SocketAddrV4)> {
    let text = fs::read_to_string(node.join("server.properties")).ok()?;
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
    let all: Vec<(&str, &str)> =
        value("advertised.listeners=")?.split(',').filter_map(|one| one.split_once("://")).collect();
    let address = listeners.iter().find_map(|name| all.iter().find(|(one, _)| one == name));
    Some((value("node.id=")?.parse().ok()?, address?.1.parse().ok()?))
}

/// The process of `node`, when it runs: a process id may have gone to another program since.
pub(super) fn process(node: &Path) -> Option<Pid> {
    let pid: i32 = fs::read_to_string(node.join("pid")).ok()?.trim().parse().ok()?;
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let path = node.as_os_str().as_encoded_bytes();
    line.windows(path.len()).any(|part| part == path).then(|| Pid::from_raw(pid)).flatten()
}

pub(super) fn kill(node: &Path) {
    if let Some(pid) = process(node) {
        let _ = kill_process_group(pid, Signal::KILL);
        let start = Instant::now();
        while process(node).is_some() && start.elapsed() < KILLED {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    let _ = fs::remove_file(node.join("pid"));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In place of Kafka, a program that fails the first time, and then ends as it should.
    #[test]
    fn a_process_that_fails_is_started_again_and_one_that_ends_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let starts = folder.path().join("starts");
        let program = r#"echo start >> "$0"; [ "$(wc -l < "$0")" = 2 ]"#;
        let mut command = Command::new("sh");
        command.args(["-c", WATCH, "kstack-kafka", &std::process::id().to_string()]).arg(folder.path().join("pid"));
        command.args(["sh", "-c", program]).arg(&starts);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(fs::read_to_string(&starts).unwrap(), "start\nstart\n");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(said, "Kafka ended with code 1; it is started again in 10 s.\n");
    }
}
