"""Volumes: gp3's defaults, limits, zones, and modifications."""

import pytest
from conftest import refused, until


def gp3(aws, **parameters) -> str:
    defaults = {"AvailabilityZone": "us-east-1a", "Size": 100, "VolumeType": "gp3"}
    return aws.ec2.create_volume(**{**defaults, **parameters})["VolumeId"]


def modification(aws, volume: str) -> dict:
    return aws.ec2.describe_volumes_modifications(VolumeIds=[volume])["VolumesModifications"][0]


def test_gp3_has_its_defaults(aws):
    volume = aws.volume(gp3(aws))
    assert (volume["Iops"], volume["Throughput"]) == (3000, 125)


@pytest.mark.parametrize(
    "parameters",
    [
        {"Size": 65537},
        {"Iops": 2999},
        {"Size": 10, "Iops": 5001},
        {"Throughput": 124},
        {"Throughput": 751},
        {"VolumeType": "st1", "Size": 124},
        {"VolumeType": "gp9"},
    ],
    ids=str,
)
def test_limits_of_the_volume_type(aws, parameters):
    refused("InvalidParameterValue", gp3, aws=aws, **parameters)


@pytest.mark.parametrize("parameters", [{"Size": 10, "Iops": 5000}, {"Throughput": 750}, {"Size": 1}], ids=str)
def test_what_is_just_within_the_limits(aws, parameters):
    assert gp3(aws, **parameters)


def test_a_zone_that_is_not_there(aws):
    refused("InvalidZone.NotFound", gp3, aws=aws, AvailabilityZone="us-east-1q")


def test_a_volume_is_creating_before_it_is_available(aws):
    aws.choose(times={"volume_create": 2, "instance_start": 0})
    volume, instance = gp3(aws), aws.run(SubnetId=aws.subnets[0])["InstanceId"]
    assert aws.volume(volume)["State"] == "creating"

    def with_status(status: str) -> list[str]:
        found = aws.ec2.describe_volumes(Filters=[{"Name": "status", "Values": [status]}])["Volumes"]
        return [v["VolumeId"] for v in found]

    assert (with_status("creating"), with_status("available")) == ([volume], [])
    refused("IncorrectState", aws.ec2.attach_volume, VolumeId=volume, InstanceId=instance, Device="/dev/sdf")
    until(lambda: aws.volume(volume), lambda v: v["State"] == "available")
    aws.ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device="/dev/sdf")


def test_a_volume_with_a_bad_key_goes_again_without_a_word(aws):
    key = aws.client("kms").create_key()["KeyMetadata"]["KeyId"]
    good = gp3(aws, Encrypted=True, KmsKeyId=key)
    bad = gp3(aws, Encrypted=True, KmsKeyId="12345678-1234-1234-1234-123456789012")

    def volumes() -> list[str]:
        return [v["VolumeId"] for v in aws.ec2.describe_volumes()["Volumes"]]

    assert set(volumes()) == {good, bad}
    until(volumes, lambda found: found == [good])
    assert aws.volume(good)["KmsKeyId"].endswith(key)


def test_a_modification_goes_through_its_states(aws):
    aws.choose(times={"volume_modify": 2, "volume_optimize": 2})
    volume = gp3(aws)
    answer = aws.ec2.modify_volume(VolumeId=volume, Size=200, Iops=4000, Throughput=250)["VolumeModification"]
    assert (answer["ModificationState"], answer["OriginalSize"], answer["TargetSize"]) == ("modifying", 100, 200)
    assert aws.volume(volume)["Size"] == 100
    refused("IncorrectModificationState", aws.ec2.modify_volume, VolumeId=volume, Size=300)
    until(lambda: modification(aws, volume), lambda m: m["ModificationState"] == "optimizing")
    changed = aws.volume(volume)
    assert (changed["Size"], changed["Iops"], changed["Throughput"]) == (200, 4000, 250)
    refused("IncorrectModificationState", aws.ec2.modify_volume, VolumeId=volume, Size=300)
    until(lambda: modification(aws, volume), lambda m: m["ModificationState"] == "completed")


def test_a_volume_never_shrinks(aws):
    refused("InvalidParameterValue", aws.ec2.modify_volume, VolumeId=gp3(aws), Size=99)


