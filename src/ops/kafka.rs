//! How a stack's Kafka is reached: the brokers in the VPC, or the processes that stand for them in the sandbox.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use super::{Failure, Task, msk_sandbox};
use crate::aws::Aws;
use crate::clock;
use crate::error::StepError;
use crate::health::{self, shortened};
use crate::kafka::{Gate, Identity, Link, PLUGIN, Roots, Security, Server, Via, Way};
use crate::moves::{self, Admin};
use crate::roll::{self, KafkaAccess, Local};
use crate::sandbox::SandboxError;
use crate::sandbox::kafka::{SandboxCluster, distribution, loopback};
use crate::sandbox::msk::MskProcesses;
use crate::session::Session;
use kstack_core::certificates::Facts;
use kstack_core::cloud_init::{CLIENT_PORT, INTERNAL_PORT, Phase};
use kstack_core::design::Design;
use kstack_core::evacuation;
use kstack_core::kinds::MskCluster;
use kstack_core::kinds::voter::name_of;
use kstack_core::model::tag;
use kstack_core::observed::Observed;
use kstack_core::text::many;
use kstack_core::trust::Trust;

/// How long the hosts of the sandbox may take to become a healthy cluster.
const START_TIMEOUT: Duration = Duration::from_secs(300);

/// The listener by which kstack reaches brokers.
const fn inside(secured: bool) -> [&'static str; 1] {
    if secured { ["INTERNAL"] } else { ["PLAINTEXT"] }
}

/// Those for clients, the first of which counts.
const CLIENTS: [&str; 4] = ["SCRAM", "MTLS", "OAUTH", "PLAINTEXT"];

/// The processes that stand for what is `observed`, whether they run or not; `None` where nothing has a cluster id.
fn processes(observed: &Observed) -> Option<SandboxCluster> {
    observed.live.values().find_map(|live| live.tags.get(tag::CLUSTER_ID)).map(|id| SandboxCluster::of(id))
}

/// Where the `observed` brokers accept clients from here, by node id. In a sandbox without Kafka there are none.
pub fn brokers(observed: &Observed, sandbox: bool) -> BTreeMap<u32, SocketAddrV4> {
    brokers_by(observed, sandbox, roll::secured(observed))
}

/// The same at the listener with TLS, or at that without.
fn brokers_by(observed: &Observed, sandbox: bool, secured: bool) -> BTreeMap<u32, SocketAddrV4> {
    match sandbox {
        true => processes(observed).map(|cluster| cluster.brokers(&inside(secured))).unwrap_or_default(),
        false => roll::brokers_at(observed, if secured { INTERNAL_PORT } else { CLIENT_PORT }),
    }
}

/// Where the sandbox's processes of the `observed` brokers have this listener; none where it has no Kafka.
pub fn local_brokers(observed: &Observed, listener: &str) -> Vec<SocketAddrV4> {
    processes(observed).map(|cluster| cluster.brokers(&[listener]).into_values().collect()).unwrap_or_default()
}

/// As whom, and by the way `via`, brokers on EC2 are asked: hosts with this `trust` know kstack by a certificate for the run, an hour
/// long. Tunnels go through the stack's own instances; the emulator's run nothing.
///
/// # Errors
/// That there can be no such certificate.
pub async fn link(session: &Session, via: &Via, trust: Option<&Trust>) -> Result<Link, StepError> {
    let clients = &session.aws.clients;
    let gate = || Gate { clients: clients.clone(), stack: session.name.to_string(), plugin: PLUGIN.into() };
    let security = match trust {
        Some(trust) => own_certificate(&session.aws, trust).await?,
        None => Security::default(),
    };
    Ok(Link { security, way: Way::new(via.clone(), (!clients.emulated()).then(gate)) })
}

