"""Tags on create, and `tag:` filters with a colon in the key, for every kind that a cluster needs."""

import pytest

TAGS = [{"Key": "kstack:stack", "Value": "dev"}]


def tagged(kind: str) -> dict:
    return {"TagSpecifications": [{"ResourceType": kind, "Tags": TAGS}]}


# kind to how it is made, how it is listed, and where the list is
KINDS = {
    "vpc": (lambda a: a.ec2.create_vpc(CidrBlock="10.9.0.0/16", **tagged("vpc")), "describe_vpcs", "Vpcs"),
    "subnet": (
        lambda a: a.ec2.create_subnet(VpcId=a.vpc, CidrBlock="10.0.9.0/24", **tagged("subnet")),
        "describe_subnets",
        "Subnets",
    ),
    "internet-gateway": (
        lambda a: a.ec2.create_internet_gateway(**tagged("internet-gateway")),
        "describe_internet_gateways",
        "InternetGateways",
    ),
    "elastic-ip": (lambda a: a.ec2.allocate_address(**tagged("elastic-ip")), "describe_addresses", "Addresses"),
    "natgateway": (
        lambda a: a.ec2.create_nat_gateway(SubnetId=a.subnets[0], ConnectivityType="private", **tagged("natgateway")),
        "describe_nat_gateways",
        "NatGateways",
    ),
    "route-table": (
        lambda a: a.ec2.create_route_table(VpcId=a.vpc, **tagged("route-table")),
        "describe_route_tables",
        "RouteTables",
    ),
    "vpc-endpoint": (
        lambda a: a.ec2.create_vpc_endpoint(
            VpcId=a.vpc, ServiceName="com.amazonaws.us-east-1.s3", **tagged("vpc-endpoint")
        ),
        "describe_vpc_endpoints",
        "VpcEndpoints",
    ),
    "security-group": (
        lambda a: a.ec2.create_security_group(GroupName="x", Description="x", VpcId=a.vpc, **tagged("security-group")),
        "describe_security_groups",
        "SecurityGroups",
    ),
    "network-interface": (
        lambda a: a.ec2.create_network_interface(SubnetId=a.subnets[0], **tagged("network-interface")),
        "describe_network_interfaces",
        "NetworkInterfaces",
    ),
    "volume": (
        lambda a: a.ec2.create_volume(AvailabilityZone="us-east-1a", Size=1, **tagged("volume")),
        "describe_volumes",
        "Volumes",
    ),
    "instance": (lambda a: a.run(**tagged("instance")), "describe_instances", "Reservations"),
    "placement-group": (
        lambda a: a.ec2.create_placement_group(GroupName="x", **tagged("placement-group")),
        "describe_placement_groups",
        "PlacementGroups",
    ),
    "launch-template": (
        lambda a: a.ec2.create_launch_template(
            LaunchTemplateName="xxx", LaunchTemplateData={"InstanceType": "m7i.large"}, **tagged("launch-template")
        ),
        "describe_launch_templates",
        "LaunchTemplates",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_tags_on_create_are_found_by_filter(aws, kind):
    make, operation, member = KINDS[kind]
    make(aws)
    filters = "Filter" if kind == "natgateway" else "Filters"

    def found(value: str) -> list:
        wanted = [{"Name": "tag:kstack:stack", "Values": [value]}]
        return getattr(aws.ec2, operation)(**{filters: wanted})[member]

    assert len(found("dev")) == 1
    item = found("dev")[0]
    item = item["Instances"][0] if kind == "instance" else item
    assert (item.get("Tags") or item.get("TagSet")) == TAGS
    assert found("prod") == []
