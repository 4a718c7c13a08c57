//! `kstack evacuate`: empties a zone on purpose, and fills it again.

use serde_json::json;

use super::context::Context;
use super::rebalance::as_json;
use super::ui;
use super::via::ViaArgs;
use crate::moves::Event;
use crate::ops::evacuate::{Asked, evacuate, look};
use crate::ops::{Failure, Signals, rebalance};
use crate::session::read_source;
use kstack_core::engines::Engine;
use kstack_core::instance_types::embedded;
use kstack_core::moves::{Left, amount};
use kstack_core::stack::Rate;
use kstack_core::text::many;

/// Empty a zone on purpose: its brokers lead nothing any more, and have no replicas where that is asked for
///
/// Leaders leave at once, by the order of replica lists: no data is copied, and it is done while the zone misbehaves. With --replicas what its brokers
/// have moves to those of the other zones, throttled, so that they may be stopped. Until --undo nothing comes back: neither a rebalance nor an apply
/// fills the zone again, and both say that it is evacuated.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack file
    #[arg(value_name = "FILE")]
    file: String,
    /// The zone, by its name or its id
    #[arg(long, value_name = "ZONE")]
    zone: String,
    /// Move replicas out of it, too
    #[arg(long, conflicts_with = "undo")]
    replicas: bool,
    /// End it: leaders and replicas come back, until each broker has its share
    #[arg(long)]
    undo: bool,
    /// Show what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Run without asking for approval
    #[arg(long)]
    yes: bool,
    /// Print JSON: the proposal with --dry-run, else events as lines
    #[arg(long)]
    json: bool,
    /// Bytes a second that each broker may use for moves, such as `60 MiB/s`; default: as for `rebalance`
    #[arg(long, value_name = "RATE", value_parser = Rate::parse)]
    throttle: Option<Rate>,
    #[command(flatten)]
    pub via: ViaArgs,
}

/// Proposes it, asks, and does it under the stack's lease.
///
/// # Errors
/// That the brokers can't be asked, that it is refused or was not approved, or why it has not come to its end.
pub async fn run(args: &Args, context: &Context) -> Result<u8, Failure> {
    let (_, parsed) = read_source(&args.file)?;
    let stack = &parsed.stack;
    if Engine::of(stack) == Engine::Msk {
        return Err(Failure::new(
            "no zone of an MSK cluster is evacuated by kstack: MSK's brokers have no interfaces that could tell of it",
        ));
    }
    let orders = rebalance::orders(stack, args.throttle, embedded())?;
    let left = if args.replicas { Left::Replicas } else { Left::Leaders };
    let asked = Asked { zone: &args.zone, left: (!args.undo).then_some(left) };
    let session = context.session(&stack.region, &stack.name).await?;
    let signals = Signals::listen()?;
    let task = context.task(&signals);
    if args.dry_run || !args.yes {
        let sight = look(&session, stack, asked, orders.rate, &task).await?;
        match (args.json, args.dry_run) {
            (true, true) => ui::json(&sight),
            (true, false) => ui::json_line(&json!({"event": "proposal", "proposal": sight})),
            _ => ui::out(&sight.text),
        }
        sight.permitted()?;
        if args.dry_run || sight.done {
            return Ok(0);
        }
        ui::approve("\nDo it? Only `yes` is accepted: ", "yes", "it was not approved", "run with --yes")?;
    }
    let mut told = |event: Event| match args.json {
        true => ui::json_line(&as_json(&event)),
        false => context.printer.progress(&event.text()),
    };
    let (moved, said) = evacuate(&session, stack, asked, orders, &task, &mut told).await?;
    match args.json {
        true => ui::json_line(
            &json!({"event": "ended", "moves": moved.moves, "bytes": moved.bytes, "orders": moved.orders, "text": said}),
        ),
        false => {
            let made = match moved.moves {
                0 => String::new(),
                count => format!(" Made {}, {}; the throttle is lifted.", many(count, "move"), amount(moved.bytes)),
            };
            ui::out(&format!("{said}{made}\n"));
        }
    }
    Ok(0)
}
