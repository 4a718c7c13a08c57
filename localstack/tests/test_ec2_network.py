"""Interfaces, gateways, endpoints, groups: addresses, states, and what holds what."""

from functools import partial

import pytest
from conftest import refused, until


def create_interface(aws, **parameters) -> str:
    made = aws.ec2.create_network_interface(SubnetId=aws.subnets[0], **parameters)
    return made["NetworkInterface"]["NetworkInterfaceId"]


def gateway(aws) -> str:
    """An internet gateway on the VPC."""
    made = aws.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    aws.ec2.attach_internet_gateway(InternetGatewayId=made, VpcId=aws.vpc)
    return made


def create_nat(aws, address: str, **parameters) -> str:
    made = aws.ec2.create_nat_gateway(SubnetId=aws.subnets[0], AllocationId=address, **parameters)
    return made["NatGateway"]["NatGatewayId"]


def nat(aws, nat_id: str) -> dict:
    return aws.ec2.describe_nat_gateways(NatGatewayIds=[nat_id])["NatGateways"][0]


def wait_for_nat(aws, nat_id: str, state: str) -> dict:
    return until(lambda: nat(aws, nat_id), lambda n: n["State"] == state)


def allocate(aws) -> str:
    return aws.ec2.allocate_address(Domain="vpc")["AllocationId"]


def create_endpoint(aws, **parameters) -> dict:
    defaults = {
        "VpcId": aws.vpc,
        "ServiceName": "com.amazonaws.us-east-1.ssm",
        "VpcEndpointType": "Interface",
        "SubnetIds": aws.subnets,
        "SecurityGroupIds": [aws.group],
    }
    return aws.ec2.create_vpc_endpoint(**{**defaults, **parameters})["VpcEndpoint"]


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("10.0.1.9", "InvalidParameterValue"),
        ("10.0.0.3", "InvalidParameterValue"),
        ("10.0.0.255", "InvalidParameterValue"),
        ("10.0.0.20", "InvalidIPAddress.InUse"),
    ],
    ids=["outside", "reserved", "broadcast", "taken"],
)
def test_addresses_that_cannot_be_had(aws, address, code):
    create_interface(aws, PrivateIpAddress="10.0.0.20")
    refused(code, create_interface, aws=aws, PrivateIpAddress=address)
    nic = {"DeviceIndex": 0, "SubnetId": aws.subnets[0], "PrivateIpAddress": address}
    refused(code, aws.run, NetworkInterfaces=[nic])
    refused(code, aws.run, SubnetId=aws.subnets[0], PrivateIpAddress=address)


def test_addresses_are_given_once_and_come_back(aws):
    subnet = aws.ec2.create_subnet(VpcId=aws.vpc, CidrBlock="10.0.9.0/28")["Subnet"]["SubnetId"]
    create = aws.ec2.create_network_interface
    made = [create(SubnetId=subnet)["NetworkInterface"] for _ in range(11)]
    assert {m["PrivateIpAddress"] for m in made} == {f"10.0.9.{n}" for n in range(4, 15)}
    refused("InsufficientFreeAddressesInSubnet", create, SubnetId=subnet)
    aws.ec2.delete_network_interface(NetworkInterfaceId=made[0]["NetworkInterfaceId"])
    create(SubnetId=subnet, PrivateIpAddress=made[0]["PrivateIpAddress"])


def test_groups_that_do_not_exist(aws):
    group = "sg-12345678901234567"
    refused("InvalidSecurityGroupID.NotFound", create_interface, aws=aws, Groups=[group])
    elsewhere = aws.ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    other = aws.ec2.create_security_group(GroupName="o", Description="o", VpcId=elsewhere)["GroupId"]
    refused("InvalidParameter", create_interface, aws=aws, Groups=[other])


