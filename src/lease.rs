//! One writer at a time: a lease in SSM Parameter Store, and the stack's record beside it.
//!
//! Lease N is the parameter `/kstack/STACK/lease/N`, made without overwriting. The next holder makes N+1, once N is released
//! or has expired: of two that try, Parameter Store lets one through. N is a fencing token, whatever the value is. A lease is
//! dated by Parameter Store's clock, which its answers tell (see `clock`). A holder writes to AWS only while both of its own
//! clocks say that not so much time has passed since it asked (see `aws::Fence`).

use std::time::{Duration, Instant, SystemTime};

use jiff::SignedDuration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::aws::{Class, Clients, Fence};
use crate::clock;
use crate::error::StepError;
use kstack_core::model::{Holder, LEASE_SECONDS, StackMetadata};
use kstack_core::stack::Name;

/// How long a lease lasts unless it is renewed.
pub const DURATION: Duration = Duration::from_secs(LEASE_SECONDS.unsigned_abs());

/// [`DURATION`]. Tests of what happens when a lease ends can't wait for so long: only builds for tests take another time,
/// in seconds, from `KSTACK_TEST_LEASE`.
fn duration() -> Duration {
    let test = if cfg!(debug_assertions) { std::env::var("KSTACK_TEST_LEASE").ok() } else { None };
    test.and_then(|seconds| seconds.parse().ok()).map_or(DURATION, Duration::from_secs)
}

/// How long a holder may write after it took or renewed a lease: it stops some time before others may take over, because an answer
/// tells the time to the second, and clocks run at different speeds.
fn write_window() -> Duration {
    duration() * 7 / 8
}

/// The time between the end of writing and the end of the lease.
fn margin() -> SignedDuration {
    SignedDuration::try_from(duration() - write_window()).unwrap_or_default()
}

/// How long AWS may take to list what was just created: its lists are eventually consistent, and EC2 promises no time.
pub const LIST_DELAY: Duration = Duration::from_secs(30);

/// [`LIST_DELAY`] after the end of a crashed holder. Only builds for tests take another time, in seconds, from `KSTACK_TEST_SETTLE`.
fn lag() -> SignedDuration {
    let test = if cfg!(debug_assertions) { std::env::var("KSTACK_TEST_SETTLE").ok() } else { None };
    let lag = test.and_then(|seconds| seconds.parse().ok()).map_or(LIST_DELAY, Duration::from_secs);
    SignedDuration::try_from(lag).unwrap_or_default()
}

/// Why there is no lease.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Somebody else has it.
    #[error("another kstack process is changing the stack `{stack}`: {} on {} (process {}), since {}, lease {number} until {}",
        .holder.who, .holder.host, .holder.pid, .holder.since.strftime("%F %T UTC"), .holder.expires.strftime("%T UTC"))]
    Held { stack: String, number: u64, holder: Holder },
    /// No number is left for the next one.
    #[error("the lease {number} on the stack `{stack}` has the largest number, so that none can follow it")]
    Spent { stack: String, number: u64 },
    #[error(transparent)]
    Cloud(#[from] StepError),
}

/// For how long a stack's leases count as they were read. Others may take one after another meanwhile, and delete the older ones.
const FRESH: Duration = Duration::from_secs(1);

/// A stack's leases as they were read, and when that was begun.
#[derive(Debug)]
pub struct Seen {
    start: (Instant, SystemTime),
    metadata: Result<StackMetadata, StepError>,
}

impl Seen {
    /// Reads them.
    pub async fn read(clients: &Clients, stack: &Name) -> Seen {
        let start = (Instant::now(), SystemTime::now());
        Seen { start, metadata: clients.metadata(stack).await }
    }
}

/// A lease that this process holds and renews.
#[derive(Debug)]
pub struct Lease {
    clients: Clients,
    stack: Name,
    pub number: u64,
    holder: Holder,
    fence: Fence,
    /// Dropping it ends the renewals, though not in the middle of a call.
    stop: watch::Sender<()>,
    renewing: JoinHandle<()>,
}

