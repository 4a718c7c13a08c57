"""Updates of a cluster: what may change, from what to what, and what each operation shows."""

import copy
import time

from localstack_aws_rules.ec2 import common as ec2
from localstack_aws_rules.ec2 import ipv6
from localstack_aws_rules.kafka import checks, clusters, configurations, connections, partitions, versions
from localstack_aws_rules.kafka.operations import check_updatable, start
from localstack_aws_rules.kafka.store import Cluster, bad_request, find_cluster
from localstack_aws_rules.settings import seconds

LEAST_GROWTH = 10
DUAL_FROM = (3, 6)
REMOVAL_FROM = (2, 8, 1)
REMOVAL_FAMILIES = ("kafka.m5.", "kafka.m7g.", "express.m7g.")


def update_broker_count(context, request):
    cluster = check_updatable(context, request)
    now, target = cluster.settings["NumberOfBrokerNodes"], request["TargetNumberOfBrokerNodes"]
    zones = len(cluster.subnets)
    if target == now:
        raise bad_request(f"The cluster already has {now} broker nodes.")
    checks.check_broker_count(target, zones, cluster.kafka_version)
    if target > now:
        numbers = range(max(cluster.brokers) + 1, max(cluster.brokers) + 1 + target - now)
        changes, kind = {"CreatedBrokerIds": [float(n) for n in numbers]}, "INCREASE_BROKER_COUNT"
    else:
        check_removal(cluster, now - target, zones)
        numbers = removed(context, cluster, (now - target) // zones)
        changes, kind = {"DeletedBrokerIds": [float(n) for n in numbers]}, "DECREASE_BROKER_COUNT"

    def apply() -> None:
        if target > now:
            clusters.add_brokers(context, cluster, target - now)
        else:
            clusters.remove_brokers(context, cluster, list(numbers))
        cluster.settings["NumberOfBrokerNodes"] = target

    goal = {"NumberOfBrokerNodes": target, "BrokerCountUpdateInfo": changes}
    return start(context, cluster, kind, {"NumberOfBrokerNodes": now}, goal, apply)


def check_removal(cluster: Cluster, removed: int, zones: int) -> None:
    if not cluster.instance_type.startswith(REMOVAL_FAMILIES):
        raise bad_request(f"Brokers of the type {cluster.instance_type} cannot be removed.")
    release = versions.number(cluster.kafka_version)
    if release < REMOVAL_FROM[: len(release)]:
        raise bad_request(f"Brokers cannot be removed in KafkaVersion [{cluster.kafka_version}].")
    if removed > zones:
        raise bad_request("At most one broker of each Availability Zone can be removed at a time.")


def removed(context, cluster: Cluster, each: int) -> list[int]:
    """Of each zone so many brokers that have no partitions: the highest numbers among those. The last ones of a zone stay."""
    by_subnet: dict[str, list[int]] = {}
    for number in sorted(cluster.brokers, reverse=True):
        eni = ec2.backend(context).enis.get(cluster.brokers[number])
        by_subnet.setdefault(eni.subnet.id if eni else "", []).append(number)
    numbers = []
    for subnet, brokers in by_subnet.items():
        empty = [number for number in brokers if not partitions.on_broker(cluster, number)]
        if len(empty) < each:
            number = next(number for number in brokers if number not in empty)
            first = partitions.on_broker(cluster, number)[0]
            raise bad_request(
                f"Brokers that have partitions cannot be removed. Of those in {subnet} {len(empty)} have none; "
                f"the broker {number} has {first}."
            )
        numbers += empty[:each]
    return sorted(numbers)


def update_broker_type(context, request):
    cluster = check_updatable(context, request)
    before, target = cluster.instance_type, request["TargetInstanceType"]
    versions.check_broker_type(target)
    if target == before:
        raise bad_request(f"The brokers already are of the type {before}.")
    if target.startswith("express.") != cluster.express:
        raise bad_request("Brokers cannot change between Standard and Express.")
    if not versions.runs_on(cluster.kafka_version, target):
        raise bad_request(f"KafkaVersion [{cluster.kafka_version}] is not supported by the instance type {target}.")
    checks.check_storage_mode(cluster.settings["StorageMode"], target, cluster.kafka_version)
    throughput = ebs(cluster).get("ProvisionedThroughput") if not cluster.express else None
    checks.check_throughput(target, throughput)

    def apply() -> None:
        cluster.settings["BrokerNodeGroupInfo"]["InstanceType"] = target

    return start(context, cluster, "UPDATE_BROKER_TYPE", {"InstanceType": before}, {"InstanceType": target}, apply)


def ebs(cluster: Cluster) -> dict:
    return cluster.settings["BrokerNodeGroupInfo"]["StorageInfo"]["EbsStorageInfo"]


def update_broker_storage(context, request):
    cluster = check_updatable(context, request)
    targets = request["TargetBrokerEBSVolumeInfo"]
    if len(targets) != 1 or targets[0]["KafkaBrokerNodeId"].lower() != "all":
        raise bad_request('The only KafkaBrokerNodeId that can be given is "All": brokers have volumes of one size.')
    return grow(context, cluster, targets[0].get("VolumeSizeGB"), targets[0].get("ProvisionedThroughput"))


def update_storage(context, request):
    cluster = check_updatable(context, request)
    before, mode = cluster.settings["StorageMode"], request.get("StorageMode")
    if mode is None or mode == before:
        return grow(context, cluster, request.get("VolumeSizeGB"), request.get("ProvisionedThroughput"))
    if mode == "LOCAL":
        raise bad_request("Tiered storage cannot be turned off for a cluster.")
    if request.get("VolumeSizeGB") or request.get("ProvisionedThroughput"):
        raise bad_request("StorageMode cannot be updated together with the volume size or throughput.")
    checks.check_storage_mode(mode, cluster.instance_type, cluster.kafka_version)

    def apply() -> None:
        cluster.settings["StorageMode"] = mode

    return start(context, cluster, "UPDATE_STORAGE_MODE", {"StorageMode": before}, {"StorageMode": mode}, apply)


def grow(context, cluster: Cluster, size: int | None, throughput: dict | None) -> dict:
    """Volumes only grow, and AWS optimizes them for hours before they can change again."""
    if cluster.express:
        raise bad_request("The storage of Express brokers needs no provisioning.")
    if size is None and throughput is None:
        raise bad_request("The request changes nothing.")
    now = ebs(cluster)
    old_size, new_size = now["VolumeSize"], size if size is not None else now["VolumeSize"]
    new_throughput = throughput if throughput is not None else now.get("ProvisionedThroughput")
    if new_size == old_size and new_throughput == now.get("ProvisionedThroughput"):
        raise bad_request("The request changes nothing.")
    if new_size < old_size:
        raise bad_request(f"The volume size cannot be decreased from {old_size} GiB to {new_size} GiB.")
    if old_size < new_size < old_size + LEAST_GROWTH:
        raise bad_request(f"The volume size must grow by at least {LEAST_GROWTH} GiB.")
    if new_size > checks.LARGEST_VOLUME:
        raise bad_request(f"The volume size must be from 1 to {checks.LARGEST_VOLUME} GiB.")
    checks.check_throughput(cluster.instance_type, new_throughput)
    cooling_off = seconds(context.account_id, "storage_cooling_off")
    if cluster.storage_changed is not None and time.time() < cluster.storage_changed + cooling_off:
        raise bad_request("The storage was updated a short time ago and is still being optimized. Try again later.")

    def apply() -> None:
        now["VolumeSize"] = new_size
        if new_throughput is not None:
            now["ProvisionedThroughput"] = new_throughput
        cluster.storage_changed = time.time()

    source = volumes(cluster, old_size, now.get("ProvisionedThroughput"))
    return start(context, cluster, "UPDATE_STORAGE", source, volumes(cluster, new_size, new_throughput), apply)


def volumes(cluster: Cluster, size: int, throughput: dict | None) -> dict:
    extra = {"ProvisionedThroughput": copy.copy(throughput)} if throughput else {}
    info = [{"KafkaBrokerNodeId": str(n), "VolumeSizeGB": size, **extra} for n in sorted(cluster.brokers)]
    return {"BrokerEBSVolumeInfo": info}


def current_configuration(cluster: Cluster) -> dict:
    software = cluster.settings["CurrentBrokerSoftwareInfo"]
    if "ConfigurationArn" not in software:
        return {}
    return {"ConfigurationInfo": {"Arn": software["ConfigurationArn"], "Revision": software["ConfigurationRevision"]}}


def use_configuration(cluster: Cluster, wanted: dict) -> None:
    software = cluster.settings["CurrentBrokerSoftwareInfo"]
    software.update(ConfigurationArn=wanted["Arn"], ConfigurationRevision=wanted["Revision"])


def update_configuration(context, request):
    cluster = check_updatable(context, request)
    wanted, before = request["ConfigurationInfo"], current_configuration(cluster)
    configurations.check_usable(context, wanted, cluster.kafka_version)
    if before.get("ConfigurationInfo") == wanted:
        raise bad_request("The cluster already has this revision of the configuration.")
    target = {"ConfigurationInfo": dict(wanted)}
    return start(
        context, cluster, "UPDATE_CLUSTER_CONFIGURATION", before, target, lambda: use_configuration(cluster, wanted)
    )


def update_kafka_version(context, request):
    cluster = check_updatable(context, request)
    before, target, wanted = cluster.kafka_version, request["TargetKafkaVersion"], request.get("ConfigurationInfo")
    if target not in versions.targets(before, cluster.instance_type):
        raise bad_request(f"KafkaVersion [{before}] cannot be updated to [{target}].")
    if (before, target) == versions.TO_KRAFT:
        check_migration(cluster)
    if wanted:
        configurations.check_usable(context, wanted, target)
    elif held := current_configuration(cluster).get("ConfigurationInfo"):
        configurations.check_usable(context, held, target)

    def apply() -> None:
        cluster.settings["CurrentBrokerSoftwareInfo"]["KafkaVersion"] = target
        if wanted:
            use_configuration(cluster, wanted)

    source = {"KafkaVersion": before, **current_configuration(cluster)}
    goal = {"KafkaVersion": target, **({"ConfigurationInfo": dict(wanted)} if wanted else {})}
    return start(context, cluster, "UPDATE_CLUSTER_KAFKA_VERSION", source, goal, apply)


def check_migration(cluster: Cluster) -> None:
    """What AWS asks for first. Source: MSK developer guide, "Migrate from ZooKeeper to KRaft mode", prerequisites, 2026."""
    if not cluster.express and len(cluster.subnets) != 3:
        raise bad_request("Migration to KRaft needs a cluster in 3 Availability Zones.")
    if not cluster.express and cluster.zookeeper_access:
        raise bad_request("Migration to KRaft needs ZooKeeper access to be disabled.")
    monitoring = cluster.settings["OpenMonitoring"]
    checks.check_monitoring(is_open(cluster), monitoring, versions.TO_KRAFT[1], cluster.instance_type)


def is_open(cluster: Cluster) -> bool:
    """Whether the brokers have public addresses."""
    return cluster.settings["BrokerNodeGroupInfo"]["ConnectivityInfo"]["PublicAccess"]["Type"] != "DISABLED"


def update_settings(context, cluster: Cluster, kind: str, wanted: dict) -> dict:
    """An update that puts whole structures in place of others."""
    before = {k: copy.deepcopy(cluster.settings[k]) for k in wanted if k in cluster.settings}
    if before == wanted:
        raise bad_request("The request does not include any updates to the settings of the cluster.")

    def apply() -> None:
        cluster.settings.update(copy.deepcopy(wanted))

    return start(context, cluster, kind, before, copy.deepcopy(wanted), apply)


def update_monitoring(context, request):
    cluster = check_updatable(context, request)
    members = ("EnhancedMonitoring", "OpenMonitoring", "LoggingInfo")
    wanted = {k: request[k] for k in members if request.get(k)}
    if not wanted:
        raise bad_request("The request does not include any updates to the settings of the cluster.")
    checks.check_logging(wanted.get("LoggingInfo"))
    monitoring = wanted.get("OpenMonitoring") or cluster.settings["OpenMonitoring"]
    checks.check_monitoring(is_open(cluster), monitoring, cluster.kafka_version, cluster.instance_type)
    return update_settings(context, cluster, "UPDATE_MONITORING", wanted)


def update_rebalancing(context, request):
    cluster = check_updatable(context, request)
    checks.check_rebalancing(request["Rebalancing"], cluster.instance_type)
    return update_settings(context, cluster, "UPDATE_REBALANCING", {"Rebalancing": request["Rebalancing"]})


def update_security(context, request):
    cluster = check_updatable(context, request)
    encryption = copy.deepcopy(cluster.settings["EncryptionInfo"])
    asked = request.get("EncryptionInfo") or {}
    key = (asked.get("EncryptionAtRest") or {}).get("DataVolumeKMSKeyId")
    if key and key != encryption["EncryptionAtRest"]["DataVolumeKMSKeyId"]:
        raise bad_request("The key for encryption at rest cannot be changed.")
    transit = asked.get("EncryptionInTransit") or {}
    if (
        transit.get("InCluster", encryption["EncryptionInTransit"]["InCluster"])
        != encryption["EncryptionInTransit"]["InCluster"]
    ):
        raise bad_request("Encryption within the cluster cannot be changed.")
    encryption["EncryptionInTransit"].update(transit)
    authentication = merged(cluster.settings["ClientAuthentication"], request.get("ClientAuthentication") or {})
    checks.check_security(authentication, encryption)
    if is_open(cluster):
        check_public(context, cluster, authentication, encryption)
    from_vpcs = ways_from_vpcs(cluster.settings["BrokerNodeGroupInfo"]["ConnectivityInfo"])
    check_from_vpcs(context, cluster, from_vpcs, authentication)
    if cluster.scram_secrets and not checks.is_enabled(authentication, "Sasl", "Scram"):
        raise bad_request("Disassociate all the SCRAM secrets before SASL/SCRAM is turned off.")
    wanted = {"ClientAuthentication": authentication, "EncryptionInfo": encryption}
    return update_settings(context, cluster, "UPDATE_SECURITY", wanted)


def merged(old: dict, new: dict) -> dict:
    """Settings with some of them replaced, at whatever depth."""
    result = copy.deepcopy(old)
    for name, value in new.items():
        nested = isinstance(value, dict) and isinstance(result.get(name), dict)
        result[name] = merged(result[name], value) if nested else copy.deepcopy(value)
    return result


def update_connectivity(context, request):
    asked = request.get("ConnectivityInfo") or {}
    if not find_cluster(context, request["ClusterArn"]).provisioned:
        return update_serverless(context, request, asked)
    cluster = check_updatable(context, request)
    nodes = cluster.settings["BrokerNodeGroupInfo"]
    before = nodes["ConnectivityInfo"]
    if len([name for name in ("NetworkType", "PublicAccess", "VpcConnectivity") if asked.get(name)]) > 1:
        raise bad_request("Only one of the connectivity settings can be updated in a request.")
    after = merged(before, asked)
    access_before, access = cluster.zookeeper_access, (request.get("ZookeeperAccess") or {}).get("Enabled")
    if access is not None and versions.is_kraft(cluster.kafka_version):
        raise bad_request("ZooKeeper access is for clusters with ZooKeeper only.")
    if after == before and access in (None, access_before):
        raise bad_request("The request does not include any updates to the settings of the cluster.")
    authentication = cluster.settings["ClientAuthentication"]
    kind = after["PublicAccess"]["Type"]
    if kind not in ("DISABLED", "SERVICE_PROVIDED_EIPS"):
        raise bad_request("PublicAccess Type must be DISABLED or SERVICE_PROVIDED_EIPS.")
    if kind != "DISABLED":
        check_public(context, cluster, authentication, cluster.settings["EncryptionInfo"])
        monitoring = cluster.settings["OpenMonitoring"]
        checks.check_monitoring(True, monitoring, cluster.kafka_version, cluster.instance_type)
    from_vpcs = ways_from_vpcs(after)
    check_from_vpcs(context, cluster, from_vpcs, authentication)
    check_network_type(context, cluster, before, after)

    def apply() -> None:
        nodes["ConnectivityInfo"] = after
        connections.close(context, cluster, from_vpcs)
        if access is not None:
            cluster.zookeeper_access = access

    source, target = {"ConnectivityInfo": copy.deepcopy(before)}, {"ConnectivityInfo": copy.deepcopy(after)}
    if access is not None:
        source["ZookeeperAccess"], target["ZookeeperAccess"] = {"Enabled": access_before}, {"Enabled": access}
    return start(context, cluster, "UPDATE_CONNECTIVITY", source, target, apply)


def update_serverless(context, request, asked: dict):
    """A serverless cluster has a network type, and no other connectivity that could change."""
    cluster = check_updatable(context, request, provisioned=False)
    before = cluster.settings["ConnectivityInfo"]
    after = merged(before, asked)
    if set(after) - {"NetworkType"} or request.get("ZookeeperAccess"):
        raise bad_request("This operation is for provisioned clusters only.")
    if after == before:
        raise bad_request("The request does not include any updates to the settings of the cluster.")
    check_network_type(context, cluster, before, after)
    source, target = {"ConnectivityInfo": copy.deepcopy(before)}, {"ConnectivityInfo": copy.deepcopy(after)}
    return start(
        context,
        cluster,
        "UPDATE_CONNECTIVITY",
        source,
        target,
        lambda: cluster.settings.update({"ConnectivityInfo": after}),
    )


def check_network_type(context, cluster: Cluster, before: dict, after: dict) -> None:
    """Dual stack is for good, and needs IPv6 in every subnet. Source: MSK developer guide, "Configure dual-stack network type"."""
    if after["NetworkType"] == before["NetworkType"]:
        return
    if after["NetworkType"] != "DUAL":
        raise bad_request("A cluster with the network type DUAL cannot be changed to IPV4.")
    if cluster.provisioned and versions.number(cluster.kafka_version)[:2] < DUAL_FROM:
        raise bad_request(f"The network type DUAL is not for KafkaVersion [{cluster.kafka_version}].")
    for subnet_id in cluster.subnets:
        if ipv6.block_of_subnet(ec2.backend(context).get_subnet(subnet_id)) is None:
            raise bad_request(f"The subnet {subnet_id} has no IPv6 CIDR block.")


def ways_from_vpcs(connectivity: dict) -> dict:
    return (connectivity.get("VpcConnectivity") or {}).get("ClientAuthentication") or {}


def check_from_vpcs(context, cluster: Cluster, from_vpcs: dict, authentication: dict) -> None:
    """What AWS asks of a cluster that clients of other VPCs reach."""
    if not checks.has_authentication(from_vpcs):
        return
    for path in (("Sasl", "Scram"), ("Sasl", "Iam"), ("Tls",)):
        if checks.is_enabled(from_vpcs, *path) and not checks.is_enabled(authentication, *path):
            raise bad_request("VPC connectivity can only have authentication that the cluster has.")
    if checks.is_enabled(authentication, "Unauthenticated"):
        raise bad_request("VPC connectivity is not for clusters with unauthenticated access.")
    if cluster.instance_type == "kafka.t3.small":
        raise bad_request("VPC connectivity is not for kafka.t3.small.")
    by_acl = checks.is_enabled(from_vpcs, "Sasl", "Scram") or checks.is_enabled(from_vpcs, "Tls")
    if by_acl and not needs_acl(context, cluster):
        raise bad_request("VPC connectivity needs allow.everyone.if.no.acl.found=false in the configuration.")


def needs_acl(context, cluster: Cluster) -> bool:
    """Whether clients can do only what an ACL allows them."""
    held = current_configuration(cluster).get("ConfigurationInfo")
    text = configurations.find_revision(context, held)["ServerProperties"].decode() if held else ""
    return "allow.everyone.if.no.acl.found=false" in text.replace(" ", "")


def check_public(context, cluster: Cluster, authentication: dict, encryption: dict) -> None:
    """What AWS asks of a cluster before its brokers get public addresses."""
    transit = encryption["EncryptionInTransit"]
    if checks.is_enabled(authentication, "Unauthenticated") or not checks.has_authentication(authentication):
        raise bad_request("Public access needs client authentication, and no unauthenticated access.")
    if transit["ClientBroker"] != "TLS" or not transit["InCluster"]:
        raise bad_request("Public access needs TLS between clients and brokers, and within the cluster.")
    if checks.is_enabled(authentication, "Sasl", "Scram") or checks.is_enabled(authentication, "Tls"):
        if not needs_acl(context, cluster):
            raise bad_request("Public access needs allow.everyone.if.no.acl.found=false in the configuration.")
    if not all(is_public(context, subnet) for subnet in cluster.subnets):
        raise bad_request("Public access needs subnets with a route to an internet gateway.")


def is_public(context, subnet_id: str) -> bool:
    """Whether a subnet's own route table, or else its VPC's main one, leads to an internet gateway."""
    backend = ec2.backend(context)
    vpc_id = backend.get_subnet(subnet_id).vpc_id
    tables = [table for table in backend.describe_route_tables() if table.vpc_id == vpc_id]
    own = [table for table in tables if subnet_id in table.associations.values()]
    for table in own or [table for table in tables if table.main_association_id]:
        if any(route.gateway and route.gateway.id.startswith("igw-") for route in table.routes.values()):
            return True
    return False


OPERATIONS = {
    "UpdateBrokerCount": update_broker_count,
    "UpdateBrokerType": update_broker_type,
    "UpdateBrokerStorage": update_broker_storage,
    "UpdateStorage": update_storage,
    "UpdateClusterConfiguration": update_configuration,
    "UpdateClusterKafkaVersion": update_kafka_version,
    "UpdateMonitoring": update_monitoring,
    "UpdateRebalancing": update_rebalancing,
    "UpdateSecurity": update_security,
    "UpdateConnectivity": update_connectivity,
}
