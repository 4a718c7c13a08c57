"""What a provisioned cluster may be, whether it is being created or updated."""

import re

from localstack_aws_rules.ec2 import common as ec2
from localstack_aws_rules.kafka import configurations, versions
from localstack_aws_rules.kafka.store import bad_request

NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,63}")
LARGEST_VOLUME = 16384
TIERED_FROM = (3, 6)


def check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise bad_request("The cluster name can have up to 64 letters, digits and hyphens.")


def check_network(context, subnet_ids: list[str], groups: list[str], numbers: tuple[int, ...]) -> None:
    """Subnets that exist, in one VPC, in zones of their own; groups of the same VPC."""
    backend = ec2.backend(context)
    known = {subnet.id: subnet for zone in backend.subnets.values() for subnet in zone.values()}
    if len(subnet_ids) not in numbers:
        raise bad_request(
            f"Specify {' or '.join(map(str, numbers))} client subnets, each in its own Availability Zone."
        )
    if missing := [subnet for subnet in subnet_ids if subnet not in known]:
        raise bad_request(f"The subnet ID '{missing[0]}' does not exist.")
    subnets = [known[subnet] for subnet in subnet_ids]
    if len({subnet.availability_zone for subnet in subnets}) < len(subnets):
        raise bad_request("Each client subnet must be in its own Availability Zone.")
    if len({subnet.vpc_id for subnet in subnets}) > 1:
        raise bad_request("The client subnets must be in one VPC.")
    for group_id in groups:
        group = backend.get_security_group_from_id(group_id)
        if group is None or group.vpc_id != subnets[0].vpc_id:
            raise bad_request(f"The security group '{group_id}' does not exist in the VPC of the subnets.")


def check_broker_count(count: int, zones: int, version: str) -> None:
    most = versions.BROKERS["kraft" if versions.is_kraft(version) else "zookeeper"]
    if count < zones or count % zones:
        raise bad_request(
            f"The number of broker nodes ({count}) must be a multiple of the number of client subnets ({zones})."
        )
    if count > most:
        raise bad_request(f"The number of broker nodes ({count}) is over the quota of {most} for a cluster.")


def check_storage(nodes: dict) -> None:
    broker_type, info = nodes["InstanceType"], nodes.get("StorageInfo")
    volume = (info or {}).get("EbsStorageInfo")
    if broker_type.startswith("express."):
        if info:
            raise bad_request("StorageInfo is not for Express brokers, whose storage needs no provisioning.")
        return
    size = (volume or {}).get("VolumeSize")
    if size is not None and not 1 <= size <= LARGEST_VOLUME:
        raise bad_request(f"The volume size must be from 1 to {LARGEST_VOLUME} GiB.")
    check_throughput(broker_type, (volume or {}).get("ProvisionedThroughput"))


def check_throughput(broker_type: str, wanted: dict | None) -> None:
    if not wanted or not wanted.get("Enabled"):
        if wanted and wanted.get("VolumeThroughput"):
            raise bad_request("VolumeThroughput needs ProvisionedThroughput to be enabled.")
        return
    most = versions.PROVISIONED_THROUGHPUT.get(broker_type)
    if most is None:
        raise bad_request(f"Provisioned throughput is not for {broker_type}; it needs 4xlarge or larger.")
    value = wanted.get("VolumeThroughput")
    if value is None or not versions.LEAST_THROUGHPUT <= value <= most:
        raise bad_request(
            f"VolumeThroughput must be from {versions.LEAST_THROUGHPUT} to {most} MiB/s for {broker_type}."
        )


def check_storage_mode(mode: str, broker_type: str, version: str) -> None:
    if mode != "TIERED":
        return
    if broker_type.startswith("express.") or broker_type == "kafka.t3.small":
        raise bad_request(f"Tiered storage is not for {broker_type}.")
    if versions.number(version)[:2] < TIERED_FROM and not version.endswith(".tiered"):
        raise bad_request(f"Tiered storage is not for KafkaVersion [{version}]; it needs 3.6.0 or later.")


