//! Preferred leaders: the order of the replica lists, and elections. No data moves.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::state::{Place, State};
use super::view::{Key, View};

/// How many partitions each fit broker is the preferred leader of, and the band in which that should be.
fn preferred(state: &State) -> (BTreeMap<usize, BTreeSet<usize>>, (usize, usize)) {
    let mut leads: BTreeMap<usize, BTreeSet<usize>> = state.fit.iter().map(|at| (*at, BTreeSet::new())).collect();
    let mut all = 0;
    for (partition, list) in state.lists.iter().enumerate() {
        if let Some(mine) = list.first().and_then(|at| leads.get_mut(at)) {
            mine.insert(partition);
            all += 1;
        }
    }
    (leads, band(all, state.fit.len(), state.bands.leaders))
}

/// The fewest and the most that a broker should lead.
fn band(all: usize, brokers: usize, percent: u64) -> (usize, usize) {
    let (brokers, percent) = (brokers.max(1), usize::try_from(percent).unwrap_or_default());
    let (low, high) = (all * 100_usize.saturating_sub(percent) / 100 / brokers, all * (100 + percent));
    (low, high.div_ceil(100 * brokers))
}

/// How many partitions each broker leads at present, by id.
pub fn leader_counts(view: &View) -> BTreeMap<u32, usize> {
    let mut counts: BTreeMap<u32, usize> = view.brokers.iter().map(|broker| (broker.id, 0)).collect();
    for leader in view.partitions.values().filter_map(|one| one.leader) {
        *counts.entry(leader).or_default() += 1;
    }
    counts
}

/// The replica lists that are put into another order, so that each broker is the preferred leader of its share; none where that is
/// so. The leadership of a broker with too many goes along a chain of partitions to one with too few.
pub fn leader_orders(state: &mut State) -> Vec<usize> {
    let (mut leads, (low, high)) = preferred(state);
    let mut changed: BTreeSet<usize> = BTreeSet::new();
    loop {
        let order = || {
            let mut order: Vec<usize> = leads.keys().copied().collect();
            order.sort_by_key(|at| (std::cmp::Reverse(leads[at].len()), *at));
            order
        };
        let few = leads.values().any(|mine| mine.len() < low);
        let giving = |at: &usize| leads[at].len() > high || few && leads[at].len() > low;
        let Some(path) = order().into_iter().filter(giving).find_map(|at| path(state, &leads, at, (low, high))) else {
            return changed.into_iter().collect();
        };
        for (partition, from, to) in path {
            if let Some(mine) = leads.get_mut(&from) {
                mine.remove(&partition);
            }
            leads.entry(to).or_default().insert(partition);
            let list = &mut state.lists[partition];
            if let Some(position) = list.iter().position(|at| *at == to) {
                list.swap(0, position);
                state.partitions[partition].brokers.swap(0, position);
            }
            changed.insert(partition);
        }
    }
}

/// A chain of partitions by which `start` leads one fewer, and a broker that may have one more leads it. The shortest.
fn path(
    state: &State,
    leads: &BTreeMap<usize, BTreeSet<usize>>,
    start: usize,
    (low, high): (usize, usize),
) -> Option<Vec<(usize, usize, usize)>> {
    let mut from: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for partition in leads.get(&at).into_iter().flatten().filter(|one| !state.partitions[**one].pinned) {
            for to in state.lists[*partition].iter().skip(1).copied() {
                if to == start || from.contains_key(&to) || state.nodes[to].place != Place::Fit {
                    continue;
                }
                from.insert(to, (*partition, at));
                let count = leads.get(&to).map_or(0, BTreeSet::len);
                let too_many = leads.get(&start).map_or(0, BTreeSet::len) > high;
                if count < low || too_many && count < high {
                    let mut path = Vec::new();
                    let mut end = to;
                    while let Some((partition, before)) = from.get(&end) {
                        path.push((*partition, *before, end));
                        end = *before;
                    }
                    path.reverse();
                    return Some(path);
                }
                queue.push_back(to);
            }
        }
    }
    None
}

/// The partitions that should be led by their preferred leader, which is in sync; none where every broker leads its share anyway.
pub fn elections(view: &View, percent: u64) -> Vec<Key> {
    // What else is led by others than it should be waits for the end of that.
    if !view.evacuated.is_empty() {
        return view.led_there();
    }
    let counts = leader_counts(view);
    let fit: Vec<u32> = view.brokers.iter().filter(|broker| broker.is_fit()).map(|broker| broker.id).collect();
    let (low, high) = band(counts.values().sum(), fit.len(), percent);
    if fit.iter().all(|id| (low..=high).contains(&counts.get(id).copied().unwrap_or_default())) {
        return Vec::new();
    }
    led_by_others(view)
}

/// The partitions that their preferred leader does not lead, though it is in sync: as a roll leaves them behind.
pub fn led_by_others(view: &View) -> Vec<Key> {
    let wrong = view.partitions.iter().filter(|(_, one)| {
        one.replicas.first().is_some_and(|first| one.leader != Some(*first) && one.in_sync.contains(first))
    });
    wrong.map(|(key, _)| key.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::view::Partition;
    use super::*;

    #[test]
    fn what_others_lead_is_elected_once_the_preferred_leader_is_in_sync() {
        let partition = |leader, in_sync: &[u32]| Partition {
            replicas: vec![1, 2, 3],
            in_sync: in_sync.to_vec(),
            leader,
            held: BTreeMap::new(),
        };
        let all = [
            partition(Some(1), &[1, 2, 3]),
            partition(Some(2), &[2, 3, 1]),
            partition(Some(2), &[2, 3]),
            partition(None, &[1]),
        ];
        let key = |number: u32| ("orders".to_owned(), number);
        let view = View { partitions: (0..).map(key).zip(all).collect(), ..View::default() };
        assert_eq!(led_by_others(&view), [key(1), key(3)]);
    }
}
