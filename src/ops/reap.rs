//! `reap`: destroys every expired stack, found by tags and metadata alone.

use futures::stream::{self, Stream, StreamExt as _};
use jiff::Timestamp;
use serde::Serialize;

use super::run::tear_down;
use super::{Failure, LeasePolicy, LeasedWork, Task, under_lease};
use crate::aws::Clients;
use crate::clock;
use crate::session::Session;
use crate::survey::{DiscoveredStack, survey};
use kstack_core::expiry::{Lifetime, shown};
use kstack_core::stack::{Name, Scalar as _};

/// Stacks that are destroyed at the same time: more would only wait for AWS's request limits.
const AT_ONCE: usize = 8;

/// What became of a stack.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub enum Ending {
    /// It would be destroyed.
    Due {
        resources: usize,
    },
    Destroyed {
        resources: usize,
    },
    /// Another process destroyed it first.
    Gone,
    /// Another process is working on it: most likely a reap elsewhere.
    Busy {
        reason: String,
    },
    /// Its expiry was extended, or removed.
    Kept {
        reason: String,
    },
    Failed {
        reason: String,
    },
}

/// What became of one stack.
#[derive(Debug, Serialize)]
pub struct Reaped {
    pub stack: String,
    pub region: String,
    #[serde(flatten)]
    pub ending: Ending,
}

/// The expired stacks of some regions.
#[derive(Default)]
pub struct Expired {
    stacks: Vec<(Clients, DiscoveredStack)>,
    /// Regions that did not answer, and why.
    pub failed_regions: Vec<(String, Failure)>,
}

/// Finds the expired stacks of `regions`.
pub async fn find(clients: &Clients, regions: Vec<String>) -> Expired {
    let surveys = regions.into_iter().map(|region| {
        let clients = clients.in_region(&region);
        async move { (region, survey(&clients).await, clients) }
    });
    let surveys: Vec<_> = stream::iter(surveys).buffer_unordered(AT_ONCE).collect().await;
    let now = clock::now();
    let mut expired = Expired::default();
    for (region, found, clients) in surveys {
        match found {
            Ok(found) => {
                let due = found.into_iter().filter(|one| is_due(one, now));
                expired.stacks.extend(due.map(|one| (clients.clone(), one)));
            }
            Err(error) => expired.failed_regions.push((region, error.into())),
        }
    }
    expired
}

/// Destroys the expired stacks, or only tells what would be destroyed.
pub fn reap<'a>(
    expired: Expired,
    dry_run: bool,
    (account, caller): (&'a str, &'a str),
    task: &'a Task<'a>,
) -> impl Stream<Item = Reaped> + 'a {
    let work = expired.stacks.into_iter().map(move |(clients, found)| async move {
        let ending = match dry_run {
            true => Ending::Due { resources: found.observed.live.len() },
            false => reap_one(&clients, &found.name, account, caller, task).await,
        };
        Reaped { stack: found.name, region: clients.region, ending }
    });
    stream::iter(work).buffer_unordered(AT_ONCE)
}

/// Whether the stack has expired; also true of a lease that a crashed process left before it wrote anything else.
fn is_due(found: &DiscoveredStack, now: Timestamp) -> bool {
    match found.term() {
        Lifetime::Until(at) => at <= now,
        Lifetime::Nothing => !found.metadata.leases.is_empty() && !found.exists(now),
        Lifetime::Lasting | Lifetime::Protected => false,
    }
}

/// Destroys the stack under its lease, after another look at whether it has expired.
async fn reap_one(clients: &Clients, name: &str, account: &str, caller: &str, task: &Task<'_>) -> Ending {
    let failed = |failure: Failure| {
        let causes = failure.causes.into_iter();
        Ending::Failed { reason: [failure.message].into_iter().chain(causes).collect::<Vec<_>>().join(": ") }
    };
    if task.signals.count() > 0 {
        return failed(Failure::new("interrupted before it was started"));
    }
    let name = match Name::parse(name) {
        Ok(name) => name,
        Err(error) => return failed(Failure::new(error)),
    };
    let session = Session::beside(clients, &name);
    let policy = LeasePolicy { uncut: true, ..LeasePolicy::default() };
    let mut ending = None;
    let result = under_lease(&session, caller, task, policy, async || {
        let result = work(&session, account, task).await;
        ending = result.as_ref().ok().cloned();
        let stack_gone = matches!(result, Ok(Ending::Destroyed { .. } | Ending::Gone));
        LeasedWork { result, stack_gone }
    })
    .await;
    match (result, ending) {
        (Ok(ending), _) => ending,
        // Nothing was done that a lease which was not released would make worse.
        (Err(_), Some(ending @ (Ending::Gone | Ending::Kept { .. }))) => ending,
        (Err(Failure { lease_held: Some(holder), .. }), _) => {
            Ending::Busy { reason: format!("{} on {} (process {})", holder.who, holder.host, holder.pid) }
        }
        (Err(failure), _) => failed(failure),
    }
}

async fn work(session: &Session, account: &str, task: &Task<'_>) -> Result<Ending, Failure> {
    let (clients, name) = (&session.aws.clients, &session.name);
    let look = async { tokio::try_join!(session.observe(), clients.metadata(name), clients.claims()) };
    let (observed, metadata, claims) = task.signals.unless_stopped(look).await?;
    let claim = claims.iter().filter(|claim| claim.stack == **name).max_by_key(|claim| claim.expires_at);
    let now = clock::now();
    let reason = match Lifetime::of(&observed, metadata.record.as_ref(), claim) {
        Lifetime::Until(at) if at <= now => {
            let resources = tear_down(session, account, task).await?;
            return Ok(Ending::Destroyed { resources });
        }
        Lifetime::Nothing => return Ok(Ending::Gone),
        Lifetime::Until(at) => format!("it expires at {}", shown(at, now)),
        Lifetime::Lasting => "it has no expiry".to_owned(),
        Lifetime::Protected => "it is protected".to_owned(),
    };
    Ok(Ending::Kept { reason })
}
