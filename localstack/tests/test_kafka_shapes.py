"""Every operation of MSK that is served answers in the shape of botocore's model.

One walk through the whole API; conftest's check looks at each answer as it came over the wire.
"""

import json

import pytest
from botocore.exceptions import ClientError
from botocore.session import Session
from conftest import Aws, until
from test_kafka_security import create_secret

NOT_SERVED = {
    "CreateReplicator",
    "DeleteReplicator",
    "DescribeReplicator",
    "ListReplicators",
    "UpdateReplicationInfo",
}
OPERATIONS = sorted(set(Session().get_service_model("kafka").operation_names) - NOT_SERVED)
SASL = {"Sasl": {"Scram": {"Enabled": True}, "Iam": {"Enabled": True}}}


@pytest.fixture(scope="module")
def answered(endpoint) -> set[str]:
    """The operations that answered during the walk."""
    aws = Aws(endpoint)
    aws.choose(times={"storage_cooling_off": 0})
    walk_configurations(aws)
    arn = walk_provisioned(aws)
    walk_operations(aws, arn)
    walk_topics(aws, arn)
    walk_security(aws, arn)
    walk_connections(aws, arn)
    aws.kafka.delete_cluster(ClusterArn=arn)
    walk_serverless(aws)
    return aws.clients.answered


def walk_configurations(aws: Aws) -> None:
    kafka = aws.kafka
    arn = kafka.create_configuration(Name="walk", ServerProperties=b"auto.create.topics.enable=false")["Arn"]
    kafka.update_configuration(Arn=arn, ServerProperties=b"auto.create.topics.enable=true", Description="second")
    kafka.describe_configuration(Arn=arn)
    kafka.describe_configuration_revision(Arn=arn, Revision=2)
    kafka.list_configurations()
    kafka.list_configuration_revisions(Arn=arn)
    kafka.delete_configuration(Arn=arn)


def walk_provisioned(aws: Aws) -> str:
    kafka = aws.kafka
    arn = kafka.create_cluster(ClusterName="first", ClientAuthentication=SASL, Tags={"a": "b"}, **aws.provisioned())[
        "ClusterArn"
    ]
    kafka.list_clusters()
    aws.wait_for_cluster(arn)
    kafka.describe_cluster(ClusterArn=arn)
    kafka.get_bootstrap_brokers(ClusterArn=arn)
    kafka.list_nodes(ClusterArn=arn)
    kafka.list_kafka_versions()
    kafka.get_compatible_kafka_versions(ClusterArn=arn)
    kafka.get_compatible_kafka_versions()
    return arn


def walk_operations(aws: Aws, arn: str) -> None:
    kafka = aws.kafka
    configuration = kafka.create_configuration(Name="used", ServerProperties=b"num.partitions=6")["Arn"]
    used = {"Arn": configuration, "Revision": 1}
    logs = {"BrokerLogs": {"CloudWatchLogs": {"Enabled": True, "LogGroup": "x"}}}
    exporters = {"JmxExporter": {"EnabledInBroker": True}, "NodeExporter": {"EnabledInBroker": True}}
    reachable = {"VpcConnectivity": {"ClientAuthentication": {"Sasl": {"Iam": {"Enabled": True}}}}}
    everything = {"KafkaBrokerNodeId": "All", "VolumeSizeGB": 200}
    kafka.reboot_broker(ClusterArn=arn, BrokerIds=["1"])
    aws.wait_for_cluster(arn)
    aws.update("update_broker_count", arn, TargetNumberOfBrokerNodes=6)
    aws.update("update_broker_count", arn, TargetNumberOfBrokerNodes=3)
    aws.update("update_broker_type", arn, TargetInstanceType="kafka.m5.4xlarge")
    aws.update("update_broker_storage", arn, TargetBrokerEBSVolumeInfo=[everything])
    throughput = {"Enabled": True, "VolumeThroughput": 300}
    aws.update("update_storage", arn, VolumeSizeGB=300, ProvisionedThroughput=throughput)
    aws.update("update_storage", arn, StorageMode="TIERED")
    aws.update("update_cluster_configuration", arn, ConfigurationInfo=used)
    aws.update("update_cluster_kafka_version", arn, TargetKafkaVersion="3.8.x", ConfigurationInfo=used)
    aws.update("update_monitoring", arn, OpenMonitoring={"Prometheus": exporters}, LoggingInfo=logs)
    aws.update("update_connectivity", arn, ConnectivityInfo=reachable)
    aws.update("update_security", arn, EncryptionInfo={"EncryptionInTransit": {"ClientBroker": "TLS_PLAINTEXT"}})
    rebalance(aws)
    kafka.list_cluster_operations(ClusterArn=arn)
    operations = kafka.list_cluster_operations_v2(ClusterArn=arn)["ClusterOperationInfoList"]
    for operation in operations:
        kafka.describe_cluster_operation(ClusterOperationArn=operation["OperationArn"])
        kafka.describe_cluster_operation_v2(ClusterOperationArn=operation["OperationArn"])


