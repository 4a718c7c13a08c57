use std::net::{Ipv4Addr, SocketAddrV4};

use bytes::BytesMut;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::describe_quorum_response as quorum;
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::{
    ApiVersionsResponse, BrokerId, DescribeClusterResponse, DescribeConfigsResponse, MetadataResponse, ResponseHeader,
    TopicName,
};
use kafka_protocol::protocol::{Encodable, HeaderVersion};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::kafka::decode;

/// An answer's bytes, as a broker sends them.
fn answer<T: Encodable + HeaderVersion>(body: &T, version: i16) -> Vec<u8> {
    answer_to(7, body, version)
}

/// The same to the request with this number.
fn answer_to<T: Encodable + HeaderVersion>(number: i32, body: &T, version: i16) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    let header = ResponseHeader::default().with_correlation_id(number);
    header.encode(&mut bytes, T::header_version(version)).unwrap();
    body.encode(&mut bytes, version).unwrap();
    bytes.to_vec()
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn metadata() -> MetadataResponse {
    let partition = MetadataResponsePartition::default()
        .with_leader_id(BrokerId(1))
        .with_replica_nodes(vec![BrokerId(1), BrokerId(2)])
        .with_isr_nodes(vec![BrokerId(1)]);
    let topic = MetadataResponseTopic::default()
        .with_name(Some(TopicName(text("orders"))))
        .with_partitions(vec![partition.clone(), partition]);
    MetadataResponse::default().with_cluster_id(Some(text("c"))).with_topics(vec![topic])
}

fn quorum_answer() -> DescribeQuorumResponse {
    let voter = |id: i32, end: i64, at: i64| {
        let state = quorum::ReplicaState::default().with_replica_id(BrokerId(id));
        state.with_log_end_offset(end).with_last_caught_up_timestamp(at)
    };
    let partition = quorum::PartitionData::default().with_leader_id(BrokerId(2)).with_current_voters(vec![
        voter(1, 90, 1_000),
        voter(2, 100, 61_000),
        voter(3, -1, -1),
    ]);
    let topic = quorum::TopicData::default().with_partitions(vec![partition]);
    let node = quorum::Node::default().with_listeners(vec![quorum::Listener::default()]);
    DescribeQuorumResponse::default().with_topics(vec![topic]).with_nodes(vec![node])
}

#[test]
fn answers_are_read_and_shapes_fit_them() {
    let metadata: MetadataResponse =
        decode(answer(&metadata(), 12), 7, shape::HEADER_1, shape::METADATA_12, 12).unwrap();
    assert_eq!(metadata.topics[0].partitions[1].isr_nodes, [BrokerId(1)]);
    let bytes = answer(&quorum_answer(), 2);
    let read: DescribeQuorumResponse = decode(bytes, 7, shape::HEADER_1, shape::DESCRIBE_QUORUM_2, 2).unwrap();
    let (controller, voters, _) = quorum_of(&read).unwrap();
    assert_eq!(controller, Some(2));
    assert_eq!(voters[0], QuorumVoter { node: 1, lag: 10, behind_ms: 60_000, listeners: Vec::new() });
    assert_eq!(
        voters[2],
        QuorumVoter { node: 3, lag: 100, behind_ms: 61_000, listeners: Vec::new() },
        "one that was never heard of"
    );
    let configs = DescribeConfigsResponse::default();
    decode::<DescribeConfigsResponse>(answer(&configs, 4), 7, shape::HEADER_1, shape::DESCRIBE_CONFIGS_4, 4).unwrap();
    let cluster = DescribeClusterResponse::default();
    decode::<DescribeClusterResponse>(answer(&cluster, 2), 7, shape::HEADER_1, shape::DESCRIBE_CLUSTER_2, 2).unwrap();
    for (version, shape) in [(0, shape::DESCRIBE_CLUSTER_0), (1, shape::DESCRIBE_CLUSTER_1)] {
        let broker = DescribeClusterBroker::default().with_host(text("b-1")).with_rack(Some(text("use1-az1")));
        let cluster = DescribeClusterResponse::default().with_cluster_id(text("c")).with_brokers(vec![broker]);
        let read: DescribeClusterResponse =
            decode(answer(&cluster, version), 7, shape::HEADER_1, shape, version).unwrap();
        assert_eq!(read.brokers, cluster.brokers);
    }
    let mut older = quorum_answer();
    older.nodes.clear();
    let read: DescribeQuorumResponse =
        decode(answer(&older, 1), 7, shape::HEADER_1, shape::DESCRIBE_QUORUM_1, 1).unwrap();
    assert_eq!(quorum_of(&read).unwrap().1, voters);
    let older: MetadataResponse =
        decode(answer(&self::metadata(), 11), 7, shape::HEADER_1, shape::METADATA_12, 11).unwrap();
    assert_eq!(older.topics, metadata.topics);
    let versions = ApiVersionsResponse::default();
    decode::<ApiVersionsResponse>(answer(&versions, 0), 7, shape::HEADER_0, shape::API_VERSIONS_0, 0).unwrap();
    let other = decode::<MetadataResponse>(answer(&versions, 0), 8, shape::HEADER_0, shape::API_VERSIONS_0, 0);
    assert!(other.unwrap_err().contains("not of Kafka's protocol"), "the answer to another request");
}

