//! Runs in a model of a cluster: killed at any request, and begun again.

use std::collections::{BTreeMap, BTreeSet};

use kstack_core::moves::{
    Action, Bands, Goal, Key, Limits, ListChange, Moving, Patience, RateChange, Room, Side, View, what_holds,
};
use proptest::prelude::*;

use crate::cases::{BANDS, view};

pub const LIMITS: Limits = Limits { at_once: 4, per_broker: 2, bytes: 2_000_000_000 };

fn next(view: &View, bands: Bands, limits: Limits, patience: &Patience) -> Action {
    Goal::Balance(bands).next(view, limits, patience)
}

/// Numbers from a seed.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// A request to the model: each is whole, and a run may be killed between two.
pub enum Request {
    List(ListChange),
    Rate(RateChange),
    Reassign(Key, Vec<u32>),
    Cancel(Key),
    Elect(Key),
}

pub fn requests(action: Action) -> Vec<Request> {
    let lists = |lists: Vec<ListChange>| lists.into_iter().map(Request::List);
    let rates = |rates: Vec<RateChange>| rates.into_iter().map(Request::Rate);
    match action {
        Action::Lift { lists: all, rates: of } => lists(all).chain(rates(of)).collect(),
        Action::Pace { rates: all, .. } => rates(all).collect(),
        Action::Start { lists: all, rates: of, moves, .. } => {
            let moves = moves.into_iter().map(|(key, to)| Request::Reassign(key, to));
            lists(all).chain(rates(of)).chain(moves).collect()
        }
        Action::Cancel(keys) => keys.into_iter().map(Request::Cancel).collect(),
        Action::Drop(all) | Action::Order(all) => all.into_iter().map(|(key, to)| Request::Reassign(key, to)).collect(),
        Action::Elect(keys) => keys.into_iter().map(Request::Elect).collect(),
        Action::Wait(_) | Action::Stop { .. } | Action::Done => Vec::new(),
    }
}

pub fn answer(view: &mut View, request: Request) {
    match request {
        Request::List(ListChange::Append { topic, side, entries }) => {
            let lists = view.lists.entry(topic).or_default();
            let list = if side == Side::Leader { &mut lists.leader } else { &mut lists.follower };
            for entry in entries {
                if !list.contains(&entry) {
                    list.push(entry);
                }
            }
        }
        Request::List(ListChange::Remove { topic, side, entries }) => {
            let lists = view.lists.entry(topic).or_default();
            let list = if side == Side::Leader { &mut lists.leader } else { &mut lists.follower };
            list.retain(|one| !entries.contains(one));
        }
        Request::List(ListChange::Delete { topic, side }) => {
            let lists = view.lists.entry(topic).or_default();
            *(if side == Side::Leader { &mut lists.leader } else { &mut lists.follower }) = Vec::new();
        }
        Request::Rate(RateChange { broker, side, rate }) => {
            let rates = view.rates.entry(broker).or_default();
            *(if side == Side::Leader { &mut rates.leader } else { &mut rates.follower }) = rate;
        }
        Request::Reassign(key, to) => {
            let one = view.partitions.get_mut(&key).expect("a partition");
            let adding: Vec<u32> = to.iter().filter(|id| !one.replicas.contains(id)).copied().collect();
            let removing: Vec<u32> = one.replicas.iter().filter(|id| !to.contains(id)).copied().collect();
            if adding.is_empty() {
                // Nothing is copied, so Kafka is done at once.
                assert!(one.leader.is_some_and(|leader| to.contains(&leader)), "the leader stays");
                one.in_sync.retain(|id| to.contains(id));
                one.held.retain(|id, _| to.contains(id));
                one.replicas = to;
            } else {
                one.replicas = to.iter().chain(&removing).copied().collect();
                view.moving.insert(key, Moving { replicas: one.replicas.clone(), adding, removing });
            }
        }
        Request::Cancel(key) => {
            let moving = view.moving.remove(&key).expect("a move");
            let one = view.partitions.get_mut(&key).expect("a partition");
            one.replicas.retain(|id| !moving.adding.contains(id));
            one.held.retain(|id, _| !moving.adding.contains(id));
        }
        Request::Elect(key) => {
            let one = view.partitions.get_mut(&key).expect("a partition");
            one.leader = one.replicas.first().copied();
        }
    }
}

/// The copies of one move arrive.
pub fn arrive(view: &mut View, dice: &mut Dice) {
    let keys: Vec<Key> = view.moving.keys().cloned().collect();
    if keys.is_empty() {
        return;
    }
    let key = keys[dice.roll(keys.len() as u64) as usize].clone();
    let Some(moving) = view.moving.remove(&key) else { return };
    let one = view.partitions.get_mut(&key).expect("a partition");
    let bytes = one.bytes();
    one.replicas = moving.target();
    one.in_sync = one.replicas.clone();
    one.held = one.replicas.iter().map(|id| (*id, bytes)).collect();
    if one.leader.is_none_or(|id| !one.replicas.contains(&id)) {
        one.leader = one.replicas.first().copied();
    }
    disks(view);
}

