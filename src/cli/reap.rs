//! `kstack reap`: destroys every expired stack, found by tags and metadata alone.

use futures::stream::StreamExt as _;
use serde::Serialize;

use super::context::{Context, region};
use super::ui;
use crate::ops::reap::{Ending, Reaped, find, reap};
use crate::ops::{Failure, INTERRUPTED, Signals};

/// Destroy every expired stack, including its data; no stack file is needed
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only show what would be destroyed
    #[arg(long)]
    dry_run: bool,
    /// In every region that the account can use
    #[arg(long, conflicts_with = "region")]
    all_regions: bool,
    /// The AWS region; default: that of the environment or the profile
    #[arg(long)]
    region: Option<String>,
    /// Print the result for each stack as lines of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct ReapedEvent<'a> {
    event: &'static str,
    #[serde(flatten)]
    stack: &'a Reaped,
}

/// How many stacks ended in which way.
#[derive(Debug, Default, Serialize)]
struct ReapCounts {
    destroyed: usize,
    due: usize,
    gone: usize,
    busy: usize,
    kept: usize,
    failed: usize,
    /// Regions that did not answer.
    regions_failed: usize,
}

/// Destroys every expired stack.
///
/// # Errors
/// That a region or a stack failed, or that a signal came.
pub async fn run(args: &Args, context: &Context) -> Result<u8, Failure> {
    let first = match (args.all_regions, region(args.region.as_ref()).await) {
        // Any region lists the others.
        (true, Err(_)) => "us-east-1".to_owned(),
        (_, region) => region?,
    };
    let clients = context.clients(&first).await?;
    let signals = Signals::listen()?;
    let (account, caller) = signals.unless_stopped(clients.identity()).await?;
    let regions = match args.all_regions {
        true => signals.unless_stopped(clients.regions()).await?,
        false => vec![first],
    };
    let expired = find(&clients, regions).await;
    for (region, failure) in &expired.failed_regions {
        ui::err(&format!("{region}: {}\n", failure.text()));
    }
    let mut counts = ReapCounts { regions_failed: expired.failed_regions.len(), ..ReapCounts::default() };
    let task = context.task(&signals);
    let mut reaped = std::pin::pin!(reap(expired, args.dry_run, (&account, &caller), &task));
    while let Some(stack) = reaped.next().await {
        counts.add(&stack.ending);
        if args.json {
            ui::json_line(&ReapedEvent { event: "reaped", stack: &stack });
        } else {
            ui::out(&text(&stack));
        }
    }
    if args.json {
        ui::json_line(&serde_json::json!({"event": "finished", "counts": counts}));
    } else {
        ui::out(&counts.text());
    }
    match (signals.count(), counts.failed + counts.regions_failed) {
        (0, 0) => Ok(0),
        (0, _) => Ok(1),
        _ => Ok(INTERRUPTED),
    }
}

fn text(stack: &Reaped) -> String {
    let (word, what) = match &stack.ending {
        Ending::Due { resources } => ("due", format!("{resources} resources would be deleted")),
        Ending::Destroyed { resources } => ("destroyed", format!("{resources} resources deleted")),
        Ending::Gone => ("gone", "only a lease was left of it".to_owned()),
        Ending::Busy { reason } => ("busy", format!("another kstack process is changing it: {reason}")),
        Ending::Kept { reason } => ("kept", reason.clone()),
        Ending::Failed { reason } => ("failed", reason.clone()),
    };
    format!("{word:10} {} in {}: {what}\n", stack.stack, stack.region)
}

impl ReapCounts {
    fn add(&mut self, ending: &Ending) {
        *match ending {
            Ending::Due { .. } => &mut self.due,
            Ending::Destroyed { .. } => &mut self.destroyed,
            Ending::Gone => &mut self.gone,
            Ending::Busy { .. } => &mut self.busy,
            Ending::Kept { .. } => &mut self.kept,
            Ending::Failed { .. } => &mut self.failed,
        } += 1;
    }

    fn text(&self) -> String {
        let named = [
            (self.due, "due"),
            (self.destroyed, "destroyed"),
            (self.gone, "gone"),
            (self.busy, "busy"),
            (self.kept, "kept"),
            (self.failed, "failed"),
            (self.regions_failed, "regions without an answer"),
        ];
        let counted = named.iter().filter(|(count, _)| *count > 0).map(|(count, name)| format!("{count} {name}"));
        let counted: Vec<String> = counted.collect();
        if counted.is_empty() { "No stack has expired.\n".to_owned() } else { format!("{}.\n", counted.join(", ")) }
    }
}
