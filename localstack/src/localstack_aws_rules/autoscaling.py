"""Application Auto Scaling, which grows the storage of MSK's brokers: moto's, with AWS's answer for what is not there.

LocalStack's free edition has moto's backend aboard but serves no such API.
"""

from localstack.aws.api import CommonServiceException
from localstack.aws.skeleton import Skeleton
from localstack.aws.spec import load_service
from localstack.services.moto import call_moto
from localstack.services.plugins import Service
from moto.applicationautoscaling.models import FakeApplicationAutoscalingPolicy, applicationautoscaling_backends

API = "application-autoscaling"


def service() -> Service:
    model = load_service(API)
    return Service(API, skeleton=Skeleton(model, {**dict.fromkeys(model.operation_names, call), **RULES}))


def call(context, request):
    return call_moto(context)


def put_scaling_policy(context, request):
    check_target(context, request)
    return call(context, request)


def delete_scaling_policy(context, request):
    if policy_key(request, request["PolicyName"]) not in backend(context).policies:
        raise not_found("scaling policy", request)
    return call(context, request)


def deregister_scalable_target(context, request):
    """The target's policies go with it."""
    check_target(context, request)
    answer = call(context, request)
    policies = backend(context).policies
    for name in [policy.policy_name for policy in policies.values()]:
        policies.pop(policy_key(request, name), None)
    return answer


def backend(context):
    """moto's state of the account and region."""
    return applicationautoscaling_backends[context.account_id][context.region]


def policy_key(request, name: str) -> str:
    return FakeApplicationAutoscalingPolicy.formulate_key(
        request["ServiceNamespace"], request["ResourceId"], request["ScalableDimension"], name
    )


def check_target(context, request) -> None:
    targets = backend(context).targets.get(request["ScalableDimension"]) or {}
    if request["ResourceId"] not in targets:
        raise not_found("scalable target", request)


def not_found(what: str, request) -> CommonServiceException:
    """The code of every operation that needs or deletes what is not there; moto's is ValidationException."""
    named = ", ".join(f"{name}: {request[name]}" for name in ("ServiceNamespace", "ResourceId", "ScalableDimension"))
    return CommonServiceException("ObjectNotFoundException", f"No {what} found for {named}")


RULES = {
    "PutScalingPolicy": put_scaling_policy,
    "DeleteScalingPolicy": delete_scaling_policy,
    "DeregisterScalableTarget": deregister_scalable_target,
}
