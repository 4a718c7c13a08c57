"""NAT gateways and VPC endpoints: they take a while to come up and to go, and hold what they use."""

from contextlib import suppress
from types import SimpleNamespace

from moto.ec2.exceptions import InvalidRouteError, InvalidRouteTableIdError
from moto.ec2.models.vpc_service_configuration import VPCServiceConfiguration
from moto.ec2.utils import random_resource_id

from localstack_aws_rules.clock import later
from localstack_aws_rules.ec2.common import backend, call, error, matches, tag_values
from localstack_aws_rules.ec2.interfaces import check_groups, free_address, set_address
from localstack_aws_rules.settings import seconds


def create_nat_gateway(inner, context, request):
    """A public gateway without a way out, or with a taken address, is made and then fails."""
    subnet = backend(context).get_subnet(request["SubnetId"])
    kind = request.get("ConnectivityType") or "public"
    allocation = request.get("AllocationId")
    if kind == "public" and not allocation:
        raise error("MissingParameter", "The request must contain the parameter AllocationId")
    failure = None
    if kind == "public":
        address = backend(context).address_by_allocation([allocation])[0]
        gateways = backend(context).internet_gateways.values()
        if address.association_id:
            message = f"Elastic IP address [{allocation}] is already associated"
            failure = ("Resource.AlreadyAssociated", message)
        elif not any(gateway.vpc and gateway.vpc.id == subnet.vpc_id for gateway in gateways):
            message = f"Network {subnet.vpc_id} has no Internet gateway attached"
            failure = ("Gateway.NotAttached", message)
    free = free_address(context, subnet)
    gateway = backend(context).create_nat_gateway(
        subnet.id,
        None if failure else allocation,
        {t["Key"]: t["Value"] for s in request.get("TagSpecifications") or [] for t in s["Tags"]},
        kind,
    )
    set_address(gateway._eni, free)
    gateway._eni.requester_managed, gateway._eni.status = True, "in-use"
    gateway._eni.description = f"Interface for NAT Gateway {gateway.id}"
    gateway.address_set[0].update(privateIp=free, **({"allocationId": allocation} if allocation else {}))
    gateway.state, gateway.failure = "pending", None

    def ready() -> None:
        if gateway.state == "pending":
            gateway.state, gateway.failure = ("failed" if failure else "available"), failure
        if failure:
            backend(context).enis.pop(gateway._eni.id, None)
            later(context, seconds(context.account_id, "terminated_kept"), lambda: forget_nat(context, gateway))

    later(context, seconds(context.account_id, "nat_gateway_start"), ready)
    return {"NatGateway": nat_shape(gateway), "ClientToken": request.get("ClientToken")}


def nat_shape(gateway) -> dict:
    """A NAT gateway in the shape of the API."""
    members = {"allocationId": "AllocationId", "privateIp": "PrivateIp", "publicIp": "PublicIp"}
    members |= {"networkInterfaceId": "NetworkInterfaceId", "associationId": "AssociationId"}
    shape = {
        "NatGatewayId": gateway.id,
        "SubnetId": gateway.subnet_id,
        "VpcId": gateway.vpc_id,
        "State": gateway.state,
        "CreateTime": gateway._created_at,
        "ConnectivityType": gateway.connectivity_type,
        "NatGatewayAddresses": [
            {members[k]: v for k, v in address.items() if k in members and v} for address in gateway.address_set
        ],
        "Tags": [{"Key": tag["key"], "Value": tag["value"]} for tag in gateway.get_tags()],
    }
    if gateway.failure:
        shape["FailureCode"], shape["FailureMessage"] = gateway.failure
    return shape


def known_nat_gateway(context, gateway_id: str):
    gateway = backend(context).nat_gateways.get(gateway_id)
    if gateway is None:
        raise error("NatGatewayNotFound", f"The Nat Gateway {gateway_id} was not found")
    return gateway


def describe_nat_gateways(inner, context, request):
    wanted = request.get("NatGatewayIds") or []
    for gateway_id in wanted:
        known_nat_gateway(context, gateway_id)
    shapes = [nat_shape(gateway) for gateway in backend(context).nat_gateways.values()]
    filters = request.get("Filter")
    found = [
        shape
        for shape in shapes
        if (not wanted or shape["NatGatewayId"] in wanted)
        and matches(filters, lambda name, shape=shape: nat_values(shape, name))
    ]
    return {"NatGateways": found}


