//! `kstack recover`: brings back a cluster whose hosts' certificates have ended.

use super::context::Context;
use super::ui;
use super::via::ViaArgs;
use crate::ops::{Failure, Signals, recover};
use crate::session::read_source;

/// Bring back a cluster whose hosts run with certificates that have ended
///
/// Brokers and controllers whose certificates have ended do not know each other any more, and the cluster is down or about to be. This
/// makes new certificates for these hosts, and all of them start again at once: they are stopped and started, or rebooted where their
/// data is on disks of their own. Data and addresses stay. A certificate that ends soon needs no recovery: `kstack apply` renews it,
/// one host after another. Where this was interrupted, the same command goes on.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack file
    #[arg(value_name = "FILE")]
    file: String,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    pub via: ViaArgs,
}

/// Recovers a stack.
///
/// # Errors
/// That no certificate has ended, AWS's answer, or why Kafka is not healthy then.
pub async fn run(args: &Args, context: &Context) -> Result<u8, Failure> {
    let (source, parsed) = read_source(&args.file)?;
    let session = context.session(&parsed.stack.region, &parsed.stack.name).await?;
    let hosts = recover::preview(&session, &parsed).await?;
    for (reboots, what) in [(false, "stopped and started"), (true, "rebooted")] {
        let hosts = hosts.iter().filter(|(_, host)| host.reboots == reboots);
        let lines: String =
            hosts.map(|(name, host)| format!("  {name}: its certificate {}\n", host.certificate)).collect();
        if !lines.is_empty() {
            ui::out(&format!("These hosts get new certificates, and are {what} at once:\n{lines}"));
        }
    }
    if !args.yes {
        ui::approve("\nDo it? Only `yes` is accepted: ", "yes", "it was not approved", "run with --yes")?;
    }
    let signals = Signals::listen()?;
    let hosts = recover::recover(&session, &source, &parsed, &context.task(&signals)).await?;
    ui::out(&format!("{} run with new certificates.\n", hosts.join(", ")));
    Ok(0)
}
