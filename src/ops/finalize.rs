//! `finalize`: raises the features of a stack's cluster to the level of the Kafka that every host runs, under the stack's lease. Nothing is
//! remembered: each run asks what is finalized, and raises the rest in one request, of which Kafka does all or nothing.

use std::time::Duration;

use super::inside::{Looking, look, reach_to_write};
use super::{Failure, LeasePolicy, LeasedWork, Task, guard, under_lease};
use crate::health::{self, shortened};
use crate::kafka::features::{self, Told};
use crate::kafka::{Brokers, BrokersError, Server};
use crate::session::{Session, make_plan};
use crate::wait::{Backoff, Look, jitter, poll};
use kstack_core::check::Parsed;
use kstack_core::design::Design;
use kstack_core::engines::Engine;
use kstack_core::features::{METADATA, Raise, raises};
use kstack_core::finalize::{Finalization, last_start, pending, remedy, unequal};
use kstack_core::model::Record;
use kstack_core::observed::Observed;
use kstack_core::plan::Source;
use kstack_core::stack::Stack;

/// How often a request without an answer is sent again: what it does twice it does once.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_secs(1);
/// How long brokers may take to hear of what the controllers have finalized.
const HEARD: Duration = Duration::from_secs(60);

/// The file that is finalized for.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub source: &'a Source,
    pub parsed: &'a Parsed,
}

/// What finalizing would do, and whether the stack's record says that something is left to do.
#[derive(Debug)]
pub struct Proposal {
    pub finalization: Finalization,
    pub noted: bool,
}

/// What is known before features are raised.
struct Seen {
    finalization: Finalization,
    record: Option<Record>,
}

/// Asks Kafka, which changes nothing, whether the features may be raised.
///
/// # Errors
/// Why they may not, with the remedy; that AWS or the brokers can't be asked.
pub async fn propose(session: &Session, request: Request<'_>, task: &Task<'_>) -> Result<Proposal, Failure> {
    let seen = asking(session, request, task, &|| false, async |_, seen| Ok(seen)).await?;
    let noted = seen.record.as_ref().is_some_and(|record| record.unfinalized);
    Ok(Proposal { finalization: seen.finalization, noted })
}

/// Raises the features, under the stack's lease. Where `approved` is not what there is to do by then, nothing is done.
///
/// # Errors
/// As [`propose`]; or that a signal came. Running again finishes.
pub async fn finalize(
    session: &Session,
    request: Request<'_>,
    approved: Option<&[Raise]>,
    task: &Task<'_>,
) -> Result<Finalization, Failure> {
    let (account, caller) = task.signals.unless_stopped(session.aws.clients.identity()).await?;
    guard(&request.parsed.stack, &account)?;
    let may_write = || session.fence.open();
    let work = async |brokers: &Brokers<'_>, seen: Seen| {
        let raises = &seen.finalization.raises;
        if approved.is_some_and(|approved| approved != raises.as_slice()) {
            return Err(Failure::new("what there is to finalize has changed since it was shown; nothing was changed")
                .hint("run it again"));
        }
        let stopped = "a signal came while features were raised: Kafka may have done that; run it again to see";
        task.signals.until_signal(stopped, raise(brokers, raises)).await?;
        if let Some(record) = &seen.record {
            session.note_finalized(record).await?;
        }
        Ok(seen.finalization)
    };
    let work = async || LeasedWork::on_stack(asking(session, request, task, &may_write, work).await);
    under_lease(session, &caller, task, LeasePolicy::default(), work).await
}

/// Looks at the stack and its brokers, sees that nothing is in the way, and does `work`.
async fn asking<'w, T>(
    session: &Session,
    request: Request<'_>,
    task: &Task<'_>,
    may_write: &'w dyn Fn() -> bool,
    work: impl AsyncFnOnce(&Brokers<'w>, Seen) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let stack = &request.parsed.stack;
    if Engine::of(stack) == Engine::Msk {
        return Err(
            Failure::new("the features of an MSK cluster are not kstack's to finalize").hint("MSK does that itself")
        );
    }
    let seen = task.signals.unless_stopped(Box::pin(look(session, request.parsed, Looking::from(task)))).await?;
    let observed = &seen.input.observed;
    let (design, plan) = make_plan(request.source, request.parsed, &seen.input, false);
    let design = design.filter(|_| plan.refusals.is_empty());
    let design =
        design.ok_or_else(|| Failure::new("the file can't be planned").hint("run `kstack plan` for the reasons"))?;
    if let Some(why) = pending(&plan, observed) {
        let failure = Failure::new(format!("{why}; nothing was changed"));
        return Err(failure.hint(
            "apply the file first, and finalize once the cluster has run so for as long as you want to be sure",
        ));
    }
    let brokers = Box::pin(reach_to_write(session, stack, observed, Looking::from(task), may_write)).await?;
    let done = async {
        let judged = judge(&brokers, stack, &design, observed);
        let finalization = task.signals.unless_stopped(Box::pin(judged)).await?;
        work(&brokers, Seen { finalization, record: seen.input.record.clone() }).await
    };
    let done = Box::pin(done).await;
    brokers.close().await;
    done
}

