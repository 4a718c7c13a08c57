"""Managed VPC connections: from a VPC of a client to a cluster that allows it."""

import uuid

from localstack_aws_rules.kafka import checks
from localstack_aws_rules.kafka.store import arn, bad_request, error, find_cluster, later, now, page, store

# the authentication of a connection to its switch in VpcConnectivity
SWITCHES = {"SASL_IAM": ("Sasl", "Iam"), "SASL_SCRAM": ("Sasl", "Scram"), "TLS": ("Tls",)}


def create(context, request):
    cluster = find_cluster(context, request["TargetClusterArn"])
    authentication = request["Authentication"]
    if authentication not in SWITCHES:
        raise bad_request(f"Authentication must be one of {', '.join(SWITCHES)}.")
    if not cluster.provisioned or cluster.state != "ACTIVE":
        raise bad_request("The target must be a provisioned cluster in the ACTIVE state.")
    allowed = cluster.settings["BrokerNodeGroupInfo"]["ConnectivityInfo"].get("VpcConnectivity") or {}
    if not checks.is_enabled(allowed.get("ClientAuthentication"), *SWITCHES[authentication]):
        raise bad_request(f"The target cluster does not have VPC connectivity for {authentication}.")
    checks.check_network(context, request["ClientSubnets"], request["SecurityGroups"], (1, 2, 3))
    connection = {
        "VpcConnectionArn": arn(context, f"vpc-connection/{context.account_id}/{cluster.name}/{uuid.uuid4()}"),
        "TargetClusterArn": cluster.arn,
        "State": "CREATING",
        "Authentication": authentication,
        "VpcId": request["VpcId"],
        "Subnets": list(request["ClientSubnets"]),
        "SecurityGroups": list(request["SecurityGroups"]),
        "CreationTime": now(),
        "Tags": dict(request.get("Tags") or {}),
    }
    store(context).connections[connection["VpcConnectionArn"]] = connection
    later(context, "cluster_create", lambda: move(connection, "CREATING", "AVAILABLE"))
    members = ("VpcConnectionArn", "State", "Authentication", "VpcId", "SecurityGroups", "CreationTime", "Tags")
    return {**{k: connection[k] for k in members}, "ClientSubnets": connection["Subnets"]}


def move(connection: dict, before: str, after: str) -> None:
    if connection["State"] == before:
        connection["State"] = after


def find(context, connection_arn: str) -> dict:
    connection = store(context).connections.get(connection_arn)
    if connection is None:
        code = "NotFoundException" if context.operation.name != "RejectClientVpcConnection" else "BadRequestException"
        raise error(code, f"The VPC connection {connection_arn} does not exist.")
    return connection


def describe(context, request):
    return dict(find(context, request["Arn"]))


def delete(context, request):
    connection = find(context, request["Arn"])
    connection["State"] = "DELETING"
    connections = store(context).connections
    later(context, "cluster_delete", lambda: connections.pop(connection["VpcConnectionArn"], None))
    return {k: connection[k] for k in ("VpcConnectionArn", "State")}


def list_all(context, request):
    members = ("VpcConnectionArn", "TargetClusterArn", "CreationTime", "Authentication", "VpcId", "State")
    items = [{k: c[k] for k in members} for c in store(context).connections.values()]
    return page(request, items, "VpcConnections")


def list_of_cluster(context, request):
    cluster = find_cluster(context, request["ClusterArn"])
    members = ("VpcConnectionArn", "Authentication", "CreationTime", "State")
    items = [
        {**{k: c[k] for k in members}, "Owner": context.account_id}
        for c in store(context).connections.values()
        if c["TargetClusterArn"] == cluster.arn
    ]
    return page(request, items, "ClientVpcConnections")


def close(context, cluster, left: dict) -> None:
    """Connections whose authentication is none of what is `left` can only be deleted."""
    for connection in store(context).connections.values():
        of_cluster = connection["TargetClusterArn"] == cluster.arn
        if of_cluster and not checks.is_enabled(left, *SWITCHES[connection["Authentication"]]):
            move(connection, "AVAILABLE", "INACTIVE")


def reject(context, request):
    cluster, connection = find_cluster(context, request["ClusterArn"]), find(context, request["VpcConnectionArn"])
    if connection["TargetClusterArn"] != cluster.arn or connection["State"] != "AVAILABLE":
        raise bad_request("The VPC connection is not an available one of this cluster.")
    connection["State"] = "REJECTING"
    later(context, "cluster_update", lambda: move(connection, "REJECTING", "REJECTED"))
    return {}


OPERATIONS = {
    "CreateVpcConnection": create,
    "DescribeVpcConnection": describe,
    "DeleteVpcConnection": delete,
    "ListVpcConnections": list_all,
    "ListClientVpcConnections": list_of_cluster,
    "RejectClientVpcConnection": reject,
}
