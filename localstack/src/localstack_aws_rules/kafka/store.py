"""The state of MSK in one account and region, and what every operation needs of it."""

import base64
import datetime
import random
import string
import uuid
from dataclasses import dataclass, field

from localstack.aws.api import CommonServiceException, RequestContext
from localstack.services.stores import AccountRegionBundle, BaseStore, LocalAttribute

from localstack_aws_rules import clock
from localstack_aws_rules.settings import seconds

STATUS = {
    "BadRequestException": 400,
    "NotFoundException": 404,
    "ConflictException": 409,
    "TopicExistsException": 409,
    "UnknownTopicOrPartitionException": 404,
}


def now() -> datetime.datetime:
    """The time, to the second as MSK gives it out."""
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)


@dataclass
class Cluster:
    arn: str
    name: str
    #: PROVISIONED or SERVERLESS
    kind: str
    tags: dict[str, str]
    #: the Provisioned or Serverless structure of the API's second version
    settings: dict
    state: str = "CREATING"
    state_info: dict | None = None
    version: str = ""
    created: datetime.datetime = field(default_factory=now)
    active_operation: str | None = None
    #: broker id to its network interface
    brokers: dict[int, str] = field(default_factory=dict)
    storage_changed: float | None = None
    #: whether clients reach ZooKeeper; the cluster's description does not show it
    zookeeper_access: bool = True
    scram_secrets: list[str] = field(default_factory=list)
    policy: tuple[str, str] | None = None
    topics: dict[str, dict] = field(default_factory=dict)

    @property
    def provisioned(self) -> bool:
        return self.kind == "PROVISIONED"

    @property
    def express(self) -> bool:
        return self.provisioned and self.instance_type.startswith("express.")

    @property
    def instance_type(self) -> str:
        return self.settings["BrokerNodeGroupInfo"]["InstanceType"]

    @property
    def kafka_version(self) -> str:
        return self.settings["CurrentBrokerSoftwareInfo"]["KafkaVersion"]

    @property
    def subnets(self) -> list[str]:
        if self.provisioned:
            return self.settings["BrokerNodeGroupInfo"]["ClientSubnets"]
        return self.settings["VpcConfigs"][0]["SubnetIds"]


class KafkaStore(BaseStore):
    clusters: dict[str, Cluster] = LocalAttribute(default=dict)
    #: operation ARN to ClusterOperationInfo, oldest first
    operations: dict[str, dict] = LocalAttribute(default=dict)
    #: configuration ARN to what configurations.py keeps
    configurations: dict[str, dict] = LocalAttribute(default=dict)
    #: connection ARN to what connections.py keeps
    connections: dict[str, dict] = LocalAttribute(default=dict)


stores = AccountRegionBundle("kafka", KafkaStore)


def store(context: RequestContext) -> KafkaStore:
    return stores[context.account_id][context.region]


def later(context: RequestContext, time_name: str, action, share: float = 1.0) -> None:
    """Has something happen after the time of that name, or a share of it."""
    clock.later(context, share * seconds(context.account_id, time_name), action)


def error(code: str, message: str) -> CommonServiceException:
    status = STATUS.get(code, 400)
    return CommonServiceException(code, message, status_code=status, sender_fault=status < 500)


def bad_request(message: str) -> CommonServiceException:
    return error("BadRequestException", message)


def not_found(context: RequestContext, message: str) -> CommonServiceException:
    """NotFoundException, where the operation has it; MSK's others say BadRequestException."""
    declared = {shape.name for shape in context.operation.error_shapes}
    return error("NotFoundException" if "NotFoundException" in declared else "BadRequestException", message)


def arn(context: RequestContext, resource: str) -> str:
    return f"arn:{context.partition}:kafka:{context.region}:{context.account_id}:{resource}"


def new_id() -> str:
    return f"{uuid.uuid4()}-{random.randint(1, 25)}"


def new_version() -> str:
    """A version of a cluster or policy: opaque, and never the same again."""
    return "K" + "".join(random.choices(string.ascii_uppercase + string.digits, k=13))


def find_cluster(context: RequestContext, cluster_arn: str) -> Cluster:
    cluster = store(context).clusters.get(cluster_arn)
    if cluster is None:
        raise not_found(context, f"The cluster with the ARN {cluster_arn} does not exist.")
    return cluster


def page(request: dict, items: list, member: str) -> dict:
    """One page of a list, and the token of the next."""
    size = request.get("MaxResults") or 100
    if not 1 <= size <= 100:
        raise bad_request("MaxResults must be from 1 to 100.")
    start = 0
    if request.get("NextToken"):
        try:
            start = int(base64.urlsafe_b64decode(request["NextToken"]))
        except ValueError:
            raise bad_request("The NextToken is not valid.") from None
    answer = {member: items[start : start + size]}
    if start + size < len(items):
        answer["NextToken"] = base64.urlsafe_b64encode(str(start + size).encode()).decode()
    return answer
