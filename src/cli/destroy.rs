//! `kstack destroy`: deletes all resources of a stack, including its data.

use super::context::Context;
use super::plan::show as show_plan;
use super::ui;
use super::view::{OutputTarget, Screen};
use super::which::Which;
use crate::aws::kinds::Sought;
use crate::ops::{Failure, LeasePolicy, RunReport, Signals, caller_and_leases, destroy, guard, refused};
use kstack_core::observed::Observed;
use kstack_core::plan::Plan;

/// Delete all resources of a stack, including its data
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: Which,
    /// Run without asking for approval
    #[arg(long)]
    yes: bool,
    /// Print events as lines of JSON
    #[arg(long)]
    json: bool,
}

/// Plans and runs the deletion of a stack.
///
/// # Errors
/// Why nothing was planned or deleted, which steps failed, or that a signal came.
pub async fn run(args: &Args, context: &Context) -> Result<u8, Failure> {
    let (name, region, stack) = args.which.find().await?;
    let session = context.session(&region, &name).await?;
    let ((account, caller), mut policy) = caller_and_leases(&session).await?;
    if let Some(stack) = &stack {
        session.sought.get_or_init(|| Sought::of(stack));
        guard(stack, &account)?;
        if stack.protected {
            return Err(Failure::new(format!("the stack {name} is protected by its file; nothing was changed"))
                .hint("remove `protected: true` from the file, apply it, and then destroy the stack"));
        }
    }
    let mut approved = None;
    if !args.yes {
        let (plan, observed) = destroy::plan(&session, &account).await?;
        show(&plan, &observed, args.json);
        if !plan.refusals.is_empty() {
            return Err(refused(&plan));
        }
        let question = format!("\nThis deletes the stack and all its data. Type its name, `{name}`, to continue: ");
        // Where nothing is left to delete there is nothing to approve; the record still goes.
        if !plan.steps.is_empty() {
            ui::approve(&question, &name, "the name was not typed", "run with --yes")?;
        }
        approved = Some(plan);
        // The question may have taken any time.
        policy = LeasePolicy::default();
    }
    let signals = Signals::listen()?;
    let mut screen = Screen::new(if args.json { OutputTarget::Json } else { OutputTarget::Text }, context.printer);
    let report = |report: RunReport<'_>| match report {
        RunReport::Planned { plan, observed } => show(plan, observed, args.json),
        other => screen.report(other),
    };
    let task = context.task(&signals);
    destroy::destroy(&session, ((&account, &caller), policy), approved.as_ref(), &task, report).await?;
    Ok(0)
}

fn show(plan: &Plan, live: &Observed, json: bool) {
    if !json && plan.steps.is_empty() && plan.refusals.is_empty() {
        ui::out(&format!("Nothing to destroy: the stack {} has no live resources.\n", plan.stack));
    } else {
        show_plan(plan, live, json);
    }
}
