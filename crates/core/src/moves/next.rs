//! What a run does next, from what it sees. It is asked again after each action, so a run that was killed anywhere goes on with the
//! first thing that is missing.

use std::collections::{BTreeMap, BTreeSet};

use super::batch::{Limits, Start, batch};
use super::copies::{self, Copies};
use super::leaders::{elections, leader_orders};
use super::state::Bands;
use super::throttle::{ListChange, RateChange, Side, is_ours, lifted, own_entry, own_rate};
use super::view::{Key, Moving, Partition, View, name};
use super::{evacuate, fetch};

/// Seconds after which a move to a broker that does not serve is taken back.
const SILENCE: u64 = 60;
/// Bytes a second that moves need above what is written to their partitions.
pub(super) const LEAST_RATE: u64 = 1 << 20;

/// What time has shown, and what is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patience {
    /// Bytes a second that each broker may use for moves, now and at most.
    pub rate: u64,
    pub most_rate: u64,
    /// Seconds for which each broker has been fenced or silent.
    pub silent: BTreeMap<u32, u64>,
    /// Bytes a second that are written to each partition.
    pub written: BTreeMap<Key, u64>,
    /// Whether what moves has come no nearer for a while.
    pub stalled: bool,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Take away what throttles nothing that moves.
    Lift {
        lists: Vec<ListChange>,
        rates: Vec<RateChange>,
    },
    /// Change the rate of what moves.
    Pace {
        rates: Vec<RateChange>,
        rate: u64,
    },
    /// Throttle these, then reassign them.
    Start {
        lists: Vec<ListChange>,
        rates: Vec<RateChange>,
        moves: Vec<(Key, Vec<u32>)>,
        bytes: u64,
        /// Whether partitions get more replicas than they have.
        more: bool,
    },
    /// Let partitions have these replicas alone, of those that they have.
    Drop(Vec<(Key, Vec<u32>)>),
    /// Take reassignments back, since a target does not serve.
    Cancel(Vec<Key>),
    /// Put replica lists into another order.
    Order(Vec<(Key, Vec<u32>)>),
    /// Let preferred leaders lead.
    Elect(Vec<Key>),
    /// Look again in a while: replicas are being copied, or for these reasons nothing may be started.
    Wait(Vec<String>),
    /// It can't go on.
    Stop {
        why: String,
        remedy: String,
    },
    Done,
}

/// What a run is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Goal {
    /// Each broker has its share.
    Balance(Bands),
    /// The partitions of these topics have so many replicas.
    Copies(BTreeMap<String, Copies>),
    /// This broker, whose disk was empty, has all its replicas in sync.
    Fetch(u32),
}

impl Goal {
    /// What a run does next.
    pub fn next(&self, view: &View, limits: Limits, patience: &Patience) -> Action {
        let action = match self {
            Goal::Balance(bands) => step(view, *bands, limits, patience),
            Goal::Copies(wanted) => copies::step(view, wanted, limits, patience),
            // What it throttles is no move.
            Goal::Fetch(node) => return fetch::step(view, *node, patience),
        };
        let rests = matches!(action, Action::Stop { .. }) || matches!(&action, Action::Wait(why) if !why.is_empty());
        // No run ends, or waits for long, with a throttle of its own on what does not move.
        match idle_rates(view) {
            rates if rests && view.quorum.is_some() && !rates.is_empty() => Action::Lift { lists: Vec::new(), rates },
            _ => action,
        }
    }

    /// The moves that are left beside those under way, and their bytes.
    pub(super) fn later(&self, view: &View) -> (usize, u64) {
        match self {
            Goal::Balance(bands) => {
                let (moves, _) = view.state(*bands).moves();
                (moves.len(), moves.iter().map(|one| one.bytes).sum())
            }
            Goal::Copies(wanted) => copies::Changes::of(view, wanted).copied(),
            Goal::Fetch(_) => (0, 0),
        }
    }

    /// The replicas that are being copied for it, each with the broker that fetches it and the bytes that are left.
    pub fn coming(&self, view: &View) -> Vec<(Key, u32, u64)> {
        let left = |key: &Key, id: u32| {
            let one = view.partitions.get(key)?;
            Some(one.bytes().saturating_sub(one.held.get(&id).copied().unwrap_or_default()))
        };
        let one = |key: &Key, id: u32| (key.clone(), id, left(key, id).unwrap_or_default());
        match self {
            Goal::Fetch(node) => fetch::lacking(view, *node).map(|key| one(key, *node)).collect(),
            _ => ours(view)
                .into_iter()
                .flat_map(|(key, moving)| moving.adding.iter().map(move |id| one(key, *id)))
                .collect(),
        }
    }
}

