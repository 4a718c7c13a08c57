//! `kstack heal`: brings back hosts that are down, or have lost their data.

use jiff::SignedDuration;

use super::context::Context;
use super::ui;
use super::via::ViaArgs;
use crate::ops::heal::{Request, heal, look};
use crate::ops::{Failure, Signals};
use crate::session::read_source;
use kstack_core::heal::Wrong;
use kstack_core::stack::TimeSpan;

/// Bring back a host that is down, or has lost its data, one at a time
///
/// Looks at the hosts in EC2 and at Kafka, says what is wrong, and puts one thing right: a host that is stopped, impaired or gone comes back on its
/// volumes and its address; one whose data is lost gets an empty disk after the time of --replace-after, and fetches its replicas from the other
/// brokers. Nothing else of the file is changed. Where all is well it says nothing. It is made for cron, such as every five minutes with --yes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack file
    #[arg(value_name = "FILE")]
    file: String,
    /// Show what is wrong and what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Give a host whose data is lost for so long an empty disk, such as `15m`; `0s` is at once. Without it that is only said
    #[arg(long, value_name = "TIME", value_parser = TimeSpan::parse)]
    replace_after: Option<TimeSpan>,
    #[command(flatten)]
    pub via: ViaArgs,
}

/// Heals a stack. The code is 1 where something is wrong that was not put right.
///
/// # Errors
/// AWS's answer, that it was not approved, or why what was begun is not done.
pub async fn run(args: &Args, context: &Context) -> Result<u8, Failure> {
    let (source, parsed) = read_source(&args.file)?;
    let session = context.session(&parsed.stack.region, &parsed.stack.name).await?;
    let replace_after = args
        .replace_after
        .map(|TimeSpan(seconds)| SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX)));
    let request = Request { file: &args.file, source: &source, parsed: &parsed, replace_after };
    let signals = Signals::listen()?;
    let task = context.task(&signals);
    let sight = look(&session, &request, &task).await?;
    let verdict = &sight.verdict;
    let notes = !verdict.mark.is_empty() || !verdict.unmark.is_empty();
    if verdict.is_well() && !notes {
        return Ok(0);
    }
    if let Some(holder) = &sight.busy {
        return Ok(busy(&holder.who, &holder.host));
    }
    ui::out(&text(&verdict.wrong));
    let left = u8::from(verdict.wrong.len() > usize::from(verdict.remedy.is_some()));
    if args.dry_run || verdict.remedy.is_none() && !notes {
        return Ok(left);
    }
    if verdict.remedy.is_some() && !args.yes {
        ui::approve("\nDo it? Only `yes` is accepted: ", "yes", "it was not approved", "run with --yes")?;
    }
    let mut tell = |text: &str| context.printer.progress(text);
    let healed = match heal(&session, &request, verdict, &task, &mut tell).await {
        Err(Failure { lease_held: Some(holder), .. }) => return Ok(busy(&holder.who, &holder.host)),
        healed => healed?,
    };
    healed.done.iter().for_each(|done| ui::out(&format!("{done}\n")));
    Ok(left)
}

/// That the stack is being changed. What is down may be so on purpose, and the next run looks again: no error.
fn busy(who: &str, host: &str) -> u8 {
    ui::out(&format!("Another kstack process is changing the stack: {who} on {host}. Nothing was done.\n"));
    0
}

/// What is wrong, and below each what becomes of it.
fn text(wrong: &[Wrong]) -> String {
    wrong.iter().map(|one| format!("{}\n  {}\n", one.what, one.then)).collect()
}
