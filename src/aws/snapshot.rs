//! One describe that serves everyone who waits: what a whole kind of a stack looks like, as of a moment.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::error::{Class, CloudError};

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
    pub async fn since<F>(&self, since: Instant, fetch: impl FnOnce() -> F) -> Result<Arc<Vec<T>>, CloudError>
    where
        F: Future<Output = Result<Vec<T>, CloudError>>,
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

    /// Waits until `ready` finds what it looks for, with one describe for all who wait on this kind at a time.
    ///
    /// # Errors
    /// The error of `ready`; the error of `fetch`, unless it may pass; or that `limit` has passed, in the words of `what`.
    pub async fn wait<R, F>(
        &self,
        what: &str,
        limit: Duration,
        fetch: impl Fn() -> F,
        mut ready: impl FnMut(&[T]) -> Result<Option<R>, CloudError>,
    ) -> Result<R, CloudError>
    where
        F: Future<Output = Result<Vec<T>, CloudError>>,
    {
        let start = Instant::now();
        let mut pause = FIRST_PAUSE;
        let mut seen = start;
        loop {
            match self.since(seen, &fetch).await {
                Ok(items) => {
                    if let Some(result) = ready(&items)? {
                        return Ok(result);
                    }
                }
                Err(error) if matches!(error.class, Class::Throttled | Class::Unknown) => {}
                Err(error) => return Err(error),
            }
            if start.elapsed() > limit {
                return Err(CloudError::own("wait", format!("{what} took longer than {} s", limit.as_secs())));
            }
            seen = Instant::now();
            tokio::time::sleep(jitter(pause)).await;
            pause = (pause * 5 / 4).min(LONGEST_PAUSE);
        }
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// `pause`, made up to a quarter shorter or longer by chance, so that many processes do not ask at the same moment.
pub fn jitter(pause: Duration) -> Duration {
    pause.mul_f64(0.75 + fastrand::f64() / 2.0)
}