/// Two thousand million topics in an answer of a few bytes: nothing is reserved for them.
#[test]
fn announced_elements_must_be_there() {
    let mut bytes = vec![0, 0, 0, 7, 0, 0, 0, 0, 0];
    bytes.extend([1, 0, 0, 0, 0, 0]); // No brokers, no cluster id, a controller,
    bytes.extend([0xff, 0xff, 0xff, 0xff, 0x07]); // and the topics.
    assert!(decode::<MetadataResponse>(bytes.clone(), 7, shape::HEADER_1, shape::METADATA_12, 12).is_err());
    bytes.extend([0; 4096]);
    assert!(decode::<MetadataResponse>(bytes, 7, shape::HEADER_1, shape::METADATA_12, 12).is_err());
}

proptest! {
    /// An answer that was cut, or changed anywhere, is read or refused; nothing else happens.
    #[test]
    fn broken_answers_do_no_harm(
        cut in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        whole in any::<bool>(),
    ) {
        let break_it = |mut bytes: Vec<u8>| {
            for (at, value) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *value;
            }
            if !whole {
                bytes.truncate(cut.index(bytes.len()));
            }
            bytes
        };
        let _ = decode::<MetadataResponse>(break_it(answer(&metadata(), 12)), 7, shape::HEADER_1, shape::METADATA_12, 12);
        let quorum = break_it(answer(&quorum_answer(), 2));
        if let Ok(quorum) = decode::<DescribeQuorumResponse>(quorum, 7, shape::HEADER_1, shape::DESCRIBE_QUORUM_2, 2) {
            let _ = quorum_of(&quorum);
        }
    }

    /// Any bytes at all are walked without harm.
    #[test]
    fn any_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode::<MetadataResponse>(bytes.clone(), 7, shape::HEADER_1, shape::METADATA_12, 12);
        let _ = decode::<DescribeClusterResponse>(bytes.clone(), 7, shape::HEADER_1, shape::DESCRIBE_CLUSTER_2, 2);
        let _ = decode::<DescribeConfigsResponse>(bytes.clone(), 7, shape::HEADER_1, shape::DESCRIBE_CONFIGS_4, 4);
        let _ = decode::<ApiVersionsResponse>(bytes, 7, shape::HEADER_0, shape::API_VERSIONS_0, 0);
    }
}

/// A broker that knows no controller that still votes describes all else as healthy: it is not believed, and nothing else is asked.
#[tokio::test]
async fn a_broker_that_is_cut_off_from_the_controllers_is_not_believed() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let broker = Server::from(SocketAddrV4::new(Ipv4Addr::LOCALHOST, listener.local_addr().unwrap().port()));
    let asked = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let keys = asked.clone();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        while let Ok(length) = stream.read_u32().await {
            let mut request = vec![0; length as usize];
            stream.read_exact(&mut request).await.unwrap();
            let number = |at: usize| i16::from_be_bytes([request[at], request[at + 1]]);
            let (key, version) = (number(0), number(2));
            let id = i32::from_be_bytes(request[4..8].try_into().unwrap());
            keys.lock().unwrap().push(key);
            let known = |key: i16, max: i16| ApiVersion::default().with_api_key(key).with_max_version(max);
            let versions = vec![known(3, 12), known(32, 4), known(60, 2), known(55, 2), known(18, 0)];
            let bytes = match key {
                18 => answer_to(id, &ApiVersionsResponse::default().with_api_keys(versions), 0),
                55 => answer_to(id, &DescribeQuorumResponse::default().with_error_code(41), version),
                60 => answer_to(id, &DescribeClusterResponse::default(), version),
                32 => answer_to(id, &DescribeConfigsResponse::default(), version),
                _ => answer_to(id, &metadata(), version),
            };
            stream.write_all(&[&(bytes.len() as u32).to_be_bytes()[..], &bytes].concat()).await.unwrap();
        }
    });
    let error = ask(std::slice::from_ref(&broker), &Link::default()).await.unwrap_err();
    assert_eq!(error, AskError::Answer { broker, why: "DescribeQuorum failed with NotController".to_owned() });
    assert_eq!(*asked.lock().unwrap(), [18, 55], "its versions, and who votes");
}

/// What listens and is no broker is as good as nobody.
#[tokio::test]
async fn a_server_of_another_kind_is_no_broker() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await;
        }
    });
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap().port();
    let brokers = [port, nobody].map(|port| Server::from(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)));
    let link = Link::default();
    assert_eq!(ask(&brokers, &link).await, Err(AskError::Unreachable(None)));
    assert_eq!(ask(&[], &link).await, Err(AskError::Unreachable(None)));
    let waited = wait_until(&brokers, &link, Duration::ZERO, |_| Vec::new()).await;
    assert_eq!(waited, Err(vec!["no broker is reachable from here".to_owned()]));
}
