//! `kstack size`: the arithmetic from workload to volumes, offline.

use super::ui;
use crate::ops::Failure;
use crate::session::read_source;
use kstack_core::instance_types;

/// Calculate volume sizes, or an MSK cluster's size, from the workload, offline
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack file
    #[arg(value_name = "FILE")]
    file: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints the sizing of a stack file.
///
/// # Errors
/// That the file has problems.
pub fn run(args: &Args) -> Result<u8, Failure> {
    let (_, parsed) = read_source(&args.file)?;
    let none = || Failure::new("the stack file has no brokers to size");
    let stack = &parsed.stack;
    let sizing = stack.cluster.size(stack.common(), instance_types::embedded()).ok_or_else(none)?;
    if args.json {
        ui::json(&sizing.json);
    } else {
        ui::out(&sizing.text);
    }
    Ok(0)
}
