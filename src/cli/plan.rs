//! `kstack plan`: the difference between the stack file and what is live. Several files are planned at once, by `fleet`.

use serde::Serialize;

use super::error::Failure;
use super::prices::Used;
use super::{fleet, place, ui};
use crate::session::{SAVED_PLAN, SavedPlan, Session, Source, make_plan};
use kstack_core::observed::Observed;
use kstack_core::plan::{CostDelta, Counts, Plan, cost_delta, render};

/// Show what differs between the stack file and what is live
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack files; several are planned at once, with one summary
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// Write the plan of one file to a file that `kstack apply` runs
    #[arg(long, value_name = "PLAN")]
    out: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Exit with 0 when there is nothing to do, 1 after an error, 2 when there are changes
    #[arg(long)]
    detailed_exitcode: bool,
    /// Allow steps that delete data, or that replace data that is lost
    #[arg(long)]
    allow_data_loss: bool,
}

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    counts: Counts,
    /// USD a month, by step too.
    cost: &'a CostDelta,
}

/// A plan as JSON.
pub fn shown<'a>(plan: &'a Plan, cost: &'a CostDelta) -> impl Serialize {
    Shown { plan, counts: plan.counts(), cost }
}

/// What the plan changes in the monthly cost of what is live.
pub fn cost(plan: &Plan, live: &Observed) -> CostDelta {
    cost_delta(plan, live, &Used::of(&plan.region).prices)
}

/// The failure of a plan with refusals; the plan itself has shown them.
pub fn refused(plan: &Plan) -> Failure {
    let count = plan.refusals.len();
    Failure::new(format!(
        "the plan is refused for {count} reason{}; nothing was changed",
        if count == 1 { "" } else { "s" }
    ))
}

pub async fn run(args: &Args, sandbox: bool) -> Result<u8, Failure> {
    let [file] = &args.files[..] else {
        return match &args.out {
            Some(_) => {
                Err(Failure::new("a saved plan is of one stack").hint("leave out --out, or name one stack file"))
            }
            None => fleet::run(&args.files, args.allow_data_loss, args.json, args.detailed_exitcode, sandbox).await,
        };
    };
    let (source, parsed) = Source::read(file)?;
    let session = Session::open(&place(&parsed.stack.region, sandbox)?, &parsed.stack.name).await;
    let seen = session.look(&parsed).await?;
    let (_, plan) = make_plan(&source, &parsed, &seen.world, args.allow_data_loss);
    let cost = cost(&plan, &seen.world.observed);
    if args.json {
        ui::json(&shown(&plan, &cost));
    } else {
        ui::out(&render(&plan));
        ui::out(&cost.text());
        if let Some(holder) = &seen.holder {
            ui::progress(&format!(
                "Another kstack works on the stack at the moment: {} on {}.",
                holder.who, holder.host
            ));
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
            planned_at: session.asked.now,
        };
        let text = serde_json::to_string_pretty(&saved).unwrap_or_default();
        std::fs::write(path, text).map_err(|error| Failure::new(format!("{path} can't be written: {error}")))?;
        ui::progress(&format!("The plan is saved. Run it with: kstack apply {path}"));
    }
    Ok(if args.detailed_exitcode && !plan.steps.is_empty() { 2 } else { 0 })
}
