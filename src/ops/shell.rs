//! `kstack shell`: a shell on the client host, or a process of this machine that stands for it in the sandbox.

use std::fs::{self, Permissions};
use std::io::IsTerminal as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use super::{Failure, Signals, client, kafka};
use crate::aws::kinds::discover_one;
use crate::kafka::{Gate, PLUGIN, Via};
use crate::sandbox::kafka::{VARIABLE, distribution, of_version};
use crate::session::Session;
use kstack_core::choose::settle;
use kstack_core::client_files::Format;
use kstack_core::cloud_init::KAFKA_TOOL;
use kstack_core::design::client_listeners;
use kstack_core::engines::Engine;
use kstack_core::kinds::{ClientInstance, Kind as _, OfKind as _};
use kstack_core::stack::Stack;

/// Why a shell can't be had of a file without a client host.
const NO_CLIENT: &str = "write `client: {}` at the left margin of the stack file, and apply it";

/// Opens a shell on the client host of `stack`, or runs `command` there, and gives the exit code.
///
/// # Errors
/// Why it can't be opened.
pub async fn shell(session: &Session, stack: &Stack, command: &[String], sandbox: bool) -> Result<u8, Failure> {
    if stack.client.is_none() {
        return Err(Failure::new("the stack file has no client host").hint(NO_CLIENT));
    }
    let (id, state) = find(session).await?;
    if state != "running" {
        let why = format!("the client host {id} is {state}");
        return Err(Failure::new(why).hint("`kstack apply` starts it"));
    }
    let signals = Signals::listen()?;
    signals.never_at_once();
    match sandbox {
        true => Box::pin(here(session, stack, command, &signals)).await,
        false => {
            let gate =
                Gate { clients: session.aws.clients.clone(), stack: session.name.to_string(), plugin: PLUGIN.into() };
            Box::pin(there(&gate, &id, command, &signals)).await
        }
    }
}

/// The stack's client host, and its state.
async fn find(session: &Session) -> Result<(String, String), Failure> {
    session.aws.begin_round();
    let found = discover_one(&session.aws, ClientInstance::NAME).await?;
    let live = found.iter().filter(|one| !one.terminated);
    let mut all = live.filter_map(|one| Some((one.id.clone(), ClientInstance::of(&one.spec)?.state.clone())));
    let first = all.next();
    let first =
        first.ok_or_else(|| Failure::new("the client host is not there yet").hint("`kstack apply` makes it"))?;
    if let Some((second, _)) = all.next() {
        // Tags are copied easily, and a shell must not be one on a machine of somebody else.
        let why = format!("the instances {} and {second} both have the tags of the client host", first.0);
        return Err(
            Failure::new(why).hint("`kstack plan` says which is the stack's; remove the stack's tags from the other")
        );
    }
    Ok(first)
}

/// On the host itself, by Session Manager.
async fn there(gate: &Gate, instance: &str, command: &[String], signals: &Signals) -> Result<u8, Failure> {
    let wait = async |child| ended(child, signals).await;
    let status = match command {
        [] => gate.run(instance, SHELL, true, wait).await,
        words => gate.run(instance, &remote(words), false, wait).await,
    };
    let status = status.map_err(|why| {
        Failure::new(format!("no shell can be opened on {instance}: {why}")).hint(
            "a host takes some minutes until Session Manager knows it; it needs a way to it, by a NAT gateway or the endpoints `ssm` and \
             `ssmmessages`, and its role the permissions of Session Manager",
        )
    })?;
    Ok(code(status))
}

/// A login shell, whose environment has Kafka's tools.
const SHELL: &str = "cd && exec bash -l";

/// `words` as a command of a login shell.
fn remote(words: &[String]) -> String {
    let command: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    format!("cd && exec bash -lc {}", quoted(&command.join(" ")))
}

