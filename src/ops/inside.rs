//! What Kafka has inside of a stack's cluster: asked for a plan, and reached while one runs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddrV4;
use std::time::Duration;

use super::Task;
use super::kafka::{brokers, last_words, launch, link, link_to, local_brokers, told_of_nobody};
use super::msk::{self, Reached};
use super::rebalance::orders_of_plan;
use crate::aws::Aws;
use crate::aws::kinds::msk_status;
use crate::aws::restart::{Host, instance_state, running, start_all, stop_all, stopped};
use crate::error::StepError;
use crate::health::{self, shortened};
use crate::inside::{Hosts, Kafka, Keeper, Mover, Opening, Users, discover};
use crate::kafka::{Brokers, Server, Via, features};
use crate::roll::{KafkaAccess, brokers_at, trust};
use crate::sandbox::kafka::{distribution, loopback};
use crate::session::{Observation, Session, changes_kafka};
use kstack_core::check::Parsed;
use kstack_core::choose::{PlanningInput, settle};
use kstack_core::cloud_init::SCRAM_PORT;
use kstack_core::design::{Design, node_id};
use kstack_core::engines::Engine;
use kstack_core::engines::ec2::keys::VolumeType;
use kstack_core::evacuation;
use kstack_core::features::Levels;
use kstack_core::kinds::broker::leaves;
use kstack_core::kinds::{self, Instance, MskCluster, NetworkInterface, Volume, voter};
use kstack_core::moves::Marks;
use kstack_core::observed::{Inside, Observed};
use kstack_core::stack::Stack;

/// How long new brokers may take until all of them serve.
const SERVE_TIMEOUT: Duration = Duration::from_secs(600);

/// By which way a plan asks brokers.
#[derive(Clone, Copy)]
pub struct Looking<'a> {
    pub sandbox: bool,
    pub via: &'a Via,
}

impl<'a> From<&Task<'a>> for Looking<'a> {
    fn from(task: &Task<'a>) -> Looking<'a> {
        Looking { sandbox: task.sandbox, via: task.via }
    }
}

/// Asks AWS for everything that planning `parsed` needs; and the brokers, where the file has anything that only they know.
///
/// # Errors
/// The first call to AWS that failed. Brokers that can't be asked are no error: what they have is not known then.
pub async fn look(session: &Session, parsed: &Parsed, looking: Looking<'_>) -> Result<Observation, StepError> {
    let mut seen = session.look(parsed).await?;
    let stack = &settle(&parsed.stack, &seen.input.observed, seen.input.record.as_ref());
    // Of users that are no longer in the file the cluster may have rights still.
    let asked = Asked {
        applied: seen.input.record.as_ref().is_some_and(|record| record.applies > 0),
        moves: may_move(stack, &seen.input),
        quorum: may_vote(stack, &seen.input),
        features: may_finalize(stack, &seen.input),
    };
    let users = stack.has_inside() || !made(&seen.input.observed).is_empty();
    let others = may_have_others(stack, &seen.input);
    if users || others || asked.moves || asked.quorum || asked.features {
        Box::pin(ask(session, stack, &mut seen.input.observed, asked, looking)).await;
    }
    Ok(seen)
}

/// What of a stack's brokers is asked for, beside what the file has.
#[derive(Clone, Copy)]
struct Asked {
    /// Whether an apply of the stack was ever complete.
    applied: bool,
    /// Whether partitions may have to move.
    moves: bool,
    /// Whether another may have to vote in the controllers' quorum.
    quorum: bool,
    /// Whether features may be behind, or ahead of the file's Kafka.
    features: bool,
}

/// Whether another Kafka than that of the file runs, or has run since features were finalized.
fn may_finalize(stack: &Stack, input: &PlanningInput) -> bool {
    let unfinalized = input.record.as_ref().is_some_and(|record| record.unfinalized);
    stack.cluster.ec2.is_some() && (unfinalized || changes_kafka(stack, &input.observed))
}

