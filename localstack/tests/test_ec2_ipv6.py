"""IPv6: blocks of VPCs and subnets, addresses, and egress-only internet gateways."""

from conftest import refused


def association(aws, number: int = 0) -> str:
    subnet = aws.ec2.describe_subnets(SubnetIds=[aws.subnets[number]])["Subnets"][0]
    return subnet["Ipv6CidrBlockAssociationSet"][0]["AssociationId"]


def addresses(aws, interface: str) -> list[str]:
    return [one["Ipv6Address"] for one in aws.interface(interface)["Ipv6Addresses"]]


def test_a_subnet_has_one_part_of_its_vpcs_block_and_nobody_elses(aws):
    associate = aws.ec2.associate_subnet_cidr_block
    first, second = aws.subnets[:2]
    for wrong in ("2001:db8::/64", str(aws.block), "10.0.0.0/24"):
        code = "InvalidParameterValue" if "." in wrong else "InvalidSubnet.Range"
        refused(code, associate, SubnetId=first, Ipv6CidrBlock=wrong)
    associate(SubnetId=first, Ipv6CidrBlock=aws.part(1))
    refused("SubnetCidrBlockAssociationLimitExceeded", associate, SubnetId=first, Ipv6CidrBlock=aws.part(2))
    refused("InvalidSubnet.Conflict", associate, SubnetId=second, Ipv6CidrBlock=aws.part(1))
    new = {"VpcId": aws.vpc, "CidrBlock": "10.0.9.0/24"}
    refused("InvalidSubnet.Conflict", aws.ec2.create_subnet, Ipv6CidrBlock=aws.part(1), **new)
    made = aws.ec2.create_subnet(Ipv6CidrBlock=aws.part(2), **new)["Subnet"]
    shown = made["Ipv6CidrBlockAssociationSet"][0]
    assert (shown["Ipv6CidrBlock"], shown["Ipv6CidrBlockState"]["State"]) == (aws.part(2), "associated")


def test_an_interface_has_addresses_of_its_subnets_block(aws):
    create, assign = aws.ec2.create_network_interface, aws.ec2.assign_ipv6_addresses
    first = aws.subnets[0]
    plain = create(SubnetId=first)["NetworkInterface"]["NetworkInterfaceId"]
    refused("InvalidParameterValue", assign, NetworkInterfaceId=plain, Ipv6Addresses=["2001:db8::9"])
    aws.give_ipv6()
    own, other = (aws.part(number).replace("::/64", "::a28:10a") for number in (0, 1))
    for wrong in (other, aws.part(0).replace("/64", "3")):
        refused("InvalidParameterValue", assign, NetworkInterfaceId=plain, Ipv6Addresses=[wrong])
        refused("InvalidParameterValue", create, SubnetId=first, Ipv6Addresses=[{"Ipv6Address": wrong}])
    made = create(SubnetId=first, Ipv6Addresses=[{"Ipv6Address": own}])["NetworkInterface"]["NetworkInterfaceId"]
    assert addresses(aws, made) == [own]
    refused("InvalidIPAddress.InUse", assign, NetworkInterfaceId=plain, Ipv6Addresses=[own])
    second = own[:-1] + "b"
    answer = assign(NetworkInterfaceId=plain, Ipv6Addresses=[second])
    assert (answer["AssignedIpv6Addresses"], addresses(aws, plain)) == ([second], [second])


def test_blocks_in_use_stay(aws):
    aws.give_ipv6()
    vpc = aws.ec2.describe_vpcs(VpcIds=[aws.vpc])["Vpcs"][0]["Ipv6CidrBlockAssociationSet"][0]["AssociationId"]
    refused("InvalidCidrBlock.InUse", aws.ec2.disassociate_vpc_cidr_block, AssociationId=vpc)
    address = aws.part(0).replace("::/64", "::a28:10a")
    made = aws.ec2.create_network_interface(SubnetId=aws.subnets[0], Ipv6Addresses=[{"Ipv6Address": address}])
    interface = made["NetworkInterface"]["NetworkInterfaceId"]
    refused("InvalidCidr.InUse", aws.ec2.disassociate_subnet_cidr_block, AssociationId=association(aws))
    aws.ec2.unassign_ipv6_addresses(NetworkInterfaceId=interface, Ipv6Addresses=[address])
    aws.ec2.disassociate_subnet_cidr_block(AssociationId=association(aws))
    aws.ec2.associate_subnet_cidr_block(SubnetId=aws.subnets[0], Ipv6CidrBlock=aws.part(7))
    aws.ec2.assign_ipv6_addresses(NetworkInterfaceId=interface, Ipv6Addresses=[aws.part(7).replace("/64", "99")])


def test_an_egress_only_gateway_is_found_by_its_tags_and_made_once_for_a_token(aws):
    create, describe = (
        aws.ec2.create_egress_only_internet_gateway,
        aws.ec2.describe_egress_only_internet_gateways,
    )
    tags = [{"ResourceType": "egress-only-internet-gateway", "Tags": [{"Key": "stack", "Value": "one"}]}]
    made = [create(VpcId=aws.vpc, ClientToken="t", TagSpecifications=tags) for _ in range(2)]
    ids = {one["EgressOnlyInternetGateway"]["EgressOnlyInternetGatewayId"] for one in made}
    assert len(ids) == 1
    for value, count in (("one", 1), ("two", 0)):
        found = describe(Filters=[{"Name": "tag:stack", "Values": [value]}])["EgressOnlyInternetGateways"]
        assert len(found) == count
    refused("InvalidParameterValue", describe, Filters=[{"Name": "vpc", "Values": [aws.vpc]}])
    (gateway,) = ids
    table = aws.ec2.create_route_table(VpcId=aws.vpc)["RouteTable"]["RouteTableId"]
    route = {"RouteTableId": table, "DestinationIpv6CidrBlock": "::/0"}
    aws.ec2.create_route(EgressOnlyInternetGatewayId=gateway, **route)
    refused("DependencyViolation", aws.ec2.delete_vpc, VpcId=aws.vpc)
    routes = aws.ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
    assert [one.get("EgressOnlyInternetGatewayId") for one in routes if one.get("DestinationIpv6CidrBlock") == "::/0"] == [gateway]
    aws.ec2.delete_route(**route)
    aws.ec2.delete_egress_only_internet_gateway(EgressOnlyInternetGatewayId=gateway)
    assert describe()["EgressOnlyInternetGateways"] == []
