"""What is in use is not deleted: subnets, groups, gateways, VPCs, addresses, route tables."""

from localstack_aws_rules.ec2.common import backend, error


def depends(kind: str, resource_id: str):
    message = f"The {kind} '{resource_id}' has dependencies and cannot be deleted."
    return error("DependencyViolation", message)


def delete_subnet(inner, context, request):
    subnet_id = request["SubnetId"]
    if any(eni.subnet.id == subnet_id for eni in backend(context).enis.values()):
        raise depends("subnet", subnet_id)
    return inner(context, request)


def delete_security_group(inner, context, request):
    group_id = request.get("GroupId")
    group = backend(context).get_security_group_by_name_or_id(group_id or request.get("GroupName"))
    if group is not None:
        if group.name == "default":
            message = f'the specified group: "{group.id}" name: "default" cannot be deleted by a user'
            raise error("CannotDelete", message)
        used = any(group in eni.group_set for eni in backend(context).enis.values())
        if used or is_referenced(context, group):
            raise error("DependencyViolation", f"resource {group.id} has a dependent object")
    return inner(context, request)


def is_referenced(context, group) -> bool:
    """Whether a rule of another group names this one."""
    return any(
        rule.source_group.get("GroupId") == group.id
        for groups in backend(context).groups.values()
        for other in groups.values()
        if other is not group
        for rule in (*other.ingress_rules, *other.egress_rules)
    )


def delete_vpc(inner, context, request):
    vpc_id = request["VpcId"]
    here = backend(context)
    held = (
        any(gateway.vpc and gateway.vpc.id == vpc_id for gateway in here.internet_gateways.values())
        or any(group.name != "default" for group in here.groups.get(vpc_id, {}).values())
        or any(endpoint.vpc_id == vpc_id for endpoint in here.vpc_end_points.values())
        or any(eni.vpc_id == vpc_id for eni in here.enis.values())
        or any(gateway.vpc_id == vpc_id for gateway in here.egress_only_internet_gateways.values())
        or any(acl.vpc_id == vpc_id and not acl.default for acl in here.network_acls.values())
        or any(is_attached(attachment, vpc_id) for attachment in here.transit_gateway_attachments.values())
    )
    if held:
        raise depends("vpc", vpc_id)
    return inner(context, request)


def is_attached(attachment, vpc_id: str) -> bool:
    """Whether a transit gateway's attachment, which has an interface in the VPC, is there."""
    return attachment.resource_id == vpc_id and attachment.state not in ("deleting", "deleted")


def attach_internet_gateway(inner, context, request):
    vpc_id = request["VpcId"]
    for gateway in backend(context).internet_gateways.values():
        if not gateway.vpc:
            continue
        if gateway.id == request["InternetGatewayId"]:
            message = f"resource {gateway.id} is already attached to network {gateway.vpc.id}"
            raise error("Resource.AlreadyAssociated", message)
        if gateway.vpc.id == vpc_id:
            message = f"Network {vpc_id} already has an internet gateway attached"
            raise error("InvalidParameterValue", message)
    return inner(context, request)


def detach_internet_gateway(inner, context, request):
    vpc_id = request["VpcId"]
    if any(eni.public_ip and eni.vpc_id == vpc_id for eni in backend(context).enis.values()):
        message = (
            f"Network {vpc_id} has some mapped public address(es). "
            "Please unmap those public address(es) before detaching the gateway."
        )
        raise error("DependencyViolation", message)
    return inner(context, request)


def release_address(inner, context, request):
    for address in backend(context).addresses:
        named = request.get("AllocationId") == address.allocation_id
        if named and (address.association_id or address.eni or address.instance):
            raise error("InvalidIPAddress.InUse", f"Address {address.public_ip} is in use.")
    return inner(context, request)


def associate_route_table(inner, context, request):
    subnet_id = request.get("SubnetId")
    for table in backend(context).describe_route_tables():
        for association, subnet in table.associations.items():
            if subnet_id and subnet == subnet_id and table.id != request["RouteTableId"]:
                message = (
                    f"the specified association for route table {request['RouteTableId']} "
                    f"conflicts with an existing association: {association}"
                )
                raise error("Resource.AlreadyAssociated", message)
    return inner(context, request)


RULES = {
    "DeleteSubnet": delete_subnet,
    "DeleteSecurityGroup": delete_security_group,
    "DeleteVpc": delete_vpc,
    "AttachInternetGateway": attach_internet_gateway,
    "DetachInternetGateway": detach_internet_gateway,
    "ReleaseAddress": release_address,
    "AssociateRouteTable": associate_route_table,
}