def nat_values(shape: dict, name: str) -> list[str] | None:
    """What a gateway holds for a filter's name."""
    fields = {"nat-gateway-id": "NatGatewayId", "state": "State", "subnet-id": "SubnetId", "vpc-id": "VpcId"}
    return [shape[fields[name]]] if name in fields else tag_values(shape["Tags"], name)


def delete_nat_gateway(inner, context, request):
    gateway = known_nat_gateway(context, request["NatGatewayId"])
    if gateway.state not in ("deleting", "deleted"):
        gateway.state = "deleting"
        later(context, seconds(context.account_id, "nat_gateway_stop"), lambda: finish_nat(context, gateway))
    return {"NatGatewayId": gateway.id}


def finish_nat(context, gateway) -> None:
    """Only now are the address and the subnet free; routes to the gateway stay, as on AWS."""
    for address in backend(context).addresses:
        if address.eni is gateway._eni:
            backend(context).disassociate_address(association_id=address.association_id)
    backend(context).enis.pop(gateway._eni.id, None)
    gateway.state = "deleted"
    later(context, seconds(context.account_id, "terminated_kept"), lambda: forget_nat(context, gateway))


def forget_nat(context, gateway) -> None:
    backend(context).nat_gateways.pop(gateway.id, None)


def describe_vpc_endpoint_services(inner, context, request):
    """moto fails with 500 on filters, which are applied here."""
    # LocalStack hands moto the client's request as it is
    answer = services(context, {name: value for name, value in request.items() if name != "Filters"})
    details = [
        detail
        for detail in answer["ServiceDetails"]
        if matches(request.get("Filters"), lambda name, detail=detail: service_values(detail, name))
    ]
    return {**answer, "ServiceDetails": details, "ServiceNames": [detail["ServiceName"] for detail in details]}


#: what moto answers of a region's own services, by region
OWN_SERVICES: dict[str, dict] = {}


def services(context, request) -> dict:
    """The answer to a request without filters. moto takes 20 ms for the list of all, which never changes where nobody offers any."""
    if request or backend(context).configurations:
        return call(context, request)
    if context.region not in OWN_SERVICES:
        OWN_SERVICES[context.region] = call(context, request)
    return OWN_SERVICES[context.region]


def service_values(detail: dict, name: str) -> list[str] | None:
    """What an endpoint service holds for a filter's name."""
    if name == "service-type":
        return [one["ServiceType"] for one in detail["ServiceType"]]
    fields = {"service-name": "ServiceName", "owner": "Owner"}
    return [detail[fields[name]]] if name in fields else tag_values(detail.get("Tags") or [], name)


def create_vpc_endpoint_service_configuration(inner, context, request):
    """LocalStack has no load balancers: the name in an ARN has the letters of the zones, `loadbalancer/net/a-c/0123`."""
    arns = request.get("NetworkLoadBalancerArns") or []
    if not arns:
        raise error("InvalidParameter", "At least one load balancer must be specified")
    balancers = []
    for arn in arns:
        letters = arn.split("/")[-2].split("-")
        subnets = [SimpleNamespace(availability_zone=context.region + letter) for letter in letters]
        balancers.append(SimpleNamespace(type="network", arn=arn, subnets=subnets))
    accepted = request.get("AcceptanceRequired", True)
    name = request.get("PrivateDnsName")
    made = VPCServiceConfiguration(balancers, context.region, accepted, name, [], backend(context))
    backend(context).configurations[made.id] = made
    shape = {
        "ServiceId": made.id,
        "ServiceName": made.service_name,
        "ServiceState": "Available",
        "ServiceType": [{"ServiceType": "Interface"}],
        "AvailabilityZones": made.availability_zones,
        "AcceptanceRequired": made.acceptance_required,
        "NetworkLoadBalancerArns": arns,
    }
    return {"ServiceConfiguration": shape}


def owned(context, request) -> list:
    """The endpoints of a request to a service's owner, which all are endpoints of the service."""
    service = backend(context).configurations.get(request["ServiceId"])
    if service is None:
        message = f"The VpcEndpointService Id '{request['ServiceId']}' does not exist"
        raise error("InvalidVpcEndpointServiceId.NotFound", message)
    endpoints = [backend(context).vpc_end_points.get(endpoint_id) for endpoint_id in request["VpcEndpointIds"]]
    if any(endpoint is None or endpoint.service_name != service.service_name for endpoint in endpoints):
        raise error("InvalidVpcEndpointId.NotFound", f"Not all of {request['VpcEndpointIds']} are of {service.id}")
    return endpoints


