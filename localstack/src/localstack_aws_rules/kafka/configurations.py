"""Configurations and their revisions; one that a cluster uses is not deleted."""

import re

from localstack_aws_rules.kafka import properties
from localstack_aws_rules.kafka.store import arn, bad_request, error, new_id, not_found, now, page, store

NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,255}")


def create(context, request):
    configurations, name = store(context).configurations, request["Name"]
    if not NAME.fullmatch(name):
        raise bad_request("The configuration name can only have letters, digits and hyphens.")
    if any(c["Name"] == name for c in configurations.values()):
        raise error("ConflictException", f"A resource with this name already exists: {name}")
    properties.check(request["ServerProperties"])
    configuration = {
        "Arn": arn(context, f"configuration/{name}/{new_id()}"),
        "Name": name,
        "Description": request.get("Description") or "",
        "KafkaVersions": list(request.get("KafkaVersions") or []),
        "CreationTime": now(),
        "State": "ACTIVE",
        "revisions": [],
    }
    add_revision(configuration, request)
    configurations[configuration["Arn"]] = configuration
    return picked(configuration, "Arn", "CreationTime", "LatestRevision", "Name", "State")


def add_revision(configuration: dict, request: dict) -> None:
    revision = {
        "Revision": len(configuration["revisions"]) + 1,
        "CreationTime": now(),
        "Description": request.get("Description") or "",
        "ServerProperties": request["ServerProperties"],
    }
    configuration["revisions"].append(revision)


def revision_shape(revision: dict) -> dict:
    return {k: revision[k] for k in ("Revision", "CreationTime", "Description")}


def picked(configuration: dict, *members: str) -> dict:
    whole = {**configuration, "LatestRevision": revision_shape(configuration["revisions"][-1])}
    return {member: whole[member] for member in members}


def find(context, configuration_arn: str) -> dict:
    configuration = store(context).configurations.get(configuration_arn)
    if configuration is None:
        # Not NotFoundException, though the API lists it: by these words Terraform's provider knows that one is gone.
        raise bad_request("Configuration ARN does not exist.")
    return configuration


def find_revision(context, wanted: dict) -> dict:
    """The revision that a ConfigurationInfo names."""
    configuration = store(context).configurations.get(wanted["Arn"])
    if configuration is None or not 1 <= wanted["Revision"] <= len(configuration["revisions"]):
        raise bad_request("The configuration ARN or its revision is not valid.")
    return configuration["revisions"][wanted["Revision"] - 1]


def check_usable(context, wanted: dict, version: str) -> None:
    find_revision(context, wanted)
    versions = store(context).configurations[wanted["Arn"]]["KafkaVersions"]
    if versions and version not in versions:
        raise bad_request(f"The configuration {wanted['Arn']} is not for KafkaVersion [{version}].")


def update(context, request):
    configuration = find(context, request["Arn"])
    properties.check(request["ServerProperties"])
    add_revision(configuration, request)
    return picked(configuration, "Arn", "LatestRevision")


def describe(context, request):
    members = ("Arn", "CreationTime", "Description", "KafkaVersions", "LatestRevision", "Name", "State")
    return picked(find(context, request["Arn"]), *members)


def describe_revision(context, request):
    configuration = find(context, request["Arn"])
    if not 1 <= request["Revision"] <= len(configuration["revisions"]):
        raise not_found(context, f"The revision {request['Revision']} does not exist.")
    return {"Arn": configuration["Arn"], **configuration["revisions"][request["Revision"] - 1]}


def list_all(context, request):
    members = ("Arn", "CreationTime", "Description", "KafkaVersions", "LatestRevision", "Name", "State")
    items = [picked(c, *members) for c in store(context).configurations.values()]
    return page(request, items, "Configurations")


def list_revisions(context, request):
    configuration = find(context, request["Arn"])
    return page(request, [revision_shape(r) for r in configuration["revisions"]], "Revisions")


def delete(context, request):
    configuration = find(context, request["Arn"])
    for cluster in store(context).clusters.values():
        software = cluster.settings.get("CurrentBrokerSoftwareInfo", {})
        if software.get("ConfigurationArn") == configuration["Arn"] or is_target(context, cluster, configuration):
            raise bad_request(f"The configuration {configuration['Arn']} is in use by the cluster {cluster.arn}.")
    del store(context).configurations[configuration["Arn"]]
    return {"Arn": configuration["Arn"], "State": "DELETING"}


def is_target(context, cluster, configuration: dict) -> bool:
    """Whether an operation that is under way will put the configuration into use."""
    operation = store(context).operations.get(cluster.active_operation or "", {})
    wanted = operation.get("TargetClusterInfo", {}).get("ConfigurationInfo", {})
    return wanted.get("Arn") == configuration["Arn"]


OPERATIONS = {
    "CreateConfiguration": create,
    "UpdateConfiguration": update,
    "DescribeConfiguration": describe,
    "DescribeConfigurationRevision": describe_revision,
    "ListConfigurations": list_all,
    "ListConfigurationRevisions": list_revisions,
    "DeleteConfiguration": delete,
}
