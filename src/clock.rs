//! The one clock by which stacks and leases are dated: AWS's, as its last answer told it, since machines' clocks differ.

use std::sync::{OnceLock, PoisonError, RwLock};
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

/// What `KSTACK_NOW` adds, for tests.
static SHIFT: OnceLock<SignedDuration> = OnceLock::new();

/// AWS's time at a moment of this process.
static HEARD: RwLock<Option<(Instant, Timestamp)>> = RwLock::new(None);

/// AWS's time now: what its last answer said and what has passed since. Before the first answer it is this machine's.
///
/// It is late by the way of that answer and by less than a second, and never early: an answer says when it was written, to the
/// second, and while a machine sleeps this clock stands still until the next answer.
pub fn now() -> Timestamp {
    let heard = *HEARD.read().unwrap_or_else(PoisonError::into_inner);
    let now = heard.map_or_else(machine, |(moment, at)| later(at, moment.elapsed()));
    seen(now)
}

/// A time that AWS dated, as [`now`] has it.
pub fn seen(at: Timestamp) -> Timestamp {
    at.checked_add(SHIFT.get().copied().unwrap_or_default()).unwrap_or(Timestamp::MAX)
}

/// AWS said in an answer that has just arrived that it was written at `at`.
pub fn heard(at: Timestamp) {
    let mut heard = HEARD.write().unwrap_or_else(PoisonError::into_inner);
    // Answers to calls at once arrive in any order: an older one does not set the clock back, unless AWS's own was.
    let late = |(moment, before): (Instant, Timestamp)| {
        let behind = later(before, moment.elapsed()).duration_since(at);
        behind.is_positive() && behind < ANSWER
    };
    if !heard.is_some_and(late) {
        *heard = Some((Instant::now(), at));
    }
}

/// How long an answer may be under way.
const ANSWER: SignedDuration = SignedDuration::from_mins(5);

fn later(at: Timestamp, passed: std::time::Duration) -> Timestamp {
    SignedDuration::try_from(passed).ok().and_then(|passed| at.checked_add(passed).ok()).unwrap_or(Timestamp::MAX)
}

/// This machine's clock. Only builds for tests let it be wrong, by the seconds of `KSTACK_TEST_CLOCK`.
pub fn machine() -> Timestamp {
    let wrong = if cfg!(debug_assertions) { std::env::var("KSTACK_TEST_CLOCK").ok() } else { None };
    let wrong = SignedDuration::from_secs(wrong.and_then(|seconds| seconds.parse().ok()).unwrap_or_default());
    Timestamp::now().checked_add(wrong).unwrap_or(Timestamp::MAX)
}

/// Reads `KSTACK_NOW`, once, when the process begins.
///
/// # Errors
/// That it is no time, as a sentence.
pub fn start() -> Result<(), String> {
    let Some(text) = std::env::var("KSTACK_NOW").ok().filter(|text| !text.is_empty()) else { return Ok(()) };
    let at: Timestamp = text.parse().map_err(|_| {
        format!("KSTACK_NOW is `{text}`, and a time is written like 2026-01-31T12:00:00Z; it is for tests only")
    })?;
    let _ = SHIFT.set(at.duration_since(Timestamp::now()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test, since there is one clock.
    #[test]
    fn the_clock_is_that_of_the_last_answer() {
        let at = |seconds: i64| Timestamp::from_second(2_000_000_000 + seconds).expect("a time");
        let is = |expected: Timestamp| {
            let ahead = now().duration_since(expected).as_secs();
            assert!((0..60).contains(&ahead), "{} is not {expected}", now());
        };
        heard(at(0));
        is(at(0));
        heard(at(3600));
        is(at(3600));
        heard(at(3500));
        is(at(3600));
        // A machine whose sleep the monotonic clock has not seen, and AWS's clock set back.
        heard(at(0));
        is(at(0));
    }
}