/// kstack's own certificate, by an authority of the stack's hosts. It is made in memory, and nowhere else.
async fn own_certificate(aws: &Aws, trust: &Trust) -> Result<Security, StepError> {
    let trusted = aws.trusted(trust).await?;
    let none =
        |error: &dyn std::fmt::Display| StepError::ended("kstack has no certificate for brokers", error.to_string());
    let pair = trusted.signer.sign(&Facts::admin(), clock::now()).map_err(|error| none(&error))?;
    let identity = Identity { certificate: pair.certificate, key: pair.key.expose().to_owned() };
    Security::tls_by(&Roots::Pem(&trusted.hosts), Some(&identity)).map_err(|error| none(&error))
}

/// The link to brokers of `design` that are up by now, where it is another than before they were: they had no certificates then.
///
/// # Errors
/// As [`link`].
pub async fn link_to(session: &Session, design: &Design, task: &Task<'_>) -> Result<Option<Link>, StepError> {
    match design.speaks_tls() {
        true => link(session, task.via, Some(&design.authorities.trust)).await.map(Some),
        false => Ok(None),
    }
}

/// What rolls to `design` query by the way that the task says; `blind` lets hosts roll one after another without it.
///
/// # Errors
/// What is wrong with the sandbox's Kafka.
pub async fn of(
    session: &Session,
    design: &Design,
    observed: &Observed,
    task: &Task<'_>,
    blind: bool,
) -> Result<KafkaAccess, Failure> {
    let sandbox = task.sandbox;
    let distribution = if sandbox { distribution()? } else { None };
    // Plaintext until every host has TLS, and again before the first one has it no more. Of what is being made there are none yet: see
    // `start`.
    let secured = roll::secured(observed) && design.course.next != Phase::Plaintext;
    let local = distribution.map(|distribution| Local {
        cluster: SandboxCluster::of(&design.cluster_id),
        distribution,
        hosts: design.hosts.clone(),
        trust: design.has_papers().then(|| design.authorities.trust.clone()),
    });
    // Hosts of a sandbox without Kafka have none that could be out of sync.
    let nobody = (sandbox || told_of_nobody()) && local.is_none();
    let brokers = brokers_by(observed, sandbox, secured);
    let trust = roll::trust(observed).filter(|_| secured);
    let link = link(session, task.via, trust.as_ref()).await?;
    let mut access = KafkaAccess::new(brokers, link, local, blind || nobody);
    access.course = Some(design.course).filter(|_| !nobody);
    access.evacuated = evacuation::marks(observed);
    Ok(access)
}

/// Whether a build for tests is told that hosts of its endpoint have no Kafka, as those of a sandbox without one.
pub fn told_of_nobody() -> bool {
    cfg!(debug_assertions) && std::env::var_os("KSTACK_TEST_NOBODY").is_some()
}

/// The host of the active controller, where a broker answers.
pub async fn active(kafka: &KafkaAccess) -> Option<String> {
    health::ask(&kafka.servers(), &kafka.link).await.ok()?.controller.map(name_of)
}

/// Starts the processes that stand for the hosts of `design`, where the sandbox has a Kafka.
///
/// # Errors
/// Why one does not start.
pub async fn launch<'k>(
    session: &Session,
    design: &Design,
    kafka: &'k KafkaAccess,
    task: &Task<'_>,
) -> Result<Option<&'k Local>, Failure> {
    let Some(local) = kafka.local.as_ref().filter(|_| !design.hosts.is_empty()) else { return Ok(None) };
    if design.hosts.iter().any(|host| host.cloud.advertised.is_some()) {
        task.note("The sandbox's brokers tell their addresses: nobody finds their names on this machine.");
    }
    task.note(&format!("Starting Kafka for {} hosts on this machine ...", design.hosts.len()));
    let papers = local.papers(&session.aws).await?;
    local.cluster.start(&local.distribution, design, &papers)?;
    Ok(Some(local))
}

