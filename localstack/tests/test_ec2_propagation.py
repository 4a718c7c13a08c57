"""Routes with the origin EnableVgwRoutePropagation: AWS makes them, and no call deletes or replaces them."""

import pytest
from conftest import refused

BLOCK = "192.168.0.0/16"


@pytest.fixture
def vpn(aws):
    """A route table, a gateway on its VPC, and a connection of the gateway that announces a block."""
    ec2 = aws.ec2
    table = ec2.create_route_table(VpcId=aws.vpc)["RouteTable"]["RouteTableId"]
    gateway = ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
    ec2.attach_vpn_gateway(VpcId=aws.vpc, VpnGatewayId=gateway)
    customer = ec2.create_customer_gateway(BgpAsn=65000, PublicIp="203.0.113.9", Type="ipsec.1")
    connection = ec2.create_vpn_connection(
        CustomerGatewayId=customer["CustomerGateway"]["CustomerGatewayId"],
        Type="ipsec.1",
        VpnGatewayId=gateway,
    )["VpnConnection"]["VpnConnectionId"]
    ec2.create_vpn_connection_route(VpnConnectionId=connection, DestinationCidrBlock=BLOCK)
    return table, gateway, connection


def routes(aws, table: str) -> list[tuple[str, str | None]]:
    """Where the table's routes to the block lead, and who made them."""
    found = aws.ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
    to_block = [route for route in found if route.get("DestinationCidrBlock") == BLOCK]
    return [(route["GatewayId"], route.get("Origin")) for route in to_block]


def test_a_table_shows_what_a_gateway_propagates_for_as_long_as_it_does(aws, vpn):
    table, gateway, connection = vpn
    assert routes(aws, table) == []
    aws.ec2.enable_vgw_route_propagation(GatewayId=gateway, RouteTableId=table)
    aws.ec2.enable_vgw_route_propagation(GatewayId=gateway, RouteTableId=table)
    assert routes(aws, table) == [(gateway, "EnableVgwRoutePropagation")]
    shown = aws.ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]
    assert shown["PropagatingVgws"] == [{"GatewayId": gateway}]
    route = {"VpnConnectionId": connection, "DestinationCidrBlock": BLOCK}
    aws.ec2.delete_vpn_connection_route(**route)
    assert routes(aws, table) == []
    refused("InvalidRoute.NotFound", aws.ec2.delete_vpn_connection_route, **route)
    aws.ec2.create_vpn_connection_route(**route)
    aws.ec2.disable_vgw_route_propagation(GatewayId=gateway, RouteTableId=table)
    assert routes(aws, table) == []


def test_a_propagated_route_is_neither_deleted_nor_replaced(aws, vpn):
    table, gateway, _ = vpn
    aws.ec2.enable_vgw_route_propagation(GatewayId=gateway, RouteTableId=table)
    here = {"RouteTableId": table, "DestinationCidrBlock": BLOCK}
    refused("InvalidRoute.NotFound", aws.ec2.delete_route, **here)
    internet = aws.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    aws.ec2.attach_internet_gateway(InternetGatewayId=internet, VpcId=aws.vpc)
    refused("InvalidParameterValue", aws.ec2.replace_route, **here, GatewayId=internet)
    # A static route stands beside it, and can go again.
    aws.ec2.create_route(**here, GatewayId=internet)
    assert sorted(routes(aws, table)) == sorted(
        [(gateway, "EnableVgwRoutePropagation"), (internet, "CreateRoute")]
    )
    aws.ec2.delete_route(**here)
    assert routes(aws, table) == [(gateway, "EnableVgwRoutePropagation")]


def test_a_gateway_propagates_into_tables_of_its_own_vpc(aws, vpn):
    table, gateway, _ = vpn
    enable = aws.ec2.enable_vgw_route_propagation
    refused("InvalidVpnGatewayID.NotFound", enable, GatewayId="vgw-00000000", RouteTableId=table)
    other = aws.ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
    refused("Gateway.NotAttached", enable, GatewayId=other, RouteTableId=table)
    missing = "InvalidRouteTableID.NotFound"
    refused(missing, enable, GatewayId=gateway, RouteTableId="rtb-00000000")
    enable(GatewayId=gateway, RouteTableId=table)
    aws.ec2.detach_vpn_gateway(VpcId=aws.vpc, VpnGatewayId=gateway)
    assert routes(aws, table) == []
