//! `kstack size`: the arithmetic from workload to volumes, offline.

use super::ui;
use crate::ops::Failure;
use crate::session::read_source;
use kstack_core::instance_types;
use kstack_core::stack::Stack;

/// Calculate volume sizes, or an MSK cluster's size, from the workload, offline
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack file
    #[arg(value_name = "FILE")]
    file: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints the sizing of a stack file.
///
/// # Errors
/// That the file has problems.
pub fn run(args: &Args) -> Result<u8, Failure> {
    let (_, parsed) = read_source(&args.file)?;
    let stack = &parsed.stack;
    let sizing = stack.cluster.size(stack.common(), instance_types::embedded()).ok_or_else(|| unknown_limits(stack))?;
    if args.json {
        ui::json(&sizing.json);
    } else {
        ui::out(&sizing.text);
    }
    Ok(0)
}

/// Why there are no sizes: those that do not follow from the file alone are AWS's to say.
fn unknown_limits(stack: &Stack) -> Failure {
    let ec2 = stack.cluster.ec2.as_ref().map(|ec2| &ec2.brokers.instance_type);
    let msk = stack.cluster.msk.as_ref().and_then(|msk| Some(&msk.brokers.as_ref()?.instance_type));
    let hint = match ec2 {
        Some(_) => "they are AWS's to say: `kstack plan` asks for them, and sizes with them",
        None => {
            "they are AWS's to say, and no call of AWS tells them; the volumes in a plan follow from the workload alone"
        }
    };
    match ec2.or(msk) {
        Some(name) => Failure::new(format!("kstack does not know the limits of `{name}`")).hint(hint),
        None => Failure::new("the stack file has no brokers to size"),
    }
}