/// With what the logs end of the brokers that `reasons` name, and of all controllers, without which none serves.
pub fn last_words(local: &Local, design: &Design, reasons: &[String]) -> Option<String> {
    let named = |id: u32| reasons.iter().any(|reason| reason.starts_with(&format!("broker {id} ")));
    let asked = design.hosts.iter().filter(|host| named(host.cloud.node_id) || host.votes());
    let words = asked.filter_map(|host| Some((&host.name, local.cluster.last_words(&host.name)?)));
    let all: Vec<String> = words.map(|(name, words)| format!("the log of {name} ends with:\n{words}")).collect();
    (!all.is_empty()).then(|| all.join("\n"))
}

/// Starts the processes that stand for the hosts of `design`, where the sandbox has a Kafka, and waits until they are a healthy
/// cluster. Returns the addresses for clients; none without a Kafka.
///
/// # Errors
/// Why there is no healthy cluster.
pub async fn start(
    session: &Session,
    design: &Design,
    kafka: &KafkaAccess,
    task: &Task<'_>,
) -> Result<Vec<SocketAddrV4>, Failure> {
    if task.sandbox && design.msk.is_some() {
        return msk_sandbox::settle(session, task.via).await.map(|()| Vec::new());
    }
    let Some(local) = launch(session, design, kafka, task).await? else { return Ok(Vec::new()) };
    let brokers: Vec<SocketAddrV4> = local.cluster.brokers(&inside(design.speaks_tls())).into_values().collect();
    let own = link_to(session, design, task).await?;
    let ids: BTreeSet<u32> = design.hosts.iter().filter(|host| host.broker()).map(|host| host.cloud.node_id).collect();
    let servers: Vec<Server> = brokers.iter().map(|broker| (*broker).into()).collect();
    let link = own.as_ref().unwrap_or(&kafka.link);
    let healthy = health::wait_until(&servers, link, START_TIMEOUT, |cluster| cluster.problems(&ids));
    healthy.await.map_err(|reasons| {
        let failure =
            Failure::new(format!("Kafka is not healthy after {} s: {}", START_TIMEOUT.as_secs(), shortened(&reasons)));
        match last_words(local, design, &reasons) {
            Some(words) => failure.hint(words),
            None => failure,
        }
    })?;
    Ok(local.cluster.brokers(&CLIENTS).into_values().collect())
}

/// Ends the processes that stand for what is `observed`, with their data.
///
/// # Errors
/// That the data can't be removed.
pub fn remove(observed: &Observed) -> Result<(), SandboxError> {
    for (cluster, _) in observed.of::<MskCluster>().values() {
        MskProcesses::of(&cluster.id).remove()?;
    }
    processes(observed).map_or(Ok(()), |cluster| cluster.remove())
}

/// Lets preferred leaders lead again after rolls. What is in the way is told and no error: everything that was planned is done.
pub async fn lead_again(kafka: &KafkaAccess, design: &Design, task: &Task<'_>, may_write: &dyn Fn() -> bool) {
    let port = kafka.brokers.values().next().map(|broker| broker.port).filter(|_| kafka.has_answered());
    let Some(port) = port else { return };
    // Those of before the plan may be gone by now, and others there.
    let at = |address: Ipv4Addr| if kafka.local.is_some() { loopback(address) } else { address };
    let brokers = design.hosts.iter().filter(|host| host.broker());
    let brokers = brokers.map(|host| (host.cloud.node_id, SocketAddrV4::new(at(host.address), port).into()));
    let admin = Admin::new(brokers.collect(), &kafka.link, task.sandbox, may_write);
    let admin = admin.evacuating(kafka.evacuated.clone());
    match moves::lead_again(&admin).await {
        Ok(0) => {}
        Ok(count) => task.note(&format!(
            "Preferred leaders lead {} again, which others led after the rolls.",
            many(count, "partition")
        )),
        Err(why) => task.note(&format!(
            "Preferred leaders were not elected after the rolls: {why}; `kstack rebalance` spreads leadership."
        )),
    }
}
