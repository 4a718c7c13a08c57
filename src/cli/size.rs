//! `kstack size`: the arithmetic from workload to volumes, offline.

use super::ui;
use crate::ops::Failure;
use crate::session::Source;
use kstack_core::{instance_types, sizing};

/// Show how the workload determines volumes, or an MSK cluster's size, offline
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
    let none = || Failure::new("the stack file has no brokers to size");
    let (json, text) = if parsed.stack.cluster.msk.is_some() {
        let sizing = sizing::size_msk(&parsed.stack).ok_or_else(none)?;
        (serde_json::to_value(&sizing), sizing.render())
    } else {
        let sizing = sizing::size(&parsed.stack, instance_types::embedded()).ok_or_else(none)?;
        (serde_json::to_value(&sizing), sizing.render())
    };
    match json {
        Ok(json) if args.json => ui::json(&json),
        _ => ui::out(&text),
    }
    Ok(0)
}
