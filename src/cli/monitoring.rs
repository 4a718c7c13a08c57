//! `kstack monitoring`: files for Prometheus and Grafana, offline.

use std::path::PathBuf;

use super::ui;
use crate::ops::Failure;
use crate::session::read_source;
use kstack_core::monitoring;

/// Write Prometheus's settings, alerts with thresholds from the stack, their tests and runbook, and a Grafana dashboard, offline
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack file
    #[arg(value_name = "FILE")]
    file: String,
    /// The folder that they are written to; it is made, and files of these names are replaced
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The name of an MSK broker, as `b-1.NAME.abc123.c2.kafka.REGION.amazonaws.com`; once for each. Hosts on EC2 are found by their tags
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    broker: Vec<String>,
}

/// Writes the files.
///
/// # Errors
/// That the stack file has problems, that MSK's brokers are not named, or that a file can't be written.
pub fn run(args: &Args) -> Result<u8, Failure> {
    let (_, parsed) = read_source(&args.file)?;
    let stack = &parsed.stack;
    if stack.cluster.msk.is_some() && args.broker.is_empty() {
        return Err(Failure::new("Prometheus finds brokers of MSK by their names, which the stack file does not have")
            .hint(format!("name each with --broker; `kstack status {}` shows the bootstrap servers", args.file)));
    }
    let plain = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c));
    if let Some(name) = args.broker.iter().find(|name| !plain(name)) {
        return Err(Failure::new(format!("`{}` is no name of a broker: leave out the port", name.escape_debug())));
    }
    let wrong = |what: &std::path::Path, error: std::io::Error| {
        Failure::new(format!("{} can't be written: {error}", what.display()))
    };
    std::fs::create_dir_all(&args.out).map_err(|error| wrong(&args.out, error))?;
    for (name, text) in monitoring::files(stack, &args.broker) {
        let path = args.out.join(name);
        std::fs::write(&path, text).map_err(|error| wrong(&path, error))?;
        ui::out(&format!("{}\n", path.display()));
    }
    Ok(0)
}