def test_groups_of_an_interface_change_with_its_instance_running(aws):
    other = aws.ec2.create_security_group(GroupName="o", Description="o", VpcId=aws.vpc)["GroupId"]
    interface = create_interface(aws, Groups=[aws.group, other])
    instance = aws.run(NetworkInterfaces=[{"DeviceIndex": 0, "NetworkInterfaceId": interface}])["InstanceId"]

    def groups() -> list[set[str]]:
        reservations = aws.ec2.describe_instances(InstanceIds=[instance])["Reservations"]
        both = [aws.interface(interface)["Groups"], reservations[0]["Instances"][0]["SecurityGroups"]]
        return [{group["GroupId"] for group in one} for one in both]

    assert groups() == [{aws.group, other}] * 2
    modify = aws.ec2.modify_network_interface_attribute
    modify(NetworkInterfaceId=interface, Groups=[aws.group])
    assert groups() == [{aws.group}] * 2
    aws.ec2.modify_instance_attribute(InstanceId=instance, Groups=[other])
    assert groups() == [{other}] * 2
    missing = "sg-12345678901234567"
    refused("InvalidSecurityGroupID.NotFound", modify, NetworkInterfaceId=interface, Groups=[missing])


def test_an_interface_in_use_is_not_deleted(aws):
    interface = create_interface(aws)
    aws.run(NetworkInterfaces=[{"DeviceIndex": 0, "NetworkInterfaceId": interface}])
    refused("InvalidNetworkInterface.InUse", aws.ec2.delete_network_interface, NetworkInterfaceId=interface)
    attachment = aws.interface(interface)["Attachment"]["AttachmentId"]
    refused("OperationNotPermitted", aws.ec2.detach_network_interface, AttachmentId=attachment)


def test_a_second_interface_is_attached_and_detached(aws):
    instance = aws.run(SubnetId=aws.subnets[0])["InstanceId"]
    interface, attach = create_interface(aws), aws.ec2.attach_network_interface
    refused("InvalidParameterValue", attach, NetworkInterfaceId=interface, InstanceId=instance, DeviceIndex=0)
    attachment = attach(NetworkInterfaceId=interface, InstanceId=instance, DeviceIndex=1)["AttachmentId"]
    refused("InvalidNetworkInterface.InUse", attach, NetworkInterfaceId=interface, InstanceId=instance, DeviceIndex=2)
    aws.ec2.detach_network_interface(AttachmentId=attachment)
    assert aws.interface(interface)["Status"] == "available"


def test_a_nat_gateway_comes_up_and_goes_and_then_frees_its_address(aws):
    aws.choose(times={"nat_gateway_start": 2, "nat_gateway_stop": 2})
    gateway(aws)
    address = allocate(aws)
    made = create_nat(aws, address)
    assert nat(aws, made)["State"] == "pending"
    shown = wait_for_nat(aws, made, "available")["NatGatewayAddresses"][0]
    assert shown["AllocationId"] == address
    assert shown["PrivateIp"].startswith("10.0.0.")
    refused("InvalidIPAddress.InUse", aws.ec2.release_address, AllocationId=address)
    refused("DependencyViolation", aws.ec2.delete_subnet, SubnetId=aws.subnets[0])
    aws.ec2.delete_nat_gateway(NatGatewayId=made)
    assert nat(aws, made)["State"] == "deleting"
    refused("InvalidIPAddress.InUse", aws.ec2.release_address, AllocationId=address)
    wait_for_nat(aws, made, "deleted")
    aws.ec2.release_address(AllocationId=address)
    aws.ec2.delete_subnet(SubnetId=aws.subnets[0])


def test_a_nat_gateway_without_a_way_out_fails(aws):
    failed = wait_for_nat(aws, create_nat(aws, allocate(aws)), "failed")
    assert failed["FailureCode"] == "Gateway.NotAttached"


def test_a_nat_gateway_with_a_taken_address_fails(aws):
    gateway(aws)
    address = allocate(aws)
    create_nat(aws, address)
    failed = wait_for_nat(aws, create_nat(aws, address), "failed")
    assert failed["FailureCode"] == "Resource.AlreadyAssociated"


