"""Clusters: created, described, listed and deleted, in both versions of the API."""

import copy

from localstack_aws_rules.ec2 import common as ec2
from localstack_aws_rules.ec2.interfaces import make_for_service
from localstack_aws_rules.kafka import checks
from localstack_aws_rules.kafka.store import (
    Cluster,
    arn,
    bad_request,
    error,
    find_cluster,
    later,
    new_id,
    new_version,
    page,
    store,
)
from localstack_aws_rules.kafka.versions import is_kraft
from localstack_aws_rules.settings import take_fault

DEFAULT_VOLUME = 100
DELETABLE = ("ACTIVE", "FAILED", "HEALING", "MAINTENANCE")


def create(context, request):
    cluster = create_provisioned(context, request["ClusterName"], request.get("Tags"), request)
    return {"ClusterArn": cluster.arn, "ClusterName": cluster.name, "State": cluster.state}


def create_v2(context, request):
    provisioned, serverless = request.get("Provisioned"), request.get("Serverless")
    if bool(provisioned) == bool(serverless):
        raise bad_request("Specify either Provisioned or Serverless.")
    name, tags = request["ClusterName"], request.get("Tags")
    if provisioned:
        cluster = create_provisioned(context, name, tags, provisioned)
    else:
        cluster = create_serverless(context, name, tags, serverless)
    answer = {"ClusterArn": cluster.arn, "ClusterName": cluster.name, "State": cluster.state}
    return {**answer, "ClusterType": cluster.kind}


def create_provisioned(context, name: str, tags: dict | None, wanted: dict) -> Cluster:
    check_new(context, name, tags)
    checks.check_provisioned(context, wanted)
    settings = provisioned_settings(context, wanted)
    checks.check_security(settings["ClientAuthentication"], settings["EncryptionInfo"])
    return start(context, name, tags, "PROVISIONED", settings)


def create_serverless(context, name: str, tags: dict | None, wanted: dict) -> Cluster:
    check_new(context, name, tags)
    for config in wanted["VpcConfigs"]:
        checks.check_network(context, config["SubnetIds"], config.get("SecurityGroupIds") or [], (2, 3, 4, 5))
    if not checks.is_enabled(wanted.get("ClientAuthentication"), "Sasl", "Iam"):
        raise bad_request("Serverless clusters need IAM access control.")
    settings = {k: copy.deepcopy(wanted[k]) for k in ("VpcConfigs", "ClientAuthentication")}
    settings["ConnectivityInfo"] = {"NetworkType": "IPV4"}
    return start(context, name, tags, "SERVERLESS", settings)


def check_new(context, name: str, tags: dict | None) -> None:
    """MSK has no client token: the name is what keeps a repeated call from making two."""
    checks.check_name(name)
    if any(cluster.name == name for cluster in store(context).clusters.values()):
        raise error("ConflictException", f"A resource with this name already exists: {name}")
    if len(tags or {}) > 50:
        raise bad_request("A cluster can have up to 50 tags.")


