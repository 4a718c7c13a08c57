//! Running a plan's steps, and what their end means.

use super::destroy::plan;
use super::failure::{Failure, INTERRUPTED};
use super::{Task, credentials, kafka};
use crate::apply::{Event, Outcome, apply};
use crate::error::StepError;
use crate::inside::Kafka;
use crate::roll::KafkaAccess;
use crate::session::Session;
use kstack_core::model::StepId;
use kstack_core::observed::Observed;
use kstack_core::plan::Plan;
use kstack_core::text::many;

/// What a use case reports while it runs a plan.
pub enum RunReport<'a> {
    /// The plan, before anything is changed.
    Planned {
        plan: &'a Plan,
        observed: &'a Observed,
    },
    /// The plan's steps are about to run.
    Begun {
        plan: &'a Plan,
    },
    Step(&'a Event),
    /// The steps have ended, well or not.
    Ended {
        plan: &'a Plan,
        outcome: &'a Outcome,
    },
}

/// The failure of a plan with refusals.
pub fn refused(plan: &Plan) -> Failure {
    let count = plan.refusals.len();
    Failure::new(format!("the plan is refused for {}; nothing was changed", many(count, "reason")))
}

/// The same, with the refusals as causes: where the plan itself is not shown.
pub fn refused_with_causes(plan: &Plan) -> Failure {
    let causes = plan.refusals.iter().map(|one| format!("{}; {}", one.reason, one.remedy)).collect();
    Failure { causes, ..refused(plan) }
}

