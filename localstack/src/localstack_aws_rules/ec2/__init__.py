"""EC2: LocalStack's own provider, with AWS's rules put around its operations.

A rule is a function `rule(inner, context, request)`: it refuses, changes the request, calls
`inner(context, request)`, or changes the answer. Each subject module holds a dict RULES from
operation to rule; the table below puts them around LocalStack's handlers, first subject outermost.
"""

from collections.abc import Callable
from functools import partial

from localstack.aws.skeleton import Skeleton
from localstack.aws.spec import load_service
from localstack.services.ec2.provider import Ec2Provider
from localstack.services.moto import MotoFallbackDispatcher
from localstack.services.plugins import Service
from moto.core.exceptions import RESTError

from localstack_aws_rules.clock import serve
from localstack_aws_rules.ec2 import (
    common,
    dependencies,
    gateways,
    groups,
    instances,
    interfaces,
    ipv6,
    pages,
    placement,
    profiles,
    propagation,
    tags,
    tokens,
    volumes,
)
from localstack_aws_rules.settings import fail_on_demand

SUBJECTS = (
    profiles,
    tokens,
    pages,
    placement,
    instances,
    volumes,
    ipv6,
    interfaces,
    gateways,
    propagation,
    groups,
    dependencies,
)


def service() -> Service:
    groups.correct_moto()
    interfaces.correct_moto()
    ipv6.correct_moto()
    tags.correct_moto()
    provider = Ec2Provider()
    model = load_service("ec2")
    table = MotoFallbackDispatcher(provider)
    for subject in reversed(SUBJECTS):
        rules = subject.rules(model) if hasattr(subject, "rules") else subject.RULES
        for operation, rule in rules.items():
            table[operation] = partial(rule, table[operation])
    for operation in table:
        table[operation] = partial(refuse, table[operation])
    answer = Service("ec2", skeleton=Skeleton(model, table), lifecycle_hook=provider)
    answer._provider = provider
    return answer


def refuse(inner: Callable, context, request):
    """Faults that a test chose, what every operation asks for, and moto's errors as the API's."""
    fail_on_demand(context.account_id, "ec2", context.operation.name)
    for member in context.operation.input_shape.required_members if context.operation.input_shape else ():
        if request.get(member) is None:
            raise common.error("MissingParameter", f"The request must contain the parameter {member}")
    try:
        return serve(inner, context, request)
    except RESTError as refused:
        raise common.error(refused.error_type, refused.message, refused.code) from refused
