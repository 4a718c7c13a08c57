use bytes::BytesMut;
use kafka_protocol::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use kafka_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use kafka_protocol::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::list_partition_reassignments_response::{
    OngoingPartitionReassignment, OngoingTopicReassignment,
};
use kafka_protocol::messages::{
    AlterPartitionReassignmentsResponse, BrokerId, DescribeLogDirsResponse, ElectLeadersResponse,
    IncrementalAlterConfigsResponse, ListPartitionReassignmentsResponse, UnregisterBrokerResponse,
};
use kafka_protocol::protocol::Encodable;

use super::admin::{text, topic};
use crate::kafka::shape::{self, Shape, walk};

/// Sees that the shape is that of the answer, to its last byte, and of no part of it.
fn fits<T: Encodable>(answer: &T, version: i16, shape: &[Shape]) {
    let mut bytes = BytesMut::new();
    answer.encode(&mut bytes, version).expect("it can be written");
    assert_eq!(walk(shape, &bytes).map(<[u8]>::len), Some(0), "version {version}");
    for end in 0..bytes.len() {
        assert_eq!(walk(shape, &bytes[..end]), None, "cut off at {end}");
    }
}

#[test]
fn the_shapes_are_those_of_the_answers() {
    let ids = |ids: &[i32]| ids.iter().copied().map(BrokerId).collect::<Vec<_>>();
    let one = OngoingPartitionReassignment::default()
        .with_partition_index(3)
        .with_replicas(ids(&[1, 2, 3, 4]))
        .with_adding_replicas(ids(&[4]))
        .with_removing_replicas(ids(&[1]));
    let topics =
        vec![OngoingTopicReassignment::default().with_name(topic("orders")).with_partitions(vec![one.clone(), one])];
    fits(&ListPartitionReassignmentsResponse::default().with_topics(topics), 0, shape::LIST_REASSIGNMENTS_0);

    let one = ReassignablePartitionResponse::default().with_error_code(39).with_error_message(Some(text("no")));
    let topics =
        vec![ReassignableTopicResponse::default().with_name(topic("orders")).with_partitions(vec![one.clone(), one])];
    let answer = AlterPartitionReassignmentsResponse::default().with_responses(topics);
    fits(&answer, 0, shape::ALTER_REASSIGNMENTS_0);
    fits(&answer, 1, shape::ALTER_REASSIGNMENTS_1);

    let one = PartitionResult::default().with_error_code(84).with_error_message(Some(text("not needed")));
    let results = vec![ReplicaElectionResult::default().with_topic(topic("orders")).with_partition_result(vec![one])];
    fits(&ElectLeadersResponse::default().with_replica_election_results(results), 2, shape::ELECT_LEADERS_2);

    let one =
        AlterConfigsResourceResponse::default().with_resource_name(text("1")).with_error_message(Some(text("no")));
    fits(&IncrementalAlterConfigsResponse::default().with_responses(vec![one]), 1, shape::INCREMENTAL_ALTER_CONFIGS_1);

    let answer =
        UnregisterBrokerResponse::default().with_error_code(102).with_error_message(Some(text("not registered")));
    fits(&answer, 0, shape::UNREGISTER_BROKER_0);

    let one = DescribeLogDirsPartition::default().with_partition_size(1 << 40);
    let topics =
        vec![DescribeLogDirsTopic::default().with_name(topic("orders")).with_partitions(vec![one.clone(), one])];
    let directory =
        DescribeLogDirsResult::default().with_log_dir(text("/data")).with_topics(topics).with_total_bytes(7);
    let answer = DescribeLogDirsResponse::default().with_results(vec![directory.clone(), directory]);
    fits(&answer, 4, shape::DESCRIBE_LOG_DIRS_4);
}
