"""Parameter Store: LocalStack's own, with the rules of AWS that secrets depend on.

moto takes values of any length and keys that do not exist, and shows who does not ask for decryption the plain text.
"""

import hashlib
from base64 import b64encode
from functools import partial

from localstack.aws.api import CommonServiceException
from localstack.aws.skeleton import Skeleton
from localstack.aws.spec import load_service
from localstack.services.kms.provider import KmsProvider
from localstack.services.moto import MotoFallbackDispatcher
from localstack.services.plugins import Service
from localstack.services.ssm.provider import SsmProvider

from localstack_aws_rules.clock import serve
from localstack_aws_rules.settings import fail_on_demand

#: Source: "AWS Systems Manager endpoints and quotas", 2026: the value of a parameter of the standard tier, in bytes.
LONGEST = 4096


def service() -> Service:
    provider = SsmProvider()
    model = load_service("ssm")
    table = MotoFallbackDispatcher(provider)
    for operation, rule in RULES.items():
        table[operation] = partial(rule, table[operation])
    for operation in table:
        table[operation] = partial(refuse, table[operation])
    answer = Service("ssm", skeleton=Skeleton(model, table))
    answer._provider = provider
    return answer


def refuse(inner, context, request):
    """Faults that a test chose; one call at a time, since moto's listing fails when another call deletes what it lists."""
    fail_on_demand(context.account_id, "ssm", context.operation.name)
    return serve(inner, context, request)


def invalid(message: str) -> CommonServiceException:
    return CommonServiceException("ValidationException", message)


def put_parameter(inner, context, request):
    if request.get("Tags") and request.get("Overwrite"):
        raise invalid(
            "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove "
            "overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or "
            "RemoveTagsFromResource."
        )
    if request.get("Tier", "Standard") == "Standard" and len(request.get("Value", "").encode()) > LONGEST:
        raise invalid(
            f"Standard tier parameters support a maximum parameter value of {LONGEST} characters. To create a larger "
            "parameter value, upgrade the parameter to use the advanced-parameter tier."
        )
    key = request.get("KeyId")
    if key and request.get("Type") == "SecureString":
        check_key(context, key)
    return inner(context, request)


def check_key(context, key: str) -> None:
    """Systems Manager encrypts with a key that is there and enabled."""
    try:
        KmsProvider._get_kms_key(context.account_id, context.region, key)
    except CommonServiceException as refused:
        raise CommonServiceException("InvalidKeyId", refused.message) from refused
    except Exception as refused:
        raise CommonServiceException("InvalidKeyId", str(refused)) from refused


def get_parameter(inner, context, request):
    answer = inner(context, request)
    hide(request, [answer["Parameter"]])
    return answer


def get_parameters(inner, context, request):
    answer = inner(context, request)
    hide(request, answer["Parameters"])
    return answer


def hide(request, parameters: list) -> None:
    """Who does not ask for decryption gets what a key made of the text."""
    if request.get("WithDecryption"):
        return
    for parameter in parameters:
        if parameter.get("Type") == "SecureString":
            name, version = parameter["Name"], parameter.get("Version")
            secret = hashlib.sha512(f"{name} {version} {parameter['Value']}".encode()).digest()
            parameter["Value"] = "AQICAHh" + b64encode(secret).decode()


RULES = {
    "PutParameter": put_parameter,
    "GetParameter": get_parameter,
    "GetParameters": get_parameters,
    "GetParametersByPath": get_parameters,
    "GetParameterHistory": get_parameters,
}
