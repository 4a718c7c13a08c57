"""Application Auto Scaling: what is not there is not found, and what hangs on a target goes with it."""

import pytest
from conftest import refused

TARGET = {
    "ServiceNamespace": "kafka",
    "ResourceId": "arn:aws:kafka:us-east-1:000000000000:cluster/orders/6c0e7b1a-0d65-4b8f-9e0a-1f2d3c4b5a69-1",
    "ScalableDimension": "kafka:broker-storage:VolumeSize",
}
POLICY = {
    "PolicyName": "storage",
    "PolicyType": "TargetTrackingScaling",
    "TargetTrackingScalingPolicyConfiguration": {
        "TargetValue": 80.0,
        "PredefinedMetricSpecification": {"PredefinedMetricType": "KafkaBrokerStorageUtilization"},
        "DisableScaleIn": True,
    },
}


@pytest.fixture
def scaling(aws):
    return aws.client("application-autoscaling")


def policies(scaling) -> list:
    return scaling.describe_scaling_policies(ServiceNamespace="kafka")["ScalingPolicies"]


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("delete_scaling_policy", {**TARGET, "PolicyName": "storage"}),
        ("deregister_scalable_target", TARGET),
        ("put_scaling_policy", {**TARGET, **POLICY}),
    ],
)
def test_what_is_not_there_is_not_found(scaling, operation, parameters):
    refused("ObjectNotFoundException", getattr(scaling, operation), **parameters)


def test_what_was_deleted_is_not_found(scaling):
    scaling.register_scalable_target(**TARGET, MinCapacity=1, MaxCapacity=1000)
    scaling.put_scaling_policy(**TARGET, **POLICY)
    scaling.delete_scaling_policy(**TARGET, PolicyName="storage")
    refused("ObjectNotFoundException", scaling.delete_scaling_policy, **TARGET, PolicyName="storage")
    scaling.deregister_scalable_target(**TARGET)
    refused("ObjectNotFoundException", scaling.deregister_scalable_target, **TARGET)


def test_a_targets_policies_go_with_it(scaling):
    scaling.register_scalable_target(**TARGET, MinCapacity=1, MaxCapacity=1000)
    scaling.put_scaling_policy(**TARGET, **POLICY)
    assert len(policies(scaling)) == 1
    scaling.deregister_scalable_target(**TARGET)
    assert policies(scaling) == []
