//! `kstack rebalance`: moves partitions so that each broker has its share.

use serde_json::json;

use super::context::Context;
use super::ui;
use super::via::ViaArgs;
use crate::moves::{Event, Moved};
use crate::ops::{Failure, Signals, rebalance};
use crate::session::read_source;
use kstack_core::instance_types::embedded;
use kstack_core::moves::amount;
use kstack_core::stack::Rate;
use kstack_core::text::many;

/// Move partitions between brokers until each has its share: after brokers were added, or when topics have grown unevenly
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack file
    #[arg(value_name = "FILE")]
    file: String,
    /// Show what would be moved, and move nothing
    #[arg(long)]
    dry_run: bool,
    /// Run without asking for approval
    #[arg(long)]
    yes: bool,
    /// Print JSON: the proposal with --dry-run, else events as lines
    #[arg(long)]
    json: bool,
    /// Bytes a second that each broker may use for moves, such as `60 MiB/s`; default: half of what its type has left over the
    /// workload's peak, and up to all of it where moves come no nearer
    #[arg(long, value_name = "RATE", value_parser = Rate::parse)]
    throttle: Option<Rate>,
    #[command(flatten)]
    pub via: ViaArgs,
}

/// Proposes moves, asks, and runs them under the stack's lease.
///
/// # Errors
/// That the brokers can't be asked, that it was not approved, or why the moves have not come to their end.
pub async fn run(args: &Args, context: &Context) -> Result<u8, Failure> {
    let (_, parsed) = read_source(&args.file)?;
    let stack = &parsed.stack;
    rebalance::movable(stack)?;
    let orders = rebalance::orders(stack, args.throttle, embedded())?;
    let session = context.session(&stack.region, &stack.name).await?;
    let signals = Signals::listen()?;
    let task = context.task(&signals);
    if args.dry_run || !args.yes {
        let proposal = rebalance::propose(&session, stack, orders.bands, &task).await?;
        match (args.json, args.dry_run) {
            (true, true) => ui::json(&proposal),
            (true, false) => ui::json_line(&json!({"event": "proposal", "proposal": proposal})),
            _ => ui::out(&proposal.text(orders.rate)),
        }
        if args.dry_run || proposal.is_empty() {
            return Ok(0);
        }
        let question =
            "\nMove these partitions? Each batch is planned from what is live then. Only `yes` is accepted: ";
        ui::approve(question, "yes", "the moves were not approved", "run with --yes")?;
    }
    let mut told = |event: Event| match args.json {
        true => ui::json_line(&as_json(&event)),
        false => context.printer.progress(&event.text()),
    };
    let moved = rebalance::rebalance(&session, stack, orders, &task, &mut told).await?;
    match args.json {
        true => ui::json_line(
            &json!({"event": "ended", "moves": moved.moves, "bytes": moved.bytes, "orders": moved.orders}),
        ),
        false => ui::out(&done(moved)),
    }
    Ok(0)
}

/// What was done, for people.
pub(super) fn done(moved: Moved) -> String {
    match (moved.moves, moved.orders) {
        (0, 0) => "All partitions are inside their bands.\n".to_owned(),
        (0, orders) => {
            format!("Put {} into another order. All partitions are inside their bands.\n", many(orders, "replica list"))
        }
        (moves, _) => format!(
            "Made {}, {}; the throttle is lifted. All partitions are inside their bands.\n",
            many(moves, "move"),
            amount(moved.bytes)
        ),
    }
}

/// An event for scripts.
pub(super) fn as_json(event: &Event) -> serde_json::Value {
    match event {
        Event::Started { moves, bytes } => json!({"event": "started", "moves": moves, "bytes": bytes}),
        Event::Progress { progress, speed } => {
            json!({"event": "progress", "progress": progress, "bytes_per_second": speed})
        }
        Event::Waiting { why } => json!({"event": "waiting", "reason": why}),
        Event::Did { what } => json!({"event": "did", "what": what}),
    }
}