def test_a_modification_keeps_to_the_limits(aws):
    refused("InvalidParameterValue", aws.ec2.modify_volume, VolumeId=gp3(aws), Throughput=1000)


def test_four_modifications_in_a_day(aws):
    aws.choose(times={"volume_modify": 0, "volume_optimize": 0})
    volume = gp3(aws)
    for size in (101, 102, 103, 104):
        aws.ec2.modify_volume(VolumeId=volume, Size=size)
        assert aws.volume(volume)["Size"] == size
    refused("VolumeModificationRateExceeded", aws.ec2.modify_volume, VolumeId=volume, Size=105)
    aws.choose(times={"volume_modify_window": 0})
    aws.ec2.modify_volume(VolumeId=volume, Size=105)


@pytest.mark.parametrize(
    ("code", "parameters"),
    [
        ("InvalidParameterCombination", {"VolumeType": "st1", "Size": 125, "Iops": 3000}),
        ("InvalidParameterCombination", {"VolumeType": "st1", "Size": 125, "Throughput": 125}),
        ("InvalidParameterCombination", {"VolumeType": "io2", "Iops": 3000, "Throughput": 125}),
        ("MissingParameter", {"VolumeType": "io2"}),
    ],
)
def test_figures_that_a_type_does_not_have(aws, code, parameters):
    refused(code, gp3, aws=aws, **parameters)


def test_a_volume_changes_its_type(aws):
    volume = gp3(aws, Size=200)
    aws.ec2.modify_volume(VolumeId=volume, VolumeType="io2", Iops=5000)
    changed = until(lambda: aws.volume(volume), lambda v: v["VolumeType"] == "io2")
    assert (changed["Iops"], changed.get("Throughput")) == (5000, None)
    until(lambda: modification(aws, volume), lambda m: m["ModificationState"] == "completed")
    aws.ec2.modify_volume(VolumeId=volume, VolumeType="st1")
    changed = until(lambda: aws.volume(volume), lambda v: v["VolumeType"] == "st1")
    assert (changed.get("Iops"), changed.get("Throughput")) == (None, None)


def test_a_change_to_gp3_takes_gp3s_defaults(aws):
    volume = gp3(aws, VolumeType="gp2")
    aws.ec2.modify_volume(VolumeId=volume, VolumeType="gp3")
    changed = until(lambda: aws.volume(volume), lambda v: v["VolumeType"] == "gp3")
    assert (changed["Iops"], changed["Throughput"]) == (3000, 125)


def test_only_modified_volumes_have_modifications(aws):
    volume, other = gp3(aws), gp3(aws)
    aws.ec2.modify_volume(VolumeId=volume, Size=200)
    refused("InvalidVolumeModification.NotFound", modification, aws=aws, volume=other)
    filters = [{"Name": "volume-id", "Values": [volume]}]
    found = aws.ec2.describe_volumes_modifications(Filters=filters)["VolumesModifications"]
    assert [m["VolumeId"] for m in found] == [volume]


def test_a_volume_is_attached_once_and_in_its_zone(aws):
    aws.choose(times={"volume_create": 0, "instance_start": 3})
    here, there = gp3(aws), gp3(aws, AvailabilityZone="us-east-1b")
    instance = aws.run(SubnetId=aws.subnets[0])["InstanceId"]
    attach = aws.ec2.attach_volume
    refused("IncorrectState", attach, VolumeId=here, InstanceId=instance, Device="/dev/sdf")
    aws.wait_for_instance(instance)
    refused("InvalidVolume.ZoneMismatch", attach, VolumeId=there, InstanceId=instance, Device="/dev/sdf")
    attach(VolumeId=here, InstanceId=instance, Device="/dev/sdf")
    refused("VolumeInUse", attach, VolumeId=here, InstanceId=instance, Device="/dev/sdg")
    refused("VolumeInUse", aws.ec2.delete_volume, VolumeId=here)
    refused("InvalidParameterValue", attach, VolumeId=gp3(aws), InstanceId=instance, Device="/dev/sdf")


def test_volumes_are_found_by_type(aws):
    volume = gp3(aws)
    gp3(aws, VolumeType="gp2")
    found = aws.ec2.describe_volumes(Filters=[{"Name": "volume-type", "Values": ["gp3"]}])["Volumes"]
    assert [v["VolumeId"] for v in found] == [volume]
