//! `kstack size`: the arithmetic from workload to volumes, offline.

use super::error::Failure;
use super::ui;
use crate::session::Source;
use crate::{instance_types, sizing};

/// Show how brokers' volumes follow from the workload, offline
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack file
    #[arg(value_name = "FILE")]
    file: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<u8, Failure> {
    let (_, parsed) = Source::read(&args.file)?;
    let sizing = sizing::size(&parsed.stack, instance_types::embedded())
        .ok_or_else(|| Failure::new("the stack file has no EC2 brokers to size"))?;
    if args.json {
        ui::json(&sizing);
    } else {
        ui::out(&sizing.render());
    }
    Ok(0)
}
