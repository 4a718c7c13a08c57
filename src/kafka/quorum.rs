//! The controllers' quorum: who votes and who observes, by the active controller's word, and how that is changed. Any broker passes it on.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kafka_protocol::messages::add_raft_voter_request::Listener;
use kafka_protocol::messages::describe_quorum_request::{PartitionData, TopicData};
use kafka_protocol::messages::describe_quorum_response::ReplicaState;
use kafka_protocol::messages::{
    AddRaftVoterRequest, DescribeQuorumRequest, DescribeQuorumResponse, RemoveRaftVoterRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use super::shape::{self, Shape};
use super::{Brokers, BrokersError, check, refused, text};

const METADATA_TOPIC: &str = "__cluster_metadata";
/// The shapes of DescribeQuorum's answers; older ones have no directories.
pub const DESCRIBE: &[(i16, &[Shape])] = &[(1, shape::DESCRIBE_QUORUM_1), (2, shape::DESCRIBE_QUORUM_2)];

/// A replica that was caught up within this time is up to date: replicas fetch twice a second.
pub const BEHIND_MS: u64 = 5_000;
/// How long the active controller may take for a change, in milliseconds.
const CHANGE_MS: i32 = 30_000;

/// Kafka's errors of a change that may be asked for again: it took too long, another one is under way, or there is another active controller.
const AGAIN: [i16; 3] = [7, 6, 41];
const DUPLICATE_VOTER: i16 = 126;
const VOTER_NOT_FOUND: i16 = 127;

/// A replica of the quorum's log.
#[derive(Debug, Clone, PartialEq)]
pub struct Replica {
    pub node: u32,
    /// Kafka's id of its directory, as its tools write it: 22 characters of base64url.
    pub directory: String,
    /// Records of the log that it does not have yet.
    pub lag: u64,
    /// Milliseconds since it was caught up, on the leader's clock.
    pub behind_ms: u64,
    state: ReplicaState,
}

impl Replica {
    fn of(state: &ReplicaState, leader: Option<&ReplicaState>) -> Option<Replica> {
        let difference = |newest: i64, own: i64| u64::try_from(newest.saturating_sub(own.max(0))).unwrap_or_default();
        let (end, now) = leader.map_or((0, 0), |leader| (leader.log_end_offset, leader.last_caught_up_timestamp));
        Some(Replica {
            node: u32::try_from(state.replica_id.0).ok()?,
            directory: URL_SAFE_NO_PAD.encode(state.replica_directory_id.as_bytes()),
            lag: difference(end, state.log_end_offset),
            behind_ms: difference(now, state.last_caught_up_timestamp),
            state: state.clone(),
        })
    }

    /// Whether it is up to date.
    pub fn is_fresh(&self) -> bool {
        self.behind_ms <= BEHIND_MS
    }
}

/// The quorum at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Quorum {
    /// The active controller.
    pub leader: Option<u32>,
    pub voters: Vec<Replica>,
    /// Who copies the log and does not vote: brokers, and controllers that join or have left.
    pub observers: Vec<Replica>,
    /// The listeners that voters have told of: names and ports, by node.
    pub listeners: BTreeMap<u32, Vec<(String, u16)>>,
}

/// The question.
pub fn request() -> DescribeQuorumRequest {
    let partition = PartitionData::default().with_partition_index(0);
    let topic = TopicData::default()
        .with_topic_name(TopicName(StrBytes::from_static_str(METADATA_TOPIC)))
        .with_partitions(vec![partition]);
    DescribeQuorumRequest::default().with_topics(vec![topic])
}

impl Quorum {
    /// Reads the answer.
    ///
    /// # Errors
    /// Kafka's, such as that there is no active controller.
    pub fn read(answer: &DescribeQuorumResponse) -> Result<Quorum, String> {
        check("DescribeQuorum", answer.error_code)?;
        let partition = answer.topics.first().and_then(|topic| topic.partitions.first());
        let partition = partition.ok_or("DescribeQuorum's answer has no partition")?;
        check("DescribeQuorum", partition.error_code)?;
        let leader = partition.current_voters.iter().find(|voter| voter.replica_id == partition.leader_id);
        let all = |states: &[ReplicaState]| states.iter().filter_map(|state| Replica::of(state, leader)).collect();
        let listeners = answer.nodes.iter().filter_map(|node| {
            let listeners = node.listeners.iter().map(|one| (one.name.to_string(), one.port));
            Some((u32::try_from(node.node_id.0).ok()?, listeners.collect()))
        });
        Ok(Quorum {
            leader: u32::try_from(partition.leader_id.0).ok(),
            voters: all(&partition.current_voters),
            observers: all(&partition.observers),
            listeners: listeners.collect(),
        })
    }

