//! Room for two clusters on this machine at a time, and for a third one while its cores and memory are free. One of them may be of machines, which
//! want some gigabytes of memory and the bridge.

use std::cell::Cell;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::client::distribution;
use crate::support::skip;

const PLACES: usize = 3;

/// So many of them are there however busy the machine is.
const SURE: usize = 2;

/// For this time it is looked how busy the machine is, before it is judged.
const AGAIN: Duration = Duration::from_secs(10);

/// So much of all cores' time must have been left in the last while for another one, and so much memory, in KiB.
const LEFT_OF_TIME: f64 = 0.2;
const LEFT_OF_MEMORY: u64 = 6 << 20;

struct Places {
    taken: [bool; PLACES],
    /// When the cores' time was last looked at, what had passed of it then, and whether enough was left.
    looked: Option<(Instant, CoreTime, bool)>,
    /// The place of the machines, while there are any.
    machines: Option<usize>,
}

impl Places {
    /// The first place that is free.
    fn free(&mut self) -> Option<usize> {
        let place = self.taken.iter().position(|taken| !taken)?;
        if place < SURE {
            return Some(place);
        }
        let room = self.is_idle() && left_of_memory() > LEFT_OF_MEMORY;
        // The next one has to see first what this one takes.
        self.looked = self.looked.filter(|_| !room);
        room.then_some(place)
    }

    /// Whether the cores had time left, for as long as it takes until it is asked again.
    fn is_idle(&mut self) -> bool {
        match self.looked {
            Some((at, _, idle)) if at.elapsed() < AGAIN => idle,
            earlier => {
                let now = CoreTime::now();
                let idle = earlier.is_some_and(|(_, then, _)| now.left_since(then) > LEFT_OF_TIME);
                self.looked = Some((Instant::now(), now, idle));
                idle
            }
        }
    }
}

/// The time of all cores since this machine started, in ticks.
#[derive(Clone, Copy)]
struct CoreTime {
    left: u64,
    all: u64,
}

impl CoreTime {
    /// As `/proc/stat` tells it: the fourth figure is what nobody used, the fifth what waited for a disk.
    fn now() -> CoreTime {
        let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let figures = text.lines().next().unwrap_or_default().split_whitespace().skip(1);
        let figures: Vec<u64> = figures.filter_map(|figure| figure.parse().ok()).collect();
        CoreTime { left: figures.iter().skip(3).take(2).sum(), all: figures.iter().sum() }
    }

    fn left_since(self, then: CoreTime) -> f64 {
        (self.left - then.left) as f64 / (self.all - then.all).max(1) as f64
    }
}

/// The memory that programs can have without others losing theirs, in KiB.
fn left_of_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|figure| figure.parse().ok()).unwrap_or_default()
}

static PLACES_OF_THIS_MACHINE: Mutex<Places> =
    Mutex::new(Places { taken: [false; PLACES], looked: None, machines: None });
static LEFT: Condvar = Condvar::new();

thread_local! {
    /// The place of this thread's test, and the process that its sandbox is for.
    static HERE: Cell<Option<(usize, u32)>> = const { Cell::new(None) };
}

/// A test's room, until it ends.
pub struct Room {
    place: usize,
    /// A sandbox is for a process, and ends with it: this one reads from the test, and so ends with that, however it ends.
    owner: Child,
}

impl Room {
    fn at(place: usize) -> Room {
        let mut command = Command::new("cat");
        let owner = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("cat starts");
        HERE.set(Some((place, owner.id())));
        Room { place, owner }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        HERE.set(None);
        drop(self.owner.stdin.take());
        let _ = self.owner.wait();
        let mut state = places();
        state.taken[self.place] = false;
        state.machines = state.machines.filter(|place| *place != self.place);
        LEFT.notify_all();
    }
}

fn places() -> MutexGuard<'static, Places> {
    PLACES_OF_THIS_MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until a test leaves its place, or for a while.
fn left(state: MutexGuard<'_, Places>) -> MutexGuard<'_, Places> {
    LEFT.wait_timeout(state, AGAIN).unwrap_or_else(PoisonError::into_inner).0
}

/// Room for machines: no others are there.
pub fn for_machines() -> Room {
    let mut state = places();
    let place = loop {
        let place = if state.machines.is_none() { state.free() } else { None };
        match place {
            Some(place) => break place,
            None => state = left(state),
        }
    };
    (state.taken[place], state.machines) = (true, Some(place));
    Room::at(place)
}

/// Room for a cluster of processes beside another, and the Kafka that runs there. Where none can be had, that is said.
pub fn beside() -> Option<(Room, PathBuf)> {
    let mut state = places();
    let place = loop {
        match state.free() {
            Some(place) => break place,
            None => state = left(state),
        }
    };
    state.taken[place] = true;
    drop(state);
    let room = Room::at(place);
    match distribution() {
        Ok(kafka) => Some((room, kafka)),
        Err(why) => {
            skip(&format!("no Kafka can be had here: {why}"));
            None
        }
    }
}

fn here() -> (usize, u32) {
    HERE.get().expect("the test has room")
}

/// The process that the sandbox of this test is for.
pub fn owner() -> u32 {
    here().1
}

/// The second part of the loopback addresses, and of the private ones, that are this test's own.
pub fn block() -> u8 {
    let number = std::process::id() as usize * PLACES + here().0;
    100 + u8::try_from(number % 100).expect("below 100")
}
