//! A Kafka cluster's health: its state as its brokers report it (`client`), its problems, and whether a node may be stopped.
//! Everything in this file is pure.

mod client;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kstack_core::text::many;
use serde::Serialize;

pub use client::{AskError, ask, wait_until};

/// A cluster as its brokers describe it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct KafkaHealth {
    pub id: String,
    /// The active controller: the leader of the metadata quorum.
    pub controller: Option<u32>,
    pub voters: Vec<QuorumVoter>,
    /// Who copies the controllers' log and does not vote: brokers, and controllers that join the quorum or have left it.
    #[serde(skip)]
    pub observers: Vec<QuorumVoter>,
    pub brokers: Vec<BrokerHealth>,
    pub partitions: Vec<Partition>,
}

/// A controller of the quorum.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QuorumVoter {
    pub node: u32,
    /// Records of the metadata log that it does not have yet.
    pub lag: u64,
    /// Milliseconds since it was caught up, on the leader's clock.
    pub behind_ms: u64,
    /// The listeners that it has told the others of.
    #[serde(skip)]
    pub listeners: Vec<String>,
}

impl QuorumVoter {
    /// How far it is behind the active one, as the end of a sentence.
    pub fn behind(&self) -> String {
        match self.behind_ms < NEVER_MS {
            true => format!("is {} and {} s behind the active one", many(self.lag, "record"), self.behind_ms / 1000),
            false => "has not caught up with the active one since that became it".to_owned(),
        }
    }
}

/// More than this is no time since a voter was caught up: Kafka gives the year 1969 for one that never was since its leader is one.
const NEVER_MS: u64 = 10 * 365 * 86_400_000;

/// A registered broker.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BrokerHealth {
    pub node: u32,
    pub rack: Option<String>,
    /// Registered, and not serving: starting, stopping or silent.
    pub fenced: bool,
    /// It does not answer from here. The cluster notices that only after some seconds.
    pub silent: bool,
    /// When the certificate ends that it serves; `None` in plaintext, or where it does not answer.
    #[serde(skip)]
    pub certificate_ends: Option<Timestamp>,
}

/// A partition and where its replicas are.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Partition {
    pub topic: String,
    pub index: u32,
    pub leader: Option<u32>,
    pub replicas: Vec<u32>,
    /// The replicas in sync.
    pub isr: Vec<u32>,
    /// The topic's `min.insync.replicas`.
    pub min_isr: u32,
}

impl Partition {
    /// Whether a replica is not in sync.
    pub fn under_replicated(&self) -> bool {
        self.isr.len() < self.replicas.len()
    }
    /// Whether `acks=all` is refused.
    pub fn under_min_isr(&self) -> bool {
        self.isr.len() < self.min_isr as usize
    }
}

/// A voter that was caught up within this time is up to date.
pub const VOTER_BEHIND_MS: u64 = crate::kafka::quorum::BEHIND_MS;

impl KafkaHealth {
    /// Partitions that have a replica out of sync, no leader, or fewer in sync than `acks=all` needs.
    pub fn counts(&self) -> (usize, usize, usize) {
        let count = |what: fn(&Partition) -> bool| self.partitions.iter().filter(|one| what(one)).count();
        (count(Partition::under_replicated), count(|one| one.leader.is_none()), count(Partition::under_min_isr))
    }

    /// Why the cluster is not healthy, each reason in words; empty when it is. `expected` are the node ids of its brokers.
    pub fn problems(&self, expected: &BTreeSet<u32>) -> Vec<String> {
        let mut problems = Vec::new();
        if self.controller.is_none() {
            problems.push("there is no active controller".to_owned());
        }
        problems.extend(self.laggards().into_values());
        problems.extend(self.not_serving(expected).into_values());
        let (under_replicated, offline, under_min_isr) = self.counts();
        let what = [
            (offline, "without a leader"),
            (under_min_isr, "with fewer replicas in sync than the topic's minimum"),
            (under_replicated, "with a replica out of sync"),
        ];
        problems.extend(
            what.iter().filter(|one| one.0 > 0).map(|(count, what)| format!("{} {what}", many(count, "partition"))),
        );
        problems
    }

    /// The controllers that are behind the active one, each in words, by node id.
    pub fn laggards(&self) -> BTreeMap<u32, String> {
        let behind = self.voters.iter().filter(|voter| voter.behind_ms > VOTER_BEHIND_MS);
        behind.map(|voter| (voter.node, format!("controller {} {}", voter.node, voter.behind()))).collect()
    }

