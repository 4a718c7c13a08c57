//! `kstack export`: what a live cluster has of topics and users, as the stack file has it.

use super::context::Context;
use super::ui;
use super::via::ViaArgs;
use crate::ops::Failure;
use crate::ops::export::export;
use crate::ops::inside::Looking;
use crate::session::read_source;

/// Print the topics, users, rights and quotas of a live cluster as they are written in the stack file
///
/// Paste it into the file to manage them by kstack from then on. Passwords are not in it: a user with a password gets another one from the
/// apply that takes it over.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack file
    #[arg(value_name = "FILE")]
    file: String,
    #[command(flatten)]
    pub via: ViaArgs,
}

/// Prints the blocks.
///
/// # Errors
/// That no broker can be asked, or AWS's answer.
pub async fn run(args: &Args, context: &Context) -> Result<u8, Failure> {
    let (_, parsed) = read_source(&args.file)?;
    let stack = &parsed.stack;
    let session = context.session(&stack.region, &stack.name).await?;
    let looking = Looking { sandbox: context.sandbox, via: &context.via };
    ui::out(&Box::pin(export(&session, stack, looking)).await?);
    Ok(0)
}
