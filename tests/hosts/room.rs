//! Room for clusters on this machine: three of processes at a time, or one of machines, which want some gigabytes of memory and the bridge, and
//! one of processes.

use std::cell::Cell;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::client::distribution;
use crate::support::skip;

const PLACES: usize = 3;

/// What machines take of them.
const MACHINES: usize = 2;

struct Places {
    taken: [bool; PLACES],
    /// Machines are there, on the only bridge.
    machines: bool,
    /// How many wait for machines' places: nobody takes one of these before them.
    waiting: usize,
}

impl Places {
    /// Takes so many, once there are `needed` of them.
    fn take(&mut self, count: usize, needed: usize) -> Option<Vec<usize>> {
        let free: Vec<usize> = (0..PLACES).filter(|place| !self.taken[*place]).collect();
        if free.len() < needed {
            return None;
        }
        let places = free[..count].to_vec();
        places.iter().for_each(|place| self.taken[*place] = true);
        Some(places)
    }
}

static PLACES_OF_THIS_MACHINE: Mutex<Places> =
    Mutex::new(Places { taken: [false; PLACES], machines: false, waiting: 0 });
static LEFT: Condvar = Condvar::new();

thread_local! {
    /// The place of this thread's test, and the process that its sandbox is for.
    static HERE: Cell<Option<(usize, u32)>> = const { Cell::new(None) };
}

/// A test's room, until it ends.
pub struct Room {
    places: Vec<usize>,
    /// A sandbox is for a process, and ends with it: this one reads from the test, and so ends with that, however it ends.
    owner: Child,
}

impl Room {
    fn at(places: Vec<usize>) -> Room {
        let mut command = Command::new("cat");
        let owner = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("cat starts");
        HERE.set(Some((places[0], owner.id())));
        Room { places, owner }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        HERE.set(None);
        drop(self.owner.stdin.take());
        let _ = self.owner.wait();
        let mut state = places();
        for place in &self.places {
            state.taken[*place] = false;
        }
        state.machines &= self.places.len() != MACHINES;
        LEFT.notify_all();
    }
}

fn places() -> MutexGuard<'static, Places> {
    PLACES_OF_THIS_MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Room for machines: no others are there.
pub fn alone() -> Room {
    let mut state = places();
    state.waiting += 1;
    let taken = loop {
        match if state.machines { None } else { state.take(MACHINES, MACHINES) } {
            Some(taken) => break taken,
            None => state = LEFT.wait(state).unwrap_or_else(PoisonError::into_inner),
        }
    };
    state.waiting -= 1;
    state.machines = true;
    Room::at(taken)
}

/// Room for a cluster of processes beside others, and the Kafka that runs there. Where none can be had, that is said.
pub fn beside() -> Option<(Room, PathBuf)> {
    let mut state = places();
    let taken = loop {
        // Machines that wait for those before them have their places kept only once these go.
        let kept = if state.waiting > 0 && !state.machines { MACHINES } else { 0 };
        match state.take(1, 1 + kept) {
            Some(taken) => break taken,
            None => state = LEFT.wait(state).unwrap_or_else(PoisonError::into_inner),
        }
    };
    drop(state);
    let room = Room::at(taken);
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
