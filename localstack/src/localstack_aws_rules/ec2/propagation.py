"""Routes that a virtual private gateway propagates into route tables: AWS makes them by itself.

moto keeps none of it. A propagated route is no entry of the table: no call deletes or replaces it, and a static
route to the same destination stands beside it. So it is only shown, and the calls go on to meet what moto keeps.
"""

from localstack_aws_rules.ec2.common import backend, error, store


def known_connection(context, request):
    connection_id = request["VpnConnectionId"]
    connection = backend(context).vpn_connections.get(connection_id)
    if connection is None or connection.state == "deleted":
        message = f"The vpnConnection ID '{connection_id}' does not exist"
        raise error("InvalidVpnConnectionID.NotFound", message)
    return connection


def create_vpn_connection_route(inner, context, request):
    routes = store(context).vpn_routes.setdefault(known_connection(context, request).id, [])
    if request["DestinationCidrBlock"] not in routes:
        routes.append(request["DestinationCidrBlock"])
    return {}


def delete_vpn_connection_route(inner, context, request):
    connection, block = known_connection(context, request), request["DestinationCidrBlock"]
    routes = store(context).vpn_routes.get(connection.id, [])
    if block not in routes:
        message = f"The specified route {block} does not exist in {connection.id}"
        raise error("InvalidRoute.NotFound", message)
    routes.remove(block)
    return {}


def is_attached(context, gateway_id: str, vpc_id: str) -> bool:
    gateway = backend(context).vpn_gateways.get(gateway_id)
    attachment = gateway.attachments.get(vpc_id) if gateway else None
    return attachment is not None and attachment.state == "attached"


def enable_propagation(inner, context, request):
    table = backend(context).get_route_table(request["RouteTableId"])
    gateway_id = request["GatewayId"]
    if gateway_id not in backend(context).vpn_gateways:
        message = f"The vpnGateway ID '{gateway_id}' does not exist"
        raise error("InvalidVpnGatewayID.NotFound", message)
    if not is_attached(context, gateway_id, table.vpc_id):
        message = f"resource {gateway_id} is not attached to network {table.vpc_id}"
        raise error("Gateway.NotAttached", message)
    gateways = store(context).propagating.setdefault(table.id, [])
    if gateway_id not in gateways:
        gateways.append(gateway_id)
    return {}


def disable_propagation(inner, context, request):
    table = backend(context).get_route_table(request["RouteTableId"])
    gateways = store(context).propagating.get(table.id, [])
    if request["GatewayId"] in gateways:
        gateways.remove(request["GatewayId"])
    return {}


def announced(context, gateway_id: str) -> list[str]:
    """What the networks behind a gateway's connections announce."""
    return [
        block
        for connection in backend(context).vpn_connections.values()
        if connection.vpn_gateway_id == gateway_id and connection.state == "available"
        for block in store(context).vpn_routes.get(connection.id, [])
    ]


def describe_route_tables(inner, context, request):
    answer = inner(context, request)
    for table in answer.get("RouteTables") or []:
        gateways = [
            gateway
            for gateway in store(context).propagating.get(table["RouteTableId"], [])
            if is_attached(context, gateway, table["VpcId"])
        ]
        table["PropagatingVgws"] = [{"GatewayId": gateway} for gateway in gateways]
        table["Routes"] = [
            *(table.get("Routes") or []),
            *(
                {
                    "DestinationCidrBlock": block,
                    "GatewayId": gateway,
                    "Origin": "EnableVgwRoutePropagation",
                    "State": "active",
                }
                for gateway in gateways
                for block in announced(context, gateway)
            ),
        ]
    return answer


RULES = {
    "CreateVpnConnectionRoute": create_vpn_connection_route,
    "DeleteVpnConnectionRoute": delete_vpn_connection_route,
    "EnableVgwRoutePropagation": enable_propagation,
    "DisableVgwRoutePropagation": disable_propagation,
    "DescribeRouteTables": describe_route_tables,
}