/// `text` as one word of a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// On this machine, with the tools of the sandbox's own Kafka.
async fn here(session: &Session, stack: &Stack, command: &[String], signals: &Signals) -> Result<u8, Failure> {
    if Engine::of(stack) == Engine::Msk {
        let why = "the sandbox runs no brokers of MSK, so there is nothing that a client host could reach";
        return Err(Failure::new(why).hint("run it against AWS, or with a stack on EC2"));
    }
    let Some(kafka) = distribution()? else {
        let why = "the sandbox has no Kafka, whose tools a client host has";
        return Err(
            Failure::new(why).hint(format!("set {VARIABLE} to the folder of a Kafka distribution, and apply again"))
        );
    };
    let kafka = match &stack.cluster.ec2 {
        Some(ec2) => of_version(&kafka, &ec2.kafka.to_string())?,
        None => kafka,
    };
    let observed = session.observe().await?;
    let brokers = kafka::brokers(&observed, true);
    let servers: Vec<String> = brokers.into_values().map(|broker| broker.to_string()).collect();
    if servers.is_empty() {
        return Err(Failure::new("no broker of the stack runs in the sandbox")
            .hint(format!("`kstack apply` with {VARIABLE} starts them")));
    }
    let mut servers = servers.join(",");
    let stack = &settle(stack, &observed, None);
    let properties = if stack.secured() {
        let (via, format) = (&Via::default(), Format::Java);
        let request = client::Request { stack, observed: &observed, sandbox: true, via, format };
        let properties = request.of_client_host(session).await?;
        let found = properties.lines().find_map(|line| line.strip_prefix("bootstrap.servers="));
        servers = found.unwrap_or_default().to_owned();
        properties
    } else {
        let listener = client_listeners(stack, None).into_iter().next();
        listener.map(|listener| listener.properties(&servers)).unwrap_or_default()
    };
    let failed = |error: std::io::Error| Failure::new(format!("the client host's files can't be written: {error}"));
    // Gone with the shell, however that ends.
    let folder = tempfile::Builder::new().prefix("kstack-client-").tempdir().map_err(failed)?;
    let tools = lay_out(folder.path(), &kafka, &properties).map_err(failed)?;
    let own = std::env::var("SHELL").ok().filter(|shell| !shell.is_empty()).unwrap_or_else(|| "/bin/sh".to_owned());
    let (program, arguments) = command.split_first().map_or((own.as_str(), &[][..]), |(program, rest)| (program, rest));
    let child = Command::new(program)
        .args(arguments)
        .env("PATH", path_with(&tools, &kafka)?)
        .env("KAFKA_HOME", &kafka)
        .env("KAFKA_BOOTSTRAP_SERVERS", servers)
        .env("KSTACK_NAME", &*session.name)
        .env("KSTACK_CLIENT_PROPERTIES", folder.path().join(PROPERTIES))
        .spawn();
    let child = child.map_err(|error| {
        let code = if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 };
        Failure { code, ..Failure::new(format!("`{program}` can't be started: {error}")) }
    })?;
    let status = ended(child, signals).await;
    Ok(code(status.map_err(|error| Failure::new(format!("`{program}` can't be waited for: {error}")))?))
}

/// Waits for what runs in the shell, and passes signals on to it: what ignores one is killed by the next. Ctrl-C reaches it by the terminal, as
/// often as it is pressed.
async fn ended(mut child: Child, signals: &Signals) -> std::io::Result<ExitStatus> {
    let typed = std::io::stdin().is_terminal();
    // Each is passed on once, one too that came as soon as the command had started.
    let (mut seen, mut passed) = (0, 0);
    loop {
        tokio::select! {
            status = child.wait() => return status,
            () = signals.beyond(seen) => seen += 1,
        }
        let interrupt = signals.last() == Some(Signal::INT.as_raw());
        if interrupt && typed {
            continue;
        }
        let signal = match (passed, interrupt) {
            (0, true) => Signal::INT,
            (0, false) => Signal::TERM,
            _ => Signal::KILL,
        };
        passed += 1;
        // It is not waited for yet, so its id is still its own.
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let _ = pid.map(|pid| kill_process(pid, signal));
    }
}

/// The name of the properties file of [`lay_out`].
const PROPERTIES: &str = "client.properties";

/// Writes into `folder` what the host has beside Kafka, and gives the folder of the tools that know the stack's brokers.
fn lay_out(folder: &Path, kafka: &Path, properties: &str) -> std::io::Result<PathBuf> {
    fs::write(folder.join(PROPERTIES), properties)?;
    let script = folder.join("kafka-tool");
    fs::write(&script, KAFKA_TOOL)?;
    fs::set_permissions(&script, Permissions::from_mode(0o755))?;
    let tools = folder.join("bin");
    fs::create_dir(&tools)?;
    for tool in fs::read_dir(kafka.join("bin"))? {
        let name = tool?.file_name();
        if name.to_string_lossy().starts_with("kafka-") && name.to_string_lossy().ends_with(".sh") {
            symlink(&script, tools.join(name))?;
        }
    }
    Ok(tools)
}

/// The path with these tools before what is there, and Kafka's other ones behind it, as on the host.
fn path_with(tools: &Path, kafka: &Path) -> Result<std::ffi::OsString, Failure> {
    let before = std::env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(tools.to_owned()).chain(std::env::split_paths(&before)).chain([kafka.join("bin")]);
    std::env::join_paths(all).map_err(|error| Failure::new(format!("{VARIABLE} can't be in PATH: {error}")))
}

/// The exit code, or 128 and the number of the signal.
fn code(status: ExitStatus) -> u8 {
    let signal = || status.signal().and_then(|number| u8::try_from(128 + number).ok());
    status.code().and_then(|code| u8::try_from(code).ok()).or_else(signal).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_comes_out_of_both_shells_as_it_was() {
        let words = ["printf", "%s|", "it's", "a b", "$HOME", "\"", ""].map(str::to_owned);
        let command = remote(&words);
        assert!(command.starts_with("cd && exec bash -lc '"), "{command}");
        // As the agent runs it, but for the folder and the files of a login.
        let command = command.replacen("cd && exec bash -lc", "exec bash -c", 1);
        let output = std::process::Command::new("sh").args(["-c", &command]).output().expect("a shell");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "it's|a b|$HOME|\"||");
    }
}
