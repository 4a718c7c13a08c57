use proptest::prelude::*;

use super::*;

fn partition(replicas: &[u32], isr: &[u32], min_isr: u32) -> Partition {
    let leader = isr.first().copied();
    Partition { topic: "orders".into(), index: 0, leader, replicas: replicas.into(), isr: isr.into(), min_isr }
}

fn broker(node: u32) -> BrokerHealth {
    BrokerHealth { node, rack: None, fenced: false, silent: false, certificate_ends: None }
}

/// Three brokers that are controllers too, all well.
fn cluster(partitions: Vec<Partition>) -> KafkaHealth {
    let voters = (1..=3)
        .map(|node| QuorumVoter { node, lag: 0, behind_ms: 200, listeners: vec!["CONTROLLER".to_owned()] })
        .collect();
    let brokers = (1..=3).map(broker).collect();
    KafkaHealth { id: "c".into(), controller: Some(2), voters, observers: Vec::new(), brokers, partitions }
}

const ALL: [u32; 3] = [1, 2, 3];

#[test]
fn a_broker_may_stop_only_while_enough_replicas_stay_in_sync() {
    type Case<'a> = (&'a [u32], &'a [u32], u32, bool, &'a str);
    let cases: [Case<'_>; 9] = [
        (&ALL, &[1, 2, 3], 2, true, "one more than needed"),
        (&ALL, &[1, 2], 2, false, "just enough, and it is one of them"),
        (&ALL, &[2, 3], 2, true, "just enough without it"),
        (&ALL, &[2], 2, false, "too few already: it may be the next to come back"),
        (&ALL, &[], 1, false, "offline"),
        (&[2, 3], &[2], 2, true, "it has no replica of it"),
        (&[1], &[1], 1, true, "a single copy can never be spared"),
        (&[1, 2], &[1, 2], 2, true, "nor can one of two that are both needed"),
        (&[1, 2], &[1], 1, false, "the last of two"),
    ];
    for (replicas, isr, min, may, why) in cases {
        let reasons = cluster(vec![partition(replicas, isr, min)]).in_the_way_of_stopping(1);
        assert_eq!(reasons.is_empty(), may, "{why}: {reasons:?}");
    }
    let reasons = cluster(vec![partition(&ALL, &[1, 2], 2)]).in_the_way_of_stopping(1);
    assert_eq!(reasons, ["orders-0 has 2 replicas in sync, and needs 2"]);
}

#[test]
fn a_silent_broker_is_not_counted_before_the_cluster_notices() {
    let mut cluster = cluster(vec![partition(&ALL, &ALL, 2)]);
    cluster.brokers[2].silent = true;
    assert_eq!(cluster.in_the_way_of_stopping(1), ["orders-0 has 2 replicas in sync, and needs 2"]);
    assert!(cluster.in_the_way_of_stopping(3).is_empty(), "it is gone already");
    assert_eq!(cluster.problems(&ALL.into()), ["broker 3 does not answer"]);
}

#[test]
fn the_voters_are_told_that_have_a_listener_not_yet() {
    let mut cluster = cluster(Vec::new());
    cluster.voters[0].listeners.push("QUORUM".to_owned());
    let without = |number: u32| format!("controller {number} has not told the others of its listener QUORUM");
    assert_eq!(cluster.voters_without("QUORUM", None), [without(2), without(3)]);
    assert_eq!(cluster.voters_without("QUORUM", Some(3)), [without(3)]);
    assert_eq!(cluster.voters_without("QUORUM", Some(1)), Vec::<String>::new());
    assert_eq!(cluster.voters_without("CONTROLLER", None), Vec::<String>::new());
    assert_eq!(cluster.voters_without("QUORUM", Some(7)), Vec::<String>::new(), "a broker that does not vote");
}

