//! `kstack apply`: plans, asks, and runs the plan under the stack's lease.

use std::path::Path;

use jiff::Timestamp;
use serde_json::Value;

use super::error::Failure;
use super::plan::{cost, refused, shown};
use super::run::{Signals, execute, give_back, guard, take, unsure};
use super::view::View;
use super::{kafka, place, ui};
use crate::apply::Outcome;
use crate::clock;
use crate::session::{SavedPlan, Session, Source, make_plan, read_file};
use kstack_core::check::Parsed;
use kstack_core::cloud_init::CLIENT_PORT;
use kstack_core::expiry;
use kstack_core::observed::Observed;
use kstack_core::plan::{Plan, render, roll_last};
use kstack_core::stack::TimeSpan;

/// Bring what is live to what the stack file asks for
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A stack file, or a plan saved by `kstack plan --out`
    #[arg(value_name = "FILE")]
    file: String,
    /// Run without asking
    #[arg(long)]
    yes: bool,
    /// Print events as lines of JSON
    #[arg(long)]
    json: bool,
    /// How long the stack lives from now on, such as `4h`, whatever the file says
    #[arg(long, value_parser = super::ttl)]
    ttl: Option<TimeSpan>,
    /// Allow steps that delete data, or that replace data that is lost
    #[arg(long)]
    allow_data_loss: bool,
}

/// Why `--ttl` is refused.
pub const PROTECTED: &str = "a protected stack does not go by itself";

/// What is to be applied: a file, or a saved plan with its steps.
struct Job {
    source: Source,
    parsed: Parsed,
    allow_data_loss: bool,
    /// The steps that were approved before, and in which account.
    saved: Option<(String, Vec<Value>)>,
    /// When that was.
    planned_at: Option<Timestamp>,
}

impl Job {
    fn load(args: &Args) -> Result<Job, Failure> {
        let bytes = read_file(Path::new(&args.file))
            .map_err(|error| Failure::new(format!("{} can't be read: {error}", args.file)))?;
        let saved = SavedPlan::read(&bytes).map_err(|error| {
            Failure::new(format!("{} {error}", args.file)).hint("make the plan again with `kstack plan --out`")
        })?;
        let Some(saved) = saved else {
            let (source, parsed) = Source::read(&args.file)?;
            return Ok(Job { source, parsed, allow_data_loss: args.allow_data_loss, saved: None, planned_at: None });
        };
        let parsed = saved.source.parsed()?;
        if args.ttl.is_some() {
            return Err(
                Failure::new("a saved plan has its own time to live").hint("leave out --ttl, or apply the file")
            );
        }
        let (approved, planned_at) = (Some((saved.account, saved.steps)), Some(saved.planned_at));
        Ok(Job { source: saved.source, parsed, allow_data_loss: saved.allow_data_loss, saved: approved, planned_at })
    }
}

pub async fn run(args: &Args, sandbox: bool) -> Result<u8, Failure> {
    let job = Job::load(args)?;
    let name = job.parsed.stack.name.clone();
    if args.ttl.is_some() && job.parsed.stack.protected {
        return Err(Failure::new(PROTECTED).hint("take `protected: true` out of the file, or leave out --ttl"));
    }
    let mut session = Session::open(&place(&job.parsed.stack.region, sandbox)?, &name).await;
    session.asked.ttl = args.ttl;
    session.asked.now = job.planned_at.unwrap_or(session.asked.now);
    let approved = match &job.saved {
        Some((_, steps)) => Some(steps.clone()),
        None if args.yes => None,
        None => match ask(&job, &session, args).await? {
            Some(steps) => Some(steps),
            None => return Ok(0),
        },
    };
    let signals = Signals::listen()?;
    let (account, caller) = signals.unless_stopped(session.aws.clients.identity()).await?;
    guard(&job.parsed.stack, &account)?;
    if let Some((planned, _)) = job.saved.as_ref().filter(|(planned, _)| *planned != account) {
        return Err(Failure::new(format!(
            "the plan was made for account {planned}, and the credentials are of account {account}"
        )));
    }
    let lease = take(&session, &caller, &signals).await?;
    let result = under_lease(args, &job, &session, approved.as_deref(), &signals, sandbox).await;
    let released = give_back(lease, false, unsure(&result), &signals).await;
    let code = result?;
    released?;
    Ok(code)
}

