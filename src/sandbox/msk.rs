//! Kafka for MSK clusters of the sandbox: a process for each broker that LocalStack's MSK has, and one for its controllers, on loopback addresses
//! of their own and in plaintext. Which brokers there are is MSK's word alone: a process starts when MSK has added its broker, and ends, with
//! its data, when MSK has taken it away. LocalStack's MSK looks into the folders of their data, and takes no broker away that has partitions.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::kafka::{self, KAFKA, loopback, process};
use super::{SandboxError, begun, home, io_error};
use kstack_core::choose::derived_uuid;
use kstack_core::engines::msk::keys::MskVersion;

/// The id of the controllers, as MSK's first one has it.
const CONTROLLER: u32 = 10_001;
const CONTROLLER_PORT: u16 = 9093;
/// MSK's port of the listener in plaintext.
const PORT: u16 = 9092;

/// A broker as MSK has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Broker {
    pub id: u32,
    pub address: Ipv4Addr,
    /// The id of its zone.
    pub zone: String,
}

/// The processes of one MSK cluster.
#[derive(Debug)]
pub struct MskProcesses {
    folder: PathBuf,
    /// What the cluster's ARN ends with: no other cluster has it.
    id: String,
}

/// What was done so that the processes agree with MSK.
#[derive(Debug, Default)]
pub struct Settled {
    /// Where each broker listens.
    pub brokers: BTreeMap<u32, SocketAddrV4>,
    /// Whether one was started.
    pub started: bool,
    /// Brokers that ended, and whose folders are there still: see [`MskProcesses::forget`].
    pub ended: BTreeSet<u32>,
}

impl MskProcesses {
    /// Those of the cluster with this ARN.
    pub fn of(arn: &str) -> MskProcesses {
        let id = arn.rsplit('/').next().unwrap_or(arn).to_owned();
        MskProcesses { folder: home().join("kafka").join(&id), id }
    }

    /// Starts the processes that MSK's brokers lack, and ends those of brokers that it has no more. One command does so at a time.
    ///
    /// # Errors
    /// That there is no distribution of the version, no sandbox, or what the storage tool said.
    pub fn settle(&self, distribution: &Path, version: &str, brokers: &[Broker]) -> Result<Settled, SandboxError> {
        let guard = begun().ok_or_else(|| SandboxError::NoKafka("no sandbox is running".to_owned()))?.pid;
        fs::create_dir_all(&self.folder).map_err(io_error("making the folder", &self.folder))?;
        let path = self.folder.join("lock");
        let lock = File::create(&path).map_err(io_error("opening", &path))?;
        lock.lock().map_err(io_error("locking", &path))?;
        let distribution = &of_release(distribution, version)?;
        let Some(first) = brokers.first() else { return Ok(Settled::default()) };
        // Where it began it stays: the broker whose address it shares may go.
        let at = self.folder.join("controller-address");
        let controller = match fs::read_to_string(&at).ok().and_then(|text| text.parse().ok()) {
            Some(known) => known,
            None => {
                let address = SocketAddrV4::new(loopback(first.address), CONTROLLER_PORT);
                fs::write(&at, address.to_string()).map_err(io_error("writing", &at))?;
                address
            }
        };
        let voters = format!(
            "controller.listener.names=CONTROLLER\ncontroller.quorum.voters={CONTROLLER}@{controller}\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n"
        );
        let mut settled = Settled::default();
        let own =
            format!("process.roles=controller\nnode.id={CONTROLLER}\nlisteners=CONTROLLER://{controller}\n{voters}");
        settled.started |= self.run("controller", distribution, guard, &own)?;
        let copies = brokers.len().min(3);
        for Broker { id, address, zone } in brokers {
            let listens = SocketAddrV4::new(loopback(*address), PORT);
            let own = format!(
                "process.roles=broker\nnode.id={id}\nbroker.rack={zone}\nlisteners=PLAINTEXT://{listens}\n\
                 advertised.listeners=PLAINTEXT://{listens}\ninter.broker.listener.name=PLAINTEXT\n{voters}\
                 default.replication.factor={copies}\noffsets.topic.replication.factor={copies}\n\
                 min.insync.replicas={}\nlog.cleaner.dedupe.buffer.size=8388608\n",
                copies.min(2)
            );
            settled.started |= self.run(&format!("broker-{id}"), distribution, guard, &own)?;
            settled.brokers.insert(*id, listens);
        }
        for node in kafka::nodes(&self.folder) {
            let id = node.file_name().and_then(|name| name.to_str()?.strip_prefix("broker-")?.parse().ok());
            if let Some(id) = id.filter(|id| !settled.brokers.contains_key(id)) {
                kafka::kill(&node);
                settled.ended.insert(id);
            }
        }
        Ok(settled)
    }

    /// Starts the process `name` with these settings, unless it runs. Returns whether it was started.
    fn run(&self, name: &str, distribution: &Path, guard: u32, settings: &str) -> Result<bool, SandboxError> {
        let node = self.folder.join(name);
        if process(&node).is_some() {
            return Ok(false);
        }
        fs::create_dir_all(&node).map_err(io_error("making the folder", &node))?;
        let link = node.join(KAFKA);
        let _ = fs::remove_file(&link);
        symlink(distribution, &link).map_err(io_error("making the link", &link))?;
        let (properties, data) = (node.join("server.properties"), node.join("data"));
        let settings = format!("{settings}log.dirs={}\n", data.display());
        fs::write(&properties, settings).map_err(io_error("writing", &properties))?;
        let id = derived_uuid(&self.id);
        kafka::format(&node, distribution, &["--cluster-id".to_owned(), id])?;
        kafka::spawn(&node, guard, None).map(|()| true)
    }

    /// Removes the data of a broker that has ended, and that the others know no more.
    pub fn forget(&self, id: u32) {
        let _ = fs::remove_dir_all(self.folder.join(format!("broker-{id}")));
    }

    /// Ends all of them, and removes their data.
    ///
    /// # Errors
    /// That a folder can't be removed.
    pub fn remove(&self) -> Result<(), SandboxError> {
        kafka::SandboxCluster::of(&self.id).remove()
    }
}

/// The distribution in `folder` of MSK's `version`, such as `4.1.x.kraft`: the only one there is, or of several the first of that release.
fn of_release(folder: &Path, version: &str) -> Result<PathBuf, SandboxError> {
    let version = MskVersion(version.to_owned());
    if !version.is_kraft() {
        return Err(SandboxError::NoKafka(format!(
            "MSK's {} has ZooKeeper, which the sandbox does not run",
            version.0
        )));
    }
    if kafka::is_distribution(folder) {
        return Ok(folder.to_owned());
    }
    let (major, minor) = version.release();
    let name = format!("kafka_2.13-{major}.{minor}.");
    let is = |path: &PathBuf| {
        path.file_name().and_then(|own| own.to_str()).is_some_and(|own| own.starts_with(&name))
            && kafka::is_distribution(path)
    };
    let none = || SandboxError::NoKafka(format!("{} has no {name}x", folder.display()));
    kafka::inside(folder).find(is).ok_or_else(none)
}
