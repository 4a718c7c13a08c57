//! What apply and destroy share: signals, running the plan with a view, and the words at the end.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::error::Failure;
use super::kafka;
use super::plan::refused;
use super::ui;
use super::view::View;
use crate::apply::{Event, Outcome, apply};
use crate::error::StepError;
use crate::lease::Lease;
use crate::roll::Kafka;
use crate::session::Session;
use kstack_core::observed::Observed;
use kstack_core::plan::{Plan, destroy};
use kstack_core::stack::Stack;

/// The exit code after a signal, as shells have it for SIGINT.
pub const INTERRUPTED: u8 = 130;

/// SIGINT and SIGTERM: the first asks for a clean stop, the second ends at once.
pub struct Signals {
    stop: watch::Receiver<bool>,
    /// How many came, and the number of the last one.
    came: watch::Receiver<(u32, i32)>,
    /// One more than so many ends the process at once.
    most: Arc<AtomicU32>,
    /// When the first came.
    first: Arc<OnceLock<Instant>>,
}

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// That the system does not let it.
    pub fn listen() -> Result<Signals, Failure> {
        let failed = |error| Failure::new(format!("signals can't be listened to: {error}"));
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

    /// From now on no signal ends the process at once: what was begun is ended in any case.
    pub fn never_at_once(&self) {
        self.most.store(u32::MAX, Ordering::Relaxed);
    }

    /// Signals for a work that goes on although some came before: one more is let pass, and the next ends at once.
    pub fn for_cleanup(&self) -> Signals {
        self.most.store(self.count() + 1, Ordering::Relaxed);
        Signals {
            stop: watch::channel(false).1,
            came: self.came.clone(),
            most: Arc::clone(&self.most),
            first: Arc::default(),
        }
    }

    /// Signals for giving back a lease: nothing that came before cuts it short.
    pub fn for_release(&self) -> Signals {
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

    /// The result of `work`, which gets so much time still when a signal comes.
    async fn with_grace<T, E>(&self, grace: Duration, work: impl Future<Output = Result<T, E>>) -> Result<T, Failure>
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

/// Refuses to write into another account than the file's.
///
/// # Errors
/// Both accounts.
pub fn guard(stack: &Stack, account: &str) -> Result<(), Failure> {
    match stack.account.as_ref().filter(|expected| expected.0 != account) {
        Some(expected) => Err(Failure::new(format!(
            "the file belongs to account {expected}, and the credentials are of account {account}; nothing was changed"
        ))),
        None => Ok(()),
    }
}

/// After a signal, the lease's calls are given so long. With the executor's own three seconds the command ends within five.
const GRACE: Duration = Duration::from_millis(1500);
/// The same from the signal on.
const ALL_GRACE: Duration = Duration::from_millis(4500);

/// Takes the stack's lease.
///
/// # Errors
/// Who has it, AWS's answer, or that a signal came.
pub async fn take(session: &Session, caller: &str, signals: &Signals) -> Result<Lease, Failure> {
    let lease = Lease::take(&session.aws.clients, &session.aws.stack, caller, &session.fence);
    // Not dropped at once: what the call has made would be held until it expires.
    settled(signals.with_grace(GRACE, lease).await?, signals).await
}

/// The lease, once everything is listed that a holder before has made, who died.
///
/// # Errors
/// That a signal came. The lease is then given back.
pub async fn settled(lease: Lease, signals: &Signals) -> Result<Lease, Failure> {
    let Some(rest) = lease.unsettled() else { return Ok(lease) };
    ui::progress(&format!(
        "Waiting {} s: AWS may not list yet what the kstack before this one made before it failed or was cut off.",
        rest.as_secs_f64().ceil()
    ));
    let wait = async {
        tokio::time::sleep(rest).await;
        Ok::<_, Failure>(())
    };
    match signals.unless_stopped(wait).await {
        Ok(()) => Ok(lease),
        Err(failure) => {
            // Should it not be given back, it ends by itself; what is told is the signal.
            let _ = give_back(lease, false, false, signals).await;
            Err(failure)
        }
    }
}

/// Whether AWS may have done more than is known.
pub fn unsure<T>(result: &Result<T, Failure>) -> bool {
    result.as_ref().is_err_and(|failure| failure.maybe_applied)
}

/// Gives the lease back; `last` when the stack is gone, `unsure` when AWS may have done more than is known.
///
/// # Errors
/// That it was not done, and what that means.
pub async fn give_back(lease: Lease, last: bool, unsure: bool, signals: &Signals) -> Result<(), Failure> {
    let meaning = if last {
        "the stack's record can't be deleted; run the command again"
    } else {
        "the lease can't be given back; it ends by itself within two minutes"
    };
    // Where no step was under way, what the executor did not use of the five seconds is left.
    let left = signals.first.get().map(|first| ALL_GRACE.saturating_sub(first.elapsed()));
    signals.with_grace(left.unwrap_or_default().max(GRACE), lease.release(last, unsure)).await.map_err(|failure| {
        match failure.code {
            INTERRUPTED => Failure { code: INTERRUPTED, ..Failure::new(meaning) },
            _ => failure.during(meaning),
        }
    })
}

/// Runs `plan` and says how it ended.
///
/// # Errors
/// What failed, and what is left.
pub async fn execute(
    session: &Session,
    kafka: &Kafka,
    plan: &Plan,
    observed: &Observed,
    life: &str,
    signals: &Signals,
    mut view: View,
) -> Result<(), Failure> {
    signals.unless_stopped(async { Ok::<_, Failure>(()) }).await?;
    let outcome =
        apply(&session.aws, kafka, plan, observed, life, signals.stop.clone(), |event| view.show(&event)).await;
    view.finish(plan, &outcome);
    if outcome.complete() { Ok(()) } else { Err(failure(&outcome)) }
}

/// Deletes everything that is live of the session's stack under its lease, and looks again: a call whose caller died may
/// have made something since. `emit` hears what is done.
///
/// # Errors
/// What failed, and what is left; or why the stack is not to be destroyed.
pub async fn tear_down(
    session: &Session,
    account: &str,
    signals: &Signals,
    sandbox: bool,
    mut emit: impl FnMut(Event),
) -> Result<usize, Failure> {
    let mut deleted = 0;
    loop {
        let observed = signals.unless_stopped(session.observe()).await?;
        if sandbox {
            kafka::remove(&observed)?;
        }
        let plan = destroy(&session.aws.stack, &session.region, account, &observed);
        if !plan.refusals.is_empty() {
            let causes = plan.refusals.iter().map(|one| format!("{}; {}", one.reason, one.remedy)).collect();
            return Err(Failure { causes, ..refused(&plan) });
        }
        if plan.steps.is_empty() {
            return Ok(deleted);
        }
        let outcome =
            apply(&session.aws, &Kafka::default(), &plan, &observed, "", signals.stop.clone(), &mut emit).await;
        deleted += outcome.done.len();
        if !outcome.complete() {
            return Err(failure(&outcome));
        }
    }
}

fn failure(outcome: &Outcome) -> Failure {
    let many = |count: usize| format!("{count} step{}", if count == 1 { "" } else { "s" });
    if !outcome.left.is_empty() {
        let names: Vec<String> = outcome.left.iter().map(|(address, _)| address.to_string()).collect();
        let shown = names.iter().take(8).cloned().collect::<Vec<_>>().join(", ");
        let more = if names.len() > 8 { format!(" and {} more", names.len() - 8) } else { String::new() };
        let message = format!("stopped by a signal with {} left: {shown}{more}", many(names.len()));
        let hint = Some("run the command again to finish the work".to_owned());
        return Failure { code: INTERRUPTED, hint, maybe_applied: true, ..Failure::new(message) };
    }
    if !outcome.stuck.is_empty() {
        let stuck = outcome.stuck.iter().map(|(step, other)| (step.to_string(), other.to_string())).collect();
        return Failure { maybe_applied: !outcome.done.is_empty(), ..Failure::from(StepError::Stuck(stuck)) };
    }
    let skipped = if outcome.skipped.is_empty() {
        String::new()
    } else {
        format!(", and {} waited for them", many(outcome.skipped.len()))
    };
    let causes = outcome.failed.iter().map(|(address, error)| format!("{address}: {error}")).collect();
    let hint = outcome
        .failed
        .values()
        .find_map(StepError::remedy)
        .unwrap_or("fix the cause and run the command again: it continues where it stopped");
    Failure {
        causes,
        hint: Some(hint.to_owned()),
        // What was done a moment ago may not be listed yet either, and whoever tidies up at once would leave it.
        maybe_applied: !outcome.done.is_empty() || outcome.failed.values().any(StepError::maybe_applied),
        ..Failure::new(format!("{} failed{skipped}", many(outcome.failed.len())))
    }
}
