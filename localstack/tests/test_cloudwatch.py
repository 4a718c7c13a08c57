"""CloudWatch: alarms keep their tags and their state, lists have pages, and what AWS refuses is refused."""

import json

import pytest
from botocore.exceptions import ClientError
from conftest import refused

TOPIC = "arn:aws:sns:us-east-1:123456789012:oncall"


@pytest.fixture
def cloudwatch(aws):
    return aws.client("cloudwatch")


def alarm(name: str = "a/b/c", **more) -> dict:
    return {
        "AlarmName": name,
        "Namespace": "AWS/EC2",
        "MetricName": "CPUUtilization",
        "Statistic": "Average",
        "Period": 300,
        "EvaluationPeriods": 3,
        "Threshold": 80.0,
        "ComparisonOperator": "GreaterThanThreshold",
        **more,
    }


def test_tags_and_the_state_are_those_of_the_creation_and_stay(cloudwatch):
    cloudwatch.put_metric_alarm(**alarm(Tags=[{"Key": "one", "Value": "1"}]))
    cloudwatch.set_alarm_state(AlarmName="a/b/c", StateValue="OK", StateReason="a test")
    cloudwatch.put_metric_alarm(**alarm(Threshold=90.0, Tags=[{"Key": "two", "Value": "2"}]))
    (one,) = cloudwatch.describe_alarms(AlarmNamePrefix="a/b/")["MetricAlarms"]
    assert (one["Threshold"], one["StateValue"]) == (90.0, "OK")
    tags = cloudwatch.list_tags_for_resource(ResourceARN=one["AlarmArn"])["Tags"]
    assert tags == [{"Key": "one", "Value": "1"}]


def test_alarms_are_listed_in_pages_and_deleted_at_once(cloudwatch):
    names = [f"a/{number:03}" for number in range(101)]
    for name in names:
        cloudwatch.put_metric_alarm(**alarm(name))
    pages = list(cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix="a/", MaxRecords=100))
    assert [len(page["MetricAlarms"]) for page in pages] == [100, 1]
    assert len(cloudwatch.describe_alarms(AlarmNamePrefix="a/")["MetricAlarms"]) == 50
    refused("ValidationError", cloudwatch.delete_alarms, AlarmNames=names)
    cloudwatch.delete_alarms(AlarmNames=names[:100])
    # Those that are there go, whatever is not.
    refused("ResourceNotFound", cloudwatch.delete_alarms, AlarmNames=names[99:])
    assert cloudwatch.describe_alarms()["MetricAlarms"] == []


def test_what_aws_refuses_is_refused(cloudwatch):
    elsewhere = TOPIC.replace("us-east-1", "eu-west-1")
    for more in (
        {"AlarmActions": [elsewhere]},
        {"OKActions": ["oncall"]},
        {"EvaluationPeriods": 300},
        {"DatapointsToAlarm": 4},
        {"AlarmDescription": "x" * 1025},
    ):
        refused("ValidationError", cloudwatch.put_metric_alarm, **alarm(**more))
    cloudwatch.put_metric_alarm(**alarm(AlarmActions=[TOPIC]))


def test_a_dashboard_is_json_that_has_the_right_shape(cloudwatch):
    def put(body):
        return {"DashboardName": "d", "DashboardBody": body if isinstance(body, str) else json.dumps(body)}

    def graph(**more):
        return {"type": "metric", "properties": {"region": "us-east-1", "metrics": [["a", "b"]], **more}}

    for body in (
        "no JSON",
        "[]",
        {"widgets": [{"type": "gauge", "properties": {}}]},
        {"widgets": [{"type": "text", "x": 24, "properties": {"markdown": "x"}}]},
        {"widgets": [{"type": "alarm", "properties": {"alarms": ["mine"]}}]},
        {"widgets": [graph(metrics=[["a", "b", "InstanceId"]])]},
        {"widgets": [graph(period=90)]},
        {"widgets": [graph(metrics=[["a", "b"]] * 501)]},
        {"widgets": [graph(metrics=[["a", "b"]] * 500)] * 6},
    ):
        refused("InvalidParameterInput", cloudwatch.put_dashboard, **put(body))
    with pytest.raises(ClientError) as wrong:
        cloudwatch.put_dashboard(**put({"widgets": [{"type": "gauge", "properties": {}}]}))
    messages = wrong.value.response.get("dashboardValidationMessages")
    assert messages == [{"DataPath": "/widgets/0/type", "Message": "Should be equal to one of the allowed values"}]
    widget = {"type": "text", "width": 24, "height": 2, "properties": {"markdown": "# Well"}}
    sum_of_two = graph(metrics=[["a", "b", {"id": "m1", "visible": False}], [{"expression": "m1 * 2", "id": "e1"}]])
    cloudwatch.put_dashboard(**put({"widgets": [widget, sum_of_two]}))


def test_a_dashboard_is_the_accounts_and_of_no_region(aws, cloudwatch):
    refused("ResourceNotFound", cloudwatch.get_dashboard, DashboardName="a-1")
    cloudwatch.put_dashboard(DashboardName="a-1", DashboardBody='{"widgets": []}')
    far = aws.client("cloudwatch", "eu-west-1")
    assert far.get_dashboard(DashboardName="a-1")["DashboardBody"] == '{"widgets": []}'
    listed = far.list_dashboards(DashboardNamePrefix="a-")["DashboardEntries"]
    assert [one["DashboardName"] for one in listed] == ["a-1"]
    # All or none: a name that is not there keeps the others.
    refused("ResourceNotFound", far.delete_dashboards, DashboardNames=["a-1", "a-2"])
    far.delete_dashboards(DashboardNames=["a-1"])
    assert far.list_dashboards()["DashboardEntries"] == []
