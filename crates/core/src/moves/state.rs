//! The present assignment, indexed for the questions of the planner.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

/// What a broker may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// It may take and give replicas.
    Fit,
    /// All its replicas have to go.
    Leaving,
    /// It is fenced, silent or unknown: nothing goes there, and what is there stays.
    Away,
}

/// A broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub id: u32,
    pub rack: Option<String>,
    pub place: Place,
    /// The most bytes of partitions that it may have; without a limit where its disk is not known.
    pub most_bytes: Option<u64>,
}

/// A partition's replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replicas {
    pub topic: String,
    pub index: u32,
    /// Of one replica.
    pub bytes: u64,
    /// In Kafka's order: the first is the preferred leader.
    pub brokers: Vec<u32>,
    /// Whether they have to stay where they are.
    pub pinned: bool,
}

/// How far from the mean a broker may be, as parts of 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bands {
    pub bytes: u64,
    /// So many bytes it may be off in any case: a small cluster is not moved about.
    pub slack: u64,
    pub counts: u64,
    pub leaders: u64,
}

impl Bands {
    /// In which every broker is, whatever it has.
    pub const OPEN: Bands = Bands { bytes: 100, slack: u64::MAX, counts: 1_000_000, leaders: 1_000_000 };
}

impl Default for Bands {
    fn default() -> Bands {
        Bands { bytes: 10, slack: 16 << 20, counts: 25, leaders: 10 }
    }
}

/// What a move is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    Leaves,
    Racks,
    Bytes,
    Counts,
}

/// One replica's way to another broker: it takes the place of the old one in the partition's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// The partition's number in the state.
    pub partition: usize,
    pub from: u32,
    pub to: u32,
    pub bytes: u64,
    pub reason: Reason,
}

/// A replica that has to leave its broker, and that no other broker can take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    pub partition: usize,
    pub from: u32,
}

/// A replica by its bytes; those with as many in an order that differs from broker to broker, so that neither all replicas of a
/// partition move, nor all partitions of a topic.
pub(super) type Sized = (u64, u32, usize);

/// The assignment of all partitions, and what the planner looks for in it.
#[derive(Debug, Clone)]
pub struct State {
    pub(super) nodes: Vec<Node>,
    /// By topic and index.
    pub(super) partitions: Vec<Replicas>,
    /// The brokers of each partition as positions in `nodes`.
    pub(super) lists: Vec<Vec<usize>>,
    /// The rack of each node, as a number.
    pub(super) rack: Vec<usize>,
    /// How many fit nodes each rack has.
    pub(super) rack_nodes: Vec<usize>,
    /// Bytes and replicas on each node.
    pub(super) bytes: Vec<u64>,
    pub(super) counts: Vec<u64>,
    /// For each node and rack, by size: the partitions of which the node may give its replica to that rack without crowding one.
    pub(super) givable: Vec<Vec<BTreeSet<Sized>>>,
    /// Replicas that have to leave, the largest first.
    pub(super) leaving: BTreeSet<(Reverse<u64>, usize, usize)>,
    /// Partitions of which a rack has more replicas than it need have.
    pub(super) crowded: BTreeSet<usize>,
    /// The fit nodes.
    pub(super) fit: Vec<usize>,
    pub(super) bytes_band: (u64, u64, u64),
    pub(super) counts_band: (u64, u64),
    pub(super) bands: Bands,
}