def test_nat_gateways_are_found_by_tag_and_state(aws):
    gateway(aws)
    tags = [{"ResourceType": "natgateway", "Tags": [{"Key": "kstack:stack", "Value": "dev"}]}]
    made = create_nat(aws, allocate(aws), TagSpecifications=tags)
    create_nat(aws, allocate(aws))
    wait_for_nat(aws, made, "available")
    tag = {"Name": "tag:kstack:stack", "Values": ["dev"]}
    find = aws.ec2.describe_nat_gateways
    assert [n["NatGatewayId"] for n in find(Filter=[tag])["NatGateways"]] == [made]
    assert find(Filter=[tag, {"Name": "state", "Values": ["deleted"]}])["NatGateways"] == []


def test_an_unknown_nat_gateway(aws):
    refused("NatGatewayNotFound", nat, aws=aws, nat_id="nat-12345678901234567")
    refused("NatGatewayNotFound", aws.ec2.delete_nat_gateway, NatGatewayId="nat-12345678901234567")


def test_an_endpoint_comes_up_holds_its_subnets_and_goes(aws):
    aws.choose(times={"endpoint_stop": 2})
    made = create_endpoint(aws)
    assert made["State"] == "pending"
    name = made["VpcEndpointId"]

    def states() -> list:
        found = aws.ec2.describe_vpc_endpoints(Filters=[{"Name": "vpc-id", "Values": [aws.vpc]}])
        return [e["State"] for e in found["VpcEndpoints"]]

    until(states, lambda s: s == ["available"])
    interface = aws.interface(made["NetworkInterfaceIds"][0])
    assert interface["PrivateIpAddress"].startswith("10.0.0.")
    assert [g["GroupId"] for g in interface["Groups"]] == [aws.group]
    refused("DependencyViolation", aws.ec2.delete_subnet, SubnetId=aws.subnets[0])
    refused("DependencyViolation", aws.ec2.delete_security_group, GroupId=aws.group)
    aws.ec2.delete_vpc_endpoints(VpcEndpointIds=[name])
    assert states() == ["deleting"]
    until(states, lambda s: s == [])
    aws.ec2.delete_subnet(SubnetId=aws.subnets[0])
    aws.ec2.delete_security_group(GroupId=aws.group)


def test_private_dns_needs_the_vpcs_names_and_is_given_once(aws):
    aws.ec2.modify_vpc_attribute(VpcId=aws.vpc, EnableDnsHostnames={"Value": False})
    refused("InvalidParameter", create_endpoint, aws=aws, PrivateDnsEnabled=True)
    aws.ec2.modify_vpc_attribute(VpcId=aws.vpc, EnableDnsHostnames={"Value": True})
    create_endpoint(aws, PrivateDnsEnabled=True)
    refused("InvalidParameter", create_endpoint, aws=aws, PrivateDnsEnabled=True)


def test_a_route_table_has_one_gateway_endpoint_of_a_service(aws):
    table = aws.ec2.create_route_table(VpcId=aws.vpc)["RouteTable"]["RouteTableId"]
    parameters = {"VpcId": aws.vpc, "ServiceName": "com.amazonaws.us-east-1.s3", "RouteTableIds": [table]}
    aws.ec2.create_vpc_endpoint(**parameters)
    refused("RouteAlreadyExists", aws.ec2.create_vpc_endpoint, **parameters)


def test_unknown_endpoints_are_named(aws):
    answer = aws.ec2.delete_vpc_endpoints(VpcEndpointIds=["vpce-12345678901234567"])
    assert answer["Unsuccessful"][0]["Error"]["Code"] == "InvalidVpcEndpoint.NotFound"


def test_a_subnet_with_an_interface_is_not_deleted(aws):
    interface = create_interface(aws)
    refused("DependencyViolation", aws.ec2.delete_subnet, SubnetId=aws.subnets[0])
    aws.ec2.delete_network_interface(NetworkInterfaceId=interface)
    aws.ec2.delete_subnet(SubnetId=aws.subnets[0])


