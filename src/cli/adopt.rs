//! `kstack adopt`: takes an MSK cluster under kstack that others made.

use serde_json::Value;

use super::context::Context;
use super::plan::show;
use super::ui;
use super::view::{OutputTarget, Screen};
use crate::ops::adopt::{AdoptRequest, refused};
use crate::ops::{Failure, RunReport, Signals};

/// Take an existing MSK cluster under kstack: its tags are set, and nothing else is changed
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack file, as `kstack describe` prints it
    #[arg(value_name = "FILE")]
    file: String,
    /// Adopt without asking
    #[arg(short, long)]
    yes: bool,
    /// Print events as lines of JSON
    #[arg(long)]
    json: bool,
}

/// Plans and runs an adoption.
///
/// # Errors
/// Each difference between the file and the cluster, what failed, or that a signal came.
pub async fn run(args: &Args, context: &Context) -> Result<u8, Failure> {
    let request = AdoptRequest::read(&args.file)?;
    let stack = &request.parsed.stack;
    let mut session = context.session(&stack.region, &stack.name).await?;
    request.prepare(&mut session);
    let (plan, seen) = request.preview(&session).await?;
    show(&plan, &seen.input.observed, args.json);
    if !plan.refusals.is_empty() {
        return Err(refused(&plan));
    }
    if !plan.steps.is_empty() && !args.yes {
        let question = "\nAdopt the cluster? Only `yes` is accepted: ";
        ui::approve(question, "yes", "the plan was not approved", "run with --yes")?;
    }
    let signals = Signals::listen()?;
    let mut screen = Screen::new(if args.json { OutputTarget::Json } else { OutputTarget::Text }, context.printer);
    let report = |report: RunReport<'_>| screen.report(report);
    let approved: Vec<Value> = plan.steps.iter().map(|step| serde_json::to_value(step).unwrap_or_default()).collect();
    let done = Box::pin(request.adopt(&session, &approved, &context.task(&signals), report)).await?;
    if done && !args.json {
        let (file, protected) = (&args.file, stack.protected);
        let destroy = match protected {
            true => "deletes it with its data once `protected: true` is gone from the file",
            false => "now deletes it with its data, and leaves the network, groups and configuration of others alone",
        };
        ui::out(&format!(
            "The cluster {} is kstack's. `kstack plan {file}` shows what a change of the file would do; `kstack destroy` {destroy}.\n",
            stack.name
        ));
    }
    Ok(0)
}
