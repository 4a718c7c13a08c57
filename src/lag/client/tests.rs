use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::list_offsets_response::ListOffsetsTopicResponse;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::offset_fetch_response::{OffsetFetchResponsePartitions, OffsetFetchResponseTopics};
use kafka_protocol::messages::{ApiKey, ListGroupsResponse, MetadataResponse, OffsetFetchResponse, ResponseHeader};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::super::search::LATEST_TIME;
use super::*;

const NOW: i64 = 1_800_000_000_000;
/// Each partition has a record in each of the seconds before now, from offset 100 on.
const FIRST: i64 = 100;
const END: i64 = 1_100;

/// Two brokers of a cluster of three; the third is in the metadata, and does not listen. `topics` have three partitions each, one led by
/// each broker, and groups read all of them.
#[derive(Clone)]
struct Fake {
    ports: [u16; 3],
    topics: usize,
    groups: usize,
    /// What each broker was asked.
    asked: Arc<Mutex<Vec<(usize, ApiKey)>>>,
}

fn text(text: impl Into<String>) -> StrBytes {
    StrBytes::from_string(text.into())
}

impl Fake {
    async fn start(topics: usize, groups: usize) -> Fake {
        let mut listeners = Vec::new();
        for _ in 0..3 {
            listeners.push(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap());
        }
        let ports = [0, 1, 2].map(|at| listeners[at].local_addr().unwrap().port());
        listeners.pop();
        let fake = Fake { ports, topics, groups, asked: Arc::default() };
        for (me, listener) in listeners.into_iter().enumerate() {
            let fake = fake.clone();
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(fake.clone().serve(me, stream));
                }
            });
        }
        fake
    }

    async fn serve(self, me: usize, mut stream: TcpStream) -> Option<()> {
        loop {
            let length = stream.read_u32().await.ok()?;
            let mut bytes = vec![0; length as usize];
            stream.read_exact(&mut bytes).await.ok()?;
            let key = ApiKey::try_from(i16::from_be_bytes([bytes[0], bytes[1]])).ok()?;
            let version = i16::from_be_bytes([bytes[2], bytes[3]]);
            let mut bytes = Bytes::from(bytes);
            let header =
                kafka_protocol::messages::RequestHeader::decode(&mut bytes, key.request_header_version(version))
                    .ok()?;
            self.asked.lock().unwrap().push((me, key));
            let mut answer = BytesMut::new();
            let head = ResponseHeader::default().with_correlation_id(header.correlation_id);
            head.encode(&mut answer, key.response_header_version(version)).ok()?;
            self.answer(me, key, version, &mut bytes, &mut answer)?;
            stream.write_u32(u32::try_from(answer.len()).ok()?).await.ok()?;
            stream.write_all(&answer).await.ok()?;
        }
    }

    fn answer(&self, me: usize, key: ApiKey, version: i16, body: &mut Bytes, out: &mut BytesMut) -> Option<()> {
        match key {
            ApiKey::ApiVersions => {
                let one = |key: ApiKey, max: i16| {
                    ApiVersion::default().with_api_key(key as i16).with_min_version(0).with_max_version(max)
                };
                let keys = [
                    (ApiKey::Metadata, 13),
                    (ApiKey::ListGroups, 5),
                    (ApiKey::OffsetFetch, 10),
                    (ApiKey::ListOffsets, 11),
                ];
                let all = keys.iter().map(|(key, max)| one(*key, *max)).collect();
                ApiVersionsResponse::default().with_api_keys(all).encode(out, version).ok()
            }
            ApiKey::Metadata => {
                let broker = |at: usize| {
                    let node = BrokerId(i32::try_from(at).unwrap() + 1);
                    let answer = MetadataResponseBroker::default().with_node_id(node).with_host(text("127.0.0.1"));
                    answer.with_port(self.ports[at].into())
                };
                let partition = |index: i32| {
                    MetadataResponsePartition::default().with_partition_index(index).with_leader_id(BrokerId(index + 1))
                };
                let topic = |at: usize| {
                    let name = Some(TopicName(text(format!("topic-{at}"))));
                    MetadataResponseTopic::default().with_name(name).with_partitions([0, 1, 2].map(partition).to_vec())
                };
                let answer = MetadataResponse::default().with_brokers([0, 1, 2].map(broker).to_vec());
                answer.with_topics((0..self.topics).map(topic).collect()).encode(out, version).ok()
            }
            ApiKey::ListGroups => {
                let group = |at: usize| {
                    let id = GroupId(text(format!("group-{me}-{at}")));
                    let kind = if at == 0 { "Share" } else { "Classic" };
                    let state = ListedGroup::default().with_group_id(id).with_group_state(text("Empty"));
                    state.with_group_type(text(kind))
                };
                let groups = (0..self.groups).map(group).collect();
                ListGroupsResponse::default().with_groups(groups).encode(out, version).ok()
            }
            ApiKey::OffsetFetch => {
                let request = OffsetFetchRequest::decode(body, version).ok()?;
                let groups = request.groups.into_iter().map(|group| self.offsets(&group.group_id));
                OffsetFetchResponse::default().with_groups(groups.collect()).encode(out, version).ok()
            }
            _ => {
                let request = ListOffsetsRequest::decode(body, version).ok()?;
                let topics = request.topics.iter().map(|topic| {
                    let partitions = topic.partitions.iter().map(|one| listed(one, me)).collect();
                    ListOffsetsTopicResponse::default().with_name(topic.name.clone()).with_partitions(partitions)
                });
                ListOffsetsResponse::default().with_topics(topics.collect()).encode(out, version).ok()
            }
        }
    }

    /// All partitions of all topics; those of the third broker too. Each group is another number of records behind.
    fn offsets(&self, group: &GroupId) -> OffsetFetchResponseGroup {
        if group.as_str() == "group-1-1" {
            return OffsetFetchResponseGroup::default().with_group_id(group.clone()).with_error_code(30);
        }
        let number: i64 = group.rsplit('-').next().unwrap().parse().unwrap();
        let partition = |index: i32| {
            let committed = if number == 2 { FIRST - 50 } else { END - 10 * number };
            OffsetFetchResponsePartitions::default().with_partition_index(index).with_committed_offset(committed)
        };
        let topic = |at: usize| {
            let name = TopicName(text(format!("topic-{at}")));
            OffsetFetchResponseTopics::default().with_name(name).with_partitions([0, 1, 2].map(partition).to_vec())
        };
        let topics = (0..self.topics).map(topic).collect();
        OffsetFetchResponseGroup::default().with_group_id(group.clone()).with_topics(topics)
    }

    /// How often each kind of question came to the broker that was asked it most.
    fn most(&self) -> BTreeMap<i16, usize> {
        let mut counts: BTreeMap<(usize, i16), usize> = BTreeMap::new();
        for (me, key) in self.asked.lock().unwrap().iter() {
            *counts.entry((*me, *key as i16)).or_default() += 1;
        }
        let mut most = BTreeMap::new();
        counts.into_iter().for_each(|((_, key), count)| {
            let one: &mut usize = most.entry(key).or_default();
            *one = (*one).max(count);
        });
        most
    }

    async fn ask(&self, only: Option<&str>) -> Result<Lags, AskError> {
        let first = Server { host: "127.0.0.1".to_owned(), port: self.ports[0] };
        ask(&BTreeMap::new(), &[first], &Link::default(), only, NOW).await
    }
}

