//! `kstack finalize`: brings a cluster's features to the level of the Kafka that it runs.

use serde_json::json;

use super::context::Context;
use super::ui;
use super::via::ViaArgs;
use crate::clock;
use crate::ops::finalize::{Request, finalize, propose};
use crate::ops::{Failure, Signals};
use crate::session::read_source;
use kstack_core::finalize::Finalization;
use kstack_core::text::many;

/// Finalize the features of the Kafka that every host runs: the end of an upgrade
///
/// An upgrade rolls hosts to a newer Kafka and leaves the cluster's features, such as metadata.version, as they are: so an older version in the
/// file takes the hosts back. This raises them, once you are sure of the new version. There is no way back then. It is refused while a host
/// runs another version, while the cluster is not well, and where Kafka itself would refuse it. Where it was interrupted, the same command finishes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack file
    #[arg(value_name = "FILE")]
    file: String,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Print what is raised as JSON; needs --yes
    #[arg(long, requires = "yes")]
    json: bool,
    #[command(flatten)]
    pub via: ViaArgs,
}

/// Shows what it would do, asks, and does it under the stack's lease.
///
/// # Errors
/// Why features can't be raised; that it was not approved.
pub async fn run(args: &Args, context: &Context) -> Result<u8, Failure> {
    let (source, parsed) = read_source(&args.file)?;
    let session = context.session(&parsed.stack.region, &parsed.stack.name).await?;
    let signals = Signals::listen()?;
    let task = context.task(&signals);
    let request = Request { source: &source, parsed: &parsed };
    let proposal = propose(&session, request, &task).await?;
    let planned = &proposal.finalization;
    if !planned.raises.is_empty() && !args.json {
        ui::out(&planned.text(clock::now()));
    }
    if !planned.raises.is_empty() && !args.yes {
        let question = "\nFinalize them? There is no way back. Only `yes` is accepted: ";
        ui::approve(question, "yes", "it was not approved", "run with --yes")?;
    }
    // A run that died between Kafka and the record has left only that.
    let done = match planned.raises.is_empty() && !proposal.noted {
        true => proposal.finalization,
        false => finalize(&session, request, Some(&planned.raises), &task).await?,
    };
    match args.json {
        true => ui::json(&json!({"stack": done.stack, "kafka": done.kafka, "raised": done.raises})),
        false => ui::out(&said(&done)),
    }
    Ok(0)
}

fn said(done: &Finalization) -> String {
    match done.raises.len() {
        0 => format!("Nothing to finalize: the cluster has the features of Kafka {}.\n", done.kafka),
        count => format!("Finalized {} of Kafka {}.\n", many(count, "feature"), done.kafka),
    }
}
