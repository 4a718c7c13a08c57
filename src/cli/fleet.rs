//! `kstack plan` of several stack files: planned at once, with one summary. One that fails does not affect the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::stream::{self, StreamExt as _};
use serde::Serialize;
use serde_json::{Value, json};

use super::context::Context;
use super::error::print;
use super::plan::{Args, shown};
use super::ui;
use crate::aws::{AT_MOST, Asked, Clients, Together};
use crate::ops::Failure;
use crate::ops::inside::{self, Looking};
use crate::ops::prices::cost_of;
use crate::session::{Session, make_plan, read_source};
use kstack_core::check::Parsed;
use kstack_core::diagram::{Diagram, ZonesBy};
use kstack_core::plan::{self, COMMENT, CostDelta, Counts, Plan, Source, markdown, render};
use kstack_core::pricing::{money, signed, without};
use kstack_core::stack::Stack;

/// Stacks that are planned at the same time. Most calls are made for all of a region; of those that are left for each, such as for the
/// attributes of its VPC, more at once would only wait for AWS's bucket of a hundred tokens.
const AT_ONCE: usize = 30;

/// A plan with its cost, and the picture of what the stack is to be.
type Planned = Result<(Plan, CostDelta, Option<Diagram>), Failure>;

/// Plans all `files` and prints a line for each and the sums.
///
/// # Errors
/// That a file can't be planned; the others are shown all the same.
pub async fn run(args: &Args, context: &Context) -> Result<u8, Failure> {
    let Args { files, allow_data_loss, json, markdown: as_markdown, detailed_exitcode, .. } = args;
    let read = read(files);
    let clients = clients_of(read.iter().flatten().map(|(_, parsed)| &parsed.stack), context).await?;
    let plans = read.iter().zip(files).map(|(one, file)| {
        let clients = &clients;
        async move {
            match one {
                Ok((source, parsed)) => {
                    let of_stack = &clients[&(&*parsed.stack.region, &*parsed.stack.name)];
                    plan(of_stack, source, parsed, *allow_data_loss, context.looking())
                        .await
                        .map_err(|failure| about(file, failure))
                }
                Err(failure) => Err(failure.clone()),
            }
        }
    });
    let plans: Vec<Planned> = stream::iter(plans).buffered(AT_ONCE).collect().await;
    let summary = FleetSummary::of(&plans);
    if *json {
        let stacks: Vec<Value> = files.iter().zip(&plans).map(|(file, planned)| line(file, planned)).collect();
        ui::json(&json!({"stacks": stacks, "summary": summary}));
    } else if *as_markdown {
        ui::markdown(&markdown(&files.iter().zip(&plans).map(commented).collect::<Vec<_>>(), COMMENT));
    } else {
        plans
            .iter()
            .flatten()
            .filter(|(plan, ..)| !plan.refusals.is_empty())
            .for_each(|(plan, ..)| ui::out(&render(plan)));
        ui::out(&table(files, &plans));
        ui::out(&warnings(files, &plans));
        ui::out(&summary.text());
    }
    plans.iter().filter_map(|planned| planned.as_ref().err()).for_each(print);
    let wrong = summary.failed + summary.refused;
    if wrong > 0 {
        let many = format!("{wrong} of {} stacks can't be planned; nothing was changed", files.len());
        return Err(Failure::new(many).hint("see above for each; the other plans are valid"));
    }
    Ok(if *detailed_exitcode && summary.changed > 0 { 2 } else { 0 })
}

/// The clients of each stack, by region and name. Credentials are read once, connections are shared, and the stacks of a region ask
/// together for what AWS tells of all of them in one answer.
async fn clients_of<'a>(
    stacks: impl Iterator<Item = &'a Stack>,
    context: &Context,
) -> Result<BTreeMap<(&'a str, &'a str), Clients>, Failure> {
    let mut by_region: BTreeMap<&str, Vec<&Stack>> = BTreeMap::new();
    stacks.for_each(|stack| by_region.entry(&stack.region).or_default().push(stack));
    let (account, mut first, mut clients) = (Arc::new(Asked::default()), None::<Clients>, BTreeMap::new());
    for (region, stacks) in by_region {
        let of_region = match &first {
            Some(others) => others.in_region(region),
            None => context.clients(region).await?,
        };
        for stacks in stacks.chunks(AT_MOST) {
            let of_these = of_region.sharing(Together::of(stacks.iter().copied(), Arc::clone(&account)));
            clients.extend(stacks.iter().map(|stack| ((&*stack.region, &*stack.name), of_these.clone())));
        }
        first.get_or_insert(of_region);
    }
    Ok(clients)
}

/// A stack of a comment: its plan, or its failure.
fn commented<'a>((file, planned): (&'a String, &'a Planned)) -> plan::Planned<'a> {
    let plan = planned.as_ref().map(|(plan, cost, _)| (plan, cost)).map_err(Failure::text);
    let diagram = planned.as_ref().ok().and_then(|(.., diagram)| diagram.clone());
    plan::Planned { file, plan, diagram }
}

/// The files, read and checked. A stack is in one file.
fn read(files: &[String]) -> Vec<Result<(Source, Parsed), Failure>> {
    let mut seen: BTreeMap<(String, String), &str> = BTreeMap::new();
    let one = |file: &'_ String| read_source(file).map_err(Failure::from);
    let mut all: Vec<_> = files.iter().map(one).collect();
    for (file, read) in files.iter().zip(&mut all) {
        let Ok((_, parsed)) = read else { continue };
        let stack = (parsed.stack.region.to_string(), parsed.stack.name.to_string());
        if let Some(first) = seen.get(&stack) {
            let (region, name) = stack;
            *read = Err(Failure::new(format!(
                "{file} defines the stack {name} in {region}, which {first} defines already"
            ))
            .hint("give each stack a name of its own, and each file once"));
        } else {
            seen.insert(stack, file);
        }
    }
    all
}

