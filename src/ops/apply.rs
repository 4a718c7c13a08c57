//! `apply`: plans under the lease, and runs the plan that was approved.

use std::net::SocketAddrV4;
use std::path::Path;
use std::sync::OnceLock;

use jiff::Timestamp;
use serde_json::Value;

use super::inside::Looking;
use super::run::{RunReport, execute, refused, refused_with_causes};
use super::{Failure, LeasedWork, Task, caller_and_leases, guard, inside, kafka, under_lease};
use crate::apply::Outcome;
use crate::clock;
use crate::roll::KafkaAccess;
use crate::session::{Observation, Session, make_plan, read_file, read_source};
use kstack_core::check::Parsed;
use kstack_core::design::Design;
use kstack_core::expiry;
use kstack_core::kinds::{Instance, Kind as _, Voter};
use kstack_core::observed::Observed;
use kstack_core::plan::{Action, Plan, SavedPlan, Source, Work, roll_last};
use kstack_core::stack::TimeSpan;

/// Why `--ttl` is refused.
pub const PROTECTED: &str = "a protected stack does not expire";

/// What is to be applied: a file, or a saved plan with its steps.
pub struct ApplyRequest {
    pub parsed: Parsed,
    source: Source,
    allow_data_loss: bool,
    /// Whether hosts roll one after another although Kafka can't be asked.
    pub blind: bool,
    ttl: Option<TimeSpan>,
    /// The steps that were approved before, and in which account.
    saved: Option<(String, Vec<Value>)>,
    /// When that was.
    planned_at: Option<Timestamp>,
}

/// An apply that succeeded.
pub struct Applied {
    pub design: Design,
    /// Whether anything was done.
    pub changed: bool,
    /// Where the sandbox's own brokers accept clients.
    pub local: Vec<SocketAddrV4>,
}

impl ApplyRequest {
    /// Reads the stack file, or the saved plan.
    ///
    /// # Errors
    /// What is wrong with the file, or with `ttl`.
    pub fn read(file: &str, allow_data_loss: bool, ttl: Option<TimeSpan>) -> Result<ApplyRequest, Failure> {
        let bytes =
            read_file(Path::new(file)).map_err(|error| Failure::new(format!("{file} can't be read: {error}")))?;
        let saved = SavedPlan::read(&bytes).map_err(|error| {
            Failure::new(format!("{file} {error}")).hint("make the plan again with `kstack plan --out`")
        })?;
        let request = match saved {
            None => {
                let (source, parsed) = read_source(file)?;
                ApplyRequest { parsed, source, allow_data_loss, blind: false, ttl, saved: None, planned_at: None }
            }
            Some(_) if ttl.is_some() => {
                return Err(
                    Failure::new("a saved plan has its own time to live").hint("omit --ttl, or apply the stack file")
                );
            }
            Some(saved) => ApplyRequest {
                parsed: saved.source.parsed()?,
                source: saved.source,
                allow_data_loss: saved.allow_data_loss,
                blind: false,
                ttl,
                saved: Some((saved.account, saved.steps)),
                planned_at: Some(saved.planned_at),
            },
        };
        if ttl.is_some() && request.parsed.stack.protected {
            return Err(Failure::new(PROTECTED).hint("remove `protected: true` from the file, or omit --ttl"));
        }
        Ok(request)
    }

    /// Whether it is a plan that was approved when it was saved.
    pub fn is_approved(&self) -> bool {
        self.saved.is_some()
    }

    /// Makes `session` plan as of the request.
    pub fn prepare(&self, session: &mut Session) {
        session.ttl = self.ttl;
        session.planned_at = self.planned_at.map(OnceLock::from).unwrap_or_default();
    }

