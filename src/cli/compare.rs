//! `kstack compare`: the same workload on EC2, MSK and hosted services, offline.

use super::cost::reads;
use super::ui;
use crate::ops::Failure;
use crate::ops::prices::RegionPrices;
use crate::session::read_source;
use kstack_core::compare::compare;
use kstack_core::pricing::CountingMethod;

/// Compare what the workload costs on EC2, MSK and hosted services, offline
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack file
    #[arg(value_name = "FILE")]
    file: String,
    /// How MSK's brokers are sized
    #[arg(long, value_enum, default_value_t = Counting::Equation1)]
    method: Counting,
    /// Assume that consumers read from the nearest replica (`client.rack` is set), not from the leader
    #[arg(long)]
    nearest: bool,
    /// Print JSON
    #[arg(long, group = "form")]
    json: bool,
    /// Print a Markdown table
    #[arg(long, group = "form")]
    markdown: bool,
    /// Print a chart as SVG
    #[arg(long, group = "form")]
    svg: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Counting {
    /// AWS's Equation 1 with the file's headroom, as for EC2
    #[value(name = "equation-1")]
    Equation1,
    /// AWS's sizing script for MSK: headroom for a lost zone, lagging consumers and a rebalance at once
    #[value(name = "aws-msk")]
    AwsMsk,
}

/// Compares the cost of the workload on every engine.
///
/// # Errors
/// That the file has problems, or a table of prices can't be read.
pub fn run(args: &Args) -> Result<u8, Failure> {
    let (_, parsed) = read_source(&args.file)?;
    let RegionPrices { prices, source } = RegionPrices::load(&parsed.stack.region);
    let method = match args.method {
        Counting::Equation1 => CountingMethod::EquationOne,
        Counting::AwsMsk => CountingMethod::AwsMsk,
    };
    let comparison = compare(&parsed.stack, &prices, method, reads(args.nearest))
        .ok_or_else(|| Failure::new("the stack file has no cluster to compare"))?;
    if args.json {
        ui::json(&comparison);
    } else if args.svg {
        ui::out(&comparison.svg());
    } else if args.markdown {
        ui::out(&comparison.markdown());
    } else {
        ui::out(&format!("{}{source}\n", comparison.text()));
    }
    Ok(0)
}
