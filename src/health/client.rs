//! Querying the brokers of a cluster, with a limit on every time.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::metadata_response::MetadataResponsePartition;
use kafka_protocol::messages::{
    ApiVersionsResponse, DescribeClusterRequest, DescribeConfigsRequest, DescribeQuorumRequest, DescribeQuorumResponse,
    MetadataRequest,
};
use kafka_protocol::protocol::{Request, StrBytes};
use tokio::time::timeout;

use super::{BrokerHealth, KafkaHealth, Partition, QuorumVoter};
use crate::kafka::quorum::{self, Quorum, Replica};
use crate::kafka::{ConnectError, Connection, Link, Server, check, shape};
use crate::wait::{Backoff, Look, poll};

/// How long a broker may take for all answers: a cluster of 100,000 partitions describes itself in some 10 MiB.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

const MIN_ISR: &str = "min.insync.replicas";
/// A resource of DescribeConfigs that is a topic.
const TOPIC: i8 = 2;

/// Which brokers have answered, each with the end of the certificate that it has shown; nothing for one that did not.
type Seen = BTreeMap<Server, Option<Option<Timestamp>>>;

/// Why a cluster could not be queried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// No broker is there for this machine, or the way there is at fault, which is then said.
    #[error("no broker is reachable from here{}", .0.as_ref().map(|why| format!(": {why}")).unwrap_or_default())]
    Unreachable(Option<String>),
    /// One is there, and one of both does not trust the other.
    #[error("{broker}: {why}")]
    Refused { broker: Server, why: String },
    #[error("{broker}: {why}")]
    Answer { broker: Server, why: String },
}

impl AskError {
    /// Whether no broker could be asked at all.
    pub fn is_unasked(&self) -> bool {
        !matches!(self, AskError::Answer { .. })
    }
}

/// Queries over `link` the first of `brokers` that answers every request. All of them are contacted at once; those that don't answer
/// are marked as silent.
///
/// # Errors
/// That none answers as Kafka does, or lets kstack in; or what was wrong with the last answer.
pub async fn ask(brokers: &[Server], link: &Link) -> Result<KafkaHealth, AskError> {
    link.way.find(brokers).await;
    let greet = |broker: &Server| {
        let broker = broker.clone();
        async move {
            let greeted = Box::pin(Connection::open(&broker, link)).await;
            (broker, greeted)
        }
    };
    let greeted = futures::future::join_all(brokers.iter().map(greet)).await;
    let seen: Seen = greeted
        .iter()
        .map(|(broker, greeted)| (broker.clone(), greeted.as_ref().ok().map(|one| one.0.certificate_ends())))
        .collect();
    let mut last = AskError::Unreachable(None);
    for (broker, greeted) in greeted {
        let (connection, versions) = match greeted {
            Ok(greeted) => greeted,
            Err(ConnectError::Refused(why)) if last.is_unasked() => {
                last = AskError::Refused { broker, why };
                continue;
            }
            Err(ConnectError::Way(why)) if last == AskError::Unreachable(None) => {
                last = AskError::Unreachable(Some(why));
                continue;
            }
            // Whatever answers differently, such as a proxy in between, is no broker.
            Err(_) => continue,
        };
        match timeout(ANSWER_TIMEOUT, Box::pin(describe(connection, &versions, &seen))).await {
            Ok(Ok(cluster)) => return Ok(cluster),
            Ok(Err(why)) => last = AskError::Answer { broker, why },
            Err(_) => {
                last = AskError::Answer { broker, why: format!("no answer within {} s", ANSWER_TIMEOUT.as_secs()) }
            }
        }
    }
    Err(last)
}

/// Queries until `done` returns no more reasons to wait, for `limit` at most.
///
/// # Errors
/// The reasons at the end of the time.
pub async fn wait_until(
    brokers: &[Server],
    link: &Link,
    limit: Duration,
    done: impl Fn(&KafkaHealth) -> Vec<String>,
) -> Result<KafkaHealth, Vec<String>> {
    let mut last = Vec::new();
    let waited = poll("Kafka", limit, Backoff::KAFKA, async || {
        last = match ask(brokers, link).await {
            Ok(cluster) => match done(&cluster) {
                reasons if reasons.is_empty() => return Ok(Look::Ready(cluster)),
                reasons => reasons,
            },
            Err(error) => vec![error.to_string()],
        };
        Ok(Look::Missing(String::new()))
    });
    match waited.await {
        Ok(cluster) => Ok(cluster),
        Err(_) => Err(last),
    }
}

