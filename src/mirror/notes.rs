//! What kstack itself writes into the target of a mirror: marks, where MirrorMaker is to begin, and positions of consumer groups.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::{CreateTopicsRequest, FindCoordinatorRequest, GroupId, OffsetCommitRequest, TopicName};
use tokio::time::sleep;

use super::log;
use crate::kafka::{check, shape, text};
use crate::lag::{EARLIEST, Place, Reached};
use kstack_core::mirror::{MARKS, Mark, mark_key, mark_of};

/// Kafka's codes for what is there already, and for what is not ready yet.
const TOPIC_ALREADY_EXISTS: i16 = 36;
const COORDINATOR_NOT_AVAILABLE: i16 = 15;
/// How often a group's coordinator is looked for, a second apart: the first group of a cluster waits for a topic of Kafka's.
const TRIES: u32 = 30;

/// All records of a topic whose records are not compressed, as keys and values of text, in order within each partition; none without the topic.
///
/// # Errors
/// Why they can't be read.
pub async fn read(cluster: &mut Reached, topic: &str) -> Result<Vec<(String, Option<String>)>, String> {
    let places: Vec<Place> = cluster.partitions.iter().filter(|place| place.0 == topic).cloned().collect();
    let starts = cluster.offsets(&places.iter().map(|place| (place.clone(), EARLIEST)).collect()).await;
    let mut all = Vec::new();
    for place in places {
        let start = starts.get(&place).cloned().unwrap_or_else(|| Err("nobody told its start".to_owned()));
        let start = start.map_err(|why| format!("{topic}: {why}"))?.0;
        all.extend(log::texts(cluster, &place, start).await.map_err(|why| format!("{topic}: {why}"))?);
    }
    Ok(all)
}

/// Makes a topic of which the last record of each key is kept, unless it is there. It may take a moment until every broker knows it.
///
/// # Errors
/// Why it is not made.
pub async fn ensure(cluster: &mut Reached, topic: &str) -> Result<(), String> {
    if cluster.partitions.iter().any(|place| place.0 == topic) {
        return Ok(());
    }
    let config =
        |name: &str, value: &str| CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value)));
    let wanted = CreatableTopic::default()
        .with_name(TopicName(text(topic)))
        .with_num_partitions(1)
        .with_replication_factor(-1)
        .with_configs(vec![config("cleanup.policy", "compact"), config("segment.bytes", "1048576")]);
    let request = CreateTopicsRequest::default().with_topics(vec![wanted]).with_timeout_ms(20_000);
    let answer = cluster.ask_node(cluster.controller, &request, 7, shape::CREATE_TOPICS_7).await?;
    let one = answer.topics.first().ok_or("the broker left the topic out")?;
    match one.error_code {
        TOPIC_ALREADY_EXISTS => Ok(()),
        code => check("CreateTopics", code).map_err(|why| match &one.error_message {
            Some(words) => format!("{why}: {words}"),
            None => why,
        }),
    }
}

/// Where records begin that were not copied from the cluster with this id, by partition.
///
/// # Errors
/// Why that can't be read.
pub async fn marks(cluster: &mut Reached, from: &str) -> Result<BTreeMap<Place, Mark>, String> {
    let mut all = BTreeMap::new();
    for (key, value) in read(cluster, MARKS).await? {
        if let (Some(place), Some(mark)) = (mark_of(&key, from), value.as_deref().and_then(Mark::parse)) {
            all.insert(place, mark);
        }
    }
    Ok(all)
}

/// Writes marks; those of the same partitions are in their place from then on.
///
/// # Errors
/// Why they are not known to be there.
pub async fn mark(cluster: &mut Reached, from: &str, all: &BTreeMap<Place, Mark>, now: i64) -> Result<(), String> {
    let records: Vec<(String, String)> =
        all.iter().map(|((topic, partition), mark)| (mark_key(from, topic, *partition), mark.value())).collect();
    log::write(cluster, &(MARKS.to_owned(), 0), &records, now).await
}

/// Sets where a group without members goes on.
///
/// # Errors
/// Why it is not known to be set: that the group has members, too.
pub async fn commit(cluster: &mut Reached, group: &str, all: &BTreeMap<Place, i64>) -> Result<(), String> {
    let any = cluster.any().ok_or("no broker answers")?;
    let request = FindCoordinatorRequest::default().with_key(text(group)).with_key_type(0);
    let mut tries = 0;
    let node = loop {
        let answer = cluster.ask_node(any, &request, 3, shape::FIND_COORDINATOR_3).await?;
        tries += 1;
        match answer.error_code {
            COORDINATOR_NOT_AVAILABLE if tries < TRIES => sleep(Duration::from_secs(1)).await,
            code => {
                check("FindCoordinator", code)?;
                break answer.node_id.0;
            }
        }
    };
    let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
    for ((topic, partition), offset) in all {
        let one =
            OffsetCommitRequestPartition::default().with_partition_index(*partition).with_committed_offset(*offset);
        topics
            .entry(topic)
            .or_default()
            .push(one.with_committed_leader_epoch(-1).with_committed_metadata(Some(text(""))));
    }
    let topics = topics.into_iter().map(|(topic, partitions)| {
        OffsetCommitRequestTopic::default().with_name(TopicName(text(topic))).with_partitions(partitions)
    });
    let request = OffsetCommitRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(topics.collect());
    let answer = cluster.ask_node(node, &request, 8, shape::OFFSET_COMMIT_8).await?;
    let mut partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
    partitions.try_for_each(|one| check("OffsetCommit", one.error_code))
}
