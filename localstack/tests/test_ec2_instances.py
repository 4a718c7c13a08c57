"""Instances: how they start, and what is left when they go."""

import base64
import gzip
import time

import pytest
from conftest import refused


def own_interface(aws, **parameters) -> str:
    made = aws.ec2.create_network_interface(SubnetId=aws.subnets[1], Groups=[aws.group], **parameters)
    return made["NetworkInterface"]["NetworkInterfaceId"]


def on_interface(aws, interface: str, **parameters) -> dict:
    return aws.run(NetworkInterfaces=[{"DeviceIndex": 0, "NetworkInterfaceId": interface}], **parameters)


def test_an_instance_takes_place_address_and_groups_from_its_interface(aws):
    interface = own_interface(aws, PrivateIpAddress="10.0.1.10")
    instance = on_interface(aws, interface)
    assert instance["Placement"]["AvailabilityZone"] == "us-east-1b"
    assert instance["PrivateIpAddress"] == "10.0.1.10"
    assert instance["SubnetId"] == aws.subnets[1]
    assert [group["GroupId"] for group in instance["SecurityGroups"]] == [aws.group]
    root = instance["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    assert aws.volume(root)["AvailabilityZone"] == "us-east-1b"


def test_an_instance_is_pending_first_and_shutting_down_before_it_goes(aws):
    instance = aws.run()
    assert instance["State"]["Name"] == "pending"
    aws.wait_for_instance(instance["InstanceId"])
    change = aws.ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])["TerminatingInstances"][0]
    assert change["PreviousState"]["Name"] == "running"
    assert change["CurrentState"]["Name"] == "shutting-down"
    gone = aws.wait_for_instance(instance["InstanceId"], "terminated")
    assert "NetworkInterfaces" not in gone
    again = aws.ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])["TerminatingInstances"][0]
    assert again["CurrentState"]["Name"] == "terminated"


def test_what_is_to_outlive_an_instance_is_free_when_it_has_gone(aws):
    aws.choose(times={"instance_stop": 2})
    interface = own_interface(aws)
    volume = aws.ec2.create_volume(AvailabilityZone="us-east-1b", Size=10, VolumeType="gp3")["VolumeId"]
    first = on_interface(aws, interface)["InstanceId"]
    root = aws.wait_for_instance(first)["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    aws.ec2.attach_volume(VolumeId=volume, InstanceId=first, Device="/dev/sdf")
    refused("InvalidNetworkInterface.InUse", on_interface, aws=aws, interface=interface)
    aws.ec2.terminate_instances(InstanceIds=[first])
    assert aws.interface(interface)["Status"] == "in-use"
    aws.wait_for_instance(first, "terminated")
    assert aws.interface(interface)["Status"] == "available"
    assert "Attachment" not in aws.interface(interface)
    assert aws.volume(volume)["State"] == "available"
    refused("InvalidVolume.NotFound", aws.volume, volume_id=root)
    second = on_interface(aws, interface)["InstanceId"]
    aws.wait_for_instance(second)
    aws.ec2.attach_volume(VolumeId=volume, InstanceId=second, Device="/dev/sdf")
    assert aws.volume(volume)["Attachments"][0]["InstanceId"] == second


def test_an_interface_made_for_an_instance_dies_with_it(aws):
    instance = aws.run(SubnetId=aws.subnets[0])
    interface = instance["NetworkInterfaces"][0]["NetworkInterfaceId"]
    aws.ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])
    aws.wait_for_instance(instance["InstanceId"], "terminated")
    refused("InvalidNetworkInterfaceID.NotFound", aws.interface, interface_id=interface)


def test_an_interface_made_for_an_instance_stays_when_told_to(aws):
    nic = {"DeviceIndex": 0, "SubnetId": aws.subnets[0], "DeleteOnTermination": False}
    instance = aws.run(NetworkInterfaces=[nic])
    aws.ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])
    aws.wait_for_instance(instance["InstanceId"], "terminated")
    assert aws.interface(instance["NetworkInterfaces"][0]["NetworkInterfaceId"])["Status"] == "available"


@pytest.mark.parametrize("stays", [True, False], ids=["kept interface", "own interface"])
def test_a_public_address_goes_with_its_interface(aws, stays):
    nic = {"DeviceIndex": 0, "SubnetId": aws.subnets[0], "DeleteOnTermination": not stays}
    instance = aws.run(NetworkInterfaces=[nic])
    interface = instance["NetworkInterfaces"][0]["NetworkInterfaceId"]
    address = aws.ec2.allocate_address()["AllocationId"]
    aws.ec2.associate_address(AllocationId=address, NetworkInterfaceId=interface)
    aws.ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])
    aws.wait_for_instance(instance["InstanceId"], "terminated")
    found = aws.ec2.describe_addresses(AllocationIds=[address])["Addresses"][0]
    assert ("AssociationId" in found) == stays
    assert found.get("NetworkInterfaceId") == (interface if stays else None)


