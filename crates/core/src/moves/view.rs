//! A live cluster as one look at it shows it: the brokers, the partitions, what moves, and what is throttled.

use std::collections::{BTreeMap, BTreeSet};

use super::evacuate::Marks;
use super::proposal::Change;
use super::state::{Bands, Node, Place, Replicas, State};
use super::throttle::{Lists, Rates, own_partition};
use crate::text::many;

/// A partition: its topic and its number.
pub type Key = (String, u32);

/// The part of a volume, of 100, that moves may fill.
const FILLED: u64 = 80;

/// A broker's log directories, all together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    pub total: u64,
    pub usable: u64,
}

/// A registered broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    pub id: u32,
    pub rack: Option<String>,
    pub fenced: bool,
    /// It does not answer from here, or not about its log directories.
    pub silent: bool,
    /// Where Kafka says how large they are.
    pub disk: Option<Disk>,
}

impl Broker {
    /// Whether it may take replicas: registered, not fenced, and answering.
    pub fn is_fit(&self) -> bool {
        !self.fenced && !self.silent
    }
}

/// A partition as its cluster has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Partition {
    pub replicas: Vec<u32>,
    pub in_sync: Vec<u32>,
    pub leader: Option<u32>,
    /// The bytes that each broker has of it.
    pub held: BTreeMap<u32, u64>,
}

impl Partition {
    /// The bytes of a whole replica: the largest of those in sync, or else of all.
    pub fn bytes(&self) -> u64 {
        let in_sync = self.held.iter().filter(|(id, _)| self.in_sync.contains(id)).map(|(_, bytes)| *bytes).max();
        in_sync.or_else(|| self.held.values().copied().max()).unwrap_or_default()
    }
}

/// A reassignment under way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moving {
    /// The replicas as Kafka lists them: those that stay, and those that come and go.
    pub replicas: Vec<u32>,
    pub adding: Vec<u32>,
    pub removing: Vec<u32>,
}

impl Moving {
    /// What the replicas will be.
    pub fn target(&self) -> Vec<u32> {
        self.replicas.iter().filter(|id| !self.removing.contains(id)).copied().collect()
    }

    /// What the replicas were, as kstack moves them: each new one has the place of an old one, or there are more of them, or fewer.
    pub fn origin(&self) -> Vec<u32> {
        if self.adding.len() != self.removing.len() {
            return self.replicas.iter().filter(|id| !self.adding.contains(id)).copied().collect();
        }
        let mut old = self.removing.iter();
        let before = |id: u32| if self.adding.contains(&id) { old.next().copied() } else { Some(id) };
        self.target().into_iter().filter_map(before).collect()
    }
}

/// What one look shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// What is wrong with the controllers; `None` where they have not been asked, and then nothing else here counts: a broker that the
    /// controllers have given up describes itself as healthy.
    pub quorum: Option<Vec<String>>,
    /// The controllers that vote, each with whether it is up to date: none is where no one is active.
    pub voters: BTreeMap<u32, bool>,
    pub brokers: Vec<Broker>,
    pub partitions: BTreeMap<Key, Partition>,
    pub moving: BTreeMap<Key, Moving>,
    /// Throttled replicas, by topic.
    pub lists: BTreeMap<String, Lists>,
    /// Rates, by broker.
    pub rates: BTreeMap<u32, Rates>,
    /// Brokers whose replicas all have to go.
    pub leaving: BTreeSet<u32>,
    /// Brokers of zones that are evacuated.
    pub evacuated: Marks,
}

impl View {
    /// Why nothing new may be started; empty when it may.
    pub fn troubles(&self) -> Vec<String> {
        let mut troubles = match &self.quorum {
            None => return vec!["the controllers don't answer".to_owned()],
            Some(troubles) => troubles.clone(),
        };
        // One that leaves and has nothing left may be stopped already.
        // What an evacuated zone does holds nothing up.
        let counts = |id: u32| !self.evacuated.contains_key(&id) && (!self.leaving.contains(&id) || self.names(id));
        for broker in self.brokers.iter().filter(|one| counts(one.id)) {
            match (broker.fenced, broker.silent) {
                (true, _) => troubles.push(format!("broker {} is fenced", broker.id)),
                (_, true) => troubles.push(format!("broker {} does not answer", broker.id)),
                _ => {}
            }
        }
        let out = self
            .partitions
            .iter()
            .filter(|(key, one)| !self.moving.contains_key(*key) && !self.is_whole_elsewhere(one));
        let out: Vec<String> = out.map(|(key, _)| name(key)).collect();
        match out.as_slice() {
            [] => {}
            [one] => troubles.push(format!("{one} has a replica out of sync")),
            [first, rest @ ..] => {
                troubles.push(format!("{first} and {} have a replica out of sync", many(rest.len(), "more partition")));
            }
        }
        troubles
    }

    /// Whether kstack has started the move: Kafka's throttle of it bears its mark.
    pub fn is_ours(&self, key: &Key) -> bool {
        let lists = self.lists.get(&key.0);
        lists.is_some_and(|lists| lists.all().any(|entry| own_partition(entry) == Some(key.1)))
    }