impl State {
    /// The state of these brokers and partitions. Replicas on a broker that is not among `nodes` are away.
    pub fn new(nodes: Vec<Node>, mut partitions: Vec<Replicas>, bands: Bands) -> State {
        partitions.sort_by(|a, b| (&a.topic, a.index).cmp(&(&b.topic, b.index)));
        let mut by_id: BTreeMap<u32, Node> = nodes.into_iter().map(|node| (node.id, node)).collect();
        for id in partitions.iter().flat_map(|one| &one.brokers) {
            by_id.entry(*id).or_insert(Node { id: *id, rack: None, place: Place::Away, most_bytes: None });
        }
        let position: BTreeMap<u32, usize> = by_id.keys().enumerate().map(|(at, id)| (*id, at)).collect();
        let nodes: Vec<Node> = by_id.into_values().collect();
        let names: BTreeSet<&Option<String>> = nodes.iter().map(|node| &node.rack).collect();
        let names: Vec<&Option<String>> = names.into_iter().collect();
        let rack: Vec<usize> =
            nodes.iter().map(|node| names.iter().position(|name| **name == node.rack).unwrap_or_default()).collect();
        let fit: Vec<usize> = (0..nodes.len()).filter(|at| nodes[*at].place == Place::Fit).collect();
        let mut rack_nodes = vec![0; names.len()];
        fit.iter().for_each(|at| rack_nodes[rack[*at]] += 1);
        let lists: Vec<Vec<usize>> =
            partitions.iter().map(|one| one.brokers.iter().map(|id| position[id]).collect()).collect();
        let (mut bytes, mut counts) = (vec![0; nodes.len()], vec![0; nodes.len()]);
        for (one, list) in partitions.iter().zip(&lists) {
            for at in list {
                bytes[*at] += one.bytes;
                counts[*at] += 1;
            }
        }
        // What moves goes from one of these to another, so the mean stays.
        let ours = |all: &[u64]| -> u64 {
            let on = (0..nodes.len()).filter(|at| nodes[*at].place != Place::Away);
            on.map(|at| all[at]).sum::<u64>() / (fit.len() as u64).max(1)
        };
        let (mean, mean_count) = (ours(&bytes), ours(&counts));
        let part = |mean: u64, percent: u64| u64::try_from(u128::from(mean) * u128::from(percent) / 100);
        let around = |mean: u64, band: u64| {
            let low = part(mean, 100_u64.saturating_sub(band)).unwrap_or_default();
            (low, part(mean, 100 + band).unwrap_or(u64::MAX))
        };
        let (low, high) = around(mean, bands.bytes);
        let (low, high) = (low.min(mean.saturating_sub(bands.slack)), high.max(mean.saturating_add(bands.slack)));
        let counts_band = {
            // With fewer replicas than brokers the mean is none, and no part of it makes a band wide.
            let (low, high) = around(mean_count.max(1), bands.counts);
            // A band in which no whole number is beside the mean would never be met.
            (low.min(mean_count.saturating_sub(1)), high.max(mean_count + 1))
        };
        let givable = vec![vec![BTreeSet::new(); names.len()]; nodes.len()];
        let mut state = State {
            bytes_band: (low, mean, high),
            counts_band,
            bands,
            givable,
            leaving: BTreeSet::new(),
            crowded: BTreeSet::new(),
            nodes,
            partitions,
            lists,
            rack,
            rack_nodes,
            bytes,
            counts,
            fit,
        };
        (0..state.partitions.len()).for_each(|partition| state.index(partition, true));
        state
    }

    /// The partition with this number: by topic and index.
    pub fn partition(&self, number: usize) -> &Replicas {
        &self.partitions[number]
    }

    /// The number of partitions.
    pub fn len(&self) -> usize {
        self.partitions.len()
    }

