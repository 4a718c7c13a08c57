"""Client tokens and DryRun, for every operation whose model has the member.

A token makes a call safe to repeat: the same token with the same parameters gives the first
answer again and makes nothing; with other parameters it is refused, and so is that of a volume which is gone.
"""

import copy
from functools import partial

from botocore.model import ServiceModel

from localstack_aws_rules.ec2.common import backend, error, store


def rules(model: ServiceModel) -> dict:
    """One rule for each operation that takes a token, or can be run dry."""
    found = {}
    for operation in model.operation_names:
        shape = model.operation_model(operation).input_shape
        members = shape.members if shape else {}
        reads = operation.startswith(("Describe", "Get", "Search", "List"))
        takes_token = "ClientToken" in members and not reads
        if takes_token or "DryRun" in members:
            found[operation] = partial(rule, operation, takes_token)
    return found


def rule(operation: str, takes_token: bool, inner, context, request):
    if request.get("DryRun"):
        message = "Request would have succeeded, but DryRun flag is set."
        raise error("DryRunOperation", message, status=412)
    token = request.get("ClientToken") if takes_token else None
    if not token:
        return inner(context, request)
    seen = store(context).tokens
    parameters = {k: v for k, v in request.items() if k != "ClientToken"}
    if (operation, token) in seen:
        first, answer = seen[operation, token]
        if first != parameters:
            message = (
                "Arguments on this idempotent request are inconsistent with arguments used in previous request(s)."
            )
            raise error("IdempotentParameterMismatch", message)
        if operation == "CreateVolume" and answer["VolumeId"] not in backend(context).volumes:
            message = "The client token you have provided is associated with a resource that is already deleted."
            raise error("IdempotentParameterMismatch", message)
        return copy.deepcopy(answer)
    parameters = copy.deepcopy(parameters)
    answer = inner(context, request)
    seen[operation, token] = parameters, copy.deepcopy(answer)
    return answer