impl Lease {
    /// Takes the lease of `stack` for `caller`, and opens `fence` while it lasts. `seen` are its leases, where they were just read:
    /// a writer's time counts from before that.
    ///
    /// # Errors
    /// Who holds it; or AWS's answer.
    pub async fn take(
        clients: &Clients,
        stack: &Name,
        caller: &str,
        fence: &Fence,
        seen: Option<Seen>,
    ) -> Result<Lease, LeaseError> {
        let Seen { start, metadata } = match seen.filter(|seen| seen.start.0.elapsed() < FRESH) {
            Some(seen) => seen,
            None => Seen::read(clients, stack).await,
        };
        let metadata = metadata?;
        let now = clock::now();
        let last = metadata.leases.last_key_value();
        if let Some((number, holder)) = last.filter(|(_, holder)| holder.holds(now)) {
            return Err(LeaseError::Held { stack: stack.to_string(), number: *number, holder: holder.clone() });
        }
        let number = metadata.next_lease();
        let holder = Holder {
            who: caller.to_owned(),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            pid: std::process::id(),
            since: now,
            expires: now + SignedDuration::try_from(duration()).unwrap_or_default(),
            released: false,
            settled: last.and_then(|(_, holder)| holder.visible_at(now, lag(), margin())),
        };
        match clients.put_lease(stack, number, &holder, false).await {
            Err(error) if error.class() == Class::Conflict => {
                // Another process took it first; or our own first try arrived and its answer was lost.
                let held = clients.metadata(stack).await?.leases.remove(&number);
                match held {
                    Some(other) if other.is_same(&holder) => {}
                    Some(other) if number == u64::MAX && !other.holds(clock::now()) => {
                        return Err(LeaseError::Spent { stack: stack.to_string(), number });
                    }
                    Some(holder) => return Err(LeaseError::Held { stack: stack.to_string(), number, holder }),
                    None => return Err(error.into()),
                }
            }
            other => other?,
        }
        fence.allow(start, write_window());
        // The previous lease is kept: a process that does not see this one listed yet tries to create this number, and gets a
        // conflict. Older leases that remain do no harm: the highest number counts.
        let old = metadata
            .leases
            .into_keys()
            .filter(|old| old.saturating_add(1) < number)
            .map(|old| format!("lease/{old}"))
            .collect();
        let (stop, stopped) = watch::channel(());
        let renewals = renew(clients.clone(), stack.clone(), number, holder.clone(), fence.clone(), stopped);
        let of_old = (clients.clone(), stack.clone());
        // Nothing waits for that but the release: neither the work nor a renewal.
        let renewing = tokio::spawn(async move {
            let (clients, stack) = of_old;
            let _ = futures::join!(clients.delete_metadata(&stack, old), renewals);
        });
        Ok(Lease {
            clients: clients.clone(),
            stack: stack.clone(),
            number,
            holder,
            fence: fence.clone(),
            stop,
            renewing,
        })
    }

    /// How long until everything that a crashed holder created is visible in AWS's lists. What is not visible would be created
    /// twice, or not be deleted.
    pub fn consistency_delay(&self) -> Option<Duration> {
        self.holder.settled.map(|at| at.duration_since(self.holder.since).unsigned_abs())
    }

    /// Releases the lease. `stack_gone` deletes the stack's record and leases too; `maybe_applied` makes the next holder wait until
    /// everything that a call without an answer may have created is visible.
    ///
    /// # Errors
    /// AWS's answer. The lease then expires.
    pub async fn release(self, stack_gone: bool, maybe_applied: bool) -> Result<(), StepError> {
        let Lease { clients, stack, number, mut holder, fence, stop, renewing } = self;
        // A renewal that is under way is waited for: if it came after the calls below, the lease would seem to be held.
        drop(stop);
        let _ = renewing.await;
        // A lease that was lost is not released. What it would still delete is stopped by the fence, call by call.
        if !fence.open() && !stack_gone {
            return Ok(());
        }
        let deleted = if stack_gone { forget(&clients, &stack, number).await } else { Ok(()) };
        let held = fence.open();
        fence.shut();
        match &deleted {
            Ok(()) if stack_gone => return Ok(()),
            // What could not be deleted is released, unless it may have been deleted after all, or be another's by now.
            Err(error) if error.maybe_applied() || error.class().ends_all() || !held => return deleted,
            _ => {}
        }
        holder.released = true;
        if maybe_applied {
            holder.settled = Some(clock::now() + lag());
        }
        let released = clients.put_lease(&stack, number, &holder, true).await;
        deleted.and(released)
    }
}

