//! `kstack move`: the moves of partitions that are under way.

use clap::Subcommand;
use serde_json::json;

use super::context::Context;
use super::ui;
use super::via::ViaArgs;
use crate::ops::{Failure, Signals, rebalance};
use crate::session::read_source;
use kstack_core::moves::amount;
use kstack_core::text::many;

/// Show or take back the moves of partitions that are under way
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show what is copied, and how much is left
    Status(StatusArgs),
    /// Take back the moves that kstack has started, put replica lists into the order that they had, and lift the throttle
    Cancel(CancelArgs),
}

#[derive(Debug, clap::Args)]
struct StatusArgs {
    /// The stack file
    #[arg(value_name = "FILE")]
    file: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    via: ViaArgs,
}

#[derive(Debug, clap::Args)]
struct CancelArgs {
    /// The stack file
    #[arg(value_name = "FILE")]
    file: String,
    /// Run without asking for approval
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    via: ViaArgs,
}

impl Args {
    /// How the command reaches Kafka.
    pub fn via(&self) -> &ViaArgs {
        match &self.what {
            What::Status(args) => &args.via,
            What::Cancel(args) => &args.via,
        }
    }
}

/// Shows moves, or takes them back.
///
/// # Errors
/// That the brokers can't be asked, that it was not approved, or Kafka's refusal.
pub async fn run(args: &Args, context: &Context) -> Result<u8, Failure> {
    let file = match &args.what {
        What::Status(args) => &args.file,
        What::Cancel(args) => &args.file,
    };
    let (_, parsed) = read_source(file)?;
    let stack = &parsed.stack;
    rebalance::movable(stack)?;
    let session = context.session(&stack.region, &stack.name).await?;
    let signals = Signals::listen()?;
    let task = context.task(&signals);
    match &args.what {
        What::Status(args) => {
            let (progress, troubles) = rebalance::status(&session, stack, &task).await?;
            if args.json {
                ui::json(&json!({"progress": progress, "troubles": troubles}));
                return Ok(0);
            }
            ui::out(&format!("{}\n", progress.text(None)));
            let rows: Vec<Vec<String>> = progress
                .copying
                .iter()
                .map(|one| {
                    let ids = |ids: &[u32]| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
                    let copied = format!("{} of {}", amount(one.copied_bytes), amount(one.bytes));
                    let by = if one.ours { "kstack" } else { "others" };
                    vec![
                        format!("{}-{}", one.topic, one.partition),
                        ids(&one.from),
                        ids(&one.to),
                        copied,
                        by.to_owned(),
                    ]
                })
                .collect();
            if !rows.is_empty() {
                ui::out(&ui::table(&["partition", "from", "to", "copied", "started by"], &rows));
            }
            if !troubles.is_empty() {
                ui::out(&format!("Nothing new would be started: {}.\n", troubles.join("; ")));
            }
        }
        What::Cancel(args) => {
            if !args.yes {
                let question = "Take back all moves of partitions that kstack has started? Only `yes` is accepted: ";
                ui::approve(question, "yes", "it was not approved", "run with --yes")?;
            }
            let count = rebalance::cancel(&session, stack, &task).await?;
            ui::out(&format!("Took back {}; the throttle is lifted.\n", many(count, "move")));
        }
    }
    Ok(0)
}