def test_a_terminated_instance_is_forgotten_after_a_time(aws):
    aws.choose(times={"instance_stop": 0, "terminated_kept": 0.2})
    instance = aws.run()["InstanceId"]
    aws.ec2.terminate_instances(InstanceIds=[instance])
    assert aws.instance(instance)["State"]["Name"] == "terminated"
    time.sleep(0.3)
    refused("InvalidInstanceID.NotFound", aws.instance, instance_id=instance)


def test_volumes_are_as_the_mappings_say_with_a_root_whatever_they_name(aws):
    data = {"VolumeSize": 50, "VolumeType": "gp3", "Iops": 4000, "Throughput": 200, "Encrypted": True}
    instance = aws.run(BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "Ebs": data}])
    devices = {m["DeviceName"]: m["Ebs"] for m in instance["BlockDeviceMappings"]}
    assert set(devices) == {"/dev/xvda", "/dev/sdf"}
    volume = aws.volume(devices["/dev/sdf"]["VolumeId"])
    assert {k: volume[k] for k in ("Size", "VolumeType", "Iops", "Throughput", "Encrypted")} == {
        "Size": 50,
        "VolumeType": "gp3",
        "Iops": 4000,
        "Throughput": 200,
        "Encrypted": True,
    }
    assert aws.volume(devices["/dev/xvda"]["VolumeId"])["Encrypted"] is False
    assert devices["/dev/xvda"]["DeleteOnTermination"] is True


