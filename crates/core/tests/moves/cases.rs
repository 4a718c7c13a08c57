//! Random clusters.

use std::collections::{BTreeMap, BTreeSet};

use kstack_core::moves::{Bands, Broker, Disk, Lists, Node, Partition, Place, Rates, Replicas, View};
use proptest::prelude::*;
use proptest::sample::subsequence;

/// Bands without slack: each byte counts.
pub const BANDS: Bands = Bands { bytes: 10, slack: 0, counts: 25, leaders: 10 };

/// Brokers, some new and empty, some leaving, and partitions on those that are not new.
#[derive(Debug, Clone)]
pub struct Cluster {
    pub nodes: Vec<Node>,
    pub partitions: Vec<Replicas>,
}

fn node(id: u32, rack: u32, place: Place) -> Node {
    Node { id, rack: Some(format!("z{rack}")), place, most_bytes: None }
}

/// A cluster of up to nine brokers before, three new ones, and up to sixty partitions; `leaving` of the old brokers leave at most.
pub fn cluster(leaving: usize) -> impl Strategy<Value = Cluster> {
    (3..=9_u32, 1..=3_u32, 0..=3_u32, 0..=leaving).prop_flat_map(move |(old, racks, new, leaving)| {
        let ids: Vec<u32> = (1..=old).collect();
        let size = prop_oneof![1 => Just(0), 6 => 1..1_000_000_000_u64];
        let partition = (size, subsequence(ids.clone(), 1..=3))
            .prop_flat_map(|(bytes, brokers)| (Just(bytes), Just(brokers).prop_shuffle()));
        let leaves = subsequence(ids, leaving.min(old.saturating_sub(3) as usize));
        let fresh = proptest::collection::vec(0..racks, new as usize);
        (proptest::collection::vec(partition, 1..60), leaves, fresh).prop_map(move |(partitions, leaves, fresh)| {
            let place = |id| if leaves.contains(&id) { Place::Leaving } else { Place::Fit };
            let mut nodes: Vec<Node> = (1..=old).map(|id| node(id, id % racks, place(id))).collect();
            nodes.extend(fresh.iter().zip(100..).map(|(rack, id)| node(id, *rack, Place::Fit)));
            let partitions = partitions.into_iter().enumerate().map(|(number, (bytes, brokers))| Replicas {
                topic: format!("t{}", number / 4),
                index: number as u32 % 4,
                bytes,
                brokers,
                pinned: false,
            });
            Cluster { nodes, partitions: partitions.collect() }
        })
    })
}

/// How many replicas a rack has beyond the part that it need have, by another way than the planner's.
pub fn crowd(nodes: &[Node], brokers: &[u32]) -> usize {
    let rack = |id: &u32| nodes.iter().find(|node| node.id == *id).and_then(|node| node.rack.clone());
    let racks: BTreeSet<_> =
        nodes.iter().filter(|node| node.place == Place::Fit).map(|node| node.rack.clone()).collect();
    let share = brokers.len().div_ceil(racks.len().max(1));
    let mut counts: BTreeMap<Option<String>, usize> = BTreeMap::new();
    brokers.iter().for_each(|id| *counts.entry(rack(id)).or_default() += 1);
    counts.values().map(|count| count.saturating_sub(share)).sum()
}

/// The cluster as a look shows it: healthy, with volumes of twice the largest share or more, and throttles of others on some topics and
/// brokers.
pub fn view() -> impl Strategy<Value = View> {
    let seed = (cluster(0), 2..6_u64, proptest::collection::vec(any::<u8>(), 24));
    seed.prop_map(|(cluster, spare, dice)| {
        let die = |at: usize| dice[at % dice.len()];
        let mut view = View { quorum: Some(Vec::new()), ..View::default() };
        let mut used: BTreeMap<u32, u64> = BTreeMap::new();
        for one in &cluster.partitions {
            one.brokers.iter().for_each(|id| *used.entry(*id).or_default() += one.bytes);
            let partition = Partition {
                replicas: one.brokers.clone(),
                in_sync: one.brokers.clone(),
                leader: one.brokers.get(usize::from(die(one.index as usize)) % one.brokers.len()).copied(),
                held: one.brokers.iter().map(|id| (*id, one.bytes)).collect(),
            };
            view.partitions.insert((one.topic.clone(), one.index), partition);
        }
        let total = used.values().max().copied().unwrap_or_default() * spare / 2 * 5 / 4;
        for (at, node) in cluster.nodes.iter().enumerate() {
            let own = used.get(&node.id).copied().unwrap_or_default();
            let disk = Some(Disk { total, usable: total.saturating_sub(own) });
            view.brokers.push(Broker { id: node.id, rack: node.rack.clone(), fenced: false, silent: false, disk });
            if die(at + 5) < 40 {
                view.rates.insert(node.id, Rates { leader: Some(10_000_000), follower: (die(at) < 90).then_some(7) });
            }
        }
        let topics: BTreeSet<&String> = cluster.partitions.iter().map(|one| &one.topic).collect();
        for (at, topic) in topics.into_iter().enumerate() {
            let lists = match die(at + 9) {
                0..30 => Lists { leader: vec!["*".to_owned()], follower: vec!["*".to_owned()] },
                30..80 => Lists { leader: vec!["0:1".to_owned(), "10:2".to_owned()], follower: Vec::new() },
                _ => continue,
            };
            view.lists.insert(topic.clone(), lists);
        }
        view
    })
}
