"""Pages: MaxResults and NextToken for every Describe call whose model has them."""

import base64
import binascii
from functools import partial

from botocore.model import ServiceModel

from localstack_aws_rules.ec2.common import error

# moto cuts these itself, or the answer is not one list
LEFT_ALONE = {"DescribeVpcEndpointServices", "DescribeLaunchTemplates", "DescribeLaunchTemplateVersions"}
# operation to the ids that cannot go with MaxResults
NOT_WITH_IDS = {
    "DescribeInstances": "InstanceIds",
    "DescribeInstanceStatus": "InstanceIds",
    "DescribeVolumes": "VolumeIds",
    "DescribeVolumeStatus": "VolumeIds",
    "DescribeNetworkInterfaces": "NetworkInterfaceIds",
}


def rules(model: ServiceModel) -> dict:
    found = {}
    for operation in model.operation_names:
        shape = model.operation_model(operation)
        if not operation.startswith("Describe") or operation in LEFT_ALONE or not shape.input_shape:
            continue
        if not {"MaxResults", "NextToken"} <= set(shape.input_shape.members):
            continue
        lists = [name for name, member in shape.output_shape.members.items() if member.type_name == "list"]
        limits = shape.input_shape.members["MaxResults"].metadata
        found[operation] = partial(rule, operation, lists[0], limits)
    return found


def rule(operation: str, member: str, limits: dict, inner, context, request):
    size, token = request.get("MaxResults"), request.get("NextToken")
    ids = NOT_WITH_IDS.get(operation)
    if size is not None and ids and request.get(ids):
        message = f"The parameter {ids[0].lower()}{ids[1:]} cannot be used with the parameter maxResults"
        raise error("InvalidParameterCombination", message)
    smallest = limits.get("min", 1)
    if size is not None and size < smallest:
        message = f"Value ( {size} ) for parameter maxResults is invalid. Expecting a value of at least {smallest}."
        raise error("InvalidParameterValue", message)
    start = read_token(operation, token) if token else 0
    answer = inner(context, request)
    answer.pop("NextToken", None)
    whole = answer.get(member) or []
    end = start + min(size or 1000, limits.get("max", 1000)) if size or token else len(whole)
    answer[member] = whole[start:end]
    if end < len(whole):
        answer["NextToken"] = make_token(operation, end)
    return answer


def make_token(operation: str, start: int) -> str:
    return base64.urlsafe_b64encode(f"{operation}:{start}".encode()).decode()


def read_token(operation: str, token: str) -> int:
    try:
        name, _, start = base64.urlsafe_b64decode(token).decode().partition(":")
        if name == operation:
            return int(start)
    except (binascii.Error, UnicodeDecodeError, ValueError):
        pass
    raise error("InvalidNextToken", "The specified NextToken is not valid")
