//! A broker whose disk was lost, and that fetches its replicas anew. Kafka does that by itself; here is the throttle of it, and when it is done.
//!
//! The leaders have their throttle before the broker starts, since it begins to fetch at once; its own rate can be set only at itself,
//! once it runs. The entries of the lists tell later runs of what was begun, so at the end the rates go before them.

use std::collections::{BTreeMap, BTreeSet};

use super::next::{Action, LEAST_RATE, Patience, idle_rates, over, rates};
use super::throttle::{ListChange, Lists, Side, fetch_entry, is_of_fetch};
use super::view::{Broker, Key, View};

/// The partitions of which the broker is to have a replica, and has none in sync.
pub fn lacking(view: &View, node: u32) -> impl Iterator<Item = &Key> {
    let lacks = move |key: &Key, replicas: &[u32], in_sync: &[u32]| {
        let moves = view.moving.get(key).is_some_and(|moving| moving.adding.contains(&node));
        replicas.contains(&node) && !in_sync.contains(&node) && !moves
    };
    view.partitions.iter().filter(move |(key, one)| lacks(key, &one.replicas, &one.in_sync)).map(|(key, _)| key)
}

/// The broker for which a throttle of such a fetch is there: it was begun, and has not come to its end.
pub fn fetching(view: &View) -> Option<u32> {
    // Only what fetches is in the lists of followers.
    let mut entries = view.lists.values().flat_map(|lists| &lists.follower).filter(|entry| is_of_fetch(entry));
    let node = |entry: &String| entry.split_once(':').and_then(|(_, node)| node.parse().ok());
    let found = entries.find_map(node);
    // One that died between the two lists of a topic.
    found.or_else(|| view.lists.values().flat_map(Lists::all).filter(|entry| is_of_fetch(entry)).find_map(node))
}

/// What a run for this broker does next.
pub(super) fn step(view: &View, node: u32, patience: &Patience) -> Action {
    if view.quorum.is_none() {
        return Action::Wait(view.troubles());
    }
    let lacking: Vec<&Key> = lacking(view, node).collect();
    if lacking.is_empty() {
        return match (idle_rates(view), over(view)) {
            (rates, _) if !rates.is_empty() => Action::Lift { lists: Vec::new(), rates },
            (_, lists) if !lists.is_empty() => Action::Lift { lists, rates: Vec::new() },
            _ => Action::Done,
        };
    }
    let (mut entries, mut involved) = (BTreeMap::<(String, Side), Vec<String>>::new(), BTreeSet::from([node]));
    let (mut bytes, mut written) = (0_u64, 0_u64);
    for key in lacking {
        let (Some(one), lists) = (view.partitions.get(key), view.lists.get(&key.0)) else { continue };
        involved.extend(&one.in_sync);
        written += patience.written.get(key).copied().unwrap_or_default();
        // Beside a list for all replicas nothing may be put.
        if lists.is_some_and(Lists::is_for_all) {
            continue;
        }
        let mut add = |side: Side, id: u32| {
            let entry = fetch_entry(key.1, id);
            if lists.is_none_or(|lists| !lists.of(side).contains(&entry)) {
                entries.entry((key.0.clone(), side)).or_default().push(entry);
                bytes += one.bytes() * u64::from(side == Side::Follower);
            }
        };
        one.in_sync.iter().for_each(|id| add(Side::Leader, *id));
        add(Side::Follower, node);
    }
    // Below what is written it would never catch up.
    let rate = patience.rate.max(written.saturating_mul(2).saturating_add(LEAST_RATE)).min(patience.most_rate);
    if !entries.is_empty() {
        let append = |((topic, side), entries)| ListChange::Append { topic, side, entries };
        let lists = entries.into_iter().map(append).collect();
        return Action::Start { lists, rates: rates(view, &involved, rate), moves: Vec::new(), bytes, more: false };
    }
    if patience.stalled && patience.rate < patience.most_rate {
        let rate = rate.max(patience.rate.saturating_mul(2)).min(patience.most_rate);
        return Action::Pace { rates: rates(view, &involved, rate), rate };
    }
    let paced = rates(view, &involved, rate);
    if !paced.is_empty() {
        return Action::Pace { rates: paced, rate };
    }
    let serves = view.brokers.iter().any(|broker| broker.id == node && Broker::is_fit(broker));
    Action::Wait(if serves { Vec::new() } else { vec![format!("broker {node} does not serve")] })
}
