"""Cluster operations: one at a time for a cluster, each with its source and target."""

import uuid
from collections.abc import Callable

from localstack_aws_rules.kafka.store import (
    Cluster,
    arn,
    bad_request,
    find_cluster,
    later,
    new_version,
    not_found,
    now,
    page,
    store,
)
from localstack_aws_rules.settings import take_fault

STEPS = ("INITIALIZE_UPDATE", "UPDATE", "FINALIZE_UPDATE")


def check_updatable(context, request: dict, provisioned: bool = True) -> Cluster:
    """The cluster of an update: there, idle, and in the version that the client has seen."""
    cluster = find_cluster(context, request["ClusterArn"])
    if provisioned and not cluster.provisioned:
        raise bad_request("This operation is for provisioned clusters only.")
    if cluster.state != "ACTIVE":
        raise bad_request(f"The cluster must be in the ACTIVE state for this operation. Its state is {cluster.state}.")
    if "CurrentVersion" in request and request["CurrentVersion"] != cluster.version:
        raise bad_request(
            f"The cluster version {request['CurrentVersion']} is not the current version. "
            "Describe the cluster for its CurrentVersion, then try again."
        )
    return cluster


def start(
    context,
    cluster: Cluster,
    kind: str,
    source: dict,
    target: dict,
    apply: Callable[[], None] | None,
    state: str = "UPDATING",
    time_name: str = "cluster_update",
) -> dict:
    """Starts an operation; `apply` makes the change when it completes. None changes nothing, nor the version."""
    fault = take_fault(context.account_id, "kafka", context.operation.name, outcome=True)
    resource = cluster.arn.partition(":cluster/")[2]
    operation = {
        "ClusterArn": cluster.arn,
        "ClientRequestId": str(uuid.uuid4()),
        "CreationTime": now(),
        "OperationArn": arn(context, f"cluster-operation/{resource}/{uuid.uuid4()}"),
        "OperationState": "PENDING",
        "OperationType": kind,
        "OperationSteps": steps("PENDING", "PENDING", "PENDING"),
        "SourceClusterInfo": source,
        "TargetClusterInfo": target,
    }
    store(context).operations[operation["OperationArn"]] = operation
    cluster.state, cluster.active_operation = state, operation["OperationArn"]

    def begin() -> None:
        operation.update(
            OperationState="UPDATE_IN_PROGRESS", OperationSteps=steps("COMPLETED", "IN_PROGRESS", "PENDING")
        )

    def end() -> None:
        cluster.state, cluster.active_operation = "ACTIVE", None
        operation["EndTime"] = now()
        if fault:
            operation["OperationState"] = fault["outcome"]
            operation["OperationSteps"] = steps("COMPLETED", "FAILED", "PENDING")
            message = fault.get("message", "The operation failed, as a test has chosen.")
            operation["ErrorInfo"] = {"ErrorCode": fault.get("error", "ServiceException"), "ErrorString": message}
            return
        if apply:
            apply()
            cluster.version = new_version()
        operation.update(OperationState="UPDATE_COMPLETE", OperationSteps=steps("COMPLETED", "COMPLETED", "COMPLETED"))

    later(context, time_name, begin, share=0.3)
    later(context, time_name, end)
    return {"ClusterArn": cluster.arn, "ClusterOperationArn": operation["OperationArn"]}


def steps(*statuses: str) -> list[dict]:
    return [{"StepName": n, "StepInfo": {"StepStatus": s}} for n, s in zip(STEPS, statuses, strict=True)]


def find(context, operation_arn: str) -> dict:
    operation = store(context).operations.get(operation_arn)
    if operation is None:
        raise not_found(context, f"The cluster operation {operation_arn} does not exist.")
    return operation


def second_version(operation: dict, whole: bool) -> dict:
    """An operation in the shape of the API's second version: whole, or as lists have it."""
    members = ("ClusterArn", "EndTime", "OperationArn", "OperationState", "OperationType")
    shape = {k: operation[k] for k in members if k in operation}
    shape |= {"ClusterType": "PROVISIONED", "StartTime": operation["CreationTime"]}
    if whole:
        inner = ("OperationSteps", "SourceClusterInfo", "TargetClusterInfo")
        shape["Provisioned"] = {k: operation[k] for k in inner}
        if "ErrorInfo" in operation:
            shape["ErrorInfo"] = operation["ErrorInfo"]
    return shape


def describe(context, request):
    return {"ClusterOperationInfo": find(context, request["ClusterOperationArn"])}


def describe_v2(context, request):
    operation = find(context, request["ClusterOperationArn"])
    return {"ClusterOperationInfo": second_version(operation, whole=True)}


def of_cluster(context, request: dict) -> list[dict]:
    """The operations of a cluster, newest first."""
    cluster = find_cluster(context, request["ClusterArn"])
    return [o for o in reversed(store(context).operations.values()) if o["ClusterArn"] == cluster.arn]


def list_all(context, request):
    return page(request, of_cluster(context, request), "ClusterOperationInfoList")


def list_v2(context, request):
    items = [second_version(operation, whole=False) for operation in of_cluster(context, request)]
    return page(request, items, "ClusterOperationInfoList")


OPERATIONS = {
    "DescribeClusterOperation": describe,
    "DescribeClusterOperationV2": describe_v2,
    "ListClusterOperations": list_all,
    "ListClusterOperationsV2": list_v2,
}
