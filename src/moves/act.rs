//! The requests of one action, each of which may be the last: whatever was sent before, the next look finds what is missing.

use std::collections::BTreeMap;

use kafka_protocol::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, BrokerId, ElectLeadersRequest, IncrementalAlterConfigsRequest,
    UnregisterBrokerRequest,
};
use kafka_protocol::protocol::StrBytes;

use super::admin::{Admin, MoveError, broker_ids, refused, text, topic};
use super::look::{BROKER, TOPIC};
use crate::kafka::shape;
use kstack_core::moves::{Key, ListChange, RateChange, View};

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// Kafka's errors that say that something is as it should be.
const ELECTION_NOT_NEEDED: i16 = 84;
const NO_REASSIGNMENT_IN_PROGRESS: i16 = 85;
/// A topic that has gone meanwhile has nothing to move.
const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
/// The preferred leader went out of sync meanwhile.
const PREFERRED_LEADER_NOT_AVAILABLE: i16 = 80;

/// A request whose answer was lost has done it.
const BROKER_ID_NOT_REGISTERED: i16 = 102;

/// The longest that the controllers may take.
const TIMEOUT_MS: i32 = 20_000;

impl Admin<'_> {
    /// Changes lists of throttled replicas: one request for all topics.
    pub(super) async fn change_lists(&self, changes: &[ListChange]) -> Result<(), MoveError> {
        let mut topics: BTreeMap<&String, Vec<AlterableConfig>> = BTreeMap::new();
        for change in changes {
            let (topic, side, operation, value) = match change {
                ListChange::Append { topic, side, entries } => (topic, side, APPEND, Some(entries.join(","))),
                ListChange::Remove { topic, side, entries } => (topic, side, SUBTRACT, Some(entries.join(","))),
                ListChange::Delete { topic, side } => (topic, side, DELETE, None),
            };
            topics.entry(topic).or_default().push(config(side.list_key(), operation, value));
        }
        let resource = |(name, configs): (&String, Vec<AlterableConfig>)| {
            AlterConfigsResource::default()
                .with_resource_type(TOPIC)
                .with_resource_name(text(name))
                .with_configs(configs)
        };
        let resources: Vec<AlterConfigsResource> = topics.into_iter().map(resource).collect();
        if resources.is_empty() { Ok(()) } else { self.change_settings(None, resources).await }
    }

    /// Changes rates, each at its broker: no other one takes them.
    pub(super) async fn change_rates(&self, changes: &[RateChange]) -> Result<(), MoveError> {
        let mut brokers: BTreeMap<u32, Vec<AlterableConfig>> = BTreeMap::new();
        for change in changes {
            let operation = if change.rate.is_some() { SET } else { DELETE };
            let config = config(change.side.rate_key(), operation, change.rate.map(|rate| rate.to_string()));
            brokers.entry(change.broker).or_default().push(config);
        }
        for (broker, configs) in brokers {
            let name = text(&broker.to_string());
            let resource = AlterConfigsResource::default().with_resource_type(BROKER).with_resource_name(name);
            self.change_settings(Some(broker), vec![resource.with_configs(configs)]).await?;
        }
        Ok(())
    }

    async fn change_settings(
        &self,
        broker: Option<u32>,
        resources: Vec<AlterConfigsResource>,
    ) -> Result<(), MoveError> {
        self.before_write()?;
        let request = IncrementalAlterConfigsRequest::default().with_resources(resources);
        let shapes: &[(i16, &[shape::Shape])] = &[(1, shape::INCREMENTAL_ALTER_CONFIGS_1)];
        let answer = match broker {
            Some(broker) => self.ask(broker, &request, shapes).await?,
            None => self.ask_any(&request, shapes).await?,
        };
        self.written().await;
        answer.responses.iter().filter(|one| one.error_code != UNKNOWN_TOPIC_OR_PARTITION).try_for_each(|one| {
            let what = format!("changing the settings of {}", one.resource_name);
            refused(&what, one.error_code, one.error_message.as_ref())
        })
    }

    /// Reassigns partitions, or takes their reassignments back where there is no list. The number of replicas changes only where `number`
    /// says so.
    pub(super) async fn reassign(&self, moves: &[(Key, Option<Vec<u32>>)], number: bool) -> Result<(), MoveError> {
        self.before_write()?;
        let mut topics: BTreeMap<&String, Vec<ReassignablePartition>> = BTreeMap::new();
        for ((name, index), replicas) in moves {
            let one = ReassignablePartition::default().with_partition_index(i32::try_from(*index).unwrap_or_default());
            topics.entry(name).or_default().push(one.with_replicas(replicas.as_ref().map(|ids| broker_ids(ids))));
        }
        let topics = topics
            .into_iter()
            .map(|(name, partitions)| ReassignableTopic::default().with_name(topic(name)).with_partitions(partitions));
        let request = AlterPartitionReassignmentsRequest::default()
            .with_timeout_ms(TIMEOUT_MS)
            .with_allow_replication_factor_change(number)
            .with_topics(topics.collect());
        let shapes: &[(i16, &[shape::Shape])] = &[(0, shape::ALTER_REASSIGNMENTS_0), (1, shape::ALTER_REASSIGNMENTS_1)];
        let answer = self.ask_any(&request, shapes).await?;
        self.written().await;
        refused("AlterPartitionReassignments", answer.error_code, answer.error_message.as_ref())?;
        let all = answer.responses.iter().flat_map(|topic| topic.partitions.iter().map(move |one| (topic, one)));
        let passed = [NO_REASSIGNMENT_IN_PROGRESS, UNKNOWN_TOPIC_OR_PARTITION];
        all.filter(|(_, one)| !passed.contains(&one.error_code)).try_for_each(|(topic, one)| {
            let what = format!("reassigning {}-{}", topic.name.0, one.partition_index);
            refused(&what, one.error_code, one.error_message.as_ref())
        })
    }

    /// Lets the preferred leaders of these partitions lead.
    pub(super) async fn elect(&self, keys: &[Key]) -> Result<(), MoveError> {
        self.before_write()?;
        let mut topics: BTreeMap<&String, Vec<i32>> = BTreeMap::new();
        for (name, index) in keys {
            topics.entry(name).or_default().push(i32::try_from(*index).unwrap_or_default());
        }
        let topics = topics
            .into_iter()
            .map(|(name, partitions)| TopicPartitions::default().with_topic(topic(name)).with_partitions(partitions));
        let request = ElectLeadersRequest::default()
            .with_election_type(0)
            .with_timeout_ms(TIMEOUT_MS)
            .with_topic_partitions(Some(topics.collect()));
        let answer = self.ask_any(&request, &[(2, shape::ELECT_LEADERS_2)]).await?;
        self.written().await;
        refused("ElectLeaders", answer.error_code, None)?;
        let all = answer.replica_election_results.iter();
        let all = all.flat_map(|topic| topic.partition_result.iter().map(move |one| (topic, one)));
        let passed = [ELECTION_NOT_NEEDED, UNKNOWN_TOPIC_OR_PARTITION, PREFERRED_LEADER_NOT_AVAILABLE];
        all.filter(|(_, one)| !passed.contains(&one.error_code)).try_for_each(|(topic, one)| {
            let what = format!("electing the leader of {}-{}", topic.topic.0, one.partition_id);
            refused(&what, one.error_code, one.error_message.as_ref())
        })
    }

    /// Has the cluster forget a broker that does not run. One that it does not know any more is forgotten.
    ///
    /// # Errors
    /// Kafka's refusal, or that none answers.
    pub async fn unregister(&self, id: u32) -> Result<(), MoveError> {
        self.before_write()?;
        let id = i32::try_from(id).unwrap_or_default();
        let request = UnregisterBrokerRequest::default().with_broker_id(BrokerId(id));
        let answer = self.ask_any(&request, &[(0, shape::UNREGISTER_BROKER_0)]).await?;
        self.written().await;
        let code = if answer.error_code == BROKER_ID_NOT_REGISTERED { 0 } else { answer.error_code };
        refused(&format!("unregistering broker {id}"), code, answer.error_message.as_ref())
    }

    /// Takes these moves back, and puts each partition's list into the order that it had.
    pub(super) async fn take_back(&self, view: &View, keys: &[Key]) -> Result<(), MoveError> {
        let cancels: Vec<(Key, Option<Vec<u32>>)> = keys.iter().map(|key| (key.clone(), None)).collect();
        self.reassign(&cancels, false).await?;
        let origin = |key: &Key| Some((key.clone(), Some(view.moving.get(key)?.origin())));
        let orders: Vec<(Key, Option<Vec<u32>>)> = keys.iter().filter_map(origin).collect();
        self.reassign(&orders, false).await
    }
}

fn config(key: &'static str, operation: i8, value: Option<String>) -> AlterableConfig {
    let config = AlterableConfig::default().with_name(StrBytes::from_static_str(key));
    config.with_config_operation(operation).with_value(value.map(StrBytes::from_string))
}
