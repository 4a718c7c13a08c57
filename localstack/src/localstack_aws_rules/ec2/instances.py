"""Instances: where they start, with which volumes and interfaces, and what is left when they go."""

import base64
import binascii
import copy

from moto.core.utils import utcnow
from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS
from moto.ec2.models.instances import InstanceState

from localstack_aws_rules.clock import later
from localstack_aws_rules.ec2.common import backend, call, error, requested_tags
from localstack_aws_rules.ec2.interfaces import check_address, check_groups, free_address, set_address
from localstack_aws_rules.ec2.placement import find_place
from localstack_aws_rules.ec2.volumes import check_limits, set_defaults
from localstack_aws_rules.settings import seconds

PENDING, RUNNING, SHUTTING_DOWN = ("pending", 0), ("running", 16), ("shutting-down", 32)
STOPPING, STOPPED = ("stopping", 64), ("stopped", 80)
GONE = ("NetworkInterfaces", "SecurityGroups", "PrivateIpAddress", "SubnetId", "VpcId", "BlockDeviceMappings")
DEFAULT_ROOT_GIB = 8
MOST_USER_DATA = 16384
STOPPED_ONLY = {"instanceType", "userData", "kernel", "ramdisk", "ebsOptimized"}
METADATA_FIELDS = {
    "HttpTokens": "http_tokens",
    "HttpPutResponseHopLimit": "http_put_response_hop_limit",
    "HttpEndpoint": "http_endpoint",
    "HttpProtocolIpv6": "http_protocol_ipv6",
    "InstanceMetadataTags": "instance_metadata_tags",
}


def set_state(instance, state: tuple[str, int]) -> None:
    instance._state = InstanceState(*state)


def set_state_later(context, instance, delay: float, before: tuple[str, int], after: tuple[str, int]) -> None:
    """Has a state follow another, unless something else came between."""
    moved = instance._state

    def follow() -> None:
        if instance._state is moved:
            set_state(instance, after)

    assert moved.name == before[0]
    later(context, delay, follow)


def run_instances(inner, context, request):
    request = with_template(context, request)
    interfaces = request.get("NetworkInterfaces") or []
    own = {
        nic.get("DeviceIndex", 0): backend(context).get_network_interface(nic["NetworkInterfaceId"])
        for nic in interfaces
        if nic.get("NetworkInterfaceId")
    }
    check_interfaces(request, own)
    check_new_interfaces(context, request)
    mappings = request.get("BlockDeviceMappings") or []
    for mapping in mappings:
        check_mapping(mapping)
    count = request.get("MaxCount") or 1
    wanted_place = request.get("Placement") or {}
    zone = launch_zone(context, request, own)
    place = find_place(context, wanted_place, zone, count)

    check_kind(context, request, zone)

    changed = {k: v for k, v in request.items() if k not in ("BlockDeviceMappings", "ClientToken")}
    changed["MinCount"] = count
    if request.get("UserData"):
        changed["UserData"] = read_user_data(request["UserData"])
    changed["Placement"] = {**wanted_place, "AvailabilityZone": zone}
    made = call(context, changed)
    for index, item in enumerate(made["Instances"]):
        instance = backend(context).get_instance(item["InstanceId"])
        if place:
            instance.placement.group_name = place["group"]
            instance.placement.partition_number = place["partitions"][index]
        give_interfaces(context, instance, interfaces, own)
        give_volumes(context, instance, mappings, requested_tags(request, "volume"))
        tag_interfaces(instance, own, requested_tags(request, "network-interface"))
        instance.client_token = request.get("ClientToken") or ""
        instance.disable_api_termination = bool(request.get("DisableApiTermination"))
        start_up(context, instance)
    ids = [item["InstanceId"] for item in made["Instances"]]
    described = call(context, {"InstanceIds": ids}, "DescribeInstances")
    return described["Reservations"][0]


def with_template(context, request: dict) -> dict:
    """What the launch template says, where the request itself says nothing; moto takes a part of it."""
    template = request.get("LaunchTemplate")
    if not template:
        return request
    version = backend(context)._get_template_from_args({"Version": "$Default", **template})
    data = {k: copy.deepcopy(v) for k, v in version.data.items() if v is not None}
    if "UserData" in data:
        data["UserData"] = str(data["UserData"])
    tags = (data.get("TagSpecifications") or []) + (request.get("TagSpecifications") or [])
    merged = {**data, **{k: v for k, v in request.items() if k != "LaunchTemplate"}}
    return {**merged, "TagSpecifications": tags} if tags else merged