def accept_vpc_endpoint_connections(inner, context, request):
    for endpoint in owned(context, request):
        if endpoint.state in ("pendingAcceptance", "rejected"):
            come_up(context, endpoint)
    return {"Unsuccessful": []}


def reject_vpc_endpoint_connections(inner, context, request):
    for endpoint in owned(context, request):
        if endpoint.state in ("pendingAcceptance", "available"):
            endpoint.state = "rejected"
    return {"Unsuccessful": []}


def come_up(context, endpoint) -> None:
    endpoint.state = "pending"
    later(
        context,
        seconds(context.account_id, "endpoint_start"),
        lambda: setattr(endpoint, "state", "available") if endpoint.state == "pending" else None,
    )


def check_service(context, name: str, kind: str) -> dict:
    """The service is one that DescribeVpcEndpointServices lists, which refuses others itself, and has endpoints of the kind."""
    answer = call(context, {"ServiceNames": [name]}, "DescribeVpcEndpointServices")
    kinds = {one["ServiceType"] for detail in answer["ServiceDetails"] for one in detail["ServiceType"]}
    if kind not in kinds:
        raise error("InvalidParameter", f"The service {name} does not support VPC endpoints of type {kind}.")
    return answer["ServiceDetails"][0]


def check_zones(context, service: dict, subnets: list[str]) -> None:
    """A service has interfaces in its own zones alone."""
    for subnet_id in subnets:
        if backend(context).get_subnet(subnet_id).availability_zone not in service["AvailabilityZones"]:
            message = "does not support the availability zone of the subnet"
            name = service["ServiceName"]
            raise error("InvalidParameter", f"The VPC endpoint service {name} {message}: {subnet_id}")


def name_endpoint(context, endpoint) -> None:
    """What an endpoint of somebody's service is called: as a whole, and in each zone by the zone's name."""
    service = backend(context).configurations.get(endpoint.service_name.rpartition(".")[2])
    if service is None:
        return
    old = (endpoint.dns_entries or [{}])[0].get("hosted_zone_id") or random_resource_id(13).upper()
    whole = getattr(endpoint, "own_label", None) or f"{endpoint.id}-{random_resource_id(8)}"
    endpoint.own_label = whole
    zones = [backend(context).get_subnet(subnet_id).availability_zone for subnet_id in endpoint.subnet_ids or []]
    labels = [whole, *(f"{whole}-{zone}" for zone in sorted(zones))]
    domain = service.endpoint_dns_name
    endpoint.dns_entries = [{"dns_name": f"{label}.{domain}", "hosted_zone_id": old} for label in labels]


def entries(endpoint) -> list[dict]:
    return [{"DnsName": one["dns_name"], "HostedZoneId": one["hosted_zone_id"]} for one in endpoint.dns_entries]


def describe_vpc_endpoints(inner, context, request):
    """moto leaves out what an endpoint is called."""
    answer = inner(context, request)
    for shape in answer["VpcEndpoints"]:
        endpoint = backend(context).vpc_end_points.get(shape["VpcEndpointId"])
        if endpoint is not None and endpoint.dns_entries:
            shape["DnsEntries"] = entries(endpoint)
    return answer


def modify_vpc_endpoint(inner, context, request):
    endpoint = backend(context).vpc_end_points.get(request["VpcEndpointId"])
    if endpoint is not None and request.get("AddSubnetIds"):
        check_zones(context, check_service(context, endpoint.service_name, "Interface"), request["AddSubnetIds"])
    answer = inner(context, request)
    if endpoint is not None:
        name_endpoint(context, endpoint)
    return answer


