//! What a roll asks Kafka: whether a host may be stopped, and whether it is back in sync. Where no broker can be reached from
//! here, the instance's own checks have to do.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::error::StepError;
use crate::health::{self, AskError, KafkaHealth, shortened};
use crate::sandbox;
use kstack_core::cloud_init::CLIENT_PORT;
use kstack_core::design::{HostDesign, node_id};
use kstack_core::kinds::NetworkInterface;
use kstack_core::observed::Observed;

/// How long a cluster is given to get well enough that the host may be stopped.
const STOP_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// How long a host is given to fetch what was written without it.
const RESYNC_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// A stack's Kafka as this process can ask it.
#[derive(Debug, Default)]
pub struct KafkaAccess {
    /// Where each broker takes clients, by node id.
    pub brokers: BTreeMap<u32, SocketAddrV4>,
    /// The hosts as processes of this machine, with a sandbox that has them.
    pub local: Option<Local>,
}

/// The processes that stand for a stack's hosts.
#[derive(Debug)]
pub struct Local {
    pub cluster: sandbox::kafka::SandboxCluster,
    pub distribution: PathBuf,
    pub hosts: Vec<HostDesign>,
}

/// By what a rolled host is known to be well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Checks {
    /// Kafka's own word: the node is back, and in sync.
    Kafka,
    /// EC2's checks of the instance.
    Instance,
}

/// Where the brokers of what is `observed` take clients inside the VPC, by node id.
pub fn brokers(observed: &Observed) -> BTreeMap<u32, SocketAddrV4> {
    let interfaces = observed.of::<NetworkInterface>();
    let brokers = interfaces.iter().filter(|(name, _)| name.starts_with("broker-"));
    let address = |text: &str| text.parse::<Ipv4Addr>().ok().map(|ip| SocketAddrV4::new(ip, CLIENT_PORT));
    brokers.filter_map(|(name, (_, interface))| Some((node_id(name)?, address(&interface.address)?))).collect()
}

impl KafkaAccess {
    /// Waits until the host may be stopped. `tell` hears why it has to wait.
    ///
    /// # Errors
    /// What is still in the way at the end of the time.
    pub async fn before_stop(&self, host: &str, tell: impl Fn(String)) -> Result<Checks, StepError> {
        let Some(node) = node_id(host) else { return Ok(Checks::Instance) };
        let way = |cluster: &KafkaHealth| cluster.in_the_way_of_stopping(node);
        let all: Vec<SocketAddrV4> = self.brokers.values().copied().collect();
        match health::ask(&all).await {
            Err(AskError::Unreachable) => return Ok(Checks::Instance),
            Err(error) => tell(format!("Kafka can be reached, and does not answer: {error}")),
            Ok(cluster) => match way(&cluster) {
                reasons if reasons.is_empty() => return Ok(Checks::Kafka),
                reasons => tell(format!("it can't be stopped yet: {}", shortened(&reasons))),
            },
        }
        match health::wait_until(&all, STOP_TIMEOUT, way).await {
            Ok(_) => Ok(Checks::Kafka),
            Err(reasons) => Err(StepError::Kafka {
                what: format!("{host} was not stopped: for {} s, {}", STOP_TIMEOUT.as_secs(), shortened(&reasons)),
                source: None,
            }),
        }
    }

    /// Waits until the host, which was `stopped` then, is back, and every replica on it in sync. A broker is asked itself: it
    /// answers when it is registered anew, while the others may still believe in the one that was stopped.
    ///
    /// # Errors
    /// What is still missing at the end of the time.
    pub async fn after_start(&self, host: &str, stopped: Instant) -> Result<(), StepError> {
        let Some(node) = node_id(host) else { return Ok(()) };
        let asked: Vec<SocketAddrV4> = match self.brokers.get(&node) {
            Some(broker) => vec![*broker],
            None => self.brokers.values().copied().collect(),
        };
        let ago = || u64::try_from(stopped.elapsed().as_millis()).unwrap_or(u64::MAX);
        match health::wait_until(&asked, RESYNC_TIMEOUT, |cluster| cluster.missing_of(node, ago())).await {
            Ok(_) => Ok(()),
            Err(reasons) => Err(StepError::Kafka {
                what: format!(
                    "{host} was started again, and after {} s {}",
                    RESYNC_TIMEOUT.as_secs(),
                    shortened(&reasons)
                ),
                source: None,
            }),
        }
    }

    /// Ends the process that stands for the host, if one does, as its instance ends.
    pub fn instance_ended(&self, host: &str) {
        if let Some(local) = &self.local {
            local.cluster.kill(host);
        }
    }

    /// Starts the process that stands for the host, if one does, as its instance has started.
    ///
    /// # Errors
    /// Why it does not start.
    pub fn instance_started(&self, host: &str) -> Result<(), StepError> {
        let Some(local) = &self.local else { return Ok(()) };
        let Some(host) = local.hosts.iter().find(|one| one.name == host) else { return Ok(()) };
        let started = local.cluster.start_host(&local.distribution, host);
        started.map_err(|error| StepError::Kafka {
            what: format!("Kafka on {} was not started", host.name),
            source: Some(Box::new(error)),
        })
    }
}
