"""Topics, VPC connections and the scaling of storage: what clients of a cluster set up."""

from conftest import refused, until

IAM = {"Sasl": {"Iam": {"Enabled": True}}}


def test_topics_grow_and_go(aws):
    arn = aws.create_cluster()
    topic = {"ClusterArn": arn, "TopicName": "orders"}
    aws.kafka.create_topic(PartitionCount=3, ReplicationFactor=3, **topic)
    refused("TopicExistsException", aws.kafka.create_topic, PartitionCount=3, ReplicationFactor=3, **topic)
    until(lambda: aws.kafka.describe_topic(**topic), lambda t: t["Status"] == "ACTIVE")
    refused("BadRequestException", aws.kafka.update_topic, PartitionCount=2, **topic)
    aws.kafka.update_topic(PartitionCount=6, **topic)
    partitions = aws.kafka.describe_topic_partitions(**topic)["Partitions"]
    assert [p["Leader"] for p in partitions] == [1, 2, 3, 1, 2, 3]
    assert aws.kafka.list_topics(ClusterArn=arn, TopicNameFilter="ord")["Topics"][0]["PartitionCount"] == 6
    aws.kafka.delete_topic(**topic)
    refused("NotFoundException", aws.kafka.describe_topic, **topic)


def test_a_topic_has_no_more_replicas_than_brokers(aws):
    topic = {"ClusterArn": aws.create_cluster(), "TopicName": "orders", "PartitionCount": 1}
    refused("BadRequestException", aws.kafka.create_topic, ReplicationFactor=4, **topic)


def test_a_vpc_connection_is_made_and_rejected(aws):
    arn = aws.create_cluster(ClientAuthentication=IAM)
    wanted = {
        "TargetClusterArn": arn,
        "Authentication": "SASL_IAM",
        "VpcId": aws.vpc,
        "ClientSubnets": aws.subnets,
        "SecurityGroups": [aws.group],
    }
    refused("BadRequestException", aws.kafka.create_vpc_connection, **wanted)
    connectivity = {"VpcConnectivity": {"ClientAuthentication": IAM}}
    aws.update("update_connectivity", arn, ConnectivityInfo=connectivity)
    made = aws.kafka.create_vpc_connection(**wanted)["VpcConnectionArn"]

    def state() -> str:
        return aws.kafka.describe_vpc_connection(Arn=made)["State"]

    until(state, lambda s: s == "AVAILABLE")
    assert "BootstrapBrokerStringVpcConnectivitySaslIam" in aws.kafka.get_bootstrap_brokers(ClusterArn=arn)
    aws.kafka.reject_client_vpc_connection(ClusterArn=arn, VpcConnectionArn=made)
    until(state, lambda s: s == "REJECTED")
    aws.kafka.delete_vpc_connection(Arn=made)
    until(lambda: aws.kafka.list_vpc_connections()["VpcConnections"], lambda found: found == [])


def test_connections_end_with_the_connectivity(aws):
    arn = aws.create_cluster(ClientAuthentication=IAM)
    on = {"VpcConnectivity": {"ClientAuthentication": IAM}}
    off = {"VpcConnectivity": {"ClientAuthentication": {"Sasl": {"Iam": {"Enabled": False}}}}}
    aws.update("update_connectivity", arn, ConnectivityInfo=on)
    place = {"VpcId": aws.vpc, "ClientSubnets": aws.subnets, "SecurityGroups": [aws.group]}
    made = aws.kafka.create_vpc_connection(TargetClusterArn=arn, Authentication="SASL_IAM", **place)["VpcConnectionArn"]

    def state() -> str:
        return aws.kafka.describe_vpc_connection(Arn=made)["State"]

    until(state, lambda s: s == "AVAILABLE")
    aws.update("update_connectivity", arn, ConnectivityInfo=off)
    assert state() == "INACTIVE"
    aws.update("update_connectivity", arn, ConnectivityInfo=on)
    assert state() == "INACTIVE"
    aws.kafka.delete_vpc_connection(Arn=made)


def test_storage_scaling_is_registered_with_its_policy(aws):
    scaling = aws.client("application-autoscaling")
    target = {
        "ServiceNamespace": "kafka",
        "ResourceId": aws.create_cluster(),
        "ScalableDimension": "kafka:broker-storage:VolumeSize",
    }
    metric = {"PredefinedMetricType": "KafkaBrokerStorageUtilization"}
    tracking = {"TargetValue": 60.0, "DisableScaleIn": True, "PredefinedMetricSpecification": metric}
    scaling.register_scalable_target(MinCapacity=1, MaxCapacity=1000, **target)
    scaling.put_scaling_policy(
        PolicyName="storage",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=tracking,
        **target,
    )
    found = scaling.describe_scalable_targets(ServiceNamespace="kafka", ResourceIds=[target["ResourceId"]])
    assert [t["MaxCapacity"] for t in found["ScalableTargets"]] == [1000]
    policies = scaling.describe_scaling_policies(ServiceNamespace="kafka", ResourceId=target["ResourceId"])
    assert policies["ScalingPolicies"][0]["TargetTrackingScalingPolicyConfiguration"] == tracking
    scaling.delete_scaling_policy(PolicyName="storage", **target)
    scaling.deregister_scalable_target(**target)
    found = scaling.describe_scalable_targets(ServiceNamespace="kafka", ResourceIds=[target["ResourceId"]])
    assert found["ScalableTargets"] == []
