//! `extend`: moves the expiry of an ephemeral stack, without its file.

use jiff::Timestamp;

use super::{Failure, LeasePolicy, LeasedWork, Task, under_lease};
use crate::session::Session;
use kstack_core::expiry::{Lifetime, shown};
use kstack_core::model::Record;
use kstack_core::model::{Tags, tag};
use kstack_core::stack::TimeSpan;

/// Lets the stack live for `ttl` from now on, and returns when it expires.
///
/// # Errors
/// That there is no such stack, that it does not expire or expires later; AWS's answer.
pub async fn extend(session: &Session, ttl: TimeSpan, task: &Task<'_>) -> Result<Timestamp, Failure> {
    let (_, caller) = task.signals.unless_stopped(session.aws.clients.identity()).await?;
    under_lease(session, &caller, task, LeasePolicy::default(), async || {
        let result = work(session, ttl, task).await;
        // Where there is no stack, nothing is left of having looked.
        let stack_gone = matches!(result, Ok(None));
        let missing = || {
            Failure::new(format!("there is no stack {} in {}", session.name, session.region)).hint("see `kstack list`")
        };
        LeasedWork { result: result.and_then(|at| at.ok_or_else(missing)), stack_gone }
    })
    .await
}

/// When the stack now expires; nothing where there is none.
async fn work(session: &Session, ttl: TimeSpan, task: &Task<'_>) -> Result<Option<Timestamp>, Failure> {
    let name = &session.name;
    let metadata = session.aws.clients.metadata(name);
    let look = async { tokio::try_join!(session.observe(), metadata) };
    let (observed, metadata) = task.signals.unless_stopped(look).await?;
    let expiry = session.expiry();
    let now = expiry.now;
    let old = match Lifetime::of(&observed, metadata.record.as_ref(), None) {
        Lifetime::Nothing => return Ok(None),
        Lifetime::Until(at) => at,
        Lifetime::Lasting => return Err(Failure::new(format!("the stack {name} has no expiry; nothing was changed"))),
        Lifetime::Protected => {
            return Err(Failure::new(format!(
                "the stack {name} is protected and does not expire; nothing was changed"
            )));
        }
    };
    let new = expiry.end(ttl);
    if new <= old {
        let message = format!("the stack {name} expires later anyway, at {}; nothing was changed", shown(old, now));
        return Err(Failure::new(message).hint("use a longer --ttl: it counts from now"));
    }
    // The latest expiry counts, so the first of these writes is enough, and running again does the others.
    if let Some(record) = metadata.record {
        let record = Record { expires_at: Some(new), ..record };
        session.aws.clients.put_record(name, &record, true).await?;
    }
    session.retag(&observed, &Tags::from([(tag::EXPIRES.to_owned(), new.to_string())])).await?;
    Ok(Some(new))
}
