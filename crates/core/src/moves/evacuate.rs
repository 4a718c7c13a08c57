//! Brokers of a zone that is emptied on purpose: they lead nothing and get nothing, and where that was asked for their replicas go too.
//!
//! Leaders leave first, by the order of replica lists and elections: that copies nothing, and needs no more than a replica in sync elsewhere.
//! So it is done while the zone's own brokers are fenced or silent, and whatever else waits. While a zone is evacuated nothing moves for balance.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::next::Action;
use super::view::{Key, Partition, View};
use crate::text::all_of;

/// Partitions whose lists change, or that elect, in one request: the controllers take no more than 10,000 records at once.
const AT_ONCE: usize = 1000;

/// What leaves a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Left {
    /// Leaders alone: the brokers keep their replicas and follow.
    Leaders,
    /// Everything.
    Replicas,
}

/// That a broker is in a zone that is evacuated.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Mark {
    pub left: Left,
    /// The zone's name.
    pub zone: String,
}

/// The brokers of evacuated zones, by id.
pub type Marks = BTreeMap<u32, Mark>;

impl Mark {
    /// As the value of a tag: `leaders eu-west-1a`.
    pub fn value(&self) -> String {
        let word = match self.left {
            Left::Leaders => "leaders",
            Left::Replicas => "replicas",
        };
        format!("{word} {}", self.zone)
    }

    /// What the value of a tag says.
    pub fn parse(value: &str) -> Option<Mark> {
        let (word, zone) = value.split_once(' ')?;
        let left = match word {
            "leaders" => Left::Leaders,
            "replicas" => Left::Replicas,
            _ => return None,
        };
        Some(Mark { left, zone: zone.to_owned() })
    }
}

impl View {
    /// The same where the zones of these brokers are evacuated: with them every broker of their racks, also one that came since.
    #[must_use]
    pub fn evacuating(mut self, marks: &Marks) -> View {
        let rack = |id: &u32| self.brokers.iter().find(|one| one.id == *id)?.rack.clone();
        let racks: BTreeMap<String, &Mark> = marks.iter().filter_map(|(id, mark)| Some((rack(id)?, mark))).collect();
        let of_rack = |id: u32, name: &Option<String>| Some((id, (*racks.get(name.as_ref()?)?).clone()));
        let mut all = marks.clone();
        all.extend(self.brokers.iter().filter_map(|one| of_rack(one.id, &one.rack)));
        self.evacuated = all;
        self
    }

    /// Whether the broker's replicas have to go.
    pub(super) fn gives_up(&self, id: u32) -> bool {
        self.leaving.contains(&id) || self.evacuated.get(&id).is_some_and(|mark| mark.left == Left::Replicas)
    }

    /// Whether the broker's zone is evacuated, and nothing is on it any more: it may be stopped.
    pub fn is_emptied(&self, id: u32) -> bool {
        self.evacuated.get(&id).is_some_and(|mark| mark.left == Left::Replicas) && !self.names(id)
    }

    /// Whether nothing but leaders leaves: then no replica moves at all.
    pub(super) fn keeps_all(&self) -> bool {
        let only = self.evacuated.values().all(|mark| mark.left == Left::Leaders);
        !self.evacuated.is_empty() && self.leaving.is_empty() && only
    }

    /// Whether the partition has a leader, and all its replicas outside of evacuated zones are in sync.
    pub(super) fn is_whole_elsewhere(&self, one: &Partition) -> bool {
        let counts = |id: &&u32| !self.evacuated.contains_key(*id);
        one.leader.is_some() && one.replicas.iter().filter(counts).all(|id| one.in_sync.contains(id))
    }

    /// Whether the broker may be made the leader of the partition.
    fn may_lead(&self, id: u32, one: &Partition) -> bool {
        let fit = self.brokers.iter().any(|broker| broker.id == id && broker.is_fit());
        fit && one.in_sync.contains(&id) && !self.evacuated.contains_key(&id) && !self.leaving.contains(&id)
    }

