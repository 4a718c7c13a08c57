//! Asking the brokers for the lag: each one of a cluster at once, and each a number of questions that does not grow with groups, topics
//! or partitions. No record is read, so a caller who may describe groups and topics may know their lag.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::list_offsets_response::ListOffsetsPartitionResponse;
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::offset_fetch_response::OffsetFetchResponseGroup;
use kafka_protocol::messages::{
    ApiVersionsResponse, BrokerId, GroupId, ListGroupsRequest, ListOffsetsRequest, ListOffsetsResponse,
    MetadataRequest, OffsetFetchRequest, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use tokio::time::timeout;

pub use reached::{Reached, reach};

use super::search::{ROUNDS, Search};
use super::{GroupLag, Lags, PartitionLag};
use crate::health::AskError;
use crate::kafka::shape::{self, Shape};
use crate::kafka::{ConnectError, Connection, Link, Server, check};

/// How long a broker may take for one answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// Asks for the offset after the last record, and for the first one.
pub const LATEST: i64 = -1;
pub const EARLIEST: i64 = -2;

/// A partition: topic and number.
pub type Place = (String, i32);

/// A broker that answers, with what its Kafka knows.
struct Broker {
    connection: Connection,
    versions: ApiVersionsResponse,
}

impl Broker {
    fn newest(&self, key: i16, ours: std::ops::RangeInclusive<i16>) -> Option<i16> {
        newest(&self.versions, key, ours)
    }

    async fn call<R>(&mut self, request: &R, version: i16, shape: &[Shape]) -> Result<R::Response, String>
    where
        R: Request + Encodable + HeaderVersion,
        R::Response: Decodable + HeaderVersion,
    {
        let answered = timeout(ANSWER_TIMEOUT, Box::pin(self.connection.call(request, version, shape))).await;
        answered.unwrap_or_else(|_| Err(format!("no answer within {} s", ANSWER_TIMEOUT.as_secs())))
    }
}

/// The newest of `ours` that the broker knows.
fn newest(versions: &ApiVersionsResponse, key: i16, ours: std::ops::RangeInclusive<i16>) -> Option<i16> {
    let one = versions.api_keys.iter().find(|one| one.api_key == key)?;
    let version = one.max_version.min(*ours.end());
    (version >= one.min_version && ours.contains(&version)).then_some(version)
}

fn old(what: &str) -> String {
    format!("the broker's Kafka is too old for lag: it has no {what} as Kafka 3.0 and newer have")
}

/// Where brokers are and who leads what.
struct Cluster {
    id: String,
    brokers: BTreeMap<i32, Server>,
    leaders: BTreeMap<Place, i32>,
    partitions: BTreeSet<Place>,
    controller: i32,
}

/// The lag of all groups, or of the one named `only`, at the time `now` in milliseconds. `known` are the brokers that are known by node id,
/// which are reached there and not where they say they are; `others` are asked where the others are.
///
/// # Errors
/// That no broker answers as Kafka does, or lets kstack in; or what was wrong with the last answer.
pub async fn ask(
    known: &BTreeMap<i32, Server>,
    others: &[Server],
    link: &Link,
    only: Option<&str>,
    now: i64,
) -> Result<Lags, AskError> {
    let mut cluster = reach(known, others, link).await?;
    let mut lags = Lags { groups: cluster.groups(only).await?, silent: Vec::new() };
    measure(&mut lags.groups, &mut cluster.brokers, &cluster.leaders, now).await;
    lags.silent = cluster.silent;
    lags.silent.sort_unstable();
    Ok(lags)
}

/// Connections to those of `servers` that answer, and why the others don't.
async fn connect(servers: &[Server], link: &Link) -> (BTreeMap<Server, Broker>, Vec<(Server, ConnectError)>) {
    let opened = servers.iter().map(async |server| (server.clone(), Box::pin(Connection::open(server, link)).await));
    let (mut open, mut failed) = (BTreeMap::new(), Vec::new());
    for (server, opened) in futures::future::join_all(opened).await {
        match opened {
            Ok((connection, versions)) => drop(open.insert(server, Broker { connection, versions })),
            Err(error) => failed.push((server, error)),
        }
    }
    (open, failed)
}

/// The cluster as the first broker of `open` that answers describes it.
async fn cluster(
    open: &mut BTreeMap<Server, Broker>,
    failed: &mut Vec<(Server, ConnectError)>,
) -> Result<(Server, Cluster), AskError> {
    let mut last = AskError::Unreachable(None);
    for (broker, error) in failed.drain(..) {
        match error {
            ConnectError::Refused(why) => last = AskError::Refused { broker, why },
            ConnectError::Way(why) if last == AskError::Unreachable(None) => last = AskError::Unreachable(Some(why)),
            _ => {}
        }
    }
    for (server, broker) in open {
        match describe(broker).await {
            Ok(cluster) => return Ok((server.clone(), cluster)),
            Err(why) => last = AskError::Answer { broker: server.clone(), why },
        }
    }
    Err(last)
}

async fn describe(broker: &mut Broker) -> Result<Cluster, String> {
    let version = broker.newest(MetadataRequest::KEY, 11..=12).ok_or_else(|| old("Metadata"))?;
    let request = MetadataRequest::default().with_topics(None).with_allow_auto_topic_creation(false);
    let answer = broker.call(&request, version, shape::METADATA_12).await?;
    let place = |one: &kafka_protocol::messages::metadata_response::MetadataResponseBroker| {
        Some((one.node_id.0, Server { host: one.host.to_string(), port: u16::try_from(one.port).ok()? }))
    };
    let (mut leaders, mut partitions) = (BTreeMap::new(), BTreeSet::new());
    for topic in &answer.topics {
        let Some(name) = &topic.name else { continue };
        for one in &topic.partitions {
            let place = (name.to_string(), one.partition_index);
            if one.leader_id.0 >= 0 {
                leaders.insert(place.clone(), one.leader_id.0);
            }
            partitions.insert(place);
        }
    }
    let id = answer.cluster_id.as_ref().map(ToString::to_string).unwrap_or_default();
    Ok(Cluster {
        id,
        brokers: answer.brokers.iter().filter_map(place).collect(),
        leaders,
        partitions,
        controller: answer.controller_id.0,
    })
}

/// The groups that a broker coordinates, with their committed offsets.
async fn groups(broker: &mut Broker, only: Option<&str>) -> Result<Vec<GroupLag>, String> {
    let version = broker.newest(ListGroupsRequest::KEY, 4..=5).ok_or_else(|| old("ListGroups"))?;
    let shape = if version == 4 { shape::LIST_GROUPS_4 } else { shape::LIST_GROUPS_5 };
    let listed = broker.call(&ListGroupsRequest::default(), version, shape).await?;
    check("ListGroups", listed.error_code)?;
    // Share groups have no offsets of this kind.
    let listed: Vec<_> = listed
        .groups
        .into_iter()
        .filter(|one| !one.group_type.eq_ignore_ascii_case("share"))
        .filter(|one| only.is_none_or(|only| one.group_id.as_str() == only))
        .collect();
    if listed.is_empty() {
        return Ok(Vec::new());
    }
    let version = broker.newest(OffsetFetchRequest::KEY, 8..=8).ok_or_else(|| old("OffsetFetch"))?;
    let ids = listed.iter().map(|one| one.group_id.clone());
    let group = |id: GroupId| OffsetFetchRequestGroup::default().with_group_id(id).with_topics(None);
    let request = OffsetFetchRequest::default().with_groups(ids.map(group).collect());
    let answer = broker.call(&request, version, shape::OFFSET_FETCH_8).await?;
    let mut offsets: BTreeMap<GroupId, OffsetFetchResponseGroup> =
        answer.groups.into_iter().map(|one| (one.group_id.clone(), one)).collect();
    let lag = |one: kafka_protocol::messages::list_groups_response::ListedGroup| {
        let of_group = offsets.remove(&one.group_id);
        let checked = of_group.as_ref().map_or(Ok(()), |of| check("OffsetFetch", of.error_code));
        GroupLag {
            group: one.group_id.to_string(),
            kind: Some(one.group_type.to_lowercase()).filter(|kind| !kind.is_empty()),
            state: one.group_state.to_string(),
            problem: checked.err(),
            partitions: of_group.map(|of| committed(&of)).unwrap_or_default(),
        }
    };
    Ok(listed.into_iter().map(lag).collect())
}

/// The partitions of which the group has committed an offset, with nothing else known of them.
fn committed(of: &OffsetFetchResponseGroup) -> Vec<PartitionLag> {
    let mut all = Vec::new();
    for topic in &of.topics {
        for one in &topic.partitions {
            let place = (u32::try_from(one.partition_index), u64::try_from(one.committed_offset));
            let (Ok(partition), Ok(committed)) = place else { continue };
            let problem = check("OffsetFetch", one.error_code).err();
            let topic = topic.name.to_string();
            all.push(PartitionLag { topic, partition, committed, end: None, records: None, seconds: None, problem });
        }
    }
    all.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
    all
}

/// What the leader of a partition answered: an offset and a time, or what was wrong.
pub type Answers = BTreeMap<Place, Result<(i64, i64), String>>;

/// Asks each leader for an offset of each of its partitions by a time.
async fn offsets(
    brokers: &mut BTreeMap<i32, Broker>,
    leaders: &BTreeMap<Place, i32>,
    wanted: &BTreeMap<Place, i64>,
) -> Answers {
    let mut answers = Answers::new();
    let mut by_leader: BTreeMap<i32, BTreeMap<&str, Vec<ListOffsetsPartition>>> = BTreeMap::new();
    for (place, time) in wanted {
        let leader = leaders.get(place).filter(|leader| brokers.contains_key(leader));
        let Some(leader) = leader else {
            let why = if leaders.contains_key(place) {
                "its leader does not answer"
            } else {
                "it has no leader, or is deleted"
            };
            answers.insert(place.clone(), Err(why.to_owned()));
            continue;
        };
        let one = ListOffsetsPartition::default().with_partition_index(place.1).with_timestamp(*time);
        by_leader.entry(*leader).or_default().entry(&place.0).or_default().push(one);
    }
    let asked = brokers.iter_mut().filter_map(|(node, broker)| Some((broker, by_leader.remove(node)?)));
    let asked = asked.map(async |(broker, topics)| {
        let places: Vec<Place> = topics
            .iter()
            .flat_map(|(topic, all)| all.iter().map(|one| ((*topic).to_owned(), one.partition_index)))
            .collect();
        (places, of_leader(broker, topics).await)
    });
    for (places, answer) in futures::future::join_all(asked).await {
        let none = if let Err(why) = &answer { why.clone() } else { "its leader left it out".to_owned() };
        for topic in answer.iter().flat_map(|answer| &answer.topics) {
            for one in &topic.partitions {
                answers.insert((topic.name.to_string(), one.partition_index), offset(one));
            }
        }
        for place in places {
            answers.entry(place).or_insert_with(|| Err(none.clone()));
        }
    }
    answers
}

fn offset(one: &ListOffsetsPartitionResponse) -> Result<(i64, i64), String> {
    check("ListOffsets", one.error_code).map(|()| (one.offset, one.timestamp))
}

async fn of_leader(
    broker: &mut Broker,
    topics: BTreeMap<&str, Vec<ListOffsetsPartition>>,
) -> Result<ListOffsetsResponse, String> {
    let version = broker.newest(ListOffsetsRequest::KEY, 7..=7).ok_or_else(|| old("ListOffsets"))?;
    let topic = |(name, partitions): (&str, Vec<ListOffsetsPartition>)| {
        let name = TopicName(StrBytes::from_string(name.to_owned()));
        ListOffsetsTopic::default().with_name(name).with_partitions(partitions)
    };
    let request = ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_topics(topics.into_iter().map(topic).collect());
    broker.call(&request, version, shape::LIST_OFFSETS_7).await
}

/// Fills in ends, records and times.
async fn measure(
    groups: &mut [GroupLag],
    brokers: &mut BTreeMap<i32, Broker>,
    leaders: &BTreeMap<Place, i32>,
    now: i64,
) {
    let place = |one: &PartitionLag| (one.topic.clone(), i32::try_from(one.partition).unwrap_or_default());
    let mut all: Vec<&mut PartitionLag> = groups.iter_mut().flat_map(|group| &mut group.partitions).collect();
    let ends = offsets(brokers, leaders, &all.iter().map(|one| (place(one), LATEST)).collect()).await;
    for one in &mut all {
        match ends.get(&place(one)) {
            Some(Ok((end, _))) => {
                one.end = u64::try_from(*end).ok();
                one.records = one.end.map(|end| end.saturating_sub(one.committed));
                one.seconds = one.records.filter(|records| *records == 0).map(|_| 0.0);
            }
            Some(Err(why)) => one.problem = Some(why.clone()),
            None => {}
        }
    }
    all.retain(|one| one.records.is_some_and(|records| records > 0));
    let starts = offsets(brokers, leaders, &all.iter().map(|one| (place(one), EARLIEST)).collect()).await;
    let mut searches = Vec::new();
    for one in &mut all {
        let start = starts.get(&place(one)).and_then(|start| u64::try_from(start.as_ref().ok()?.0).ok()).unwrap_or(0);
        if start > one.committed {
            let deleted = start - one.committed;
            one.problem =
                Some(format!("{deleted} of the unread records are deleted: retention was faster than the group"));
        }
        let (first, end) = (start.max(one.committed), one.end.unwrap_or_default());
        // Between its start and its end nothing may be left.
        searches.push((first < end).then(|| Search::new(first, now)));
    }
    for round in 0..ROUNDS {
        // One question about a partition at a time: about the record of which least is known.
        let mut wanted: BTreeMap<Place, (i64, i64)> = BTreeMap::new();
        for (one, search) in all.iter().zip(&searches) {
            let Some((search, width)) = search.as_ref().and_then(|search| Some((search, search.width(now)?))) else {
                continue;
            };
            let best = wanted.entry(place(one)).or_insert((-1, 0));
            if width > best.0 {
                *best = (width, search.next(round, now));
            }
        }
        if wanted.is_empty() {
            break;
        }
        let wanted: BTreeMap<Place, i64> = wanted.into_iter().map(|(place, (_, time))| (place, time)).collect();
        let answers = offsets(brokers, leaders, &wanted).await;
        for (one, search) in all.iter().zip(&mut searches) {
            let place = place(one);
            if let (Some(search), Some(Ok(answer)), Some(time)) = (search, answers.get(&place), wanted.get(&place)) {
                search.learn(*time, u64::try_from(answer.0).ok().map(|offset| (offset, answer.1)));
            }
        }
    }
    for (one, search) in all.iter_mut().zip(&searches) {
        let time = search.as_ref().and_then(Search::time);
        one.seconds = time.map(|time| now.saturating_sub(time).max(0) as f64 / 1000.0);
    }
}

mod reached;

#[cfg(test)]
mod tests;
