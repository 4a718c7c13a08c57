//! Waiting and retrying, each written once: growing pauses with jitter, polling with a time limit, and repeating calls whose
//! errors may pass.

use std::time::{Duration, Instant};

use crate::error::{Class, StepError};

/// How long pauses are: the first, by which factor they grow, and the longest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    pub first: Duration,
    pub factor: f64,
    pub longest: Duration,
}

impl Backoff {
    /// For a state that AWS reaches in seconds or minutes.
    pub const STATE: Backoff = Backoff::new(200, 1.5, 10_000);
    /// For a state that many wait for at once with one shared call.
    pub const SHARED: Backoff = Backoff::new(50, 1.25, 2_000);
    /// For what AWS works on for a long time, such as a cluster.
    pub const LONG: Backoff = Backoff::new(100, 1.25, 10_000);
    /// For a resource that may not be visible yet.
    pub const VISIBLE: Backoff = Backoff::new(250, 2.0, 5_000);
    /// For a call that was refused.
    pub const RETRY: Backoff = Backoff::new(250, 2.0, 10_000);
    /// For what Kafka tells of itself: so often that a roll goes on within a second after the last replica is in sync.
    pub const KAFKA: Backoff = Backoff::new(500, 1.0, 500);
    /// Once a second.
    pub const SECOND: Backoff = Backoff::new(1_000, 1.0, 1_000);

    const fn new(first_ms: u64, factor: f64, longest_ms: u64) -> Backoff {
        Backoff { first: Duration::from_millis(first_ms), factor, longest: Duration::from_millis(longest_ms) }
    }

    /// The pauses from the first on.
    pub fn pauses(self) -> Pauses {
        Pauses { next: self.first, backoff: self }
    }
}

/// The pauses of one wait.
#[derive(Debug)]
pub struct Pauses {
    next: Duration,
    backoff: Backoff,
}

impl Pauses {
    /// The next pause, without jitter.
    fn take(&mut self) -> Duration {
        let pause = self.next;
        self.next = pause.mul_f64(self.backoff.factor).min(self.backoff.longest);
        pause
    }

    /// Sleeps for the next pause, but not for longer than `most`.
    pub async fn sleep(&mut self, most: Duration) {
        tokio::time::sleep(jitter(self.take()).min(most)).await;
    }
}

/// `pause`, made up to a quarter shorter or longer by chance, so that many processes do not call at the same moment.
pub fn jitter(pause: Duration) -> Duration {
    pause.mul_f64(0.75 + fastrand::f64() / 2.0)
}

/// What one look found.
#[derive(Debug)]
pub enum Look<T> {
    Ready(T),
    /// Not yet; what is still missing, for the error at the end of the time. May be empty.
    Missing(String),
}

/// Whether an error of this class may pass by itself while something is waited for.
pub fn may_pass(class: Class) -> bool {
    matches!(class, Class::Throttled | Class::Unknown)
}

/// Looks again and again until it is ready. The last look begins when `limit` has passed, not before.
///
/// # Errors
/// The error of `look`; or that `what` took longer than `limit`.
pub async fn poll<T>(
    what: &str,
    limit: Duration,
    backoff: Backoff,
    mut look: impl AsyncFnMut() -> Result<Look<T>, StepError>,
) -> Result<T, StepError> {
    let start = Instant::now();
    let mut pauses = backoff.pauses();
    loop {
        let last = start.elapsed() >= limit;
        let missing = match look().await? {
            Look::Ready(found) => return Ok(found),
            Look::Missing(missing) => missing,
        };
        if last {
            return Err(StepError::Timeout { what: what.to_owned(), limit, missing });
        }
        pauses.sleep(limit.saturating_sub(start.elapsed())).await;
    }
}

/// Looks again and again until it is ready, however long it takes, as long as there are answers. Errors that may pass are
/// tolerated for `silence` from the last answer on.
///
/// # Errors
/// The error of `look`.
pub async fn follow<T>(
    silence: Duration,
    backoff: Backoff,
    mut look: impl AsyncFnMut() -> Result<Look<T>, StepError>,
) -> Result<T, StepError> {
    let (mut pauses, mut heard) = (backoff.pauses(), Instant::now());
    loop {
        match look().await {
            Ok(Look::Ready(found)) => return Ok(found),
            Ok(Look::Missing(_)) => heard = Instant::now(),
            Err(error) if may_pass(error.class()) && heard.elapsed() < silence => {}
            Err(error) => return Err(error),
        }
        pauses.sleep(Duration::MAX).await;
    }
}

