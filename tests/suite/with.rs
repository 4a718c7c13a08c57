//! `kstack with`: a stack for the time of one command, that is gone however the command, or kstack, ends.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::ephemeral::{account, reap};
use crate::support::{Account, poll};

const FILE: &str = "ephemeral.yaml";
const LONG: Duration = Duration::from_secs(120);

/// A `with` under way, its standard error line by line.
struct With {
    child: Child,
    lines: Receiver<String>,
    err: Vec<String>,
}

impl With {
    fn start(account: &Account, arguments: &[&str]) -> With {
        let mut command: Command = account.command(&[&["with", FILE], arguments].concat());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let (send, lines) = channel();
        let err = child.stderr.take().expect("a pipe");
        thread::spawn(move || BufReader::new(err).lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        With { child, lines, err: Vec::new() }
    }

    /// Reads on until so many lines have come, or the end.
    fn lines(&mut self, count: usize) {
        while self.err.len() < count {
            match self.lines.recv_timeout(LONG) {
                Ok(line) => self.err.push(line),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => panic!("nothing more after {:#?}", self.err),
            }
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("an id");
        kill_process(pid, signal).expect("a process");
    }

    /// Whether a line begins so.
    fn said(&self, start: &str) -> bool {
        self.err.iter().any(|line| line.starts_with(start))
    }

    fn end(mut self) -> (Option<i32>, Vec<String>) {
        self.lines(usize::MAX);
        let status = poll("its end", LONG, || self.child.try_wait().expect("a process"));
        (status.code(), std::mem::take(&mut self.err))
    }
}

impl Drop for With {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_command_has_the_stack_in_its_environment_and_its_exit_code_is_the_codes() {
    let account = account();
    let script = "test -s \"$KSTACK_CLIENT_PROPERTIES\" && cat \"$KSTACK_CLIENT_PROPERTIES\"; \
                  echo \"$KSTACK_NAME $KAFKA_BOOTSTRAP_SERVERS $KSTACK_CLIENT_PROPERTIES\"; exit 3";
    let run = account.run(&["with", FILE, "--name", "pr-1", "--", "sh", "-c", script]).expect(3);
    // Standard output is the command's alone.
    let lines: Vec<&str> = run.out.lines().collect();
    let (servers, last) = (lines[0].strip_prefix("bootstrap.servers=").expect("servers"), lines[2]);
    assert_eq!((lines.len(), lines[1]), (3, "security.protocol=PLAINTEXT"), "{run}");
    assert!(servers.starts_with("10.") && servers.ends_with(":9092"), "{run}");
    let path = last.strip_prefix(&format!("pr-1 {servers} ")).expect("all three");
    assert!(!std::path::Path::new(path).exists(), "{path} is removed");
    account.assert_nothing_left();

    let killed = account.run(&["with", FILE, "--", "sh", "-c", "kill -9 $$"]).expect(137);
    assert!(killed.err.contains("resources deleted."), "{killed}");
    let missing = account.run(&["with", FILE, "--", "no-such-command"]).expect(127);
    assert!(missing.err.contains("error: `no-such-command` can't be started: "), "{missing}");
    // A hung command, and what it has started, end with their time.
    let marker = account.path("late");
    let script = format!("(sleep 3; touch {}) & sleep 100", marker.display());
    let hung = account.run(&["with", FILE, "--timeout", "1s", "--", "sh", "-c", &script]).expect(124);
    assert!(hung.err.contains("The command's time limit is over.\n"), "{hung}");
    // Once that has been destroyed, more than three seconds after its start at the earliest: nobody was left to do it.
    thread::sleep(Duration::from_secs(3));
    assert!(!marker.exists());
    account.assert_nothing_left();
}

#[test]
fn a_stack_whose_command_failed_is_kept_when_asked_and_reaped_in_its_time() {
    let account = account();
    account.run(&["with", FILE, "--keep-on-failure", "--", "true"]).expect(0);
    account.assert_nothing_left();
    let kept = ["with", FILE, "--name", "pr-1", "--ttl", "2h", "--keep-on-failure", "--", "false"];
    let run = account.run(&kept).expect(1);
    assert!(run.err.contains("The stack pr-1 is kept: 10."), "{run}");
    assert!(reap(&account, 1).is_empty());
    // Another of the name is not made over it, and does not destroy it.
    let again = account.run(&["with", FILE, "--name", "pr-1", "--", "true"]).expect(125);
    assert!(again.err.starts_with("error: the stack pr-1 exists already; nothing was changed\n"), "{again}");
    assert_eq!(reap(&account, 3), [("pr-1".to_owned(), "destroyed".to_owned())].into());
    account.assert_nothing_left();
}

#[test]
fn signals_are_passed_on_and_the_command_may_end_as_it_likes() {
    let account = account();
    let trap = "trap 'echo caught >&2; exit 9' TERM INT; echo ready >&2; while :; do sleep 0.05; done";
    for signal in [Signal::INT, Signal::TERM] {
        let mut with = With::start(&account, &["--", "sh", "-c", trap]);
        while !with.said("ready") {
            let count = with.err.len() + 1;
            with.lines(count);
        }
        with.signal(signal);
        let (code, err) = with.end();
        assert!(err.contains(&"caught".to_owned()), "{err:#?}");
        assert_eq!(code, Some(9), "{err:#?}");
        account.assert_nothing_left();
    }
    // One that heeds none is killed when a second signal comes.
    let deaf = "trap '' TERM INT; echo ready >&2; while :; do sleep 0.05; done";
    let mut with = With::start(&account, &["--", "sh", "-c", deaf]);
    while !with.said("ready") {
        let count = with.err.len() + 1;
        with.lines(count);
    }
    with.signal(Signal::TERM);
    thread::sleep(Duration::from_millis(300));
    with.signal(Signal::TERM);
    let (code, err) = with.end();
    assert_eq!(code, Some(137), "{err:#?}");
    account.assert_nothing_left();
}

#[test]
fn sigterm_at_random_moments_leaves_nothing() {
    let seed = fastrand::u64(..);
    let next = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let account = account();
                loop {
                    let round = next.fetch_add(1, Ordering::Relaxed);
                    if round >= 30 {
                        break;
                    }
                    terminated(&account, seed.wrapping_add(round));
                }
            });
        }
    });
}

/// A `with` that gets SIGTERM after a random line of its progress, and a little later.
fn terminated(account: &Account, seed: u64) {
    let mut dice = fastrand::Rng::with_seed(seed);
    // Of a line when the making begins, one for each of 17 resources, one when it is done, and two at the end.
    let (line, pause) = (dice.usize(0..23), Duration::from_millis(dice.u64(0..60)));
    let mut with = With::start(account, &["--", "sh", "-c", "sleep 0.2"]);
    with.lines(line);
    thread::sleep(pause);
    // It may have ended by now.
    if with.child.try_wait().expect("a process").is_none() {
        with.signal(Signal::TERM);
    }
    let before = !with.said("Creating ");
    let after = with.said("Done in ");
    let (code, err) = with.end();
    let what = format!("seed {seed}, after {line} lines and {pause:?}: {code:?} {err:#?}");
    assert!(matches!(code, None | Some(0 | 143)), "{what}");
    // A call that was under way may have been done after all; then the stack's tags tell when it goes.
    if !before && !after {
        reap(account, 5);
    }
    let left = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| account.assert_nothing_left()));
    assert!(left.is_ok(), "{what}");
}
