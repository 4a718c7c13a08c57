"""Application Auto Scaling, which grows the storage of MSK's brokers: moto's, as it is.

LocalStack's free edition has moto's backend aboard but serves no such API.
"""

from localstack.aws.skeleton import Skeleton
from localstack.aws.spec import load_service
from localstack.services.moto import call_moto
from localstack.services.plugins import Service

API = "application-autoscaling"


def service() -> Service:
    model = load_service(API)
    return Service(API, skeleton=Skeleton(model, dict.fromkeys(model.operation_names, answer)))


def answer(context, request):
    return call_moto(context)