/// Whether brokers may have other settings than the file's: a host started with others, or all were given some since.
fn may_have_others(stack: &Stack, input: &PlanningInput) -> bool {
    let hosts = input.observed.of::<Instance>();
    let given = input.record.as_ref().is_some_and(|record| record.settings) && !hosts.is_empty();
    stack.cluster.ec2.is_some() && (given || hosts.values().any(|(_, host)| host.is_behind(stack, false)))
}

/// Whether partitions may have to move: brokers are added or taken away, or an apply did not come to its end. Those of Express brokers are MSK's.
fn may_move(stack: &Stack, input: &PlanningInput) -> bool {
    let (interfaces, begun) = (input.observed.of::<NetworkInterface>(), input.record.as_ref());
    let unfinished = begun.is_some_and(|record| record.resources.is_none());
    if let Some(brokers) = stack.cluster.msk.as_ref().filter(|msk| msk.standard()).and_then(|msk| msk.brokers.as_ref())
    {
        let live = input.observed.of::<MskCluster>().remove("main").and_then(|(_, live)| live.standard());
        return live.is_some_and(|live| unfinished || live.brokers != brokers.count);
    }
    let Some(ec2) = &stack.cluster.ec2 else { return false };
    let missing = ec2.brokers.ids().any(|number| !interfaces.contains_key(format!("broker-{number}").as_str()));
    let left = input.observed.live.keys().any(|address| leaves(stack, kinds::owner(address)));
    left || missing || unfinished
}

/// Whether the controllers' quorum may have to change: hosts of controllers are added or taken away, a volume of theirs is new or was lost, or
/// an apply did not come to its end.
fn may_vote(stack: &Stack, input: &PlanningInput) -> bool {
    let Some(ec2) = &stack.cluster.ec2 else { return false };
    let role = if ec2.combined { "broker" } else { "controller" };
    let (volumes, begun) = (input.observed.of::<Volume>(), input.record.as_ref());
    let names = (1..=ec2.voters()).map(|number| format!("{role}-{number}"));
    let wanted: BTreeSet<u32> = names.clone().filter_map(|name| node_id(&name)).collect();
    let is_first =
        |volume: &Volume| volume.joins.is_none() && volume.first_voters().is_none_or(|first| first == wanted);
    // One on disks of its own has no volume, and the quorum stays as it was made.
    let as_made = |name: String| match volumes.get(name.as_str()) {
        Some((_, volume)) => is_first(volume),
        None => ec2.brokers.storage.kind == VolumeType::InstanceStore && ec2.combined,
    };
    let left = input.observed.live.keys().any(|address| voter::leaves(stack, kinds::owner(address)));
    left || begun.is_some_and(|record| record.resources.is_none()) || !names.into_iter().all(as_made)
}

/// The users that kstack has made, whether the file has them or no more.
fn made(observed: &Observed) -> BTreeSet<String> {
    observed.made_users().into_iter().map(ToString::to_string).collect()
}

/// Asks the brokers of what is `observed`.
async fn ask(session: &Session, stack: &Stack, observed: &mut Observed, asked: Asked, looking: Looking<'_>) {
    if looking.sandbox && !matches!(distribution(), Ok(Some(_))) || told_of_nobody() {
        observed.inside = Inside::Unknown("the sandbox runs no Kafka".to_owned());
        return;
    }
    let runs = match Engine::of(stack) {
        Engine::Ec2 => !observed.of::<Instance>().is_empty(),
        Engine::Msk => !observed.of::<MskCluster>().is_empty(),
    };
    // Volumes of brokers that ran have what was made before; those of a first apply that ended half-way have nothing.
    if !(runs || asked.applied && observed.has_cluster()) {
        observed.inside = Inside::Known;
        return;
    }
    let users = Users::new(Keeper { aws: &session.aws, via: looking.via }, made(observed), stack);
    let kafka = Kafka::new(stack, || Box::pin(reach(session, stack, observed, looking)))
        .with_users(users)
        .with_mover(mover(stack, looking.sandbox, evacuation::marks(observed)))
        .asking_moves(asked.moves)
        .asking_quorum(asked.quorum);
    let found = discover(&kafka).await;
    let told = if asked.features && found.is_ok() { features_of(&kafka).await } else { None };
    kafka.close().await;
    drop(kafka);
    match found {
        Ok(found) => {
            observed.tell(found);
            observed.features = told;
        }
        Err(StepError::Ended { why, .. }) if !why.is_empty() => observed.inside = Inside::Unknown(why),
        Err(error) => observed.inside = Inside::Unknown(error.to_string()),
    }
}

