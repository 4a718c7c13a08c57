"""Clusters: created, described, listed, reached, deleted."""

import botocore.session
import pytest
from botocore.config import Config
from conftest import REGION, Aws, refused, until

IAM = {"Sasl": {"Iam": {"Enabled": True}}}
SCRAM = {"Sasl": {"Scram": {"Enabled": True}}}
OPEN = {"Unauthenticated": {"Enabled": True}}


def transit(kind: str) -> dict:
    return {"EncryptionInTransit": {"ClientBroker": kind}}


def create(aws: Aws, name: str = "one", **changes) -> dict:
    return aws.kafka.create_cluster_v2(ClusterName=name, Provisioned=aws.provisioned(**changes))


def test_a_cluster_is_creating_then_active_then_deleting_then_gone(aws):
    aws.choose(times={"cluster_create": 2, "cluster_delete": 2})
    made = create(aws)
    arn = made["ClusterArn"]
    assert (made["State"], made["ClusterType"]) == ("CREATING", "PROVISIONED")
    refused("ConflictException", aws.kafka.get_bootstrap_brokers, ClusterArn=arn)
    refused("BadRequestException", aws.kafka.delete_cluster, ClusterArn=arn)
    aws.wait_for_cluster(arn)
    assert aws.kafka.delete_cluster(ClusterArn=arn)["State"] == "DELETING"
    refused("BadRequestException", aws.kafka.delete_cluster, ClusterArn=arn)
    until(lambda: aws.kafka.list_clusters_v2()["ClusterInfoList"], lambda clusters: clusters == [])
    refused("NotFoundException", aws.kafka.describe_cluster_v2, ClusterArn=arn)
    refused("NotFoundException", aws.kafka.delete_cluster, ClusterArn=arn)


def test_deleting_takes_the_current_version(aws):
    arn = aws.create_cluster()
    refused("BadRequestException", aws.kafka.delete_cluster, ClusterArn=arn, CurrentVersion="KOLD")
    aws.kafka.delete_cluster(ClusterArn=arn, CurrentVersion=aws.cluster(arn)["CurrentVersion"])


def test_a_name_is_taken_once(aws):
    create(aws)
    refused("ConflictException", create, aws=aws)


def test_accounts_and_regions_are_apart(aws, endpoint):
    arn = create(aws)["ClusterArn"]
    assert Aws(endpoint).kafka.list_clusters_v2()["ClusterInfoList"] == []
    elsewhere = aws.client("kafka", region="eu-west-1")
    refused("NotFoundException", elsewhere.describe_cluster_v2, ClusterArn=arn)


def test_msk_fills_in_its_defaults(aws):
    made = aws.cluster(create(aws, BrokerNodeGroupInfo={"StorageInfo": {}})["ClusterArn"])["Provisioned"]
    nodes = made["BrokerNodeGroupInfo"]
    assert nodes["StorageInfo"]["EbsStorageInfo"]["VolumeSize"] == 100
    assert nodes["ConnectivityInfo"]["PublicAccess"]["Type"] == "DISABLED"
    assert len(set(nodes["ZoneIds"])) == 3
    assert made["EncryptionInfo"]["EncryptionInTransit"] == {"ClientBroker": "TLS", "InCluster": True}
    assert made["EnhancedMonitoring"] == "DEFAULT"
    assert made["StorageMode"] == "LOCAL"
    assert made["ClientAuthentication"]["Unauthenticated"]["Enabled"] is True


