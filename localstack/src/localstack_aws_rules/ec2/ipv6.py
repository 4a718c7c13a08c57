"""IPv6: a VPC's block, parts of it for subnets, addresses for interfaces, and gateways that let hosts out alone.

A subnet has one IPv6 block, a /64 of its VPC's that no other has; an interface's addresses are of its subnet's block, and its
own; and what is in use is not taken away.
"""

import ipaddress

from moto.ec2.models.subnets import Subnet

from localstack_aws_rules.ec2.common import backend, error, matches, tag_values
from localstack_aws_rules.ec2.interfaces import RESERVED_AT_START

SUBNET_PREFIX = 64
USED = "associated"


def blocks_of_vpc(vpc) -> list[ipaddress.IPv6Network]:
    held = vpc.get_cidr_block_association_set(ipv6=True)
    return [ipaddress.ip_network(one["cidr_block"]) for one in held if one["cidr_block_state"]["state"] == USED]


def block_of_subnet(subnet) -> ipaddress.IPv6Network | None:
    held = subnet.ipv6_cidr_block_associations.values()
    found = [one["ipv6CidrBlock"] for one in held if one["ipv6CidrBlockState"]["State"] == USED]
    return ipaddress.ip_network(found[0]) if found else None


def subnets_of(context, vpc_id: str) -> list:
    zones = backend(context).subnets.values()
    return [subnet for zone in zones for subnet in zone.values() if subnet.vpc_id == vpc_id]


def check_block(context, vpc_id: str, asked: str) -> None:
    """Refuses a subnet's block that is no /64 of the VPC's, or another subnet's."""
    try:
        block = ipaddress.IPv6Network(asked)
    except ValueError as wrong:
        raise error("InvalidParameterValue", f"Value ({asked}) for parameter ipv6CidrBlock is invalid.") from wrong
    inside = any(block.subnet_of(one) for one in blocks_of_vpc(backend(context).get_vpc(vpc_id)))
    if block.prefixlen != SUBNET_PREFIX or not inside:
        raise error("InvalidSubnet.Range", f"The CIDR '{asked}' is invalid.")
    if any(block_of_subnet(subnet) == block for subnet in subnets_of(context, vpc_id)):
        raise error("InvalidSubnet.Conflict", f"The CIDR '{asked}' conflicts with another subnet")


def associations(subnet) -> list[dict]:
    """A subnet's blocks as DescribeSubnets shows them; moto shows the state as the text of a dict."""
    return [
        {
            "ipv6CidrBlock": one["ipv6CidrBlock"],
            "associationId": one["associationId"],
            "ipv6CidrBlockState": {"state": one["ipv6CidrBlockState"]["State"]},
        }
        for one in subnet.ipv6_cidr_block_associations.values()
        if one["ipv6CidrBlockState"]["State"] == USED
    ]


def correct_moto() -> None:
    Subnet.ipv6_cidr_block_association_set = property(associations)


def create_subnet(inner, context, request):
    if request.get("Ipv6CidrBlock"):
        check_block(context, request["VpcId"], request["Ipv6CidrBlock"])
    return inner(context, request)


def associate_subnet_cidr_block(inner, context, request):
    subnet = backend(context).get_subnet(request["SubnetId"])
    if block_of_subnet(subnet):
        message = f"The subnet {subnet.id} has an IPv6 CIDR block already"
        raise error("SubnetCidrBlockAssociationLimitExceeded", message)
    check_block(context, subnet.vpc_id, request.get("Ipv6CidrBlock") or "")
    # moto looks at the first block, whatever its state
    subnet.ipv6_cidr_block_associations.clear()
    return inner(context, request)


def disassociate_subnet_cidr_block(inner, context, request):
    subnet = backend(context).get_subnet_from_ipv6_association(request["AssociationId"])
    if subnet and any(eni.ipv6_addresses for eni in backend(context).enis.values() if eni.subnet.id == subnet.id):
        message = f"The subnet {subnet.id} has interfaces with IPv6 addresses"
        raise error("InvalidCidr.InUse", message)
    return inner(context, request)


def disassociate_vpc_cidr_block(inner, context, request):
    for vpc in backend(context).vpcs.values():
        for held in vpc.get_cidr_block_association_set(ipv6=True):
            if held["association_id"] != request["AssociationId"]:
                continue
            block = ipaddress.ip_network(held["cidr_block"])
            parts = [block_of_subnet(subnet) for subnet in subnets_of(context, vpc.id)]
            if any(part and part.subnet_of(block) for part in parts):
                raise error("InvalidCidrBlock.InUse", f"The vpc {vpc.id} has subnets in {block}")
    return inner(context, request)


def check_addresses(context, subnet, addresses: list[str], own=None) -> None:
    """Refuses IPv6 addresses that are outside of the subnet, kept by AWS, or another interface's."""
    block = block_of_subnet(subnet)
    if block is None:
        raise error("InvalidParameterValue", f"The subnet {subnet.id} has no IPv6 CIDR block")
    others = {
        ipaddress.ip_address(address)
        for eni in backend(context).enis.values()
        if eni is not own
        for address in eni.ipv6_addresses
    }
    for text in addresses:
        address = ipaddress.ip_address(text)
        offset = int(address) - int(block.network_address)
        if address not in block or not RESERVED_AT_START <= offset < block.num_addresses - 1:
            raise error("InvalidParameterValue", f"Address {text} does not fall within the subnet's address range")
        if address in others:
            raise error("InvalidIPAddress.InUse", f"Address {text} is in use.")


def create_network_interface(inner, context, request):
    asked = [one["Ipv6Address"] for one in request.get("Ipv6Addresses") or []]
    if asked or request.get("Ipv6AddressCount"):
        check_addresses(context, backend(context).get_subnet(request["SubnetId"]), asked)
    return inner(context, request)


def assign_ipv6_addresses(inner, context, request):
    eni = backend(context).get_network_interface(request["NetworkInterfaceId"])
    asked = request.get("Ipv6Addresses") or []
    check_addresses(context, eni.subnet, asked, eni)
    before = set(eni.ipv6_addresses)
    answer = inner(context, request)
    return {**answer, "AssignedIpv6Addresses": [one for one in eni.ipv6_addresses if one not in before]}


def describe_egress_only_internet_gateways(inner, context, request):
    """moto knows no filters."""
    answer = inner(context, {name: value for name, value in request.items() if name != "Filters"})
    found = [
        gateway
        for gateway in answer.get("EgressOnlyInternetGateways") or []
        if matches(request.get("Filters"), lambda name, one=gateway: tag_values(one.get("Tags") or [], name))
    ]
    return {**answer, "EgressOnlyInternetGateways": found}


RULES = {
    "CreateSubnet": create_subnet,
    "AssociateSubnetCidrBlock": associate_subnet_cidr_block,
    "DisassociateSubnetCidrBlock": disassociate_subnet_cidr_block,
    "DisassociateVpcCidrBlock": disassociate_vpc_cidr_block,
    "CreateNetworkInterface": create_network_interface,
    "AssignIpv6Addresses": assign_ipv6_addresses,
    "DescribeEgressOnlyInternetGateways": describe_egress_only_internet_gateways,
}
