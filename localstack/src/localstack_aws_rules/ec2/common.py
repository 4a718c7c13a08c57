"""What the EC2 rules share: the two stores, errors, calls into moto, and filters."""

from collections.abc import Callable
from typing import Any

from localstack.aws.api import CommonServiceException, RequestContext
from localstack.aws.forwarder import create_aws_request_context
from localstack.services.moto import call_moto
from localstack.services.stores import AccountRegionBundle, BaseStore, LocalAttribute
from moto.ec2.models import EC2Backend, ec2_backends


class Ec2Store(BaseStore):
    """What AWS knows of one account and region, and moto does not."""

    #: (operation, client token) to (parameters, answer)
    tokens: dict[tuple[str, str], tuple[dict, dict]] = LocalAttribute(default=dict)
    #: name to PlacementGroup, in the shape of the API
    placement_groups: dict[str, dict] = LocalAttribute(default=dict)
    #: ids of volumes that are still being created
    creating: set[str] = LocalAttribute(default=set)
    #: volume id to its VolumeModifications, in the shape of the API, oldest first
    modifications: dict[str, list[dict]] = LocalAttribute(default=dict)
    #: route table id to the virtual private gateways that propagate routes into it
    propagating: dict[str, list[str]] = LocalAttribute(default=dict)
    #: VPN connection id to the blocks of its static routes
    vpn_routes: dict[str, list[str]] = LocalAttribute(default=dict)


stores = AccountRegionBundle("ec2", Ec2Store)


def store(context: RequestContext) -> Ec2Store:
    return stores[context.account_id][context.region]


def backend(context: RequestContext) -> EC2Backend:
    """moto's state of the account and region."""
    return ec2_backends[context.account_id][context.region]


def error(code: str, message: str, status: int = 400) -> CommonServiceException:
    return CommonServiceException(code, message, status_code=status, sender_fault=status < 500)


def call(context: RequestContext, request: dict, action: str | None = None) -> dict[str, Any]:
    """moto's answer to another request than the client's, in the client's name."""
    inner = create_aws_request_context(
        service_name=context.service.service_name,
        action=action or context.operation.name,
        parameters=request,
        region=context.region,
        protocol=context.protocol,
    )
    headers = context.request.headers.copy()
    headers.update(inner.request.headers)
    inner.request.headers = headers
    return call_moto(inner)


def matches(filters: list[dict] | None, values: Callable[[str], list[str] | None]) -> bool:
    """Whether something passes Filters. `values` gives what it holds for a filter's name."""
    for wanted in filters or []:
        held = values(wanted["Name"])
        if held is None:
            raise error("InvalidParameterValue", f"The filter '{wanted['Name']}' is invalid")
        if not set(held) & set(wanted.get("Values") or []):
            return False
    return True


def tag_values(tags: list[dict], name: str) -> list[str] | None:
    """What tags hold for the filters `tag:KEY`, `tag-key` and `tag-value`; None for another filter."""
    if name.startswith("tag:"):
        return [tag["Value"] for tag in tags if tag["Key"] == name[4:]]
    if name in ("tag-key", "tag-value"):
        return [tag[name[4:].capitalize()] for tag in tags]
    return None


def requested_tags(request: dict, kind: str) -> list[dict]:
    """The tags of a request's TagSpecifications that go on one kind of resource."""
    specifications = request.get("TagSpecifications") or []
    return [dict(tag) for s in specifications if s.get("ResourceType") == kind for tag in s["Tags"]]
