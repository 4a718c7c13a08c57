//! How a stack's Kafka is reached: the brokers in the VPC, or the processes that stand for them in the sandbox.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddrV4;
use std::time::Duration;

use super::{Failure, Task};
use crate::health::{self, shortened};
use crate::kafka::{Gate, Link, PLUGIN, Security, Server, Via, Way};
use crate::roll::{self, KafkaAccess, Local};
use crate::sandbox::SandboxError;
use crate::sandbox::kafka::{SandboxCluster, distribution};
use crate::session::Session;
use kstack_core::design::Design;
use kstack_core::model::tag;
use kstack_core::observed::Observed;

/// How long the hosts of the sandbox may take to become a healthy cluster.
const START_TIMEOUT: Duration = Duration::from_secs(300);

/// The processes that stand for what is `observed`, whether they run or not; `None` where nothing has a cluster id.
fn processes(observed: &Observed) -> Option<SandboxCluster> {
    observed.live.values().find_map(|live| live.tags.get(tag::CLUSTER_ID)).map(|id| SandboxCluster::of(id))
}

/// Where the `observed` brokers accept clients from here, by node id. In a sandbox without Kafka there are none.
pub fn brokers(observed: &Observed, sandbox: bool) -> BTreeMap<u32, SocketAddrV4> {
    match sandbox {
        true => processes(observed).map(|cluster| cluster.bootstrap()).unwrap_or_default(),
        false => roll::brokers(observed),
    }
}

/// As whom, and by the way `via`, brokers on EC2 are asked. Tunnels go through the stack's own instances; the emulator's run nothing.
pub fn link(session: &Session, via: &Via) -> Link {
    let clients = &session.aws.clients;
    let gate = || Gate { clients: clients.clone(), stack: session.name.to_string(), plugin: PLUGIN.into() };
    Link { security: Security::default(), way: Way::new(via.clone(), (!clients.emulated()).then(gate)) }
}

/// What rolls to `design` query by the way that the task says; `blind` lets hosts roll one after another without it.
///
/// # Errors
/// What is wrong with the sandbox's Kafka.
pub fn of(
    session: &Session,
    design: &Design,
    observed: &Observed,
    task: &Task<'_>,
    blind: bool,
) -> Result<KafkaAccess, Failure> {
    let sandbox = task.sandbox;
    let distribution = if sandbox { distribution()? } else { None };
    let local = distribution.map(|distribution| Local {
        cluster: SandboxCluster::of(&design.cluster_id),
        distribution,
        hosts: design.hosts.clone(),
    });
    // Hosts of a sandbox without Kafka have none that could be out of sync.
    let blind = blind || sandbox && local.is_none();
    Ok(KafkaAccess::new(brokers(observed, sandbox), link(session, task.via), local, blind))
}

/// The host of the active controller, where a broker answers.
pub async fn active(design: &Design, kafka: &KafkaAccess) -> Option<String> {
    let node = health::ask(&kafka.servers(), &kafka.link).await.ok()?.controller?;
    design.hosts.iter().find(|host| host.cloud.node_id == node).map(|host| host.name.clone())
}

/// Starts the processes that stand for the hosts of `design`, where the sandbox has a Kafka, and waits until they are a healthy
/// cluster. Returns the addresses for clients; none without a Kafka.
///
/// # Errors
/// Why there is no healthy cluster.
pub async fn start(design: &Design, kafka: &KafkaAccess, task: &Task<'_>) -> Result<Vec<SocketAddrV4>, Failure> {
    let Some(local) = kafka.local.as_ref().filter(|_| !design.hosts.is_empty()) else { return Ok(Vec::new()) };
    if design.hosts.iter().any(|host| host.cloud.advertised.is_some()) {
        task.note("The sandbox's brokers tell their addresses: nobody finds their names on this machine.");
    }
    task.note(&format!("Starting Kafka for {} hosts on this machine ...", design.hosts.len()));
    local.cluster.start(&local.distribution, design)?;
    let brokers: Vec<SocketAddrV4> = local.cluster.bootstrap().into_values().collect();
    let ids: BTreeSet<u32> = design.hosts.iter().filter(|host| host.broker()).map(|host| host.cloud.node_id).collect();
    let servers: Vec<Server> = brokers.iter().map(|broker| (*broker).into()).collect();
    let healthy = health::wait_until(&servers, &kafka.link, START_TIMEOUT, |cluster| cluster.problems(&ids));
    healthy.await.map_err(|reasons| {
        let failure =
            Failure::new(format!("Kafka is not healthy after {} s: {}", START_TIMEOUT.as_secs(), shortened(&reasons)));
        match local.cluster.ended() {
            Some((host, log)) => failure.hint(format!("the process of {host} has ended; its log ends with:\n{log}")),
            None => failure,
        }
    })?;
    Ok(brokers)
}

/// Ends the processes that stand for what is `observed`, with their data.
///
/// # Errors
/// That the data can't be removed.
pub fn remove(observed: &Observed) -> Result<(), SandboxError> {
    processes(observed).map_or(Ok(()), |cluster| cluster.remove())
}
