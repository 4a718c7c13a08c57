//! One run of a program: wall time, processor time and peak memory, from /proc, so that no other program is needed.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use serde::{Deserialize, Serialize};

use crate::support::proxy::Call;

/// What one run took; or the medians of several.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Cost {
    pub wall_s: f64,
    /// Of the process and all that it started.
    pub cpu_s: f64,
    /// The largest of the process and all that it started, resident, in MiB. The kernel's own high-water mark, read every few
    /// milliseconds until the end.
    pub peak_mib: f64,
    pub calls: usize,
    /// Calls by operation.
    pub operations: BTreeMap<String, usize>,
}

/// How often the high-water mark is read.
const SAMPLE: Duration = Duration::from_millis(3);

/// Runs `command`, whose output is kept, and measures it.
pub fn run(command: &mut Command) -> (Output, Cost) {
    let start = Instant::now();
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let pid = child.id();
    let watching = thread::spawn(move || watch(pid, start));
    let mut err = child.stderr.take().expect("a pipe");
    let errors = thread::spawn(move || {
        let mut text = Vec::new();
        let _ = err.read_to_end(&mut text);
        text
    });
    let mut stdout = Vec::new();
    let _ = child.stdout.take().expect("a pipe").read_to_end(&mut stdout);
    let cost = watching.join().expect("no panic");
    let status = child.wait().expect("a process");
    (Output { status, stdout, stderr: errors.join().expect("no panic") }, cost)
}

/// Waits until the process has ended, and leaves it to be reaped: a zombie still tells its processor time.
fn watch(pid: u32, start: Instant) -> Cost {
    let id = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("an id");
    let mut peak = 0;
    loop {
        peak = peak.max(tree(pid).into_iter().map(high_water).max().unwrap_or_default());
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        if waitid(WaitId::Pid(id), options).expect("a child").is_some() {
            break;
        }
        thread::sleep(SAMPLE);
    }
    Cost { wall_s: start.elapsed().as_secs_f64(), cpu_s: cpu(pid), peak_mib: peak as f64 / 1024.0, ..Cost::default() }
}

/// A process and all its descendants.
fn tree(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut next = 0;
    while let Some(one) = all.get(next) {
        let tasks = fs::read_dir(format!("/proc/{one}/task")).into_iter().flatten().flatten();
        let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
        let found: Vec<u32> = children
            .flat_map(|text| text.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>())
            .collect();
        all.extend(found);
        next += 1;
    }
    all
}

/// KiB.
fn high_water(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// Seconds of the processor, of an ended process and of what it has waited for. The kernel counts hundredths.
fn cpu(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks: u64 = [11, 12, 13, 14].iter().filter_map(|&field| fields.get(field)?.parse::<u64>().ok()).sum();
    ticks as f64 / 100.0
}

impl Cost {
    /// With the calls of the run.
    pub fn with(mut self, calls: &[Call]) -> Cost {
        self.calls = calls.len();
        for call in calls {
            *self.operations.entry(call.operation.clone()).or_default() += 1;
        }
        self
    }

    /// The median of each figure; the operations of the first.
    pub fn median(all: &[Cost]) -> Cost {
        let of = |figure: &dyn Fn(&Cost) -> f64| median(all.iter().map(figure).collect());
        Cost {
            wall_s: of(&|one| one.wall_s),
            cpu_s: of(&|one| one.cpu_s),
            peak_mib: of(&|one| one.peak_mib),
            calls: of(&|one| one.calls as f64) as usize,
            operations: all.first().map(|one| one.operations.clone()).unwrap_or_default(),
        }
    }
}

/// The median; the upper one of an even number.
pub fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}
