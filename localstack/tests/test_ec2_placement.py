"""Placement groups."""

import pytest
from conftest import refused

TAGS = [{"Key": "kstack:stack", "Value": "dev"}, {"Key": "Name", "Value": "brokers"}]


def create(aws, name: str = "brokers", **parameters) -> dict:
    specifications = [{"ResourceType": "placement-group", "Tags": TAGS}]
    made = aws.ec2.create_placement_group(GroupName=name, TagSpecifications=specifications, **parameters)
    return made["PlacementGroup"]


def names(aws, **parameters) -> list[str]:
    return [g["GroupName"] for g in aws.ec2.describe_placement_groups(**parameters)["PlacementGroups"]]


def test_a_group_is_described_as_it_was_made(aws):
    made = create(aws, Strategy="partition", PartitionCount=3)
    found = aws.ec2.describe_placement_groups(GroupNames=["brokers"])["PlacementGroups"]
    assert found == [made]
    assert (made["PartitionCount"], made["State"], made["Tags"]) == (3, "available", TAGS)


@pytest.mark.parametrize(
    ("name", "values", "found"),
    [
        ("tag:kstack:stack", ["dev"], ["brokers"]),
        ("tag:kstack:stack", ["prod"], []),
        ("tag-key", ["Name"], ["brokers"]),
        ("group-name", ["brokers", "x"], ["brokers"]),
        ("strategy", ["partition"], []),
    ],
)
def test_groups_are_found_by_filters(aws, name, values, found):
    create(aws, Strategy="spread")
    assert names(aws, Filters=[{"Name": name, "Values": values}]) == found


def test_tags_change(aws):
    group = create(aws, Strategy="spread")["GroupId"]
    aws.ec2.create_tags(Resources=[group, aws.vpc], Tags=[{"Key": "Name", "Value": "x"}])
    aws.ec2.delete_tags(Resources=[group], Tags=[{"Key": "kstack:stack"}])
    tags = aws.ec2.describe_placement_groups()["PlacementGroups"][0]["Tags"]
    assert tags == [{"Key": "Name", "Value": "x"}]
    assert aws.ec2.describe_vpcs(VpcIds=[aws.vpc])["Vpcs"][0]["Tags"] == [{"Key": "Name", "Value": "x"}]


def test_names_are_unique_and_known(aws):
    create(aws, Strategy="spread")
    refused("InvalidPlacementGroup.Duplicate", create, aws=aws, Strategy="spread")
    refused("InvalidPlacementGroup.Unknown", names, aws=aws, GroupNames=["other"])
    refused("InvalidPlacementGroup.Unknown", aws.ec2.delete_placement_group, GroupName="other")
    refused("InvalidPlacementGroup.Unknown", aws.run, Placement={"GroupName": "other"})


def test_a_group_with_instances_is_not_deleted(aws):
    create(aws, Strategy="spread")
    instance = aws.run(Placement={"GroupName": "brokers"})
    assert instance["Placement"]["GroupName"] == "brokers"
    refused("InvalidPlacementGroup.InUse", aws.ec2.delete_placement_group, GroupName="brokers")
    aws.ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])
    aws.wait_for_instance(instance["InstanceId"], "terminated")
    aws.ec2.delete_placement_group(GroupName="brokers")
    assert names(aws) == []


def test_seven_instances_a_zone_in_a_spread_group(aws):
    create(aws, Strategy="spread")
    here = {"GroupName": "brokers", "AvailabilityZone": "us-east-1a"}
    aws.run(Placement=here, MaxCount=7)
    refused("InstanceLimitExceeded", aws.run, Placement=here)
    aws.run(Placement={"GroupName": "brokers", "AvailabilityZone": "us-east-1b"})


def test_instances_keep_their_partition_or_are_spread_over_all(aws):
    create(aws, Strategy="partition", PartitionCount=2)
    chosen = aws.run(Placement={"GroupName": "brokers", "PartitionNumber": 2})
    assert aws.instance(chosen["InstanceId"])["Placement"]["PartitionNumber"] == 2
    assert aws.run(Placement={"GroupName": "brokers"})["Placement"]["PartitionNumber"] == 1
    refused("InvalidParameterValue", aws.run, Placement={"GroupName": "brokers", "PartitionNumber": 3})


@pytest.mark.parametrize(
    ("code", "parameters"),
    [
        ("InvalidParameterCombination", {"Strategy": "spread", "PartitionCount": 2}),
        ("InvalidParameterValue", {"Strategy": "partition", "PartitionCount": 8}),
        ("InvalidParameterValue", {"Strategy": "pile"}),
    ],
    ids=["count", "many", "strategy"],
)
def test_groups_that_cannot_be(aws, code, parameters):
    refused(code, create, aws=aws, **parameters)
