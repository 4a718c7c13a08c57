//! One writer at a time: a lease in SSM Parameter Store, and the stack's record beside it.
//!
//! Lease N is the parameter `/kstack/STACK/lease/N`, made without overwriting. The next holder makes N+1, once N is released
//! or has expired: of two that try, Parameter Store lets one through. N is a fencing number. A holder writes to AWS only
//! while its own clocks say that its lease has not expired (see `aws::Fence`).

use std::time::{Duration, Instant, SystemTime};

use ipnet::Ipv4Net;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::aws::{Class, Clients, CloudError, Fence};
use crate::clock;

/// How long a lease lasts unless it is renewed, in seconds. It is renewed after a third of that.
pub const DURATION: Duration = Duration::from_secs(120);

/// [`DURATION`]. Tests of what happens when a lease ends can't wait for so long: only builds for tests take another time,
/// in seconds, from `KSTACK_TEST_LEASE`.
fn duration() -> Duration {
    let test = if cfg!(debug_assertions) { std::env::var("KSTACK_TEST_LEASE").ok() } else { None };
    test.and_then(|seconds| seconds.parse().ok()).map_or(DURATION, Duration::from_secs)
}

/// How long a holder may write after it took or renewed a lease: it stops some time before others may take over, for clocks
/// that differ.
fn term() -> Duration {
    duration() * 7 / 8
}

/// How long AWS may take to list what was just made. EC2 promises no time; its guide tells callers to look again with growing
/// pauses.
pub const LAG: Duration = Duration::from_secs(30);

/// [`LAG`] after the end of a holder that died. Only builds for tests take another time, in seconds, from `KSTACK_TEST_SETTLE`.
fn lag() -> SignedDuration {
    let test = if cfg!(debug_assertions) { std::env::var("KSTACK_TEST_SETTLE").ok() } else { None };
    let lag = test.and_then(|seconds| seconds.parse().ok()).map_or(LAG, Duration::from_secs);
    SignedDuration::try_from(lag).unwrap_or_default()
}

/// Who holds a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The caller's ARN.
    pub who: String,
    /// The machine and process.
    pub host: String,
    pub pid: u32,
    pub since: Timestamp,
    pub expires: Timestamp,
    #[serde(default)]
    pub released: bool,
    /// When everything is listed that a holder before has made, who died or was ended by `unlock`; absent when none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Timestamp>,
}

impl Holder {
    /// Whether the lease is held at `now`.
    pub fn holds(&self, now: Timestamp) -> bool {
        !self.released && now < self.expires
    }

    /// When everything is listed that this holder and those before have made; nothing when it is by `now`.
    fn settles(&self, now: Timestamp) -> Option<Timestamp> {
        // One that did not release its lease has died, with a call under way at worst when it last was allowed to write.
        let margin = SignedDuration::try_from(duration() - term()).unwrap_or_default();
        let own = self.expires.saturating_add(lag() - margin).ok().filter(|_| !self.released);
        // No longer than if it had ended just now, whatever another machine's clock said.
        let latest = now + lag();
        own.max(self.settled).filter(|at| *at > now).map(|at| at.min(latest))
    }
}

/// What no resource of the stack says by itself. It is not state: it can be made again from the tags.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Kafka's cluster id.
    pub cluster_id: String,
    pub made_at: Timestamp,
    /// The ARN of the caller that made the stack.
    pub made_by: String,
    /// When the stack goes by itself; never, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// How many resources the last apply left; absent from before an apply until it is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<usize>,
    /// How many applies were complete.
    #[serde(default)]
    pub applies: u64,
}

impl Record {
    /// What client tokens of this stack have in common until an apply is complete: until then a call that is repeated must
    /// be known as the same; afterwards not, since AWS remembers a token longer than what was made with it may live.
    pub fn life(&self) -> String {
        format!("{}/{}", self.made_at, self.applies)
    }
}

/// A stack's claim on an address block: the parameter `/kstack/_cidr/BLOCK`, made without overwriting, so that of many
/// stacks made at once from one file no two have the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    pub stack: String,
    pub block: Ipv4Net,
    /// With its stack, should that never be made.
    pub expires_at: Timestamp,
}

/// Why there is no lease.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Somebody else has it.
    #[error("another kstack process is changing the stack `{stack}`: {} on {} (process {}), since {}, lease {number} until {}",
        .holder.who, .holder.host, .holder.pid, .holder.since.strftime("%F %T UTC"), .holder.expires.strftime("%T UTC"))]
    Held { stack: String, number: u64, holder: Holder },
    #[error(transparent)]
    Cloud(#[from] CloudError),
}

/// A lease that this process holds and renews.
#[derive(Debug)]
pub struct Lease {
    clients: Clients,
    stack: String,
    pub number: u64,
    holder: Holder,
    fence: Fence,
    /// Dropping it ends the renewals, though not in the middle of a call.
    stop: watch::Sender<()>,
    renewing: JoinHandle<()>,
}

