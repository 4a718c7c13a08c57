//! `kstack shell`: a shell on a stack's client host.

use super::context::Context;
use crate::ops::{Failure, shell};
use crate::session::read_source;

/// Open a shell on a stack's client host, or run a command there
///
/// The shell has Kafka's tools on its path, which know the stack's brokers: `kafka-topics.sh --list` is enough. It has
/// KAFKA_BOOTSTRAP_SERVERS, KSTACK_NAME and KSTACK_CLIENT_PROPERTIES (the path of a client properties file) in its environment;
/// tools go by another such file of `/etc/kafka` where that variable, or their own argument, names it. It is opened with Session Manager and its plugin, session-manager-plugin;
/// in the sandbox it is a process of this machine. The exit code is the command's.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack file
    #[arg(value_name = "FILE")]
    file: String,
    /// The command and its arguments; a shell when absent
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Opens the shell.
///
/// # Errors
/// That the file has problems, that there is no client host, or why it can't be reached.
pub async fn run(args: &Args, context: &Context) -> Result<u8, Failure> {
    let (_, parsed) = read_source(&args.file)?;
    let session = context.session(&parsed.stack.region, &parsed.stack.name).await?;
    shell::shell(&session, &parsed.stack, &args.command, context.sandbox).await
}
