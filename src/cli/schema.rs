//! `kstack schema`: the stack file's JSON Schema.

use super::ui;
use crate::ops::Failure;
use kstack_core::stack;

/// Print the JSON Schema of the stack file, which editors use
#[derive(Debug, clap::Args)]
pub struct Args {}

pub fn run(_: &Args) -> Result<u8, Failure> {
    ui::document(&stack::schema());
    Ok(0)
}