/// The levels of features that are finalized, where a broker tells.
async fn features_of(kafka: &Kafka<'_>) -> Option<Levels> {
    features::ask(kafka.brokers().await.ok()?, None).await.ok().map(|told| told.finalized)
}

/// The brokers of what is `observed`, which a plan only asks.
///
/// # Errors
/// Why none can be asked.
pub async fn reach<'a>(
    session: &Session,
    stack: &Stack,
    observed: &Observed,
    looking: Looking<'_>,
) -> Result<Brokers<'a>, StepError> {
    reach_to_write(session, stack, observed, looking, &|| false).await
}

/// The same, which may be changed while `may_write` says so.
///
/// # Errors
/// As [`reach`].
pub async fn reach_to_write<'a>(
    session: &Session,
    stack: &Stack,
    observed: &Observed,
    looking: Looking<'_>,
    may_write: &'a dyn Fn() -> bool,
) -> Result<Brokers<'a>, StepError> {
    match Engine::of(stack) {
        Engine::Ec2 => {
            let servers = by_id(brokers(observed, looking.sandbox));
            if servers.is_empty() {
                return Err(StepError::ended("Kafka can't be asked", "no broker runs"));
            }
            let link = link(session, looking.via, trust(observed).as_ref()).await?;
            Ok(Brokers::by_id(servers, link, may_write).with_scram(scram(stack, observed, looking.sandbox)))
        }
        Engine::Msk => of_msk(session, looking.via, may_write).await,
    }
}

/// The same as servers.
fn by_id(brokers: BTreeMap<u32, SocketAddrV4>) -> BTreeMap<u32, Server> {
    brokers.into_iter().map(|(id, address)| (id, address.into())).collect()
}

/// Where clients with passwords reach the brokers; nowhere, where the stack has no such listener.
fn scram(stack: &Stack, observed: &Observed, sandbox: bool) -> Vec<Server> {
    let has = stack.cluster.ec2.as_ref().is_some_and(|ec2| ec2.listeners.scram());
    let local = if has && sandbox { local_brokers(observed, "SCRAM") } else { Vec::new() };
    match has && !sandbox {
        true => brokers_at(observed, SCRAM_PORT).into_values().map(Server::from).collect(),
        false => local.into_iter().map(Server::from).collect(),
    }
}

/// The brokers of the session's MSK cluster, by the first way that leads there.
///
/// # Errors
/// Why none can be asked: by each way that was tried.
pub async fn of_msk<'a>(
    session: &Session,
    via: &Via,
    may_write: &'a dyn Fn() -> bool,
) -> Result<Brokers<'a>, StepError> {
    let none = |why: String| StepError::ended("Kafka can't be asked", why);
    let cluster = msk_status(&session.aws).await?.ok_or_else(|| none("there is no cluster".to_owned()))?;
    let mut reasons: Vec<String> = Vec::new();
    for Reached { servers, nodes, link } in msk::links(session, &cluster, via).await.map_err(none)? {
        let brokers = if nodes.is_empty() {
            Brokers::new(servers, link, may_write)
        } else {
            Brokers::by_id(nodes, link, may_write)
        };
        match brokers.reach().await {
            Ok(()) => return Ok(brokers),
            Err(error) => reasons.push(error.to_string()),
        }
        brokers.close().await;
    }
    reasons.dedup();
    Err(none(reasons.join("; ")))
}

