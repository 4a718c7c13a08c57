"""Parameter Store: LocalStack's own, one call at a time.

moto lists the names of a path and then looks each up, so that a parameter which another call deletes between is an error
(InvalidResourceId) that AWS does not have.
"""

from functools import partial

from localstack.aws.skeleton import Skeleton
from localstack.aws.spec import load_service
from localstack.services.moto import MotoFallbackDispatcher
from localstack.services.plugins import Service
from localstack.services.ssm.provider import SsmProvider

from localstack_aws_rules.clock import serve

API = "ssm"


def service() -> Service:
    table = MotoFallbackDispatcher(SsmProvider())
    for operation in table:
        table[operation] = partial(serve, table[operation])
    return Service(API, skeleton=Skeleton(load_service(API), table))