def is_enabled(authentication: dict | None, *path: str) -> bool:
    """Whether a switch of ClientAuthentication is on, as in ("Sasl", "Iam")."""
    found = authentication or {}
    for name in path:
        found = found.get(name) or {}
    return bool(found.get("Enabled"))


def has_authentication(authentication: dict | None) -> bool:
    return any(is_enabled(authentication, *path) for path in (("Sasl", "Scram"), ("Sasl", "Iam"), ("Tls",)))


def check_security(authentication: dict, encryption: dict) -> None:
    """Client authentication goes over TLS only."""
    client_broker = encryption["EncryptionInTransit"]["ClientBroker"]
    if is_enabled(authentication, "Tls") and not authentication["Tls"].get("CertificateAuthorityArnList"):
        raise bad_request("TLS client authentication needs a CertificateAuthorityArnList.")
    if has_authentication(authentication) and client_broker == "PLAINTEXT":
        raise bad_request("Client authentication needs encryption in transit between clients and brokers.")
    if not has_authentication(authentication) and not is_enabled(authentication, "Unauthenticated"):
        raise bad_request("At least one way of client access must be enabled.")
    if client_broker == "PLAINTEXT" and not is_enabled(authentication, "Unauthenticated"):
        raise bad_request("PLAINTEXT between clients and brokers needs unauthenticated access.")


def check_logging(logging: dict | None) -> None:
    needed = {"CloudWatchLogs": "LogGroup", "Firehose": "DeliveryStream", "S3": "Bucket"}
    for kind, member in needed.items():
        target = ((logging or {}).get("BrokerLogs") or {}).get(kind) or {}
        if target.get("Enabled") and not target.get(member):
            raise bad_request(f"Broker logs to {kind} need a {member}.")


def check_rebalancing(rebalancing: dict | None, broker_type: str) -> None:
    if rebalancing and not broker_type.startswith("express."):
        raise bad_request("Intelligent rebalancing is for Express brokers only.")


def check_monitoring(public: bool, monitoring: dict, version: str, broker_type: str) -> None:
    """KRaft and Express cannot have both. Source: MSK developer guide, "Monitor an MSK Provisioned cluster with Prometheus"."""
    exporters = (monitoring.get("Prometheus") or {}).values()
    opened = any(exporter.get("EnabledInBroker") for exporter in exporters)
    if public and opened and (versions.is_kraft(version) or broker_type.startswith("express.")):
        raise bad_request("Open monitoring and public access cannot both be enabled with KRaft or Express brokers.")


def check_provisioned(context, wanted: dict) -> None:
    """The whole of a request to create a provisioned cluster."""
    nodes, version = wanted["BrokerNodeGroupInfo"], wanted["KafkaVersion"]
    broker_type = nodes["InstanceType"]
    versions.check_broker_type(broker_type)
    versions.check_new(version, broker_type)
    numbers = (3,) if broker_type.startswith("express.") else (2, 3)
    check_network(context, nodes["ClientSubnets"], nodes.get("SecurityGroups") or [], numbers)
    check_broker_count(wanted["NumberOfBrokerNodes"], len(nodes["ClientSubnets"]), version)
    check_storage(nodes)
    check_storage_mode(wanted.get("StorageMode") or "LOCAL", broker_type, version)
    check_logging(wanted.get("LoggingInfo"))
    check_rebalancing(wanted.get("Rebalancing"), broker_type)
    access = (nodes.get("ConnectivityInfo") or {}).get("PublicAccess") or {}
    if access.get("Type", "DISABLED") != "DISABLED":
        raise bad_request(
            "Public access cannot be turned on while a cluster is created; update its connectivity later."
        )
    if (nodes.get("ConnectivityInfo") or {}).get("VpcConnectivity"):
        raise bad_request("VPC connectivity cannot be turned on while a cluster is created; update it later.")
    if (nodes.get("ConnectivityInfo") or {}).get("NetworkType", "IPV4") != "IPV4":
        raise bad_request("A new cluster has the network type IPV4; update its connectivity later.")
    if wanted.get("ConfigurationInfo"):
        configurations.check_usable(context, wanted["ConfigurationInfo"], version)