/// How long a call is repeated while AWS throttles it or its answer is lost, from the first refusal on.
pub const RETRY_LIMIT: Duration = Duration::from_secs(120);
/// How long a resource that was just made may be invisible to a call that uses it.
pub const VISIBLE_LIMIT: Duration = Duration::from_secs(60);
/// How long a resource that is to be deleted may still be in use.
const IN_USE_LIMIT: Duration = Duration::from_secs(300);
/// How often a throttled call is made at least.
const THROTTLED_TRIES: u32 = 6;

/// The refusals of one call so far.
#[derive(Debug)]
pub struct Retries {
    first: Option<Instant>,
    count: u32,
    most: Duration,
    pauses: Pauses,
}

impl Retries {
    /// None yet; whatever the error, the call is not repeated for longer than `most`.
    pub fn within(most: Duration) -> Retries {
        Retries { first: None, count: 0, most, pauses: Backoff::RETRY.pauses() }
    }

    /// Whether the call that ended in `error` is to be made again; it has paused then. A throttled call may wait for its turn
    /// longer than the limit, so it is made some times in any case.
    pub async fn again(&mut self, error: &StepError) -> bool {
        let Some(limit) = limit(error.class()).map(|limit| limit.min(self.most)) else { return false };
        self.count += 1;
        let first = *self.first.get_or_insert_with(Instant::now);
        let throttled = error.class() == Class::Throttled && self.count < THROTTLED_TRIES;
        let again = first.elapsed() < limit || throttled;
        if again {
            self.pauses.sleep(limit).await;
        }
        again
    }
}

/// How long a call that ended in an error of this class is repeated; `None` when that would not help.
fn limit(class: Class) -> Option<Duration> {
    match class {
        Class::Throttled | Class::Unknown | Class::AlreadyDone => Some(RETRY_LIMIT),
        Class::NotFound => Some(VISIBLE_LIMIT),
        Class::InUse => Some(IN_USE_LIMIT),
        Class::Denied | Class::Credentials | Class::Clock | Class::Conflict | Class::LeaseEnded | Class::Other => None,
    }
}

/// Repeats `call`, which may run again at any time, while its errors may pass.
///
/// # Errors
/// The last error of `call`.
pub async fn retry<E: Into<StepError>>(call: impl AsyncFn() -> Result<(), E>) -> Result<(), StepError> {
    let mut retries = Retries::within(Duration::MAX);
    loop {
        let Err(error) = call().await.map_err(E::into) else { return Ok(()) };
        if !retries.again(&error).await {
            return Err(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_longest() {
        let mut pauses = Backoff::new(100, 2.0, 300).pauses();
        let taken: Vec<u128> = (0..4).map(|_| pauses.take().as_millis()).collect();
        assert_eq!(taken, [100, 200, 300, 300]);
    }

    #[test]
    fn a_roll_goes_on_within_a_second_after_the_last_replica_is_in_sync() {
        let mut pauses = Backoff::KAFKA.pauses();
        // With the most that jitter adds, there is a third of a second left to ask in, and each pause is the same.
        assert!((0..100).all(|_| jitter(pauses.take()) < Duration::from_millis(667)));
    }

    #[tokio::test]
    async fn a_poll_looks_once_more_at_the_end_of_its_time_and_says_what_was_missing() {
        let mut looks = 0;
        let none = poll::<()>("the port", Duration::ZERO, Backoff::SHARED, async || {
            looks += 1;
            Ok(Look::Missing(format!("look {looks}")))
        });
        let error = none.await.expect_err("it is never ready").to_string();
        assert_eq!(error, "the port took longer than 0 s: look 1");
        let mut looks = 0;
        let third = poll("the port", Duration::from_secs(60), Backoff::new(1, 1.0, 1), async || {
            looks += 1;
            Ok(if looks == 3 { Look::Ready(looks) } else { Look::Missing(String::new()) })
        });
        assert_eq!(third.await.ok(), Some(3));
    }

    #[tokio::test]
    async fn only_errors_that_may_pass_are_repeated() {
        let tries = std::cell::Cell::new(0);
        let result = retry(async || -> Result<(), StepError> {
            tries.set(tries.get() + 1);
            Err(StepError::Internal("no".to_owned()))
        });
        assert!(result.await.is_err());
        assert_eq!(tries.get(), 1);
    }
}
