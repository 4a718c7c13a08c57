"""Versions: which kind of broker has which, and the one way from ZooKeeper to KRaft."""

import json
import urllib.request

import pytest
from conftest import refused


def express(aws, version: str) -> dict:
    nodes = {"InstanceType": "express.m7g.large", "ClientSubnets": aws.subnets, "SecurityGroups": [aws.group]}
    return {"BrokerNodeGroupInfo": nodes, "KafkaVersion": version, "NumberOfBrokerNodes": 3}


def create_express(aws, version: str) -> str:
    arn = aws.kafka.create_cluster_v2(ClusterName="express", Provisioned=express(aws, version))["ClusterArn"]
    aws.wait_for_cluster(arn)
    return arn


def version_of(aws, arn: str) -> str:
    return aws.cluster(arn)["Provisioned"]["CurrentBrokerSoftwareInfo"]["KafkaVersion"]


def targets(aws, arn: str) -> list[str]:
    answer = aws.kafka.get_compatible_kafka_versions(ClusterArn=arn)
    return answer["CompatibleKafkaVersions"][0]["TargetVersions"]


def close_zookeeper(aws, arn: str, enabled: bool = False) -> None:
    """The call as newer SDKs make it: the locked botocore does not have this member."""
    version = aws.cluster(arn)["CurrentVersion"]
    body = json.dumps({"currentVersion": version, "zookeeperAccess": {"enabled": enabled}}).encode()
    scope = f"{aws.account}/20260101/us-east-1/kafka/aws4_request"
    headers = {
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
        "Content-Type": "application/json",
    }
    path = urllib.request.quote(arn, safe="")
    url = f"{aws.endpoint}/v1/clusters/{path}/connectivity"
    with urllib.request.urlopen(urllib.request.Request(url, data=body, headers=headers, method="PUT")) as answer:
        operation = json.load(answer)["clusterOperationArn"]
    aws.wait_for_cluster(arn)
    path = urllib.request.quote(operation, safe="")
    with urllib.request.urlopen(
        urllib.request.Request(f"{aws.endpoint}/v1/operations/{path}", headers=headers)
    ) as answer:
        info = json.load(answer)["clusterOperationInfo"]
    assert info["targetClusterInfo"]["zookeeperAccess"] == {"enabled": enabled}


@pytest.mark.parametrize("version", ["3.6.0", "3.8.x", "3.9.x.kraft", "4.2.x.kraft"])
def test_express_brokers_have_their_versions(aws, version):
    assert version_of(aws, create_express(aws, version)) == version


@pytest.mark.parametrize("version", ["3.7.x", "3.7.x.kraft", "3.8.x.kraft", "3.9.x", "4.0.x.kraft", "4.1.x.kraft"])
def test_express_brokers_lack_the_others(aws, version):
    parameters = {"ClusterName": "express", "Provisioned": express(aws, version)}
    message = refused("BadRequestException", aws.kafka.create_cluster_v2, **parameters)
    assert message == f"Express instance types are not supported for Kafka version {version}."


def test_standard_brokers_have_3_9_with_zookeeper_and_not_4_2(aws):
    assert version_of(aws, aws.create_cluster(KafkaVersion="3.9.x")) == "3.9.x"
    wanted = aws.provisioned(KafkaVersion="4.2.x.kraft")
    refused("BadRequestException", aws.kafka.create_cluster_v2, ClusterName="two", Provisioned=wanted)


def test_a_version_of_one_kind_of_broker_is_listed_twice(aws):
    rows = [(one["Version"], one["Status"]) for one in aws.kafka.list_kafka_versions()["KafkaVersions"]]
    for version in ("3.9.x", "4.2.x.kraft"):
        assert sorted(status for name, status in rows if name == version) == ["ACTIVE", "DEPRECATED"]
    assert [status for name, status in rows if name == "3.8.x"] == ["ACTIVE"]


def test_a_cluster_with_zookeeper_is_brought_to_kraft_in_place(aws):
    arn = aws.create_cluster(KafkaVersion="3.8.x")
    assert "3.9.x.kraft" not in targets(aws, arn)
    aws.update("update_cluster_kafka_version", arn, TargetKafkaVersion="3.9.x")
    assert targets(aws, arn) == ["3.9.x.kraft"]
    migrate = {"TargetKafkaVersion": "3.9.x.kraft"}
    assert "ZooKeeper access" in aws.update_refused("update_cluster_kafka_version", arn, **migrate)
    close_zookeeper(aws, arn)
    aws.update("update_cluster_kafka_version", arn, **migrate)
    assert version_of(aws, arn) == "3.9.x.kraft"
    assert "3.9.x" not in targets(aws, arn)
    assert "4.1.x.kraft" in targets(aws, arn)


def test_express_brokers_go_to_kraft_as_they_are(aws):
    arn = create_express(aws, "3.8.x")
    assert targets(aws, arn) == ["3.9.x"]
    aws.update("update_cluster_kafka_version", arn, TargetKafkaVersion="3.9.x")
    assert targets(aws, arn) == ["3.9.x.kraft"]
    aws.update("update_cluster_kafka_version", arn, TargetKafkaVersion="3.9.x.kraft")
    assert targets(aws, arn) == ["4.2.x.kraft"]


def test_what_keeps_a_cluster_with_zookeeper(aws):
    small = aws.create_cluster("small", KafkaVersion="3.9.x", BrokerNodeGroupInfo={"InstanceType": "kafka.t3.small"})
    assert targets(aws, small) == []
    nodes = {"ClientSubnets": aws.subnets[:2]}
    narrow = aws.create_cluster("narrow", KafkaVersion="3.9.x", BrokerNodeGroupInfo=nodes, NumberOfBrokerNodes=2)
    close_zookeeper(aws, narrow)
    migrate = {"TargetKafkaVersion": "3.9.x.kraft"}
    assert "3 Availability Zones" in aws.update_refused("update_cluster_kafka_version", narrow, **migrate)


@pytest.mark.parametrize(("version", "allowed"), [("3.9.x", True), ("3.9.x.kraft", False)])
def test_kraft_has_open_monitoring_or_public_access(aws, version, allowed):
    prometheus = {"Prometheus": {"JmxExporter": {"EnabledInBroker": True}, "NodeExporter": {"EnabledInBroker": False}}}
    iam = {"Sasl": {"Iam": {"Enabled": True}}, "Unauthenticated": {"Enabled": False}}
    arn = aws.create_cluster(KafkaVersion=version, OpenMonitoring=prometheus, ClientAuthentication=iam)
    gateway = aws.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    aws.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=aws.vpc)
    table = aws.ec2.create_route_table(VpcId=aws.vpc)["RouteTable"]["RouteTableId"]
    aws.ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    for subnet in aws.subnets:
        aws.ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    public = {"ConnectivityInfo": {"PublicAccess": {"Type": "SERVICE_PROVIDED_EIPS"}}}
    if allowed:
        aws.update("update_connectivity", arn, **public)
        return
    assert "Open monitoring" in aws.update_refused("update_connectivity", arn, **public)
    closed = {"Prometheus": {name: {"EnabledInBroker": False} for name in ("JmxExporter", "NodeExporter")}}
    aws.update("update_monitoring", arn, OpenMonitoring=closed)
    aws.update("update_connectivity", arn, **public)
    assert "Open monitoring" in aws.update_refused("update_monitoring", arn, OpenMonitoring=prometheus)
