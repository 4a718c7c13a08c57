//! The command line: one file a command. `ui`, `error` and `view` are the only ones that print.

mod apply;
mod check;
mod compare;
mod completions;
mod cost;
mod destroy;
mod error;
mod extend;
mod fleet;
mod kafka;
mod list;
mod msk;
mod plan;
mod prices;
mod reap;
mod render;
mod run;
mod sandbox;
mod schema;
mod size;
mod status;
mod ui;
mod unlock;
mod up;
mod view;
mod with;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::aws::{Place, default_region};
use crate::clock;
use error::Failure;
use kstack_core::check::lasts;
use kstack_core::stack::{Name, Scalar as _, TimeSpan};

/// Apache Kafka on AWS, as code.
#[derive(Debug, Parser)]
#[command(name = "kstack", version, about, max_term_width = 100)]
struct Cli {
    /// Work on the pinned LocalStack on this machine, started when it is not running
    #[arg(long, global = true)]
    sandbox: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Args),
    Schema(schema::Args),
    Size(size::Args),
    Cost(cost::Args),
    Compare(compare::Args),
    Prices(prices::Args),
    Render(render::Args),
    Plan(plan::Args),
    Apply(apply::Args),
    Destroy(destroy::Args),
    Up(up::Args),
    With(with::Args),
    Extend(extend::Args),
    Reap(reap::Args),
    Status(status::Args),
    List(list::Args),
    Unlock(unlock::Args),
    Sandbox(sandbox::Args),
    Completions(completions::Args),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are results; anything else is an error, with the code that errors have here.
            let _ = error.print();
            return ExitCode::from(u8::from(error.use_stderr()));
        }
    };
    match clock::start().map_err(Failure::new).and_then(|()| dispatch(cli)) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            error::print(&failure);
            ExitCode::from(failure.code)
        }
    }
}

fn dispatch(cli: Cli) -> Result<u8, Failure> {
    let sandbox = cli.sandbox;
    match cli.command {
        Command::Check(args) => check::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Size(args) => size::run(&args),
        Command::Cost(args) => cost::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Prices(args) => block_on(prices::run(&args, sandbox)),
        Command::Sandbox(args) => sandbox::run(&args),
        Command::Completions(args) => completions::run(&args, &mut Cli::command()),
        Command::Render(args) => block_on(render::run(&args, sandbox)),
        Command::Plan(args) => block_on(plan::run(&args, sandbox)),
        Command::Apply(args) => block_on(apply::run(&args, sandbox)),
        Command::Destroy(args) => block_on(destroy::run(&args, sandbox)),
        Command::Up(args) => block_on(up::run(&args, sandbox)),
        Command::With(args) => block_on(with::run(&args, sandbox)),
        Command::Extend(args) => block_on(extend::run(&args, sandbox)),
        Command::Reap(args) => block_on(reap::run(&args, sandbox)),
        Command::Status(args) => block_on(status::run(&args, sandbox)),
        Command::List(args) => block_on(list::run(&args, sandbox)),
        Command::Unlock(args) => block_on(unlock::run(&args, sandbox)),
    }
}

fn block_on(work: impl Future<Output = Result<u8, Failure>>) -> Result<u8, Failure> {
    // One thread is enough: the work is waiting for AWS. The lease is renewed on it too.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::new(format!("the runtime can't be started: {error}")))?.block_on(work)
}

/// Where AWS is: in the sandbox, which is started when it is not running, or where the environment says.
fn place(region: &str, sandbox: bool) -> Result<Place, Failure> {
    let sandbox = if sandbox { Some(crate::sandbox::start(None, ui::progress)?.endpoint) } else { None };
    Ok(Place { region: region.to_owned(), sandbox })
}

/// The region that is named, or that of the environment or the profile.
async fn region(named: Option<&String>) -> Result<String, Failure> {
    let region = match named {
        Some(region) => Some(region.clone()),
        None => default_region().await,
    };
    region.ok_or_else(|| Failure::new("no region is named").hint("use --region, or set AWS_REGION"))
}

/// A `--ttl`.
fn ttl(text: &str) -> Result<TimeSpan, String> {
    let ttl = TimeSpan::parse(text)?;
    lasts(ttl).map(|()| ttl)
}

/// A stack's name.
fn name(text: &str) -> Result<Name, String> {
    Name::parse(text)
}
