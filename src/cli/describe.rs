//! `kstack describe`: the stack file of an MSK cluster that others made.

use super::context::Context;
use super::ui;
use crate::ops::Failure;
use crate::ops::describe::{ClusterArn, stack_file};

/// Print the stack file of an existing MSK cluster, for `kstack adopt`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cluster's ARN
    #[arg(value_name = "CLUSTER-ARN")]
    cluster: String,
}

/// Prints the file.
///
/// # Errors
/// That the cluster can't become a stack, and why; AWS's answer.
pub async fn run(args: &Args, context: &Context) -> Result<u8, Failure> {
    let cluster = ClusterArn::read(&args.cluster)?;
    let mut session = context.session(&cluster.region, &cluster.name).await?;
    let text = stack_file(&mut session, &cluster).await?;
    ui::out(&text);
    context.printer.progress(&format!(
        "Save it, for instance as {}.yaml, read it, and run `kstack adopt {}.yaml`.",
        cluster.name, cluster.name
    ));
    Ok(0)
}
