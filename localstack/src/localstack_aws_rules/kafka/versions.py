"""Kafka versions: which there are, which lead where, which broker types run them."""

import re

from localstack_aws_rules.kafka.store import bad_request, find_cluster, page

DEPRECATED = (
    "2.2.1 2.3.1 2.4.1.1 2.5.1 2.6.0 2.6.1 2.6.2 2.6.3 2.7.0 2.7.1 2.7.2 2.8.0 2.8.1 2.8.2.tiered "
    "3.1.1 3.2.0 3.3.1 3.3.2 3.4.0 3.5.1"
).split()
ACTIVE = ("3.6.0 3.7.x 3.7.x.kraft 3.8.x 3.8.x.kraft 3.9.x 3.9.x.kraft 4.0.x.kraft 4.1.x.kraft 4.2.x.kraft").split()
VERSIONS = {**dict.fromkeys(DEPRECATED, "DEPRECATED"), **dict.fromkeys(ACTIVE, "ACTIVE")}
EXPRESS = {(3, 6), (3, 8), (3, 9), (4, 2)}
NEWEST_STANDARD = (4, 1)

FAMILIES = {
    "kafka.t3": ("small",),
    "kafka.m5": ("large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge"),
    "kafka.m7g": ("large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"),
    "express.m7g": ("large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"),
}
BROKER_TYPES = {f"{family}.{size}" for family, sizes in FAMILIES.items() for size in sizes}
# the most MiB/s of provisioned throughput for each broker type that has it
PROVISIONED_THROUGHPUT = {
    "kafka.m5.4xlarge": 593,
    "kafka.m5.8xlarge": 850,
    "kafka.m5.12xlarge": 1000,
    "kafka.m5.16xlarge": 1000,
    "kafka.m5.24xlarge": 1000,
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
        return release in EXPRESS
    if broker_type.startswith("kafka.m7g."):
        return release <= NEWEST_STANDARD and (release >= (3, 3) or version.startswith("2.8.2"))
    return release <= NEWEST_STANDARD


def targets(version: str, broker_type: str) -> list[str]:
    """The versions that a cluster can be updated to: later ones, without a change of metadata mode."""
    return [
        other
        for other, status in VERSIONS.items()
        if status == "ACTIVE"
        and number(other) > number(version)
        and is_kraft(other) == is_kraft(version)
        and runs_on(other, broker_type)
    ]


def check_new(version: str, broker_type: str) -> None:
    """Refuses a version that a new cluster cannot have."""
    if VERSIONS.get(version) != "ACTIVE":
        raise bad_request(f"Unsupported KafkaVersion [{version}]. Valid values: {', '.join(ACTIVE)}")
    if not runs_on(version, broker_type):
        raise bad_request(f"KafkaVersion [{version}] is not supported by the instance type {broker_type}.")


def check_broker_type(broker_type: str) -> None:
    if broker_type not in BROKER_TYPES:
        raise bad_request(f"Unsupported InstanceType [{broker_type}]. Valid values: {', '.join(sorted(BROKER_TYPES))}")


def list_versions(context, request):
    items = [{"Version": version, "Status": status} for version, status in VERSIONS.items()]
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
