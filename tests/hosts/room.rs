//! Room for two clusters on this machine at a time, and for a third one while the machine has little else to do. One of them may be of machines,
//! which want some gigabytes of memory and the bridge.

use std::cell::Cell;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::client::distribution;
use crate::support::skip;

const PLACES: usize = 3;

/// So many of them are there however busy the machine is.
const SURE: usize = 2;

/// After this time it is asked again how busy it is.
const AGAIN: Duration = Duration::from_secs(10);

struct Places {
    taken: [bool; PLACES],
    /// The place of the machines, while there are any.
    machines: Option<usize>,
}

impl Places {
    /// The first place that is free.
    fn free(&self) -> Option<usize> {
        self.taken.iter().position(|taken| !taken).filter(|place| *place < SURE || idle())
    }
}

/// Whether fewer programs want to run, in the mean of the last minute, than there are cores.
fn idle() -> bool {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().and_then(|load| load.parse::<f64>().ok());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    load.is_some_and(|load| load < cores as f64)
}

static PLACES_OF_THIS_MACHINE: Mutex<Places> = Mutex::new(Places { taken: [false; PLACES], machines: None });
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
        match state.free() {
            Some(place) if state.machines.is_none() => break place,
            _ => state = left(state),
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