def test_tags_go_on_the_instance_and_its_volumes(aws):
    tags = [{"Key": "kstack:stack", "Value": "dev"}]
    kinds = [{"ResourceType": kind, "Tags": tags} for kind in ("instance", "volume")]
    instance = aws.run(TagSpecifications=kinds)
    assert instance["Tags"] == tags
    found = aws.ec2.describe_volumes(Filters=[{"Name": "tag:kstack:stack", "Values": ["dev"]}])["Volumes"]
    assert [v["VolumeId"] for v in found] == [instance["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]]


@pytest.mark.parametrize(
    ("code", "parameters"),
    [
        ("InvalidParameterValue", {"InstanceType": "m99.huge"}),
        ("InvalidAMIID.NotFound", {"ImageId": "ami-12345678901234567"}),
        ("InvalidParameterValue", {"Placement": {"AvailabilityZone": "us-east-1q"}}),
        ("Unsupported", {"InstanceType": "m7g.large", "Placement": {"AvailabilityZone": "us-east-1e"}}),
        ("InvalidParameterValue", {"InstanceType": "m7g.large"}),
        ("InvalidSubnetID.NotFound", {"SubnetId": "subnet-12345678901234567"}),
        (
            "InvalidNetworkInterfaceID.NotFound",
            {"NetworkInterfaces": [{"DeviceIndex": 0, "NetworkInterfaceId": "eni-1"}]},
        ),
    ],
    ids=["type", "image", "zone", "type not in zone", "architecture", "subnet", "interface"],
)
def test_what_cannot_be_launched_is_refused(aws, code, parameters):
    refused(code, aws.run, **parameters)
    assert aws.ec2.describe_instances()["Reservations"] == []


def test_an_interface_is_in_one_zone_with_its_instance(aws):
    interface = own_interface(aws)
    refused(
        "InvalidParameterCombination",
        on_interface,
        aws=aws,
        interface=interface,
        Placement={"AvailabilityZone": "us-east-1a"},
    )


def test_a_protected_instance_is_not_terminated(aws):
    instance = aws.run()["InstanceId"]
    aws.ec2.modify_instance_attribute(InstanceId=instance, DisableApiTermination={"Value": True})
    refused("OperationNotPermitted", aws.ec2.terminate_instances, InstanceIds=[instance])
    from_the_start = aws.run(DisableApiTermination=True)["InstanceId"]
    refused("OperationNotPermitted", aws.ec2.terminate_instances, InstanceIds=[from_the_start])


def test_an_instance_stops_and_starts_with_its_address(aws):
    aws.choose(times={"instance_start": 3, "instance_stop": 3})
    instance = aws.run(SubnetId=aws.subnets[0])
    name = instance["InstanceId"]
    refused("IncorrectInstanceState", aws.ec2.stop_instances, InstanceIds=[name])
    aws.wait_for_instance(name)
    change = aws.ec2.stop_instances(InstanceIds=[name])["StoppingInstances"][0]
    assert change["CurrentState"]["Name"] == "stopping"
    refused("IncorrectInstanceState", aws.ec2.start_instances, InstanceIds=[name])
    aws.wait_for_instance(name, "stopped")
    assert aws.ec2.start_instances(InstanceIds=[name])["StartingInstances"][0]["CurrentState"]["Name"] == "pending"
    assert aws.wait_for_instance(name)["PrivateIpAddress"] == instance["PrivateIpAddress"]


def test_a_reboot_is_no_launch_and_for_what_runs_only(aws):
    aws.choose(times={"instance_start": 3})
    name = aws.run()["InstanceId"]
    refused("IncorrectInstanceState", aws.ec2.reboot_instances, InstanceIds=[name])
    before = aws.wait_for_instance(name)
    aws.ec2.reboot_instances(InstanceIds=[name])
    assert aws.instance(name) == before
    refused("InvalidInstanceID.NotFound", aws.ec2.reboot_instances, InstanceIds=["i-0123456789abcdef0"])
    aws.ec2.stop_instances(InstanceIds=[name])
    aws.wait_for_instance(name, "stopped")
    refused("IncorrectInstanceState", aws.ec2.reboot_instances, InstanceIds=[name])


def test_the_type_changes_while_stopped_only(aws):
    name = aws.run()["InstanceId"]
    change = {"InstanceId": name, "InstanceType": {"Value": "m7i.xlarge"}}
    aws.wait_for_instance(name)
    refused("IncorrectInstanceState", aws.ec2.modify_instance_attribute, **change)
    aws.ec2.stop_instances(InstanceIds=[name])
    aws.wait_for_instance(name, "stopped")
    aws.ec2.modify_instance_attribute(**change)
    assert aws.instance(name)["InstanceType"] == "m7i.xlarge"


@pytest.mark.parametrize("data", [b"#cloud-config\nruncmd: []\n", gzip.compress(b"x" * 50_000)], ids=["text", "gzip"])
def test_user_data_is_read_back(aws, data):
    name = aws.run(UserData=data)["InstanceId"]
    read = aws.ec2.describe_instance_attribute(InstanceId=name, Attribute="userData")
    assert base64.b64decode(read["UserData"]["Value"]) == data


def test_user_data_has_its_limit(aws):
    assert aws.run(UserData=b"x" * 16384)
    refused("InvalidParameterValue", aws.run, UserData=b"x" * 16385)


def test_a_launch_template_counts_where_the_launch_says_nothing(aws):
    text = base64.b64encode(b"#cloud-config").decode()
    data = {"InstanceType": "m7i.xlarge", "ImageId": aws.image, "MetadataOptions": {"HttpTokens": "required"}}
    data["UserData"] = text
    name = aws.ec2.create_launch_template(LaunchTemplateName="one", LaunchTemplateData=data)
    template = {"LaunchTemplateId": name["LaunchTemplate"]["LaunchTemplateId"], "Version": "$Latest"}
    launch = {"LaunchTemplate": template, "MinCount": 1, "MaxCount": 1}
    made = aws.ec2.run_instances(**launch)["Instances"][0]
    assert (made["InstanceType"], made["MetadataOptions"]["HttpTokens"]) == ("m7i.xlarge", "required")
    read = aws.ec2.describe_instance_attribute(InstanceId=made["InstanceId"], Attribute="userData")
    assert read["UserData"]["Value"] == text
    assert aws.ec2.run_instances(InstanceType="m7i.large", **launch)["Instances"][0]["InstanceType"] == "m7i.large"


def test_metadata_options_change_one_at_a_time(aws):
    instance = aws.run(MetadataOptions={"HttpPutResponseHopLimit": 2})["InstanceId"]
    answer = aws.ec2.modify_instance_metadata_options(InstanceId=instance, HttpTokens="required")
    assert answer["InstanceMetadataOptions"]["HttpTokens"] == "required"
    options = aws.instance(instance)["MetadataOptions"]
    assert (options["HttpTokens"], options["HttpPutResponseHopLimit"]) == ("required", 2)


def test_all_that_were_asked_for_are_launched(aws):
    answer = aws.ec2.run_instances(
        ImageId=aws.image, InstanceType="m7i.large", MinCount=1, MaxCount=3, SubnetId=aws.subnets[0]
    )
    assert len({i["PrivateIpAddress"] for i in answer["Instances"]}) == 3
