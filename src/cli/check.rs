//! `kstack check`: every problem of stack files, offline.

use super::error::{counted, print};
use super::ui;
use crate::ops::Failure;
use crate::session::read_source;

/// Check stack files and report every problem at once, offline
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
}

/// Reports every problem of the files.
///
/// # Errors
/// That a file has problems or can't be read.
pub fn run(args: &Args) -> Result<u8, Failure> {
    let mut wrong = 0;
    for file in &args.files {
        match read_source(file) {
            Ok((_, parsed)) => {
                ui::err(&parsed.warnings.render(ui::colour()));
                let (errors, warnings) = parsed.warnings.counts();
                let found = if warnings == 0 { "no problems".to_owned() } else { counted(errors, warnings) };
                ui::out(&format!("{file}: {found}\n"));
            }
            Err(error) => {
                wrong = 1;
                print(&Failure::from(error));
            }
        }
    }
    Ok(wrong)
}
