"""CloudWatch Logs: LocalStack's, with AWS's rules for log groups.

LocalStack keeps the tags of a group that was deleted for the next one of its name, drops those that a group without any
is given, lists everything at once, takes whatever number of days, and knows no change of a key.
"""

from base64 import b64decode, b64encode

from localstack.aws.api import handler
from localstack.aws.api.logs import (
    DescribeLogGroupsResponse,
    InvalidParameterException,
    ResourceNotFoundException,
)
from localstack.services.logs.models import get_moto_logs_backend, logs_stores
from localstack.services.logs.provider import LogsProvider
from localstack.services.moto import MotoFallbackDispatcher, call_moto
from localstack.services.plugins import Service

from localstack_aws_rules.settings import fail_on_demand

#: Source: CloudWatch Logs API reference, PutRetentionPolicy and DescribeLogGroups, 2026.
DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
MOST_LISTED = 50
IN_ARN = ":log-group:"


def service() -> Service:
    answer = Service.for_provider(Provider(), dispatch_table_factory=MotoFallbackDispatcher)
    dispatch = answer.skeleton.dispatch_table

    def refuse(inner):
        def call(context, request):
            fail_on_demand(context.account_id, "logs", context.operation.name)
            return inner(context, request)

        return call

    for operation in list(dispatch):
        dispatch[operation] = refuse(dispatch[operation])
    return answer


def group_of(context, name: str):
    """The group `name`, or AWS's answer where there is none."""
    groups = get_moto_logs_backend(context.account_id, context.region).groups
    if name not in groups:
        raise ResourceNotFoundException("The specified log group does not exist.")
    return groups[name]


def check_key(key: str | None) -> None:
    if key and not (key.startswith("arn:") and ":key/" in key):
        raise InvalidParameterException(f"The ARN of a KMS key is needed, and this is none: {key}")


class Provider(LogsProvider):
    def create_log_group(self, context, log_group_name, kms_key_id=None, tags=None, **kwargs):
        check_key(kms_key_id)
        super().create_log_group(context, log_group_name, kms_key_id, tags, **kwargs)
        group_of(context, log_group_name).kms_key_id = kms_key_id

    def delete_log_group(self, context, log_group_name, **kwargs):
        arn = group_of(context, log_group_name).arn
        call_moto(context)
        logs_stores[context.account_id][context.region].TAGS.pop(arn, None)

    @handler("DescribeLogGroups", expand=False)
    def describe_log_groups(self, context, request):
        most = request.get("limit") or MOST_LISTED
        if not 1 <= most <= MOST_LISTED:
            raise InvalidParameterException(f"limit is {most}: it must be from 1 to {MOST_LISTED}")
        listed = super().describe_log_groups(context, request)["logGroups"]
        start = int(b64decode(request["nextToken"])) if request.get("nextToken") else 0
        page = DescribeLogGroupsResponse(logGroups=listed[start : start + most])
        if start + most < len(listed):
            page["nextToken"] = b64encode(str(start + most).encode()).decode()
        return page

    def put_retention_policy(self, context, log_group_name, retention_in_days, **kwargs):
        if retention_in_days not in DAYS:
            raise InvalidParameterException(f"{retention_in_days} is none of the days that there are: {DAYS}")
        group_of(context, log_group_name).set_retention_policy(retention_in_days)

    def associate_kms_key(self, context, kms_key_id, log_group_name=None, **kwargs):
        check_key(kms_key_id)
        group_of(context, log_group_name).kms_key_id = kms_key_id

    def disassociate_kms_key(self, context, log_group_name=None, **kwargs):
        group_of(context, log_group_name).kms_key_id = None

    def list_tags_for_resource(self, context, resource_arn, **kwargs):
        tagged(context, resource_arn)
        return super().list_tags_for_resource(context, resource_arn, **kwargs)

    def tag_resource(self, context, resource_arn, tags, **kwargs):
        tagged(context, resource_arn)
        logs_stores[context.account_id][context.region].TAGS.setdefault(resource_arn, {}).update(tags or {})

    def untag_resource(self, context, resource_arn, tag_keys, **kwargs):
        tagged(context, resource_arn)
        super().untag_resource(context, resource_arn, tag_keys, **kwargs)


def tagged(context, arn: str) -> None:
    """Refuses the ARN of a log group that is not there, or one that ends as those of its streams do."""
    _, found, name = arn.partition(IN_ARN)
    if found and name.endswith(":*"):
        raise InvalidParameterException("The ARN of a log group without `:*` at its end is needed.")
    if found:
        group_of(context, name)
