//! `kstack sandbox`: the pinned LocalStack on this machine.

use serde_json::json;

use super::error::Failure;
use super::ui;
use crate::sandbox;

/// Start, stop and look at the pinned LocalStack on this machine
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Start the sandbox, unless it runs
    Start {
        /// The loopback port to listen on; a free one when absent
        #[arg(long)]
        port: Option<u16>,
    },
    /// Stop the sandbox; what was made in it is gone
    Stop,
    /// Show whether the sandbox runs, and where
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the exports that the AWS CLI and SDKs need: eval "$(kstack sandbox env)"
    Env,
}

pub fn run(args: &Args) -> Result<u8, Failure> {
    match &args.command {
        Command::Start { port } => {
            let running = sandbox::start(*port, ui::progress)?;
            ui::out(&format!("The sandbox runs at {} (process {}).\n", running.endpoint, running.pid));
        }
        Command::Stop => {
            let text = if sandbox::stop()? { "The sandbox is stopped.\n" } else { "No sandbox was running.\n" };
            ui::out(text);
        }
        Command::Status { json } => {
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
        Command::Env => {
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
