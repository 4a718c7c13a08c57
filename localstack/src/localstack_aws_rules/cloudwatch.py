"""CloudWatch: LocalStack's, with AWS's rules for alarms and dashboards.

LocalStack drops an alarm's tags, forgets its state when it is changed, lists everything at once, takes whatever
text as a dashboard, and keeps it in one region. Alarms are not evaluated here: their states are those that
SetAlarmState gives them.
"""

import json
from base64 import b64decode, b64encode
from contextlib import suppress
from copy import copy

from botocore.exceptions import ClientError
from localstack.aws.api import CommonServiceException, handler
from localstack.aws.api.cloudwatch import DashboardInvalidInputError, DashboardNotFoundError, DescribeAlarmsOutput
from localstack.services.cloudwatch.alarm_scheduler import AlarmScheduler
from localstack.services.cloudwatch.provider_v2 import CloudwatchProvider
from localstack.services.plugins import Service

from localstack_aws_rules.settings import fail_on_demand

#: Source: CloudWatch API reference, DescribeAlarms and DeleteAlarms, 2026.
MOST_LISTED, MOST_DELETED = 100, 100
#: Source: CloudWatch API reference, PutMetricAlarm, 2026: one day, or with periods of an hour seven.
LONGEST, LONGEST_OF_HOURS = 86_400, 604_800
#: Source: CloudWatch user guide, "CloudWatch service quotas", and its API reference, "Dashboard body", 2026.
MOST_WIDGETS, MOST_LINES, MOST_LINES_IN_ALL = 500, 500, 2500
#: Where LocalStack is to keep the dashboards of an account, which AWS keeps in no region.
OF_ACCOUNT = "us-east-1"
STATE = ("StateValue", "StateReason", "StateReasonData", "StateUpdatedTimestamp", "StateTransitionedTimestamp")


def service() -> Service:
    AlarmScheduler.schedule_metric_alarm = lambda *_: None
    AlarmScheduler.delete_scheduler_for_alarm = lambda *_: None
    provider = Provider()
    answer = Service.for_provider(provider)
    dispatch = answer.skeleton.dispatch_table

    def refuse(inner):
        def call(context, request):
            fail_on_demand(context.account_id, "cloudwatch", context.operation.name)
            return inner(context, request)

        return call

    for operation in list(dispatch):
        dispatch[operation] = refuse(dispatch[operation])
    return answer


def invalid(message: str) -> CommonServiceException:
    return CommonServiceException("ValidationError", message)


class Provider(CloudwatchProvider):
    @handler("PutMetricAlarm", expand=False)
    def put_metric_alarm(self, context, request):
        check(context, request)
        store = self.get_store(context.account_id, context.region)
        name = request["AlarmName"]
        old = next((one for one in store.alarms.values() if one.alarm["AlarmName"] == name), None)
        if old is not None and "AlarmRule" in old.alarm:
            raise invalid(f"A composite alarm has the name {name}")
        tags = request.pop("Tags", None) or []
        super().put_metric_alarm(context, request)
        new = next(one for one in store.alarms.values() if one.alarm["AlarmName"] == name)
        if old is None:
            store.TAGS.tag_resource(new.alarm["AlarmArn"], tags)
        else:
            new.alarm.update({key: old.alarm[key] for key in STATE if key in old.alarm})

    def describe_alarms(self, context, alarm_types=None, max_records=None, next_token=None, **kwargs):
        if max_records is not None and not 1 <= max_records <= MOST_LISTED:
            raise invalid(f"MaxRecords is {max_records}: it must be from 1 to {MOST_LISTED}")
        answer = super().describe_alarms(context, **kwargs)
        types = alarm_types or ["MetricAlarm"]
        both = [("CompositeAlarms", "CompositeAlarm"), ("MetricAlarms", "MetricAlarm")]
        all_of_it = [(key, one) for key, kind in both if kind in types for one in answer[key]]
        all_of_it.sort(key=lambda pair: pair[1]["AlarmName"])
        start = int(b64decode(next_token)) if next_token else 0
        end = start + (max_records or 50)
        page = DescribeAlarmsOutput(CompositeAlarms=[], MetricAlarms=[])
        for key, one in all_of_it[start:end]:
            page[key].append(one)
        if end < len(all_of_it):
            page["NextToken"] = b64encode(str(end).encode()).decode()
        return page

    def set_alarm_state(self, context, alarm_name, state_value, state_reason, **kwargs):
        """What an alarm's topic answers is no answer to the caller."""
        with suppress(ClientError):
            super().set_alarm_state(context, alarm_name, state_value, state_reason, **kwargs)

    def delete_alarms(self, context, alarm_names, **kwargs):
        if len(alarm_names) > MOST_DELETED:
            raise invalid(f"{len(alarm_names)} names are too many: at most {MOST_DELETED} alarms are deleted in a call")
        store = self.get_store(context.account_id, context.region)
        known = {one.alarm["AlarmName"] for one in store.alarms.values()}
        super().delete_alarms(context, alarm_names, **kwargs)
        missing = [name for name in alarm_names if name not in known]
        if missing:
            raise CommonServiceException("ResourceNotFound", f"no such alarm: {missing[0]}", status_code=404)

    def put_dashboard(self, context, dashboard_name, dashboard_body, **kwargs):
        wrong = problems(dashboard_body)
        if wrong:
            messages = [{"DataPath": path, "Message": message} for path, message in wrong]
            text = "The field DashboardBody must be a valid JSON object"
            raise DashboardInvalidInputError(text, dashboardValidationMessages=messages)
        return super().put_dashboard(of_account(context), dashboard_name, dashboard_body, **kwargs)

    def get_dashboard(self, context, dashboard_name, **kwargs):
        self.dashboards(context, [dashboard_name])
        return super().get_dashboard(of_account(context), dashboard_name, **kwargs)

    def delete_dashboards(self, context, dashboard_names, **kwargs):
        self.dashboards(context, dashboard_names)
        return super().delete_dashboards(of_account(context), dashboard_names, **kwargs)

    def list_dashboards(self, context, *args, **kwargs):
        return super().list_dashboards(of_account(context), *args, **kwargs)

    def dashboards(self, context, names) -> None:
        """Refuses where one of them is not there."""
        there = self.get_store(context.account_id, OF_ACCOUNT).dashboards
        missing = [name for name in names if name not in there]
        if missing:
            raise DashboardNotFoundError(f"Dashboard {missing[0]} does not exist")


