//! What is started next: the first moves of the plan, as many as the limits allow.

use std::collections::{BTreeMap, BTreeSet};

use super::state::Bands;
use super::view::{Key, View};

/// How much may be under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Partitions at a time.
    pub at_once: usize,
    /// Replicas that one broker fetches at a time.
    pub per_broker: usize,
    /// Bytes to copy at a time; a larger partition moves alone.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { at_once: 10, per_broker: 2, bytes: 256 << 30 }
    }
}

/// What is on the brokers' disks now or on its way there, and the most that may be.
#[derive(Debug, Clone, Default)]
pub struct Room {
    used: BTreeMap<u32, u64>,
    most: BTreeMap<u32, u64>,
}

impl Room {
    /// The room of a cluster: what leaves a disk still has its room, and what comes has taken it.
    pub fn of(view: &View) -> Room {
        let mut room = Room::default();
        for (id, bytes) in view.partitions.values().flat_map(|one| &one.held) {
            *room.used.entry(*id).or_default() += bytes;
        }
        for (key, moving) in &view.moving {
            let one = view.partitions.get(key);
            for id in &moving.adding {
                let held = one.and_then(|one| one.held.get(id).copied()).unwrap_or_default();
                let bytes = one.map(super::view::Partition::bytes).unwrap_or_default();
                *room.used.entry(*id).or_default() += bytes.saturating_sub(held);
            }
        }
        for node in view.state(Bands::default()).nodes {
            room.most.extend(node.most_bytes.map(|most| (node.id, most)));
        }
        room
    }

    /// Whether the broker has room for so many bytes.
    pub fn is_for(&self, broker: u32, bytes: u64) -> bool {
        let used = self.used.get(&broker).copied().unwrap_or_default();
        self.most.get(&broker).is_none_or(|most| used.saturating_add(bytes) <= *most)
    }

    pub(super) fn take(&mut self, broker: u32, bytes: u64) {
        *self.used.entry(broker).or_default() += bytes;
    }
}

/// A reassignment to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Start {
    pub key: Key,
    pub replicas: Vec<u32>,
    pub before: Vec<u32>,
    /// The new broker, and what it fetches.
    pub to: u32,
    pub bytes: u64,
}

/// The moves to start now. A move that has to wait makes every later one wait that is of its partition or of one of its brokers: so each
/// that is started brings the cluster as much as it does in the plan, whatever waits.
pub(super) fn batch(view: &View, bands: Bands, limits: Limits) -> Vec<Start> {
    let mut state = view.state(bands);
    let mut room = Room::of(view);
    let mut fetching: BTreeMap<u32, usize> = BTreeMap::new();
    for id in view.moving.values().flat_map(|one| &one.adding) {
        *fetching.entry(*id).or_default() += 1;
    }
    let mut bytes: u64 = view.moving.keys().map(|key| view.to_copy(key)).sum();
    let (mut starts, mut waiting): (Vec<Start>, BTreeSet<usize>) = (Vec::new(), BTreeSet::new());
    let (mut taken, mut touched) = (BTreeSet::new(), BTreeSet::new());
    while view.moving.len() + starts.len() < limits.at_once && touched.len() < state.nodes.len() {
        let step = match state.next_move() {
            None => break,
            Some(Err(_)) => continue,
            Some(Ok(step)) => step,
        };
        let one = state.partition(step.partition);
        let key = (one.topic.clone(), one.index);
        let fetched = fetching.entry(step.to).or_default();
        let fits = bytes == 0 || bytes.saturating_add(step.bytes) <= limits.bytes;
        let free = !view.moving.contains_key(&key) && !taken.contains(&step.partition);
        let open = free && fits && *fetched < limits.per_broker && room.is_for(step.to, step.bytes);
        if !open || waiting.contains(&step.partition) || touched.contains(&step.from) || touched.contains(&step.to) {
            waiting.insert(step.partition);
            touched.extend([step.from, step.to]);
            continue;
        }
        *fetched += 1;
        bytes += step.bytes;
        room.take(step.to, step.bytes);
        taken.insert(step.partition);
        let replicas = one.brokers.clone();
        let before = replicas.iter().map(|id| if *id == step.to { step.from } else { *id }).collect();
        starts.push(Start { key, replicas, before, to: step.to, bytes: step.bytes });
    }
    starts
}
