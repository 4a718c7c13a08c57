"""Kafka versions: which there are, which lead where, which broker types run them.

Sources: MSK developer guide, "Supported Apache Kafka versions", "Express brokers" and "Migrate from ZooKeeper to KRaft mode", 2026;
ListKafkaVersions of September 2026, which has 3.9.x and 4.2.x.kraft twice: as ACTIVE for one kind of broker, and as
DEPRECATED for the other. That no new Express cluster has 3.9.x is AWS's answer in hashicorp/terraform-provider-aws#48309.
"""

import re

from localstack_aws_rules.kafka.store import bad_request, find_cluster, page

DEPRECATED = (
    "2.2.1 2.3.1 2.4.1.1 2.5.1 2.6.0 2.6.1 2.6.2 2.6.3 2.7.0 2.7.1 2.7.2 2.8.0 2.8.1 2.8.2.tiered "
    "3.1.1 3.2.0 3.3.1 3.3.2 3.4.0 3.5.1"
).split()
ACTIVE = ("3.6.0 3.7.x 3.7.x.kraft 3.8.x 3.8.x.kraft 3.9.x 3.9.x.kraft 4.0.x.kraft 4.1.x.kraft 4.2.x.kraft").split()
VERSIONS = {**dict.fromkeys(DEPRECATED, "DEPRECATED"), **dict.fromkeys(ACTIVE, "ACTIVE")}
#: listed a second time, as deprecated: for Express brokers, and for standard ones
LISTED_TWICE = ("3.9.x", "4.2.x.kraft")
#: what a new cluster of Express brokers can have: KRaft begins with 3.9
NEW_EXPRESS = {"3.6.0", "3.8.x", "3.9.x.kraft", "4.2.x.kraft"}
#: what one that is there can have: 3.9.x is the last step before KRaft
EXPRESS = NEW_EXPRESS | {"3.9.x"}
NEWEST_STANDARD = (4, 1)
#: the only step from ZooKeeper to KRaft
TO_KRAFT = ("3.9.x", "3.9.x.kraft")

FAMILIES = {
    "kafka.t3": ("small",),
    "kafka.m5": ("large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge"),
    "kafka.m7g": ("large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"),
    "express.m7g": ("large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"),
}
BROKER_TYPES = {f"{family}.{size}" for family, sizes in FAMILIES.items() for size in sizes}
# the most MiB/s of provisioned throughput for each broker type that has it, in whole ones; 312.5 for the first M7g.
# Source: MSK developer guide, "Manage storage throughput for Standard brokers"
PROVISIONED_THROUGHPUT = {
    "kafka.m5.4xlarge": 593,
    "kafka.m5.8xlarge": 850,
    "kafka.m5.12xlarge": 1000,
    "kafka.m5.16xlarge": 1000,
    "kafka.m5.24xlarge": 1000,
    "kafka.m7g.2xlarge": 312,
    "kafka.m7g.4xlarge": 625,
    "kafka.m7g.8xlarge": 1000,
    "kafka.m7g.12xlarge": 1000,
    "kafka.m7g.16xlarge": 1000,
}
LEAST_THROUGHPUT = 250
BROKERS = {"kraft": 60, "zookeeper": 30}


def number(version: str) -> tuple[int, ...]:
    """The numbers of a version, for comparing; `x` stands for any patch."""
    return tuple(int(part) for part in re.findall(r"\d+", version))


def is_kraft(version: str) -> bool:
    return version.endswith(".kraft")


def runs_on(version: str, broker_type: str) -> bool:
    release = number(version)[:2]
    if broker_type.startswith("express."):
        return version in EXPRESS
    if broker_type.startswith("kafka.m7g."):
        return release <= NEWEST_STANDARD and (release >= (3, 3) or version.startswith("2.8.2"))
    return release <= NEWEST_STANDARD


def targets(version: str, broker_type: str) -> list[str]:
    """The versions that a cluster can be updated to: later ones in its metadata mode, and KRaft from the last with ZooKeeper."""

    def leads_to(other: str) -> bool:
        if (version, other) == TO_KRAFT:
            return not broker_type.startswith("kafka.t3.")
        return number(other) > number(version) and is_kraft(other) == is_kraft(version)

    return [
        other
        for other, status in VERSIONS.items()
        if status == "ACTIVE" and leads_to(other) and runs_on(other, broker_type)
    ]


def check_new(version: str, broker_type: str) -> None:
    """Refuses a version that a new cluster cannot have."""
    if VERSIONS.get(version) != "ACTIVE":
        raise bad_request(f"Unsupported KafkaVersion [{version}]. Valid values: {', '.join(ACTIVE)}")
    express = broker_type.startswith("express.")
    if not runs_on(version, broker_type) or (express and version not in NEW_EXPRESS):
        kind = "Express" if express else "Standard"
        raise bad_request(f"{kind} instance types are not supported for Kafka version {version}.")


def check_broker_type(broker_type: str) -> None:
    if broker_type not in BROKER_TYPES:
        raise bad_request(f"Unsupported InstanceType [{broker_type}]. Valid values: {', '.join(sorted(BROKER_TYPES))}")


def list_versions(context, request):
    items = [{"Version": version, "Status": status} for version, status in VERSIONS.items()]
    items += [{"Version": version, "Status": "DEPRECATED"} for version in LISTED_TWICE]
    return page(request, items, "KafkaVersions")


def compatible_versions(context, request):
    if request.get("ClusterArn"):
        cluster = find_cluster(context, request["ClusterArn"])
        if not cluster.provisioned:
            raise bad_request("This operation is for provisioned clusters only.")
        sources, broker_type = [cluster.kafka_version], cluster.instance_type
    else:
        sources, broker_type = list(VERSIONS), "kafka.m5.large"
    pairs = [{"SourceVersion": source, "TargetVersions": targets(source, broker_type)} for source in sources]
    return {"CompatibleKafkaVersions": pairs}


OPERATIONS = {
    "ListKafkaVersions": list_versions,
    "GetCompatibleKafkaVersions": compatible_versions,
}
