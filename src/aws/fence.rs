//! The fence: no mutating call leaves this process once its lease has ended, on any try of any client.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    AfterDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use rustix::process::{Signal, getpid, kill_process};

/// The words by which the fence's own refusal is known among the SDK's errors.
pub const LEASE_ENDED: &str = "kstack holds no lease that allows this call";

/// Until when this process may write. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Fence(Arc<Mutex<Option<(Instant, SystemTime)>>>);

impl Fence {
    /// Allows writing for `time` from `start` on. Both clocks count: one stands still while the machine sleeps, the other
    /// can be set.
    pub fn allow(&self, start: (Instant, SystemTime), time: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((start.0 + time, start.1 + time));
    }

    /// Forbids writing.
    pub fn shut(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether this process may write now.
    pub fn open(&self) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some_and(|(until, wall)| Instant::now() < until && SystemTime::now() < wall)
    }
}

/// Only builds for tests: the call that changes something at which the process is killed; `3` after the third, and `-3` before it. Those by
/// which the lease is kept are not counted, as their number depends on how long a run takes.
static DIES_AT: LazyLock<Option<(u32, bool)>> = LazyLock::new(|| {
    let test = if cfg!(debug_assertions) { std::env::var("KSTACK_TEST_DIE_IN_AWS").ok()? } else { return None };
    Some((test.trim_start_matches('-').parse().ok()?, test.starts_with('-')))
});
static CALLS: AtomicU32 = AtomicU32::new(0);
const KEEPS_LEASE: &str = "PutParameter";

/// That the call is the one after which the process is killed.
#[derive(Debug)]
struct Last;

impl Storable for Last {
    type Storer = StoreReplace<Last>;
}

/// Counts a call that changes something, for tests.
fn count(operation: &str, config: &mut ConfigBag) {
    let Some((number, before)) = *DIES_AT else { return };
    if operation != KEEPS_LEASE && CALLS.fetch_add(1, Ordering::SeqCst) + 1 == number {
        if before {
            die();
        }
        config.interceptor_state().store_put(Last);
    }
}

/// As `kill -9` does it, and at once.
fn die() {
    let _ = kill_process(getpid(), Signal::KILL);
    std::process::abort();
}

/// Whether an operation only reads.
pub(super) fn reads(operation: &str) -> bool {
    ["Describe", "Get", "List"].iter().any(|verb| operation.starts_with(verb))
}

#[dyn_dispatch_hint]
impl Intercept for Fence {
    fn name(&self) -> &'static str {
        "kstack fence"
    }

    fn modify_before_transmit(
        &self,
        _: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = config.load::<Metadata>().map(|metadata| metadata.name().to_owned()).unwrap_or_default();
        if reads(&operation) {
            return Ok(());
        }
        if !self.open() {
            return Err(LEASE_ENDED.into());
        }
        count(&operation, config);
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        _: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if config.load::<Last>().is_some() {
            die();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fence_is_shut_until_a_lease_opens_it_and_after_it_ends() {
        let fence = Fence::default();
        assert!(!fence.open());
        let now = (Instant::now(), SystemTime::now());
        fence.clone().allow(now, Duration::from_secs(60));
        assert!(fence.open());
        fence.allow(now, Duration::ZERO);
        assert!(!fence.open());
        fence.allow((now.0, now.1 - Duration::from_secs(61)), Duration::from_secs(60));
        assert!(!fence.open(), "the machine slept, or its clock was set");
    }
}