def test_a_group_in_use_is_not_deleted(aws):
    interface = create_interface(aws, Groups=[aws.group])
    refused("DependencyViolation", aws.ec2.delete_security_group, GroupId=aws.group)
    aws.ec2.delete_network_interface(NetworkInterfaceId=interface)
    aws.ec2.delete_security_group(GroupId=aws.group)


def test_a_group_that_another_names_is_not_deleted(aws):
    other = aws.ec2.create_security_group(GroupName="o", Description="o", VpcId=aws.vpc)["GroupId"]
    pairs = [{"GroupId": aws.group}]
    rule = {"IpProtocol": "tcp", "FromPort": 9092, "ToPort": 9092, "UserIdGroupPairs": pairs}
    aws.ec2.authorize_security_group_ingress(GroupId=other, IpPermissions=[rule])
    refused("DependencyViolation", aws.ec2.delete_security_group, GroupId=aws.group)
    aws.ec2.delete_security_group(GroupId=other)
    aws.ec2.delete_security_group(GroupId=aws.group)


def test_the_default_group_stays(aws):
    filters = [{"Name": "vpc-id", "Values": [aws.vpc]}, {"Name": "group-name", "Values": ["default"]}]
    group = aws.ec2.describe_security_groups(Filters=filters)["SecurityGroups"][0]["GroupId"]
    refused("CannotDelete", aws.ec2.delete_security_group, GroupId=group)


def test_a_vpc_is_deleted_last(aws):
    attached = gateway(aws)
    refused("DependencyViolation", aws.ec2.delete_internet_gateway, InternetGatewayId=attached)
    refused("Resource.AlreadyAssociated", aws.ec2.attach_internet_gateway, InternetGatewayId=attached, VpcId=aws.vpc)
    refused("DependencyViolation", aws.ec2.delete_vpc, VpcId=aws.vpc)
    aws.ec2.detach_internet_gateway(InternetGatewayId=attached, VpcId=aws.vpc)
    assert aws.group
    refused("DependencyViolation", aws.ec2.delete_vpc, VpcId=aws.vpc)
    aws.ec2.delete_security_group(GroupId=aws.group)
    assert aws.subnets
    refused("DependencyViolation", aws.ec2.delete_vpc, VpcId=aws.vpc)
    for subnet in aws.subnets:
        aws.ec2.delete_subnet(SubnetId=subnet)
    aws.ec2.delete_vpc(VpcId=aws.vpc)


def test_a_gateway_with_public_addresses_behind_it_stays(aws):
    attached = gateway(aws)
    address, interface = allocate(aws), create_interface(aws)
    association = aws.ec2.associate_address(AllocationId=address, NetworkInterfaceId=interface)["AssociationId"]
    detach = {"InternetGatewayId": attached, "VpcId": aws.vpc}
    refused("DependencyViolation", aws.ec2.detach_internet_gateway, **detach)
    aws.ec2.disassociate_address(AssociationId=association)
    aws.ec2.detach_internet_gateway(**detach)


def test_a_vpc_has_one_internet_gateway(aws):
    gateway(aws)
    other = aws.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    refused("InvalidParameterValue", aws.ec2.attach_internet_gateway, InternetGatewayId=other, VpcId=aws.vpc)


def test_a_subnet_has_one_route_table(aws):
    one, two = (aws.ec2.create_route_table(VpcId=aws.vpc)["RouteTable"]["RouteTableId"] for _ in range(2))
    associate = aws.ec2.associate_route_table
    first = associate(RouteTableId=one, SubnetId=aws.subnets[0])["AssociationId"]
    refused("Resource.AlreadyAssociated", associate, RouteTableId=two, SubnetId=aws.subnets[0])
    assert associate(RouteTableId=one, SubnetId=aws.subnets[0])["AssociationId"] == first
    refused("DependencyViolation", aws.ec2.delete_route_table, RouteTableId=one)


