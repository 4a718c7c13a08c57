//! `destroy`: deletes all live resources of a stack under its lease.

use super::run::{RunReport, execute, refused};
use super::{Failure, LeasePolicy, LeasedWork, Task, kafka, under_lease};
use crate::error::StepError;
use crate::inside::Kafka;
use crate::roll::KafkaAccess;
use crate::session::Session;
use kstack_core::observed::Observed;
use kstack_core::plan;
use kstack_core::plan::Plan;

/// The plan that deletes everything that is live, and what is live.
///
/// # Errors
/// The first call that failed.
pub async fn plan(session: &Session, account: &str) -> Result<(Plan, Observed), StepError> {
    let (observed, surroundings) = session.observe_all().await?;
    Ok((plan::destroy(&session.name, &session.region, account, &observed, &surroundings), observed))
}

/// Destroys the stack, whose lease is taken as `policy` says. `approved` is the plan that was shown: when the live resources have changed
/// since, nothing is done. Without it the plan is reported first.
///
/// # Errors
/// What failed, and what is left.
pub async fn destroy(
    session: &Session,
    ((account, caller), policy): ((&str, &str), LeasePolicy),
    approved: Option<&Plan>,
    task: &Task<'_>,
    mut report: impl FnMut(RunReport<'_>),
) -> Result<(), Failure> {
    let work = async || LeasedWork::deleting(work(session, account, approved, task, &mut report).await);
    under_lease(session, caller, task, policy, work).await
}

async fn work(
    session: &Session,
    account: &str,
    approved: Option<&Plan>,
    task: &Task<'_>,
    report: &mut impl FnMut(RunReport<'_>),
) -> Result<(), Failure> {
    let (plan, observed) = task.signals.unless_stopped(plan(session, account)).await?;
    match approved {
        Some(approved) => {
            let steps: Vec<_> =
                approved.steps.iter().map(|step| serde_json::to_value(step).unwrap_or_default()).collect();
            if let Some(difference) = plan.difference(&steps) {
                return Err(Failure::new(format!(
                    "the live resources have changed since the plan was made: {difference}; nothing was changed"
                )));
            }
        }
        None => report(RunReport::Planned { plan: &plan, observed: &observed }),
    }
    if !plan.refusals.is_empty() {
        return Err(refused(&plan));
    }
    if plan.steps.is_empty() {
        return Ok(());
    }
    if task.sandbox {
        kafka::remove(&observed)?;
    }
    execute(session, (&KafkaAccess::default(), &Kafka::none()), &plan, &observed, "", task, report).await
}
