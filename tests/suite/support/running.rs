//! A command under way: its events as they come, signals to it, and its end.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::proxy::Proxy;
use super::{Account, Run, poll};

/// A command that was started and not waited for.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    out: String,
    err: Option<JoinHandle<String>>,
}

impl Account {
    /// Starts the binary with `arguments`.
    pub fn spawn(&self, arguments: &[&str]) -> Running {
        Running::of(self.command(arguments))
    }
}

/// Runs `arguments` by way of `proxy`, which may kill it.
pub fn through(account: &mut Account, proxy: &Proxy, arguments: &[&str]) -> Run {
    through_with(account, proxy, arguments, &[])
}

/// The same with more variables in the environment.
pub fn through_with(account: &mut Account, proxy: &Proxy, arguments: &[&str], variables: &[(&str, &str)]) -> Run {
    let direct = std::mem::replace(&mut account.endpoint, proxy.endpoint.clone());
    let mut command = account.command(arguments);
    command.envs(variables.iter().copied());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    proxy.aim(child.id());
    let run = Run::from(child.wait_with_output().expect("the binary ends"));
    proxy.wait_until_quiet();
    account.endpoint = direct;
    run
}

impl Running {
    /// Starts `command`.
    pub fn of(mut command: Command) -> Running {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let (out, mut err) = (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
        let (send, lines) = channel();
        thread::spawn(move || BufReader::new(out).lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        let err = thread::spawn(move || {
            let mut text = String::new();
            err.read_to_string(&mut text).expect("UTF-8");
            text
        });
        Running { child, lines, out: String::new(), err: Some(err) }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Reads on until `wanted` is true of an event; false when the command ended before.
    pub fn until(&mut self, mut wanted: impl FnMut(&Value) -> bool) -> bool {
        while let Ok(line) = self.lines.recv_timeout(Duration::from_secs(120)) {
            self.out.push_str(&line);
            self.out.push('\n');
            if serde_json::from_str(&line).is_ok_and(|event| wanted(&event)) {
                return true;
            }
        }
        false
    }

    /// Whether it has ended.
    pub fn ended(&mut self) -> bool {
        self.child.try_wait().expect("a process").is_some()
    }

    pub fn signal(&self, signal: Signal) {
        // The process is not waited for yet, so its id is still its own.
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("an id");
        // One that has ended just now takes no signal any more.
        let _ = kill_process(pid, signal);
    }

    /// Waits for the end, for `limit` at most.
    #[track_caller]
    pub fn end(mut self, limit: Duration) -> Run {
        let status = poll("the command ending", limit, || self.child.try_wait().expect("a process"));
        while let Ok(line) = self.lines.recv() {
            self.out.push_str(&line);
            self.out.push('\n');
        }
        let err = self.err.take().map(|thread| thread.join().expect("no panic")).unwrap_or_default();
        Run { code: status.code().unwrap_or(-1), out: std::mem::take(&mut self.out), err }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
