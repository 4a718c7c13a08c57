//! Plans: what holds for all of them.

use std::collections::{BTreeMap, BTreeSet};

use kstack_core::moves::{Move, Place, Reason, Replicas, State, leader_orders};
use proptest::prelude::*;

use crate::cases::{BANDS, Cluster, cluster, crowd};

fn state(cluster: &Cluster) -> State {
    State::new(cluster.nodes.clone(), cluster.partitions.clone(), BANDS)
}

fn end(cluster: &Cluster) -> (State, Vec<Move>, bool) {
    let mut state = state(cluster);
    let (moves, stuck) = state.moves();
    (state, moves, !stuck.is_empty())
}

fn by_name(partitions: &[Replicas]) -> BTreeMap<(String, u32), Vec<u32>> {
    partitions.iter().map(|one| ((one.topic.clone(), one.index), one.brokers.clone())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn p1_to_p4_replicas_racks_and_an_end(cluster in cluster(3)) {
        let (after, moves, stuck) = end(&cluster);
        let before = by_name(&cluster.partitions);
        let leaves: BTreeSet<u32> = cluster.nodes.iter().filter(|one| one.place == Place::Leaving).map(|one| one.id).collect();
        for one in after.partitions() {
            let old = &before[&(one.topic.clone(), one.index)];
            prop_assert_eq!(one.brokers.len(), old.len(), "P1: as many replicas");
            let distinct: BTreeSet<u32> = one.brokers.iter().copied().collect();
            prop_assert_eq!(distinct.len(), old.len(), "P1: on different brokers");
            prop_assert!(stuck || one.brokers.iter().all(|id| !leaves.contains(id)), "P2: off what leaves");
            if old.iter().all(|id| !leaves.contains(id)) {
                prop_assert!(crowd(&cluster.nodes, &one.brokers) <= crowd(&cluster.nodes, old), "P3: no rack more crowded");
            }
        }
        prop_assert!(after.is_drained() || stuck);
        let mut again = State::new(cluster.nodes.clone(), after.partitions().to_vec(), BANDS);
        let (more, _) = again.moves();
        prop_assert_eq!(more, Vec::new(), "P4: the end of a plan is a fixed point");
        prop_assert!(moves.iter().all(|one| !leaves.contains(&one.to)));
    }

    #[test]
    fn p5_a_plan_that_is_cut_and_made_again_is_its_rest(cluster in cluster(3), cut in 0.0..1.0_f64) {
        let (whole, moves, _) = end(&cluster);
        let mut begun = state(&cluster);
        for expected in &moves[..(moves.len() as f64 * cut) as usize] {
            // What is stuck is found again by the plan that is made anew.
            let made = std::iter::from_fn(|| begun.next_move()).find_map(Result::ok);
            prop_assert_eq!(made.as_ref(), Some(expected));
        }
        let mut rest = State::new(cluster.nodes.clone(), begun.partitions().to_vec(), BANDS);
        rest.moves();
        prop_assert_eq!(rest.partitions(), whole.partitions());
    }

    #[test]
    fn p9_the_order_of_the_input_does_not_matter(cluster in cluster(3), turn in 0..60_usize) {
        let mut turned = cluster.clone();
        turned.nodes.reverse();
        let turn = turn % turned.partitions.len();
        turned.partitions.rotate_left(turn);
        prop_assert_eq!(end(&cluster).1, end(&turned).1);
    }

    #[test]
    fn a_move_lowers_what_it_is_for(cluster in cluster(2)) {
        let mut state = state(&cluster);
        let mut outside = state.outside();
        while let Some(step) = state.next_move() {
            let Ok(step) = step else { continue };
            let now = state.outside();
            match step.reason {
                Reason::Bytes => prop_assert!(now < outside),
                Reason::Counts => prop_assert!(now <= outside),
                Reason::Leaves | Reason::Racks => {}
            }
            outside = now;
        }
    }

    #[test]
    fn leaders_are_spread_without_a_byte(cluster in cluster(0)) {
        let mut state = state(&cluster);
        let before = by_name(state.partitions());
        let orders = leader_orders(&mut state);
        for one in state.partitions() {
            let old = &before[&(one.topic.clone(), one.index)];
            let set = |brokers: &[u32]| brokers.iter().copied().collect::<BTreeSet<u32>>();
            prop_assert_eq!(set(&one.brokers), set(old));
        }
        prop_assert!(orders.len() <= state.len());
        prop_assert_eq!(leader_orders(&mut state), Vec::<usize>::new(), "what is in order stays");
    }
}

/// A cluster in which the band is wider than any partition: sizes differ by a factor of twenty.
fn even(old: u32, new: u32, racks: u32, sizes: &[u64]) -> Cluster {
    let node = |id: u32| kstack_core::moves::Node {
        id,
        rack: Some(format!("z{}", id % racks)),
        place: Place::Fit,
        most_bytes: None,
    };
    let partition = |(number, bytes): (usize, &u64)| Replicas {
        topic: "t".to_owned(),
        index: number as u32,
        bytes: *bytes,
        // Neighbours are in different racks.
        brokers: (0..3).map(|copy| (number as u32 + copy) % old + 1).collect(),
        pinned: false,
    };
    Cluster {
        nodes: (1..=old + new).map(node).collect(),
        partitions: sizes.iter().enumerate().map(partition).collect(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(25))]

    #[test]
    fn p6_hardly_more_is_moved_than_must_be(
        (thirds, new) in (1..4_u32, 1..3_u32),
        sizes in proptest::collection::vec(100..2_000_u64, 600..900),
    ) {
        let cluster = even(3 * thirds, 3 * new, 3, &sizes);
        let (after, moves, _) = end(&cluster);
        let moved: u64 = moves.iter().map(|one| one.bytes).sum();
        let floor = state(&cluster).floor();
        prop_assert!(floor > 0);
        prop_assert!(moved as f64 <= 1.25 * floor as f64, "{moved} of {floor}");
        prop_assert_eq!(after.outside(), 0);
    }
}
