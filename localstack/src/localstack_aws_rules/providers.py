"""The entry points by which LocalStack finds this package.

LocalStack imports this module when it starts, so each service is imported only when it is first
called.
"""

from localstack.runtime import hooks
from localstack.services.plugins import Service, aws_provider

NAME = "aws-rules"


@aws_provider(api="ec2", name=NAME)
def ec2() -> Service:
    from localstack_aws_rules.ec2 import service

    return service()


@aws_provider(api="kafka", name=NAME)
def kafka() -> Service:
    from localstack_aws_rules.kafka import service

    return service()


@aws_provider(api="application-autoscaling", name=NAME)
def application_autoscaling() -> Service:
    from localstack_aws_rules.autoscaling import service

    return service()


@aws_provider(api="ssm", name=NAME)
def ssm() -> Service:
    from localstack_aws_rules.ssm import service

    return service()


@aws_provider(api="route53", name=NAME)
def route53() -> Service:
    from localstack_aws_rules.route53 import service

    return service()


@aws_provider(api="cloudwatch", name=NAME)
def cloudwatch() -> Service:
    from localstack_aws_rules.cloudwatch import service

    return service()


@aws_provider(api="logs", name=NAME)
def logs() -> Service:
    from localstack_aws_rules.logs import service

    return service()


@hooks.on_infra_start()
def complete_models() -> None:
    from localstack.aws.spec import loader

    from localstack_aws_rules.kafka.model import NAME as kafka
    from localstack_aws_rules.kafka.model import PATCH

    loader.patches[kafka] = PATCH


@hooks.on_infra_start()
def serve_settings() -> None:
    from localstack.services.edge import ROUTER

    from localstack_aws_rules.settings import serve

    ROUTER.add("/_aws_rules/<account>", serve, methods=["GET", "PUT", "DELETE"])
    ROUTER.add("/_aws_rules/<account>/copy", copy_account, methods=["PUT"])


def copy_account(request, account: str):
    from localstack_aws_rules.copies import serve

    return serve(request, account)


@hooks.on_infra_start()
def load_services_whole() -> None:
    """LocalStack counts a service as loaded before its operations are there: a second call in that moment found none."""
    from localstack.aws.handlers.service_plugin import ServiceLoader

    require = ServiceLoader.require_service

    def one_at_a_time(self, chain, context, response):
        if context.service:
            with self.service_locks[context.service.service_name]:
                require(self, chain, context, response)

    ServiceLoader.require_service = one_at_a_time
