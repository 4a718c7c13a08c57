//! Runs that give topics another number of replicas, in the model of a cluster: killed at any request, and begun again.

use std::collections::{BTreeMap, BTreeSet};

use kstack_core::moves::{
    Action, Broker, Copies, Disk, Goal, Key, Limits, Moving, Partition, Patience, View, is_of_copies, own_entry,
};
use proptest::prelude::*;

use crate::cases::view;
use crate::runs::{Dice, LIMITS, answer, arrive, holds, requests, throttles};

const PATIENCE: Patience =
    Patience { rate: 64 << 20, most_rate: 64 << 20, silent: BTreeMap::new(), written: BTreeMap::new(), stalled: false };

/// Some topics with a number each.
fn wanted(view: &View, dice: &mut Dice) -> BTreeMap<String, Copies> {
    let topics: BTreeSet<&String> = view.partitions.keys().map(|(topic, _)| topic).collect();
    let brokers = view.brokers.len().min(4) as u64;
    let one = |topic: &String| (topic.clone(), Copies { wanted: 1 + dice.roll(brokers) as usize, least: 1 });
    topics.into_iter().take(4).map(one).collect()
}

/// How many of `replicas` are in the rack of the broker.
fn in_rack(view: &View, replicas: &[u32], broker: u32) -> usize {
    let rack = |id: u32| view.brokers.iter().find(|one| one.id == id).and_then(|one| one.rack.as_ref());
    replicas.iter().filter(|id| rack(**id) == rack(broker)).count()
}

