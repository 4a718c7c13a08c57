"""Brokers: listed, reached by the listeners that are on, and restarted."""

from localstack_aws_rules.ec2 import common as ec2
from localstack_aws_rules.kafka import checks, operations
from localstack_aws_rules.kafka.clusters import dns_suffix
from localstack_aws_rules.kafka.store import Cluster, bad_request, error, find_cluster, page
from localstack_aws_rules.kafka.versions import is_kraft

# listener to its port, the one for public access, and the first one for VPC connectivity
PORTS = {"Tls": (9094, 9194, 14001), "SaslScram": (9096, 9196, 14101), "SaslIam": (9098, 9198, 14201)}
PLAINTEXT_PORT = 9092
# listener to its switch in ClientAuthentication
SWITCHES = {"Tls": ("Tls",), "SaslScram": ("Sasl", "Scram"), "SaslIam": ("Sasl", "Iam")}
SHOWN = 3
KRAFT_CONTROLLERS = 3


def list_nodes(context, request):
    cluster = find_cluster(context, request["ClusterArn"])
    if not cluster.provisioned:
        raise bad_request("This operation is for provisioned clusters only.")
    brokers = [broker_node(context, cluster, number) for number in sorted(cluster.brokers)]
    others = [] if cluster.express else controller_nodes(cluster)
    return page(request, brokers + others, "NodeInfoList")


def broker_node(context, cluster: Cluster, number: int) -> dict:
    eni = ec2.backend(context).enis.get(cluster.brokers[number])
    return {
        "AddedToClusterTime": cluster.created.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "BrokerNodeInfo": {
            "AttachedENIId": cluster.brokers[number],
            "BrokerId": float(number),
            "ClientSubnet": eni.subnet.id if eni else "",
            "ClientVpcIpAddress": eni.private_ip_address if eni else "",
            "CurrentBrokerSoftwareInfo": dict(cluster.settings["CurrentBrokerSoftwareInfo"]),
            "Endpoints": [host(cluster, number)],
        },
        "InstanceType": cluster.instance_type.partition(".")[2],
        "NodeARN": f"{cluster.arn.replace(':cluster/', ':broker/')}/{number}",
        "NodeType": "BROKER",
    }


def controller_nodes(cluster: Cluster) -> list[dict]:
    """The controllers of a KRaft cluster, the ZooKeeper nodes of another."""
    if is_kraft(cluster.kafka_version):
        hosts = [f"c-{10000 + n}.{dns_suffix(cluster)}" for n in range(KRAFT_CONTROLLERS)]
        return [{"ControllerNodeInfo": {"Endpoints": [name]}} for name in hosts]
    return [
        {"ZookeeperNodeInfo": {"ZookeeperId": float(n), "Endpoints": [f"z-{n}.{dns_suffix(cluster)}"]}}
        for n in range(1, KRAFT_CONTROLLERS + 1)
    ]


def host(cluster: Cluster, number: int, kind: str = "") -> str:
    return f"b-{number}{kind}.{dns_suffix(cluster)}"


def bootstrap_brokers(context, request):
    cluster = find_cluster(context, request["ClusterArn"])
    if cluster.state in ("CREATING", "FAILED"):
        raise error("ConflictException", f"The cluster is in the state {cluster.state}.")
    if not cluster.provisioned:
        answer = {
            "BootstrapBrokerStringSaslIam": f"boot-{dns_suffix(cluster).replace('.kafka.', '.kafka-serverless.')}:9098"
        }
        return with_ipv6(cluster.settings["ConnectivityInfo"], answer)
    answer = {}
    numbers = sorted(cluster.brokers)[:SHOWN]
    authentication = cluster.settings["ClientAuthentication"]
    client_broker = cluster.settings["EncryptionInfo"]["EncryptionInTransit"]["ClientBroker"]
    connectivity = cluster.settings["BrokerNodeGroupInfo"]["ConnectivityInfo"]
    public = connectivity["PublicAccess"]["Type"] != "DISABLED"
    from_vpcs = (connectivity.get("VpcConnectivity") or {}).get("ClientAuthentication")
    if client_broker != "TLS" and checks.is_enabled(authentication, "Unauthenticated"):
        answer["BootstrapBrokerString"] = addresses(cluster, numbers, PLAINTEXT_PORT)
    for listener in listeners(authentication, client_broker):
        port, public_port, vpc_port = PORTS[listener]
        answer[f"BootstrapBrokerString{listener}"] = addresses(cluster, numbers, port)
        if public:
            answer[f"BootstrapBrokerStringPublic{listener}"] = addresses(cluster, numbers, public_port, "-public")
        if from_vpcs and checks.is_enabled(from_vpcs, *SWITCHES[listener]):
            hosts = [f"{host(cluster, n)}:{vpc_port + i}" for i, n in enumerate(numbers)]
            answer[f"BootstrapBrokerStringVpcConnectivity{listener}"] = ",".join(hosts)
    return with_ipv6(connectivity, answer)


def with_ipv6(connectivity: dict, answer: dict) -> dict:
    """Of a cluster with dual stack, the same for IPv6. How AWS names those hosts its guide does not say."""
    if connectivity["NetworkType"] != "DUAL":
        return answer
    own = {name: text for name, text in answer.items() if "Public" not in name and "VpcConnectivity" not in name}
    return answer | {f"{name}Ipv6": text.replace(".kafka", ".ipv6.kafka") for name, text in own.items()}


def listeners(authentication: dict, client_broker: str) -> list[str]:
    """The encrypted listeners that are on."""
    if client_broker == "PLAINTEXT":
        return []
    found = [name for name, path in SWITCHES.items() if checks.is_enabled(authentication, *path)]
    if "Tls" not in found and checks.is_enabled(authentication, "Unauthenticated"):
        found.insert(0, "Tls")
    return found


def addresses(cluster: Cluster, numbers: list[int], port: int, kind: str = "") -> str:
    return ",".join(f"{host(cluster, number, kind)}:{port}" for number in numbers)


def reboot(context, request):
    cluster = operations.check_updatable(context, request)
    ids = request["BrokerIds"]
    if len(ids) != 1:
        raise bad_request("Exactly one broker can be rebooted at a time.")
    if ids[0] not in [str(number) for number in cluster.brokers]:
        raise bad_request(f"The broker {ids[0]} does not exist in this cluster.")
    same = {"NumberOfBrokerNodes": cluster.settings["NumberOfBrokerNodes"]}
    return operations.start(context, cluster, "REBOOT_NODE", same, same, None, "REBOOTING_BROKER", "broker_reboot")


OPERATIONS = {
    "ListNodes": list_nodes,
    "GetBootstrapBrokers": bootstrap_brokers,
    "RebootBroker": reboot,
}
