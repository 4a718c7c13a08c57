//! Small clusters, whose plans can be read.

use std::collections::BTreeMap;

use kstack_core::moves::{
    Action, Bands, Broker, Goal, Limits, Node, Partition, Patience, Place, Reason, Replicas, State, View,
};

use crate::cases::BANDS;

fn nodes(racks: &[&str]) -> Vec<Node> {
    let node =
        |(rack, id): (&&str, u32)| Node { id, rack: Some((*rack).to_owned()), place: Place::Fit, most_bytes: None };
    racks.iter().zip(1..).map(node).collect()
}

fn partitions(count: u32, bytes: u64, brokers: impl Fn(u32) -> Vec<u32>) -> Vec<Replicas> {
    let one = |index| Replicas { topic: "t".to_owned(), index, bytes, brokers: brokers(index), pinned: false };
    (0..count).map(one).collect()
}

fn counts(state: &State) -> Vec<u64> {
    state.loads().into_values().map(|(_, count)| count).collect()
}

#[test]
fn three_new_brokers_take_half_and_each_partition_keeps_its_racks() {
    let three = |index| (0..3).map(|copy| (index + copy) % 3 + 1).collect();
    let mut state = State::new(nodes(&["a", "b", "c", "a", "b", "c"]), partitions(60, 1000, three), BANDS);
    let (moves, stuck) = state.moves();
    assert!(stuck.is_empty());
    assert_eq!(counts(&state), [33, 33, 33, 27, 27, 27]);
    assert!(moves.iter().all(|one| one.from + 3 == one.to), "within its rack: {moves:?}");
}

#[test]
fn one_more_broker_of_a_rack_relieves_that_rack_only() {
    let three = |index| (0..3).map(|copy| (index + copy) % 3 + 1).collect();
    let mut state = State::new(nodes(&["a", "b", "c", "a"]), partitions(60, 1000, three), BANDS);
    state.moves();
    // The mean is 45; no broker of the racks b and c can give without crowding a.
    assert_eq!(counts(&state), [60 - counts(&state)[3], 60, 60, counts(&state)[3]]);
    assert!(counts(&state)[3] >= 27, "{:?}", counts(&state));
}

#[test]
fn a_partition_that_is_larger_than_the_band_does_not_go_back_and_forth() {
    let mut state = State::new(nodes(&["a", "a", "a"]), partitions(1, 1 << 40, |_| vec![1]), BANDS);
    assert_eq!(state.moves().0, []);
    let two = |index| vec![if index < 2 { 1 } else { 2 }];
    let mut state = State::new(nodes(&["a", "a", "a"]), partitions(3, 1 << 40, two), BANDS);
    let (moves, _) = state.moves();
    assert_eq!((moves.len(), moves[0].from, moves[0].to), (1, 1, 3));
}

#[test]
fn two_replicas_of_a_rack_are_spread_first() {
    let mut state = State::new(nodes(&["a", "a", "b", "c"]), partitions(1, 5, |_| vec![1, 2, 3]), BANDS);
    let (moves, _) = state.moves();
    assert_eq!(moves.first().map(|one| (one.reason, one.to)), Some((Reason::Racks, 4)));
}

#[test]
fn what_is_away_stays_and_gets_nothing() {
    let mut all = nodes(&["a", "b", "c", "a", "b", "c"]);
    all[3].place = Place::Away;
    all[0].place = Place::Away;
    let three = |index| (0..3).map(|copy| (index + copy) % 3 + 1).collect();
    let mut state = State::new(all, partitions(60, 1000, three), BANDS);
    let (moves, _) = state.moves();
    assert!(!moves.is_empty());
    assert!(moves.iter().all(|one| ![1, 4].contains(&one.from) && ![1, 4].contains(&one.to)), "{moves:?}");
}

#[test]
fn a_full_broker_takes_nothing_and_a_drain_says_what_is_stuck() {
    let mut all = nodes(&["a", "b", "c", "c"]);
    all[2].place = Place::Leaving;
    all[3].most_bytes = Some(2_500);
    let mut state = State::new(all, partitions(4, 1000, |_| vec![1, 2, 3]), BANDS);
    let (moves, stuck) = state.moves();
    assert_eq!(moves.iter().filter(|one| one.to == 4).count(), 2);
    assert_eq!(stuck.iter().map(|one| one.from).collect::<Vec<_>>(), [3, 3]);
    assert!(!state.is_drained());
}

#[test]
fn internal_topics_and_empty_partitions_count_too() {
    let mut all = partitions(30, 0, |_| vec![1]);
    all.iter_mut().for_each(|one| one.topic = "__consumer_offsets".to_owned());
    let mut state = State::new(nodes(&["a", "a", "a"]), all, BANDS);
    state.moves();
    assert!(counts(&state).iter().all(|count| (7..=13).contains(count)), "{:?}", counts(&state));
}

#[test]
fn a_small_difference_moves_nothing() {
    let plan = |bytes| {
        let all = partitions(4, bytes, |index| vec![if index < 3 { 1 } else { 2 }]);
        State::new(nodes(&["a", "a"]), all, kstack_core::moves::Bands::default()).moves().0
    };
    assert_eq!(plan(16 << 20), []);
    assert_eq!(plan(17 << 20).len(), 1);
}

/// A broker was stopped when it got a replica, and is started for that to move: until it is in sync the drain has not come to its end.
#[test]
fn a_drain_waits_for_a_replica_that_comes_in_sync() {
    let broker = |id, fenced| Broker { id, rack: None, fenced, silent: false, disk: None };
    let next = |in_sync: &[u32], serves: bool| {
        let held = [1, 4].map(|id| (id, 1 << 20)).into();
        let one = Partition { replicas: vec![1, 4], in_sync: in_sync.to_vec(), leader: Some(1), held };
        let view = View {
            quorum: Some(Vec::new()),
            brokers: vec![broker(1, false), broker(2, false), broker(3, false), broker(4, !serves)],
            partitions: BTreeMap::from([(("later".to_owned(), 0), one)]),
            leaving: [4].into(),
            ..View::default()
        };
        Goal::Balance(Bands::default()).next(&view, Limits::default(), &Patience::default())
    };
    assert_eq!(next(&[1], true), Action::Wait(vec!["later-0 has a replica out of sync".to_owned()]));
    assert!(matches!(next(&[1, 4], true), Action::Start { .. } | Action::Stop { .. }), "{:?}", next(&[1, 4], true));
    // One that is down is started before; where it can't be, that is said at once.
    assert_eq!(next(&[1], false), Action::Done);
}
