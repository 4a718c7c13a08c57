//! `kstack policy`: the IAM policy that a command needs for a stack file, offline.

use super::context::Context;
use super::ui;
use crate::ops::Failure;
use crate::ops::policy::{PolicyFor, client_policy, policies};
use crate::session::read_source;
use kstack_core::permissions::{MANAGED_POLICY_LIMIT, size};

/// Print the least IAM policy with which a stack file can be planned, applied or destroyed, offline
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack file. With `account` in it, the policy names that account; without, it holds in any
    #[arg(value_name = "FILE")]
    file: String,
    #[command(flatten)]
    command: Command,
}

#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct Command {
    /// For `kstack plan`, which changes nothing
    #[arg(long)]
    plan: bool,
    /// For `kstack apply`, which also plans; the default
    #[arg(long)]
    apply: bool,
    /// For `kstack adopt`, and for `kstack describe` before it
    #[arg(long)]
    adopt: bool,
    /// For `kstack destroy`
    #[arg(long)]
    destroy: bool,
    /// For `kstack shell`, which opens a shell on the client host
    #[arg(long)]
    shell: bool,
    /// For a client of an MSK cluster: what this user of the file may do, who comes with IAM
    #[arg(long, value_name = "USER")]
    client: Option<String>,
}

/// Prints the policy; several, one after the other, where one would be too large.
///
/// # Errors
/// That the file has problems, or can't be designed.
pub fn run(args: &Args, context: &Context) -> Result<u8, Failure> {
    let (source, parsed) = read_source(&args.file)?;
    if let Some(user) = &args.command.client {
        ui::document(&client_policy(&parsed.stack, user)?);
        return Ok(0);
    }
    let command = match &args.command {
        Command { plan: true, .. } => PolicyFor::Plan,
        Command { destroy: true, .. } => PolicyFor::Destroy,
        Command { shell: true, .. } => PolicyFor::Shell,
        Command { adopt: true, .. } => PolicyFor::Adopt,
        Command { .. } => PolicyFor::Apply,
    };
    let all = policies(&parsed.stack, &source.overrides, command)?;
    if all.len() > 1 {
        let characters: usize = all.iter().map(size).sum();
        context.printer.progress(&format!(
            "The permissions take {characters} characters, and a managed policy has {MANAGED_POLICY_LIMIT} at most: these are {} \
             policies, all of which are needed.",
            all.len()
        ));
    }
    all.iter().for_each(ui::document);
    Ok(0)
}
