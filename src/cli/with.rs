//! `kstack with`: a stack for as long as one command runs.

use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::NamedTempFile;
use tokio::process::{Child, Command};

use super::context::Context;
use super::error::print;
use super::up::{create, open};
use super::via::ViaArgs;
use super::view::OutputTarget;
use super::{name, ttl, ui};
use crate::clock;
use crate::ops::up::{CreatedStack, StackRequest, destroy};
use crate::ops::{Failure, Signals};
use crate::session::Session;
use kstack_core::expiry::shown;
use kstack_core::stack::{Name, TimeSpan};

/// Create a temporary stack, run a command with it, and destroy it in any case
///
/// The command finds KAFKA_BOOTSTRAP_SERVERS, KSTACK_NAME and KSTACK_CLIENT_PROPERTIES (the path of a client properties
/// file) in its environment. The exit code is the command's, or 128 plus the signal's number; 124 after --timeout, 126 or
/// 127 when it can't be started, and 125 when kstack itself failed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack file
    #[arg(value_name = "FILE")]
    file: String,
    /// The stack's name; default: the file's with a random suffix
    #[arg(long, value_parser = name)]
    name: Option<Name>,
    /// Time to live of the stack should kstack be killed; default: the file's `ttl`, or an hour
    #[arg(long, value_parser = ttl)]
    ttl: Option<TimeSpan>,
    /// Time limit of the command; default: until the stack expires
    #[arg(long, value_name = "TIME", value_parser = TimeSpan::parse)]
    timeout: Option<TimeSpan>,
    /// Keep the stack until it expires if the command fails
    #[arg(long)]
    keep_on_failure: bool,
    #[command(flatten)]
    pub via: ViaArgs,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Time to live of a stack by default.
const DEFAULT_TTL: TimeSpan = TimeSpan(3600);
/// How long the command has to end after a signal or its time limit, before it is killed.
const KILL_GRACE: Duration = Duration::from_secs(10);
/// kstack's own failure, as of `env` and `timeout`.
const KSTACK_FAILED: u8 = 125;
const TIMED_OUT: u8 = 124;

/// Creates a stack, runs a command with it, and destroys the stack.
///
/// # Errors
/// Why the stack was not created or not destroyed.
pub async fn run(args: &Args, context: &Context) -> Result<u8, Failure> {
    let own = |failure: Failure| Failure { code: KSTACK_FAILED, ..failure };
    let mut request = StackRequest::read(&args.file, args.name.clone(), args.ttl, Some(DEFAULT_TTL)).map_err(own)?;
    request.must_be_new = true;
    let session = open(&request, context).await.map_err(own)?;
    let signals = Signals::listen().map_err(own)?;
    signals.never_at_once();
    let code = match create(&mut request, &session, &signals, OutputTarget::Aside, context).await {
        Ok(stack) => match command(args, &stack, &signals, context).await {
            Ok(code) if code != 0 && args.keep_on_failure => {
                context.printer.progress(&kept(&stack, &session));
                return Ok(code);
            }
            Ok(code) => code,
            Err(failure) => {
                let code = failure.code;
                print(&failure);
                code
            }
        },
        Err(failure) => {
            let failure = Failure { code: signals.last().map_or(KSTACK_FAILED, of_signal), ..failure };
            if !request.created_here {
                return Err(failure);
            }
            print(&failure);
            failure.code
        }
    };
    context.printer.progress(&format!("Destroying {} ...", session.name));
    let cleanup = signals.for_cleanup();
    match destroy(&session, &context.task(&cleanup)).await {
        Ok(resources) => {
            context.printer.progress(&format!("Destroyed {}: {resources} resources deleted.", session.name));
            Ok(code)
        }
        Err(failure) => {
            let name = &session.name;
            let hint = format!(
                "`kstack reap` destroys it once it has expired; to destroy it now: kstack destroy --name {name}"
            );
            let failure = Failure { hint: Some(hint), ..failure.during(format!("the stack {name} was not destroyed")) };
            Err(Failure { code: if code == 0 { KSTACK_FAILED } else { code }, ..failure })
        }
    }
}