def test_group_answers_are_complete(aws):
    tags = [{"Key": "kstack:stack", "Value": "dev"}]
    made = aws.ec2.create_security_group(
        GroupName="o",
        Description="o",
        VpcId=aws.vpc,
        TagSpecifications=[{"ResourceType": "security-group", "Tags": tags}],
    )
    assert made["Tags"] == tags
    ports = {"IpProtocol": "tcp", "FromPort": 9092, "ToPort": 9093}
    permissions = [
        {**ports, "UserIdGroupPairs": [{"GroupId": made["GroupId"], "Description": "peers"}]},
        {**ports, "IpRanges": [{"CidrIp": "10.0.0.0/16", "Description": "clients"}]},
    ]
    authorize = aws.ec2.authorize_security_group_ingress
    rules = authorize(GroupId=made["GroupId"], IpPermissions=permissions)["SecurityGroupRules"]
    assert sorted(rule["Description"] for rule in rules) == ["clients", "peers"]
    filters = [{"Name": "group-id", "Values": [made["GroupId"]]}]
    listed = aws.ec2.describe_security_group_rules(Filters=filters)["SecurityGroupRules"]
    assert {r["SecurityGroupRuleId"] for r in rules} < {r["SecurityGroupRuleId"] for r in listed}
    assert sorted(r.get("Description", "") for r in listed) == ["", "clients", "peers"]
    other_text = [{**ports, "UserIdGroupPairs": [{"GroupId": made["GroupId"], "Description": "others"}]}]
    refused("InvalidPermission.Duplicate", authorize, GroupId=made["GroupId"], IpPermissions=other_text)
    without_text = [{**ports, "UserIdGroupPairs": [{"GroupId": made["GroupId"]}]}]
    aws.ec2.revoke_security_group_ingress(GroupId=made["GroupId"], IpPermissions=without_text)
    listed = aws.ec2.describe_security_group_rules(Filters=filters)["SecurityGroupRules"]
    assert sorted(r.get("Description", "") for r in listed) == ["", "clients"]


@pytest.mark.parametrize("what", ["egress-only gateway", "network ACL", "transit gateway attachment"])
def test_a_vpc_with_more_than_its_defaults_is_not_deleted(aws, what):
    vpc = aws.ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    if what == "egress-only gateway":
        made = aws.ec2.create_egress_only_internet_gateway(VpcId=vpc)["EgressOnlyInternetGateway"]
        gateway_id = made["EgressOnlyInternetGatewayId"]
        free = partial(aws.ec2.delete_egress_only_internet_gateway, EgressOnlyInternetGatewayId=gateway_id)
    elif what == "network ACL":
        acl = aws.ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
        free = partial(aws.ec2.delete_network_acl, NetworkAclId=acl)
    else:
        transit = aws.ec2.create_transit_gateway()["TransitGateway"]["TransitGatewayId"]
        subnet = aws.ec2.create_subnet(VpcId=vpc, CidrBlock="10.77.0.0/24")["Subnet"]["SubnetId"]
        made = aws.ec2.create_transit_gateway_vpc_attachment(
            TransitGatewayId=transit, VpcId=vpc, SubnetIds=[subnet]
        )["TransitGatewayVpcAttachment"]
        aws.ec2.delete_subnet(SubnetId=subnet)
        attachment = made["TransitGatewayAttachmentId"]
        free = partial(aws.ec2.delete_transit_gateway_vpc_attachment, TransitGatewayAttachmentId=attachment)
    refused("DependencyViolation", aws.ec2.delete_vpc, VpcId=vpc)
    free()
    aws.ec2.delete_vpc(VpcId=vpc)


@pytest.mark.parametrize("service", ["smm", "ssm.", "no-such-thing"])
@pytest.mark.parametrize("kind", ["Interface", "Gateway"])
def test_an_endpoint_needs_a_service_that_is_listed(aws, service, kind):
    name = f"com.amazonaws.us-east-1.{service}"
    refused("InvalidServiceName", aws.ec2.describe_vpc_endpoint_services, ServiceNames=[name])
    refused("InvalidServiceName", create_endpoint, aws=aws, ServiceName=name, VpcEndpointType=kind)
    assert aws.ec2.describe_vpc_endpoints()["VpcEndpoints"] == []


