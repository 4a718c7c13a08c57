"""Pages: MaxResults and NextToken."""

import pytest
from conftest import refused

COUNT = 12


def make(aws, operation: str) -> None:
    """Twelve of what the operation lists, or more."""
    ec2 = aws.ec2
    makers = {
        "describe_volumes": lambda n: ec2.create_volume(AvailabilityZone="us-east-1a", Size=1),
        "describe_network_interfaces": lambda n: ec2.create_network_interface(SubnetId=aws.subnets[0]),
        "describe_subnets": lambda n: ec2.create_subnet(VpcId=aws.vpc, CidrBlock=f"10.0.{100 + n}.0/24"),
        "describe_security_groups": lambda n: ec2.create_security_group(
            GroupName=f"g{n}", Description="g", VpcId=aws.vpc
        ),
        "describe_tags": lambda n: ec2.create_tags(Resources=[aws.vpc], Tags=[{"Key": f"k{n}", "Value": "v"}]),
        "describe_route_tables": lambda n: ec2.create_route_table(VpcId=aws.vpc),
        "describe_instances": lambda n: aws.run(),
    }
    for number in range(COUNT):
        makers[operation](number)


@pytest.mark.parametrize(
    ("operation", "member"),
    [
        ("describe_volumes", "Volumes"),
        ("describe_network_interfaces", "NetworkInterfaces"),
        ("describe_subnets", "Subnets"),
        ("describe_security_groups", "SecurityGroups"),
        ("describe_tags", "Tags"),
        ("describe_route_tables", "RouteTables"),
        ("describe_instances", "Reservations"),
    ],
)
def test_pages_together_are_the_whole(aws, operation, member):
    aws.choose(times={"instance_start": 0, "volume_create": 0})
    make(aws, operation)
    call = getattr(aws.ec2, operation)
    whole = call()[member]
    assert len(whole) >= COUNT
    pages, token = [], {}
    while True:
        answer = call(MaxResults=5, **token)
        pages.append(answer[member])
        if "NextToken" not in answer:
            break
        token = {"NextToken": answer["NextToken"]}
    assert len(pages) > 2
    assert [len(page) for page in pages[:-1]] == [5] * (len(pages) - 1)
    assert sum(pages, []) == whole


def test_ids_do_not_go_with_pages(aws):
    instance = aws.run()["InstanceId"]
    refused("InvalidParameterCombination", aws.ec2.describe_instances, InstanceIds=[instance], MaxResults=5)
    volume = aws.instance(instance)["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    refused("InvalidParameterCombination", aws.ec2.describe_volumes, VolumeIds=[volume], MaxResults=5)


def test_a_token_of_another_call(aws):
    make(aws, "describe_volumes")
    token = aws.ec2.describe_volumes(MaxResults=5)["NextToken"]
    refused("InvalidNextToken", aws.ec2.describe_subnets, NextToken=token)
    refused("InvalidNextToken", aws.ec2.describe_volumes, NextToken="x")


def test_more_than_a_hundred_reservations_in_one_answer(aws):
    aws.choose(times={"instance_start": 0})
    for _ in range(101):
        aws.run()
    assert len(aws.ec2.describe_instances()["Reservations"]) == 101
