//! What brokers tell of Kafka's health, and of the controllers' quorum.

use std::collections::BTreeSet;

use serde::Serialize;

use super::findings;
use crate::health::{BrokerHealth, KafkaHealth, QuorumVoter, VOTER_BEHIND_MS};
use kstack_core::text::many;

/// What the brokers themselves report.
#[derive(Debug, Serialize)]
pub(super) struct KafkaStatus {
    /// Whether a broker answered.
    pub(super) reachable: bool,
    pub(super) healthy: bool,
    /// Why it is not healthy, or not known to be.
    pub(super) problems: Vec<String>,
    /// The node id of the active controller.
    pub(super) controller: Option<u32>,
    /// Who votes in the controllers' quorum; empty where there is none, as with ZooKeeper.
    pub(super) voters: Vec<QuorumVoter>,
    /// Who copies its log and does not vote: brokers, and controllers that join it or have left it.
    pub(super) observers: Vec<QuorumVoter>,
    pub(super) brokers: Vec<BrokerHealth>,
    pub(super) partitions: usize,
    pub(super) under_replicated: usize,
    pub(super) offline: usize,
    pub(super) under_min_insync: usize,
    /// The same by what helps.
    #[serde(skip)]
    pub(super) seen: Option<findings::OfKafka>,
}

/// The health of a cluster, whose brokers are `ids`, or why it is not known.
pub(super) fn kafka_of(health: &Result<KafkaHealth, String>, ids: &BTreeSet<u32>) -> KafkaStatus {
    let none = KafkaHealth::default();
    let (cluster, problems) = match health {
        Ok(cluster) => (cluster, cluster.problems(ids)),
        Err(error) => (&none, vec![error.clone()]),
    };
    let (under_replicated, offline, under_min_insync) = cluster.counts();
    KafkaStatus {
        reachable: health.is_ok(),
        healthy: problems.is_empty(),
        problems,
        controller: cluster.controller,
        voters: cluster.voters.clone(),
        observers: cluster.observers.clone(),
        brokers: cluster.brokers.clone(),
        partitions: cluster.partitions.len(),
        under_replicated,
        offline,
        under_min_insync,
        seen: health.as_ref().ok().map(|cluster| findings::of_kafka(cluster, ids)),
    }
}

/// The same for people, of a cluster with so many `hosts` that are brokers.
pub(super) fn kafka_text(kafka: &KafkaStatus, hosts: usize) -> String {
    if !kafka.reachable {
        return format!("Kafka: its health is unknown: {}\n", kafka.problems.join("; "));
    }
    let serving = kafka.brokers.iter().filter(|broker| !broker.fenced).count();
    let controller = kafka.controller.map_or_else(|| "none".to_owned(), |node| format!("node {node}"));
    let mut out = format!(
        "Kafka: {}; active controller {controller}; {serving} of {hosts} brokers; {} partitions, {} under-replicated, {} offline, {} under min in-sync\n",
        if kafka.healthy { "healthy" } else { "not healthy" },
        kafka.partitions,
        kafka.under_replicated,
        kafka.offline,
        kafka.under_min_insync
    );
    out.push_str(&quorum_text(kafka));
    kafka.problems.iter().for_each(|problem| out.push_str(&format!("  {problem}\n")));
    out
}

/// Who votes and who observes, and which observer is how far behind; what is wrong with a voter is among the problems.
fn quorum_text(kafka: &KafkaStatus) -> String {
    let voters: Vec<String> = kafka.voters.iter().map(|one| one.node.to_string()).collect();
    let Some((last, first)) = voters.split_last() else { return String::new() };
    let voters = match first {
        [] => format!("controller {last} votes"),
        _ => format!("controllers {} and {last} vote", first.join(", ")),
    };
    let is_broker = |one: &&QuorumVoter| kafka.brokers.iter().any(|broker| broker.node == one.node);
    let (brokers, controllers): (Vec<&QuorumVoter>, Vec<&QuorumVoter>) = kafka.observers.iter().partition(is_broker);
    let mut out = format!("Quorum: {voters}");
    for (of, noun) in [(&controllers, "controller"), (&brokers, "broker")] {
        match of.len() {
            0 => {}
            1 => out.push_str(&format!("; 1 {noun} observes")),
            count => out.push_str(&format!("; {} observe", many(count, noun))),
        }
    }
    out.push('\n');
    // A broker that is up to date is like any other. One that does not vote is told of in any case: it joins, or has left.
    let behind = brokers.into_iter().filter(|one| one.behind_ms > VOTER_BEHIND_MS).map(|one| ("broker", one));
    for (noun, one) in controllers.into_iter().map(|one| ("controller", one)).chain(behind) {
        let how = if one.behind_ms > VOTER_BEHIND_MS { one.behind() } else { "is up to date".to_owned() };
        out.push_str(&format!("  {noun} {} observes, and {how}\n", one.node));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(node: u32, lag: u64, behind_ms: u64) -> QuorumVoter {
        QuorumVoter { node, lag, behind_ms, listeners: Vec::new() }
    }

    fn said(voters: &[u32], observers: Vec<QuorumVoter>) -> String {
        let brokers =
            (1..=3).map(|node| BrokerHealth { node, rack: None, fenced: false, silent: false, certificate_ends: None });
        let voters: Vec<QuorumVoter> = voters.iter().map(|node| replica(*node, 0, 200)).collect();
        let health = KafkaHealth {
            controller: voters.first().map(|one| one.node),
            voters,
            observers,
            brokers: brokers.collect(),
            ..KafkaHealth::default()
        };
        let status = kafka_of(&Ok(health), &BTreeSet::from([1, 2, 3]));
        let json = serde_json::to_value(&status).expect("JSON");
        assert_eq!(json["observers"].as_array().map(Vec::len), Some(status.observers.len()));
        kafka_text(&status, 3).split_once('\n').expect("two lines").1.to_owned()
    }

    #[test]
    fn a_controller_that_joins_is_told_of_with_how_far_it_is_behind() {
        let mut observers: Vec<QuorumVoter> = (1..=3).map(|node| replica(node, 0, 400)).collect();
        observers.push(replica(1004, 1, 480));
        observers.push(replica(1005, 31_480, 41_200));
        assert_eq!(
            said(&[1001, 1002, 1003], observers),
            "Quorum: controllers 1001, 1002 and 1003 vote; 2 controllers observe; 3 brokers observe\n  \
             controller 1004 observes, and is up to date\n  \
             controller 1005 observes, and is 31480 records and 41 s behind the active one\n"
        );
    }

    #[test]
    fn a_broker_that_observes_is_told_of_where_it_is_behind() {
        assert_eq!(
            said(&[1001], vec![replica(1, 0, 300), replica(2, 12, 9_000)]),
            "Quorum: controller 1001 votes; 2 brokers observe\n  broker 2 observes, and is 12 records and 9 s behind the active one\n"
        );
        assert_eq!(said(&[1, 2, 3], Vec::new()), "Quorum: controllers 1, 2 and 3 vote\n");
        assert_eq!(said(&[], Vec::new()), "  there is no active controller\n", "with ZooKeeper it is not known");
    }
}
