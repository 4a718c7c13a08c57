//! The brokers of an MSK cluster in the sandbox: processes of this machine, which agree with what LocalStack's MSK has each time that they are asked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafka_protocol::messages::{BrokerId, UnregisterBrokerRequest};

use super::Failure;
use super::msk::Reached;
use crate::aws::kinds::{MskBroker, MskStatus, msk_status};
use crate::health;
use crate::kafka::{Brokers, Link, Security, Server, Via, Way, shape};
use crate::sandbox::SandboxError;
use crate::sandbox::kafka::distribution;
use crate::sandbox::msk::{Broker, MskProcesses};
use crate::session::Session;

/// How long they may take until all of them serve.
const SERVES: Duration = Duration::from_secs(300);

/// Lets the processes agree with the session's cluster, where the sandbox has a Kafka for it.
///
/// # Errors
/// Why they can't.
pub async fn settle(session: &Session, via: &Via) -> Result<(), Failure> {
    session.aws.begin_round();
    let Some(cluster) = msk_status(&session.aws).await? else { return Ok(()) };
    match runs(&cluster) {
        true => links(&cluster, via).await.map(drop).map_err(Failure::new),
        false => Ok(()),
    }
}

/// Whether processes stand for the brokers of the cluster: the sandbox has a Kafka, and they have a listener in plaintext.
fn runs(cluster: &MskStatus) -> bool {
    let plaintext = cluster.listeners.iter().any(|one| one.method == "plaintext");
    plaintext && matches!(distribution(), Ok(Some(_)))
}

/// The way to the processes, once they agree with MSK and serve.
///
/// # Errors
/// Why there are none.
pub async fn links(cluster: &MskStatus, via: &Via) -> Result<Reached, String> {
    if !runs(cluster) {
        return Err("the sandbox runs no brokers of MSK".to_owned());
    }
    let told = |error: SandboxError| format!("{error}: {}", error.hint());
    let distribution = distribution().map_err(told)?.ok_or("the sandbox runs no Kafka")?;
    let broker = |one: &MskBroker| {
        let address = one.address.as_ref()?.parse().ok()?;
        Some(Broker { id: one.id, address, zone: one.zone.clone()? })
    };
    let brokers: Vec<Broker> = cluster.brokers.iter().filter_map(broker).collect();
    let processes = MskProcesses::of(&cluster.arn);
    let version = cluster.kafka.clone().unwrap_or_default();
    let settled = processes.settle(&distribution, &version, &brokers).map_err(told)?;
    let nodes: BTreeMap<u32, Server> =
        settled.brokers.iter().map(|(id, address)| (*id, Server::from(*address))).collect();
    let servers: Vec<Server> = nodes.values().cloned().collect();
    let link = || Link { security: Security::default(), way: Way::new(via.clone(), None) };
    if settled.started {
        let ids: BTreeSet<u32> = nodes.keys().copied().collect();
        let link = link();
        let serving =
            health::wait_until(&servers, &link, SERVES, |cluster| cluster.not_serving(&ids).into_values().collect());
        serving.await.map_err(|why| format!("the sandbox's brokers of MSK don't serve: {}", why.join("; ")))?;
    }
    // What MSK does with brokers that it has taken away.
    for id in settled.ended {
        let others = Brokers::new(servers.clone(), link(), &|| true);
        let request = UnregisterBrokerRequest::default().with_broker_id(BrokerId(id.cast_signed()));
        let asked = others.ask(&request, &[(0, shape::UNREGISTER_BROKER_0)]).await;
        asked.map_err(|error| format!("broker {id} can't be unregistered: {error}"))?;
        processes.forget(id);
    }
    Ok(Reached { servers, nodes, link: link() })
}
