"""Updates: one at a time, of the current version, and only what AWS changes."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError
from conftest import refused, until

CLUSTERS = {
    "update_broker_count": {"TargetNumberOfBrokerNodes": 6},
    "update_broker_type": {"TargetInstanceType": "kafka.m5.xlarge"},
    "update_broker_storage": {"TargetBrokerEBSVolumeInfo": [{"KafkaBrokerNodeId": "All", "VolumeSizeGB": 200}]},
    "update_storage": {"StorageMode": "TIERED"},
    "update_cluster_kafka_version": {"TargetKafkaVersion": "3.8.x"},
    "update_monitoring": {"EnhancedMonitoring": "PER_BROKER"},
    "update_security": {"ClientAuthentication": {"Sasl": {"Iam": {"Enabled": True}}}},
    "update_connectivity": {"ConnectivityInfo": {"NetworkType": "DUAL"}},
}


def storage(size: int, node: str = "All") -> dict:
    return {"TargetBrokerEBSVolumeInfo": [{"KafkaBrokerNodeId": node, "VolumeSizeGB": size}]}


@pytest.mark.parametrize("operation", CLUSTERS)
def test_an_update_needs_the_current_version_and_changes_it(aws, operation):
    aws.give_ipv6()
    arn, parameters = aws.create_cluster(), CLUSTERS[operation]
    call, version = getattr(aws.kafka, operation), aws.cluster(arn)["CurrentVersion"]
    refused("BadRequestException", call, ClusterArn=arn, CurrentVersion="KOLD", **parameters)
    done = aws.update(operation, arn, **parameters)
    assert done["OperationState"] == "UPDATE_COMPLETE"
    assert done["SourceClusterInfo"] != done["TargetClusterInfo"]
    assert aws.cluster(arn)["CurrentVersion"] != version
    refused("BadRequestException", call, ClusterArn=arn, CurrentVersion=version, **parameters)


@pytest.mark.parametrize("operation", CLUSTERS)
def test_an_update_that_ends_failed_changes_nothing(aws, operation):
    aws.give_ipv6()
    arn = aws.create_cluster()
    before = aws.cluster(arn)
    aws.choose(faults=[{"service": "kafka", "operation": "Update*", "outcome": "UPDATE_FAILED", "count": 1}])
    failed = aws.update(operation, arn, **CLUSTERS[operation])
    assert failed["OperationState"] == "UPDATE_FAILED"
    assert failed["ErrorInfo"]["ErrorCode"]
    assert aws.cluster(arn) == before
    assert aws.update(operation, arn, **CLUSTERS[operation])["OperationState"] == "UPDATE_COMPLETE"


DUAL = {"ConnectivityInfo": {"NetworkType": "DUAL"}}


def test_dual_stack_needs_ipv6_in_each_subnet_and_is_for_good(aws):
    arn = aws.create_cluster()
    aws.update_refused("update_connectivity", arn, **DUAL)
    aws.give_ipv6()
    assert "BootstrapBrokerStringTlsIpv6" not in aws.kafka.get_bootstrap_brokers(ClusterArn=arn)
    assert aws.update("update_connectivity", arn, **DUAL)["OperationState"] == "UPDATE_COMPLETE"
    nodes = aws.cluster(arn)["Provisioned"]["BrokerNodeGroupInfo"]
    assert nodes["ConnectivityInfo"]["NetworkType"] == "DUAL"
    assert "BootstrapBrokerStringTlsIpv6" in aws.kafka.get_bootstrap_brokers(ClusterArn=arn)
    aws.update_refused("update_connectivity", arn, ConnectivityInfo={"NetworkType": "IPV4"})


def test_no_new_cluster_has_dual_stack(aws):
    nodes = {"ConnectivityInfo": {"NetworkType": "DUAL"}}
    wanted = aws.provisioned(BrokerNodeGroupInfo=nodes)
    refused("BadRequestException", aws.kafka.create_cluster_v2, ClusterName="one", Provisioned=wanted)


def test_a_serverless_cluster_gets_dual_stack_and_no_other_connectivity(aws):
    aws.give_ipv6()
    wanted = {"VpcConfigs": [{"SubnetIds": aws.subnets}], "ClientAuthentication": {"Sasl": {"Iam": {"Enabled": True}}}}
    arn = aws.kafka.create_cluster_v2(ClusterName="one", Serverless=wanted)["ClusterArn"]
    aws.wait_for_cluster(arn)
    public = {"PublicAccess": {"Type": "SERVICE_PROVIDED_EIPS"}}
    aws.update_refused("update_connectivity", arn, ConnectivityInfo=public)
    version = aws.cluster(arn)["CurrentVersion"]
    aws.kafka.update_connectivity(ClusterArn=arn, CurrentVersion=version, **DUAL)
    aws.wait_for_cluster(arn)
    assert aws.cluster(arn)["Serverless"]["ConnectivityInfo"]["NetworkType"] == "DUAL"
    assert "BootstrapBrokerStringSaslIamIpv6" in aws.kafka.get_bootstrap_brokers(ClusterArn=arn)
    aws.update_refused("update_connectivity", arn, ConnectivityInfo={"NetworkType": "IPV4"})


def test_one_operation_at_a_time(aws):
    arn = aws.create_cluster()
    aws.choose(times={"cluster_update": 2})
    version = aws.cluster(arn)["CurrentVersion"]
    parameters = {"ClusterArn": arn, "CurrentVersion": version}
    started = aws.kafka.update_broker_count(TargetNumberOfBrokerNodes=6, **parameters)["ClusterOperationArn"]
    during = aws.cluster(arn)
    assert (during["State"], during["ActiveOperationArn"]) == ("UPDATING", started)
    assert during["Provisioned"]["NumberOfBrokerNodes"] == 3
    refused("BadRequestException", aws.kafka.update_monitoring, EnhancedMonitoring="PER_BROKER", **parameters)
    refused("BadRequestException", aws.kafka.reboot_broker, ClusterArn=arn, BrokerIds=["1"])
    refused("BadRequestException", aws.kafka.delete_cluster, ClusterArn=arn)

    def state() -> str:
        found = aws.kafka.describe_cluster_operation(ClusterOperationArn=started)["ClusterOperationInfo"]
        return found["OperationState"]

    assert state() == "PENDING"
    until(state, lambda s: s == "UPDATE_IN_PROGRESS")
    until(state, lambda s: s == "UPDATE_COMPLETE")
    assert aws.cluster(arn)["State"] == "ACTIVE"
    assert "ActiveOperationArn" not in aws.cluster(arn)


def test_brokers_are_added_in_every_subnet(aws):
    arn = aws.create_cluster()
    done = aws.update("update_broker_count", arn, TargetNumberOfBrokerNodes=6)
    assert done["OperationType"] == "INCREASE_BROKER_COUNT"
    assert done["SourceClusterInfo"]["NumberOfBrokerNodes"] == 3
    assert done["TargetClusterInfo"]["NumberOfBrokerNodes"] == 6
    assert done["TargetClusterInfo"]["BrokerCountUpdateInfo"]["CreatedBrokerIds"] == [4, 5, 6]
    aws.update_refused("update_broker_count", arn, TargetNumberOfBrokerNodes=6)
    aws.update_refused("update_broker_count", arn, TargetNumberOfBrokerNodes=7)
    aws.update_refused("update_broker_count", arn, TargetNumberOfBrokerNodes=33)


def test_brokers_are_removed_one_of_each_zone(aws):
    arn = aws.create_cluster(NumberOfBrokerNodes=9)
    aws.update_refused("update_broker_count", arn, TargetNumberOfBrokerNodes=3)
    done = aws.update("update_broker_count", arn, TargetNumberOfBrokerNodes=6)
    assert done["TargetClusterInfo"]["BrokerCountUpdateInfo"]["DeletedBrokerIds"] == [7, 8, 9]
    aws.update("update_broker_count", arn, TargetNumberOfBrokerNodes=3)
    aws.update_refused("update_broker_count", arn, TargetNumberOfBrokerNodes=1)


def test_small_brokers_are_not_removed(aws):
    arn = aws.create_cluster(NumberOfBrokerNodes=6, BrokerNodeGroupInfo={"InstanceType": "kafka.t3.small"})
    aws.update_refused("update_broker_count", arn, TargetNumberOfBrokerNodes=3)


def test_broker_types(aws):
    arn = aws.create_cluster()
    for wrong in ("kafka.m5.large", "kafka.m99.large", "express.m7g.large"):
        aws.update_refused("update_broker_type", arn, TargetInstanceType=wrong)
    done = aws.update("update_broker_type", arn, TargetInstanceType="kafka.m7g.large")
    assert done["SourceClusterInfo"]["InstanceType"] == "kafka.m5.large"
    assert aws.cluster(arn)["Provisioned"]["BrokerNodeGroupInfo"]["InstanceType"] == "kafka.m7g.large"


def test_storage_only_grows_by_ten_or_more_and_then_cools_off(aws):
    arn = aws.create_cluster()
    for wrong in (99, 100, 105, 16385):
        aws.update_refused("update_broker_storage", arn, **storage(wrong))
    aws.update_refused("update_broker_storage", arn, **storage(200, node="1"))
    done = aws.update("update_broker_storage", arn, **storage(200))
    assert [v["VolumeSizeGB"] for v in done["TargetClusterInfo"]["BrokerEBSVolumeInfo"]] == [200] * 3
    aws.update_refused("update_broker_storage", arn, **storage(300))
    aws.update_refused("update_storage", arn, VolumeSizeGB=300)
    aws.choose(times={"storage_cooling_off": 0})
    aws.update("update_storage", arn, VolumeSizeGB=300)
    volume = aws.cluster(arn)["Provisioned"]["BrokerNodeGroupInfo"]["StorageInfo"]["EbsStorageInfo"]
    assert volume["VolumeSize"] == 300


def test_provisioned_throughput_needs_large_brokers(aws):
    throughput = {"Enabled": True, "VolumeThroughput": 300}
    small = aws.create_cluster("small")
    aws.update_refused("update_storage", small, ProvisionedThroughput=throughput)
    large = aws.create_cluster("large", BrokerNodeGroupInfo={"InstanceType": "kafka.m5.4xlarge"})
    aws.update_refused("update_storage", large, ProvisionedThroughput={**throughput, "VolumeThroughput": 249})
    aws.update("update_storage", large, ProvisionedThroughput=throughput)
    aws.update_refused("update_broker_type", large, TargetInstanceType="kafka.m5.2xlarge")


def test_tiered_storage_stays_on(aws):
    arn = aws.create_cluster()
    aws.update("update_storage", arn, StorageMode="TIERED")
    assert aws.cluster(arn)["Provisioned"]["StorageMode"] == "TIERED"
    aws.update_refused("update_storage", arn, StorageMode="LOCAL")


@pytest.mark.parametrize(
    ("before", "after", "allowed"),
    [
        ("3.7.x", "3.8.x", True),
        ("3.7.x", "3.6.0", False),
        ("3.7.x", "3.7.x", False),
        ("3.7.x", "3.9.x.kraft", False),
        ("3.7.x.kraft", "3.8.x", False),
        ("3.7.x.kraft", "4.1.x.kraft", True),
        ("3.7.x", "9.9.9", False),
    ],
)
def test_versions_only_go_up_and_keep_their_metadata_mode(aws, before, after, allowed):
    arn = aws.create_cluster(KafkaVersion=before)
    offered = aws.kafka.get_compatible_kafka_versions(ClusterArn=arn)["CompatibleKafkaVersions"][0]["TargetVersions"]
    assert (after in offered) == allowed
    if not allowed:
        aws.update_refused("update_cluster_kafka_version", arn, TargetKafkaVersion=after)
        return
    aws.update("update_cluster_kafka_version", arn, TargetKafkaVersion=after)
    assert aws.cluster(arn)["Provisioned"]["CurrentBrokerSoftwareInfo"]["KafkaVersion"] == after


def test_what_is_immutable(aws):
    arn = aws.create_cluster()
    for encryption in (
        {"EncryptionAtRest": {"DataVolumeKMSKeyId": "arn:aws:kms:us-east-1:000000000000:key/other"}},
        {"EncryptionInTransit": {"InCluster": False}},
    ):
        aws.update_refused("update_security", arn, EncryptionInfo=encryption)


def test_security_changes_keep_what_is_not_named(aws):
    arn = aws.create_cluster()
    iam, scram = {"Sasl": {"Iam": {"Enabled": True}}}, {"Sasl": {"Scram": {"Enabled": True}}}
    aws.update("update_security", arn, ClientAuthentication=iam)
    aws.update("update_security", arn, ClientAuthentication=scram)
    found = aws.cluster(arn)["Provisioned"]["ClientAuthentication"]
    assert found["Sasl"] == {"Iam": {"Enabled": True}, "Scram": {"Enabled": True}}
    assert found["Unauthenticated"]["Enabled"] is True
    aws.update_refused("update_security", arn, ClientAuthentication=scram)
    plaintext = {"EncryptionInTransit": {"ClientBroker": "PLAINTEXT"}}
    aws.update_refused("update_security", arn, EncryptionInfo=plaintext)


def test_public_access_has_its_conditions(aws):
    public = {"ConnectivityInfo": {"PublicAccess": {"Type": "SERVICE_PROVIDED_EIPS"}}}
    arn = aws.create_cluster()
    assert "authentication" in aws.update_refused("update_connectivity", arn, **public)
    closed = {"Sasl": {"Iam": {"Enabled": True}}, "Unauthenticated": {"Enabled": False}}
    aws.update("update_security", arn, ClientAuthentication=closed)
    assert "internet gateway" in aws.update_refused("update_connectivity", arn, **public)
    gateway = aws.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    aws.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=aws.vpc)
    table = aws.ec2.create_route_table(VpcId=aws.vpc)["RouteTable"]["RouteTableId"]
    aws.ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    for subnet in aws.subnets:
        aws.ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    aws.update("update_connectivity", arn, **public)
    brokers = aws.kafka.get_bootstrap_brokers(ClusterArn=arn)["BootstrapBrokerStringPublicSaslIam"]
    assert all(broker.endswith(":9198") for broker in brokers.split(","))
    reopened = {"Unauthenticated": {"Enabled": True}}
    aws.update_refused("update_security", arn, ClientAuthentication=reopened)


def test_vpc_connectivity_has_authentication_of_the_cluster_only(aws):
    arn = aws.create_cluster()
    wanted = {"VpcConnectivity": {"ClientAuthentication": {"Sasl": {"Iam": {"Enabled": True}}}}}
    aws.update_refused("update_connectivity", arn, ConnectivityInfo=wanted)


def test_vpc_connectivity_has_its_conditions(aws):
    iam, scram = {"Sasl": {"Iam": {"Enabled": True}}}, {"Sasl": {"Scram": {"Enabled": True}}}
    open_too = {**iam, "Unauthenticated": {"Enabled": True}}

    def asked(way: dict, **more) -> dict:
        return {"ConnectivityInfo": {"VpcConnectivity": {"ClientAuthentication": way}, **more}}

    small = aws.create_cluster("small", ClientAuthentication=iam, BrokerNodeGroupInfo={"InstanceType": "kafka.t3.small"})
    assert "t3.small" in aws.update_refused("update_connectivity", small, **asked(iam))
    opened = aws.create_cluster("opened", ClientAuthentication=open_too)
    assert "unauthenticated" in aws.update_refused("update_connectivity", opened, **asked(iam))
    by_name = aws.create_cluster("by-name", ClientAuthentication=scram)
    assert "allow.everyone" in aws.update_refused("update_connectivity", by_name, **asked(scram))
    arn = aws.create_cluster(ClientAuthentication=iam)
    both = asked(iam, PublicAccess={"Type": "SERVICE_PROVIDED_EIPS"})
    assert "one of" in aws.update_refused("update_connectivity", arn, **both)
    aws.update("update_connectivity", arn, **asked(iam))
    # What it needs can't be taken away from it.
    aws.update_refused("update_security", arn, ClientAuthentication={"Unauthenticated": {"Enabled": True}})


def test_a_reboot_takes_one_broker_that_is_there(aws):
    arn = aws.create_cluster()
    aws.choose(times={"broker_reboot": 2})
    version = aws.cluster(arn)["CurrentVersion"]
    refused("BadRequestException", aws.kafka.reboot_broker, ClusterArn=arn, BrokerIds=["9"])
    refused("BadRequestException", aws.kafka.reboot_broker, ClusterArn=arn, BrokerIds=["1", "2"])
    aws.kafka.reboot_broker(ClusterArn=arn, BrokerIds=["1"])
    assert aws.cluster(arn)["State"] == "REBOOTING_BROKER"
    assert aws.wait_for_cluster(arn)["CurrentVersion"] == version


def test_operations_are_listed_newest_first_in_both_versions(aws):
    arn = aws.create_cluster()
    aws.update("update_broker_count", arn, TargetNumberOfBrokerNodes=6)
    aws.update("update_monitoring", arn, EnhancedMonitoring="PER_BROKER")
    kinds = ["UPDATE_MONITORING", "INCREASE_BROKER_COUNT"]
    first = aws.kafka.list_cluster_operations(ClusterArn=arn)["ClusterOperationInfoList"]
    second = aws.kafka.list_cluster_operations_v2(ClusterArn=arn)["ClusterOperationInfoList"]
    assert [o["OperationType"] for o in first] == kinds
    assert [o["OperationType"] for o in second] == kinds
    one = aws.kafka.describe_cluster_operation_v2(ClusterOperationArn=second[0]["OperationArn"])
    assert one["ClusterOperationInfo"]["Provisioned"]["TargetClusterInfo"] == {"EnhancedMonitoring": "PER_BROKER"}
    unknown = {"ClusterOperationArn": second[0]["OperationArn"] + "x"}
    refused("NotFoundException", aws.kafka.describe_cluster_operation, **unknown)


def test_an_unknown_cluster_is_named_by_the_error_the_operation_has(aws):
    arn = "arn:aws:kafka:us-east-1:000000000000:cluster/x/y"
    parameters = {"ClusterArn": arn, "CurrentVersion": "K1"}
    refused("NotFoundException", aws.kafka.update_broker_type, TargetInstanceType="kafka.m5.xlarge", **parameters)
    refused("BadRequestException", aws.kafka.update_broker_count, TargetNumberOfBrokerNodes=6, **parameters)


def test_many_updates_at_once_start_one(aws):
    arn = aws.create_cluster()
    aws.choose(times={"cluster_update": 2})
    version = aws.cluster(arn)["CurrentVersion"]

    def update(_) -> bool:
        try:
            aws.kafka.update_broker_count(ClusterArn=arn, CurrentVersion=version, TargetNumberOfBrokerNodes=6)
        except ClientError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(update, range(16))) == 1
