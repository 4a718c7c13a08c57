"""CloudWatch Logs: log groups with tags that go with them, pages, keys, and the days that there are."""

import pytest
from conftest import refused

KEY = "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012"


@pytest.fixture
def logs(aws):
    return aws.client("logs")


def arn_of(logs, name: str) -> str:
    (one,) = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return one["logGroupArn"]


def test_tags_are_given_changed_and_go_with_their_group(logs):
    logs.create_log_group(logGroupName="/a/b", tags={"one": "1"})
    arn = arn_of(logs, "/a/b")
    logs.tag_resource(resourceArn=arn, tags={"two": "2"})
    logs.untag_resource(resourceArn=arn, tagKeys=["one"])
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"two": "2"}
    refused("InvalidParameterException", logs.list_tags_for_resource, resourceArn=f"{arn}:*")
    refused("ResourceAlreadyExistsException", logs.create_log_group, logGroupName="/a/b")
    logs.delete_log_group(logGroupName="/a/b")
    refused("ResourceNotFoundException", logs.list_tags_for_resource, resourceArn=arn)
    refused("ResourceNotFoundException", logs.delete_log_group, logGroupName="/a/b")
    logs.create_log_group(logGroupName="/a/b")
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {}
    logs.tag_resource(resourceArn=arn, tags={"three": "3"})
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"three": "3"}


def test_log_groups_are_listed_in_pages(logs):
    for number in range(51):
        logs.create_log_group(logGroupName=f"/a/{number:02}")
    logs.create_log_group(logGroupName="/b/1")
    pages = list(logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix="/a/"))
    assert [len(page["logGroups"]) for page in pages] == [50, 1]


def test_retention_is_one_of_the_days_that_there_are_and_keys_come_and_go(logs):
    logs.create_log_group(logGroupName="/a/b", kmsKeyId=KEY)
    (one,) = logs.describe_log_groups(logGroupNamePrefix="/a/b")["logGroups"]
    assert (one["kmsKeyId"], one.get("retentionInDays")) == (KEY, None)
    refused("InvalidParameterException", logs.put_retention_policy, logGroupName="/a/b", retentionInDays=31)
    refused("InvalidParameterException", logs.associate_kms_key, logGroupName="/a/b", kmsKeyId="alias/logs")
    logs.put_retention_policy(logGroupName="/a/b", retentionInDays=30)
    logs.disassociate_kms_key(logGroupName="/a/b")
    (one,) = logs.describe_log_groups(logGroupNamePrefix="/a/b")["logGroups"]
    assert (one.get("kmsKeyId"), one["retentionInDays"]) == (None, 30)
    logs.associate_kms_key(logGroupName="/a/b", kmsKeyId=KEY)
    (one,) = logs.describe_log_groups(logGroupNamePrefix="/a/b")["logGroups"]
    assert one["kmsKeyId"] == KEY
