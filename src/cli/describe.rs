//! `kstack describe`: the stack file of an MSK cluster, or in a VPC, that others made.

use super::context::{Context, region};
use super::{name, ui};
use crate::ops::Failure;
use crate::ops::describe::{ClusterArn, network_file, stack_file};
use kstack_core::stack::Name;

/// Print the stack file of an existing MSK cluster, for `kstack adopt`, or one in an existing VPC
///
/// Of a VPC, the file has its private subnets, one for each zone, and three brokers to begin with. kstack adopts no network: it works in it, and
/// leaves it as it is.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cluster's ARN, or the VPC's id
    #[arg(value_name = "CLUSTER-ARN|VPC-ID")]
    what: String,
    /// The AWS region of the VPC; default: that of the environment or the profile
    #[arg(long)]
    region: Option<String>,
    /// The name of the stack in the VPC
    #[arg(long, value_parser = name, default_value = "kafka")]
    name: Name,
}

/// Prints the file.
///
/// # Errors
/// That the cluster can't become a stack, or the VPC can't have one, and why; AWS's answer.
pub async fn run(args: &Args, context: &Context) -> Result<u8, Failure> {
    if args.what.starts_with("vpc-") {
        let region = region(args.region.as_ref()).await?;
        let session = context.session(&region, &args.name).await?;
        ui::out(&network_file(&session, &args.what).await?);
        let name = &args.name;
        context.printer.progress(&format!("Save it, for instance as {name}.yaml, and run `kstack plan {name}.yaml`."));
        return Ok(0);
    }
    let cluster = ClusterArn::read(&args.what)?;
    let mut session = context.session(&cluster.region, &cluster.name).await?;
    let text = stack_file(&mut session, &cluster).await?;
    ui::out(&text);
    context.printer.progress(&format!(
        "Save it, for instance as {}.yaml, read it, and run `kstack adopt {}.yaml`.",
        cluster.name, cluster.name
    ));
    Ok(0)
}
