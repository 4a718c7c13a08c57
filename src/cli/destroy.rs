//! `kstack destroy`: deletes everything that is live of a stack, its data with it.

use super::error::Failure;
use super::plan::{cost, refused, shown};
use super::run::{Signals, execute, give_back, guard, take, unsure};
use super::view::View;
use super::{kafka, place, region, ui};
use crate::roll::Kafka;
use crate::session::{Session, Source};
use kstack_core::observed::Observed;
use kstack_core::plan::{Plan, destroy, render};
use kstack_core::stack::Name;

/// Delete everything of a stack, its data with it
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack file
    #[arg(value_name = "FILE", required_unless_present = "name")]
    file: Option<String>,
    /// The stack's name, for a stack whose file is not at hand
    #[arg(long, conflicts_with = "file", value_parser = super::name)]
    name: Option<Name>,
    /// With --name: the AWS region, when not that of the environment or the profile
    #[arg(long, conflicts_with = "file")]
    region: Option<String>,
    /// Run without asking
    #[arg(long)]
    yes: bool,
    /// Print events as lines of JSON
    #[arg(long)]
    json: bool,
}

pub async fn run(args: &Args, sandbox: bool) -> Result<u8, Failure> {
    let parsed = args.file.as_ref().map(|file| Source::read(file)).transpose()?.map(|(_, parsed)| parsed);
    let (name, region) = match (&parsed, &args.name) {
        (Some(parsed), _) => (parsed.stack.name.to_string(), parsed.stack.region.to_string()),
        (None, name) => (name.as_ref().map(Name::to_string).unwrap_or_default(), region(args.region.as_ref()).await?),
    };
    let session = Session::open(&place(&region, sandbox)?, &name).await;
    let (account, caller) = session.aws.clients.identity().await?;
    if let Some(parsed) = &parsed {
        guard(&parsed.stack, &account)?;
        if parsed.stack.protected {
            return Err(Failure::new(format!("the stack {name} is protected by its file; nothing was changed"))
                .hint("take `protected: true` out of the file, apply it, and destroy the stack then"));
        }
    }
    let plan_now = |observed: &Observed| destroy(&name, &region, &account, observed);
    let mut approved = None;
    if !args.yes {
        let observed = session.observe().await?;
        let plan = plan_now(&observed);
        show(&plan, &observed, args.json)?;
        let question = format!("\nThis deletes the stack and all its data. Type its name, `{name}`, to go on: ");
        // Where nothing is left to delete there is nothing to approve; the record still goes.
        let answer = if plan.steps.is_empty() { Some(name.clone()) } else { ui::ask(&question) };
        match answer {
            Some(answer) if answer == name => approved = Some(plan),
            Some(_) => return Err(Failure::new("the name was not typed; nothing was changed")),
            None => {
                return Err(Failure::new(
                    "the plan needs an approval, and standard input is no terminal; nothing was changed",
                )
                .hint("run with --yes"));
            }
        }
    }
    let signals = Signals::listen()?;
    let lease = take(&session, &caller, &signals).await?;
    let result = async {
        let observed = signals.unless_stopped(session.observe()).await?;
        let plan = plan_now(&observed);
        match approved {
            Some(approved) => {
                let steps: Vec<_> =
                    approved.steps.iter().map(|step| serde_json::to_value(step).unwrap_or_default()).collect();
                if let Some(difference) = plan.difference(&steps) {
                    return Err(Failure::new(format!(
                        "what is live has changed since: {difference}; nothing was changed"
                    )));
                }
            }
            None => show(&plan, &observed, args.json)?,
        }
        if plan.steps.is_empty() {
            return Ok(());
        }
        if sandbox {
            kafka::remove(&observed)?;
        }
        let view = View::new(args.json, plan.steps.len());
        execute(&session, &Kafka::default(), &plan, &observed, "", &signals, view).await
    }
    .await;
    let released = give_back(lease, result.is_ok(), unsure(&result), &signals).await;
    result?;
    released?;
    Ok(0)
}

fn show(plan: &Plan, live: &Observed, json: bool) -> Result<(), Failure> {
    let cost = cost(plan, live);
    if json {
        ui::json_line(&serde_json::json!({"event": "plan", "plan": shown(plan, &cost)}));
    } else if plan.steps.is_empty() && plan.refusals.is_empty() {
        ui::out(&format!("Nothing to destroy: nothing of the stack {} is live.\n", plan.stack));
    } else {
        ui::out(&render(plan));
        ui::out(&cost.text());
    }
    if plan.refusals.is_empty() { Ok(()) } else { Err(refused(plan)) }
}
