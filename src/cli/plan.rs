//! `kstack plan`: what would change to make the live resources match the stack file. Several files are planned at once, by `fleet`.

use std::io;
use std::path::Path;

use serde::Serialize;

use super::context::Context;
use super::via::ViaArgs;
use super::{fleet, ui};
use crate::ops::prices::cost_of;
use crate::ops::{Failure, inside, refused};
use crate::session::{check_writable, make_plan, read_source, write_file};
use kstack_core::diagram::{Diagram, ZonesBy};
use kstack_core::observed::Observed;
use kstack_core::plan::{COMMENT, CostDelta, Counts, Plan, Planned, markdown, render};
use kstack_core::plan::{SAVED_PLAN, SavedPlan};

/// Show what would change to make the live resources match the stack file
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack files; several are planned at once and summarized
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<String>,
    /// Save the plan of one stack file to a file that `kstack apply` can run
    #[arg(long, value_name = "PLAN")]
    out: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Print Markdown for a comment on a pull request: a summary, and the plans folded; what is too long for GitHub is left out
    #[arg(long, conflicts_with = "json")]
    pub markdown: bool,
    /// Exit with 0 if there are no changes, 1 after an error, 2 if there are changes
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Allow steps that delete data, and steps that replace lost data with nothing
    #[arg(long)]
    pub allow_data_loss: bool,
    #[command(flatten)]
    pub via: ViaArgs,
}

#[derive(Serialize)]
struct PlanOutput<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    counts: Counts,
    /// USD a month, by step too.
    cost: &'a CostDelta,
}

/// A plan as JSON.
pub fn shown<'a>(plan: &'a Plan, cost: &'a CostDelta) -> impl Serialize {
    PlanOutput { plan, counts: plan.counts(), cost }
}

/// Shows a plan and its cost: as an event, or as text.
pub fn show(plan: &Plan, live: &Observed, json: bool) {
    let cost = cost_of(plan, live);
    if json {
        ui::json_line(&serde_json::json!({"event": "plan", "plan": shown(plan, &cost)}));
    } else {
        ui::out(&render(plan));
        ui::out(&cost.text());
    }
}

fn unwritable(path: &str) -> impl Fn(io::Error) -> Failure {
    move |error| Failure::new(format!("the plan can't be saved as {path}: {error}"))
}

/// Plans one or several stack files.
///
/// # Errors
/// Why a file can't be planned, or that the plan is refused.
pub async fn run(args: &Args, context: &Context) -> Result<u8, Failure> {
    let [file] = &args.files[..] else {
        return match &args.out {
            Some(_) => {
                Err(Failure::new("only the plan of one stack can be saved").hint("omit --out, or name one stack file"))
            }
            None => fleet::run(args, context).await,
        };
    };
    if let Some(path) = &args.out {
        check_writable(Path::new(path)).map_err(unwritable(path))?;
    }
    let (source, parsed) = read_source(file)?;
    let session = context.session(&parsed.stack.region, &parsed.stack.name).await?;
    let seen = inside::look(&session, &parsed, context.looking()).await?;
    let (design, plan) = make_plan(&source, &parsed, &seen.input, args.allow_data_loss);
    let cost = cost_of(&plan, &seen.input.observed);
    if args.json {
        ui::json(&shown(&plan, &cost));
    } else if args.markdown {
        let diagram = design.as_ref().map(|design| Diagram::of(design, ZonesBy::Aws).folded());
        ui::markdown(&markdown(&[Planned { file, plan: Ok((&plan, &cost)), diagram }], COMMENT));
    } else {
        ui::out(&render(&plan));
        ui::out(&cost.text());
        if let Some(holder) = &seen.holder {
            context
                .printer
                .progress(&format!("Another kstack process is changing the stack: {} on {}.", holder.who, holder.host));
        }
    }
    if !plan.refusals.is_empty() {
        return Err(refused(&plan));
    }
    if let Some(path) = &args.out {
        let steps = plan.steps.iter().map(|step| serde_json::to_value(step).unwrap_or_default()).collect();
        let saved = SavedPlan {
            kstack_plan: SAVED_PLAN,
            source,
            allow_data_loss: args.allow_data_loss,
            account: plan.account.clone(),
            steps,
            planned_at: session.expiry().now,
        };
        let text = serde_json::to_string_pretty(&saved).unwrap_or_default();
        write_file(Path::new(path), text.as_bytes()).map_err(unwritable(path))?;
        context.printer.progress(&format!("The plan is saved. Run it with: kstack apply {path}"));
    }
    Ok(if args.detailed_exitcode && !plan.steps.is_empty() { 2 } else { 0 })
}
