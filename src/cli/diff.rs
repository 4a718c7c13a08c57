//! `kstack diff`: what a change of a stack file would do, without AWS.

use super::{error, ui};
use crate::clock;
use crate::ops::prices::cost_of;
use crate::ops::{Failure, refused};
use crate::session::read_source;
use kstack_core::offline::{Foreseen, UNKNOWN, foresee};
use kstack_core::plan::{COMMENT, Planned, markdown, render};

/// Show what a change of a stack file would do to the stack, without AWS
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack file that was applied
    before: String,
    /// The changed stack file
    after: String,
    /// Print Markdown for a comment on a pull request
    #[arg(long)]
    markdown: bool,
    /// Exit with 0 if there are no changes, 1 after an error, 2 if there are changes
    #[arg(long)]
    detailed_exitcode: bool,
    /// Allow steps that delete data
    #[arg(long)]
    allow_data_loss: bool,
}

/// Plans the one file against what the other one makes.
///
/// # Errors
/// That a file can't be read, that they are of two stacks, or that the plan is refused.
pub fn run(args: &Args) -> Result<u8, Failure> {
    let (before, after) = match [&args.before, &args.after].map(|file| read_source(file).map_err(Failure::from)) {
        [Ok((_, before)), Ok((_, after))] => (before, after),
        [Err(one), Err(other)] => {
            error::print(&one);
            return Err(other);
        }
        [Err(one), _] | [_, Err(one)] => return Err(one),
    };
    let place = |stack: &kstack_core::stack::Stack| format!("{} in {}", stack.name, stack.region);
    let (was, is) = (place(&before.stack), place(&after.stack));
    if was != is {
        let text = format!(
            "{} is the stack {was}, and {} the stack {is}: two stacks, of which neither changes",
            args.before, args.after
        );
        return Err(Failure::new(text).hint("compare two versions of the same stack's file"));
    }
    let foreseen = foresee(&before.stack, &after.stack, clock::now(), args.allow_data_loss);
    let Foreseen { plan, observed } = foreseen.map_err(|plan| {
        ui::out(&render(&plan));
        refused(&plan).during(format!("{} can't be applied", args.before))
    })?;
    let cost = cost_of(&plan, &observed);
    if args.markdown {
        ui::markdown(&markdown(
            &[Planned { file: &args.after, plan: Ok((&plan, &cost)), diagram: None }],
            COMMENT - 1000,
        ));
        ui::markdown(&format!("\n{UNKNOWN}\n"));
    } else {
        // Nothing live was asked, so a plan's own words for that would not be true.
        let same = plan.steps.is_empty() && plan.refusals.is_empty() && plan.notes.iter().all(|note| note.warning);
        ui::out(&if same { "Nothing would change.\n".to_owned() } else { render(&plan) });
        ui::out(&cost.text());
        ui::out(&format!("\n{UNKNOWN}\n"));
    }
    if !plan.refusals.is_empty() {
        return Err(refused(&plan));
    }
    Ok(if args.detailed_exitcode && !plan.steps.is_empty() { 2 } else { 0 })
}