@pytest.mark.parametrize(
    "changes",
    [
        {"NumberOfBrokerNodes": 4},
        {"NumberOfBrokerNodes": 33},
        {"KafkaVersion": "9.9.9"},
        {"KafkaVersion": "2.8.1"},
        {"KafkaVersion": "4.2.x.kraft"},
        {"BrokerNodeGroupInfo": {"InstanceType": "kafka.m99.large"}},
        {"BrokerNodeGroupInfo": {"SecurityGroups": ["sg-12345678901234567"]}},
        {"BrokerNodeGroupInfo": {"ClientSubnets": ["subnet-1", "subnet-2"]}, "NumberOfBrokerNodes": 2},
        {"BrokerNodeGroupInfo": {"StorageInfo": {"EbsStorageInfo": {"VolumeSize": 16385}}}},
        {
            "BrokerNodeGroupInfo": {
                "StorageInfo": {
                    "EbsStorageInfo": {
                        "VolumeSize": 100,
                        "ProvisionedThroughput": {"Enabled": True, "VolumeThroughput": 250},
                    }
                }
            }
        },
        {"BrokerNodeGroupInfo": {"ConnectivityInfo": {"PublicAccess": {"Type": "SERVICE_PROVIDED_EIPS"}}}},
        {"BrokerNodeGroupInfo": {"InstanceType": "kafka.t3.small"}, "StorageMode": "TIERED"},
        {"BrokerNodeGroupInfo": {"InstanceType": "express.m7g.large"}},
        {"Rebalancing": {"Status": "ACTIVE"}},
        {"ClientAuthentication": IAM, "EncryptionInfo": transit("PLAINTEXT")},
        {"ClientAuthentication": {"Unauthenticated": {"Enabled": False}}},
        {"ClientAuthentication": {"Tls": {"Enabled": True}}},
        {"LoggingInfo": {"BrokerLogs": {"S3": {"Enabled": True}}}},
        {"ConfigurationInfo": {"Arn": "arn:aws:kafka:us-east-1:000000000000:configuration/x/y", "Revision": 1}},
    ],
    ids=[
        "not a multiple",
        "too many",
        "unknown version",
        "deprecated version",
        "version for Express",
        "broker type",
        "group",
        "subnets",
        "large volume",
        "throughput of a small broker",
        "public",
        "tiered on t3",
        "volumes on Express",
        "rebalancing on Standard",
        "plaintext with authentication",
        "no access",
        "TLS without authorities",
        "logs without a bucket",
        "configuration",
    ],
)
def test_clusters_that_cannot_be(aws, changes):
    refused("BadRequestException", create, aws=aws, **changes)
    assert aws.kafka.list_clusters_v2()["ClusterInfoList"] == []


def test_subnets_are_in_zones_of_their_own(aws):
    other = aws.ec2.create_subnet(VpcId=aws.vpc, CidrBlock="10.0.9.0/24", AvailabilityZone="us-east-1a")
    nodes = {"ClientSubnets": [aws.subnets[0], other["Subnet"]["SubnetId"]]}
    refused("BadRequestException", create, aws=aws, BrokerNodeGroupInfo=nodes, NumberOfBrokerNodes=2)


def test_up_to_sixty_kraft_brokers(aws):
    assert create(aws, KafkaVersion="3.9.x.kraft", NumberOfBrokerNodes=60)
    refused("BadRequestException", create, aws=aws, name="two", KafkaVersion="3.9.x.kraft", NumberOfBrokerNodes=63)


def test_a_cluster_that_ends_failed(aws):
    aws.choose(faults=[{"service": "kafka", "operation": "CreateCluster*", "outcome": "FAILED", "count": 1}])
    arn = create(aws)["ClusterArn"]
    failed = aws.wait_for_cluster(arn, "FAILED")
    assert failed["StateInfo"]["Code"]
    aws.update_refused("update_broker_count", arn, TargetNumberOfBrokerNodes=6)
    aws.kafka.delete_cluster(ClusterArn=arn)
    until(lambda: aws.kafka.list_clusters_v2()["ClusterInfoList"], lambda clusters: clusters == [])
    aws.create_cluster()


def test_a_cluster_holds_its_subnets_and_groups(aws):
    arn = aws.create_cluster()
    filters = [{"Name": "group-id", "Values": [aws.group]}]
    assert len(aws.ec2.describe_network_interfaces(Filters=filters)["NetworkInterfaces"]) == 3
    refused("DependencyViolation", aws.ec2.delete_subnet, SubnetId=aws.subnets[0])
    refused("DependencyViolation", aws.ec2.delete_security_group, GroupId=aws.group)
    aws.kafka.delete_cluster(ClusterArn=arn)

    def interfaces() -> list:
        return aws.ec2.describe_network_interfaces(Filters=filters)["NetworkInterfaces"]

    until(interfaces, lambda found: found == [])
    aws.ec2.delete_subnet(SubnetId=aws.subnets[0])
    aws.ec2.delete_security_group(GroupId=aws.group)


@pytest.mark.parametrize(
    ("authentication", "kind", "listeners"),
    [
        (OPEN, "TLS", {"Tls": 9094}),
        (OPEN, "TLS_PLAINTEXT", {"": 9092, "Tls": 9094}),
        (OPEN, "PLAINTEXT", {"": 9092}),
        (IAM, "TLS", {"SaslIam": 9098}),
        (SCRAM, "TLS", {"SaslScram": 9096}),
        ({**SCRAM, **OPEN}, "TLS_PLAINTEXT", {"": 9092, "Tls": 9094, "SaslScram": 9096}),
    ],
    ids=["open TLS", "open both", "open plaintext", "IAM", "SCRAM", "SCRAM and open"],
)
def test_bootstrap_brokers_are_of_the_listeners_that_are_on(aws, authentication, kind, listeners):
    arn = aws.create_cluster(ClientAuthentication=authentication, EncryptionInfo=transit(kind))
    answer = aws.kafka.get_bootstrap_brokers(ClusterArn=arn)
    answer.pop("ResponseMetadata")
    assert set(answer) == {f"BootstrapBrokerString{name}" for name in listeners}
    for name, port in listeners.items():
        brokers = answer[f"BootstrapBrokerString{name}"].split(",")
        assert len(brokers) == 3
        assert all(broker.endswith(f":{port}") for broker in brokers)


