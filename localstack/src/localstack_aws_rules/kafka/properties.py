"""The properties that a configuration may have, and their values. What MSK refuses: a key that it does not list, a value of
another type, and one out of its limits. The list is that of its "Custom Amazon MSK configurations", and for what only Express
brokers have, of "Custom MSK Express broker configurations"; types and limits are Kafka 3.9's, but for `replica.lag.time.max.ms`
and `zookeeper.session.timeout.ms`, which MSK limits itself. Its answer is a list of what is wrong, as JSON
(hashicorp/terraform-provider-aws#15797)."""

import json
import re

from localstack_aws_rules.kafka.store import bad_request

INT, LONG, SHORT = 2**31 - 1, 2**63 - 1, 2**15 - 1


def whole(most: int, least: int | None = None):
    least = -most - 1 if least is None else least
    return lambda text: re.fullmatch(r"[+-]?\d{1,19}", text) is not None and least <= int(text) <= most


def words(*known: str):
    return lambda text: text in known


def some_of(*known: str):
    return lambda text: all(word.strip() in known for word in text.split(","))


def ratio(text: str) -> bool:
    try:
        return 0 <= float(text) <= 1
    except ValueError:
        return False


def boolean(text: str) -> bool:
    return text.lower() in ("true", "false")


def any_text(text: str) -> bool:
    return text != ""


PROPERTIES = {
    "allow.everyone.if.no.acl.found": boolean,
    "auto.create.topics.enable": boolean,
    "compression.type": words("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"),
    "connections.max.idle.ms": whole(LONG),
    "custom.advertised.listeners": any_text,
    "default.replication.factor": whole(INT),
    "delete.topic.enable": boolean,
    "group.initial.rebalance.delay.ms": whole(INT),
    "group.max.session.timeout.ms": whole(INT),
    "group.min.session.timeout.ms": whole(INT),
    "leader.imbalance.per.broker.percentage": whole(INT),
    "log.cleaner.delete.retention.ms": whole(LONG, 0),
    "log.cleaner.min.cleanable.ratio": ratio,
    "log.cleanup.policy": some_of("compact", "delete"),
    "log.flush.interval.messages": whole(LONG, 1),
    "log.flush.interval.ms": whole(LONG),
    "log.message.timestamp.after.max.ms": whole(LONG, 0),
    "log.message.timestamp.before.max.ms": whole(LONG, 0),
    "log.message.timestamp.difference.max.ms": whole(LONG, 0),
    "log.message.timestamp.type": words("CreateTime", "LogAppendTime"),
    "log.retention.bytes": whole(LONG),
    "log.retention.hours": whole(INT),
    "log.retention.minutes": whole(INT),
    "log.retention.ms": whole(LONG),
    "log.roll.ms": whole(LONG),
    "log.segment.bytes": whole(INT, 14),
    "max.connections.per.ip": whole(INT, 0),
    "max.incremental.fetch.session.cache.slots": whole(INT, 0),
    "message.max.bytes": whole(INT, 0),
    "min.insync.replicas": whole(INT, 1),
    "num.io.threads": whole(INT, 1),
    "num.network.threads": whole(INT, 1),
    "num.partitions": whole(INT, 1),
    "num.recovery.threads.per.data.dir": whole(INT, 1),
    "num.replica.fetchers": whole(INT),
    "offsets.retention.minutes": whole(INT, 1),
    "offsets.topic.replication.factor": whole(SHORT, 1),
    "replica.fetch.max.bytes": whole(INT, 0),
    "replica.fetch.response.max.bytes": whole(INT, 0),
    "replica.lag.time.max.ms": whole(30_000, 10_000),
    "replica.selector.class": any_text,
    "replica.socket.receive.buffer.bytes": whole(INT),
    "socket.receive.buffer.bytes": whole(INT, -1),
    "socket.request.max.bytes": whole(INT, 1),
    "socket.send.buffer.bytes": whole(INT, -1),
    "transaction.max.timeout.ms": whole(INT, 1),
    "transaction.state.log.min.isr": whole(INT, 1),
    "transaction.state.log.replication.factor": whole(SHORT, 1),
    "transactional.id.expiration.ms": whole(INT, 1),
    "unclean.leader.election.enable": boolean,
    "zookeeper.connection.timeout.ms": whole(INT),
    "zookeeper.session.timeout.ms": whole(18_000, 6_000),
}


def check(properties: bytes) -> None:
    """Refuses what is not a properties file, and every property that MSK does not take."""
    wrong = []
    for line in properties.decode(errors="replace").splitlines():
        text = line.strip()
        if not text or text.startswith(("#", "!")):
            continue
        match = re.fullmatch(r"([\w.\-]+)\s*[=:]\s*(.*)", text)
        if match is None:
            raise bad_request(f"The configuration is not valid: {text[:80]}")
        name, value = match.groups()
        takes = PROPERTIES.get(name)
        if takes is None:
            message = f"Key '{name}' is not a property that can be set."
        elif not takes(value.strip()):
            message = f"Value '{value}' is not valid."
        else:
            continue
        wrong.append({"name": name, "value": value, "errorMessages": [message]})
    if wrong:
        raise bad_request(json.dumps(wrong))
