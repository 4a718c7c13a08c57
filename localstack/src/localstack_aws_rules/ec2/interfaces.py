"""Network interfaces: addresses within the subnet and used once, groups that exist, who is in use."""

import ipaddress

from moto.ec2.models.elastic_network_interfaces import NetworkInterface

from localstack_aws_rules.ec2.common import backend, call, error

RESERVED_AT_START = 4


def addresses_in_use(context, subnet_id: str) -> set[str]:
    return {
        item["PrivateIpAddress"]
        for eni in backend(context).enis.values()
        if eni.subnet.id == subnet_id
        for item in eni.private_ip_addresses
    }


def check_address(context, subnet, address: str) -> None:
    """Refuses an address that is outside, kept by AWS, or taken."""
    reserved = [str(subnet.cidr[index]) for index in (*range(RESERVED_AT_START), -1)]
    if not is_inside(address, subnet.cidr):
        message = f"Address {address} does not fall within the subnet's address range"
        raise error("InvalidParameterValue", message)
    if address in reserved:
        message = f"Address {address} is in subnet's reserved address range"
        raise error("InvalidParameterValue", message)
    if address in addresses_in_use(context, subnet.id):
        raise error("InvalidIPAddress.InUse", f"Address {address} is in use.")


def is_inside(address: str, network) -> bool:
    try:
        return ipaddress.ip_address(address) in network
    except ValueError:
        return False


def free_address(context, subnet) -> str:
    """The lowest address that nobody has."""
    taken = addresses_in_use(context, subnet.id)
    for index in range(RESERVED_AT_START, subnet.cidr.num_addresses - 1):
        if str(subnet.cidr[index]) not in taken:
            return str(subnet.cidr[index])
    message = f"The specified subnet does not have enough free addresses to satisfy the request: {subnet.id}"
    raise error("InsufficientFreeAddressesInSubnet", message)


def set_address(eni, address: str) -> None:
    eni.private_ip_address = address
    eni.private_ip_addresses = [{"Primary": True, "PrivateIpAddress": address}]


def check_groups(context, ids: list[str], vpc_id: str) -> None:
    for group_id in ids:
        group = backend(context).get_security_group_from_id(group_id)
        if group is None:
            message = f"The securityGroup ID '{group_id}' does not exist"
            raise error("InvalidSecurityGroupID.NotFound", message)
        if group.vpc_id != vpc_id:
            message = "You have specified two resources that belong to different networks."
            raise error("InvalidParameter", message)


def make_for_service(context, subnet_id: str, groups: list[str], description: str):
    """An interface that a service makes in a subnet, as MSK and interface endpoints do."""
    subnet = backend(context).get_subnet(subnet_id)
    address = free_address(context, subnet)
    eni = backend(context).create_network_interface(subnet, address, group_ids=groups, description=description)
    eni.requester_managed, eni.status = True, "in-use"
    return eni


def create_network_interface(inner, context, request):
    subnet = backend(context).get_subnet(request["SubnetId"])
    check_groups(context, request.get("Groups") or [], subnet.vpc_id)
    listed = [item["PrivateIpAddress"] for item in request.get("PrivateIpAddresses") or []]
    asked = listed or [a for a in [request.get("PrivateIpAddress")] if a]
    for address in asked:
        check_address(context, subnet, address)
    if asked:
        return inner(context, request)
    changed = {k: v for k, v in request.items() if k != "ClientToken"}
    return call(context, {**changed, "PrivateIpAddress": free_address(context, subnet)})


def delete_network_interface(inner, context, request):
    eni = backend(context).get_network_interface(request["NetworkInterfaceId"])
    if eni.instance or eni.status == "in-use" or owned_by_nat_gateway(context, eni):
        message = f"The network interface '{eni.id}' is currently in use."
        raise error("InvalidNetworkInterface.InUse", message)
    for address in backend(context).addresses:
        if address.eni is eni:
            backend(context).disassociate_address(association_id=address.association_id)
    answer = inner(context, request)
    for item in eni.private_ip_addresses:
        eni.subnet.del_subnet_ip(item["PrivateIpAddress"])
    return answer


def owned_by_nat_gateway(context, eni) -> bool:
    return any(n._eni is eni and n.state != "deleted" for n in backend(context).nat_gateways.values())


def attach_network_interface(inner, context, request):
    eni = backend(context).get_network_interface(request["NetworkInterfaceId"])
    instance = backend(context).get_instance(request["InstanceId"])
    if eni.instance or eni.status == "in-use":
        raise error("InvalidNetworkInterface.InUse", f"Interface: [{eni.id}] in use.")
    if request["DeviceIndex"] in instance.nics:
        message = (
            f"Instance '{instance.id}' already has an interface attached at device index '{request['DeviceIndex']}'."
        )
        raise error("InvalidParameterValue", message)
    if eni.availability_zone != instance.placement.zone:
        message = "The network interface and the instance must be in one Availability Zone"
        raise error("InvalidParameterCombination", message)
    eni.delete_on_termination = False
    return inner(context, request)


def detach_network_interface(inner, context, request):
    for eni in backend(context).enis.values():
        if eni.attachment_id == request["AttachmentId"] and eni.device_index == 0 and eni.instance:
            message = "The network interface at device index 0 cannot be detached."
            raise error("OperationNotPermitted", message)
    return inner(context, request)


def correct_moto() -> None:
    """An interface has its own groups; moto adds those that its instance began with."""
    NetworkInterface.group_set = property(lambda eni: eni._group_set)


def modify_network_interface_attribute(inner, context, request):
    """Groups exist; and those of an instance are those of its first interface."""
    eni = backend(context).get_network_interface(request["NetworkInterfaceId"])
    check_groups(context, request.get("Groups") or [], eni.subnet.vpc_id)
    answer = inner(context, request)
    if request.get("Groups") and eni.instance and eni.device_index == 0:
        eni.instance.security_groups = list(eni._group_set)
    return answer


def modify_instance_attribute(inner, context, request):
    answer = inner(context, request)
    if request.get("Groups"):
        instance = backend(context).get_instance(request["InstanceId"])
        first = [eni for index, eni in instance.nics.items() if int(index) == 0]
        for eni in first:
            eni._group_set = list(instance.security_groups)
    return answer


def describe_addresses(inner, context, request):
    """What an address does not have is left out, where moto says that it is empty."""
    answer = inner(context, request)
    shown = [{k: v for k, v in item.items() if v != ""} for item in answer.get("Addresses") or []]
    return {**answer, "Addresses": shown}


RULES = {
    "DescribeAddresses": describe_addresses,
    "CreateNetworkInterface": create_network_interface,
    "DeleteNetworkInterface": delete_network_interface,
    "AttachNetworkInterface": attach_network_interface,
    "DetachNetworkInterface": detach_network_interface,
    "ModifyNetworkInterfaceAttribute": modify_network_interface_attribute,
    "ModifyInstanceAttribute": modify_instance_attribute,
}