fn kept(up: &CreatedStack, session: &Session) -> String {
    let (name, region) = (&up.name, &session.region);
    format!(
        "The stack {name} is kept: {}. It expires at {}; to destroy it now: kstack destroy --name {name} --region {region}",
        up.bootstrap_servers.join(","),
        shown(up.expires_at, clock::now())
    )
}

fn of_signal(number: i32) -> u8 {
    128 + u8::try_from(number).unwrap_or(0)
}

/// Runs the command with the stack in its environment, and gives its exit code.
async fn command(args: &Args, up: &CreatedStack, signals: &Signals, context: &Context) -> Result<u8, Failure> {
    let own =
        |what: &str, error: std::io::Error| Failure { code: KSTACK_FAILED, ..Failure::new(format!("{what}: {error}")) };
    // Gone with the command, however that ends.
    let mut properties = NamedTempFile::with_prefix("kstack-client-")
        .map_err(|error| own("the client properties file can't be created", error))?;
    properties
        .write_all(up.properties.as_bytes())
        .map_err(|error| own("the client properties file can't be written", error))?;
    let (program, arguments) = args.command.split_first().ok_or_else(|| Failure::new("no command is given"))?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("KAFKA_BOOTSTRAP_SERVERS", up.bootstrap_servers.join(","))
        .env("KSTACK_NAME", &up.name)
        .env("KSTACK_CLIENT_PROPERTIES", properties.path());
    // A group of its own, so that what the command started ends with it. On a terminal it stays in kstack's: only the
    // terminal's own group may read from it, and Ctrl-C reaches both.
    let grouped = !ui::typed();
    if grouped {
        command.process_group(0);
    }
    if signals.count() > 0 {
        return Ok(signals.last().map_or(KSTACK_FAILED, of_signal));
    }
    let mut child = command.spawn().map_err(|error| {
        let code = if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 };
        Failure { code, ..Failure::new(format!("`{program}` can't be started: {error}")) }
    })?;
    let left = up.expires_at.duration_since(clock::now());
    let limit = args.timeout.map(|limit| Duration::from_secs(limit.0)).unwrap_or(left.unsigned_abs());
    watch(&mut child, grouped, limit, signals, context)
        .await
        .map_err(|error| own("the command can't be waited for", error))
}

/// Waits for the command; forwards signals to it, and kills it when it ignores them or its time limit.
async fn watch(
    child: &mut Child,
    grouped: bool,
    limit: Duration,
    signals: &Signals,
    context: &Context,
) -> std::io::Result<u8> {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let send = |signal: Signal| {
        // It is not waited for yet, so its id is still its own.
        let _ = pid.map(|pid| if grouped { kill_process_group(pid, signal) } else { kill_process(pid, signal) });
    };
    // None had come before the command was started; one may have come since.
    let timed_out = tokio::select! {
        status = child.wait() => return ended(status?, grouped, &send),
        () = tokio::time::sleep(limit) => true,
        () = signals.beyond(0) => false,
    };
    if timed_out {
        context.printer.progress("The command's time limit is over.");
        send(Signal::TERM);
    } else if grouped || signals.last() != Some(Signal::INT.as_raw()) {
        send(if signals.last() == Some(Signal::INT.as_raw()) { Signal::INT } else { Signal::TERM });
    }
    let status = tokio::select! {
        status = child.wait() => status?,
        () = async { tokio::select! { () = tokio::time::sleep(KILL_GRACE) => {}, () = signals.beyond(1) => {} } } => {
            send(Signal::KILL);
            child.wait().await?
        }
    };
    let code = ended(status, grouped, &send)?;
    Ok(if timed_out { TIMED_OUT } else { code })
}

/// The exit code of a command that has ended. What it left running in its group is killed: its stack is destroyed now.
fn ended(status: ExitStatus, grouped: bool, send: &impl Fn(Signal)) -> std::io::Result<u8> {
    if grouped {
        send(Signal::KILL);
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.unwrap_or_else(|| status.signal().map_or(KSTACK_FAILED, of_signal)))
}