def provisioned_settings(context, wanted: dict) -> dict:
    """The Provisioned structure of a new cluster: what was asked for, with MSK's defaults."""
    wanted = copy.deepcopy(wanted)
    nodes = wanted["BrokerNodeGroupInfo"]
    nodes.setdefault("BrokerAZDistribution", "DEFAULT")
    subnets = [ec2.backend(context).get_subnet(subnet) for subnet in nodes["ClientSubnets"]]
    if not nodes.get("SecurityGroups"):
        group = ec2.backend(context).get_default_security_group(subnets[0].vpc_id)
        nodes["SecurityGroups"] = [group.id] if group else []
    nodes["ZoneIds"] = [subnet._availability_zone.zone_id for subnet in subnets]
    nodes.setdefault("ConnectivityInfo", {}).setdefault("PublicAccess", {"Type": "DISABLED"})
    nodes["ConnectivityInfo"].setdefault("NetworkType", "IPV4")
    if not nodes["InstanceType"].startswith("express."):
        volume = nodes.setdefault("StorageInfo", {}).setdefault("EbsStorageInfo", {})
        volume.setdefault("VolumeSize", DEFAULT_VOLUME)
    encryption = wanted.get("EncryptionInfo") or {}
    key = f"arn:{context.partition}:kms:{context.region}:{context.account_id}:alias/aws/kafka"
    encryption.setdefault("EncryptionAtRest", {"DataVolumeKMSKeyId": key})
    transit = encryption.setdefault("EncryptionInTransit", {})
    transit.setdefault("ClientBroker", "TLS")
    transit.setdefault("InCluster", True)
    software = {"KafkaVersion": wanted["KafkaVersion"]}
    if wanted.get("ConfigurationInfo"):
        software["ConfigurationArn"] = wanted["ConfigurationInfo"]["Arn"]
        software["ConfigurationRevision"] = wanted["ConfigurationInfo"]["Revision"]
    settings = {
        "BrokerNodeGroupInfo": nodes,
        "CurrentBrokerSoftwareInfo": software,
        "ClientAuthentication": full_authentication(wanted.get("ClientAuthentication")),
        "EncryptionInfo": encryption,
        "EnhancedMonitoring": wanted.get("EnhancedMonitoring") or "DEFAULT",
        "OpenMonitoring": wanted.get("OpenMonitoring") or open_monitoring(False, False),
        "NumberOfBrokerNodes": wanted["NumberOfBrokerNodes"],
        "StorageMode": wanted.get("StorageMode") or "LOCAL",
        "CustomerActionStatus": "NONE",
    }
    if wanted.get("LoggingInfo"):
        settings["LoggingInfo"] = wanted["LoggingInfo"]
    if nodes["InstanceType"].startswith("express."):
        settings["Rebalancing"] = wanted.get("Rebalancing") or {"Status": "ACTIVE"}
    return settings


def full_authentication(wanted: dict | None) -> dict:
    """Every switch said outright; without any, access is unauthenticated."""
    tls = (wanted or {}).get("Tls") or {}
    unauthenticated = checks.is_enabled(wanted, "Unauthenticated")
    if not checks.has_authentication(wanted) and "Unauthenticated" not in (wanted or {}):
        unauthenticated = True
    return {
        "Sasl": {
            "Scram": {"Enabled": checks.is_enabled(wanted, "Sasl", "Scram")},
            "Iam": {"Enabled": checks.is_enabled(wanted, "Sasl", "Iam")},
        },
        "Tls": {
            "CertificateAuthorityArnList": tls.get("CertificateAuthorityArnList") or [],
            "Enabled": checks.is_enabled(wanted, "Tls"),
        },
        "Unauthenticated": {"Enabled": unauthenticated},
    }


def open_monitoring(jmx: bool, node: bool) -> dict:
    return {"Prometheus": {"JmxExporter": {"EnabledInBroker": jmx}, "NodeExporter": {"EnabledInBroker": node}}}


def start(context, name: str, tags: dict | None, kind: str, settings: dict) -> Cluster:
    fault = take_fault(context.account_id, "kafka", context.operation.name, outcome=True)
    cluster_arn = arn(context, f"cluster/{name}/{new_id()}")
    cluster = Cluster(cluster_arn, name, kind, dict(tags or {}), settings, version=new_version())
    store(context).clusters[cluster.arn] = cluster
    add_brokers(context, cluster, settings["NumberOfBrokerNodes"] if cluster.provisioned else len(cluster.subnets))

    def ready() -> None:
        if cluster.state != "CREATING":
            return
        cluster.state = "ACTIVE"
        if fault:
            cluster.state = fault["outcome"]
            message = fault.get("message", "The cluster failed, as a test has chosen.")
            cluster.state_info = {"Code": fault.get("error", "ServiceException"), "Message": message}

    later(context, "cluster_create", ready)
    return cluster


def add_brokers(context, cluster: Cluster, count: int) -> list[int]:
    """Gives the cluster brokers, spread over its subnets, each with an interface that holds the subnet."""
    nodes = cluster.settings["BrokerNodeGroupInfo"] if cluster.provisioned else cluster.settings["VpcConfigs"][0]
    groups = nodes.get("SecurityGroups") or nodes.get("SecurityGroupIds") or []
    added = []
    for _ in range(count):
        number = max(cluster.brokers, default=0) + 1
        subnet = cluster.subnets[len(cluster.brokers) % len(cluster.subnets)]
        text = f"DO NOT DELETE - Amazon MSK network interface for cluster {cluster.arn}"
        cluster.brokers[number] = make_for_service(context, subnet, groups, text).id
        added.append(number)
    return added


