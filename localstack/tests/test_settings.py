"""Times and faults that a test chooses while the sandbox runs."""

import time
import urllib.error

import pytest
from conftest import Aws, refused


def test_a_fault_is_taken_as_often_as_it_says(aws):
    fault = {"service": "ec2", "operation": "DescribeVp*", "error": "RequestLimitExceeded", "status": 503, "count": 2}
    aws.choose(faults=[fault])
    for _ in range(2):
        refused("RequestLimitExceeded", aws.ec2.describe_vpcs)
    aws.ec2.describe_vpcs()


def test_a_fault_is_for_its_account_only(aws, endpoint):
    aws.choose(faults=[{"service": "ec2", "operation": "*", "error": "Unavailable", "status": 503}])
    Aws(endpoint).ec2.describe_vpcs()
    refused("Unavailable", aws.ec2.describe_vpcs)


def test_a_fault_slows_a_call(aws):
    aws.ec2.describe_vpcs()
    aws.choose(faults=[{"service": "ec2", "operation": "DescribeVpcs", "delay": 0.5}])
    before = time.monotonic()
    aws.ec2.describe_vpcs()
    assert time.monotonic() - before >= 0.5


def test_a_time_of_zero_is_at_once(aws):
    assert aws.choose(times={"instance_start": 0})["times"]["instance_start"] == 0
    instance = aws.run()
    assert aws.instance(instance["InstanceId"])["State"]["Name"] == "running"


@pytest.mark.parametrize("wanted", [{"times": {"lunch": 1}}, {"faults": [{"service": "ec2"}]}])
def test_what_is_unknown_is_refused(aws, wanted):
    with pytest.raises(urllib.error.HTTPError) as caught:
        aws.choose(**wanted)
    assert caught.value.code == 400
