//! `kstack completions`: completion scripts for shells.

use clap_complete::Shell;

use super::ui;
use crate::ops::Failure;

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
pub struct Args {
    shell: Shell,
}

/// Prints the completions of a shell.
///
/// # Errors
/// Never; every command returns this type.
pub fn run(args: &Args, command: &mut clap::Command) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "kstack", &mut script);
    ui::out(&String::from_utf8_lossy(&script));
    Ok(0)
}