/// Shows the plan and asks; `None` when there is nothing to do.
async fn ask(job: &Job, session: &Session, args: &Args) -> Result<Option<Vec<Value>>, Failure> {
    let seen = session.look(&job.parsed).await?;
    let (_, plan) = make_plan(&job.source, &job.parsed, &seen.world, job.allow_data_loss);
    show(&plan, &seen.world.observed, args.json);
    if !plan.refusals.is_empty() {
        return Err(refused(&plan));
    }
    if plan.steps.is_empty() {
        return Ok(None);
    }
    match ui::ask("\nRun this plan? Only `yes` is accepted: ") {
        Some(answer) if answer == "yes" => {
            Ok(Some(plan.steps.iter().map(|step| serde_json::to_value(step).unwrap_or_default()).collect()))
        }
        Some(_) => Err(Failure::new("the plan was not approved; nothing was changed")),
        None => Err(Failure::new("the plan needs an approval, and standard input is no terminal; nothing was changed")
            .hint("run with --yes, or save the plan with `kstack plan --out` and apply it")),
    }
}

fn show(plan: &Plan, live: &Observed, json: bool) {
    let cost = cost(plan, live);
    if json {
        ui::json_line(&serde_json::json!({"event": "plan", "plan": shown(plan, &cost)}));
    } else {
        ui::out(&render(plan));
        ui::out(&cost.text());
    }
}

async fn under_lease(
    args: &Args,
    job: &Job,
    session: &Session,
    approved: Option<&[Value]>,
    signals: &Signals,
    sandbox: bool,
) -> Result<u8, Failure> {
    let seen = signals.unless_stopped(session.look(&job.parsed)).await?;
    let (design, mut plan) = make_plan(&job.source, &job.parsed, &seen.world, job.allow_data_loss);
    match approved {
        // The plan that was shown is the plan that runs.
        Some(steps) => {
            if let Some(difference) = plan.difference(steps) {
                return Err(Failure::new(format!(
                    "what is live has changed since the plan was made: {difference}; nothing was changed"
                ))
                .hint("look at the new plan and approve it"));
            }
        }
        None => show(&plan, &seen.world.observed, args.json),
    }
    if !plan.refusals.is_empty() {
        return Err(refused(&plan));
    }
    let Some(design) = design else { return Ok(0) };
    let now = clock::now();
    if let Some(at) = design.expires.filter(|at| *at <= now && job.planned_at.is_some()) {
        let message = format!("the plan is old: its stack would have expired at {}", expiry::shown(at, now));
        return Err(Failure::new(message).hint("make the plan again with `kstack plan --out`"));
    }
    let kafka = kafka::of(&design, &seen.world.observed, sandbox)?;
    let view = View::new(args.json, plan.steps.len());
    if plan.steps.is_empty() {
        // What an earlier run has left unsaid: that everything is there.
        if let Some(record) = &seen.world.record {
            session.complete_record(&design, record, false).await?;
        }
        if args.json {
            view.finish(&plan, &Outcome::default());
        }
        signals.unless_stopped(kafka::start(&design, &kafka)).await?;
        return Ok(0);
    }
    if plan.counts().roll > 1
        && let Some(host) =
            signals.unless_stopped(async { Ok::<_, Failure>(kafka::active(&design, &kafka).await) }).await?
    {
        roll_last(&mut plan.steps, &host);
    }
    let record = session.ensure_record(&design, &seen.world).await?;
    execute(session, &kafka, &plan, &seen.world.observed, &record.life(), signals, view).await?;
    session.complete_record(&design, &record, true).await?;
    let local = signals.unless_stopped(kafka::start(&design, &kafka)).await?;
    if !args.json && design.msk.is_some() {
        ui::out(&format!("Bootstrap servers: see `kstack status {}`\n", args.file));
    } else if !args.json {
        let brokers = design.hosts.iter().filter(|host| host.broker());
        let in_vpc = brokers.map(|host| format!("{}:{CLIENT_PORT}", host.address)).collect();
        let servers: Vec<String> = match local.is_empty() {
            true => in_vpc,
            false => local.iter().map(ToString::to_string).collect(),
        };
        ui::out(&format!("Bootstrap servers: {}\n", servers.join(",")));
        if let Some(at) = design.expires {
            ui::out(&format!("Expires: {}\n", expiry::shown(at, now)));
        }
    }
    Ok(0)
}
