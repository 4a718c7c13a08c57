//! The sandbox: on loopback only, told by status and env, and clear errors where it can't be started.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::{KSTACK, Run, poll, proxy, sandbox, sandbox_command};

/// A process for a sandbox of its own to end with.
struct Parent(Child);

impl Parent {
    fn new() -> Parent {
        Parent(Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().expect("sleep starts"))
    }
    fn sandbox(&self, arguments: &[&str]) -> Run {
        Run::of(sandbox_command(self.0.id()).arg("sandbox").args(arguments))
    }
    fn end(&mut self) {
        self.0.kill().expect("it runs");
        self.0.wait().expect("it ends");
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The addresses on which a process listens, as the kernel writes them: hexadecimal address and port.
fn listening(pid: u64) -> Vec<String> {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).expect("a process").flatten();
    let sockets: BTreeSet<String> = files
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let mut found = Vec::new();
    for table in ["tcp", "tcp6"] {
        let text = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        for fields in text.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>()) {
            let (address, state, inode) = (fields[1], fields[3], fields[9]);
            if state == "0A" && sockets.contains(inode) {
                found.push(format!("{table} {address}"));
            }
        }
    }
    found
}

fn gone(pid: u64) -> Option<()> {
    // A process that nobody has waited for yet still has a folder, and no command line.
    fs::read(format!("/proc/{pid}/cmdline")).map_or(true, |line| line.is_empty()).then_some(())
}

#[test]
fn it_listens_on_loopback_only_tells_where_and_stops() {
    let parent = Parent::new();
    assert_eq!(parent.sandbox(&["status"]).expect(0).out, "No sandbox is running.\n");
    let none = parent.sandbox(&["env"]).expect(1);
    assert_eq!(none.err, "error: no sandbox is running\nhint: start it with: kstack sandbox start\n");

    parent.sandbox(&["start"]).expect(0);
    let status = parent.sandbox(&["status", "--json"]).expect(0).json();
    let (endpoint, pid) = (status["endpoint"].as_str().expect("one"), status["pid"].as_u64().expect("one"));
    assert_ne!(endpoint, sandbox(), "a sandbox of its own");
    let port: u16 = endpoint.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    assert_eq!(listening(pid), [format!("tcp 0100007F:{port:04X}")], "127.0.0.1 and nothing else");
    assert_eq!(
        parent.sandbox(&["start"]).expect(0).out,
        format!("The sandbox runs at {endpoint} (process {pid}).\n"),
        "a second start uses what runs"
    );
    let other = parent.sandbox(&["start", "--port", "1"]).expect(1);
    assert!(other.err.contains(&format!("it runs already, at {endpoint}, and not on port 1")), "{other}");

    // The exports are for a shell, as the AWS CLI is used.
    let env = parent.sandbox(&["env"]).expect(0).out;
    let script = format!("{env}echo $AWS_ENDPOINT_URL $AWS_REGION $AWS_ACCESS_KEY_ID");
    let shown = Run::of(Command::new("/bin/sh").args(["-c", &script]).env_clear()).expect(0);
    assert_eq!(shown.out, format!("{endpoint} us-east-1 test\n"));
    let list = Run::of(sandbox_command(parent.0.id()).args(["list", "--sandbox", "--region", "eu-west-1"])).expect(0);
    assert_eq!(list.out, "There are no stacks in eu-west-1.\n");

    assert_eq!(parent.sandbox(&["stop"]).expect(0).out, "The sandbox is stopped.\n");
    poll("LocalStack ending", Duration::from_secs(60), || gone(pid));
    assert_eq!(parent.sandbox(&["stop"]).expect(0).out, "No sandbox was running.\n");
    let status = parent.sandbox(&["status", "--json"]).expect(0).json();
    assert_eq!(status, serde_json::json!({"format_version": 1, "running": false, "endpoint": null, "pid": null}));
}

#[test]
fn it_ends_with_the_process_that_it_is_for() {
    let mut parent = Parent::new();
    parent.sandbox(&["start"]).expect(0);
    let status = parent.sandbox(&["status", "--json"]).json();
    let (endpoint, pid) = (status["endpoint"].as_str().expect("one"), status["pid"].as_u64().expect("one"));
    assert!(proxy::request(endpoint, "GET", "/_localstack/health", "").starts_with("HTTP/1.1 200"));
    parent.end();
    poll("LocalStack ending", Duration::from_secs(60), || gone(pid));
    assert_eq!(parent.sandbox(&["status"]).expect(0).out, "No sandbox is running.\n");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let parent = Parent::new();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let run = parent.sandbox(&["start", "--port", &port.to_string()]);
    let expected = format!(
        "exit code 1\n--- stdout\n--- stderr\n\
         error: the sandbox can't be started: the port {port} is taken by another program\n\
         hint: leave out --port, and a free one is taken; or end the other program\n"
    );
    assert_eq!(run.to_string(), expected);
}

/// Runs `sandbox start` where the path has only what `programs` writes there, with an empty cache.
fn start_with(programs: &[(&str, &str)]) -> Run {
    let folder = tempfile::tempdir().expect("a folder");
    let (bin, home) = (folder.path().join("bin"), folder.path().join("home"));
    for folder in [&bin, &home] {
        fs::create_dir(folder).expect("a folder");
    }
    for (name, script) in programs {
        write_program(&bin.join(name), script);
    }
    let mut command = Command::new(KSTACK);
    command.env_clear().env("PATH", &bin).env("HOME", &home).args(["sandbox", "start"]);
    Run::of(&mut command)
}

fn write_program(path: &Path, script: &str) {
    fs::write(path, script).expect("a file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a file");
}

#[test]
fn a_missing_python_is_named() {
    assert_eq!(
        start_with(&[]).to_string(),
        "exit code 1\n--- stdout\n--- stderr\n\
         Making the virtual environment of the pinned LocalStack (once, about a minute) ...\n\
         error: the sandbox can't be started: no Python 3.12 or newer was found\n\
         hint: install Python 3.12 or newer, or uv, which brings one\n"
    );
}

#[test]
fn a_python_that_is_too_old_is_named() {
    assert_eq!(
        start_with(&[("python3", "#!/bin/sh\necho 3.9\n")]).to_string(),
        "exit code 1\n--- stdout\n--- stderr\n\
         Making the virtual environment of the pinned LocalStack (once, about a minute) ...\n\
         error: the sandbox can't be started: no Python 3.12 or newer was found\n\
         hint: found only python3 (3.9); install Python 3.12 or newer, or uv, which brings one\n"
    );
}

#[test]
fn what_a_failed_installation_said_is_shown() {
    let broken = "#!/bin/sh\ncase \"$1\" in -c) echo 3.12;; *) echo 'no module named venv'; exit 3;; esac\n";
    let run = start_with(&[("python3", broken)]).expect(1);
    assert!(run.err.contains("python -m venv ended with exit status: 3"), "{run}");
    assert!(run.err.contains("no module named venv"), "{run}");
}
