//! The LocalStacks of this process. One answers one call at a time, so there are several, and each account has its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use super::{KSTACK, Run};

/// How many there are at most: each takes 0.8 GiB.
const MOST: usize = 3;

/// How many there are: `KSTACK_TEST_SANDBOXES`, else as many as this machine has cores, but at least two. The benchmark, which
/// is no test, compares what it runs on one.
fn count() -> usize {
    let asked =
        std::env::var("KSTACK_TEST_SANDBOXES").ok().map(|count| count.parse().expect("a number of LocalStacks"));
    if !cfg!(test) {
        return 1;
    }
    let cores = || std::thread::available_parallelism().map_or(2, usize::from).max(2);
    asked.unwrap_or_else(cores).clamp(1, MOST)
}

/// One LocalStack, and for whom it is.
struct Sandbox {
    endpoint: String,
    _owner: Option<Child>,
}

/// The endpoint of a LocalStack of this process that has no account of its own: where it does not matter which it is.
pub fn sandbox() -> &'static str {
    sandbox_of("000000000000")
}

/// The endpoint of an account's LocalStack, which is started at first use and ends with this process.
pub fn sandbox_of(account: &str) -> &'static str {
    static ALL: [OnceLock<Sandbox>; MOST] = [const { OnceLock::new() }; MOST];
    static COUNT: OnceLock<usize> = OnceLock::new();
    let number: usize = account.parse().unwrap_or(0);
    let which = number % COUNT.get_or_init(count);
    &ALL[which].get_or_init(|| start(which)).endpoint
}

/// Starts LocalStack number `which`.
fn start(which: usize) -> Sandbox {
    // A sandbox is known by the process that it is for. The first is for this one, and each other for a program that reads
    // from this one, and so ends with it, however that ends.
    let owner = (which > 0).then(|| {
        let mut command = Command::new("cat");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("cat starts")
    });
    let pid = owner.as_ref().map_or_else(std::process::id, Child::id);
    let run = |command: &[&str]| Run::of(sandbox_command(pid).arg("sandbox").args(command)).expect(0);
    run(&["start"]);
    let status = run(&["status", "--json"]).json();
    Sandbox { endpoint: status["endpoint"].as_str().expect("an endpoint").to_owned(), _owner: owner }
}

/// Where the virtual environment is kept between test runs, and the sandboxes' own folders are.
pub fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("kstack-test")
}

/// The binary with the sandbox of the process `pid`.
pub fn sandbox_command(pid: u32) -> Command {
    let mut command = Command::new(KSTACK);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
        command.env_remove(name);
    }
    command.env("KSTACK_CACHE_DIR", cache()).env("KSTACK_SANDBOX_PARENT", pid.to_string()).stdin(Stdio::null());
    command
}
