//! The throttle of moves, which is Kafka's own: a rate at each broker, and at each topic a list of the replicas that it holds for.
//!
//! What kstack has set is told from what others have by how it is written, so that nothing has to be remembered: an entry of a list
//! has a zero before its partition (`03:1`, which Kafka reads as `3:1`), two where it is for another number of replicas, three where a broker
//! fetches anew what it has lost; and a rate has the last 16 bits [`MARK`]. A run that was killed is
//! tidied up by the next one, and what others have set stays as it is.

use serde::Serialize;

/// The last 16 bits of a rate that kstack has set.
const MARK: u64 = 0x4b53;
const STEP: u64 = 1 << 16;

/// Whether a throttle is for replicas that are read from, or for those that read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Leader,
    Follower,
}

impl Side {
    pub const BOTH: [Side; 2] = [Side::Leader, Side::Follower];

    /// The topic's setting.
    pub fn list_key(self) -> &'static str {
        match self {
            Side::Leader => "leader.replication.throttled.replicas",
            Side::Follower => "follower.replication.throttled.replicas",
        }
    }

    /// The broker's setting.
    pub fn rate_key(self) -> &'static str {
        match self {
            Side::Leader => "leader.replication.throttled.rate",
            Side::Follower => "follower.replication.throttled.rate",
        }
    }
}

/// A topic's lists of throttled replicas, each entry as it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lists {
    pub leader: Vec<String>,
    pub follower: Vec<String>,
}

impl Lists {
    /// The list of a side.
    pub fn of(&self, side: Side) -> &Vec<String> {
        match side {
            Side::Leader => &self.leader,
            Side::Follower => &self.follower,
        }
    }

    /// Every entry of both.
    pub fn all(&self) -> impl Iterator<Item = &String> {
        self.leader.iter().chain(&self.follower)
    }

    /// Whether one of them is for all replicas, or for none: then nothing may be put beside that.
    pub fn is_for_all(&self) -> bool {
        self.all().any(|entry| entry == "*" || entry == "none")
    }
}

/// A broker's rates, in bytes a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    pub leader: Option<u64>,
    pub follower: Option<u64>,
}

impl Rates {
    /// The rate of a side.
    pub fn of(self, side: Side) -> Option<u64> {
        match side {
            Side::Leader => self.leader,
            Side::Follower => self.follower,
        }
    }
}

/// A change of a topic's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListChange {
    Append {
        topic: String,
        side: Side,
        entries: Vec<String>,
    },
    Remove {
        topic: String,
        side: Side,
        entries: Vec<String>,
    },
    /// Nothing of others is in it.
    Delete {
        topic: String,
        side: Side,
    },
}

/// A change of a broker's rate; without one it is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateChange {
    pub broker: u32,
    pub side: Side,
    pub rate: Option<u64>,
}

/// The entry for a replica, as kstack writes it.
pub fn own_entry(partition: u32, broker: u32) -> String {
    format!("0{partition}:{broker}")
}

/// The same for a replica that is one more than there were.
pub fn copies_entry(partition: u32, broker: u32) -> String {
    format!("00{partition}:{broker}")
}

/// Whether the entry is of a change of the number of replicas that kstack has begun.
pub fn is_of_copies(entry: &str) -> bool {
    own_partition(entry).is_some_and(|partition| entry.starts_with(&format!("00{partition}:")))
}

/// The same for a replica that a broker with an empty disk fetches anew.
pub fn fetch_entry(partition: u32, broker: u32) -> String {
    format!("000{partition}:{broker}")
}

/// Whether the entry is of such a replica, or of one that it is fetched from.
pub fn is_of_fetch(entry: &str) -> bool {
    own_partition(entry).is_some_and(|partition| entry.starts_with(&format!("000{partition}:")))
}

/// The partition of an entry that kstack has written.
pub(super) fn own_partition(entry: &str) -> Option<u32> {
    let (partition, broker) = entry.split_once(':')?;
    let marked = partition.len() > 1 && partition.starts_with('0') && broker.parse::<u32>().is_ok();
    partition.parse().ok().filter(|_| marked)
}

/// The rate nearest to `rate`, and not above it by more than 64 KiB, that bears kstack's mark.
pub fn own_rate(rate: u64) -> u64 {
    (rate / STEP).max(1) * STEP + MARK
}

/// Whether kstack has set the rate.
pub fn is_ours(rate: u64) -> bool {
    rate % STEP == MARK
}

/// The entries of a list that are kstack's own and for partitions that do not move any more, as the change that takes them away.
pub(super) fn lifted(topic: &str, side: Side, list: &[String], moves: impl Fn(u32) -> bool) -> Option<ListChange> {
    let over = |entry: &&String| own_partition(entry).is_some_and(|partition| !moves(partition));
    let entries: Vec<String> = list.iter().filter(over).cloned().collect();
    let topic = topic.to_owned();
    match entries.len() {
        0 => None,
        count if count == list.len() => Some(ListChange::Delete { topic, side }),
        _ => Some(ListChange::Remove { topic, side, entries }),
    }
}
