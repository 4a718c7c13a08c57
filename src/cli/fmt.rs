//! `kstack fmt`: stack files in their canonical form.

use std::io::Read as _;
use std::path::Path;

use super::{error, ui};
use crate::ops::Failure;
use crate::session::{SourceError, read_file, replace_file};
use kstack_core::format::{NEWEST, difference, format};

/// What stands for standard input.
const STDIN: &str = "-";

/// Write stack files in their canonical form: the order of keys, and indentation; comments and values stay as they are
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack files, rewritten in place; `-` is standard input, written to standard output
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// Write nothing: name the files that would change, print the differences, and exit with 1 if there are any
    #[arg(long)]
    check: bool,
    /// Bring the files to the newest version of the format, and say which one that is
    #[arg(long)]
    upgrade: bool,
}

/// Formats the files. One that can't be formatted does not keep the others from it.
///
/// # Errors
/// What is wrong with the last file that can't be formatted.
pub fn run(args: &Args) -> Result<u8, Failure> {
    let (mut last, mut changed) = (None, 0);
    for file in &args.files {
        match one(file, args) {
            Ok(would) => changed += u32::from(would),
            Err(failure) => {
                // All but the last are told here.
                last.replace(failure).iter().for_each(error::print);
            }
        }
    }
    match last {
        Some(failure) => Err(failure),
        None => Ok(u8::from(args.check && changed > 0)),
    }
}

/// Formats one file, and says whether that changes it.
fn one(file: &str, args: &Args) -> Result<bool, Failure> {
    let path = Path::new(file);
    let unreadable = |error| SourceError::Read { file: file.to_owned(), error };
    let mut text = String::new();
    if file == STDIN {
        std::io::stdin().lock().read_to_string(&mut text).map_err(unreadable)?;
    } else {
        text = read_file(path)
            .and_then(|bytes| String::from_utf8(bytes).map_err(std::io::Error::other))
            .map_err(unreadable)?;
    }
    let formatted = format(file, &text).map_err(SourceError::Problems)?;
    let changes = formatted != text;
    match (args.check, changes) {
        (true, true) => ui::out(&format!("{file}\n{}", difference(file, &text, &formatted))),
        (true, false) => {}
        (false, _) if file == STDIN => ui::file(&formatted),
        (false, true) => {
            let unwritable = |error| Failure::new(format!("{file} can't be written: {error}"));
            replace_file(path, formatted.as_bytes()).map_err(unwritable)?;
            ui::out(&format!("{file}\n"));
        }
        (false, false) => {}
    }
    if args.upgrade {
        ui::err(&format!("{file} is of the newest version of the format, {NEWEST}: there is nothing to upgrade.\n"));
    }
    Ok(changes)
}