def create_vpc_endpoint(inner, context, request):
    vpc = backend(context).get_vpc(request["VpcId"])
    kind = request.get("VpcEndpointType") or "Gateway"
    interface = kind == "Interface"
    service = check_service(context, request["ServiceName"], kind)
    others = [
        endpoint
        for endpoint in backend(context).vpc_end_points.values()
        if endpoint.vpc_id == vpc.id and endpoint.service_name == request.get("ServiceName")
    ]
    if interface:
        check_groups(context, request.get("SecurityGroupIds") or [], vpc.id)
        check_zones(context, service, request.get("SubnetIds") or [])
        private = request.get("PrivateDnsEnabled", True)
        if private and service["ServiceId"] in backend(context).configurations and not service.get("PrivateDnsName"):
            message = "Private DNS can't be enabled because the service"
            raise error("InvalidParameter", f"{message} {request['ServiceName']} does not provide a private DNS name.")
        if private and not (is_on(vpc.enable_dns_support) and is_on(vpc.enable_dns_hostnames)):
            message = (
                "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true"
            )
            raise error("InvalidParameter", f"{message} for {vpc.id}")
        if private and any(is_on(endpoint.private_dns_enabled) for endpoint in others):
            message = "private-dns-enabled cannot be set because there is already a conflicting DNS domain"
            raise error("InvalidParameter", f"{message} for {request['ServiceName']} in the VPC {vpc.id}")
    taken = {table for endpoint in others for table in endpoint.route_table_ids or []}
    for table in request.get("RouteTableIds") or []:
        if table in taken:
            message = f"route table {table} already has a route with destination-prefix-list-id"
            raise error("RouteAlreadyExists", message)
    answer = inner(context, request)
    endpoint = backend(context).vpc_end_points[answer["VpcEndpoint"]["VpcEndpointId"]]
    if interface:
        give_interfaces(context, endpoint)
        name_endpoint(context, endpoint)
        if service.get("AcceptanceRequired"):
            endpoint.state = "pendingAcceptance"
        else:
            come_up(context, endpoint)
        answer["VpcEndpoint"].update(State=endpoint.state, DnsEntries=entries(endpoint))
    return answer


def is_on(value) -> bool:
    """moto keeps some switches as text."""
    return str(value).lower() == "true"


def give_interfaces(context, endpoint) -> None:
    """Puts the endpoint's interfaces into its subnets and groups, which moto leaves out."""
    groups = [backend(context).get_security_group_from_id(g) for g in endpoint.security_group_ids]
    for interface_id in endpoint.network_interface_ids:
        eni = backend(context).get_network_interface(interface_id)
        set_address(eni, free_address(context, eni.subnet))
        eni._group_set = groups or eni._group_set
        eni.requester_managed, eni.status = True, "in-use"
        eni.description = f"VPC Endpoint Interface {endpoint.id}"


def delete_vpc_endpoints(inner, context, request):
    endpoints, failed = backend(context).vpc_end_points, []
    for endpoint_id in request["VpcEndpointIds"]:
        endpoint = endpoints.get(endpoint_id)
        if endpoint is None:
            wrong = {
                "Code": "InvalidVpcEndpoint.NotFound",
                "Message": f"The Vpc Endpoint Id '{endpoint_id}' does not exist",
            }
            failed.append({"ResourceId": endpoint_id, "Error": wrong})
        elif endpoint.state != "deleting":
            endpoint.state = "deleting"
            later(
                context,
                seconds(context.account_id, "endpoint_stop"),
                lambda e=endpoint: finish_endpoint(context, e),
            )
    return {"Unsuccessful": failed}


def finish_endpoint(context, endpoint) -> None:
    """moto gives no route to a table that an endpoint gets later, and fails where it is to take that away."""
    for table in endpoint.route_table_ids or []:
        with suppress(InvalidRouteError, InvalidRouteTableIdError):
            backend(context).delete_route(table, endpoint.destination_prefix_list_id)
    endpoint.route_table_ids = []
    backend(context).delete_vpc_endpoints([endpoint.id])
    backend(context).vpc_end_points.pop(endpoint.id, None)


RULES = {
    "CreateNatGateway": create_nat_gateway,
    "DescribeNatGateways": describe_nat_gateways,
    "DeleteNatGateway": delete_nat_gateway,
    "CreateVpcEndpoint": create_vpc_endpoint,
    "DescribeVpcEndpointServices": describe_vpc_endpoint_services,
    "DeleteVpcEndpoints": delete_vpc_endpoints,
    "DescribeVpcEndpoints": describe_vpc_endpoints,
    "ModifyVpcEndpoint": modify_vpc_endpoint,
    "CreateVpcEndpointServiceConfiguration": create_vpc_endpoint_service_configuration,
    "AcceptVpcEndpointConnections": accept_vpc_endpoint_connections,
    "RejectVpcEndpointConnections": reject_vpc_endpoint_connections,
}