fn step(view: &View, bands: Bands, limits: Limits, patience: &Patience) -> Action {
    if view.quorum.is_none() {
        return Action::Wait(view.troubles());
    }
    if let Some(action) = evacuate::step(view) {
        return action;
    }
    let lists = over(view);
    if !lists.is_empty() {
        return Action::Lift { lists, rates: Vec::new() };
    }
    if let Some(action) = under_way(view, patience) {
        return action;
    }
    let ours = view.moving.keys().any(|key| view.is_ours(key));
    let troubles = view.troubles();
    let planned = view.state(bands).moves();
    if !troubles.is_empty() && (!planned.0.is_empty() || ours || catches_up(view)) {
        return Action::Wait(troubles);
    }
    let starts = batch(view, bands, limits);
    if !starts.is_empty() {
        return start(view, starts, patience, (own_entry, false));
    }
    if ours || !planned.0.is_empty() && !view.moving.is_empty() {
        return Action::Wait(Vec::new());
    }
    let rates = idle_rates(view);
    if !rates.is_empty() {
        return Action::Lift { lists: Vec::new(), rates };
    }
    if let Some(first) = planned.0.first() {
        return Action::Stop {
            why: format!("no move can be started: broker {} has no room for what it would hold for a while", first.to),
            remedy: "make the volumes larger, or add brokers".to_owned(),
        };
    }
    let mut state = view.state(bands);
    let orders: Vec<(Key, Vec<u32>)> = leader_orders(&mut state)
        .into_iter()
        .map(|number| state.partition(number))
        .map(|one| ((one.topic.clone(), one.index), one.brokers.clone()))
        .filter(|(key, _)| !view.moving.contains_key(key))
        .collect();
    if !orders.is_empty() {
        return Action::Order(orders);
    }
    match elections(view, bands.leaders) {
        none if none.is_empty() => Action::Done,
        wrong => Action::Elect(wrong),
    }
}

/// Whether a broker that leaves and serves has replicas that can't move yet: after its start they come in sync first.
fn catches_up(view: &View) -> bool {
    let leaves =
        |id: &u32| view.leaving.contains(id) && view.brokers.iter().any(|broker| broker.id == *id && broker.is_fit());
    let behind = |(key, one): &(&Key, &Partition)| !view.moving.contains_key(*key) && !view.is_whole_elsewhere(one);
    view.partitions.iter().filter(behind).any(|(_, one)| one.replicas.iter().any(leaves))
}

/// kstack's own moves under way.
fn ours(view: &View) -> BTreeMap<&Key, &Moving> {
    view.moving.iter().filter(|(key, _)| view.is_ours(key)).collect()
}

/// The brokers of these moves.
fn involved(ours: &BTreeMap<&Key, &Moving>) -> BTreeSet<u32> {
    ours.values().flat_map(|one| one.replicas.iter().chain(&one.adding)).copied().collect()
}

/// What the moves under way need: those to a broker that is gone are taken back, those that come no nearer get more.
pub(super) fn under_way(view: &View, patience: &Patience) -> Option<Action> {
    let ours = ours(view);
    let gone = |id: &u32| patience.silent.get(id).is_some_and(|seconds| *seconds >= SILENCE);
    let lost = ours.iter().filter(|(_, one)| one.adding.iter().any(gone));
    let lost: Vec<Key> = lost.map(|(key, _)| (*key).clone()).collect();
    if !lost.is_empty() {
        return Some(Action::Cancel(lost));
    }
    let involved = involved(&ours);
    if patience.stalled && !ours.is_empty() {
        let all: Vec<&Key> = ours.keys().copied().collect();
        return Some(match patience.rate < patience.most_rate {
            true => {
                let rate = patience.rate.saturating_mul(2).min(patience.most_rate);
                Action::Pace { rates: rates(view, &involved, rate), rate }
            }
            false => Action::Stop {
                why: format!("{} come no nearer at {} a second", name_all(&all), super::amount(patience.rate)),
                remedy: "run it again with a higher --throttle; `kstack move cancel` takes back what is under way"
                    .to_owned(),
            },
        });
    }
    let paced = rates(view, &involved, patience.rate);
    (!paced.is_empty()).then_some(Action::Pace { rates: paced, rate: patience.rate })
}

/// The first three.
pub(super) fn name_all(keys: &[&Key]) -> String {
    keys.iter().take(3).map(|key| name(key)).collect::<Vec<_>>().join(", ")
}

