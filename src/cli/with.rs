//! `kstack with`: a stack for the time of one command.

use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::NamedTempFile;
use tokio::process::{Child, Command};

use super::error::{Failure, print};
use super::run::{Signals, give_back, take, tear_down, unsure};
use super::up::{Show, Up, Wanted};
use super::{name, ttl, ui};
use crate::clock;
use crate::lease::DURATION;
use crate::session::Session;
use kstack_core::expiry::shown;
use kstack_core::stack::{Name, TimeSpan};

/// Make a stack, run a command with it, and destroy it, whatever happens
///
/// The command finds KAFKA_BOOTSTRAP_SERVERS, KSTACK_NAME and KSTACK_CLIENT_PROPERTIES (the path of a client properties
/// file) in its environment. The exit code is the command's, or 128 and the signal's number; 124 after --timeout, 126 or
/// 127 when it can't be started, and 125 when kstack itself failed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack file
    #[arg(value_name = "FILE")]
    file: String,
    /// The stack's name; the file's with a random end when absent
    #[arg(long, value_parser = name)]
    name: Option<Name>,
    /// How long it lives should kstack be killed; the file's `ttl` when absent, or an hour
    #[arg(long, value_parser = ttl)]
    ttl: Option<TimeSpan>,
    /// How long the command may run; until the stack's time has passed when absent
    #[arg(long, value_name = "TIME", value_parser = TimeSpan::parse)]
    timeout: Option<TimeSpan>,
    /// Keep the stack until its time has passed when the command fails
    #[arg(long)]
    keep_on_failure: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// How long a stack lives where nobody says it.
const HOUR: TimeSpan = TimeSpan(3600);
/// How long the command has to end after a signal or its time limit, before it is killed.
const GRACE: Duration = Duration::from_secs(10);
/// kstack's own failure, as of `env` and `timeout`.
const OWN: u8 = 125;
const TIMED_OUT: u8 = 124;

pub async fn run(args: &Args, sandbox: bool) -> Result<u8, Failure> {
    let own = |failure: Failure| Failure { code: OWN, ..failure };
    let mut wanted = Wanted::read(&args.file, args.name.clone(), args.ttl, Some(HOUR)).map_err(own)?;
    wanted.fresh = true;
    let session = wanted.open(sandbox).await.map_err(own)?;
    let signals = Signals::listen().map_err(own)?;
    signals.never_at_once();
    let code = match wanted.make(&session, &signals, Show::Aside).await {
        Ok(up) => match command(args, &up, &signals).await {
            Ok(code) if code != 0 && args.keep_on_failure => {
                kept(&up, &session);
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
            let failure = Failure { code: signals.last().map_or(OWN, of_signal), ..failure };
            if !wanted.ours {
                return Err(failure);
            }
            print(&failure);
            failure.code
        }
    };
    ui::progress(&format!("Destroying {} ...", session.aws.stack));
    match destroy(&session, &signals.for_cleanup(), sandbox).await {
        Ok(resources) => {
            ui::progress(&format!("Destroyed {}: {resources} resources deleted.", session.aws.stack));
            Ok(code)
        }
        Err(failure) => {
            let name = &session.aws.stack;
            let hint =
                format!("`kstack reap` destroys it when its time has passed, or now: kstack destroy --name {name}");
            let failure = Failure { hint: Some(hint), ..failure.during(format!("the stack {name} is not destroyed")) };
            Err(Failure { code: if code == 0 { OWN } else { code }, ..failure })
        }
    }
}

fn kept(up: &Up, session: &Session) {
    let (name, region) = (&up.name, &session.region);
    ui::progress(&format!(
        "The stack {name} is kept: {}. It expires at {}; to delete it now: kstack destroy --name {name} --region {region}",
        up.bootstrap_servers.join(","),
        shown(up.expires_at, clock::now())
    ));
}

fn of_signal(number: i32) -> u8 {
    128 + u8::try_from(number).unwrap_or(0)
}

/// Runs the command with the stack in its environment, and gives its exit code.
async fn command(args: &Args, up: &Up, signals: &Signals) -> Result<u8, Failure> {
    let own = |what: &str, error: std::io::Error| Failure { code: OWN, ..Failure::new(format!("{what}: {error}")) };
    // Gone with the command, however that ends.
    let mut properties = NamedTempFile::with_prefix("kstack-client-")
        .map_err(|error| own("the client properties file can't be made", error))?;
    properties
        .write_all(up.properties.as_bytes())
        .map_err(|error| own("the client properties file can't be written", error))?;
    let (program, arguments) = args.command.split_first().ok_or_else(|| Failure::new("there is no command"))?;
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
        return Ok(signals.last().map_or(OWN, of_signal));
    }
    let mut child = command.spawn().map_err(|error| {
        let code = if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 };
        Failure { code, ..Failure::new(format!("`{program}` can't be started: {error}")) }
    })?;
    let left = up.expires_at.duration_since(clock::now());
    let limit = args.timeout.map(|limit| Duration::from_secs(limit.0)).unwrap_or(left.unsigned_abs());
    watch(&mut child, grouped, limit, signals).await.map_err(|error| own("the command can't be waited for", error))
}

/// Waits for the command; passes signals on to it, and ends it when its time is over or it does not heed them.
async fn watch(child: &mut Child, grouped: bool, limit: Duration, signals: &Signals) -> std::io::Result<u8> {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let send = |signal: Signal| {
        // It is not waited for yet, so its id is still its own.
        let _ = pid.map(|pid| if grouped { kill_process_group(pid, signal) } else { kill_process(pid, signal) });
    };
    let before = signals.count();
    let timed_out = tokio::select! {
        status = child.wait() => return ended(status?, grouped, &send),
        () = tokio::time::sleep(limit) => true,
        () = signals.beyond(before) => false,
    };
    if timed_out {
        ui::progress("The command's time is over.");
        send(Signal::TERM);
    } else if grouped || signals.last() != Some(Signal::INT.as_raw()) {
        send(if signals.last() == Some(Signal::INT.as_raw()) { Signal::INT } else { Signal::TERM });
    }
    let status = tokio::select! {
        status = child.wait() => status?,
        () = async { tokio::select! { () = tokio::time::sleep(GRACE) => {}, () = signals.beyond(before + 1) => {} } } => {
            send(Signal::KILL);
            child.wait().await?
        }
    };
    let code = ended(status, grouped, &send)?;
    Ok(if timed_out { TIMED_OUT } else { code })
}

/// The exit code of a command that has ended. What it left running in its group ends too: its stack goes now.
fn ended(status: ExitStatus, grouped: bool, send: &impl Fn(Signal)) -> std::io::Result<u8> {
    if grouped {
        send(Signal::KILL);
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.unwrap_or_else(|| status.signal().map_or(OWN, of_signal)))
}

/// Destroys the stack as soon as nobody else works on it; a kstack that died does so for as long as a lease lasts.
async fn destroy(session: &Session, signals: &Signals, sandbox: bool) -> Result<usize, Failure> {
    let (account, caller) = signals.unless_stopped(session.aws.clients.identity()).await?;
    let start = std::time::Instant::now();
    let lease = loop {
        match take(session, &caller, signals).await {
            Err(failure) if failure.lease_held.is_some() && start.elapsed() < DURATION * 3 / 2 => {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            other => break other?,
        }
    };
    let result = tear_down(session, &account, signals, sandbox, |_| {}).await;
    let released = give_back(lease, result.is_ok(), unsure(&result), signals).await;
    let resources = result?;
    released?;
    Ok(resources)
}