/// Runs `plan` and reports how it ended.
///
/// # Errors
/// What failed, and what is left.
pub async fn execute(
    session: &Session,
    (kafka, inside): (&KafkaAccess, &Kafka<'_>),
    plan: &Plan,
    observed: &Observed,
    incarnation: &str,
    task: &Task<'_>,
    report: &mut impl FnMut(RunReport<'_>),
) -> Result<(), Failure> {
    let warning = async { Ok::<_, Failure>(credentials::warning(session, plan).await) };
    if let Some(text) = task.signals.unless_stopped(warning).await? {
        task.note(&text);
    }
    report(RunReport::Begun { plan });
    let stop = task.signals.stop.clone();
    let outcome = apply(&session.aws, (kafka, inside), plan, observed, incarnation, stop, |event| {
        report(RunReport::Step(&event))
    })
    .await;
    report(RunReport::Ended { plan, outcome: &outcome });
    if outcome.complete() { Ok(()) } else { Err(failure(&outcome)) }
}

/// Deletes all live resources of the session's stack under its lease, and looks again: a call of a crashed process may have
/// created something since.
///
/// # Errors
/// What failed, and what is left; or why the stack is not to be destroyed.
pub async fn tear_down(session: &Session, account: &str, task: &Task<'_>) -> Result<usize, Failure> {
    let mut deleted = 0;
    loop {
        let (plan, observed) = task.signals.unless_stopped(plan(session, account)).await?;
        if !plan.refusals.is_empty() {
            return Err(refused_with_causes(&plan));
        }
        if task.sandbox {
            kafka::remove(&observed)?;
        }
        if plan.steps.is_empty() {
            return Ok(deleted);
        }
        let stop = task.signals.stop.clone();
        let outcome =
            apply(&session.aws, (&KafkaAccess::default(), &Kafka::none()), &plan, &observed, "", stop, |_| {}).await;
        deleted += outcome.done.len();
        if !outcome.complete() {
            return Err(failure(&outcome));
        }
    }
}

/// The steps that are left, by number and name.
fn left<'a>(steps: impl Iterator<Item = &'a StepId>) -> String {
    let names: Vec<String> = steps.map(ToString::to_string).collect();
    let shown = names.iter().take(8).cloned().collect::<Vec<_>>().join(", ");
    let more = if names.len() > 8 { format!(" and {} more", names.len() - 8) } else { String::new() };
    format!("{} left: {shown}{more}", many(names.len(), "step"))
}

/// Why an outcome that is not complete is not.
fn failure(outcome: &Outcome) -> Failure {
    let error_of = |step: &StepId| outcome.failed.iter().find(|(id, _)| id == step).map(|(_, error)| error);
    if let Some(error) = outcome.ended_by.as_ref().and_then(error_of) {
        let all = outcome.failed.iter().map(|(step, _)| step).chain(outcome.left.iter().map(|(step, _)| step));
        return Failure {
            causes: vec![error.to_string()],
            hint: error.remedy().map(str::to_owned),
            maybe_applied: true,
            ..Failure::new(format!("AWS takes no more calls, with {}", left(all)))
        };
    }
    if !outcome.left.is_empty() {
        let message = format!("stopped by a signal with {}", left(outcome.left.iter().map(|(step, _)| step)));
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
        format!(", and {} waited for them", many(outcome.skipped.len(), "step"))
    };
    // The first to fail comes last, where the eye is; the others may have failed because of it.
    let causes = outcome.failed.iter().rev().map(|(address, error)| format!("{address}: {error}")).collect();
    // What a limit stopped goes on once the last of them has ended; what else went wrong comes first.
    let failed = || outcome.failed.iter().map(|(_, error)| error);
    let limited = failed().max_by_key(|error| error.later()).and_then(StepError::remedy);
    let hint = failed()
        .filter(|error| error.later().is_none())
        .find_map(StepError::remedy)
        .or(limited)
        .unwrap_or("fix the cause and run the command again: it continues where it stopped");
    Failure {
        causes,
        hint: Some(hint.to_owned()),
        // What was made a moment ago may not be listed yet either, and a cleanup at once would leave it behind.
        maybe_applied: !outcome.done.is_empty() || failed().any(StepError::maybe_applied),
        ..Failure::new(format!("{} failed{skipped}", many(outcome.failed.len(), "step")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Class, CloudError};
    use kstack_core::model::Address;
    use kstack_core::plan::Action;

    fn id(name: &str) -> StepId {
        Address::new("vpc", name).into()
    }

    #[test]
    fn stuck_is_an_error_and_interrupted_is_a_signal() {
        let stuck = failure(&Outcome { stuck: vec![(id("one"), id("other"))], ..Outcome::default() });
        assert_eq!(stuck.message, "the plan can't continue: vpc/one waits for vpc/other");
        assert_eq!((stuck.code, stuck.maybe_applied), (1, false));
        let left = failure(&Outcome { left: vec![(id("one"), Action::Create)], ..Outcome::default() });
        assert_eq!(left.message, "stopped by a signal with 1 step left: vpc/one");
        assert_eq!((left.code, left.maybe_applied), (INTERRUPTED, true));
    }

    #[test]
    fn credentials_that_expired_are_why_steps_are_left_and_no_signal() {
        let error = |class, message: &str| {
            let (operation, code) = ("DescribeVpcs".to_owned(), Some("RequestExpired".to_owned()));
            CloudError { operation, code, message: message.to_owned(), request_id: None, class }.into()
        };
        let outcome = Outcome {
            failed: [
                (id("one"), error(Class::Credentials, "the AWS credentials have expired")),
                (id("other"), error(Class::Other, "it is too large")),
            ]
            .into(),
            left: vec![(id("third"), Action::Create)],
            ended_by: Some(id("one")),
            ..Outcome::default()
        };
        let failure = failure(&outcome);
        assert_eq!(failure.message, "AWS takes no more calls, with 3 steps left: vpc/one, vpc/other, vpc/third");
        assert_eq!(failure.causes, ["DescribeVpcs failed: the AWS credentials have expired (RequestExpired)"]);
        assert!(failure.hint.as_ref().is_some_and(|hint| hint.contains("new credentials")), "{failure:?}");
        assert_eq!((failure.code, failure.maybe_applied), (1, true));
    }
}