def read_user_data(encoded: str) -> bytes:
    """The bytes of user data, which go to moto through botocore's own encoding."""
    try:
        data = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise error("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.") from None
    if len(data) > MOST_USER_DATA:
        raise error("InvalidParameterValue", f"User data is limited to {MOST_USER_DATA} bytes")
    return data


def start_up(context, instance) -> None:
    set_state(instance, PENDING)
    set_state_later(context, instance, seconds(context.account_id, "instance_start"), PENDING, RUNNING)


def check_interfaces(request: dict, own: dict) -> None:
    """A pre-created interface is free, and outlives the instance."""
    for nic in request.get("NetworkInterfaces") or []:
        eni = own.get(nic.get("DeviceIndex", 0)) if nic.get("NetworkInterfaceId") else None
        if eni is None:
            continue
        if eni.instance or eni.status == "in-use":
            raise error("InvalidNetworkInterface.InUse", f"Interface: [{eni.id}] in use.")
        if nic.get("DeleteOnTermination"):
            message = "A network interface may not specify both a network interface ID and delete on termination"
            raise error("InvalidParameterCombination", message)
    if own and (request.get("SubnetId") or request.get("SecurityGroupIds")):
        message = (
            "Network interfaces and an instance-level subnet ID or security groups "
            "may not be specified on the same request"
        )
        raise error("InvalidParameterCombination", message)
    if own and (request.get("MaxCount") or 1) > 1:
        message = "A network interface can be given to one instance only"
        raise error("InvalidParameterCombination", message)


def launch_zone(context, request: dict, own: dict) -> str:
    """The zone of the subnet, named directly or through an interface; else the one asked for."""
    asked = (request.get("Placement") or {}).get("AvailabilityZone")
    subnets = [eni.subnet.id for eni in own.values()] + [
        nic["SubnetId"] for nic in request.get("NetworkInterfaces") or [] if nic.get("SubnetId")
    ]
    subnets += [request["SubnetId"]] if request.get("SubnetId") else []
    zones = {backend(context).get_subnet(subnet).availability_zone for subnet in subnets}
    if asked and asked not in [z.name for z in backend(context).describe_availability_zones()]:
        raise error("InvalidParameterValue", f"Invalid availability zone: [{asked}]")
    if len(zones | ({asked} if asked else set())) > 1:
        message = "The instance, its subnets and its network interfaces must be in one Availability Zone"
        raise error("InvalidParameterCombination", message)
    return next(iter(zones), asked or f"{context.region}a")


def check_kind(context, request: dict, zone: str) -> None:
    """Refuses an instance type or an image that does not exist, or that do not go together."""
    image_id, kind = request.get("ImageId"), request.get("InstanceType") or "m1.small"
    if not image_id:
        raise error("MissingParameter", "The request must contain the parameter ImageId")
    images = [image for image in backend(context).describe_images() if image.id == image_id]
    if not images:
        raise error("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")
    types = [t for t in backend(context).describe_instance_types() if t["InstanceType"] == kind]
    if not types:
        raise error("InvalidParameterValue", f"Invalid value '{kind}' for InstanceType.")
    offered = INSTANCE_TYPE_OFFERINGS["availability-zone"].get(context.region, [])
    if offered and not any(o["InstanceType"] == kind and o["Location"] == zone for o in offered):
        message = (
            f"Your requested instance type ({kind}) is not supported in your requested Availability Zone ({zone})."
        )
        raise error("Unsupported", message)
    supported = types[0].get("ProcessorInfo", {}).get("SupportedArchitectures", [])
    if images[0].architecture not in supported:
        message = (
            f"The architecture '{','.join(supported)}' of the specified instance type does not match "
            f"the architecture '{images[0].architecture}' of the specified AMI."
        )
        raise error("InvalidParameterValue", message)


def check_new_interfaces(context, request: dict) -> None:
    """Addresses and groups of the interfaces that the launch makes."""
    new = [nic for nic in request.get("NetworkInterfaces") or [] if not nic.get("NetworkInterfaceId")]
    if request.get("SubnetId"):
        groups = request.get("SecurityGroupIds")
        new = [{"SubnetId": request["SubnetId"], "PrivateIpAddress": request.get("PrivateIpAddress"), "Groups": groups}]
    for nic in new:
        if not nic.get("SubnetId"):
            continue
        subnet = backend(context).get_subnet(nic["SubnetId"])
        check_groups(context, nic.get("Groups") or [], subnet.vpc_id)
        if nic.get("PrivateIpAddress"):
            check_address(context, subnet, nic["PrivateIpAddress"])