    /// Asks a broker, which asks the active controller.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn ask(brokers: &Brokers<'_>) -> Result<Quorum, BrokersError> {
        let answer = brokers.ask(&request(), &DESCRIBE[1..]).await?;
        Quorum::read(&answer).map_err(BrokersError::Refused)
    }

    /// The voter with this node id.
    pub fn voter(&self, node: u32) -> Option<&Replica> {
        self.voters.iter().find(|one| one.node == node)
    }

    /// The observer with this node id that has caught up; none where several of its directories have, of which all but one are of another
    /// process.
    pub fn ready(&self, node: u32) -> Option<&Replica> {
        let mut fresh = self.observers.iter().filter(|one| one.node == node && one.is_fresh());
        fresh.next().filter(|_| fresh.next().is_none())
    }

    /// Why the quorum must not be changed, or the voter `leaving` not be removed; empty when it may. Two thirds of those that stay have to be up
    /// to date, so that a majority is, before and after; and all of them where one leaves that is.
    pub fn in_the_way(&self, leaving: Option<u32>) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.leader.is_none() {
            reasons.push("there is no active controller".to_owned());
        }
        let stay: Vec<&Replica> = self.voters.iter().filter(|one| Some(one.node) != leaving).collect();
        let fresh = stay.iter().filter(|one| one.is_fresh()).count();
        let all = leaving.and_then(|node| self.voter(node)).is_some_and(Replica::is_fresh);
        if stay.is_empty() {
            reasons.push("no other controller votes".to_owned());
        } else if fresh * 3 < stay.len() * 2 || all && fresh < stay.len() {
            let stale = stay.into_iter().filter(|one| !one.is_fresh());
            reasons.extend(stale.map(|one| format!("controller {} is behind the active one", one.node)));
        }
        reasons
    }
}

/// How a change ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    Done,
    /// Not yet, and for which reason: it may be asked for again.
    NotYet(String),
}

/// Lets the observer vote, on the host at `address`, which has the listeners of the voter `like`.
///
/// # Errors
/// What Kafka refuses for good, or why it can't be asked.
pub async fn add(
    brokers: &Brokers<'_>,
    observer: &Replica,
    address: &str,
    listeners: &[(String, u16)],
) -> Result<Changed, BrokersError> {
    let listener = |(name, port): &(String, u16)| {
        Listener::default().with_name(text(name)).with_host(text(address)).with_port(*port)
    };
    let request = AddRaftVoterRequest::default()
        .with_cluster_id(None)
        .with_timeout_ms(CHANGE_MS)
        .with_voter_id(observer.state.replica_id.0)
        .with_voter_directory_id(observer.state.replica_directory_id)
        .with_listeners(listeners.iter().map(listener).collect());
    let answer = brokers.change(&request, &[(0, shape::CHANGE_OF_VOTERS_0)]).await;
    changed("adding a voter", DUPLICATE_VOTER, answer.map(|answer| (answer.error_code, answer.error_message)))
}

/// Takes the vote away.
///
/// # Errors
/// As [`add`].
pub async fn remove(brokers: &Brokers<'_>, voter: &Replica) -> Result<Changed, BrokersError> {
    let request = RemoveRaftVoterRequest::default()
        .with_cluster_id(None)
        .with_voter_id(voter.state.replica_id.0)
        .with_voter_directory_id(voter.state.replica_directory_id);
    let answer = brokers.change(&request, &[(0, shape::CHANGE_OF_VOTERS_0)]).await;
    changed("removing a voter", VOTER_NOT_FOUND, answer.map(|answer| (answer.error_code, answer.error_message)))
}

