"""Topics, through the API: counts of partitions and replicas, and configurations as text."""

import base64
import binascii

from localstack_aws_rules.kafka.store import Cluster, bad_request, error, find_cluster, later, page

LEGAL = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


def topic_cluster(context, request: dict) -> Cluster:
    cluster = find_cluster(context, request["ClusterArn"])
    if not cluster.provisioned or cluster.state == "CREATING":
        raise bad_request("Topics are managed in provisioned clusters that have been created.")
    return cluster


def find(context, request: dict) -> tuple[Cluster, dict]:
    cluster = topic_cluster(context, request)
    topic = cluster.topics.get(request["TopicName"])
    if topic is None:
        code = (
            "NotFoundException" if context.operation.name.startswith("Describe") else "UnknownTopicOrPartitionException"
        )
        raise error(code, f"The topic {request['TopicName']} does not exist.")
    return cluster, topic


def check_configs(text: str | None) -> None:
    """Topic configurations travel as base64."""
    try:
        base64.b64decode(text or "", validate=True)
    except binascii.Error:
        raise bad_request("Configs must be base64 encoded.") from None


def create(context, request):
    cluster, name = topic_cluster(context, request), request["TopicName"]
    if not 1 <= len(name) <= 249 or not set(name) <= LEGAL or name in (".", ".."):
        raise bad_request(f"The topic name {name} is not valid.")
    if name in cluster.topics:
        raise error("TopicExistsException", f"The topic {name} already exists.")
    if not 1 <= request["ReplicationFactor"] <= len(cluster.brokers):
        raise bad_request(f"ReplicationFactor must be from 1 to the number of brokers, {len(cluster.brokers)}.")
    if request["PartitionCount"] < 1:
        raise bad_request("PartitionCount must be at least 1.")
    check_configs(request.get("Configs"))
    topic = {
        "TopicArn": f"{cluster.arn.replace(':cluster/', ':topic/')}/{name}",
        "TopicName": name,
        "ReplicationFactor": request["ReplicationFactor"],
        "PartitionCount": request["PartitionCount"],
        "Configs": request.get("Configs") or "",
        "Status": "CREATING",
    }
    cluster.topics[name] = topic
    later(context, "broker_reboot", lambda: topic.update(Status="ACTIVE"), share=0.3)
    return short(topic)


def short(topic: dict) -> dict:
    return {k: topic[k] for k in ("TopicArn", "TopicName", "Status")}


def update(context, request):
    _, topic = find(context, request)
    count = request.get("PartitionCount", topic["PartitionCount"])
    if count < topic["PartitionCount"]:
        raise bad_request("The number of partitions cannot be decreased.")
    check_configs(request.get("Configs"))
    topic.update(Status="UPDATING", PartitionCount=count, Configs=request.get("Configs", topic["Configs"]))
    later(context, "broker_reboot", lambda: topic.update(Status="ACTIVE"), share=0.3)
    return short(topic)


def delete(context, request):
    cluster, topic = find(context, request)
    del cluster.topics[topic["TopicName"]]
    return {**short(topic), "Status": "DELETING"}


def describe(context, request):
    return dict(find(context, request)[1])


def describe_partitions(context, request):
    cluster, topic = find(context, request)
    ids, factor = sorted(cluster.brokers), topic["ReplicationFactor"]
    items = []
    for number in range(topic["PartitionCount"]):
        replicas = [ids[(number + offset) % len(ids)] for offset in range(factor)]
        items.append({"Partition": number, "Leader": replicas[0], "Replicas": replicas, "Isr": replicas})
    return page(request, items, "Partitions")


def list_all(context, request):
    cluster, prefix = topic_cluster(context, request), request.get("TopicNameFilter") or ""
    members = ("TopicArn", "TopicName", "ReplicationFactor", "PartitionCount")
    items = [
        {**{k: topic[k] for k in members}, "OutOfSyncReplicaCount": 0}
        for name, topic in sorted(cluster.topics.items())
        if name.startswith(prefix)
    ]
    return page(request, items, "Topics")


OPERATIONS = {
    "CreateTopic": create,
    "UpdateTopic": update,
    "DeleteTopic": delete,
    "DescribeTopic": describe,
    "DescribeTopicPartitions": describe_partitions,
    "ListTopics": list_all,
}
