//! Plans of partition moves: time, memory, and bytes moved beside the least that must be, and beside what Kafka's own
//! `kafka-reassign-partitions --generate` proposes for the same cluster, by Kafka's own code (`Proposal.java`):
//! `KSTACK_KAFKA=$(tests/kafka/assemble FOLDER) cargo bench -p kstack-core --bench moves`. Without a Kafka those columns are empty.

#![allow(clippy::print_stdout)] // The table is what this is run for.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use kstack_core::moves::{Bands, Node, Place, Replicas, State, amount, leader_orders};

/// A cluster of `old` brokers in three racks with `count` partitions of three replicas, and `new` brokers that are empty. Sizes are
/// Pareto's: most partitions are small, and a few are many times the mean.
fn cluster(old: u32, new: u32, count: u32) -> (Vec<Node>, Vec<Replicas>) {
    let mut seed = 7_u64;
    let mut part = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((seed >> 11) as f64 / (1_u64 << 53) as f64).max(1e-9)
    };
    let node = |id: u32| Node { id, rack: Some(format!("z{}", id % 3)), place: Place::Fit, most_bytes: None };
    let mut partitions = Vec::new();
    for number in 0..count {
        let bytes = (200_000_000.0 / part().powf(1.0 / 1.5)).min(100e9) as u64;
        // As Kafka places them: the first broker by turns, the others at a distance that grows.
        let shift = number / old * 3;
        let brokers = (0..3).map(|copy| (number + copy * (1 + shift)) % old + 1).collect::<Vec<u32>>();
        let distinct = brokers[0] != brokers[1] && brokers[1] != brokers[2] && brokers[0] != brokers[2];
        let brokers = if distinct { brokers } else { (0..3).map(|copy| (number + copy) % old + 1).collect() };
        partitions.push(Replicas {
            topic: format!("topic-{}", number / 24),
            index: number % 24,
            bytes,
            brokers,
            pinned: false,
        });
    }
    ((1..=old + new).map(node).collect(), partitions)
}

/// The process's high-water mark of memory, in MiB.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or_default() / 1024
}

/// By how many percent of the mean the broker that is furthest from it has more or less.
fn off_the_mean(nodes: &[Node], held: &BTreeMap<u32, u64>) -> u64 {
    let mean = (held.values().sum::<u64>() / nodes.len() as u64).max(1);
    let of = |node: &Node| held.get(&node.id).copied().unwrap_or_default().abs_diff(mean) * 100 / mean;
    nodes.iter().map(of).max().unwrap_or_default()
}

/// The bytes that each broker has.
fn held<'a>(all: impl Iterator<Item = (u64, &'a [u32])>) -> BTreeMap<u32, u64> {
    let mut held = BTreeMap::new();
    all.for_each(|(bytes, brokers)| brokers.iter().for_each(|id| *held.entry(*id).or_default() += bytes));
    held
}

/// What the Kafka in the folder `kafka` proposes for this cluster, and the milliseconds that it took for that.
fn by_kafka(kafka: &Path, nodes: &[Node], partitions: &[Replicas]) -> (BTreeMap<(String, u32), Vec<u32>>, u64) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/Proposal.java");
    let mut java = Command::new("java");
    java.arg("-cp").arg(kafka.join("libs/*")).arg(source);
    let mut child = java.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Java");
    let mut input = String::new();
    for node in nodes {
        input += &format!("broker {} {}\n", node.id, node.rack.as_deref().unwrap_or_default());
    }
    for one in partitions {
        let ids: Vec<String> = one.brokers.iter().map(u32::to_string).collect();
        input += &format!("partition {} {} {}\n", one.topic, one.index, ids.join(","));
    }
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("Java reads all before it writes");
    let mut out = String::new();
    child.stdout.take().expect("a pipe").read_to_string(&mut out).expect("text");
    assert!(child.wait().expect("Java ends").success(), "{out}");
    let (mut proposal, mut took) = (BTreeMap::new(), 0);
    for line in out.lines() {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["took", milliseconds] => took = milliseconds.parse().expect("a number"),
            ["partition", topic, index, ids] => {
                let ids = ids.split(',').map(|id| id.parse().expect("an id")).collect();
                proposal.insert((topic.to_owned(), index.parse().expect("a number")), ids);
            }
            _ => panic!("{line}"),
        }
    }
    (proposal, took)
}

/// The columns about Kafka's own proposal.
fn peer(nodes: &[Node], partitions: &[Replicas]) -> String {
    let Some(kafka) = std::env::var_os("KSTACK_KAFKA") else { return "- | - | -".to_owned() };
    let (proposal, took) = by_kafka(Path::new(&kafka), nodes, partitions);
    let to = |one: &Replicas| proposal[&(one.topic.clone(), one.index)].as_slice();
    let new = |one: &Replicas| to(one).iter().filter(|id| !one.brokers.contains(id)).count() as u64;
    let moved: u64 = partitions.iter().map(|one| one.bytes * new(one)).sum();
    let off = off_the_mean(nodes, &held(partitions.iter().map(|one| (one.bytes, to(one)))));
    format!("{} | {off} % | {:.2} s", amount(moved), took as f64 / 1000.0)
}

fn main() {
    println!(
        "| brokers | of them new | partitions | moves | moved | least | ratio | off the mean | plan | leaders | peak memory \
         | Kafka's: moved | off the mean | plan |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    for (old, new, count) in [(3, 3, 600), (6, 3, 600), (60, 12, 9_000), (132, 30, 24_000), (159, 3, 24_000)] {
        let (nodes, partitions) = cluster(old, new, count);
        let start = Instant::now();
        let mut state = State::new(nodes.clone(), partitions.clone(), Bands::default());
        let floor = state.floor();
        let (moves, stuck) = state.moves();
        let planned = start.elapsed();
        assert!(stuck.is_empty(), "nothing leaves");
        let off = off_the_mean(&nodes, &held(state.partitions().iter().map(|one| (one.bytes, &*one.brokers))));
        let start = Instant::now();
        let orders = leader_orders(&mut state).len();
        let led = start.elapsed();
        let peak = peak_mib();
        let moved: u64 = moves.iter().map(|one| one.bytes).sum();
        println!(
            "| {} | {new} | {count} | {} | {} | {} | {:.2} | {off} % | {:.2} s | {orders} lists, {:.2} s | {peak} MiB | {} |",
            old + new,
            moves.len(),
            amount(moved),
            amount(floor),
            moved as f64 / floor as f64,
            planned.as_secs_f64(),
            led.as_secs_f64(),
            peer(&nodes, &partitions)
        );
    }
}