/// Throttles the batch and starts it, where the rate is above what is written to what moves.
/// `entry` writes the entries of the throttle's lists; `more` says whether partitions get more replicas.
pub(super) fn start(
    view: &View,
    starts: Vec<Start>,
    patience: &Patience,
    (entry, more): (fn(u32, u32) -> String, bool),
) -> Action {
    let ours = ours(view);
    let mut written: BTreeMap<u32, u64> = BTreeMap::new();
    let adding = starts.iter().map(|one| (&one.key, one.to));
    let under_way = ours.iter().flat_map(|(key, one)| one.adding.iter().map(|id| (*key, *id)));
    for (key, id) in adding.chain(under_way) {
        let mine = patience.written.get(key).copied().unwrap_or_default();
        *written.entry(id).or_default() += mine;
        // Its leader sends all that its new replicas fetch.
        if let Some(leader) = view.partitions.get(key).and_then(|one| one.leader) {
            *written.entry(leader).or_default() += mine;
        }
    }
    let most = written.values().copied().max().unwrap_or_default();
    let needed = most.saturating_mul(2).saturating_add(LEAST_RATE);
    let rate = patience.rate.max(needed);
    if rate > patience.most_rate {
        return Action::Stop {
            why: format!(
                "the throttle is {} a second, and the partitions that would move are written at {}: their new replicas would not catch up",
                super::amount(patience.most_rate),
                super::amount(most)
            ),
            remedy: format!(
                "use a --throttle of at least {} a second, or run it when less is written",
                super::amount(needed)
            ),
        };
    }
    let mut entries: BTreeMap<(String, Side), Vec<String>> = BTreeMap::new();
    let mut involved = involved(&ours);
    for one in &starts {
        let (topic, index) = &one.key;
        let leaders = entries.entry((topic.clone(), Side::Leader)).or_default();
        leaders.extend(one.before.iter().map(|id| entry(*index, *id)));
        entries.entry((topic.clone(), Side::Follower)).or_default().push(entry(*index, one.to));
        involved.extend(one.before.iter().chain([&one.to]));
    }
    let append = |((topic, side), entries)| ListChange::Append { topic, side, entries };
    Action::Start {
        lists: entries.into_iter().map(append).collect(),
        rates: rates(view, &involved, rate),
        bytes: starts.iter().map(|one| one.bytes).sum(),
        moves: starts.into_iter().map(|one| (one.key, one.replicas)).collect(),
        more,
    }
}

/// The rates of these brokers that are not yet kstack's own for `rate`. A rate that others have set stays, and holds for kstack's moves too.
pub(super) fn rates(view: &View, brokers: &BTreeSet<u32>, rate: u64) -> Vec<RateChange> {
    let rate = own_rate(rate);
    let fit = view.brokers.iter().filter(|broker| broker.is_fit() && brokers.contains(&broker.id));
    let each = fit.flat_map(|broker| Side::BOTH.map(|side| (broker.id, side)));
    let other = each.filter(|(id, side)| {
        let now = view.rates.get(id).and_then(|rates| rates.of(*side));
        now.is_none_or(|now| is_ours(now) && now != rate)
    });
    other.map(|(broker, side)| RateChange { broker, side, rate: Some(rate) }).collect()
}

/// kstack's own rates, as the changes that delete them, at brokers that answer.
fn own_rates(view: &View) -> Vec<RateChange> {
    let answers = |id: &u32| view.brokers.iter().any(|broker| broker.id == *id && !broker.silent);
    let all = view.rates.iter().filter(|(id, _)| answers(id));
    let all = all.flat_map(|(id, rates)| Side::BOTH.map(|side| (*id, side, rates.of(side))));
    let own = all.filter(|(_, _, rate)| rate.is_some_and(is_ours));
    own.map(|(broker, side, _)| RateChange { broker, side, rate: None }).collect()
}

/// The entries of kstack's own for what does not move.
pub(super) fn over(view: &View) -> Vec<ListChange> {
    let each = view.lists.iter().flat_map(|(topic, lists)| Side::BOTH.map(|side| (topic, side, lists.of(side))));
    each.filter_map(|(topic, side, list)| {
        lifted(topic, side, list, |partition| view.moving.contains_key(&(topic.clone(), partition)))
    })
    .collect()
}

/// kstack's own rates, where nothing of its own moves.
pub(super) fn idle_rates(view: &View) -> Vec<RateChange> {
    if view.moving.keys().any(|key| view.is_ours(key)) { Vec::new() } else { own_rates(view) }
}

/// Everything that kstack throttles and does not move, as the changes that lift it.
pub fn all_lifted(view: &View) -> (Vec<ListChange>, Vec<RateChange>) {
    (over(view), idle_rates(view))
}
