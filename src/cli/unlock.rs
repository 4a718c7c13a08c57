//! `kstack unlock`: ends the lease of a kstack that is dead.

use super::error::Failure;
use super::{place, ui};
use crate::aws::{Clients, Fence};
use crate::lease;
use crate::session::Source;

/// End the lease on a stack whose holder is known to be dead
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack file
    #[arg(value_name = "FILE")]
    file: String,
    /// Run without asking
    #[arg(long)]
    yes: bool,
}

pub async fn run(args: &Args, sandbox: bool) -> Result<u8, Failure> {
    let (_, parsed) = Source::read(&args.file)?;
    let name = &parsed.stack.name;
    let clients = Clients::connect(&place(&parsed.stack.region, sandbox)?, Fence::default()).await;
    if !args.yes {
        let question = format!(
            "If the kstack that works on `{name}` is alive, two will write at once. Is it dead? Only `yes` is accepted: "
        );
        match ui::ask(&question) {
            Some(answer) if answer == "yes" => {}
            Some(_) => return Err(Failure::new("the lease was left as it is")),
            None => {
                return Err(Failure::new("unlocking needs an approval, and standard input is no terminal")
                    .hint("run with --yes"));
            }
        }
    }
    match lease::unlock(&clients, name).await? {
        Some((number, holder)) => ui::out(&format!(
            "Lease {number} of {} on {} (process {}) is ended.\n",
            holder.who, holder.host, holder.pid
        )),
        None => ui::out(&format!("Nobody holds a lease on the stack {name}.\n")),
    }
    Ok(0)
}
