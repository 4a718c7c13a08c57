"""Configurations and their revisions."""

import json

import pytest
from conftest import refused, until

PROPERTIES = b"# ours\nauto.create.topics.enable = false\nmin.insync.replicas=2\n"


def create(aws, name: str = "one", **parameters) -> str:
    return aws.kafka.create_configuration(Name=name, ServerProperties=PROPERTIES, **parameters)["Arn"]


def test_a_configuration_is_read_back_byte_for_byte(aws):
    arn = create(aws, KafkaVersions=["3.7.x"], Description="d")
    found = aws.kafka.describe_configuration(Arn=arn)
    assert (found["Name"], found["KafkaVersions"], found["Description"], found["State"]) == (
        "one",
        ["3.7.x"],
        "d",
        "ACTIVE",
    )
    assert aws.kafka.describe_configuration_revision(Arn=arn, Revision=1)["ServerProperties"] == PROPERTIES


def test_an_update_is_a_new_revision_and_keeps_the_old(aws):
    arn = create(aws)
    answer = aws.kafka.update_configuration(Arn=arn, ServerProperties=b"num.partitions=6")
    assert answer["LatestRevision"]["Revision"] == 2
    revisions = aws.kafka.list_configuration_revisions(Arn=arn)["Revisions"]
    assert [r["Revision"] for r in revisions] == [1, 2]
    assert aws.kafka.describe_configuration_revision(Arn=arn, Revision=1)["ServerProperties"] == PROPERTIES
    assert aws.kafka.describe_configuration_revision(Arn=arn, Revision=2)["ServerProperties"] == b"num.partitions=6"
    refused("NotFoundException", aws.kafka.describe_configuration_revision, Arn=arn, Revision=3)


def test_names_are_unique_and_plain(aws):
    create(aws)
    refused("ConflictException", create, aws=aws)
    refused("BadRequestException", create, aws=aws, name="no spaces")


def test_what_is_no_properties_file(aws):
    refused("BadRequestException", aws.kafka.create_configuration, Name="one", ServerProperties=b"{ not: ok")


@pytest.mark.parametrize(
    "line",
    [
        "auto.leader.rebalance.enable=true",
        "auto.create.topic.enable=true",
        "retention.ms=1000",
        "listeners=PLAINTEXT://:9092",
        "log.segment.bytes=1GB",
        "log.segment.bytes=13",
        "log.retention.hours=2147483648",
        "log.cleaner.min.cleanable.ratio=50%",
        "log.cleanup.policy=compact;delete",
        "compression.type=zip",
        "unclean.leader.election.enable=yes",
        "replica.lag.time.max.ms=9999",
        "zookeeper.session.timeout.ms=18001",
        "transaction.state.log.replication.factor=32768",
    ],
)
def test_properties_and_values_that_msk_does_not_take(aws, line):
    wrong = f"num.io.threads=8\n{line}\n".encode()
    message = refused("BadRequestException", aws.kafka.create_configuration, Name="other", ServerProperties=wrong)
    found = json.loads(message)
    assert [f"{one['name']}={one['value']}" for one in found] == [line]
    arn = create(aws)
    refused("BadRequestException", aws.kafka.update_configuration, Arn=arn, ServerProperties=wrong)
    assert [r["Revision"] for r in aws.kafka.list_configuration_revisions(Arn=arn)["Revisions"]] == [1]


def test_values_at_their_limits(aws):
    lines = [
        "log.retention.ms=-1",
        "log.cleanup.policy=compact, delete",
        "replica.lag.time.max.ms : 10000",
        "log.cleaner.min.cleanable.ratio=1",
        "allow.everyone.if.no.acl.found=FALSE",
        "custom.advertised.listeners=CLIENT_IAM://b-{broker_id}.example.com:9000+{broker_id}",
    ]
    aws.kafka.create_configuration(Name="one", ServerProperties="\n".join(lines).encode())


@pytest.mark.parametrize("how", ["created with", "updated to", "being updated to"])
def test_a_configuration_in_use_is_not_deleted(aws, how):
    arn = create(aws)
    used = {"ConfigurationInfo": {"Arn": arn, "Revision": 1}}
    if how == "created with":
        cluster = aws.create_cluster(**used)
    else:
        cluster = aws.create_cluster()
        aws.choose(times={"cluster_update": 2})
        version = aws.cluster(cluster)["CurrentVersion"]
        aws.kafka.update_cluster_configuration(ClusterArn=cluster, CurrentVersion=version, **used)
        if how == "updated to":
            aws.wait_for_cluster(cluster)
    refused("BadRequestException", aws.kafka.delete_configuration, Arn=arn)
    aws.wait_for_cluster(cluster)
    aws.kafka.delete_cluster(ClusterArn=cluster)
    until(lambda: aws.kafka.list_clusters_v2()["ClusterInfoList"], lambda found: found == [])
    assert aws.kafka.delete_configuration(Arn=arn)["State"] == "DELETING"
    refused("BadRequestException", aws.kafka.describe_configuration, Arn=arn)
    refused("BadRequestException", aws.kafka.delete_configuration, Arn=arn)


def test_a_cluster_takes_revisions_that_are_there_and_for_its_version(aws):
    arn, other = create(aws), create(aws, "other", KafkaVersions=["3.8.x"])
    cluster = aws.create_cluster()
    update = "update_cluster_configuration"
    aws.update_refused(update, cluster, ConfigurationInfo={"Arn": arn, "Revision": 2})
    aws.update_refused(update, cluster, ConfigurationInfo={"Arn": other, "Revision": 1})
    done = aws.update(update, cluster, ConfigurationInfo={"Arn": arn, "Revision": 1})
    assert done["TargetClusterInfo"]["ConfigurationInfo"] == {"Arn": arn, "Revision": 1}
    aws.update_refused(update, cluster, ConfigurationInfo={"Arn": arn, "Revision": 1})
    both = {"TargetKafkaVersion": "3.8.x", "ConfigurationInfo": {"Arn": other, "Revision": 1}}
    aws.update("update_cluster_kafka_version", cluster, **both)
    software = aws.cluster(cluster)["Provisioned"]["CurrentBrokerSoftwareInfo"]
    assert software == {"KafkaVersion": "3.8.x", "ConfigurationArn": other, "ConfigurationRevision": 1}


def test_configurations_are_listed_in_pages(aws):
    for number in range(3):
        create(aws, f"c{number}")
    first = aws.kafka.list_configurations(MaxResults=2)
    rest = aws.kafka.list_configurations(MaxResults=2, NextToken=first["NextToken"])
    assert [c["Name"] for c in first["Configurations"] + rest["Configurations"]] == ["c0", "c1", "c2"]