    /// Topics whose throttle others have set for all replicas, or for none. Theirs stays, so kstack moves nothing of them.
    pub fn kept_topics(&self) -> BTreeSet<&String> {
        self.lists.iter().filter(|(_, lists)| lists.is_for_all()).map(|(topic, _)| topic).collect()
    }

    /// What planning looks at. What is under way counts as arrived.
    pub fn state(&self, bands: Bands) -> State {
        let mut on: BTreeMap<u32, u64> = BTreeMap::new();
        for (id, bytes) in self.partitions.values().flat_map(|one| &one.held) {
            *on.entry(*id).or_default() += bytes;
        }
        let node = |broker: &Broker| Node {
            id: broker.id,
            rack: broker.rack.clone(),
            place: match broker.is_fit() {
                // A copy that nobody can read is made anew elsewhere, from those in sync.
                _ if self.evacuated.contains_key(&broker.id) && self.gives_up(broker.id) => Place::Leaving,
                true if self.leaving.contains(&broker.id) => Place::Leaving,
                true if !self.evacuated.contains_key(&broker.id) => Place::Fit,
                _ => Place::Away,
            },
            most_bytes: broker.disk.map(|disk| {
                let own = on.get(&broker.id).copied().unwrap_or_default();
                let others = disk.total.saturating_sub(disk.usable).saturating_sub(own);
                (disk.total / 100 * FILLED).saturating_sub(others)
            }),
        };
        let (kept, stays) = (self.kept_topics(), self.keeps_all());
        let bands = if self.evacuated.is_empty() { bands } else { Bands::OPEN };
        let partition = |(key, one): (&Key, &Partition)| Replicas {
            topic: key.0.clone(),
            index: key.1,
            bytes: one.bytes(),
            brokers: self.moving.get(key).map_or_else(|| one.replicas.clone(), Moving::target),
            pinned: stays || kept.contains(&key.0) || !self.moving.contains_key(key) && !self.is_whole_elsewhere(one),
        };
        State::new(self.brokers.iter().map(node).collect(), self.partitions.iter().map(partition).collect(), bands)
    }

    /// Of what `changes` copy, the bytes that go to another rack than their leader's: replicas are fetched from their leader.
    pub fn between_racks(&self, changes: &[Change]) -> u64 {
        let rack = |id: u32| self.brokers.iter().find(|broker| broker.id == id)?.rack.as_ref();
        let of = |change: &Change| {
            let Some(one) = self.partitions.get(&(change.topic.clone(), change.partition)) else { return 0 };
            let from = one.leader.or(one.replicas.first().copied()).and_then(rack);
            let new = change.to.iter().filter(|id| !change.from.contains(id));
            one.bytes() * new.filter(|id| rack(**id) != from).count() as u64
        };
        changes.iter().map(of).sum()
    }

    /// The bytes that a move under way still has to copy.
    pub fn to_copy(&self, key: &Key) -> u64 {
        let (Some(one), Some(moving)) = (self.partitions.get(key), self.moving.get(key)) else { return 0 };
        let held = |id: &u32| one.held.get(id).copied().unwrap_or_default();
        moving.adding.iter().map(|id| one.bytes().saturating_sub(held(id))).sum()
    }
}

impl Partition {
    /// Whether it has a leader and all its replicas are in sync.
    pub(super) fn is_whole(&self) -> bool {
        self.leader.is_some() && self.replicas.iter().all(|id| self.in_sync.contains(id))
    }
}

/// `orders-3`.
pub(super) fn name((topic, index): &Key) -> String {
    format!("{topic}-{index}")
}

/// Why the broker may not be taken away: what names it in the partitions' metadata, in the reassignments, and on its own disk. Empty
/// only where all three were asked and none does.
pub fn what_holds(view: &View, node: u32) -> Vec<String> {
    let mut holds = Vec::new();
    if view.quorum.is_none() {
        holds.push("the controllers don't answer".to_owned());
    }
    let broker = view.brokers.iter().find(|broker| broker.id == node);
    if broker.is_some_and(|broker| broker.silent) {
        holds.push(format!("broker {node} does not say what is on its disk"));
    }
    let of = |holds: &mut Vec<String>, what: &str, names: Vec<String>| match names.len() {
        0 => {}
        count => holds.push(format!("{what} {} of {count}", names[0])),
    };
    let named = self::names(view.partitions.iter().filter(|(_, one)| one.replicas.contains(&node)).map(|one| one.0));
    of(&mut holds, "it has replicas:", named);
    let names_it = |one: &Moving| [&one.replicas, &one.adding, &one.removing].iter().any(|ids| ids.contains(&node));
    of(
        &mut holds,
        "reassignments name it:",
        self::names(view.moving.iter().filter(|(_, one)| names_it(one)).map(|one| one.0)),
    );
    let held = self::names(view.partitions.iter().filter(|(_, one)| one.held.contains_key(&node)).map(|one| one.0));
    of(&mut holds, "its disk has folders:", held);
    holds
}

fn names<'a>(keys: impl Iterator<Item = &'a Key>) -> Vec<String> {
    keys.map(name).collect()
}
