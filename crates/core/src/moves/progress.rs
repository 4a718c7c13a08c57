//! How far the moves are.

use serde::Serialize;

use super::next::Goal;
use super::proposal::amount;
use super::view::{Key, View};

/// A partition that is being copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Copying {
    pub topic: String,
    pub partition: u32,
    pub from: Vec<u32>,
    pub to: Vec<u32>,
    pub copied_bytes: u64,
    pub bytes: u64,
    /// Whether kstack has started it.
    pub ours: bool,
}

/// What is under way, and what is left after it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    pub copying: Vec<Copying>,
    /// Still to be copied of what is under way.
    pub left_bytes: u64,
    /// Moves after these, and their bytes.
    pub later_moves: usize,
    pub later_bytes: u64,
}

impl Copying {
    /// A replica that the broker `node` fetches anew, from the partition's leader.
    fn fetched(view: &View, (key, _, left): (Key, u32, u64), node: u32) -> Copying {
        let one = view.partitions.get(&key);
        let bytes = one.map(super::view::Partition::bytes).unwrap_or_default();
        let from = one.and_then(|one| one.leader).into_iter().collect();
        let copied_bytes = bytes.saturating_sub(left);
        Copying { topic: key.0, partition: key.1, from, to: vec![node], copied_bytes, bytes, ours: true }
    }
}

impl Progress {
    /// The progress that a look shows.
    pub fn of(view: &View, goal: &Goal) -> Progress {
        let (later_moves, later_bytes) = goal.later(view);
        let copying = view.moving.iter().map(|(key, moving)| {
            let bytes = view.partitions.get(key).map(super::view::Partition::bytes).unwrap_or_default();
            let all = bytes.saturating_mul(moving.adding.len() as u64);
            Copying {
                topic: key.0.clone(),
                partition: key.1,
                from: moving.removing.clone(),
                to: moving.adding.clone(),
                copied_bytes: all.saturating_sub(view.to_copy(key)),
                bytes: all,
                ours: view.is_ours(key),
            }
        });
        let fetched = match goal {
            Goal::Fetch(node) => goal.coming(view).into_iter().map(|one| Copying::fetched(view, one, *node)).collect(),
            _ => Vec::new(),
        };
        let fetched_bytes: u64 = fetched.iter().map(|one| one.bytes - one.copied_bytes).sum();
        Progress {
            copying: copying.chain(fetched).collect(),
            left_bytes: view.moving.keys().map(|key| view.to_copy(key)).sum::<u64>() + fetched_bytes,
            later_moves,
            later_bytes,
        }
    }

    /// All bytes that are left.
    pub fn bytes(&self) -> u64 {
        self.left_bytes + self.later_bytes
    }

    /// One line, with the time that is left at this many bytes a second.
    pub fn text(&self, speed: Option<u64>) -> String {
        let named = self.copying.iter().take(3).map(|one| {
            let done = one.copied_bytes.saturating_mul(100).checked_div(one.bytes).unwrap_or(100);
            format!("{}-{} {done}%", one.topic, one.partition)
        });
        let mut named: Vec<String> = named.collect();
        if self.copying.len() > named.len() {
            named.push("...".to_owned());
        }
        let now = match self.copying.len() {
            0 => "nothing is copied".to_owned(),
            count => format!("{count} copying ({}), {} left of them", named.join(", "), amount(self.left_bytes)),
        };
        let later = match self.later_moves {
            0 => String::new(),
            1 => format!("; then 1 move, {}", amount(self.later_bytes)),
            count => format!("; then {count} moves, {}", amount(self.later_bytes)),
        };
        let speed = match speed.filter(|speed| *speed > 0 && self.bytes() > 0) {
            Some(speed) => format!("; {} a second, about {}", amount(speed), time_text(self.bytes() / speed)),
            None => String::new(),
        };
        format!("{now}{later}{speed}")
    }
}

/// A length of time in two units at most: `2 h 10 min`.
pub fn time_text(seconds: u64) -> String {
    match seconds {
        0..=99 => format!("{seconds} s"),
        100..=5_999 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}