def give_interfaces(context, instance, wanted: list[dict], own: dict) -> None:
    """An interface made for an instance dies with it unless told otherwise; another outlives it."""
    asked = {nic.get("DeviceIndex", 0): nic for nic in wanted}
    for index, eni in instance.nics.items():
        nic = asked.get(index, {})
        eni.delete_on_termination = index not in own and nic.get("DeleteOnTermination") is not False
        others = [e for e in backend(context).enis.values() if e is not eni and e.subnet.id == eni.subnet.id]
        if index not in own and any(e.private_ip_address == eni.private_ip_address for e in others):
            set_address(eni, free_address(context, eni.subnet))
    if 0 in own:
        instance.security_groups = list(own[0]._group_set)


def tag_interfaces(instance, own: dict, tags: list[dict]) -> None:
    for index, eni in instance.nics.items():
        if index not in own:
            eni.add_tags({tag["Key"]: tag["Value"] for tag in tags})


def check_mapping(mapping: dict) -> None:
    ebs = mapping.get("Ebs") or {}
    kind = ebs.get("VolumeType") or "gp2"
    check_limits(kind, ebs.get("VolumeSize"), ebs.get("Iops"), ebs.get("Throughput"))


def give_volumes(context, instance, mappings: list[dict], tags: list[dict]) -> None:
    """Puts the volumes that were asked for in place of the one that moto makes."""
    root = instance.root_device_name or "/dev/xvda"
    for device, block in list(instance.block_device_mapping.items()):
        backend(context).detach_volume(block.volume_id, instance.id, device)
        backend(context).delete_volume(block.volume_id)
    wanted = {mapping["DeviceName"]: mapping for mapping in mappings if mapping.get("NoDevice") is None}
    wanted.setdefault(root, {})
    for device, mapping in wanted.items():
        ebs = mapping.get("Ebs") or {}
        volume = backend(context).create_volume(
            size=ebs.get("VolumeSize") or (None if ebs.get("SnapshotId") else DEFAULT_ROOT_GIB),
            zone_name=instance.placement.zone,
            snapshot_id=ebs.get("SnapshotId"),
            encrypted=bool(ebs.get("Encrypted")),
            kms_key_id=ebs.get("KmsKeyId"),
            volume_type=ebs.get("VolumeType"),
            iops=ebs.get("Iops"),
            throughput=ebs.get("Throughput"),
        )
        set_defaults(volume)
        volume.add_tags({tag["Key"]: tag["Value"] for tag in tags})
        dies = ebs.get("DeleteOnTermination")
        dies = device == root if dies is None else dies
        backend(context).attach_volume(volume.id, instance.id, device, dies)


def terminate_instances(inner, context, request):
    """Instances go after a while; only then are their interfaces and volumes free."""
    instances = backend(context).get_multi_instances_by_id(request["InstanceIds"])
    for instance in instances:
        if instance.disable_api_termination is True:
            message = (
                f"The instance '{instance.id}' may not be terminated. "
                "Modify its 'disableApiTermination' instance attribute and try again."
            )
            raise error("OperationNotPermitted", message)
    changes = []
    for instance in instances:
        before = state_shape(instance)
        if instance.state not in ("shutting-down", "terminated"):
            set_state(instance, SHUTTING_DOWN)
            delay = seconds(context.account_id, "instance_stop")
            later(context, delay, lambda i=instance: finish_termination(context, i))
        changes.append(change_shape(instance, before))
    return {"TerminatingInstances": changes}


def finish_termination(context, instance) -> None:
    interfaces = list(instance.nics.values())
    # describing a terminated instance goes through its interfaces: leave it copies
    remembered = {index: copy.copy(eni) for index, eni in instance.nics.items()}
    instance.terminate()
    instance.nics = remembered
    free_addresses(context, instance)
    for eni in interfaces:
        eni.instance, eni.attachment_id, eni.attach_time = None, None, None
        eni.status, eni.device_index = "available", None
    later(context, seconds(context.account_id, "terminated_kept"), lambda: forget(context, instance))