/// Sees that the cluster is well, that each broker supports what is to be finalized, and that Kafka would do it.
async fn judge(
    brokers: &Brokers<'_>,
    stack: &Stack,
    design: &Design,
    observed: &Observed,
) -> Result<Finalization, Failure> {
    let kafka =
        stack.cluster.ec2.as_ref().map(|ec2| ec2.kafka).ok_or_else(|| Failure::new("the stack has no hosts"))?;
    let hosts: Vec<(u32, &str)> =
        design.hosts.iter().filter(|host| host.broker()).map(|host| (host.cloud.node_id, host.name.as_str())).collect();
    let (nodes, link, _) = brokers.each();
    let servers: Vec<Server> = nodes.values().cloned().collect();
    let asked = health::ask(&servers, link).await;
    let health = asked.map_err(|error| Failure::new(format!("Kafka can't be asked: {error}")).hint(ELSEWHERE))?;
    let problems = health.problems(&hosts.iter().map(|(id, _)| *id).collect());
    if !problems.is_empty() {
        let why = format!("the cluster is not well: {}; nothing was changed", shortened(&problems));
        return Err(Failure::new(why).hint("finalize once `kstack status` says that it is healthy"));
    }
    let one = |(id, host): &(u32, &str)| {
        let (id, host) = (*id, (*host).to_owned());
        async move { Ok::<_, BrokersError>((host, features::ask(brokers, Some(id)).await?)) }
    };
    let told = futures::future::try_join_all(hosts.iter().map(one)).await.map_err(unanswered)?;
    let supported: Vec<_> = told.iter().map(|(host, told)| (host.clone(), told.supported.clone())).collect();
    if let Some(why) = unequal(&supported) {
        let hint = format!("see that Kafka {kafka} runs on it (`kstack status`), and apply again");
        return Err(Failure::new(format!("{why}; nothing was changed")).hint(hint));
    }
    // They support the same. One may not have heard yet of what is finalized, and what is raised twice is raised once.
    let (_, Told { supported, finalized }) = told.first().ok_or_else(|| Failure::new("the stack has no brokers"))?;
    let raises = raises(kafka.numbers(), supported, finalized);
    if !raises.is_empty() {
        let metadata = finalized.get(METADATA).copied().unwrap_or_default();
        again(async || features::update(brokers, &raises, true).await).await.map_err(|error| match &error {
            BrokersError::Refused(words) => {
                let failure =
                    Failure::new(format!("Kafka would not finalize the features: {words}; nothing was changed"));
                failure.hint(remedy(words, design, observed, metadata))
            }
            _ => unanswered(error),
        })?;
    }
    Ok(Finalization {
        stack: stack.name.to_string(),
        region: stack.region.to_string(),
        kafka: kafka.to_string(),
        raises,
        last_start: last_start(design, observed),
    })
}

const ELSEWHERE: &str = "run it where the brokers can be reached, or with --via; see `kstack status`";

fn unanswered(error: BrokersError) -> Failure {
    Failure::new(format!("Kafka can't be asked: {error}")).hint(ELSEWHERE)
}

/// Raises the features, and waits until every broker has heard of it.
async fn raise(brokers: &Brokers<'_>, raises: &[Raise]) -> Result<(), Failure> {
    let failed = |error: BrokersError| {
        let failure = Failure::new(format!("the features were not finalized: {error}"));
        failure.hint("run it again: it goes on with what is left")
    };
    if raises.is_empty() {
        return Ok(());
    }
    again(async || features::update(brokers, raises, false).await).await.map_err(failed)?;
    let nodes: Vec<u32> = brokers.nodes().collect();
    let heard = poll("Kafka's features", HEARD, Backoff::SHARED, async || {
        for node in &nodes {
            let behind = match features::ask(brokers, Some(*node)).await {
                Err(error) => Some(error.to_string()),
                Ok(told) => raises.iter().find_map(|one| {
                    let level = told.finalized.get(&one.feature).copied().unwrap_or_default();
                    (level < one.to).then(|| format!("broker {node} has {} at {level}", one.feature))
                }),
            };
            if let Some(why) = behind {
                return Ok(Look::Missing(why));
            }
        }
        Ok(Look::Ready(()))
    });
    Ok(heard.await?)
}

/// Sends a request that may be sent twice, until there is an answer.
async fn again(mut send: impl AsyncFnMut() -> Result<(), BrokersError>) -> Result<(), BrokersError> {
    for _ in 1..TRIES {
        match send().await {
            Err(BrokersError::Lost(_) | BrokersError::Unasked(_)) => tokio::time::sleep(jitter(PAUSE)).await,
            done => return done,
        }
    }
    send().await
}
