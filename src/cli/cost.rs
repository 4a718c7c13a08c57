//! `kstack cost`: what a stack costs in a month, offline.

use serde::Serialize;

use super::ui;
use crate::ops::Failure;
use crate::ops::prices::RegionPrices;
use crate::session::read_source;
use kstack_core::instance_types;
use kstack_core::pricing::{Bill, Reads};

/// Show a stack's monthly cost line by line, offline
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack file
    #[arg(value_name = "FILE")]
    file: String,
    /// Show the formula of each line
    #[arg(long)]
    explain: bool,
    /// Assume that consumers read from the nearest replica (`client.rack` is set), not from the leader
    #[arg(long)]
    nearest: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The bill for scripts.
#[derive(Serialize)]
struct BillOutput<'a> {
    stack: &'a str,
    region: &'a str,
    /// USD a month, without what `gaps` names.
    usd: f64,
    prices: &'a str,
    #[serde(flatten)]
    bill: &'a Bill,
}

/// Prints the monthly bill.
///
/// # Errors
/// That the file has problems, or a table of prices can't be read.
pub fn run(args: &Args) -> Result<u8, Failure> {
    let (_, parsed) = read_source(&args.file)?;
    let stack = &parsed.stack;
    let RegionPrices { prices, source } = RegionPrices::load(&stack.region);
    let reads = reads(args.nearest);
    let bill = stack.cluster.cost(stack.common(), instance_types::embedded(), &prices, reads);
    let bill = bill.ok_or_else(|| Failure::new("the stack file has no brokers to price"))?;
    if args.json {
        let (stack, region) = (&*stack.name.0, &*stack.region.0);
        ui::json(&BillOutput { stack, region, usd: bill.total(), prices: &source, bill: &bill });
    } else {
        ui::out(&format!("{}\n{source}\n", bill.text(args.explain)));
    }
    Ok(0)
}

/// From which copy consumers read.
pub fn reads(nearest: bool) -> Reads {
    if nearest { Reads::Nearest } else { Reads::Leader }
}