def test_nodes_are_brokers_in_their_subnets(aws):
    arn = aws.create_cluster(NumberOfBrokerNodes=6)
    nodes = [n for n in aws.kafka.list_nodes(ClusterArn=arn)["NodeInfoList"] if "BrokerNodeInfo" in n]
    assert [n["BrokerNodeInfo"]["BrokerId"] for n in nodes] == [1, 2, 3, 4, 5, 6]
    assert [n["BrokerNodeInfo"]["ClientSubnet"] for n in nodes] == aws.subnets * 2
    for node in nodes:
        interface = aws.interface(node["BrokerNodeInfo"]["AttachedENIId"])
        assert interface["PrivateIpAddress"] == node["BrokerNodeInfo"]["ClientVpcIpAddress"]


def test_zookeeper_shows_where_there_is_one(aws):
    old, new = aws.create_cluster("old"), aws.create_cluster("new", KafkaVersion="3.9.x.kraft")
    assert "ZookeeperConnectString" in aws.cluster(old)["Provisioned"]
    assert "ZookeeperConnectString" not in aws.cluster(new)["Provisioned"]


def test_lists_by_name_and_type_and_page(aws):
    for name in ("dev-1", "dev-2", "prod-1"):
        create(aws, name)
    serverless = {"VpcConfigs": [{"SubnetIds": aws.subnets}], "ClientAuthentication": IAM}
    aws.kafka.create_cluster_v2(ClusterName="dev-3", Serverless=serverless)

    def names(call, **parameters) -> list[str]:
        return [c["ClusterName"] for c in call(**parameters)["ClusterInfoList"]]

    assert names(aws.kafka.list_clusters_v2, ClusterNameFilter="dev") == ["dev-1", "dev-2", "dev-3"]
    assert names(aws.kafka.list_clusters_v2, ClusterTypeFilter="SERVERLESS") == ["dev-3"]
    assert names(aws.kafka.list_clusters) == ["dev-1", "dev-2", "prod-1"]
    first = aws.kafka.list_clusters_v2(MaxResults=3)
    rest = aws.kafka.list_clusters_v2(MaxResults=3, NextToken=first["NextToken"])
    assert [c["ClusterName"] for c in rest["ClusterInfoList"]] == ["dev-3"]
    assert "NextToken" not in rest
    refused("BadRequestException", aws.kafka.list_clusters_v2, NextToken="x")


def test_serverless_has_no_provisioned_updates(aws):
    serverless = {"VpcConfigs": [{"SubnetIds": aws.subnets}], "ClientAuthentication": IAM}
    arn = aws.kafka.create_cluster_v2(ClusterName="one", Serverless=serverless)["ClusterArn"]
    aws.wait_for_cluster(arn)
    aws.update_refused("update_broker_count", arn, TargetNumberOfBrokerNodes=6)
    refused("BadRequestException", aws.kafka.describe_cluster, ClusterArn=arn)
    assert aws.kafka.get_bootstrap_brokers(ClusterArn=arn)["BootstrapBrokerStringSaslIam"].endswith(":9098")


def test_required_parameters_are_asked_for(aws):
    session = botocore.session.Session()
    session.set_credentials(aws.account, "test")
    unchecked = Config(parameter_validation=False)
    kafka = session.create_client("kafka", REGION, endpoint_url=aws.endpoint, config=unchecked)
    refused("BadRequestException", kafka.create_cluster_v2)


def test_a_cluster_is_one_kind_or_the_other(aws):
    refused("BadRequestException", aws.kafka.create_cluster_v2, ClusterName="one")


def test_tags_of_a_cluster(aws):
    arn = aws.kafka.create_cluster_v2(
        ClusterName="one", Provisioned=aws.provisioned(), Tags={"kstack:stack": "dev", "a": "b"}
    )["ClusterArn"]
    aws.kafka.tag_resource(ResourceArn=arn, Tags={"a": "c"})
    aws.kafka.untag_resource(ResourceArn=arn, TagKeys=["kstack:stack", "other"])
    assert aws.kafka.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"a": "c"}
    assert aws.cluster(arn)["Tags"] == {"a": "c"}
    refused("BadRequestException", aws.kafka.tag_resource, ResourceArn=arn, Tags={"aws:x": "y"})
    refused("NotFoundException", aws.kafka.list_tags_for_resource, ResourceArn=arn + "x")
