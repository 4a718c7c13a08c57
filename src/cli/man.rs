//! `kstack man`: manual pages.

use std::path::PathBuf;

use super::ui;
use crate::ops::Failure;

/// Write the manual pages: one of kstack, and one of each command
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder to write them to, such as `/usr/local/share/man/man1`; it is made where it is missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Writes `kstack.1`, `kstack-plan.1` and so on.
///
/// # Errors
/// That a page can't be written.
pub fn run(args: &Args, command: clap::Command) -> Result<u8, Failure> {
    let folder = args.out.display();
    let failed =
        |error: std::io::Error| Failure::new(format!("the manual pages can't be written to {folder}: {error}"));
    std::fs::create_dir_all(&args.out).map_err(failed)?;
    clap_mangen::generate_to(command, &args.out).map_err(failed)?;
    ui::out(&format!("Wrote the manual pages to {folder}.\n"));
    Ok(0)
}
