//! SIGINT and SIGTERM, and what they cut short.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::failure::{Failure, INTERRUPTED};

/// SIGINT and SIGTERM: the first asks for a clean stop, the second ends the process at once.
#[derive(Debug)]
pub struct Signals {
    pub(super) stop: watch::Receiver<bool>,
    /// How many came, and the number of the last one.
    came: watch::Receiver<(u32, i32)>,
    /// More signals than this end the process at once.
    most: Arc<AtomicU32>,
    /// When the first came.
    pub(super) first: Arc<OnceLock<Instant>>,
}

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// That the system does not allow it.
    pub fn listen() -> Result<Signals, Failure> {
        let failed = |error| Failure::new(format!("kstack can't listen to signals: {error}"));
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let (ask, stop) = watch::channel(false);
        let (tell, came) = watch::channel((0, 0));
        let most = Arc::new(AtomicU32::new(1));
        let limit = Arc::clone(&most);
        let first = Arc::new(OnceLock::new());
        let begun = Arc::clone(&first);
        tokio::spawn(async move {
            let mut count = 0;
            loop {
                let kind = tokio::select! {
                    _ = interrupt.recv() => SignalKind::interrupt(),
                    _ = terminate.recv() => SignalKind::terminate(),
                };
                count += 1;
                begun.get_or_init(Instant::now);
                let _ = tell.send((count, kind.as_raw_value()));
                if count > limit.load(Ordering::Relaxed) {
                    std::process::exit(i32::from(INTERRUPTED));
                }
                let _ = ask.send(true);
            }
        });
        Ok(Signals { stop, came, most, first })
    }

    /// From now on no signal ends the process at once: cleanup runs in any case.
    pub fn never_at_once(&self) {
        self.most.store(u32::MAX, Ordering::Relaxed);
    }

    /// Signals for a cleanup that runs although some came before: one more is ignored, and the next ends the process at once.
    pub fn for_cleanup(&self) -> Signals {
        self.most.store(self.count() + 1, Ordering::Relaxed);
        Signals {
            stop: watch::channel(false).1,
            came: self.came.clone(),
            most: Arc::clone(&self.most),
            first: Arc::default(),
        }
    }

    /// Signals that cut nothing short, such as taking or releasing a lease.
    pub fn never_stopping(&self) -> Signals {
        Signals {
            stop: watch::channel(false).1,
            came: self.came.clone(),
            most: Arc::clone(&self.most),
            first: Arc::default(),
        }
    }

    /// How many came.
    pub fn count(&self) -> u32 {
        self.came.borrow().0
    }

    /// The number of the last one, if any came.
    pub fn last(&self) -> Option<i32> {
        Some(*self.came.borrow()).filter(|(count, _)| *count > 0).map(|(_, number)| number)
    }

    /// Waits until more than `count` have come.
    pub async fn beyond(&self, count: u32) {
        let mut came = self.came.clone();
        if came.wait_for(|(now, _)| *now > count).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The result of `work`, which only reads, unless a signal comes first.
    ///
    /// # Errors
    /// That a signal came; or the error of `work`.
    pub async fn unless_stopped<T, E: Into<Failure>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Failure> {
        self.with_grace(Duration::ZERO, work).await
    }

    /// The same for work after the first change; `stopped` says what a signal has cut short.
    ///
    /// # Errors
    /// That a signal came; or the error of `work`.
    pub async fn until_signal<T, E: Into<Failure>>(
        &self,
        stopped: &str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Failure> {
        self.unless_stopped(work).await.map_err(|failure| match failure.code {
            INTERRUPTED => Failure { message: stopped.to_owned(), ..failure },
            _ => failure,
        })
    }

    /// The result of `work`, which still gets `grace` when a signal comes.
    pub(super) async fn with_grace<T, E>(
        &self,
        grace: Duration,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Failure>
    where
        E: Into<Failure>,
    {
        let mut stop = self.stop.clone();
        let stopped = async {
            if stop.wait_for(|stopped| *stopped).await.is_err() {
                std::future::pending::<()>().await; // Signals for a cleanup never stop.
            }
            tokio::time::sleep(grace).await;
        };
        tokio::select! {
            biased;
            () = stopped => Err(Failure { code: INTERRUPTED, ..Failure::new("a signal came; nothing was changed") }),
            result = work => result.map_err(Into::into),
        }
    }
}
