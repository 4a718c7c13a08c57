//! `kstack sandbox`: the pinned LocalStack on this machine.

use serde_json::json;

use super::context::Context;
use super::ui;
use crate::ops::Failure;
use crate::sandbox;

/// Start, stop and inspect the pinned LocalStack on this machine
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: SandboxCommand,
}

#[derive(Debug, clap::Subcommand)]
enum SandboxCommand {
    /// Start the sandbox, if it is not running
    Start {
        /// The loopback port to listen on; default: a free one
        #[arg(long)]
        port: Option<u16>,
    },
    /// Stop the sandbox and discard everything in it
    Stop,
    /// Show whether the sandbox is running, and where
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the environment for the AWS CLI and SDKs: eval "$(kstack sandbox env)"
    Env,
}

/// Starts, stops or describes the sandbox.
///
/// # Errors
/// Why it can't be started or stopped.
pub fn run(args: &Args, context: &Context) -> Result<u8, Failure> {
    match &args.command {
        SandboxCommand::Start { port } => {
            let running = sandbox::start(*port, |text| context.printer.progress(text))?;
            ui::out(&format!("The sandbox runs at {} (process {}).\n", running.endpoint, running.pid));
        }
        SandboxCommand::Stop => {
            let text = if sandbox::stop()? { "The sandbox is stopped.\n" } else { "No sandbox was running.\n" };
            ui::out(text);
        }
        SandboxCommand::Status { json } => {
            let running = sandbox::running();
            if *json {
                let (endpoint, pid) = (running.as_ref().map(|one| &one.endpoint), running.as_ref().map(|one| one.pid));
                ui::json(&json!({"running": running.is_some(), "endpoint": endpoint, "pid": pid}));
            } else {
                ui::out(&match running {
                    Some(one) => format!("The sandbox runs at {} (process {}).\n", one.endpoint, one.pid),
                    None => "No sandbox is running.\n".to_owned(),
                });
            }
        }
        SandboxCommand::Env => {
            let Some(running) = sandbox::running() else {
                return Err(Failure::new("no sandbox is running").hint("start it with: kstack sandbox start"));
            };
            ui::out(&format!(
                "export AWS_ENDPOINT_URL={}\nexport AWS_ACCESS_KEY_ID=test\nexport AWS_SECRET_ACCESS_KEY=test\nexport AWS_REGION=us-east-1\nexport AWS_DEFAULT_REGION=us-east-1\n",
                running.endpoint
            ));
        }
    }
    Ok(0)
}
