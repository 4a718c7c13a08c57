//! The command line: one file a command. `ui`, `error` and `view` are the only ones that print.

mod adopt;
mod apply;
mod check;
mod compare;
mod completions;
mod context;
mod cost;
mod credentials;
mod describe;
mod destroy;
mod diagram;
mod diff;
mod error;
mod evacuate;
mod explain;
mod export;
mod extend;
mod finalize;
mod fleet;
mod fmt;
mod heal;
mod help;
mod init;
mod lag;
mod list;
mod listeners;
mod man;
mod mirror;
mod monitoring;
mod moves;
mod msk;
mod plan;
mod policy;
mod prices;
mod reap;
mod rebalance;
mod recover;
mod render;
mod sandbox;
mod schema;
mod shell;
mod size;
mod status;
mod ui;
mod unlock;
mod up;
mod via;
mod view;
mod which;
mod with;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};

use crate::clock;
use crate::kafka::Via;
use crate::ops::Failure;
use context::Context;
use kstack_core::check::lasts;
use kstack_core::stack::{Name, Scalar as _, TimeSpan};
use ui::{Colours, Printer};
use via::ViaArgs;

/// Apache Kafka on AWS, as code.
#[derive(Debug, Parser)]
#[command(name = "kstack", version = env!("KSTACK_VERSION"), about, max_term_width = 100)]
struct Cli {
    /// Use the pinned LocalStack on this machine instead of AWS; it is started if needed
    #[arg(long, global = true, display_order = 900)]
    sandbox: bool,
    /// Print only results and errors
    #[arg(short, long, global = true, display_order = 901)]
    quiet: bool,
    /// Print a line for every step, also of a long run; with `status`, what others have put onto the stack's resources, too
    #[arg(short, long, global = true, conflicts_with = "quiet", display_order = 902)]
    verbose: bool,
    /// Print progress as lines, without a live view
    #[arg(long, global = true, conflicts_with_all = ["quiet", "verbose"], display_order = 903)]
    no_progress: bool,
    /// When to print colours; `auto` is on a terminal
    #[arg(long, value_name = "WHEN", global = true, value_enum, default_value_t = Colours::Auto, display_order = 904)]
    color: Colours,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Args),
    Check(check::Args),
    Fmt(fmt::Args),
    Explain(explain::Args),
    Schema(schema::Args),
    Size(size::Args),
    Cost(cost::Args),
    Compare(compare::Args),
    Prices(prices::Args),
    Render(render::Args),
    Policy(policy::Args),
    Monitoring(monitoring::Args),
    Diagram(diagram::Args),
    Diff(diff::Args),
    Plan(plan::Args),
    Apply(apply::Args),
    Describe(describe::Args),
    Adopt(adopt::Args),
    Heal(heal::Args),
    Recover(recover::Args),
    Finalize(finalize::Args),
    Destroy(destroy::Args),
    Rebalance(rebalance::Args),
    Evacuate(evacuate::Args),
    Move(moves::Args),
    Mirror(mirror::Args),
    Up(up::Args),
    With(with::Args),
    Extend(extend::Args),
    Reap(reap::Args),
    Status(status::Args),
    Credentials(credentials::Args),
    Export(export::Args),
    Shell(shell::Args),
    Lag(lag::Args),
    List(list::Args),
    Unlock(unlock::Args),
    Sandbox(sandbox::Args),
    Completions(completions::Args),
    Man(man::Args),
}