impl Lease {
    /// Takes the lease of `stack` for `caller`, and opens `fence` while it lasts.
    ///
    /// # Errors
    /// Who holds it; or AWS's answer.
    pub async fn take(clients: &Clients, stack: &str, caller: &str, fence: &Fence) -> Result<Lease, LeaseError> {
        let start = (Instant::now(), SystemTime::now());
        let metadata = clients.metadata(stack).await?;
        let now = clock::now();
        let last = metadata.leases.last_key_value();
        if let Some((number, holder)) = last.filter(|(_, holder)| holder.holds(now)) {
            return Err(LeaseError::Held { stack: stack.to_owned(), number: *number, holder: holder.clone() });
        }
        let number = last.map_or(1, |(number, _)| number + 1);
        let holder = Holder {
            who: caller.to_owned(),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            pid: std::process::id(),
            since: now,
            expires: now + SignedDuration::try_from(duration()).unwrap_or_default(),
            released: false,
            settled: last.and_then(|(_, holder)| holder.settles(now)),
        };
        match clients.put_lease(stack, number, &holder, false).await {
            Err(error) if error.class == Class::Conflict => {
                // Somebody was faster; or our own first try arrived and its answer did not.
                let held = clients.metadata(stack).await?.leases.remove(&number);
                match held {
                    Some(other) if other == holder => {}
                    Some(holder) => return Err(LeaseError::Held { stack: stack.to_owned(), number, holder }),
                    None => return Err(error.into()),
                }
            }
            other => other?,
        }
        fence.allow(start, term());
        // The one before stays: who does not see this one listed yet would begin with a number that was used long ago, and finds
        // this one's taken. What is left of older leases does no harm: the highest number counts.
        let old =
            metadata.leases.into_keys().filter(|old| old + 1 < number).map(|old| format!("lease/{old}")).collect();
        let _ = clients.delete_metadata(stack, old).await;
        let (stop, stopped) = watch::channel(());
        let renewing = renew(clients.clone(), stack.to_owned(), number, holder.clone(), fence.clone(), stopped);
        let renewing = tokio::spawn(renewing);
        Ok(Lease {
            clients: clients.clone(),
            stack: stack.to_owned(),
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
    pub async fn release(mut self, stack_gone: bool, maybe_applied: bool) -> Result<(), CloudError> {
        // A renewal that is under way is waited for: should it come after what follows, the lease would seem to be held.
        drop(self.stop);
        let _ = self.renewing.await;
        // A lease that was lost is not released. What it would still delete is stopped by the fence, call by call.
        if !self.fence.open() && !stack_gone {
            return Ok(());
        }
        if stack_gone {
            // The stack's address block first: what is left of a stack always tells when it ends.
            self.clients.release_claims(&self.stack).await?;
            // Older leases too, should clearing them away have failed when this one was taken. This one goes last.
            let metadata = self.clients.metadata(&self.stack).await?;
            let leases = metadata
                .leases
                .into_keys()
                .filter(|number| *number < self.number)
                .map(|number| format!("lease/{number}"));
            let names = leases.chain(["record".to_owned(), format!("lease/{}", self.number)]).collect();
            let deleted = self.clients.delete_metadata(&self.stack, names).await;
            self.fence.shut();
            return deleted;
        }
        self.fence.shut();
        self.holder.released = true;
        if maybe_applied {
            self.holder.settled = Some(clock::now() + lag());
        }
        self.clients.put_lease(&self.stack, self.number, &self.holder, true).await
    }
}

/// Renews the lease until `stopped`, as long as it has not ended.
async fn renew(
    clients: Clients,
    stack: String,
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
            // Whether somebody else has it by now is not known: it is not made longer. There is time for another try.
            Ok(_) | Err(_) => continue,
        }
        holder.expires = clock::now() + SignedDuration::try_from(duration()).unwrap_or_default();
        if clients.put_lease(&stack, number, &holder, true).await.is_ok() && fence.open() {
            fence.allow(start, term());
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
pub async fn unlock(clients: &Clients, stack: &str) -> Result<Option<(u64, Holder)>, CloudError> {
    let mut tries = 0;
    let mut whose = None;
    loop {
        let metadata = clients.metadata(stack).await?;
        let now = clock::now();
        // The dead one may have made something until just now.
        let settled = Some(now + lag());
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
        match clients.put_lease(stack, number.unwrap_or_default() + 1, &ended, false).await {
            // The late call was first; or another kstack has begun. Who that is shows when looking again.
            Err(error) if error.class == Class::Conflict && tries < 5 => {}
            Err(error) => return Err(error),
            Ok(()) => return Ok(whose),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_after_one_that_died_waits_until_all_is_listed_and_never_longer() {
        let at = |seconds: i64| Timestamp::from_second(1_000_000 + seconds).expect("a time");
        let holder = |expires: i64, released: bool, settled: Option<i64>| Holder {
            who: String::new(),
            host: String::new(),
            pid: 1,
            since: at(0),
            expires: at(expires),
            released,
            settled: settled.map(at),
        };
        // It could write until 15 s before its lease expired at 120; what it made then is listed 30 s later.
        let cases = [
            ("released in peace", holder(120, true, None), 60, None),
            ("died, and its lease has just expired", holder(120, false, None), 120, Some(135)),
            ("died long ago", holder(120, false, None), 135, None),
            ("ended by unlock at 50", holder(120, true, Some(80)), 60, Some(80)),
            ("ended by unlock long ago", holder(120, true, Some(80)), 80, None),
            ("died while it waited for another", holder(120, false, Some(80)), 120, Some(135)),
            ("another's clock is an hour ahead", holder(3720, true, Some(3630)), 60, Some(90)),
        ];
        for (case, holder, now, expected) in cases {
            assert_eq!(holder.settles(at(now)), expected.map(at), "{case}");
        }
        let endless = Holder { expires: Timestamp::MAX, ..holder(120, false, None) };
        assert_eq!(endless.settles(at(0)), Some(at(30)));
    }
}
