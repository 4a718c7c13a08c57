//! Room for clusters on this machine: one of machines, which want some gigabytes of memory and a bridge, or two of processes at a time.

use std::cell::Cell;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::client::distribution;
use crate::support::skip;

const PLACES: usize = 2;

struct Places {
    taken: [bool; PLACES],
    /// How many wait for all of them: nobody takes one before these.
    waiting: usize,
}

static PLACES_OF_THIS_MACHINE: Mutex<Places> = Mutex::new(Places { taken: [false; PLACES], waiting: 0 });
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
        LEFT.notify_all();
    }
}

fn places() -> MutexGuard<'static, Places> {
    PLACES_OF_THIS_MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Room for machines: no other cluster is there.
pub fn alone() -> Room {
    let mut state = places();
    state.waiting += 1;
    while state.taken.contains(&true) {
        state = LEFT.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
    state.waiting -= 1;
    state.taken = [true; PLACES];
    Room::at((0..PLACES).collect())
}

/// Room for a cluster of processes beside another, and the Kafka that runs there. Where none can be had, that is said.
pub fn beside() -> Option<(Room, PathBuf)> {
    let mut state = places();
    let place = loop {
        match state.taken.iter().position(|taken| !taken) {
            Some(place) if state.waiting == 0 => break place,
            _ => state = LEFT.wait(state).unwrap_or_else(PoisonError::into_inner),
        }
    };
    state.taken[place] = true;
    drop(state);
    let room = Room::at(vec![place]);
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