async fn describe(mut to: Connection, versions: &ApiVersionsResponse, seen: &Seen) -> Result<KafkaHealth, String> {
    // The newest of these versions that the broker knows.
    let newest = |key: i16, ours: std::ops::RangeInclusive<i16>| {
        let one = versions.api_keys.iter().find(|one| one.api_key == key)?;
        let version = one.max_version.min(*ours.end());
        (version >= one.min_version && ours.contains(&version)).then_some(version)
    };
    let old =
        |what: &str| format!("the broker's Kafka is too old for kstack: it has no {what} as Kafka 2.8 and newer have");
    // Versions 11 and 12 look the same.
    let metadata = newest(MetadataRequest::KEY, 11..=12).ok_or_else(|| old("Metadata"))?;
    newest(DescribeConfigsRequest::KEY, 4..=4).ok_or_else(|| old("DescribeConfigs"))?;
    let cluster = newest(DescribeClusterRequest::KEY, 0..=2).ok_or_else(|| old("DescribeCluster"))?;
    // First of all: a broker that the controllers have given up describes all else as healthy.
    let quorum = match newest(DescribeQuorumRequest::KEY, 1..=2) {
        None => None,
        Some(version) => {
            let shape = if version == 1 { shape::DESCRIBE_QUORUM_1 } else { shape::DESCRIBE_QUORUM_2 };
            Some(quorum_of(&to.call(&quorum::request(), version, shape).await?)?)
        }
    };
    let request = DescribeClusterRequest::default().with_endpoint_type(1).with_include_fenced_brokers(cluster == 2);
    let shape = match cluster {
        0 => shape::DESCRIBE_CLUSTER_0,
        1 => shape::DESCRIBE_CLUSTER_1,
        _ => shape::DESCRIBE_CLUSTER_2,
    };
    let cluster = to.call(&request, cluster, shape).await?;
    check("DescribeCluster", cluster.error_code)?;
    // A cluster with ZooKeeper, as MSK still has some, has no quorum of its own.
    let (controller, voters, observers) =
        quorum.unwrap_or_else(|| (node(cluster.controller_id.0), Vec::new(), Vec::new()));
    let request = MetadataRequest::default().with_topics(None).with_allow_auto_topic_creation(false);
    let metadata = to.call(&request, metadata, shape::METADATA_12).await?;
    let topics: Vec<(StrBytes, Vec<MetadataResponsePartition>)> = metadata
        .topics
        .into_iter()
        // One that is being deleted has an error and no partitions.
        .filter(|topic| topic.error_code == 0)
        .filter_map(|topic| Some((topic.name?.0, topic.partitions)))
        .collect();
    let minimums = if topics.is_empty() { BTreeMap::new() } else { minimums(&mut to, &topics).await? };
    let brokers = cluster.brokers.iter().filter_map(|one| {
        let rack = one.rack.as_ref().map(|rack| rack.to_string());
        let server = u16::try_from(one.port).ok().map(|port| Server { host: one.host.to_string(), port });
        let seen = server.and_then(|server| seen.get(&server));
        let (silent, certificate_ends) = (seen == Some(&None), seen.copied().flatten().flatten());
        Some(BrokerHealth { node: node(one.broker_id.0)?, rack, fenced: one.is_fenced, silent, certificate_ends })
    });
    let partitions = topics.iter().flat_map(|(name, partitions)| {
        // A topic that went between the two questions has no minimum, and 1 holds nothing back.
        let min_isr = minimums.get(name).copied().unwrap_or(1);
        partitions.iter().map(move |one| partition_of(name, one, min_isr))
    });
    Ok(KafkaHealth {
        id: cluster.cluster_id.to_string(),
        controller,
        voters,
        observers,
        brokers: brokers.collect(),
        partitions: partitions.collect(),
    })
}

/// A node's id; `None` for -1, which stands for no node.
fn node(id: i32) -> Option<u32> {
    u32::try_from(id).ok()
}

fn partition_of(topic: &StrBytes, one: &MetadataResponsePartition, min_isr: u32) -> Partition {
    let nodes = |ids: &[kafka_protocol::messages::BrokerId]| ids.iter().filter_map(|id| node(id.0)).collect();
    Partition {
        topic: topic.to_string(),
        index: u32::try_from(one.partition_index).unwrap_or_default(),
        leader: node(one.leader_id.0),
        replicas: nodes(&one.replica_nodes),
        isr: nodes(&one.isr_nodes),
        min_isr,
    }
}

/// The active controller, the voters, and the observers.
type Voting = (Option<u32>, Vec<QuorumVoter>, Vec<QuorumVoter>);

fn quorum_of(answer: &DescribeQuorumResponse) -> Result<Voting, String> {
    let quorum = Quorum::read(answer)?;
    let one = |replica: &Replica| {
        let listeners = quorum.listeners.get(&replica.node).into_iter().flatten().map(|(name, _)| name.clone());
        let Replica { node, lag, behind_ms, .. } = *replica;
        QuorumVoter { node, lag, behind_ms, listeners: listeners.collect() }
    };
    let all = |replicas: &[Replica]| replicas.iter().map(one).collect();
    Ok((quorum.leader, all(&quorum.voters), all(&quorum.observers)))
}

/// The minimum of in-sync replicas of each topic, wherever it is set.
async fn minimums(
    to: &mut Connection,
    topics: &[(StrBytes, Vec<MetadataResponsePartition>)],
) -> Result<BTreeMap<StrBytes, u32>, String> {
    let keys = vec![StrBytes::from_static_str(MIN_ISR)];
    let resource = |name: &StrBytes| {
        let of = DescribeConfigsResource::default().with_resource_type(TOPIC).with_resource_name(name.clone());
        of.with_configuration_keys(Some(keys.clone()))
    };
    let request =
        DescribeConfigsRequest::default().with_resources(topics.iter().map(|(name, _)| resource(name)).collect());
    let answer = to.call(&request, 4, shape::DESCRIBE_CONFIGS_4).await?;
    let minimum = |one: &kafka_protocol::messages::describe_configs_response::DescribeConfigsResult| {
        let value = one.configs.iter().find(|setting| setting.name.as_str() == MIN_ISR)?.value.as_ref()?;
        Some((one.resource_name.clone(), value.parse().ok()?))
    };
    Ok(answer.results.iter().filter_map(minimum).collect())
}

#[cfg(test)]
mod tests;
