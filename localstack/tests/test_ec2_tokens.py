"""Client tokens and DryRun."""

import pytest
from conftest import refused


def calls(aws) -> dict:
    """A call that takes a token, other parameters for it, and where the id is in its answer."""
    ec2 = aws.ec2
    network = {"VpcId": aws.vpc}
    return {
        "RunInstances": (aws.run, {}, {"InstanceType": "m7i.xlarge"}, lambda r: r["InstanceId"]),
        "CreateVolume": (
            ec2.create_volume,
            {"AvailabilityZone": "us-east-1a", "Size": 1},
            {"Size": 2},
            lambda r: r["VolumeId"],
        ),
        "CreateNetworkInterface": (
            ec2.create_network_interface,
            {"SubnetId": aws.subnets[0]},
            {"Description": "x"},
            lambda r: r["NetworkInterface"]["NetworkInterfaceId"],
        ),
        "CreateNatGateway": (
            ec2.create_nat_gateway,
            {"SubnetId": aws.subnets[0], "ConnectivityType": "private"},
            {"SubnetId": aws.subnets[1]},
            lambda r: r["NatGateway"]["NatGatewayId"],
        ),
        "CreateRouteTable": (
            ec2.create_route_table,
            network,
            {"TagSpecifications": [{"ResourceType": "route-table", "Tags": [{"Key": "a", "Value": "b"}]}]},
            lambda r: r["RouteTable"]["RouteTableId"],
        ),
        "CreateVpcEndpoint": (
            ec2.create_vpc_endpoint,
            {**network, "ServiceName": "com.amazonaws.us-east-1.s3"},
            {"ServiceName": "com.amazonaws.us-east-1.dynamodb"},
            lambda r: r["VpcEndpoint"]["VpcEndpointId"],
        ),
        "CreateLaunchTemplate": (
            ec2.create_launch_template,
            {"LaunchTemplateName": "template", "LaunchTemplateData": {"InstanceType": "m7i.large"}},
            {"LaunchTemplateData": {"InstanceType": "m7i.xlarge"}},
            lambda r: r["LaunchTemplate"]["LaunchTemplateId"],
        ),
        "CreateNetworkAcl": (
            ec2.create_network_acl,
            network,
            {"TagSpecifications": [{"ResourceType": "network-acl", "Tags": [{"Key": "a", "Value": "b"}]}]},
            lambda r: r["NetworkAcl"]["NetworkAclId"],
        ),
    }


OPERATIONS = (
    "RunInstances CreateVolume CreateNetworkInterface CreateNatGateway CreateRouteTable "
    "CreateVpcEndpoint CreateLaunchTemplate CreateNetworkAcl"
).split()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_token_makes_one_thing_and_takes_no_other_parameters(aws, operation):
    call, parameters, others, made = calls(aws)[operation]
    first = made(call(ClientToken="same", **parameters))
    assert made(call(ClientToken="same", **parameters)) == first
    refused("IdempotentParameterMismatch", call, ClientToken="same", **{**parameters, **others})
    if operation not in ("CreateLaunchTemplate", "CreateVpcEndpoint"):
        assert made(call(ClientToken="other", **parameters)) != first


def test_a_token_is_spent_after_what_it_made_has_gone(aws):
    parameters = {"AvailabilityZone": "us-east-1a", "Size": 1, "ClientToken": "same"}
    aws.ec2.delete_volume(VolumeId=aws.ec2.create_volume(**parameters)["VolumeId"])
    refused("IdempotentParameterMismatch", aws.ec2.create_volume, **parameters)
    parameters = {"SubnetId": aws.subnets[0], "ClientToken": "same"}
    first = aws.ec2.create_network_interface(**parameters)["NetworkInterface"]["NetworkInterfaceId"]
    aws.ec2.delete_network_interface(NetworkInterfaceId=first)
    again = aws.ec2.create_network_interface(**parameters)["NetworkInterface"]["NetworkInterfaceId"]
    assert again == first


def test_a_refused_call_leaves_its_token_free(aws):
    refused("InvalidParameterValue", aws.run, ClientToken="same", InstanceType="m99.huge")
    assert aws.run(ClientToken="same")["InstanceId"]


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("create_vpc", {"CidrBlock": "10.0.0.0/16"}),
        ("allocate_address", {}),
        ("create_placement_group", {"GroupName": "g"}),
        ("create_volume", {"AvailabilityZone": "us-east-1a", "Size": 1}),
        ("modify_volume", {"VolumeId": "vol-1", "Size": 1}),
        ("describe_instances", {}),
    ],
)
def test_a_dry_run_changes_nothing(aws, operation, parameters):
    refused("DryRunOperation", getattr(aws.ec2, operation), DryRun=True, **parameters)
    assert aws.ec2.describe_addresses()["Addresses"] == []
    assert aws.ec2.describe_placement_groups()["PlacementGroups"] == []
    assert aws.ec2.describe_volumes()["Volumes"] == []
    assert [v for v in aws.ec2.describe_vpcs()["Vpcs"] if not v["IsDefault"]] == []
