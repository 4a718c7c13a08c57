//! `kstack extend`: moves the expiry of an ephemeral stack, without its file.

use super::context::{Context, region};
use super::{ttl, ui};
use crate::ops::{Failure, Signals, extend};
use kstack_core::expiry::shown;
use kstack_core::stack::{Name, TimeSpan};

/// Extend the lifetime of an ephemeral stack
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack's name
    #[arg(value_name = "NAME", value_parser = super::name)]
    name: Name,
    /// New time to live from now on, such as `2h`
    #[arg(long, value_parser = ttl)]
    ttl: TimeSpan,
    /// The AWS region; default: that of the environment or the profile
    #[arg(long)]
    region: Option<String>,
}

/// Extends the lifetime of a stack.
///
/// # Errors
/// That there is no such stack, that it does not expire, or AWS's answer.
pub async fn run(args: &Args, context: &Context) -> Result<u8, Failure> {
    let region = region(args.region.as_ref()).await?;
    let session = context.session(&region, &args.name).await?;
    let signals = Signals::listen()?;
    let at = extend::extend(&session, args.ttl, &context.task(&signals)).await?;
    ui::out(&format!("The stack {} expires at {}.\n", args.name, shown(at, session.expiry().now)));
    Ok(0)
}