def remove_brokers(context, cluster: Cluster, numbers: list[int]) -> None:
    for number in numbers:
        ec2.backend(context).enis.pop(cluster.brokers.pop(number), None)


def delete(context, request):
    cluster = find_cluster(context, request["ClusterArn"])
    wanted = request.get("CurrentVersion")
    if wanted and wanted != cluster.version:
        raise bad_request(f"The cluster version {wanted} is not the current version.")
    if cluster.state not in DELETABLE:
        raise bad_request(f"The cluster cannot be deleted in the state {cluster.state}.")
    cluster.state = "DELETING"

    def gone() -> None:
        remove_brokers(context, cluster, list(cluster.brokers))
        store(context).clusters.pop(cluster.arn, None)

    later(context, "cluster_delete", gone)
    return {"ClusterArn": cluster.arn, "State": cluster.state}


def head(cluster: Cluster) -> dict:
    """What both versions of the API say of any cluster."""
    shape = {
        "ActiveOperationArn": cluster.active_operation,
        "ClusterArn": cluster.arn,
        "ClusterName": cluster.name,
        "CreationTime": cluster.created,
        "CurrentVersion": cluster.version,
        "State": cluster.state,
        "StateInfo": cluster.state_info,
        "Tags": dict(cluster.tags),
    }
    return {k: v for k, v in shape.items() if v is not None}


def provisioned_shape(cluster: Cluster) -> dict:
    shape = copy.deepcopy(cluster.settings)
    if not is_kraft(cluster.kafka_version) and not cluster.express and cluster.state != "CREATING":
        hosts = [f"z-{number}.{dns_suffix(cluster)}" for number in (1, 2, 3)]
        shape["ZookeeperConnectString"] = ",".join(f"{host}:2181" for host in hosts)
        shape["ZookeeperConnectStringTls"] = ",".join(f"{host}:2182" for host in hosts)
    return shape


def dns_suffix(cluster: Cluster) -> str:
    region, identity = cluster.arn.split(":")[3], cluster.arn.rpartition("/")[2]
    return f"{cluster.name}.{identity[:6]}.c{identity.rpartition('-')[2]}.kafka.{region}.amazonaws.com"


def first_version(cluster: Cluster) -> dict:
    return {**head(cluster), **provisioned_shape(cluster)}


def second_version(cluster: Cluster) -> dict:
    shape = {**head(cluster), "ClusterType": cluster.kind}
    if cluster.provisioned:
        return {**shape, "Provisioned": provisioned_shape(cluster)}
    return {**shape, "Serverless": copy.deepcopy(cluster.settings)}


def describe(context, request):
    cluster = find_cluster(context, request["ClusterArn"])
    if not cluster.provisioned:
        raise bad_request("This operation is for provisioned clusters only; use DescribeClusterV2.")
    return {"ClusterInfo": first_version(cluster)}


def describe_v2(context, request):
    return {"ClusterInfo": second_version(find_cluster(context, request["ClusterArn"]))}


def chosen(context, request: dict) -> list[Cluster]:
    """The clusters whose name begins as asked, of the type asked for."""
    prefix, kind = request.get("ClusterNameFilter") or "", request.get("ClusterTypeFilter")
    return [
        cluster
        for cluster in store(context).clusters.values()
        if cluster.name.startswith(prefix) and kind in (None, cluster.kind)
    ]


def list_all(context, request):
    items = [first_version(cluster) for cluster in chosen(context, request) if cluster.provisioned]
    return page(request, items, "ClusterInfoList")


def list_v2(context, request):
    return page(request, [second_version(cluster) for cluster in chosen(context, request)], "ClusterInfoList")


OPERATIONS = {
    "CreateCluster": create,
    "CreateClusterV2": create_v2,
    "DeleteCluster": delete,
    "DescribeCluster": describe,
    "DescribeClusterV2": describe_v2,
    "ListClusters": list_all,
    "ListClustersV2": list_v2,
}
