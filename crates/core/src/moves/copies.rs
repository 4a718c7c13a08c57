//! Another number of replicas for the partitions of some topics. Nothing is kept here either: what is left to do follows from the
//! present assignment and the wanted numbers.
//!
//! A new replica goes to the rack that has the fewest of the partition, there to the broker with the fewest bytes; one at a time for each
//! partition. One that goes is of the rack that has the most, and never the leader.

use std::collections::{BTreeMap, BTreeSet};

use super::batch::{Limits, Room, Start};
use super::next::{Action, Patience, idle_rates, name_all, over, start, under_way};
use super::state::{Bands, State, mixed};
use super::throttle::copies_entry;
use super::view::{Key, Partition, View};
use crate::text::many;

/// Partitions that lose replicas in one request. Nothing is copied for them.
const LOWERED: usize = 500;
/// Why a partition waits.
const OUT_OF_SYNC: &str = "a replica of them is out of sync";

/// What is wanted of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copies {
    /// Replicas of each partition.
    pub wanted: usize,
    /// How many must be in sync for a write with acks=all: never fewer are left.
    pub least: usize,
}

/// A partition that gets one replica more, or loses all that are too many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    key: Key,
    before: Vec<u32>,
    replicas: Vec<u32>,
    /// The new broker, and the bytes that it fetches.
    to: Option<(u32, u64)>,
}

/// All changes that are left, in the order in which they are made; and partitions for which no broker is left, or has room.
#[derive(Debug, Clone, Default)]
pub(super) struct Changes {
    all: Vec<Change>,
    stuck: Vec<(Key, &'static str)>,
}

impl Changes {
    /// What is left of `wanted`.
    pub fn of(view: &View, wanted: &BTreeMap<String, Copies>) -> Changes {
        let mut state = view.state(Bands::default());
        let kept = view.kept_topics();
        let asked: Vec<(usize, Copies)> = (0..state.len())
            .filter_map(|number| Some((number, *wanted.get(&state.partition(number).topic)?)))
            .collect();
        let mut changes = Changes::default();
        for (number, copies) in &asked {
            let key = key(&state, *number);
            let one = view.partitions.get(&key);
            // Which of them may go shows only when all are in sync.
            let whole = view.moving.contains_key(&key) || one.is_some_and(Partition::is_whole);
            let leader = one.and_then(|one| one.leader).filter(|_| whole);
            let before = state.partition(*number).brokers.clone();
            while state.partition(*number).brokers.len() > copies.wanted.max(copies.least).max(1) {
                let Some(position) = state.least_needed(*number, leader) else {
                    changes.stuck.push((key.clone(), OUT_OF_SYNC));
                    break;
                };
                state.take(*number, position);
            }
            let replicas = state.partition(*number).brokers.clone();
            if replicas != before {
                changes.all.push(Change { key, before, replicas, to: None });
            }
        }
        let most = asked.iter().map(|(_, copies)| copies.wanted).max().unwrap_or_default();
        for _ in 0..most {
            for (number, copies) in &asked {
                let before = state.partition(*number).brokers.clone();
                let key = key(&state, *number);
                if before.len() >= copies.wanted || changes.stuck.iter().any(|(stuck, _)| *stuck == key) {
                    continue;
                }
                // Beside a list for all replicas nothing may be put.
                if kept.contains(&key.0) {
                    changes.stuck.push((key, "others have set a throttle for all replicas of its topic"));
                    continue;
                }
                match state.best_for(*number) {
                    Ok(to) => {
                        let bytes = state.partition(*number).bytes;
                        state.give(*number, to);
                        let replicas = state.partition(*number).brokers.clone();
                        let to = Some((state.nodes[to].id, bytes));
                        changes.all.push(Change { key, before, replicas, to });
                    }
                    Err(why) => changes.stuck.push((key, why)),
                }
            }
        }
        changes
    }

    /// The replicas that have to be copied, and their bytes.
    pub fn copied(&self) -> (usize, u64) {
        let to = self.all.iter().filter_map(|one| one.to);
        to.fold((0, 0), |(count, bytes), (_, more)| (count + 1, bytes.saturating_add(more)))
    }

    /// The partitions that lose replicas now.
    fn drops(&self, view: &View) -> Vec<(Key, Vec<u32>)> {
        let drops = self.all.iter().filter(|one| one.to.is_none() && !view.moving.contains_key(&one.key));
        drops.take(LOWERED).map(|one| (one.key.clone(), one.replicas.clone())).collect()
    }

