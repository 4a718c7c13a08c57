//! Querying the brokers: Kafka's protocol over TCP, PLAINTEXT, with a limit on every time and size.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddrV4;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_quorum_request::{PartitionData, TopicData};
use kafka_protocol::messages::metadata_response::MetadataResponsePartition;
use kafka_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, DescribeClusterRequest, DescribeConfigsRequest, DescribeQuorumRequest,
    DescribeQuorumResponse, MetadataRequest, RequestHeader, TopicName,
};
use kafka_protocol::protocol::{
    Decodable, Encodable, HeaderVersion, Request, StrBytes, encode_request_header_into_buffer,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::shape::{self, Shape, walk};
use super::{BrokerHealth, KafkaHealth, Partition, QuorumVoter};
use crate::wait::{Backoff, Look, poll};

/// How long a broker may take to accept a connection and to list its API versions. A lost packet is sent again after one second.
const GREETING_TIMEOUT: Duration = Duration::from_secs(4);
/// How long a broker may take for all answers: a cluster of 100,000 partitions describes itself in some 10 MiB.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// The longest answer that is read.
const LONGEST_ANSWER_BYTES: u64 = 64 << 20;

const METADATA_TOPIC: &str = "__cluster_metadata";
const MIN_ISR: &str = "min.insync.replicas";
/// A resource of DescribeConfigs that is a topic.
const TOPIC: i8 = 2;

/// Why a cluster could not be queried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    #[error("no broker is reachable from here")]
    Unreachable,
    #[error("{broker}: {why}")]
    Answer { broker: SocketAddrV4, why: String },
}

