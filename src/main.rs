//! Parse arguments, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    kstack::cli::main()
}