/// One stack, beside others.
async fn plan(
    clients: &Clients,
    source: &Source,
    parsed: &Parsed,
    allow_data_loss: bool,
    looking: Looking<'_>,
) -> Planned {
    let session = Session::beside(clients, &parsed.stack.name);
    let seen = inside::look(&session, parsed, looking).await?;
    let (design, plan) = make_plan(source, parsed, &seen.input, allow_data_loss);
    let cost = cost_of(&plan, &seen.input.observed);
    let diagram = design.map(|design| Diagram::of(&design, ZonesBy::Aws).folded());
    Ok((plan, cost, diagram))
}

/// The failure with the file that it is about. Problems in a file name it already.
fn about(file: &str, failure: Failure) -> Failure {
    if failure.report.is_some() { failure } else { failure.during(format!("{file} can't be planned")) }
}

/// What all plans do together.
#[derive(Serialize)]
struct FleetSummary {
    stacks: usize,
    changed: usize,
    unchanged: usize,
    refused: usize,
    failed: usize,
    counts: Counts,
    cost: Cost,
}

/// USD a month.
#[derive(Serialize)]
struct Cost {
    now: f64,
    change: f64,
    gaps: BTreeSet<String>,
}

impl FleetSummary {
    fn of(plans: &[Planned]) -> FleetSummary {
        let all: Vec<&(Plan, CostDelta, Option<Diagram>)> = plans.iter().flatten().collect();
        let count = |which: &dyn Fn(&Plan) -> bool| all.iter().filter(|(plan, ..)| which(plan)).count();
        let sum = |what: &dyn Fn(&CostDelta) -> f64| {
            all.iter().map(|(_, cost, _)| what(cost)).fold(0.0, |sum, usd| sum + usd)
        };
        let refused = count(&|plan| !plan.refusals.is_empty());
        let changed = count(&|plan| plan.refusals.is_empty() && !plan.steps.is_empty());
        FleetSummary {
            stacks: plans.len(),
            changed,
            unchanged: all.len() - changed - refused,
            refused,
            failed: plans.len() - all.len(),
            counts: all.iter().filter(|(plan, ..)| plan.refusals.is_empty()).map(|(plan, ..)| plan.counts()).sum(),
            cost: Cost {
                now: sum(&|cost| cost.now),
                change: sum(&|cost| cost.change),
                gaps: all.iter().flat_map(|(_, cost, _)| cost.gaps.iter().cloned()).collect(),
            },
        }
    }

    fn text(&self) -> String {
        let FleetSummary { stacks, changed, unchanged, refused, failed, counts, cost } = self;
        let wrong = match (refused, failed) {
            (0, 0) => String::new(),
            _ => format!(", {refused} refused, {failed} failed"),
        };
        let gaps: Vec<String> = cost.gaps.iter().cloned().collect();
        format!(
            "\n{stacks} stacks: {changed} with changes, {unchanged} unchanged{wrong}.\nPlan: {counts}.\n\
             Monthly cost: {} USD now, {} USD with these plans, {}.\n",
            money(cost.now),
            signed(cost.change),
            without("traffic", &gaps)
        )
    }
}

/// A stack of the summary as JSON: its plan as `plan --json` has it, or its failure.
fn line(file: &str, planned: &Planned) -> Value {
    let mut line = match planned {
        Ok((plan, cost, _)) => serde_json::to_value(shown(plan, cost)).unwrap_or_default(),
        Err(failure) => json!({"error": failure.text()}),
    };
    line["file"] = file.into();
    line
}

/// What of each workload fits only tightly, a line each.
fn warnings(files: &[String], plans: &[Planned]) -> String {
    let of = |(file, planned): (&String, &Planned)| -> Vec<String> {
        let warnings = planned.as_ref().map(|(plan, ..)| plan.warnings.as_slice()).unwrap_or_default();
        warnings.iter().map(|warning| format!("\nWarning: {file}: {warning}\n")).collect()
    };
    files.iter().zip(plans).flat_map(of).collect()
}

/// A row for each stack.
fn table(files: &[String], plans: &[Planned]) -> String {
    const HEAD: [&str; 10] =
        ["FILE", "STACK", "REGION", "CREATE", "CHANGE", "ROLL", "REPLACE", "DELETE", "USD A MONTH", "RESULT"];
    let row = |(file, planned): (&String, &Planned)| match planned {
        Err(_) => [&[file.as_str()][..], &["-"; 8], &["failed"]].concat().iter().map(|&cell| cell.to_owned()).collect(),
        Ok((plan, ..)) if !plan.refusals.is_empty() => {
            let names = [file, &plan.stack, &plan.region].map(String::clone);
            names.into_iter().chain(vec!["-".to_owned(); 6]).chain(["refused".to_owned()]).collect()
        }
        Ok((plan, cost, _)) => {
            let Counts { create, change, roll, replace, delete } = plan.counts();
            let counts = [create, change, roll, replace, delete].map(|count| count.to_string());
            let result = if plan.steps.is_empty() { "unchanged" } else { "changes" };
            let names = [file, &plan.stack, &plan.region].map(String::clone);
            names.into_iter().chain(counts).chain([signed(cost.change), result.to_owned()]).collect()
        }
    };
    ui::table(&HEAD, &files.iter().zip(plans).map(row).collect::<Vec<Vec<String>>>())
}
