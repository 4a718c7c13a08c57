//! What the tests share: the LocalStacks of this process, and for each test an AWS account and a folder of its own.

pub mod attributes;
pub mod aws;
pub mod look;
pub mod proxy;
pub mod rounds;
pub mod running;
pub mod sandboxes;
pub mod schema;
pub mod signature;
pub mod stale;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

#[allow(unused_imports, reason = "each of the binaries that share this uses some of them")]
pub use sandboxes::{cache, sandbox, sandbox_command, sandbox_of};

/// The binary under test.
pub const KSTACK: &str = env!("CARGO_BIN_EXE_kstack");

/// How a command ended, and what it wrote.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Run {
    pub fn of(command: &mut Command) -> Run {
        Run::from(command.output().expect("the binary starts"))
    }

    /// The same, after seeing that it ended with `code`.
    #[track_caller]
    pub fn expect(self, code: i32) -> Run {
        assert_eq!(self.code, code, "the exit code, of:\n{self:.200}");
        self
    }

    /// Standard output as one JSON value.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("not JSON: {error}\n{self}"))
    }

    /// Standard output as JSON lines, every one of which is an object with an event's name.
    #[track_caller]
    pub fn events(&self) -> Vec<Value> {
        let event = |line: &str| -> Value {
            let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("not JSON: {error}\n{line}"));
            assert!(value["event"].is_string(), "no event: {line}");
            value
        };
        self.out.lines().map(event).collect()
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Run {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Run { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// Exit code, standard output and standard error together, as snapshots show them; with a precision, lines cut to so many
/// characters.
impl std::fmt::Display for Run {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let cut = |text: &str| match out.precision() {
            Some(most) => text.lines().map(|line| format!("{line:.most$}\n")).collect(),
            None => text.to_owned(),
        };
        let (shown, errors) = (cut(&self.out), cut(&self.err));
        write!(out, "exit code {}\n--- stdout\n{shown}--- stderr\n{errors}", self.code)
    }
}

/// An AWS account on the sandbox that no other test has, and a folder for files.
pub struct Account {
    pub id: String,
    pub endpoint: String,
    pub folder: TempDir,
    /// How many seconds AWS takes at most to list what a kstack made that died.
    pub lag: u64,
    /// After how many seconds without an answer a call is given up; nothing for as long as users wait.
    pub silence: Option<u64>,
    /// Whether applies roll host after host without asking Kafka, which no instance here has.
    pub blind: bool,
}

impl Account {
    pub fn new() -> Account {
        Account::of(Account::unused())
    }

    /// An account that no other test has, on the LocalStack of `other`.
    pub fn beside(other: &str) -> Account {
        let mut id = Account::unused();
        while sandbox_of(&id) != sandbox_of(other) {
            id = Account::unused();
        }
        Account::of(id)
    }

    /// Makes this account what `source` is, on the same LocalStack, once nothing is under way in that any more. What was here is
    /// gone; what was chosen stays.
    pub fn become_copy_of(&self, source: &str) {
        assert_eq!(sandbox_of(&self.id), sandbox_of(source), "LocalStacks know nothing of one another's accounts");
        let (path, body) = (format!("/_aws_rules/{}/copy", self.id), serde_json::json!({"of": source}).to_string());
        poll("a copy of an account", Duration::from_secs(60), || {
            let answer = proxy::request(sandbox_of(source), "PUT", &path, &body);
            let copied = answer.starts_with("HTTP/1.1 200");
            assert!(copied || answer.contains("still under way"), "{answer}");
            copied.then_some(())
        });
    }

    fn unused() -> String {
        static LAST: AtomicU64 = AtomicU64::new(0);
        format!("{:012}", 1000 + LAST.fetch_add(1, Ordering::Relaxed))
    }

    fn of(id: String) -> Account {
        let (endpoint, folder) = (sandbox_of(&id).to_owned(), tempfile::tempdir().expect("a folder"));
        Account { id, endpoint, folder, lag: 0, silence: None, blind: true }
    }

    /// Writes `stacks/BASE.yaml` into the folder as `BASE.yaml`, with `edits`, and gives that name.
    #[track_caller]
    pub fn write(&self, base: &str, edits: &[(&str, &str)]) -> String {
        self.write_as(&format!("{base}.yaml"), base, edits)
    }

    /// The same under another file name.
    #[track_caller]
    pub fn write_as(&self, name: &str, base: &str, edits: &[(&str, &str)]) -> String {
        std::fs::write(self.path(name), stack(base, edits)).expect("a file");
        name.to_owned()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The binary with `arguments`, in this account and folder, and with nothing of this process's environment but the path.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(KSTACK);
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path).env("HOME", self.folder.path()).env("AWS_ENDPOINT_URL", &self.endpoint);
        command.env("AWS_ACCESS_KEY_ID", &self.id).env("AWS_SECRET_ACCESS_KEY", "test");
        command.env("KSTACK_TEST_SETTLE", self.lag.to_string());
        command.envs(self.silence.map(|seconds| ("KSTACK_TEST_SILENCE", seconds.to_string())));
        command.current_dir(self.folder.path()).stdin(Stdio::null()).args(arguments);
        if self.blind {
            command.args(arguments.first().filter(|one| **one == "apply").map(|_| "--blind"));
            command.env("KSTACK_TEST_NOBODY", "1");
        }
        command
    }

    /// Runs the binary and waits for it.
    pub fn run(&self, arguments: &[&str]) -> Run {
        Run::of(&mut self.command(arguments))
    }

    /// Applies `file` without asking, and gives the events.
    #[track_caller]
    pub fn apply(&self, file: &str) -> Vec<Value> {
        self.run(&["apply", file, "--yes", "--json"]).expect(0).events()
    }

    /// The plan of `file` as JSON, whether it can be run or not.
    #[track_caller]
    pub fn plan(&self, file: &str) -> Plan {
        Plan(self.run(&["plan", file, "--json"]).json())
    }

    /// Sees that there is nothing to do.
    #[track_caller]
    pub fn assert_converged(&self, file: &str) {
        self.run(&["plan", file, "--detailed-exitcode"]).expect(0);
    }

    /// Destroys the stack of `file` and sees that nothing of it is left.
    #[track_caller]
    pub fn destroy(&self, file: &str) {
        self.run(&["destroy", file, "--yes"]).expect(0);
        self.assert_nothing_left();
    }

    /// Chooses, for this account alone, how long states last and which calls fail (see localstack/README.md).
    pub fn choose(&self, what: &Value) {
        let answer =
            proxy::request(sandbox_of(&self.id), "PUT", &format!("/_aws_rules/{}", self.id), &what.to_string());
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

/// `stacks/BASE.yaml` with each edit's first text, which must be there once, in place of its second. Listeners of an edit take the place of
/// the file's own.
#[track_caller]
pub fn stack(base: &str, edits: &[(&str, &str)]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("stacks").join(format!("{base}.yaml"));
    let mut text = std::fs::read_to_string(&path).expect("a stack file");
    if edits.iter().any(|(_, new)| new.contains("\n    listeners:")) {
        let others = text.split_inclusive('\n').filter(|line| !line.starts_with("    listeners:"));
        text = others.collect();
    }
    for (old, new) in edits {
        assert_eq!(text.matches(old).count(), 1, "`{old}` in {base}.yaml:\n{text}");
        text = text.replacen(old, new, 1);
    }
    text
}

/// A plan as `--json` shows it.
#[derive(Debug)]
pub struct Plan(pub Value);

impl Plan {
    /// `ACTION ADDRESS` of every step, in order.
    pub fn steps(&self) -> Vec<String> {
        let steps = self.0["steps"].as_array().expect("steps");
        steps.iter().map(|step| format!("{} {}", text(&step["action"]), text(&step["address"]))).collect()
    }

    /// The step of `address`.
    #[track_caller]
    pub fn step(&self, address: &str) -> &Value {
        let mut steps = self.0["steps"].as_array().expect("steps").iter();
        steps.find(|step| step["address"] == address).unwrap_or_else(|| panic!("no step of {address}: {:#}", self.0))
    }

    /// What is refused, each with its address, reason and remedy in one line.
    pub fn refusals(&self) -> Vec<String> {
        let line =
            |one: &Value| format!("{}: {}; {}", text(&one["address"]), text(&one["reason"]), text(&one["remedy"]));
        self.0["refusals"].as_array().expect("refusals").iter().map(line).collect()
    }

    /// Notes, each with its address.
    pub fn notes(&self) -> Vec<String> {
        let line = |one: &Value| format!("{}: {}", text(&one["address"]), text(&one["text"]));
        self.0["notes"].as_array().expect("notes").iter().map(line).collect()
    }
}

/// Says that a test is skipped, and why. Where everything has to run, as `KSTACK_REQUIRE=1` says, that is a failure.
#[track_caller]
#[allow(dead_code, reason = "not the benchmark's")]
pub fn skip(why: &str) {
    assert!(
        std::env::var_os("KSTACK_REQUIRE").is_none_or(|value| value.is_empty()),
        "nothing may be skipped here: {why}"
    );
    // Past the test harness, which shows only what failed.
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("SKIPPED: {why}\n").as_bytes());
}

/// A JSON string, or nothing.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Asks until there is an answer, for `limit` at most.
#[track_caller]
pub fn poll<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < limit, "{what}: not within {limit:?}");
        // What takes long is asked for less often: asking takes processor time, too.
        std::thread::sleep((start.elapsed() / 20).clamp(Duration::from_millis(20), Duration::from_secs(1)));
    }
}
