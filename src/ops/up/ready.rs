//! When a created stack is healthy, and how clients connect to it.

use std::collections::BTreeSet;
use std::net::SocketAddrV4;
use std::time::Duration;

use crate::aws::kinds::msk_status;
use crate::clock;
use crate::health::{self, shortened};
use crate::kafka::Server;
use crate::ops::client::{Request, Who};
use crate::ops::{Failure, Task, kafka, msk};
use crate::roll::{self, KafkaAccess};
use crate::session::Session;
use kstack_core::certificates::Facts;
use kstack_core::client_files::Format;
use kstack_core::cloud_init::CLIENT_PORT;
use kstack_core::design::{Design, client_listeners};
use kstack_core::engines::Engine;
use kstack_core::kinds::Instance;

/// What a signal cuts short after everything is created.
pub const INTERRUPTED_WAIT: &str =
    "a signal came; all resources are created, but kstack did not wait until Kafka is healthy";
/// How long Kafka may take, once its hosts are up, to answer where it is reachable from here. It starts before they have
/// passed EC2's checks.
const REACHABLE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long it may then take to become healthy.
const HEALTHY_TIMEOUT: Duration = Duration::from_secs(600);

/// Waits until the stack is healthy: as MSK reports it, as Kafka reports it where it is reachable, or else by EC2's checks of the
/// hosts. Returns the brokers' addresses and a client's properties. Querying Kafka inside a VPC is not tested.
///
/// # Errors
/// Why it is not healthy.
pub async fn wait(
    session: &Session,
    design: &Design,
    kafka: &KafkaAccess,
    task: &Task<'_>,
) -> Result<(Vec<String>, String), Failure> {
    match Engine::of(&design.stack) {
        Engine::Msk => {
            // Its creation has waited until it is ACTIVE; what was described before it is not used.
            session.aws.begin_round();
            let cluster = msk_status(&session.aws).await?;
            cluster.as_ref().and_then(msk::easiest).ok_or_else(|| Failure::new("the MSK cluster has no listener"))
        }
        Engine::Ec2 => {
            let brokers = on_hosts(session, design, kafka, task).await?;
            if design.speaks_tls() {
                return secured(session, design, task).await;
            }
            let advertised = design.stack.network.dns.as_ref().is_some_and(|dns| dns.advertise);
            // Who can't resolve one name can't use the others that brokers tell. The sandbox's brokers tell addresses.
            let name = design.bootstrap_name().filter(|_| advertised && kafka.local.is_none());
            let servers: Vec<String> = match name {
                Some(name) => vec![format!("{name}:{CLIENT_PORT}")],
                None if kafka.local.is_some() => brokers.iter().map(ToString::to_string).collect(),
                None => brokers.iter().map(|broker| format!("{}:{CLIENT_PORT}", broker.ip())).collect(),
            };
            let listener = client_listeners(&design.stack, None).into_iter().next();
            let properties = listener.map(|listener| listener.properties(&servers.join(","))).unwrap_or_default();
            Ok((servers, properties))
        }
    }
}

/// Where a secured stack's brokers are, and the settings of a client that may do everything until the stack expires: the stack is made
/// for it alone.
async fn secured(session: &Session, design: &Design, task: &Task<'_>) -> Result<(Vec<String>, String), Failure> {
    let observed = session.observe().await?;
    let until = design.expires.map_or(Facts::admin().life, |at| clock::now().duration_until(at));
    let (stack, format) = (&design.stack, Format::Java);
    let request = Request { stack, observed: &observed, sandbox: task.sandbox, via: task.via, format };
    let properties = request.settings(session, Who::Admin { life: until }).await?;
    Ok((request.inside(), properties))
}

/// The addresses of brokers on hosts, once they are healthy.
///
/// # Errors
/// Why they are not healthy.
pub async fn on_hosts(
    session: &Session,
    design: &Design,
    kafka: &KafkaAccess,
    task: &Task<'_>,
) -> Result<Vec<SocketAddrV4>, Failure> {
    let observed = session.observe().await?;
    let instances: Vec<String> = observed.of::<Instance>().values().map(|(live, _)| live.id.clone()).collect();
    session.aws.clients.pass_checks(&instances).await?;
    let local = kafka::start(session, design, kafka, task).await?;
    if !local.is_empty() {
        return Ok(local);
    }
    let brokers: Vec<SocketAddrV4> = roll::brokers(&observed).into_values().collect();
    if session.aws.clients.emulated() {
        return Ok(brokers);
    }
    let servers: Vec<Server> = brokers.iter().map(|broker| (*broker).into()).collect();
    let own = kafka::link_to(session, design, task).await?;
    let link = own.as_ref().unwrap_or(&kafka.link);
    if let Err(why) = health::wait_until(&servers, link, REACHABLE_TIMEOUT, |_| Vec::new()).await {
        task.note(&format!("Kafka can't be asked: {}; its hosts have passed EC2's checks.", shortened(&why)));
        return Ok(brokers);
    }
    let ids: BTreeSet<u32> = roll::brokers(&observed).into_keys().collect();
    let healthy = health::wait_until(&servers, link, HEALTHY_TIMEOUT, |cluster| cluster.problems(&ids));
    healthy.await.map_err(|reasons| {
        Failure::new(format!("Kafka is not healthy after {} s: {}", HEALTHY_TIMEOUT.as_secs(), shortened(&reasons)))
    })?;
    Ok(brokers)
}
