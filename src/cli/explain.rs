//! `kstack explain`: what a key of the stack file means, offline.

use super::ui;
use crate::ops::Failure;
use kstack_core::explain;

/// Explain a key of the stack file: its type, default, example, and what a change of it does
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The key, such as `cluster.ec2.brokers.count` or `topics.*.partitions`; all keys of the top level without it
    key: Option<String>,
}

/// Prints the explanation.
///
/// # Errors
/// That there is no such key, with the nearest.
pub fn run(args: &Args) -> Result<u8, Failure> {
    match &args.key {
        None => ui::out(&format!(
            "{}\n`kstack explain KEY` explains one, such as `kstack explain network.nat`.\n",
            explain::top()
        )),
        Some(key) => {
            let found = explain::find(key).map_err(|(message, hint)| Failure::new(message).hint(hint))?;
            ui::out(&found.text());
        }
    }
    Ok(0)
}