/// How replicas are moved where a topic gets other copies, and where brokers are added or taken away.
fn mover(stack: &Stack, sandbox: bool, evacuated: Marks) -> Mover {
    Mover { orders: orders_of_plan(stack), one_disk: sandbox, managed: Engine::of(stack) == Engine::Msk, evacuated }
}

/// What a plan for `design` writes to, once its brokers serve. `kafka` is how they were asked before.
pub fn of<'a>(
    session: &'a Session,
    design: &'a Design,
    kafka: &'a KafkaAccess,
    task: &'a Task<'_>,
    may_write: &'a dyn Fn() -> bool,
) -> Kafka<'a> {
    let users = Users::new(Keeper { aws: &session.aws, via: task.via }, BTreeSet::new(), &design.stack);
    let open = move || -> Opening<'a> { Box::pin(serve(session, design, kafka, task, may_write)) };
    let mover = mover(&design.stack, task.sandbox, kafka.evacuated.clone());
    let kafka_of = Kafka::new(&design.stack, open).with_users(users).with_mover(mover);
    let kafka_of = if task.sandbox { kafka_of.with_addresses(loopback) } else { kafka_of };
    kafka_of.with_hosts(hosts(&session.aws, kafka))
}

/// How hosts of brokers that leave are stopped, and started where they have to be. A process that stands for one ends and starts with it.
fn hosts<'a>(aws: &'a Aws, kafka: &'a KafkaAccess) -> Hosts<'a> {
    Hosts {
        state: Box::new(move |name, id| {
            Box::pin(async move {
                let state = instance_state(aws, &id).await?;
                if state == Host::Stopped {
                    kafka.instance_ended(&name);
                }
                Ok(state)
            })
        }),
        stop: Box::new(move |name, id| {
            Box::pin(async move {
                let ids = BTreeSet::from([id]);
                stop_all(aws, &ids).await?;
                stopped(aws, &ids).await?;
                kafka.instance_ended(&name);
                Ok(())
            })
        }),
        start: Box::new(move |name, id| {
            Box::pin(async move {
                let ids = BTreeSet::from([id]);
                start_all(aws, &ids).await?;
                running(aws, &ids).await?;
                kafka.instance_resumed(&name)
            })
        }),
    }
}

/// Waits until the brokers of `design` serve.
async fn serve<'a>(
    session: &'a Session,
    design: &'a Design,
    kafka: &'a KafkaAccess,
    task: &'a Task<'_>,
    may_write: &'a dyn Fn() -> bool,
) -> Result<Brokers<'a>, StepError> {
    let stack = &design.stack;
    if Engine::of(stack) == Engine::Msk {
        session.aws.begin_round();
        return of_msk(session, task.via, may_write).await;
    }
    // Partitions may be out of sync: those of a broker that leaves, and is stopped.
    if kafka.local.is_some() {
        let launched = launch(session, design, kafka, task).await;
        launched.map_err(|failure| StepError::ended("Kafka can't be asked", failure.message))?;
    }
    let observed = session.observe().await?;
    let all = brokers(&observed, task.sandbox);
    // Those that leave may be stopped already.
    let wanted = design.hosts.iter().filter(|host| host.broker()).map(|host| host.cloud.node_id);
    let ids = wanted.filter(|id| all.contains_key(id)).collect();
    let nodes = by_id(all);
    let servers: Vec<Server> = nodes.values().cloned().collect();
    let own = match link_to(session, design, task).await? {
        Some(own) => own,
        None => link(session, task.via, None).await?,
    };
    let healthy =
        health::wait_until(&servers, &own, SERVE_TIMEOUT, |cluster| cluster.not_serving(&ids).into_values().collect());
    if let Err(reasons) = healthy.await {
        own.way.close().await;
        let words = kafka.local.as_ref().and_then(|local| last_words(local, design, &reasons));
        let why = [Some(shortened(&reasons)), words].into_iter().flatten().collect::<Vec<_>>().join("; ");
        return Err(StepError::ended("Kafka can't be asked", why));
    }
    Ok(Brokers::by_id(nodes, own, may_write).with_scram(scram(stack, &observed, task.sandbox)))
}
