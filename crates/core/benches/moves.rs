//! Plans of partition moves: time, memory, and bytes moved beside the least that must be. `cargo bench -p kstack-core --bench moves`.

#![allow(clippy::print_stdout)] // The table is what this is run for.

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

fn main() {
    println!(
        "| brokers | added | partitions | moves | moved | least | ratio | beyond the band | plan | leaders | peak memory |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    for (old, new, count) in [(3, 3, 600), (6, 3, 600), (60, 12, 9_000), (132, 30, 24_000), (159, 3, 24_000)] {
        let (nodes, partitions) = cluster(old, new, count);
        let start = Instant::now();
        let mut state = State::new(nodes, partitions, Bands::default());
        let floor = state.floor();
        let (moves, stuck) = state.moves();
        let planned = start.elapsed();
        assert!(stuck.is_empty(), "nothing leaves");
        let start = Instant::now();
        let orders = leader_orders(&mut state).len();
        let led = start.elapsed();
        let moved: u64 = moves.iter().map(|one| one.bytes).sum();
        println!(
            "| {} | {new} | {count} | {} | {} | {} | {:.2} | {} | {:.2} s | {orders} in {:.2} s | {} MiB |",
            old + new,
            moves.len(),
            amount(moved),
            amount(floor),
            moved as f64 / floor as f64,
            amount(state.outside()),
            planned.as_secs_f64(),
            led.as_secs_f64(),
            peak_mib()
        );
    }
}