/// What the answer to a change means; `done` is the error of one that was made before. A lost answer may be one of a change that was made: the
/// next look tells.
fn changed(
    what: &str,
    done: i16,
    answer: Result<(i16, Option<StrBytes>), BrokersError>,
) -> Result<Changed, BrokersError> {
    match answer {
        Err(BrokersError::Lost(why) | BrokersError::Unasked(why)) => Ok(Changed::NotYet(why)),
        Err(other) => Err(other),
        Ok((code, _)) if code == done => Ok(Changed::Done),
        Ok((code, words)) => match refused(what, code, words.as_ref()) {
            Err(error) if AGAIN.contains(&code) => Ok(Changed::NotYet(error.to_string())),
            other => other.map(|()| Changed::Done),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_protocol::messages::BrokerId;

    fn replica(node: i32, behind_ms: i64) -> ReplicaState {
        let mut state = ReplicaState::default().with_replica_id(BrokerId(node)).with_log_end_offset(90);
        state.last_caught_up_timestamp = 100_000 - behind_ms;
        state
    }

    /// Replicas by node, directory, and how far they are behind.
    fn quorum(voters: &[(i32, u32, i64)], observers: &[(i32, u32, i64)]) -> Quorum {
        let leader = replica(1, 0);
        let one = |(node, directory, behind): &(i32, u32, i64)| {
            let replica = Replica::of(&replica(*node, *behind), Some(&leader))?;
            Some(Replica { directory: directory.to_string(), ..replica })
        };
        let all = |states: &[(i32, u32, i64)]| states.iter().filter_map(one).collect();
        Quorum { leader: Some(1), voters: all(voters), observers: all(observers), listeners: BTreeMap::new() }
    }

    #[test]
    fn who_joins_has_caught_up_and_is_one() {
        let voters = [(1, 1, 0), (2, 2, 400), (3, 3, 500)];
        let ready =
            |observers: &[(i32, u32, i64)]| quorum(&voters, observers).ready(4).map(|one| one.directory.clone());
        assert_eq!(ready(&[]), None);
        assert_eq!(ready(&[(4, 7, 9_000), (5, 8, 0)]), None, "it is behind");
        assert!(ready(&[(4, 7, 300)]).is_some());
        assert_eq!(ready(&[(4, 7, 300), (4, 9, 90_000)]), ready(&[(4, 7, 300)]), "the one of before is silent");
        assert_eq!(ready(&[(4, 7, 300), (4, 9, 200)]), None, "which of them it is can't be told");
    }

    #[test]
    fn a_quorum_changes_while_a_majority_is_up_to_date_before_and_after() {
        assert_eq!(quorum(&[(1, 1, 0), (2, 2, 400), (3, 3, 500)], &[]).in_the_way(None), Vec::<String>::new());
        let stale = quorum(&[(1, 1, 0), (2, 2, 60_000), (3, 3, 500)], &[]);
        assert_eq!(stale.in_the_way(None), Vec::<String>::new(), "two of three are");
        assert_eq!(stale.in_the_way(Some(2)), Vec::<String>::new(), "it is the one that goes");
        assert_eq!(stale.in_the_way(Some(3)), ["controller 2 is behind the active one"], "one that is up to date goes");
        let two = |node| {
            quorum(&[(1, 1, 0), (2, 2, 60_000), (3, 3, 500), (4, 4, 60_000), (5, 5, 0)], &[]).in_the_way(Some(node))
        };
        assert_eq!(two(2), Vec::<String>::new(), "three of four are left");
        assert_eq!(two(5), [2, 4].map(|node| format!("controller {node} is behind the active one")));
        let half = quorum(&[(1, 1, 0), (2, 2, 60_000)], &[]);
        assert_eq!(half.in_the_way(None), ["controller 2 is behind the active one"]);
        assert_eq!(quorum(&[(1, 1, 0)], &[]).in_the_way(Some(1)), ["no other controller votes"]);
        let leaderless = Quorum { leader: None, ..quorum(&[(2, 2, 0)], &[]) };
        assert_eq!(leaderless.in_the_way(None), ["there is no active controller"]);
    }

    #[test]
    fn what_was_done_before_is_done_and_what_took_too_long_is_asked_again() {
        let answer = |code: i16| changed("adding a voter", DUPLICATE_VOTER, Ok((code, None)));
        assert_eq!(answer(0), Ok(Changed::Done));
        assert_eq!(answer(DUPLICATE_VOTER), Ok(Changed::Done));
        assert!(matches!(answer(7), Ok(Changed::NotYet(why)) if why.contains("RequestTimedOut")));
        assert!(matches!(answer(VOTER_NOT_FOUND), Err(BrokersError::Refused(_))));
        let lost = changed("adding a voter", DUPLICATE_VOTER, Err(BrokersError::Lost("no answer".to_owned())));
        assert_eq!(lost, Ok(Changed::NotYet("no answer".to_owned())));
        assert_eq!(changed("", 0, Err(BrokersError::NoLease)), Err(BrokersError::NoLease));
    }
}