impl Command {
    /// How the command reaches Kafka, where it asks it.
    fn via(&self) -> Option<&ViaArgs> {
        match self {
            Command::Plan(args) => Some(&args.via),
            Command::Apply(args) => Some(&args.via),
            Command::Up(args) => Some(&args.via),
            Command::With(args) => Some(&args.via),
            Command::Status(args) => Some(&args.via),
            Command::Credentials(args) => Some(&args.via),
            Command::Export(args) => Some(&args.via),
            Command::Heal(args) => Some(&args.via),
            Command::Recover(args) => Some(&args.via),
            Command::Finalize(args) => Some(&args.via),
            Command::Rebalance(args) => Some(&args.via),
            Command::Evacuate(args) => Some(&args.via),
            Command::Move(args) => Some(args.via()),
            Command::Lag(args) => Some(&args.via),
            Command::Diagram(args) => Some(&args.via),
            _ => None,
        }
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let matches = help::grouped(Cli::command()).try_get_matches();
    let cli = match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
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
    cli.color.choose();
    let printer = match () {
        () if cli.quiet => Printer::Quiet,
        () if cli.verbose => Printer::Verbose,
        () if cli.no_progress => Printer::NoProgress,
        () => Printer::Normal,
    };
    let via = cli.command.via().map_or(Ok(Via::default()), ViaArgs::chosen)?;
    let context = Context::new(printer, cli.sandbox, via);
    match cli.command {
        Command::Init(args) => init::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Fmt(args) => fmt::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Size(args) => size::run(&args),
        Command::Cost(args) => cost::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Prices(args) => block_on(prices::run(&args, &context)),
        Command::Policy(args) => policy::run(&args, &context),
        Command::Sandbox(args) => sandbox::run(&args, &context),
        Command::Completions(args) => completions::run(&args, &mut Cli::command()),
        Command::Man(args) => man::run(&args, Cli::command()),
        Command::Diff(args) => diff::run(&args),
        Command::Diagram(args) => block_on(diagram::run(&args, &context)),
        Command::Monitoring(args) => monitoring::run(&args),
        Command::Render(args) => block_on(render::run(&args, &context)),
        Command::Plan(args) => block_on(plan::run(&args, &context)),
        Command::Apply(args) => block_on(apply::run(&args, &context)),
        Command::Describe(args) => block_on(describe::run(&args, &context)),
        Command::Adopt(args) => block_on(adopt::run(&args, &context)),
        Command::Heal(args) => block_on(heal::run(&args, &context)),
        Command::Recover(args) => block_on(recover::run(&args, &context)),
        Command::Finalize(args) => block_on(finalize::run(&args, &context)),
        Command::Destroy(args) => block_on(destroy::run(&args, &context)),
        Command::Rebalance(args) => block_on(rebalance::run(&args, &context)),
        Command::Evacuate(args) => block_on(evacuate::run(&args, &context)),
        Command::Move(args) => block_on(moves::run(&args, &context)),
        Command::Mirror(args) => block_on(mirror::run(&args, &context)),
        Command::Up(args) => block_on(up::run(&args, &context)),
        Command::With(args) => block_on(with::run(&args, &context)),
        Command::Extend(args) => block_on(extend::run(&args, &context)),
        Command::Reap(args) => block_on(reap::run(&args, &context)),
        Command::Status(args) => block_on(status::run(&args, &context)),
        Command::Credentials(args) => block_on(credentials::run(&args, &context)),
        Command::Export(args) => block_on(export::run(&args, &context)),
        Command::Shell(args) => block_on(shell::run(&args, &context)),
        Command::Lag(args) => block_on(lag::run(&args, &context)),
        Command::List(args) => block_on(list::run(&args, &context)),
        Command::Unlock(args) => block_on(unlock::run(&args, &context)),
    }
}

fn block_on(work: impl Future<Output = Result<u8, Failure>>) -> Result<u8, Failure> {
    runtime().map_err(|error| Failure::new(format!("the runtime can't be started: {error}")))?.block_on(work)
}

/// What commands run on. One thread is enough for the work, which waits for AWS most of the time. Another one renews the lease and moves the
/// bytes of connections to AWS: a plan of thousands of topics, or the hashes of hundreds of passwords, take the first one for seconds on end.
fn runtime() -> std::io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(1).enable_all().build()
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::{Duration, Instant};

    use super::*;

    /// The lease is such a task: see [`crate::lease`].
    #[test]
    fn a_task_goes_on_while_the_work_computes() {
        let ticks = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&ticks);
        runtime().expect("a runtime").block_on(async {
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            });
            // Without a pause in which anything else could have the thread.
            let begun = Instant::now();
            while ticks.load(Ordering::Relaxed) < 10 {
                assert!(begun.elapsed() < Duration::from_secs(60), "nothing else runs");
                std::hint::spin_loop();
            }
        });
    }
}