/// Queries the first of `brokers` that answers every request. All of them are contacted at once; those that don't answer are marked
/// as silent.
///
/// # Errors
/// That none answers as Kafka does; or what was wrong with the last answer.
pub async fn ask(brokers: &[SocketAddrV4]) -> Result<KafkaHealth, AskError> {
    let greet = |broker: &SocketAddrV4| {
        let broker = *broker;
        // Whatever answers differently, such as a proxy in between, is no broker.
        async move { (broker, timeout(GREETING_TIMEOUT, Connection::open(broker)).await.ok().and_then(Result::ok)) }
    };
    let greeted = futures::future::join_all(brokers.iter().map(greet)).await;
    let silent: BTreeSet<SocketAddrV4> = greeted.iter().filter(|one| one.1.is_none()).map(|one| one.0).collect();
    let mut last = AskError::Unreachable;
    for (broker, connection) in greeted {
        let Some((connection, versions)) = connection else { continue };
        match timeout(ANSWER_TIMEOUT, describe(connection, &versions, &silent)).await {
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
    brokers: &[SocketAddrV4],
    limit: Duration,
    done: impl Fn(&KafkaHealth) -> Vec<String>,
) -> Result<KafkaHealth, Vec<String>> {
    let mut last = Vec::new();
    let waited = poll("Kafka", limit, Backoff::SECOND, async || {
        last = match ask(brokers).await {
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

struct Connection {
    stream: TcpStream,
    requests: i32,
}

impl Connection {
    /// A connection to a broker, and the requests that it knows.
    async fn open(broker: SocketAddrV4) -> Result<(Connection, ApiVersionsResponse), String> {
        let stream = TcpStream::connect(broker).await.map_err(|error| error.to_string())?;
        let mut connection = Connection { stream, requests: 0 };
        let versions = connection.call(&ApiVersionsRequest::default(), 0, shape::API_VERSIONS_0).await?;
        check("ApiVersions", versions.error_code)?;
        Ok((connection, versions))
    }

    /// Sends a request and reads its answer, which must have this shape to its end.
    async fn call<R>(&mut self, request: &R, version: i16, shape: &[Shape]) -> Result<R::Response, String>
    where
        R: Request + Encodable + HeaderVersion,
        R::Response: Decodable + HeaderVersion,
    {
        self.requests += 1;
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.requests)
            .with_client_id(Some(StrBytes::from_static_str("kstack")));
        let mut body = BytesMut::new();
        encode_request_header_into_buffer(&mut body, &header).map_err(|error| error.to_string())?;
        request.encode(&mut body, version).map_err(|error| error.to_string())?;
        let length = u32::try_from(body.len()).map_err(|_| "the request is too long".to_owned())?;
        let failed = |error: std::io::Error| format!("the connection broke: {error}");
        self.stream.write_all(&length.to_be_bytes()).await.map_err(failed)?;
        self.stream.write_all(&body).await.map_err(failed)?;
        let length = u64::from(self.stream.read_u32().await.map_err(failed)?);
        if length > LONGEST_ANSWER_BYTES {
            return Err(format!("its answer has {length} bytes, and kstack reads at most {LONGEST_ANSWER_BYTES}"));
        }
        // Memory grows with what arrives, not with what is announced.
        let mut answer = Vec::new();
        (&mut self.stream).take(length).read_to_end(&mut answer).await.map_err(failed)?;
        let head = if R::Response::header_version(version) == 0 { shape::HEADER_0 } else { shape::HEADER_1 };
        decode(answer, self.requests, head, shape, version)
    }
}

/// The body of an answer, when all of it is as it should be.
fn decode<T: Decodable>(
    answer: Vec<u8>,
    expected: i32,
    head: &[Shape],
    shape: &[Shape],
    version: i16,
) -> Result<T, String> {
    let broken = || "an answer that is not of Kafka's protocol".to_owned();
    let body = walk(head, &answer).ok_or_else(broken)?;
    let correlation = answer.first_chunk().map(|bytes| i32::from_be_bytes(*bytes));
    if correlation != Some(expected) || walk(shape, body).is_none_or(|rest| !rest.is_empty()) {
        return Err(broken());
    }
    let start = answer.len() - body.len();
    let mut body = Bytes::from(answer);
    body.advance(start);
    T::decode(&mut body, version).map_err(|error| format!("an answer that can't be read: {error}"))
}

/// Kafka's error, unless the code is 0.
fn check(what: &str, code: i16) -> Result<(), String> {
    match kafka_protocol::ResponseError::try_from_code(code) {
        None => Ok(()),
        Some(error) => Err(format!("{what} failed with {error:?}")),
    }
}

async fn describe(
    mut to: Connection,
    versions: &ApiVersionsResponse,
    silent: &BTreeSet<SocketAddrV4>,
) -> Result<KafkaHealth, String> {
    let needed = [
        (MetadataRequest::KEY, 12),
        (DescribeConfigsRequest::KEY, 4),
        (DescribeQuorumRequest::KEY, 2),
        (DescribeClusterRequest::KEY, 2),
    ];
    for (key, version) in needed {
        let known = |one: &&kafka_protocol::messages::api_versions_response::ApiVersion| {
            one.api_key == key && (one.min_version..=one.max_version).contains(&version)
        };
        if !versions.api_keys.iter().any(|one| known(&one)) {
            return Err(format!("the broker has no version {version} of request {key}, as Kafka 4.0 and newer have"));
        }
    }
    let cluster = DescribeClusterRequest::default().with_endpoint_type(1).with_include_fenced_brokers(true);
    let cluster = to.call(&cluster, 2, shape::DESCRIBE_CLUSTER_2).await?;
    check("DescribeCluster", cluster.error_code)?;
    let partition = PartitionData::default().with_partition_index(0);
    let topic = TopicData::default()
        .with_topic_name(TopicName(StrBytes::from_static_str(METADATA_TOPIC)))
        .with_partitions(vec![partition]);
    let quorum =
        to.call(&DescribeQuorumRequest::default().with_topics(vec![topic]), 2, shape::DESCRIBE_QUORUM_2).await?;
    let (controller, voters) = quorum_of(&quorum)?;
    let metadata = MetadataRequest::default().with_topics(None).with_allow_auto_topic_creation(false);
    let metadata = to.call(&metadata, 12, shape::METADATA_12).await?;
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
        let address = one.host.parse().ok().zip(u16::try_from(one.port).ok());
        let silent = address.is_some_and(|(host, port)| silent.contains(&SocketAddrV4::new(host, port)));
        Some(BrokerHealth { node: node(one.broker_id.0)?, rack, fenced: one.is_fenced, silent })
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

/// The active controller and the voters.
fn quorum_of(quorum: &DescribeQuorumResponse) -> Result<(Option<u32>, Vec<QuorumVoter>), String> {
    check("DescribeQuorum", quorum.error_code)?;
    let partition = quorum.topics.first().and_then(|topic| topic.partitions.first());
    let partition = partition.ok_or("DescribeQuorum's answer has no partition")?;
    check("DescribeQuorum", partition.error_code)?;
    let leader = partition.current_voters.iter().find(|voter| voter.replica_id == partition.leader_id);
    let (end, now) = leader.map_or((0, 0), |leader| (leader.log_end_offset, leader.last_caught_up_timestamp));
    let voter = |one: &kafka_protocol::messages::describe_quorum_response::ReplicaState| {
        let difference = |newest: i64, own: i64| u64::try_from(newest.saturating_sub(own.max(0))).unwrap_or_default();
        let (lag, behind_ms) = (difference(end, one.log_end_offset), difference(now, one.last_caught_up_timestamp));
        Some(QuorumVoter { node: node(one.replica_id.0)?, lag, behind_ms })
    };
    Ok((node(partition.leader_id.0), partition.current_voters.iter().filter_map(voter).collect()))
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