    /// Plans without the lease, to be shown and approved.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn preview(&self, session: &Session, looking: Looking<'_>) -> Result<(Plan, Observation), Failure> {
        let seen = inside::look(session, &self.parsed, looking).await?;
        let (_, plan) = make_plan(&self.source, &self.parsed, &seen.input, self.allow_data_loss);
        Ok((plan, seen))
    }

    /// Applies the stack under its lease. `approved` are the steps that were shown: when the live resources have changed since,
    /// nothing is done. Without them the plan is reported first. Returns nothing where the plan had nothing to design.
    ///
    /// # Errors
    /// What failed, and what is left.
    pub async fn apply(
        &self,
        session: &Session,
        approved: Option<&[Value]>,
        task: &Task<'_>,
        mut report: impl FnMut(RunReport<'_>),
    ) -> Result<Option<Applied>, Failure> {
        let ((account, caller), policy) = task.signals.unless_stopped(caller_and_leases(session)).await?;
        guard(&self.parsed.stack, &account)?;
        if let Some((planned, _)) = self.saved.as_ref().filter(|(planned, _)| *planned != account) {
            return Err(Failure::new(format!(
                "the plan was made for account {planned}, and the credentials are of account {account}"
            )));
        }
        let approved = approved.or(self.saved.as_ref().map(|(_, steps)| &steps[..]));
        let work = async || LeasedWork::on_stack(self.work(session, approved, task, &mut report).await);
        under_lease(session, &caller, task, policy, work).await
    }

    async fn work(
        &self,
        session: &Session,
        approved: Option<&[Value]>,
        task: &Task<'_>,
        report: &mut impl FnMut(RunReport<'_>),
    ) -> Result<Option<Applied>, Failure> {
        let (mut foreseen, mut changed) = (None, false);
        loop {
            let done = Box::pin(self.stage(session, approved, foreseen.take(), task, report)).await?;
            let Some((applied, then)) = done else { return Ok(None) };
            changed |= applied.changed;
            let Some(then) = then else { return Ok(Some(Applied { changed, ..applied })) };
            task.note("This stage is done; the next one begins.");
            foreseen = Some(then);
        }
    }

    /// Runs one stage of the plan: the first, or the one that was `foreseen`. Returns what is foreseen after it.
    async fn stage(
        &self,
        session: &Session,
        approved: Option<&[Value]>,
        foreseen: Option<Box<Plan>>,
        task: &Task<'_>,
        report: &mut impl FnMut(RunReport<'_>),
    ) -> Result<Option<(Applied, Option<Box<Plan>>)>, Failure> {
        let signals = task.signals;
        let seen = signals.unless_stopped(inside::look(session, &self.parsed, task.into())).await?;
        let (design, mut plan) = make_plan(&self.source, &self.parsed, &seen.input, self.allow_data_loss);
        let observed = &seen.input.observed;
        // The plan that was shown is the plan that runs.
        let difference = match (&foreseen, approved) {
            (Some(foreseen), _) => plan.deviation(foreseen),
            (None, Some(steps)) => plan.difference(steps),
            (None, None) => None,
        };
        if let Some(difference) = difference {
            let since = if foreseen.is_some() { " in this stage" } else { "" };
            return Err(Failure::new(format!(
                "the live resources have changed since the plan was made: {difference}; nothing was changed{since}"
            ))
            .hint("review the new plan and approve it"));
        }
        if foreseen.is_none() && approved.is_none() {
            report(RunReport::Planned { plan: &plan, observed });
        }
        if !plan.refusals.is_empty() {
            return Err(refused(&plan));
        }
        let Some(design) = design else { return Ok(None) };
        let now = clock::now();
        if let Some(at) = design.expires.filter(|at| *at <= now && self.planned_at.is_some()) {
            let message = format!("the plan is too old: its stack would have expired at {}", expiry::shown(at, now));
            return Err(Failure::new(message).hint("make the plan again with `kstack plan --out`"));
        }
        let kafka = kafka::of(session, &design, observed, task, self.blind).await?;
        let then = plan.then.take();
        let done = Box::pin(self.run(session, (design, plan), &seen, &kafka, task, report)).await;
        kafka.link.way.close().await;
        Ok(done?.map(|applied| (applied, then)))
    }

    /// Runs the plan, or completes what an earlier run did not record.
    async fn run(
        &self,
        session: &Session,
        (design, mut plan): (Design, Plan),
        seen: &Observation,
        kafka: &KafkaAccess,
        task: &Task<'_>,
        report: &mut impl FnMut(RunReport<'_>),
    ) -> Result<Option<Applied>, Failure> {
        let (signals, observed) = (task.signals, &seen.input.observed);
        let unknown = observed.unknown_inside().is_some();
        if plan.steps.is_empty() {
            // What an earlier, interrupted run did not record: that everything exists.
            if let Some(record) = &seen.input.record {
                session.complete_record(&design, record, (false, unknown)).await?;
            }
            // No call was stopped by the fence, as none was needed: what was seen may be another run's past.
            if !session.fence.open() {
                return Err(Failure::new("the lease on the stack has ended, so another run may have changed it since")
                    .hint("run it again"));
            }
            report(RunReport::Ended { plan: &plan, outcome: &Outcome::default() });
            signals.unless_stopped(kafka::start(session, &design, kafka, task)).await?;
            return Ok(Some(Applied { design, changed: false, local: Vec::new() }));
        }
        kafka.instances_run(&staying(&plan, observed), &session.aws).await?;
        let leave =
            plan.steps.iter().filter(|step| step.address.kind == Voter::NAME && step.action() == Action::Delete);
        if (plan.counts().roll > 1 || leave.count() > 1)
            && let Some(host) = signals.unless_stopped(async { Ok::<_, Failure>(kafka::active(kafka).await) }).await?
        {
            plan = roll_last(plan, &host, observed);
            if !plan.refusals.is_empty() {
                return Err(refused_with_causes(&plan));
            }
        }
        let record = session.ensure_record(&design, &seen.input).await?;
        let may_write = || session.fence.open();
        let within = inside::of(session, &design, kafka, task, &may_write);
        let done =
            Box::pin(execute(session, (kafka, &within), &plan, observed, &record.incarnation(), task, report)).await;
        within.close().await;
        drop(within);
        done?;
        if plan.counts().roll > 0 {
            let led = async {
                kafka::lead_again(kafka, &design, task, &may_write).await;
                Ok::<_, Failure>(())
            };
            signals.unless_stopped(led).await?;
        }
        session.complete_record(&design, &record, (true, unknown)).await?;
        let local = signals.unless_stopped(kafka::start(session, &design, kafka, task)).await?;
        Ok(Some(Applied { design, changed: true, local }))
    }
}

/// The hosts whose instances are up, and stay as they are in this plan but for what changes in place.
fn staying<'a>(plan: &Plan, observed: &'a Observed) -> Vec<&'a str> {
    let moved = |name: &str| {
        let step = plan.steps.iter().find(|step| step.address.kind == Instance::NAME && step.address.name == name);
        step.is_some_and(|step| !matches!(step.work, Work::Update { .. }))
    };
    let up = observed.of::<Instance>().into_iter().filter(|(name, (live, _))| !live.spec.is_down() && !moved(name));
    up.map(|(name, _)| name).collect()
}
