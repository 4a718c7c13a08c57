//! One describe that serves everyone who waits: what a whole kind of a stack looks like, as of a moment.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::error::StepError;
use crate::wait::{Backoff, Look, may_pass, poll};

/// The last description of all of a stack's resources of one type, and when it was asked for.
#[derive(Debug)]
pub struct Snapshot<T> {
    last: Mutex<Option<(Instant, Arc<Vec<T>>)>>,
}

impl<T> Default for Snapshot<T> {
    fn default() -> Self {
        Snapshot { last: Mutex::new(None) }
    }
}

impl<T> Snapshot<T> {
    /// A description asked for at `since` or later: the last one when it is new enough, else one from `fetch`.
    ///
    /// # Errors
    /// The error of `fetch`.
    pub async fn since<F>(&self, since: Instant, fetch: impl FnOnce() -> F) -> Result<Arc<Vec<T>>, StepError>
    where
        F: Future<Output = Result<Vec<T>, StepError>>,
    {
        let mut last = self.last.lock().await;
        if let Some((at, items)) = last.as_ref().filter(|(at, _)| *at >= since) {
            debug_assert!(*at >= since);
            return Ok(Arc::clone(items));
        }
        let at = Instant::now();
        let items = Arc::new(fetch().await?);
        *last = Some((at, Arc::clone(&items)));
        Ok(items)
    }

    /// Waits until `ready` finds what it looks for; all that wait for resources of this kind share one describe at a time.
    ///
    /// # Errors
    /// The error of `ready`; the error of `fetch`, unless it may pass; or that `limit` has passed, in the words of `what`.
    pub async fn wait<R, F>(
        &self,
        what: &str,
        limit: Duration,
        fetch: impl Fn() -> F,
        mut ready: impl FnMut(&[T]) -> Result<Option<R>, StepError>,
    ) -> Result<R, StepError>
    where
        F: Future<Output = Result<Vec<T>, StepError>>,
    {
        let mut since = Instant::now();
        poll(what, limit, Backoff::SHARED, async || {
            let found = match self.since(since, &fetch).await {
                Ok(items) => ready(&items)?,
                Err(error) if may_pass(error.class()) => None,
                Err(error) => return Err(error),
            };
            since = Instant::now();
            Ok(found.map_or_else(|| Look::Missing(String::new()), Look::Ready))
        })
        .await
    }
}

/// Sorts what AWS lists by its id, for [`by_id`]: each of hundreds of hosts looks for itself in a list of them all.
pub fn sorted<T>(mut all: Vec<T>, id: fn(&T) -> Option<&str>) -> Vec<T> {
    all.sort_by(|one, other| id(one).cmp(&id(other)));
    all
}

/// The one with this id, of what is [`sorted`].
pub fn by_id<'a, T>(all: &'a [T], id: fn(&T) -> Option<&str>, wanted: &str) -> Option<&'a T> {
    all.binary_search_by(|one| id(one).cmp(&Some(wanted))).ok().map(|place| &all[place])
}
