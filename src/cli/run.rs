//! What apply and destroy share: signals, running the plan with a view, and the words at the end.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::error::Failure;
use super::view::View;
use crate::apply::{Outcome, apply};
use crate::lease::Lease;
use crate::plan::Plan;
use crate::resource::Observed;
use crate::roll::Kafka;
use crate::session::Session;
use crate::stack::Stack;

/// The exit code after a signal, as shells have it for SIGINT.
const INTERRUPTED: u8 = 130;

/// SIGINT and SIGTERM: the first asks for a clean stop, the second ends at once.
pub struct Signals(watch::Receiver<bool>);

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// That the system does not let it.
    pub fn listen() -> Result<Signals, Failure> {
        let failed = |error| Failure::new(format!("signals can't be listened to: {error}"));
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let (send, receive) = watch::channel(false);
        tokio::spawn(async move {
            let mut first = true;
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if !std::mem::replace(&mut first, false) {
                    std::process::exit(i32::from(INTERRUPTED));
                }
                let _ = send.send(true);
            }
        });
        Ok(Signals(receive))
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

    /// The result of `work`, which gets so much time still when a signal comes.
    async fn with_grace<T, E>(&self, grace: Duration, work: impl Future<Output = Result<T, E>>) -> Result<T, Failure>
    where
        E: Into<Failure>,
    {
        let mut stop = self.0.clone();
        let stopped = async {
            // The sender lives as long as the process.
            let _ = stop.wait_for(|stopped| *stopped).await;
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

/// Takes the stack's lease.
///
/// # Errors
/// Who has it, AWS's answer, or that a signal came.
pub async fn take(session: &Session, caller: &str, signals: &Signals) -> Result<Lease, Failure> {
    let lease = Lease::take(&session.aws.clients, &session.aws.stack, caller, &session.fence);
    // Not dropped at once: what the call has made would be held until it expires.
    signals.with_grace(GRACE, lease).await
}

/// Gives the lease back; `last` when the stack is gone.
///
/// # Errors
/// That it was not done, and what that means.
pub async fn give_back(lease: Lease, last: bool, signals: &Signals) -> Result<(), Failure> {
    let meaning = if last {
        "the stack's record can't be deleted; run the command again"
    } else {
        "the lease can't be given back; it ends by itself within two minutes"
    };
    signals.with_grace(GRACE, lease.release(last)).await.map_err(|failure| match failure.code {
        INTERRUPTED => Failure { code: INTERRUPTED, ..Failure::new(meaning) },
        _ => failure.during(meaning),
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
    let outcome = apply(&session.aws, kafka, plan, observed, life, signals.0.clone(), |event| view.show(&event)).await;
    view.finish(plan, &outcome);
    if outcome.complete() { Ok(()) } else { Err(failure(&outcome)) }
}

fn failure(outcome: &Outcome) -> Failure {
    let many = |count: usize| format!("{count} step{}", if count == 1 { "" } else { "s" });
    if !outcome.left.is_empty() {
        let names: Vec<String> = outcome.left.iter().map(|(address, _)| address.to_string()).collect();
        let shown = names.iter().take(8).cloned().collect::<Vec<_>>().join(", ");
        let more = if names.len() > 8 { format!(" and {} more", names.len() - 8) } else { String::new() };
        let message = format!("stopped by a signal with {} left: {shown}{more}", many(names.len()));
        let hint = Some("run the command again to finish the work".to_owned());
        return Failure { code: INTERRUPTED, hint, ..Failure::new(message) };
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
        .find_map(|error| error.hint())
        .unwrap_or("mend the cause and run the command again: it goes on where it stopped");
    Failure {
        causes,
        hint: Some(hint.to_owned()),
        ..Failure::new(format!("{} failed{skipped}", many(outcome.failed.len())))
    }
}