    /// The replica lists that an evacuated broker is first in and another one can be: those get the one that is first in the fewest.
    pub fn leaders_away(&self) -> Vec<(Key, Vec<u32>)> {
        if self.evacuated.is_empty() {
            return Vec::new();
        }
        let mut first: BTreeMap<u32, usize> = BTreeMap::new();
        self.partitions.values().filter_map(|one| one.replicas.first()).for_each(|id| {
            *first.entry(*id).or_default() += 1;
        });
        let mut orders = Vec::new();
        for (key, one) in self.partitions.iter().filter(|(key, _)| !self.moving.contains_key(*key)) {
            if one.replicas.first().is_none_or(|id| !self.evacuated.contains_key(id)) {
                continue;
            }
            let able = one.replicas.iter().enumerate().filter(|(_, id)| self.may_lead(**id, one));
            let best = able.min_by_key(|(_, id)| (first.get(*id).copied().unwrap_or_default(), **id));
            let Some((position, id)) = best else { continue };
            *first.entry(*id).or_default() += 1;
            let mut replicas = one.replicas.clone();
            replicas.swap(0, position);
            orders.push((key.clone(), replicas));
        }
        orders
    }

    /// The partitions that an evacuated broker leads, and that their first replica can lead.
    pub fn led_there(&self) -> Vec<Key> {
        let there = |id: u32| self.evacuated.contains_key(&id);
        let able = |one: &Partition| one.replicas.first().is_some_and(|id| self.may_lead(*id, one));
        let led = self.partitions.iter().filter(|(_, one)| one.leader.is_some_and(there) && able(one));
        led.map(|(key, _)| key.clone()).collect()
    }

    /// The partitions that evacuated brokers lead, and that no other broker can: none has all of their records.
    pub fn led_by_nobody_else(&self) -> BTreeSet<&Key> {
        let there = |id: u32| self.evacuated.contains_key(&id);
        let alone = |one: &Partition| !one.replicas.iter().any(|id| self.may_lead(*id, one));
        let led = self.partitions.iter().filter(|(_, one)| one.leader.is_some_and(there) && alone(one));
        led.map(|(key, _)| key).collect()
    }
}

/// The zones that are evacuated, each with what has left it and the brokers that say so.
pub fn zones(marks: &Marks) -> BTreeMap<&str, (Left, BTreeSet<u32>)> {
    let mut zones: BTreeMap<&str, (Left, BTreeSet<u32>)> = BTreeMap::new();
    for (id, mark) in marks {
        let (left, brokers) = zones.entry(&mark.zone).or_insert((mark.left, BTreeSet::new()));
        *left = (*left).max(mark.left);
        brokers.insert(*id);
    }
    zones
}

/// `broker 1`, `brokers 1 and 4`.
pub fn brokers_text(ids: &BTreeSet<u32>) -> String {
    let word = if ids.len() == 1 { "broker" } else { "brokers" };
    format!("{word} {}", all_of(ids.iter().map(ToString::to_string)))
}

/// What is said of each evacuated zone, wherever a stack is shown: a sentence.
pub fn said(marks: &Marks) -> Vec<String> {
    let one = |(zone, (left, brokers)): (&str, (Left, BTreeSet<u32>))| {
        let what = match left {
            Left::Leaders => "lead nothing and get nothing",
            Left::Replicas => "have no replica and get none",
        };
        let to = if brokers.len() == 1 { "is to" } else { "are to" };
        format!(
            "{zone} is evacuated: {} {to} {what}, and nothing moves for balance. `kstack evacuate --zone {zone} --undo` ends it.",
            brokers_text(&brokers)
        )
    };
    zones(marks).into_iter().map(one).collect()
}

/// What makes leaders leave evacuated zones; `None` where none is left that can.
pub(super) fn step(view: &View) -> Option<Action> {
    let mut orders = view.leaders_away();
    if !orders.is_empty() {
        orders.truncate(AT_ONCE);
        return Some(Action::Order(orders));
    }
    let mut led = view.led_there();
    led.truncate(AT_ONCE);
    (!led.is_empty()).then_some(Action::Elect(led))
}