/// Deletes the claims of `stack`, its record, and its leases, `number` last.
async fn forget(clients: &Clients, stack: &Name, number: u64) -> Result<(), StepError> {
    // The claim on the address block first: the record that remains has the stack's expiry.
    clients.release_claims(stack).await?;
    // Older leases too, if deleting them failed when this one was taken.
    let metadata = clients.metadata(stack).await?;
    let leases = metadata.leases.into_keys().filter(|older| *older < number).map(|older| format!("lease/{older}"));
    let names = leases.chain(["record".to_owned(), format!("lease/{number}")]).collect();
    clients.delete_metadata(stack, names).await
}

/// Renews the lease until `stopped`, as long as it has not ended.
async fn renew(
    clients: Clients,
    stack: Name,
    number: u64,
    mut holder: Holder,
    fence: Fence,
    mut stopped: watch::Receiver<()>,
) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(duration() / 3) => {}
            _ = stopped.changed() => return,
        }
        let start = (Instant::now(), SystemTime::now());
        if !fence.open() {
            return;
        }
        // Somebody with a higher number, such as `unlock`, has ended this lease.
        match clients.metadata(&stack).await {
            Ok(metadata) if metadata.leases.keys().any(|other| *other > number) => return fence.shut(),
            Ok(_) if fence.open() => {}
            Err(error) if error.class().ends_all() => return,
            // Another process may have it by now, so it is not extended. There is time for another try.
            Ok(_) | Err(_) => continue,
        }
        holder.expires = clock::now() + SignedDuration::try_from(duration()).unwrap_or_default();
        if clients.put_lease(&stack, number, &holder, true).await.is_ok() && fence.open() {
            fence.allow(start, write_window());
        }
    }
}

/// Ends the lease on `stack`, and returns whose it was. For when its holder is known to have crashed.
///
/// It takes the next number in any case: a late call of the crashed holder for that number is then refused; and a holder that is
/// alive after all sees the number when it renews, and stops.
///
/// # Errors
/// AWS's answer.
pub async fn unlock(clients: &Clients, stack: &Name) -> Result<Option<(u64, Holder)>, StepError> {
    let mut tries = 0;
    let mut whose = None;
    loop {
        let metadata = clients.metadata(stack).await?;
        let now = clock::now();
        // The crashed holder may have created something until just now.
        let settled = Some(now + lag());
        let (next, numbers) = (metadata.next_lease(), metadata.leases.keys().copied().collect::<Vec<_>>());
        let (number, holder) = metadata.leases.into_iter().next_back().unzip();
        whose = whose.or(number.zip(holder.clone().filter(|holder| holder.holds(now))));
        let ended = match holder {
            Some(holder) => Holder { released: true, settled, ..holder },
            None => Holder {
                who: String::new(),
                host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
                pid: std::process::id(),
                since: now,
                expires: now,
                released: true,
                settled,
            },
        };
        tries += 1;
        // No number is left above the largest: they begin anew. The largest goes last, so that running again finds it.
        if number == Some(u64::MAX) && tries < 5 {
            for number in numbers {
                clients.delete_lease(stack, number).await?;
            }
            continue;
        }
        match clients.put_lease(stack, next, &ended, false).await {
            // The late call was first, or another kstack has started: the next look tells.
            Err(error) if error.class() == Class::Conflict && tries < 5 => {}
            Err(error) => return Err(error),
            Ok(()) => return Ok(whose),
        }
    }
}