def of_account(context):
    """Dashboards are an account's, and seen from all of its regions."""
    context = copy(context)
    context.region = OF_ACCOUNT
    return context


def check(context, request) -> None:
    name = request["AlarmName"]
    if not 1 <= len(name) <= 255:
        raise invalid(f"An alarm's name has 1 to 255 characters, and this one {len(name)}")
    if len(request.get("AlarmDescription") or "") > 1024:
        raise invalid("An alarm's description has at most 1024 characters")
    if not request.get("EvaluationPeriods") or not request.get("ComparisonOperator"):
        raise invalid("EvaluationPeriods and ComparisonOperator are needed")
    if request.get("DatapointsToAlarm", 1) > request["EvaluationPeriods"]:
        raise invalid("DatapointsToAlarm is greater than EvaluationPeriods")
    if bool(request.get("MetricName")) == bool(request.get("Metrics")):
        raise invalid("Either MetricName or Metrics is needed, and not both")
    if request.get("Metrics") and sum(one.get("ReturnData", True) for one in request["Metrics"]) != 1:
        raise invalid("Exactly one element of the metrics list should return data")
    stats = [one["MetricStat"]["Period"] for one in request.get("Metrics") or [] if "MetricStat" in one]
    period = max([request.get("Period") or 0, *stats])
    if period * request["EvaluationPeriods"] > (LONGEST_OF_HOURS if period >= 3600 else LONGEST):
        raise invalid("Metrics can't be checked across more than a day")
    for kind in ("AlarmActions", "OKActions", "InsufficientDataActions"):
        for action in request.get(kind) or []:
            parts = action.split(":")
            if len(parts) < 6:
                raise invalid(f"Invalid arn syntax: {action}")
            if parts[2] == "sns" and parts[3] != context.region:
                raise invalid(f"Invalid region {parts[3]} specified. Only {context.region} is supported.")


def problems(body: str) -> list[tuple[str, str]]:
    """What AWS would say of a dashboard, each with where. Source: CloudWatch API reference, "Dashboard body"."""
    try:
        read = json.loads(body)
    except ValueError as wrong:
        return [("", str(wrong))]
    if not isinstance(read, dict) or not isinstance(read.get("widgets"), list):
        return [("", "Should have required property 'widgets'")]
    out = []
    if len(read["widgets"]) > MOST_WIDGETS:
        out.append(("/widgets", f"Should have at most {MOST_WIDGETS} items"))
    lines = 0
    for number, widget in enumerate(read["widgets"]):
        out += [(f"/widgets/{number}{path}", message) for path, message in of_widget(widget)]
        if not out and widget["type"] == "metric":
            lines += len(widget["properties"].get("metrics", []))
    if lines > MOST_LINES_IN_ALL:
        out.append(("/widgets", f"Should have at most {MOST_LINES_IN_ALL} metrics"))
    return out


def of_widget(widget):
    if not isinstance(widget, dict) or widget.get("type") not in ("metric", "text", "log", "alarm", "explorer"):
        yield "/type", "Should be equal to one of the allowed values"
        return
    properties = widget.get("properties")
    if not isinstance(properties, dict):
        yield "", "Should have required property 'properties'"
        return
    for key, least, most in (("x", 0, 23), ("y", 0, None), ("width", 1, 24), ("height", 1, 1000)):
        value = widget.get(key, least)
        if not isinstance(value, int) or value < least or (most is not None and value > most):
            yield f"/{key}", f"Should be a whole number from {least} to {most}"
    needed = {"metric": "region", "text": "markdown", "alarm": "alarms"}.get(widget["type"])
    if needed and needed not in properties:
        yield "/properties", f"Should have required property '{needed}'"
    elif widget["type"] == "alarm":
        if not 1 <= len(properties["alarms"]) <= 100:
            yield "/properties/alarms", "Should have 1 to 100 items"
        for number, arn in enumerate(properties["alarms"]):
            if len(arn.split(":", 6)) < 7 or ":alarm:" not in arn:
                yield f"/properties/alarms/{number}", "Should be the ARN of an alarm"
    elif widget["type"] == "metric":
        yield from of_graph(properties)


def of_graph(properties):
    lines = properties.get("metrics")
    if lines is None and "annotations" not in properties:
        yield "/properties", "Should have required property 'metrics'"
        return
    if len(lines or []) > MOST_LINES:
        yield "/properties/metrics", f"Should have at most {MOST_LINES} items"
    period = properties.get("period", 300)
    if period not in (1, 5, 10, 30) and (not isinstance(period, int) or period < 60 or period % 60):
        yield "/properties/period", "Should be 1, 5, 10, 30 or a multiple of 60"
    for number, line in enumerate(lines or []):
        words = [word for word in line if isinstance(word, str)] if isinstance(line, list) else []
        how = line[-1] if isinstance(line, list) and line and isinstance(line[-1], dict) else {}
        expression = not words and "expression" in how
        if not expression and (len(words) < 2 or len(words) % 2):
            yield f"/properties/metrics/{number}", "Invalid metric field type, or a dimension without its value"