    /// Why brokers of `expected` serve nobody, in words, by node id.
    pub fn not_serving(&self, expected: &BTreeSet<u32>) -> BTreeMap<u32, String> {
        let why = |node: &u32| {
            let what = match self.brokers.iter().find(|broker| broker.node == *node) {
                None => "is not registered",
                Some(broker) if broker.fenced => "is fenced",
                Some(broker) if broker.silent => "does not answer",
                Some(_) => return None,
            };
            Some((*node, format!("broker {node} {what}")))
        };
        expected.iter().filter_map(why).collect()
    }

    /// Why the node must not be stopped now; empty when it may. A partition with a replica on the node prevents the stop if it
    /// would have fewer replicas in sync than the topic's minimum, or has so already. A topic whose replication factor is not
    /// above its minimum can never lose a broker, so it prevents nothing. A silent broker counts as out of sync. A voter may be
    /// stopped if a majority of up-to-date voters remains.
    pub fn in_the_way_of_stopping(&self, node: u32) -> Vec<String> {
        let silent: BTreeSet<u32> = self.brokers.iter().filter(|one| one.silent).map(|one| one.node).collect();
        let block = |partition: &Partition| {
            let isr = partition.isr.iter().filter(|one| !silent.contains(one)).count();
            let (min, mine) = (partition.min_isr as usize, partition.isr.contains(&node) && !silent.contains(&node));
            let blocks = partition.replicas.contains(&node)
                && partition.replicas.len() > min
                && (isr < min || isr == min && mine);
            blocks
                .then(|| format!("{}-{} has {isr} replicas in sync, and needs {min}", partition.topic, partition.index))
        };
        let mut reasons: Vec<String> = self.partitions.iter().filter_map(block).collect();
        let fit = |voter: &&QuorumVoter| voter.node != node && voter.behind_ms <= VOTER_BEHIND_MS;
        let (left, all) = (self.voters.iter().filter(fit).count(), self.voters.len());
        // A quorum of one or two can't lose a voter; its stop is what the file asks for.
        if self.voters.iter().any(|voter| voter.node == node) && all > 2 && left * 2 <= all {
            reasons.push(format!("only {left} of {all} controllers would be left that are up to date"));
        }
        reasons
    }

    /// Which voters have not told the others of their listener `name`, in words; of the one voter `node`, where that is given.
    pub fn voters_without(&self, name: &str, node: Option<u32>) -> Vec<String> {
        let asked = self.voters.iter().filter(|voter| node.is_none_or(|node| voter.node == node));
        let without = asked.filter(|voter| voter.listeners.iter().all(|one| one != name));
        without
            .map(|voter| format!("controller {} has not told the others of its listener {name}", voter.node))
            .collect()
    }

    /// What a node that was stopped `stopped_ms` ago still lacks; empty when it is back and all its replicas are in sync. A voter
    /// must have caught up since the stop: for a while the quorum still reports a stopped voter as up to date.
    pub fn missing_of(&self, node: u32, stopped_ms: u64) -> Vec<String> {
        let mut missing = Vec::new();
        if self.controller.is_none() {
            missing.push("there is no active controller".to_owned());
        }
        let broker = self.brokers.iter().find(|broker| broker.node == node);
        // A controller whose volume was lost copies the log under another directory, and still has a vote under the old one.
        let observes = broker.is_none() || self.voters.iter().any(|voter| voter.node == node);
        let own = self.voters.iter().chain(self.observers.iter().filter(|_| observes)).filter(|one| one.node == node);
        let voter = own.min_by_key(|one| one.behind_ms);
        match (voter, broker) {
            (None, None) => missing.push(format!("node {node} is not registered")),
            (_, Some(broker)) if broker.fenced => missing.push(format!("broker {node} is fenced")),
            (Some(voter), _) if voter.behind_ms > VOTER_BEHIND_MS.min(stopped_ms / 2) => {
                missing.push(format!("controller {node} is {} records behind the active one", voter.lag));
            }
            _ => {}
        }
        let out = |one: &&Partition| one.replicas.contains(&node) && !one.isr.contains(&node);
        match self.partitions.iter().filter(out).count() {
            0 => {}
            count => missing.push(format!("{count} of its replicas are out of sync")),
        }
        missing
    }
}

/// The first of `reasons`, and how many more there are.
pub fn shortened(reasons: &[String]) -> String {
    let shown = reasons.iter().take(3).cloned().collect::<Vec<_>>().join("; ");
    match reasons.len().saturating_sub(3) {
        0 => shown,
        more => format!("{shown}; and {more} more"),
    }
}

#[cfg(test)]
mod tests;
