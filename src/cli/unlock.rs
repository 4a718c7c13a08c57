//! `kstack unlock`: ends the lease of a crashed process.

use super::context::Context;
use super::ui;
use super::which::Which;
use crate::lease;
use crate::ops::Failure;

/// End the lease on a stack whose holder has crashed
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: Which,
    /// Run without asking for approval
    #[arg(long)]
    yes: bool,
}

/// Ends the lease of a crashed process.
///
/// # Errors
/// That it was not approved, or AWS's answer.
pub async fn run(args: &Args, context: &Context) -> Result<u8, Failure> {
    let (name, region, _) = args.which.find().await?;
    let clients = context.clients(&region).await?;
    if !args.yes {
        let question = format!(
            "If the kstack process that is changing `{name}` is still running, two will write at once. Has it ended? Only `yes` is accepted: "
        );
        match ui::ask(&question) {
            Some(answer) if answer == "yes" => {}
            Some(_) => return Err(Failure::new("the lease was not changed")),
            None => {
                return Err(Failure::new("unlocking needs approval, but standard input is not a terminal")
                    .hint("run with --yes"));
            }
        }
    }
    match lease::unlock(&clients, &name).await? {
        Some((number, holder)) => ui::out(&format!(
            "Lease {number} of {} on {} (process {}) was ended.\n",
            holder.who, holder.host, holder.pid
        )),
        None => ui::out(&format!("Nobody holds a lease on the stack {name}.\n")),
    }
    Ok(0)
}
