//! `adopt`: takes an MSK cluster under kstack that others made. Its tags are written, and the stack's record; nothing else.
//!
//! The record comes first, as in an apply, and the tags are one call: wherever it dies, the next run finishes it.

use serde_json::Value;

use super::run::{RunReport, execute};
use super::{Failure, LeasePolicy, LeasedWork, Task, guard, under_lease};
use crate::inside::Kafka;
use crate::roll::KafkaAccess;
use crate::session::{Observation, Session, make_plan, read_source};
use kstack_core::check::Parsed;
use kstack_core::design::Design;
use kstack_core::engines::Engine;
use kstack_core::plan::{self, Plan, Source};
use kstack_core::text::many;

/// The stack file of a cluster that is to be adopted.
pub struct AdoptRequest {
    pub parsed: Parsed,
    source: Source,
}

impl AdoptRequest {
    /// Reads the stack file.
    ///
    /// # Errors
    /// What is wrong with it, or that it is for no MSK cluster.
    pub fn read(file: &str) -> Result<AdoptRequest, Failure> {
        let (source, parsed) = read_source(file)?;
        if Engine::of(&parsed.stack) != Engine::Msk {
            return Err(Failure::new("only MSK clusters can be adopted, and the file asks for brokers on EC2; nothing was changed")
                .hint("Kafka on hosts that others made is set up inside of them, where kstack can't look: create a stack of its own, \
                       and move the data with MirrorMaker"));
        }
        Ok(AdoptRequest { parsed, source })
    }

    /// Makes `session` see the cluster as it will be.
    pub fn prepare(&self, session: &mut Session) {
        session.aws.adopting = true;
    }

    /// Plans without the lease, to be shown and approved.
    ///
    /// # Errors
    /// That the credentials are for another account than the file; AWS's answer.
    pub async fn preview(&self, session: &Session) -> Result<(Plan, Observation), Failure> {
        let (_, plan, seen) = self.plan(session).await?;
        guard(&self.parsed.stack, &plan.account)?;
        Ok((plan, seen))
    }

    async fn plan(&self, session: &Session) -> Result<(Option<Design>, Plan, Observation), Failure> {
        let seen = session.look(&self.parsed).await?;
        let (design, ordinary) = make_plan(&self.source, &self.parsed, &seen.input, false);
        let plan = plan::adopt(design.as_ref(), ordinary, &seen.input.observed);
        Ok((design, plan, seen))
    }

    /// Adopts the cluster under the stack's lease, when the plan is still the one with the `approved` steps. Whether anything was done.
    ///
    /// # Errors
    /// That the cluster has changed, what failed, and what is left.
    pub async fn adopt(
        &self,
        session: &Session,
        approved: &[Value],
        task: &Task<'_>,
        mut report: impl FnMut(RunReport<'_>),
    ) -> Result<bool, Failure> {
        let (account, caller) = task.signals.unless_stopped(session.aws.clients.identity()).await?;
        guard(&self.parsed.stack, &account)?;
        let work = async || LeasedWork::on_stack(Box::pin(self.work(session, approved, task, &mut report)).await);
        under_lease(session, &caller, task, LeasePolicy::default(), work).await
    }

    async fn work(
        &self,
        session: &Session,
        approved: &[Value],
        task: &Task<'_>,
        report: &mut impl FnMut(RunReport<'_>),
    ) -> Result<bool, Failure> {
        let (design, plan, seen) = task.signals.unless_stopped(self.plan(session)).await?;
        if let Some(difference) = plan.difference(approved) {
            return Err(Failure::new(format!(
                "the cluster has changed since the plan was made: {difference}; nothing was changed"
            ))
            .hint("run the command again, and review the new plan"));
        }
        let Some(design) = design.filter(|_| plan.refusals.is_empty()) else { return Err(refused(&plan)) };
        let (input, steps) = (&seen.input, !plan.steps.is_empty());
        // What an interrupted run has left is the record, which does not tell that everything is there.
        let unfinished = input.record.as_ref().is_none_or(|record| record.resources.is_none());
        if !steps && !unfinished {
            return Ok(false);
        }
        let record = session.ensure_record(&design, input).await?;
        if steps {
            let (kafka, incarnation) = (KafkaAccess::default(), record.incarnation());
            Box::pin(execute(session, (&kafka, &Kafka::none()), &plan, &input.observed, &incarnation, task, report))
                .await?;
        }
        session.complete_record(&design, &record, (true, false)).await?;
        Ok(true)
    }
}

/// The failure of a plan with refusals.
pub fn refused(plan: &Plan) -> Failure {
    Failure::new(format!(
        "the cluster is not adopted, for {}; nothing was changed",
        many(plan.refusals.len(), "reason")
    ))
}