/// What is on the disks after the change, and what they have left.
fn disks(view: &mut View) {
    let mut used: BTreeMap<u32, u64> = BTreeMap::new();
    for (id, bytes) in view.partitions.values().flat_map(|one| &one.held) {
        *used.entry(*id).or_default() += bytes;
    }
    for broker in &mut view.brokers {
        let disk = broker.disk.as_mut().expect("a disk");
        disk.usable = disk.total.saturating_sub(used.get(&broker.id).copied().unwrap_or_default());
    }
}

/// Sees that nothing is fetched that no volume has room for, even if all of it comes and nothing goes.
pub fn holds(view: &View) -> Result<(), TestCaseError> {
    let room = Room::of(view);
    for id in view.moving.values().flat_map(|one| &one.adding) {
        prop_assert!(room.is_for(*id, 0), "P7: broker {} would be above its limit", id);
    }
    prop_assert!(view.moving.len() <= LIMITS.at_once, "P8: at once");
    for moving in view.moving.values() {
        prop_assert!(moving.adding.len() <= 1, "P8: one replica of a partition at a time");
    }
    let mut fetching: BTreeMap<u32, usize> = BTreeMap::new();
    view.moving.values().flat_map(|one| &one.adding).for_each(|id| *fetching.entry(*id).or_default() += 1);
    prop_assert!(fetching.values().all(|count| *count <= LIMITS.per_broker), "P8: a broker");
    Ok(())
}

