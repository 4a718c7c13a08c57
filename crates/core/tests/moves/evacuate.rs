//! Zones that are evacuated: nothing comes back before that is undone, whatever is killed, and whatever the zone's own brokers do.

use std::collections::BTreeSet;

use kstack_core::moves::{Action, Goal, Left, Mark, Marks, Patience, View};
use proptest::prelude::*;

use crate::cases::{BANDS, view};
use crate::runs::{Dice, LIMITS, answer, arrive, holds, requests, throttles};

const PATIENCE: u64 = 64 << 20;

fn zone(view: &View, rack: &str, left: Left) -> Marks {
    let there = view.brokers.iter().filter(|one| one.rack.as_deref() == Some(rack));
    there.take(1).map(|one| (one.id, Mark { left, zone: "eu-west-1a".to_owned() })).collect()
}

/// Runs until nothing is left to do, killed now and then; `each` sees every action before it is done.
fn run(view: &mut View, dice: &mut Dice, each: &mut dyn FnMut(&View, &Action)) -> Result<Action, TestCaseError> {
    let patience = Patience { rate: PATIENCE, most_rate: PATIENCE, ..Patience::default() };
    for _ in 0..5_000 {
        let action = Goal::Balance(BANDS).next(view, LIMITS, &patience);
        each(view, &action);
        if matches!(action, Action::Done | Action::Stop { .. }) {
            return Ok(action);
        }
        let requests = requests(action);
        let idle = requests.is_empty();
        let sent = if dice.roll(3) == 0 { dice.roll(requests.len() as u64 + 1) as usize } else { requests.len() };
        requests.into_iter().take(sent).for_each(|request| answer(view, request));
        holds(view)?;
        if idle || dice.roll(4) == 0 {
            arrive(view, dice);
        }
        // What has arrived on brokers that are silent is not in sync there.
        if idle && view.moving.is_empty() && !view.troubles().is_empty() {
            return Err(TestCaseError::fail(format!("it waits for ever: {:?}", view.troubles())));
        }
    }
    Err(TestCaseError::fail("it does not end"))
}

/// The zone's brokers serve nobody, and their replicas are out of sync.
fn silence(view: &mut View, ids: &BTreeSet<u32>) {
    view.brokers.iter_mut().filter(|one| ids.contains(&one.id)).for_each(|one| (one.fenced, one.silent) = (true, true));
    for one in view.partitions.values_mut() {
        one.in_sync.retain(|id| !ids.contains(id));
        one.held.retain(|id, _| !ids.contains(id));
        one.leader = one.in_sync.first().copied();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    #[test]
    fn what_is_evacuated_gets_nothing_until_that_is_undone(
        start in view(), seed in any::<u64>(), replicas in any::<bool>(), silent in any::<bool>(),
    ) {
        let mut dice = Dice(seed);
        let left = if replicas { Left::Replicas } else { Left::Leaders };
        let marks = zone(&start, "z0", left);
        prop_assume!(!marks.is_empty());
        let mut view = start.clone().evacuating(&marks);
        let there: BTreeSet<u32> = view.evacuated.keys().copied().collect();
        let of_rack = start.brokers.iter().filter(|one| one.rack.as_deref() == Some("z0")).count();
        prop_assert_eq!(there.len(), of_rack, "one mark is for all of its rack");
        prop_assume!(there.len() < start.brokers.len());
        if silent {
            silence(&mut view, &there);
            // What has no copy elsewhere is lost with it, or comes back with it: nothing can be done for it here.
            view.partitions.retain(|_, one| one.leader.is_some());
        }
        let before = view.clone();
        let mut failure: Option<String> = None;
        let ended = run(&mut view, &mut dice, &mut |view, action| {
            let (Action::Start { .. } | Action::Order(_) | Action::Elect(_)) = action else { return };
            if let Action::Start { moves, .. } = action {
                if left == Left::Leaders {
                    failure = Some("leaders alone leave, and no data moves".to_owned());
                }
                if !view.leaders_away().is_empty() || !view.led_there().is_empty() {
                    failure = Some("leaders leave first".to_owned());
                }
                for (key, to) in moves {
                    let old = &view.partitions[key].replicas;
                    if to.iter().any(|id| there.contains(id) && !old.contains(id)) {
                        failure = Some(format!("{key:?} goes back to the zone"));
                    }
                    if !old.iter().any(|id| there.contains(id)) && !before.partitions[key].replicas.iter().any(|id| there.contains(id)) {
                        // Racks may be crowded without the zone; nothing else moves.
                        let racks: Vec<_> = old.iter().map(|id| view.brokers.iter().find(|one| one.id == *id).and_then(|one| one.rack.clone())).collect();
                        let apart: BTreeSet<_> = racks.iter().collect();
                        if apart.len() == racks.len() {
                            failure = Some(format!("{key:?} moves for balance"));
                        }
                    }
                }
            }
        })?;
        prop_assert_eq!(failure, None);
        prop_assert!(view.leaders_away().is_empty() && view.led_there().is_empty());
        let alone = view.led_by_nobody_else().len();
        let led = view.partitions.values().filter(|one| one.leader.is_some_and(|id| there.contains(&id))).count();
        prop_assert_eq!(led, alone, "nothing is led there that others can lead");
        prop_assert_eq!(throttles(&view), throttles(&before));
        match left {
            Left::Leaders => {
                for (key, one) in &view.partitions {
                    let set = |ids: &[u32]| ids.iter().copied().collect::<BTreeSet<u32>>();
                    prop_assert_eq!(set(&one.replicas), set(&before.partitions[key].replicas));
                }
            }
            Left::Replicas => {
                let kept = view.kept_topics();
                let mut state = view.state(BANDS);
                let (moves, stuck) = state.moves();
                for (key, one) in view.partitions.iter().filter(|(_, one)| one.replicas.iter().any(|id| there.contains(id))) {
                    let held = kept.contains(&key.0) || matches!(ended, Action::Stop { .. });
                    let no_room = stuck.iter().any(|one| (&state.partition(one.partition).topic, state.partition(one.partition).index) == (&key.0, key.1));
                    prop_assert!(held || no_room, "{:?} is there still: {:?}, {:?}", key, one.replicas, moves);
                }
            }
        }
        // And back.
        if !silent {
            view.evacuated.clear();
            run(&mut view, &mut dice, &mut |_, _| {})?;
            prop_assert_eq!(throttles(&view), throttles(&start));
            for (key, one) in &view.partitions {
                prop_assert_eq!(one.replicas.len(), start.partitions[key].replicas.len());
            }
        }
    }
}

#[test]
fn a_mark_is_read_as_it_is_written() {
    for left in [Left::Leaders, Left::Replicas] {
        let mark = Mark { left, zone: "eu-west-1a".to_owned() };
        assert_eq!(Mark::parse(&mark.value()), Some(mark));
    }
    assert_eq!(Mark::parse("all eu-west-1a"), None);
    assert_eq!(Mark::parse("leaders"), None);
}