def free_addresses(context, instance) -> None:
    """A public address leaves with the interface that dies, and stays with one that does not."""
    for address in backend(context).addresses:
        if address.eni and address.eni.instance is instance and address.eni.id not in backend(context).enis:
            backend(context).disassociate_address(association_id=address.association_id)
        elif address.instance is instance:
            address.instance = None


def forget(context, instance) -> None:
    """Takes a long terminated instance out of what is described."""
    reservations = backend(context).reservations
    for key, reservation in list(reservations.items()):
        reservation.instances = [i for i in reservation.instances if i is not instance]
        if not reservation.instances:
            del reservations[key]


def stop_instances(inner, context, request):
    instances = backend(context).get_multi_instances_by_id(request["InstanceIds"])
    for instance in instances:
        if instance.state not in ("running", "stopping", "stopped"):
            message = f"The instance '{instance.id}' is not in a state from which it can be stopped."
            raise error("IncorrectInstanceState", message)
    changes = []
    for instance in instances:
        before = state_shape(instance)
        if instance.state == "running":
            instance.stop()
            set_state(instance, STOPPING)
            set_state_later(context, instance, seconds(context.account_id, "instance_stop"), STOPPING, STOPPED)
        changes.append(change_shape(instance, before))
    return {"StoppingInstances": changes}


def start_instances(inner, context, request):
    instances = backend(context).get_multi_instances_by_id(request["InstanceIds"])
    for instance in instances:
        if instance.state not in ("stopped", "pending", "running"):
            message = f"The instance '{instance.id}' is not in a state from which it can be started."
            raise error("IncorrectInstanceState", message)
    changes = []
    for instance in instances:
        before = state_shape(instance)
        if instance.state == "stopped":
            instance.start()
            # DescribeInstances has the time of the last launch (API reference, `LaunchTime`); moto keeps the first.
            instance.launch_time = utcnow()
            start_up(context, instance)
        changes.append(change_shape(instance, before))
    return {"StartingInstances": changes}


def reboot_instances(inner, context, request):
    """A reboot is no launch: `LaunchTime` stays, and so does what is on the disks. Only what runs can be rebooted."""
    for instance in backend(context).get_multi_instances_by_id(request["InstanceIds"]):
        if instance.state != "running":
            message = f"The instance '{instance.id}' is not in a state from which it can be rebooted."
            raise error("IncorrectInstanceState", message)
    return {}


def state_shape(instance) -> dict:
    return {"Name": instance.state, "Code": instance.state_code}


def change_shape(instance, before: dict) -> dict:
    return {"InstanceId": instance.id, "CurrentState": state_shape(instance), "PreviousState": before}


def modify_attribute(inner, context, request):
    """The type and the user data of a running instance stay as they are."""
    instance = backend(context).get_instance(request["InstanceId"])
    named = {request.get("Attribute") or ""} | {name[0].lower() + name[1:] for name in request}
    if named & STOPPED_ONLY and instance.state != "stopped":
        raise error("IncorrectInstanceState", f"The instance '{instance.id}' is not in the 'stopped' state.")
    return inner(context, request)


def modify_metadata_options(inner, context, request):
    """What is not named stays; moto sets it to nothing."""
    instance = backend(context).get_instance(request["InstanceId"])
    options = copy.copy(instance.metadata_options)
    for member, field in METADATA_FIELDS.items():
        if request.get(member) is not None:
            setattr(options, field, request[member])
    instance.metadata_options = options
    shape = {member: getattr(options, field) for member, field in METADATA_FIELDS.items()}
    return {"InstanceId": instance.id, "InstanceMetadataOptions": {"State": "applied", **shape}}


def describe_instances(inner, context, request):
    if not request.get("InstanceIds"):
        # moto cuts after 100; pages.py cuts as it was asked to
        wanted = {k: v for k, v in request.items() if k not in ("MaxResults", "NextToken")}
        answer = call(context, {**wanted, "MaxResults": 10**6})
    else:
        answer = inner(context, request)
    for reservation in answer.get("Reservations") or []:
        for item in reservation.get("Instances") or []:
            if item["State"]["Name"] == "terminated":
                for name in GONE:
                    item.pop(name, None)
    return answer


RULES = {
    "RunInstances": run_instances,
    "StopInstances": stop_instances,
    "StartInstances": start_instances,
    "RebootInstances": reboot_instances,
    "TerminateInstances": terminate_instances,
    "ModifyInstanceAttribute": modify_attribute,
    "ModifyInstanceMetadataOptions": modify_metadata_options,
    "DescribeInstances": describe_instances,
}