    /// The replicas that are copied next, as many as the limits allow.
    fn batch(&self, view: &View, limits: Limits) -> Vec<Start> {
        let mut room = Room::of(view);
        let mut fetching: BTreeMap<u32, usize> = BTreeMap::new();
        view.moving.values().flat_map(|one| &one.adding).for_each(|id| *fetching.entry(*id).or_default() += 1);
        let mut under_way: u64 = view.moving.keys().map(|key| view.to_copy(key)).sum();
        let (mut starts, mut taken): (Vec<Start>, BTreeSet<&Key>) = (Vec::new(), BTreeSet::new());
        for one in &self.all {
            let Some((to, bytes)) = one.to else { continue };
            if view.moving.len() + starts.len() >= limits.at_once {
                break;
            }
            let first = taken.insert(&one.key) && !view.moving.contains_key(&one.key);
            let fetched = fetching.entry(to).or_default();
            let fits = under_way == 0 || under_way.saturating_add(bytes) <= limits.bytes;
            if !first || !fits || *fetched >= limits.per_broker || !room.is_for(to, bytes) {
                continue;
            }
            *fetched += 1;
            under_way += bytes;
            room.take(to, bytes);
            let (key, replicas, before) = (one.key.clone(), one.replicas.clone(), one.before.clone());
            starts.push(Start { key, replicas, before, to, bytes });
        }
        starts
    }
}

/// What a run for these numbers of replicas does next. A throttle of it that is left on a topic is the sign that it has not come to its
/// end, so at the end the rates go before the lists.
pub(super) fn step(view: &View, wanted: &BTreeMap<String, Copies>, limits: Limits, patience: &Patience) -> Action {
    if view.quorum.is_none() {
        return Action::Wait(view.troubles());
    }
    let few = wanted.iter().find(|(_, copies)| copies.wanted < copies.least.max(1));
    if let Some((topic, copies)) = few {
        return Action::Stop {
            why: format!(
                "{topic} can't have {}: its `min.insync.replicas` is {}, and nobody could write with acks=all",
                many(copies.wanted, "copy"),
                copies.least
            ),
            remedy: "lower `min.insync.replicas` first, or ask for more copies".to_owned(),
        };
    }
    let ours = view.moving.keys().any(|key| view.is_ours(key));
    let asked = |key: &Key| wanted.contains_key(&key.0);
    let changes = Changes::of(view, wanted);
    let (lists, troubles) = (over(view), view.troubles());
    if !ours && changes.all.is_empty() && !view.moving.keys().any(asked) {
        let rates = idle_rates(view);
        return match (rates.is_empty(), lists.is_empty(), changes.stuck.is_empty()) {
            (false, ..) => Action::Lift { lists: Vec::new(), rates },
            (_, false, _) => Action::Lift { lists, rates },
            (_, _, true) => Action::Done,
            (_, _, false) if troubles.is_empty() => stuck(&changes),
            _ => Action::Wait(troubles),
        };
    }
    if !lists.is_empty() {
        return Action::Lift { lists, rates: Vec::new() };
    }
    if let Some(action) = under_way(view, patience) {
        return action;
    }
    if !troubles.is_empty() {
        return Action::Wait(troubles);
    }
    let drops = changes.drops(view);
    if !drops.is_empty() {
        return Action::Drop(drops);
    }
    let starts = changes.batch(view, limits);
    if !starts.is_empty() {
        return start(view, starts, patience, (copies_entry, true));
    }
    if !view.moving.is_empty() {
        return Action::Wait(Vec::new());
    }
    stuck(&changes)
}

/// Nothing moves, and nothing can be started.
fn stuck(changes: &Changes) -> Action {
    let (keys, why): (Vec<&Key>, &str) = match changes.stuck.first() {
        Some((_, why)) => (changes.stuck.iter().filter(|one| one.1 == *why).map(|one| &one.0).collect(), why),
        None => {
            (changes.all.iter().map(|one| &one.key).collect(), "no broker has room for what it would hold for a while")
        }
    };
    Action::Stop {
        why: format!("{} can't get the copies that are asked for: {why}", name_all(&keys)),
        remedy: "make the volumes larger, add brokers, or take away the throttle of others; then apply again"
            .to_owned(),
    }
}

fn key(state: &State, number: usize) -> Key {
    let one = state.partition(number);
    (one.topic.clone(), one.index)
}

impl State {
    /// How many replicas of the partition are in the rack of the node.
    fn in_rack(&self, partition: usize, at: usize) -> usize {
        self.lists[partition].iter().filter(|other| self.rack[**other] == self.rack[at]).count()
    }

    /// The place in the partition's list of the replica that is needed least, which is never the leader's: of the rack with the most, and
    /// rather not the preferred leader's; then of the broker with the most bytes.
    fn least_needed(&self, partition: usize, leader: Option<u32>) -> Option<usize> {
        let all = self.lists[partition].iter().enumerate();
        let others = all.filter(|(_, at)| leader.is_some_and(|leader| self.nodes[**at].id != leader));
        let need = |(position, at): &(usize, &usize)| {
            let at = **at;
            (self.in_rack(partition, at), *position != 0, self.bytes[at], self.counts[at], *position)
        };
        others.max_by_key(need).map(|(position, _)| position)
    }

    /// The node that takes one replica more of the partition: of the rack that has the fewest of it, the one with the fewest bytes.
    fn best_for(&self, partition: usize) -> Result<usize, &'static str> {
        if self.partitions[partition].pinned {
            return Err(OUT_OF_SYNC);
        }
        let free = self.fit.iter().filter(|at| !self.lists[partition].contains(at));
        let fewest = free.clone().map(|at| self.in_rack(partition, *at)).min().ok_or("there are too few brokers")?;
        let bytes = self.partitions[partition].bytes;
        // The racks come first: where their brokers have no room, the replica waits.
        let open = free.filter(|at| self.in_rack(partition, **at) == fewest && self.has_room(**at, bytes));
        let best = open.min_by_key(|at| (self.bytes[**at], self.counts[**at], mixed(partition, **at)));
        best.copied().ok_or("no broker that keeps their copies apart has room")
    }

    fn give(&mut self, partition: usize, at: usize) {
        self.bytes[at] = self.bytes[at].saturating_add(self.partitions[partition].bytes);
        self.counts[at] += 1;
        self.lists[partition].push(at);
        let id = self.nodes[at].id;
        self.partitions[partition].brokers.push(id);
    }

    fn take(&mut self, partition: usize, position: usize) {
        let at = self.lists[partition].remove(position);
        self.partitions[partition].brokers.remove(position);
        self.bytes[at] = self.bytes[at].saturating_sub(self.partitions[partition].bytes);
        self.counts[at] = self.counts[at].saturating_sub(1);
    }
}