/// The answer about a partition, of which the leader is the broker that is asked.
fn listed(one: &ListOffsetsPartition, me: usize) -> ListOffsetsPartitionResponse {
    let answer = ListOffsetsPartitionResponse::default().with_partition_index(one.partition_index);
    if usize::try_from(one.partition_index).ok() != Some(me) {
        return answer.with_error_code(6);
    }
    let time = |offset: i64| NOW - (END - offset) * 1_000;
    let (offset, at) = match one.timestamp {
        LATEST => (END, -1),
        EARLIEST => (FIRST, -1),
        LATEST_TIME => (END - 1, time(END - 1)),
        from => match (FIRST..END).find(|offset| time(*offset) >= from) {
            Some(offset) => (offset, time(offset)),
            None => (-1, -1),
        },
    };
    answer.with_offset(offset).with_timestamp(at)
}

#[tokio::test]
async fn lag_is_told_in_records_and_time_and_what_is_missing_is_said() {
    let fake = Fake::start(1, 4).await;
    let lags = fake.ask(None).await.unwrap();
    assert_eq!(lags.silent, [3]);
    let names: Vec<&str> = lags.groups.iter().map(|group| group.group.as_str()).collect();
    assert_eq!(names, ["group-0-1", "group-0-2", "group-0-3", "group-1-1", "group-1-2", "group-1-3"]);
    let group = |name: &str| lags.groups.iter().find(|group| group.group == name).unwrap();
    let one = group("group-0-3");
    assert_eq!((one.kind.as_deref(), one.state.as_str(), one.records()), (Some("classic"), "Empty", Some(60)));
    for partition in &one.partitions[..2] {
        let seconds = partition.seconds.unwrap();
        assert!((30.0..31.0).contains(&seconds), "{partition:?}");
    }
    let third = &one.partitions[2];
    assert_eq!((third.end, third.seconds, third.problem.as_deref()), (None, None, Some("its leader does not answer")));
    let late = &group("group-0-2").partitions[0];
    assert_eq!(late.records, Some(1_050));
    let seconds = late.seconds.unwrap();
    assert!((1_000.0..1_001.0).contains(&seconds), "the first that is left: {seconds}");
    let told = "50 of the unread records are deleted: retention was faster than the group";
    assert_eq!(late.problem.as_deref(), Some(told));
    let refused = group("group-1-1").problem.as_deref();
    assert_eq!(refused, Some("OffsetFetch failed with GroupAuthorizationFailed"));
    let one = fake.ask(Some("group-1-3")).await.unwrap();
    assert_eq!(one.groups.len(), 1);
    assert_eq!(fake.ask(Some("nobody")).await.unwrap().groups, []);
}

#[tokio::test]
async fn a_broker_is_asked_as_often_for_many_groups_and_topics_as_for_few() {
    let (few, many) = (Fake::start(2, 4).await, Fake::start(60, 30).await);
    let lags = many.ask(None).await.unwrap();
    assert_eq!(lags.groups.len(), 58);
    few.ask(None).await.unwrap();
    let most = many.most();
    for (key, count) in few.most() {
        let once = key != ApiKey::ListOffsets as i16;
        assert!(count == most[&key] && count == 1 || !once, "{key}: {count} and {}", most[&key]);
    }
    assert!(most[&(ApiKey::ListOffsets as i16)] <= ROUNDS + 2, "{most:?}");
}

#[tokio::test]
async fn without_a_broker_there_is_no_lag() {
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap().port();
    let server = Server { host: "127.0.0.1".to_owned(), port: nobody };
    let asked = ask(&BTreeMap::new(), &[server], &Link::default(), None, NOW).await;
    assert_eq!(asked, Err(AskError::Unreachable(None)));
}