/// Every throttle of a broker or a topic.
pub fn throttles(view: &View) -> BTreeSet<String> {
    let rates = view.rates.iter().flat_map(|(id, one)| Side::BOTH.map(|side| Some((*id, side, one.of(side)?))));
    let rates = rates.flatten().map(|(id, side, rate)| format!("{id} {side:?} {rate}"));
    let lists = view.lists.iter().flat_map(|(topic, lists)| Side::BOTH.map(|side| (topic, side, lists.of(side))));
    let lists = lists.filter(|(_, _, list)| !list.is_empty());
    rates.chain(lists.map(|(topic, side, list)| format!("{topic} {side:?} {list:?}"))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn p7_p8_p12_a_run_that_is_killed_anywhere_ends_and_lifts_its_throttle(start in view(), seed in any::<u64>()) {
        let (mut view, mut dice) = (start.clone(), Dice(seed));
        let patience = Patience { rate: 64 << 20, most_rate: 64 << 20, ..Patience::default() };
        let mut rounds = 0;
        loop {
            rounds += 1;
            prop_assert!(rounds < 5_000, "it does not end");
            let action = next(&view, BANDS, LIMITS, &patience);
            match &action {
                Action::Done | Action::Stop { .. } => break,
                Action::Start { moves, .. } => {
                    for (key, to) in moves {
                        prop_assert!(!view.moving.contains_key(key), "P8: it moves already");
                        prop_assert_eq!(to.len(), view.partitions[key].replicas.len(), "P1");
                        let kept = view.lists.get(&key.0).is_some_and(|lists| lists.all().any(|one| one == "*"));
                        prop_assert!(!kept, "the throttle of others holds for all of it");
                    }
                }
                _ => {}
            }
            let requests = requests(action);
            // Killed before any of its requests, or not at all.
            let sent = if dice.roll(3) == 0 { dice.roll(requests.len() as u64 + 1) as usize } else { requests.len() };
            let idle = requests.is_empty();
            requests.into_iter().take(sent).for_each(|request| answer(&mut view, request));
            holds(&view)?;
            if idle || dice.roll(4) == 0 {
                arrive(&mut view, &mut dice);
            }
        }
        prop_assert!(view.moving.is_empty());
        prop_assert_eq!(throttles(&view), throttles(&start), "P12: the throttles of others, and no other");
        for (key, one) in &view.partitions {
            prop_assert_eq!(one.replicas.len(), start.partitions[key].replicas.len());
        }
        let mut state = view.state(BANDS);
        let left = state.moves().0.len();
        let stopped = matches!(next(&view, BANDS, LIMITS, &patience), Action::Stop { .. });
        prop_assert!(left == 0 || stopped, "{} moves are left", left);
    }

    #[test]
    fn p13_a_view_without_the_controllers_enables_nothing(mut view in view(), seed in any::<u64>()) {
        let mut dice = Dice(seed);
        let patience = Patience { rate: 64 << 20, most_rate: 64 << 20, stalled: true, ..Patience::default() };
        for _ in 0..dice.roll(4) {
            let action = next(&view, BANDS, LIMITS, &Patience { stalled: false, ..patience.clone() });
            requests(action).into_iter().for_each(|request| answer(&mut view, request));
        }
        view.quorum = None;
        let waits = matches!(next(&view, BANDS, LIMITS, &patience), Action::Wait(why) if !why.is_empty());
        prop_assert!(waits);
        prop_assert!(!what_holds(&view, 999).is_empty());
    }

    #[test]
    fn nothing_is_started_while_a_broker_or_a_replica_is_out(mut view in view(), which in any::<u8>()) {
        let patience = Patience { rate: 64 << 20, most_rate: 64 << 20, ..Patience::default() };
        let at = usize::from(which) % view.brokers.len();
        match which % 3 {
            0 => view.brokers[at].fenced = true,
            1 => view.brokers[at].silent = true,
            _ => {
                let one = view.partitions.values_mut().next().expect("a partition");
                one.in_sync.clear();
            }
        }
        let action = next(&view, BANDS, LIMITS, &patience);
        let starts = matches!(action, Action::Start { .. });
        prop_assert!(!starts, "{:?}", action);
    }

    #[test]
    fn p10_a_broker_goes_only_when_nothing_names_it(mut view in view(), which in any::<u8>(), where_ in 0..4_u8) {
        let id = view.brokers[usize::from(which) % view.brokers.len()].id;
        let names = view.partitions.values().any(|one| one.replicas.contains(&id) || one.held.contains_key(&id));
        prop_assert_eq!(what_holds(&view, id).is_empty(), !names);
        // Emptied, and then named by one of the three.
        for one in view.partitions.values_mut() {
            one.replicas.retain(|one| *one != id);
            one.held.remove(&id);
        }
        prop_assert!(what_holds(&view, id).is_empty());
        let key = view.partitions.keys().next().expect("a partition").clone();
        match where_ {
            0 => view.partitions.get_mut(&key).expect("it").replicas.push(id),
            1 => drop(view.partitions.get_mut(&key).expect("it").held.insert(id, 0)),
            2 => drop(view.moving.insert(key, Moving { adding: vec![id], ..Moving::default() })),
            _ => view.brokers.iter_mut().filter(|one| one.id == id).for_each(|one| one.silent = true),
        }
        prop_assert!(!what_holds(&view, id).is_empty());
    }
}

#[test]
fn a_move_to_a_broker_that_does_not_serve_is_taken_back() {
    let mut view = View { quorum: Some(Vec::new()), ..View::default() };
    let moving = Moving { replicas: vec![1, 4, 3, 2], adding: vec![4], removing: vec![2] };
    assert_eq!((moving.target(), moving.origin()), (vec![1, 4, 3], vec![1, 2, 3]));
    view.moving.insert(("t".to_owned(), 0), moving);
    view.partitions.insert(("t".to_owned(), 0), Default::default());
    view.lists.entry("t".to_owned()).or_default().follower.push(kstack_core::moves::own_entry(0, 4));
    let mut patience = Patience { rate: 1 << 20, most_rate: 1 << 20, ..Patience::default() };
    patience.silent.insert(4, 59);
    assert!(!matches!(next(&view, BANDS, LIMITS, &patience), Action::Cancel(_)));
    patience.silent.insert(4, 60);
    assert_eq!(next(&view, BANDS, LIMITS, &patience), Action::Cancel(vec![("t".to_owned(), 0)]));
    // What others move is theirs.
    view.lists.clear();
    assert!(!matches!(next(&view, BANDS, LIMITS, &patience), Action::Cancel(_)));
}

#[test]
fn a_throttle_below_what_is_written_is_refused() {
    use kstack_core::moves::{Broker, Partition};
    let mut view = View { quorum: Some(Vec::new()), ..View::default() };
    view.brokers = (1..=2).map(|id| Broker { id, rack: None, fenced: false, silent: false, disk: None }).collect();
    for index in 0..4 {
        let one = Partition { replicas: vec![1], in_sync: vec![1], leader: Some(1), held: [(1, 1 << 30)].into() };
        view.partitions.insert(("t".to_owned(), index), one);
    }
    let mut patience = Patience { rate: 4 << 20, most_rate: 4 << 20, ..Patience::default() };
    assert!(matches!(next(&view, BANDS, Limits::default(), &patience), Action::Start { .. }));
    patience.written = (0..4).map(|index| (("t".to_owned(), index), 2 << 20)).collect();
    let Action::Stop { why, remedy } = next(&view, BANDS, Limits::default(), &patience) else { panic!("it starts") };
    assert!(why.contains("would not catch up"), "{why}");
    assert!(remedy.contains("--throttle of at least 9 MiB"), "{remedy}");
    // With more to spare it takes more.
    patience.most_rate = 64 << 20;
    let Action::Start { rates, .. } = next(&view, BANDS, Limits::default(), &patience) else { panic!("it waits") };
    assert!(rates.iter().all(|one| one.rate.is_some_and(|rate| rate >= 9 << 20)), "{rates:?}");
}