/// Whether others have set a throttle for all replicas of the topic.
fn is_kept(view: &View, topic: &str) -> bool {
    view.lists.get(topic).is_some_and(|lists| lists.all().any(|one| one == "*"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn topics_get_the_copies_that_are_asked_for_wherever_runs_die(start in view(), seed in any::<u64>()) {
        let (mut view, mut dice) = (start.clone(), Dice(seed));
        let goal = wanted(&start, &mut dice);
        let of = Goal::Copies(goal.clone());
        let mut rounds = 0;
        let last = loop {
            rounds += 1;
            prop_assert!(rounds < 5_000, "it does not end");
            let action = of.next(&view, LIMITS, &PATIENCE);
            match &action {
                Action::Done | Action::Stop { .. } => break action,
                Action::Start { moves, .. } => for (key, to) in moves {
                    let before = &view.partitions[key].replicas;
                    prop_assert!(goal.contains_key(&key.0) && !view.moving.contains_key(key));
                    prop_assert_eq!(&to[..before.len()], &before[..], "one more, after those that are there");
                    prop_assert_eq!(to.len(), before.len() + 1);
                    let free = view.brokers.iter().map(|one| one.id).filter(|id| !before.contains(id));
                    let fewest = free.map(|id| in_rack(&view, before, id)).min();
                    prop_assert_eq!(Some(in_rack(&view, before, to[before.len()])), fewest, "a rack with the fewest");
                    prop_assert!(!is_kept(&view, &key.0), "the throttle of others holds for all of it");
                },
                Action::Drop(moves) => for (key, to) in moves {
                    let one = &view.partitions[key];
                    prop_assert!(goal.contains_key(&key.0) && !view.moving.contains_key(key));
                    prop_assert!(to.len() >= goal[&key.0].wanted && to.iter().all(|id| one.replicas.contains(id)));
                },
                _ => {}
            }
            let requests = requests(action);
            let sent = if dice.roll(3) == 0 { dice.roll(requests.len() as u64 + 1) as usize } else { requests.len() };
            let idle = requests.is_empty();
            let mut before = throttles(&view);
            let unfinished = |view: &View| {
                let count = |(key, one): (&Key, &Partition)| goal.get(&key.0).is_some_and(|of| of.wanted != one.replicas.len());
                let marked = |lists: &kstack_core::moves::Lists| lists.all().any(|one| is_of_copies(one));
                view.partitions.iter().any(count) || view.lists.values().any(marked)
            };
            for request in requests.into_iter().take(sent) {
                answer(&mut view, request);
                // As long as anything of kstack's own is left, the next plan sees it.
                let now = throttles(&view);
                prop_assert!(unfinished(&view) || now.is_subset(&throttles(&start)), "{:?}", now.difference(&before));
                before = now;
            }
            holds(&view)?;
            if idle || dice.roll(4) == 0 {
                arrive(&mut view, &mut dice);
            }
        };
        prop_assert_eq!(throttles(&view), throttles(&start), "the throttles of others, and no other");
        prop_assert!(view.moving.is_empty());
        let mut stuck = false;
        for (key, one) in &view.partitions {
            let distinct: BTreeSet<&u32> = one.replicas.iter().collect();
            prop_assert_eq!(distinct.len(), one.replicas.len());
            let was = &start.partitions[key];
            match goal.get(&key.0) {
                None => prop_assert_eq!(one, was),
                Some(of) => {
                    stuck |= one.replicas.len() != of.wanted;
                    prop_assert!(one.replicas.len() >= of.wanted.min(was.replicas.len()), "never fewer than asked for");
                }
            }
        }
        let stops = matches!(last, Action::Stop { .. });
        prop_assert_eq!(stops, stuck, "{:?}", last);
    }

    #[test]
    fn a_view_without_the_controllers_or_a_broker_starts_nothing(mut view in view(), seed in any::<u64>()) {
        let mut dice = Dice(seed);
        let goal = Goal::Copies(wanted(&view, &mut dice));
        match dice.roll(3) {
            0 => view.quorum = None,
            1 => view.brokers[0].fenced = true,
            _ => view.brokers[0].silent = true,
        }
        let action = goal.next(&view, LIMITS, &PATIENCE);
        prop_assert!(matches!(action, Action::Wait(_) | Action::Done | Action::Lift { .. } | Action::Stop { .. }), "{:?}", action);
    }
}

/// Three racks with a broker each, and one broker more in the last.
fn small(replicas: &[u32], leader: u32) -> View {
    let mut view = View { quorum: Some(Vec::new()), ..View::default() };
    view.brokers = [(1, "a"), (2, "b"), (3, "c"), (4, "c")]
        .map(|(id, rack)| Broker { id, rack: Some(rack.to_owned()), fenced: false, silent: false, disk: None })
        .into();
    let held = replicas.iter().map(|id| (*id, 1 << 30)).collect();
    let one = Partition { replicas: replicas.to_vec(), in_sync: replicas.to_vec(), leader: Some(leader), held };
    view.partitions.insert(("t".to_owned(), 0), one);
    view
}

fn next(view: &View, wanted: usize, least: usize) -> Action {
    let goal = Goal::Copies([("t".to_owned(), Copies { wanted, least })].into());
    goal.next(view, Limits::default(), &PATIENCE)
}

fn started(action: Action) -> Vec<u32> {
    match action {
        Action::Start { mut moves, more: true, .. } | Action::Drop(mut moves) if moves.len() == 1 => moves.remove(0).1,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_new_copy_goes_to_a_rack_that_has_none_and_to_its_emptiest_broker() {
    let mut view = small(&[1, 2], 1);
    view.partitions.insert(
        ("other".to_owned(), 0),
        Partition { replicas: vec![3], in_sync: vec![3], leader: Some(3), held: [(3, 9)].into() },
    );
    assert_eq!(started(next(&view, 3, 1)), [1, 2, 4]);
    assert_eq!(started(next(&view, 4, 1)), [1, 2, 4], "one at a time");
    let Action::Stop { why, .. } = next(&small(&[1, 2, 3, 4], 1), 5, 1) else { panic!("there are four brokers") };
    assert!(why.contains("t-0 can't get the copies") && why.contains("too few brokers"), "{why}");
}

#[test]
fn the_leader_stays_and_the_rack_with_the_most_gives() {
    assert_eq!(started(next(&small(&[3, 4, 1], 3), 2, 1)), [3, 1]);
    assert_eq!(started(next(&small(&[4, 3, 1], 3), 2, 1)), [3, 1], "rather than the leader");
    assert_eq!(started(next(&small(&[1, 2, 3], 2), 1, 1)), [2], "all that are too many");
}

#[test]
fn no_fewer_are_left_than_must_be_in_sync_and_none_goes_while_one_is_out() {
    let Action::Stop { why, remedy } = next(&small(&[1, 2, 3], 1), 1, 2) else { panic!("it is refused") };
    assert!(why.contains("t can't have 1 copy") && remedy.contains("min.insync.replicas"), "{why}: {remedy}");
    let mut view = small(&[1, 2, 3], 1);
    view.partitions.get_mut(&("t".to_owned(), 0)).expect("it").in_sync.pop();
    assert!(matches!(next(&view, 2, 1), Action::Wait(why) if why == ["t-0 has a replica out of sync"]));
}

#[test]
fn a_change_under_way_is_known_by_its_throttle_and_can_be_taken_back() {
    assert!(is_of_copies("003:1") && is_of_copies("000:1"));
    assert!(["03:1", "00:1", "3:1", "*", "none", "0030:1"].iter().all(|one| !is_of_copies(one) || *one == "0030:1"));
    assert!(!is_of_copies(&own_entry(0, 1)) && !is_of_copies(&own_entry(10, 1)));
    let more = Moving { replicas: vec![1, 2, 3], adding: vec![3], removing: vec![] };
    assert_eq!((more.target(), more.origin()), (vec![1, 2, 3], vec![1, 2]));
    let fewer = Moving { replicas: vec![1, 2, 3], adding: vec![], removing: vec![3] };
    assert_eq!((fewer.target(), fewer.origin()), (vec![1, 2], vec![1, 2, 3]));
    // The disk that is filled to its limit takes nothing more.
    let mut view = small(&[1, 2], 1);
    view.brokers.iter_mut().for_each(|one| one.disk = Some(Disk { total: 5 << 30, usable: 1 << 30 }));
    let Action::Stop { why, .. } = next(&view, 3, 1) else { panic!("there is no room") };
    assert!(why.contains("has room"), "{why}");
}
