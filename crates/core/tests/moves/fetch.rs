//! A broker that fetches everything anew, throttled: killed at any request, and begun again.

use kstack_core::moves::{Action, Goal, Patience, Side, View, fetching, is_ours, lacking};
use proptest::prelude::*;

use crate::cases::view;
use crate::runs::{Dice, LIMITS, answer, requests, throttles};

const PATIENCE: fn() -> Patience = || Patience { rate: 8 << 20, most_rate: 64 << 20, ..Patience::default() };

/// The view with a broker whose disk is empty, and the broker, which has replicas and does not serve yet.
fn lost(mut view: View, which: u8) -> (View, u32) {
    let id = view.partitions.values().next().expect("a partition").replicas[0];
    let id = view.brokers.get(usize::from(which)).map_or(id, |broker| broker.id);
    view.brokers.iter_mut().filter(|one| one.id == id).for_each(|one| (one.fenced, one.silent) = (true, true));
    for one in view.partitions.values_mut() {
        one.in_sync.retain(|other| *other != id);
        one.held.remove(&id);
        one.leader = one.in_sync.first().copied();
    }
    (view, id)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn p12_a_fetch_that_is_killed_anywhere_ends_and_lifts_its_throttle(view in view(), which in 0..6_u8, seed in any::<u64>()) {
        let (mut view, id) = lost(view, which);
        let (start, mut dice, goal) = (throttles(&view), Dice(seed), Goal::Fetch(id));
        let rates = view.rates.clone();
        let lacked: Vec<_> = lacking(&view, id).cloned().collect();
        let mut rounds = 0;
        loop {
            rounds += 1;
            prop_assert!(rounds < 2_000, "it does not end");
            let action = goal.next(&view, LIMITS, &PATIENCE());
            if action == Action::Done {
                break;
            }
            prop_assert!(!matches!(action, Action::Stop { .. } | Action::Cancel(_) | Action::Drop(_)), "{:?}", action);
            let requests = requests(action);
            let idle = requests.is_empty();
            let sent = if dice.roll(3) == 0 { dice.roll(requests.len() as u64 + 1) as usize } else { requests.len() };
            requests.into_iter().take(sent).for_each(|request| answer(&mut view, request));
            for (broker, now) in &view.rates {
                let before = rates.get(broker).copied().unwrap_or_default();
                let kept = |side: Side| before.of(side).is_none_or(|rate| now.of(side) == Some(rate));
                prop_assert!(Side::BOTH.into_iter().all(kept), "the rates of others stay");
            }
            if !idle {
                continue;
            }
            // Everything is throttled by now: it starts, and then a replica comes.
            let broker = view.brokers.iter_mut().find(|one| one.id == id).expect("the broker");
            if broker.silent {
                prop_assert!(lacking(&view, id).next().is_none() || fetching(&view).is_some() || view.lists.values().any(kstack_core::moves::Lists::is_for_all));
                let broker = view.brokers.iter_mut().find(|one| one.id == id).expect("the broker");
                (broker.fenced, broker.silent) = (false, false);
                continue;
            }
            let left: Vec<_> = lacking(&view, id).cloned().collect();
            if let Some(key) = left.get(dice.roll(left.len().max(1) as u64) as usize) {
                let one = view.partitions.get_mut(key).expect("a partition");
                let bytes = one.bytes();
                one.in_sync.push(id);
                one.held.insert(id, bytes);
            }
        }
        prop_assert_eq!(throttles(&view), start, "P12: the throttles of others, and no other");
        prop_assert!(lacking(&view, id).next().is_none() && fetching(&view).is_none());
        prop_assert!(!view.is_cut_off());
        prop_assert!(lacked.iter().all(|key| view.partitions[key].in_sync.contains(&id)));
    }
}

#[test]
fn leaders_are_throttled_before_the_broker_serves_and_a_plan_takes_it_for_no_move() {
    let broker = |id, out| kstack_core::moves::Broker { id, rack: None, fenced: out, silent: out, disk: None };
    let one = kstack_core::moves::Partition {
        replicas: vec![1, 2, 3],
        in_sync: vec![1, 3],
        leader: Some(1),
        held: [(1, 90 << 20), (3, 90 << 20)].into(),
    };
    let mut view = View {
        quorum: Some(Vec::new()),
        brokers: vec![broker(1, false), broker(2, true), broker(3, false)],
        partitions: [(("orders".to_owned(), 5), one)].into(),
        ..View::default()
    };
    let goal = Goal::Fetch(2);
    let action = goal.next(&view, LIMITS, &PATIENCE());
    assert!(
        matches!(&action, Action::Start { moves, bytes, .. } if moves.is_empty() && *bytes == 90 << 20),
        "{action:?}"
    );
    requests(action).into_iter().for_each(|request| answer(&mut view, request));
    let lists = &view.lists["orders"];
    assert_eq!(
        (&lists.leader[..], &lists.follower[..]),
        (&["0005:1".to_owned(), "0005:3".to_owned()][..], &["0005:2".to_owned()][..])
    );
    assert_eq!(view.rates.keys().copied().collect::<Vec<_>>(), [1, 3], "at brokers that run");
    assert_eq!(goal.next(&view, LIMITS, &PATIENCE()), Action::Wait(vec!["broker 2 does not serve".to_owned()]));
    assert!(!view.is_cut_off() && fetching(&view) == Some(2));
    assert!(view.rates.values().all(|rates| rates.leader.is_some_and(is_ours)));
    view.brokers[1] = broker(2, false);
    let action = goal.next(&view, LIMITS, &PATIENCE());
    assert!(matches!(&action, Action::Pace { rates, .. } if rates.iter().all(|one| one.broker == 2)), "{action:?}");
    requests(action).into_iter().for_each(|request| answer(&mut view, request));
    assert_eq!(goal.next(&view, LIMITS, &PATIENCE()), Action::Wait(Vec::new()));
    let stalled = Patience { stalled: true, ..PATIENCE() };
    assert!(matches!(goal.next(&view, LIMITS, &stalled), Action::Pace { rate, .. } if rate == 16 << 20));
    view.quorum = None;
    assert!(matches!(goal.next(&view, LIMITS, &PATIENCE()), Action::Wait(why) if !why.is_empty()), "P13");
}
