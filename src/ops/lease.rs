//! Working under a stack's lease: take it, wait until a crashed holder's resources are visible, work, and release it. Written
//! once, since it is what keeps two from writing at once.

use std::time::{Duration, Instant};

use super::failure::{Failure, INTERRUPTED};
use super::{Signals, Task};
use crate::error::StepError;
use crate::lease::{Lease, Seen};
use crate::session::Session;
use crate::wait::Backoff;

/// What was done under a lease.
#[derive(Debug)]
pub struct LeasedWork<T> {
    pub result: Result<T, Failure>,
    /// Nothing is left of the stack, so nothing may be left of its record and leases.
    pub stack_gone: bool,
}

impl<T> LeasedWork<T> {
    /// Work after which the stack still exists.
    pub fn on_stack(result: Result<T, Failure>) -> LeasedWork<T> {
        LeasedWork { result, stack_gone: false }
    }

    /// Work whose success means that nothing is left of the stack.
    pub fn deleting(result: Result<T, Failure>) -> LeasedWork<T> {
        LeasedWork { stack_gone: result.is_ok(), result }
    }

    /// How the lease is to be released.
    fn release(&self) -> Release {
        let failed = self.result.as_ref().err();
        Release { stack_gone: self.stack_gone, maybe_applied: failed.is_some_and(|failure| failure.maybe_applied) }
    }

    /// The result, once the lease is released: why the work failed comes before why the release did.
    fn conclude(self, released: Result<(), Failure>) -> Result<T, Failure> {
        let value = self.result?;
        released.map(|()| value)
    }
}

/// How a lease is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Release {
    stack_gone: bool,
    /// AWS may have done more than was confirmed, so the next holder waits until that is visible.
    maybe_applied: bool,
}

/// How the lease is taken.
#[derive(Debug, Default)]
pub struct LeasePolicy {
    /// The stack's leases, where they were read already: see [`caller_and_leases`].
    pub seen: Option<Seen>,
    /// How long to wait for another holder to finish.
    pub wait: Duration,
    /// A signal cuts neither taking nor releasing short: other stacks are being worked on anyway.
    pub uncut: bool,
}

/// After a signal, the calls of the lease still get this long. With the executor's own three seconds the command ends within
/// five.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(1500);
/// The same, counted from the signal.
const SHUTDOWN_TOTAL: Duration = Duration::from_millis(4500);

/// Account and ARN of the caller, and the stack's leases, which are asked for together. That the leases can't be read is said when one is to be
/// taken: the caller, and whether the account is the right one, come first.
///
/// # Errors
/// That the caller is not known.
pub async fn caller_and_leases(session: &Session) -> Result<((String, String), LeasePolicy), StepError> {
    let clients = &session.aws.clients;
    let (caller, seen) = futures::join!(clients.identity(), Seen::read(clients, &session.name));
    Ok((caller?, LeasePolicy { seen: Some(seen), ..LeasePolicy::default() }))
}

/// Runs `work` while this process holds the stack's lease.
///
/// # Errors
/// Who holds the lease; that a signal came; the failure of `work`; or that the lease could not be released.
pub async fn under_lease<T>(
    session: &Session,
    caller: &str,
    task: &Task<'_>,
    policy: LeasePolicy,
    work: impl AsyncFnOnce() -> LeasedWork<T>,
) -> Result<T, Failure> {
    let never = task.signals.never_stopping();
    let signals = if policy.uncut { &never } else { task.signals };
    let lease = take(session, caller, signals, (policy.wait, policy.seen)).await?;
    let lease = after_pause(lease, task, signals).await?;
    let work = work().await;
    let released = release(lease, work.release(), signals).await;
    work.conclude(released)
}

/// Takes the lease, and waits up to `limit` for another holder.
async fn take(
    session: &Session,
    caller: &str,
    signals: &Signals,
    (limit, mut seen): (Duration, Option<Seen>),
) -> Result<Lease, Failure> {
    let (start, mut pauses) = (Instant::now(), Backoff::SECOND.pauses());
    loop {
        let lease = Lease::take(&session.aws.clients, &session.name, caller, &session.fence, seen.take());
        // Not dropped at once: what the call has made would be held until it expires.
        match signals.with_grace(SHUTDOWN_GRACE, lease).await {
            Err(failure) if failure.lease_held.is_some() && start.elapsed() < limit => {
                pauses.sleep(Duration::MAX).await;
            }
            taken => return taken,
        }
    }
}

/// The lease, once everything that a crashed holder made before is visible in AWS's lists.
async fn after_pause(lease: Lease, task: &Task<'_>, signals: &Signals) -> Result<Lease, Failure> {
    let Some(rest) = lease.consistency_delay() else { return Ok(lease) };
    task.note(&format!(
        "Waiting {} s for AWS to list what the previous, interrupted run created.",
        rest.as_secs_f64().ceil()
    ));
    let wait = async {
        tokio::time::sleep(rest).await;
        Ok::<_, Failure>(())
    };
    match task.signals.unless_stopped(wait).await {
        Ok(()) => Ok(lease),
        Err(failure) => {
            // Should the release fail, the lease expires; what is reported is the signal.
            let _ = release(lease, Release { stack_gone: false, maybe_applied: false }, signals).await;
            Err(failure)
        }
    }
}

async fn release(lease: Lease, how: Release, signals: &Signals) -> Result<(), Failure> {
    let meaning = if how.stack_gone {
        "the stack's record can't be deleted; run the command again"
    } else {
        "the lease can't be released; it expires within two minutes"
    };
    // Where no step was under way, what the executor did not use of the five seconds is left.
    let left = signals.first.get().map(|first| SHUTDOWN_TOTAL.saturating_sub(first.elapsed()));
    let grace = left.unwrap_or_default().max(SHUTDOWN_GRACE);
    let released = lease.release(how.stack_gone, how.maybe_applied);
    signals.with_grace(grace, released).await.map_err(|failure| match failure.code {
        INTERRUPTED => Failure { code: INTERRUPTED, ..Failure::new(meaning) },
        _ => failure.during(meaning),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(maybe_applied: bool) -> Result<u8, Failure> {
        Err(Failure { maybe_applied, ..Failure::new("it failed") })
    }

    #[test]
    fn a_lease_is_released_by_what_the_work_left() {
        let cases = [
            (LeasedWork::on_stack(Ok(1)), false, false),
            (LeasedWork::on_stack(failed(false)), false, false),
            (LeasedWork::on_stack(failed(true)), false, true),
            (LeasedWork::deleting(Ok(1)), true, false),
            (LeasedWork::deleting(failed(false)), false, false),
            (LeasedWork::deleting(failed(true)), false, true),
            // There was no such stack: an error, and nothing may be left of having looked.
            (LeasedWork { result: failed(false), stack_gone: true }, true, false),
        ];
        for (work, stack_gone, maybe_applied) in cases {
            assert_eq!(work.release(), Release { stack_gone, maybe_applied }, "{work:?}");
        }
    }

    #[test]
    fn why_the_work_failed_comes_before_why_the_release_did() {
        let release = || Err(Failure::new("not released"));
        let message = |work: LeasedWork<u8>, released| work.conclude(released).map_err(|failure| failure.message);
        assert_eq!(message(LeasedWork::on_stack(failed(false)), release()), Err("it failed".to_owned()));
        assert_eq!(message(LeasedWork::on_stack(Ok(1)), release()), Err("not released".to_owned()));
        assert_eq!(message(LeasedWork::on_stack(Ok(1)), Ok(())), Ok(1));
    }
}