#[test]
fn a_controller_may_stop_only_while_a_majority_stays() {
    let mut cluster = cluster(Vec::new());
    assert!(cluster.in_the_way_of_stopping(1).is_empty());
    cluster.voters[2].behind_ms = 60_000;
    assert_eq!(cluster.in_the_way_of_stopping(1), ["only 1 of 3 controllers would be left that are up to date"]);
    assert!(cluster.in_the_way_of_stopping(3).is_empty(), "the one that is behind may go");
    cluster.voters.truncate(1);
    assert!(cluster.in_the_way_of_stopping(1).is_empty(), "a quorum of one can't be rolled otherwise");
}

#[test]
fn problems_are_named_each() {
    assert!(cluster(vec![partition(&ALL, &ALL, 2)]).problems(&ALL.into()).is_empty());
    let mut cluster = cluster(vec![partition(&ALL, &[], 2), partition(&ALL, &[1, 2], 2)]);
    cluster.controller = None;
    cluster.voters[0] = QuorumVoter { node: 1, lag: 40, behind_ms: 61_000, listeners: Vec::new() };
    cluster.brokers[1].fenced = true;
    let expected = [1, 2, 3, 4].into();
    assert_eq!(
        cluster.problems(&expected),
        [
            "there is no active controller",
            "controller 1 is 40 records and 61 s behind the active one",
            "broker 2 is fenced",
            "broker 4 is not registered",
            "1 partition without a leader",
            "1 partition with fewer replicas in sync than the topic's minimum",
            "2 partitions with a replica out of sync",
        ]
    );
    assert_eq!(shortened(&cluster.problems(&expected)).matches("; ").count(), 3, "three, and how many more");
}

#[test]
fn a_controller_that_was_never_caught_up_is_not_decades_behind() {
    let voter = |behind_ms| QuorumVoter { node: 2, lag: 1, behind_ms, listeners: Default::default() };
    assert_eq!(voter(61_000).behind(), "is 1 record and 61 s behind the active one");
    // Kafka's -1, on a clock of 2026.
    assert_eq!(voter(1_795_732_361_000).behind(), "has not caught up with the active one since that became it");
}

#[test]
fn a_rolled_node_is_back_when_it_has_caught_up_since() {
    let mut cluster = cluster(vec![partition(&ALL, &ALL, 2)]);
    assert!(cluster.missing_of(1, 10_000).is_empty());
    // The quorum still believes in a voter that was stopped a moment ago.
    assert_eq!(cluster.missing_of(1, 300).len(), 1);
    cluster.partitions[0].isr = vec![2, 3];
    assert_eq!(cluster.missing_of(1, 10_000), ["1 of its replicas are out of sync"]);
    cluster.brokers[0].fenced = true;
    assert_eq!(cluster.missing_of(1, 10_000)[0], "broker 1 is fenced");
    assert_eq!(cluster.missing_of(9, 10_000), ["node 9 is not registered"]);
}

proptest! {
    /// Whatever the state: stopping what may be stopped leaves no partition of it short that was not exempt.
    #[test]
    fn what_may_stop_leaves_enough(
        sets in proptest::collection::vec((proptest::collection::btree_set(1..6_u32, 1..5), any::<u8>(), 1..4_u32), 0..8),
        node in 1..6_u32,
    ) {
        let partitions: Vec<Partition> = sets.iter().map(|(replicas, mask, min)| {
            let replicas: Vec<u32> = replicas.iter().copied().collect();
            let isr: Vec<u32> = replicas.iter().copied().filter(|one| mask >> one & 1 == 1).collect();
            partition(&replicas, &isr, *min)
        }).collect();
        let cluster = KafkaHealth { partitions: partitions.clone(), ..KafkaHealth::default() };
        if cluster.in_the_way_of_stopping(node).is_empty() {
            for one in partitions.iter().filter(|one| one.replicas.contains(&node) && one.replicas.len() > one.min_isr as usize) {
                let left = one.isr.iter().filter(|other| **other != node).count();
                prop_assert!(left >= one.min_isr as usize, "{one:?}");
            }
        }
    }
}