    /// Whether there is no partition.
    pub fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }

    /// The partitions as they are assigned now.
    pub fn partitions(&self) -> &[Replicas] {
        &self.partitions
    }

    /// The bytes and replicas that each broker has, by id.
    pub fn loads(&self) -> BTreeMap<u32, (u64, u64)> {
        let all = self.nodes.iter().enumerate();
        all.map(|(at, node)| (node.id, (self.bytes[at], self.counts[at]))).collect()
    }

    /// The lowest bytes of the band, the mean, and the highest.
    pub fn bytes_band(&self) -> (u64, u64, u64) {
        self.bytes_band
    }

    /// The bytes that lie outside of the band, over all fit brokers.
    pub fn outside(&self) -> u64 {
        self.fit.iter().map(|at| self.beyond(self.bytes[*at])).sum()
    }

    /// The bytes that have to be moved at least for every broker to be inside of the band: what is above it has to go, and what is
    /// missing below it has to come.
    pub fn floor(&self) -> u64 {
        let (low, _, high) = self.bytes_band;
        let sum = |of: &dyn Fn(u64) -> u64| self.fit.iter().map(|at| of(self.bytes[*at])).sum::<u64>();
        sum(&|bytes| bytes.saturating_sub(high)).max(sum(&|bytes| low.saturating_sub(bytes)))
    }

    /// How far this many bytes are from the band.
    pub(super) fn beyond(&self, bytes: u64) -> u64 {
        let (low, _, high) = self.bytes_band;
        bytes.saturating_sub(high).max(low.saturating_sub(bytes))
    }

    /// Whether the bytes outside of the band become fewer, stay, or become more when `from` gives `to` so many.
    pub(super) fn change(&self, from: usize, to: usize, bytes: u64) -> std::cmp::Ordering {
        let after = self.beyond(self.bytes[from] - bytes) + self.beyond(self.bytes[to] + bytes);
        after.cmp(&(self.beyond(self.bytes[from]) + self.beyond(self.bytes[to])))
    }

    /// How many replicas of this many a rack need have, where they are spread as evenly as they can be.
    fn even(&self, replicas: usize) -> usize {
        let racks = self.rack_nodes.iter().filter(|count| **count > 0).count();
        replicas.div_ceil(racks.max(1))
    }

    /// How many replicas a rack has more than it need have, for a partition with one replica moved: off `without`, into `plus`.
    pub(super) fn crowd(&self, partition: usize, without: Option<usize>, plus: Option<usize>) -> usize {
        let list = &self.lists[partition];
        let even = self.even(list.len());
        // What leaves is counted nowhere; it will be wherever it finds room.
        let stays = |at: &&usize| Some(**at) != without && self.nodes[**at].place != Place::Leaving;
        let racks = || list.iter().filter(stays).map(|at| self.rack[*at]).chain(plus);
        // Each replica beyond those that its rack need have, in the order of the list.
        let beyond = |(at, rack): &(usize, usize)| racks().take(*at).filter(|one| one == rack).count() >= even;
        racks().enumerate().filter(beyond).count()
    }

    /// The least that `crowd` can be with the fit nodes of each rack.
    fn least_crowd(&self, replicas: usize) -> usize {
        let even = self.even(replicas);
        replicas.saturating_sub(self.rack_nodes.iter().map(|count| even.min(*count)).sum())
    }

    /// Whether the node has room for so many bytes more.
    pub(super) fn has_room(&self, at: usize, bytes: u64) -> bool {
        self.nodes[at].most_bytes.is_none_or(|most| self.bytes[at].saturating_add(bytes) <= most)
    }

    /// Whether the node may take a replica of the partition, its racks aside.
    pub(super) fn takes(&self, at: usize, partition: usize) -> bool {
        !self.lists[partition].contains(&at) && self.has_room(at, self.partitions[partition].bytes)
    }

    /// Puts the partition into the indices, or takes it out.
    fn index(&mut self, partition: usize, add: bool) {
        let one = &self.partitions[partition];
        if one.pinned {
            return;
        }
        let (bytes, now) = (one.bytes, self.crowd(partition, None, None));
        for at in self.lists[partition].clone() {
            match self.nodes[at].place {
                Place::Away => {}
                Place::Leaving => put(&mut self.leaving, (Reverse(bytes), partition, at), add),
                Place::Fit => {
                    for rack in 0..self.rack_nodes.len() {
                        if self.rack_nodes[rack] > 0 && self.crowd(partition, Some(at), Some(rack)) <= now {
                            put(&mut self.givable[at][rack], (bytes, mixed(partition, at), partition), add);
                        }
                    }
                }
            }
        }
        if now > self.least_crowd(self.lists[partition].len()) {
            put(&mut self.crowded, partition, add);
        }
    }

    /// Moves the replica of `partition` on the node `from` to the node `to`.
    pub(super) fn shift(&mut self, partition: usize, from: usize, to: usize, reason: Reason) -> Option<Move> {
        let position = self.lists[partition].iter().position(|at| *at == from)?;
        self.index(partition, false);
        let bytes = self.partitions[partition].bytes;
        self.lists[partition][position] = to;
        self.partitions[partition].brokers[position] = self.nodes[to].id;
        self.bytes[from] -= bytes;
        self.counts[from] -= 1;
        self.bytes[to] += bytes;
        self.counts[to] += 1;
        self.index(partition, true);
        Some(Move { partition, from: self.nodes[from].id, to: self.nodes[to].id, bytes, reason })
    }

    /// The fit nodes from the fullest by `load` on; those with as much by their ids.
    pub(super) fn fullest(&self, load: &[u64]) -> Vec<usize> {
        let mut order = self.fit.clone();
        order.sort_by_key(|at| (Reverse(load[*at]), *at));
        order
    }

    /// Makes the next move, or finds a replica that has to leave and can't, once. `None` when there is nothing left to do.
    pub fn next_move(&mut self) -> Option<Result<Move, Stuck>> {
        if let Some(forced) = self.next_forced() {
            return Some(forced);
        }
        self.next_spread().or_else(|| self.next_bytes()).or_else(|| self.next_count()).map(Ok)
    }

    /// All moves that are left, and what is stuck.
    pub fn moves(&mut self) -> (Vec<Move>, Vec<Stuck>) {
        let (mut moves, mut stuck) = (Vec::new(), Vec::new());
        while let Some(next) = self.next_move() {
            match next {
                Ok(one) => moves.push(one),
                Err(one) => stuck.push(one),
            }
        }
        (moves, stuck)
    }
}

/// A number that looks like chance, the same each time.
pub(super) fn mixed(partition: usize, node: usize) -> u32 {
    let mut mixed = (partition as u64) << 20 ^ node as u64;
    for factor in [0x9e37_79b9_7f4a_7c15, 0xbf58_476d_1ce4_e5b9] {
        mixed = (mixed ^ (mixed >> 29)).wrapping_mul(factor);
    }
    (mixed >> 32) as u32
}

fn put<T: Ord>(set: &mut BTreeSet<T>, value: T, add: bool) {
    if add {
        set.insert(value);
    } else {
        set.remove(&value);
    }
}
