"""Placement groups, which moto does not have."""

import uuid

from localstack_aws_rules.ec2.common import backend, call, error, matches, requested_tags, store, tag_values

SPREAD_LIMIT = 7
PARTITION_LIMIT = 7


def create_placement_group(inner, context, request):
    groups, name = store(context).placement_groups, request.get("GroupName")
    strategy = request.get("Strategy") or "cluster"
    if not name:
        raise error("MissingParameter", "The request must contain the parameter groupName")
    if name in groups:
        raise error("InvalidPlacementGroup.Duplicate", f"The placement group '{name}' already exists.")
    if strategy not in ("cluster", "spread", "partition"):
        raise error("InvalidParameterValue", f"Value ({strategy}) for parameter strategy is invalid.")
    count = request.get("PartitionCount")
    if count is not None and strategy != "partition":
        message = "The parameter PartitionCount can only be used with the strategy partition"
        raise error("InvalidParameterCombination", message)
    if count is not None and not 1 <= count <= PARTITION_LIMIT:
        message = f"Value ({count}) for parameter partitionCount is invalid: 1 to {PARTITION_LIMIT}."
        raise error("InvalidParameterValue", message)
    arn = f"arn:{context.partition}:ec2:{context.region}:{context.account_id}:placement-group/{name}"
    group = {
        "GroupName": name,
        "GroupId": f"pg-{uuid.uuid4().hex[:17]}",
        "GroupArn": arn,
        "State": "available",
        "Strategy": strategy,
        "Tags": requested_tags(request, "placement-group"),
    }
    if strategy == "partition":
        group["PartitionCount"] = count or 2
    if strategy == "spread":
        group["SpreadLevel"] = request.get("SpreadLevel") or "rack"
    groups[name] = group
    return {"PlacementGroup": group}


def describe_placement_groups(inner, context, request):
    groups = store(context).placement_groups
    for name in request.get("GroupNames") or []:
        named(groups, name)
    ids = {group["GroupId"]: group for group in groups.values()}
    for group_id in request.get("GroupIds") or []:
        if group_id not in ids:
            message = f"The Placement Group '{group_id}' is unknown."
            raise error("InvalidPlacementGroup.Unknown", message)
    names, wanted_ids = request.get("GroupNames"), request.get("GroupIds")
    found = [
        group
        for group in groups.values()
        if (not names or group["GroupName"] in names)
        and (not wanted_ids or group["GroupId"] in wanted_ids)
        and matches(request.get("Filters"), lambda name, group=group: held(group, name))
    ]
    return {"PlacementGroups": found}


def held(group: dict, name: str) -> list[str] | None:
    """What a group holds for a filter's name."""
    fields = {
        "group-name": "GroupName",
        "group-arn": "GroupArn",
        "state": "State",
        "strategy": "Strategy",
        "spread-level": "SpreadLevel",
    }
    if name in fields:
        return [group.get(fields[name], "")]
    return tag_values(group["Tags"], name)


def delete_placement_group(inner, context, request):
    groups, name = store(context).placement_groups, request["GroupName"]
    named(groups, name)
    if members(context, name):
        message = f"The placement group '{name}' is in use and may not be deleted."
        raise error("InvalidPlacementGroup.InUse", message)
    del groups[name]
    return {}


def named(groups: dict[str, dict], name: str) -> dict:
    if name not in groups:
        raise error("InvalidPlacementGroup.Unknown", f"The Placement Group '{name}' is unknown.")
    return groups[name]


def members(context, name: str, zone: str | None = None) -> list:
    """The instances of a group, in one zone or all."""
    return [
        instance
        for instance in backend(context).all_instances()
        if instance.placement.group_name == name
        and instance.state not in ("shutting-down", "terminated")
        and zone in (None, instance.placement.zone)
    ]


def find_place(context, wanted: dict, zone: str, count: int) -> dict | None:
    """The group and partition numbers that `count` new instances get; refuses what does not fit."""
    name = wanted.get("GroupName")
    if wanted.get("GroupId"):
        ids = {group["GroupId"]: group["GroupName"] for group in store(context).placement_groups.values()}
        name = ids.get(wanted["GroupId"], wanted["GroupId"])
    number = wanted.get("PartitionNumber")
    if not name:
        if number is not None:
            message = "The parameter PartitionNumber needs the parameter GroupName"
            raise error("InvalidParameterCombination", message)
        return None
    group = named(store(context).placement_groups, name)
    here = members(context, name, zone)
    if group["Strategy"] == "spread" and len(here) + count > SPREAD_LIMIT:
        message = (
            f"The spread placement group '{name}' cannot hold more than {SPREAD_LIMIT} "
            f"running instances in the Availability Zone {zone}."
        )
        raise error("InstanceLimitExceeded", message)
    if group["Strategy"] != "partition":
        if number is not None:
            message = f"The placement group '{name}' has no partitions"
            raise error("InvalidParameterCombination", message)
        return {"group": name, "partitions": [None] * count}
    partitions = range(1, group["PartitionCount"] + 1)
    if number is not None:
        if number not in partitions:
            message = f"Value ({number}) for parameter partitionNumber is invalid."
            raise error("InvalidParameterValue", message)
        return {"group": name, "partitions": [number] * count}
    filled = [instance.placement.partition_number for instance in here]
    for _ in range(count):
        filled.append(min(partitions, key=filled.count))
    return {"group": name, "partitions": filled[len(here) :]}


def change_tags(inner, context, request):
    """Tags of placement groups are kept here; those of anything else are moto's."""
    ours = {group["GroupId"]: group for group in store(context).placement_groups.values()}
    mine = [ours[name] for name in request["Resources"] if name in ours]
    rest = [name for name in request["Resources"] if name not in ours]
    if not mine:
        return inner(context, request)
    change = remove_tags if context.operation.name == "DeleteTags" else add_tags
    for group in mine:
        change(group, request.get("Tags") or [])
    if rest:
        call(context, {**request, "Resources": rest})
    return {}


def add_tags(group: dict, tags: list[dict]) -> None:
    keys = {tag["Key"] for tag in tags}
    kept = [old for old in group["Tags"] if old["Key"] not in keys]
    group["Tags"] = kept + [{"Key": tag["Key"], "Value": tag.get("Value") or ""} for tag in tags]


def remove_tags(group: dict, tags: list[dict]) -> None:
    """Without a value, whatever the tag's value is; without tags, all of them."""
    wanted = [(tag["Key"], tag.get("Value")) for tag in tags]
    group["Tags"] = [
        old
        for old in group["Tags"]
        if wanted and not any(key == old["Key"] and value in (None, old["Value"]) for key, value in wanted)
    ]


RULES = {
    "CreatePlacementGroup": create_placement_group,
    "DescribePlacementGroups": describe_placement_groups,
    "DeletePlacementGroup": delete_placement_group,
    "CreateTags": change_tags,
    "DeleteTags": change_tags,
}