def test_an_endpoint_is_of_a_kind_that_its_service_has(aws):
    gateway = {"VpcId": aws.vpc, "ServiceName": "com.amazonaws.us-east-1.ssm", "VpcEndpointType": "Gateway"}
    refused("InvalidParameter", aws.ec2.create_vpc_endpoint, **gateway)
    refused("InvalidParameter", create_endpoint, aws=aws, ServiceName="com.amazonaws.us-east-1.dynamodb")
    create_endpoint(aws)


def test_endpoint_services_by_filter(aws):
    prefix = "com.amazonaws.us-east-1."

    def found(name: str, *values: str) -> list[str]:
        answer = aws.ec2.describe_vpc_endpoint_services(Filters=[{"Name": name, "Values": list(values)}])
        names = [detail["ServiceName"] for detail in answer["ServiceDetails"]]
        assert answer["ServiceNames"] == names
        return [name.removeprefix(prefix) for name in names]

    assert found("service-name", prefix + "ssm", prefix + "smm", prefix + "kms") == ["kms", "ssm"]
    assert set(found("service-type", "Gateway")) == {"dynamodb", "s3"}
    assert found("service-name", prefix + "no-such-thing") == []
    assert len(found("owner", "amazon")) > 100
    refused("InvalidParameterValue", found, name="no-such-filter")


def test_the_default_group_of_a_vpc_has_aws_rules_until_they_are_taken(aws):
    filters = [{"Name": "vpc-id", "Values": [aws.vpc]}, {"Name": "group-name", "Values": ["default"]}]

    def group() -> dict:
        return aws.ec2.describe_security_groups(Filters=filters)["SecurityGroups"][0]

    made = group()
    assert [pair["GroupId"] for pair in made["IpPermissions"][0]["UserIdGroupPairs"]] == [made["GroupId"]]
    assert made["IpPermissionsEgress"][0]["IpRanges"][0]["CidrIp"] == "0.0.0.0/0"
    aws.ec2.revoke_security_group_ingress(GroupId=made["GroupId"], IpPermissions=made["IpPermissions"])
    aws.ec2.revoke_security_group_egress(GroupId=made["GroupId"], IpPermissions=made["IpPermissionsEgress"])
    assert (group()["IpPermissions"], group()["IpPermissionsEgress"]) == ([], [])


def test_rules_keep_the_descriptions_of_prefix_lists(aws):
    make = aws.ec2.create_managed_prefix_list
    lists = [make(PrefixListName=name, MaxEntries=2, AddressFamily="IPv4")["PrefixList"]["PrefixListId"] for name in "ab"]
    made = aws.ec2.create_security_group(GroupName="o", Description="o", VpcId=aws.vpc)["GroupId"]
    ports = {"IpProtocol": "tcp", "FromPort": 9092, "ToPort": 9092}
    peers = [{"PrefixListId": lists[0], "Description": "offices"}, {"PrefixListId": lists[1]}]
    permissions = [{**ports, "PrefixListIds": peers}, {**ports, "IpRanges": [{"CidrIp": "10.0.0.0/16", "Description": "clients"}]}]
    rules = aws.ec2.authorize_security_group_ingress(GroupId=made, IpPermissions=permissions)["SecurityGroupRules"]
    assert sorted(rule.get("Description", "") for rule in rules) == ["", "clients", "offices"]
    group = aws.ec2.describe_security_groups(GroupIds=[made])["SecurityGroups"][0]
    assert [one for permission in group["IpPermissions"] for one in permission["PrefixListIds"]] == peers
    # A description makes no other rule.
    without_text = [{**ports, "PrefixListIds": [{"PrefixListId": lists[0]}]}]
    aws.ec2.revoke_security_group_ingress(GroupId=made, IpPermissions=without_text)
    group = aws.ec2.describe_security_groups(GroupIds=[made])["SecurityGroups"][0]
    assert [one for permission in group["IpPermissions"] for one in permission["PrefixListIds"]] == peers[1:]
