//! Rounds of calls: all that come before any of them is answered.

use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// When nothing comes for so long, nothing more will come before an answer.
const QUIET: Duration = Duration::from_millis(400);

struct State {
    /// The rounds let through so far.
    round: usize,
    held: usize,
    under_way: usize,
    /// When a call last came or was answered.
    last: Instant,
}

/// A barrier that calls pass in rounds.
pub struct Rounds {
    state: Mutex<State>,
    changed: Condvar,
}

impl Rounds {
    pub fn start() -> Arc<Rounds> {
        let state = State { round: 0, held: 0, under_way: 0, last: Instant::now() };
        let rounds = Arc::new(Rounds { state: Mutex::new(state), changed: Condvar::new() });
        let opener = Arc::clone(&rounds);
        thread::spawn(move || {
            loop {
                thread::sleep(QUIET / 20);
                let mut state = opener.state.lock().expect("no panic");
                if state.held > 0 && state.under_way == 0 && state.last.elapsed() >= QUIET {
                    state.round += 1;
                    state.under_way = std::mem::take(&mut state.held);
                    opener.changed.notify_all();
                }
            }
        });
        rounds
    }

    /// Waits for the next round to begin, and tells its number.
    pub fn enter(&self) -> usize {
        let mut state = self.state.lock().expect("no panic");
        state.held += 1;
        state.last = Instant::now();
        let before = state.round;
        let state = self.changed.wait_while(state, |state| state.round == before).expect("no panic");
        state.round
    }

    /// Says that a call of this round is answered.
    pub fn leave(&self) {
        let mut state = self.state.lock().expect("no panic");
        state.under_way -= 1;
        state.last = Instant::now();
    }
}
