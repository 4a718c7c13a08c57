"""MSK, the whole of it here: LocalStack's free edition has no `kafka` service.

Each subject module holds a dict OPERATIONS from the API's operation to a function
`operation(context, request)` that gives the answer in the shape of the API.
"""

from functools import partial

from localstack.aws.skeleton import Skeleton
from localstack.aws.spec import load_service
from localstack.services.plugins import Service

from localstack_aws_rules.clock import serve
from localstack_aws_rules.kafka import (
    clusters,
    configurations,
    connections,
    nodes,
    operations,
    security,
    topics,
    updates,
    versions,
)
from localstack_aws_rules.kafka.store import bad_request
from localstack_aws_rules.settings import fail_on_demand

SUBJECTS = (clusters, configurations, connections, nodes, operations, security, topics, updates, versions)


def service() -> Service:
    table = {
        operation: partial(refuse, handler) for subject in SUBJECTS for operation, handler in subject.OPERATIONS.items()
    }
    return Service("kafka", skeleton=Skeleton(load_service("kafka"), table))


def refuse(handler, context, request):
    """Faults that a test chose, and what every operation asks for, then the call itself."""
    fail_on_demand(context.account_id, "kafka", context.operation.name)
    for member in context.operation.input_shape.required_members:
        if request.get(member) is None:
            raise bad_request(f"The request must contain the parameter {member}.")
    return serve(handler, context, request)