def rebalance(aws: Aws) -> None:
    nodes = {"InstanceType": "express.m7g.large", "ClientSubnets": aws.subnets}
    wanted = {"BrokerNodeGroupInfo": nodes, "KafkaVersion": "3.8.x", "NumberOfBrokerNodes": 3}
    arn = aws.kafka.create_cluster_v2(ClusterName="express", Provisioned=wanted)["ClusterArn"]
    aws.wait_for_cluster(arn)
    aws.update("update_rebalancing", arn, Rebalancing={"Status": "PAUSED"})


def walk_topics(aws: Aws, arn: str) -> None:
    kafka, topic = aws.kafka, {"ClusterArn": arn, "TopicName": "t"}
    kafka.create_topic(PartitionCount=3, ReplicationFactor=3, **topic)
    kafka.update_topic(PartitionCount=6, **topic)
    kafka.describe_topic(**topic)
    kafka.describe_topic_partitions(**topic)
    kafka.list_topics(ClusterArn=arn)
    kafka.delete_topic(**topic)


def walk_security(aws: Aws, arn: str) -> None:
    kafka = aws.kafka
    secrets = [create_secret(aws), "arn:aws:secretsmanager:us-east-1:000000000000:secret:other"]
    kafka.batch_associate_scram_secret(ClusterArn=arn, SecretArnList=secrets)
    kafka.list_scram_secrets(ClusterArn=arn)
    kafka.batch_disassociate_scram_secret(ClusterArn=arn, SecretArnList=secrets)
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow"}]})
    kafka.put_cluster_policy(ClusterArn=arn, Policy=policy)
    kafka.get_cluster_policy(ClusterArn=arn)
    kafka.delete_cluster_policy(ClusterArn=arn)
    kafka.tag_resource(ResourceArn=arn, Tags={"c": "d"})
    kafka.untag_resource(ResourceArn=arn, TagKeys=["a"])
    kafka.list_tags_for_resource(ResourceArn=arn)


def walk_connections(aws: Aws, arn: str) -> None:
    kafka = aws.kafka
    made = kafka.create_vpc_connection(
        TargetClusterArn=arn,
        Authentication="SASL_IAM",
        VpcId=aws.vpc,
        ClientSubnets=aws.subnets,
        SecurityGroups=[aws.group],
    )["VpcConnectionArn"]
    until(lambda: kafka.describe_vpc_connection(Arn=made), lambda c: c["State"] == "AVAILABLE")
    kafka.list_vpc_connections()
    kafka.list_client_vpc_connections(ClusterArn=arn)
    kafka.reject_client_vpc_connection(ClusterArn=arn, VpcConnectionArn=made)
    kafka.delete_vpc_connection(Arn=made)


def walk_serverless(aws: Aws) -> None:
    kafka = aws.kafka
    serverless = {
        "VpcConfigs": [{"SubnetIds": aws.subnets, "SecurityGroupIds": [aws.group]}],
        "ClientAuthentication": {"Sasl": {"Iam": {"Enabled": True}}},
    }
    arn = kafka.create_cluster_v2(ClusterName="serverless", Serverless=serverless)["ClusterArn"]
    aws.wait_for_cluster(arn)
    kafka.describe_cluster_v2(ClusterArn=arn)
    kafka.list_clusters_v2()
    kafka.get_bootstrap_brokers(ClusterArn=arn)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_answer_has_the_shape_of_the_model(answered, operation):
    assert operation in answered


def test_what_is_not_served_says_so(aws):
    with pytest.raises(ClientError) as caught:
        aws.kafka.list_replicators()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
