"""EBS volumes: limits by type, gp3's defaults, zones, and modifications that take their time."""

import datetime
import time

from localstack.services.kms.models import kms_stores

from localstack_aws_rules.clock import later
from localstack_aws_rules.ec2.common import backend, call, error, matches, store
from localstack_aws_rules.settings import seconds

# volume type to its smallest and largest size in GiB
SIZES = {
    "gp2": (1, 16384),
    "gp3": (1, 65536),
    "io1": (4, 16384),
    "io2": (4, 65536),
    "st1": (125, 16384),
    "sc1": (125, 16384),
    "standard": (1, 1024),
}
# volume type to its fewest and most IOPS, and the most IOPS for each GiB
IOPS = {"gp3": (3000, 80000, 500), "io1": (100, 64000, 50), "io2": (100, 256000, 1000)}
MODIFIED_IOPS = 3000
GP3_THROUGHPUT = (125, 2000)
GP3_THROUGHPUT_PER_IOPS = 0.25
MODIFICATIONS_IN_WINDOW = 4
FIELDS = {"Size": "size", "VolumeType": "volume_type", "Iops": "iops", "Throughput": "throughput"}


def check_limits(kind: str, size: int | None, iops: int | None, throughput: int | None) -> None:
    """Refuses what the volume type cannot be."""
    if kind not in SIZES:
        raise error("InvalidParameterValue", f"Value ({kind}) for parameter volumeType is invalid.")
    smallest, largest = SIZES[kind]
    if size is not None and not smallest <= size <= largest:
        message = f"Volume of {size}GiB is out of range for volume type {kind}; {smallest}GiB to {largest}GiB."
        raise error("InvalidParameterValue", message)
    if iops is not None and kind not in IOPS:
        raise error("InvalidParameterCombination", f"The parameter iops is not supported for {kind} volumes.")
    if throughput is not None and kind != "gp3":
        raise error("InvalidParameterCombination", f"The parameter throughput is not supported for {kind} volumes.")
    if iops is not None:
        fewest, most, ratio = IOPS[kind]
        if not fewest <= iops <= most:
            message = f"Volume iops of {iops} is out of range for volume type {kind}; {fewest} to {most}."
            raise error("InvalidParameterValue", message)
        # gp3's 3,000 are included whatever the size
        if size is not None and iops > max(size * ratio, fewest):
            message = f"Iops to volume size ratio of {iops / size:.6f} is too high; maximum is {ratio}"
            raise error("InvalidParameterValue", message)
    if throughput is not None:
        least, most = GP3_THROUGHPUT
        if not least <= throughput <= most:
            message = f"Throughput (MiBps) of {throughput} is out of range; {least} to {most}."
            raise error("InvalidParameterValue", message)
        if throughput > (iops or IOPS["gp3"][0]) * GP3_THROUGHPUT_PER_IOPS:
            message = (
                f"Throughput (MiBps) to iops ratio is too high; maximum is {GP3_THROUGHPUT_PER_IOPS:.6f} MiBps per iops"
            )
            raise error("InvalidParameterValue", message)


def create_volume(inner, context, request):
    kind, zone = request.get("VolumeType") or "gp2", request.get("AvailabilityZone")
    check_limits(kind, request.get("Size"), request.get("Iops"), request.get("Throughput"))
    if kind in ("io1", "io2") and not request.get("Iops"):
        raise error("MissingParameter", "The request must contain the parameter iops")
    if zone is not None and zone not in [z.name for z in backend(context).describe_availability_zones()]:
        raise error("InvalidZone.NotFound", f"The zone '{zone}' does not exist.")
    answer = inner(context, request)
    volume = backend(context).get_volume(answer["VolumeId"])
    set_defaults(volume)
    answer.update(volume_performance(volume))
    store(context).creating.add(volume.id)

    def ready() -> None:
        store(context).creating.discard(volume.id)
        if not has_key(context, request.get("KmsKeyId")):
            backend(context).volumes.pop(volume.id, None)

    later(context, seconds(context.account_id, "volume_create"), ready)
    return answer


def has_key(context, key: str | None) -> bool:
    """Whether a KMS key exists. AWS looks only after it has answered, and then drops the volume."""
    if key is None:
        return True
    keys = kms_stores[context.account_id][context.region]
    alias = key[key.find("alias/") :] if "alias/" in key else None
    return alias in keys.aliases if alias else key.rpartition("/")[2] in keys.keys


def describe_volumes(inner, context, request):
    """moto knows no volume that is still being created, so filters by status are applied here."""
    filters = request.get("Filters") or []
    by_status = [wanted for wanted in filters if wanted["Name"] == "status"]
    if by_status:
        rest = [wanted for wanted in filters if wanted["Name"] != "status"]
        answer = call(context, {**request, "Filters": rest})
    else:
        answer = inner(context, request)
    volumes = answer.get("Volumes") or []
    for volume in volumes:
        if volume["VolumeId"] in store(context).creating:
            volume["State"] = "creating"
    return {**answer, "Volumes": [v for v in volumes if matches(by_status, lambda _, v=v: [v["State"]])]}


def set_defaults(volume) -> None:
    """What AWS fills in and moto leaves empty."""
    if volume.volume_type == "gp3":
        volume.iops = volume.iops or IOPS["gp3"][0]
        volume.throughput = volume.throughput or GP3_THROUGHPUT[0]
    if volume.volume_type == "gp2":
        volume.iops = min(max(100, 3 * int(volume.size)), 16000)


def volume_performance(volume) -> dict:
    figures = {"Iops": volume.iops, "Throughput": volume.throughput}
    return {name: int(value) for name, value in figures.items() if value}


def attach_volume(inner, context, request):
    volume = backend(context).get_volume(request["VolumeId"])
    instance = backend(context).get_instance(request["InstanceId"])
    device = request.get("Device")
    if not device:
        raise error("MissingParameter", "The request must contain the parameter device")
    if instance.state not in ("running", "stopped", "stopping"):
        raise error("IncorrectState", f"Instance '{instance.id}' is not 'running'.")
    if volume.id in store(context).creating:
        raise error("IncorrectState", f"{volume.id} is not 'available'.")
    if volume.attachment:
        message = f"{volume.id} is already attached to an instance"
        raise error("VolumeInUse", message)
    if volume.zone.name != instance.placement.zone:
        message = f"The volume '{volume.id}' is not in the same availability zone as instance '{instance.id}'"
        raise error("InvalidVolume.ZoneMismatch", message)
    if device in instance.block_device_mapping:
        message = f"Invalid value '{device}' for unixDevice. Attachment point {device} is already in use"
        raise error("InvalidParameterValue", message)
    return inner(context, request)


def modify_volume(inner, context, request):
    volume = backend(context).get_volume(request["VolumeId"])
    wanted = {name: request[name] for name in FIELDS if request.get(name) is not None}
    if not wanted:
        message = "At least one of size, volume type, iops or throughput must be specified."
        raise error("InvalidParameterCombination", message)
    old = {name: getattr(volume, field) for name, field in FIELDS.items()}
    old = {name: int(v) if name != "VolumeType" and v else v for name, v in old.items()}
    new = {**old, **wanted}
    if new["VolumeType"] != old["VolumeType"]:
        # figures of another type do not carry over, its defaults do
        new.update({name: wanted.get(name) for name in ("Iops", "Throughput")})
        if new["VolumeType"] == "gp3":
            new["Iops"] = new["Iops"] or IOPS["gp3"][0]
            new["Throughput"] = new["Throughput"] or GP3_THROUGHPUT[0]
        if new["VolumeType"] in ("io1", "io2"):
            new["Iops"] = new["Iops"] or MODIFIED_IOPS
    if new["Size"] < old["Size"]:
        raise error("InvalidParameterValue", "New size cannot be smaller than existing size")
    # what follows from a gp2 volume's size is no wish
    iops = None if new["VolumeType"] == "gp2" else new["Iops"]
    check_limits(new["VolumeType"], new["Size"], iops, new["Throughput"])
    check_rate(context, volume.id)

    modification = {
        "VolumeId": volume.id,
        "ModificationState": "modifying",
        "Progress": 0,
        "StartTime": datetime.datetime.now(datetime.UTC),
        **{f"Original{name}": value for name, value in old.items() if value is not None},
        **{f"Target{name}": value for name, value in new.items() if value is not None},
    }
    store(context).modifications.setdefault(volume.id, []).append(modification)

    def apply() -> None:
        for name, field in FIELDS.items():
            setattr(volume, field, new[name])
        modification.update(ModificationState="optimizing", Progress=50)

    def complete() -> None:
        end = datetime.datetime.now(datetime.UTC)
        modification.update(ModificationState="completed", Progress=100, EndTime=end)

    modifying = seconds(context.account_id, "volume_modify")
    later(context, modifying, apply)
    later(context, modifying + seconds(context.account_id, "volume_optimize"), complete)
    return {"VolumeModification": dict(modification)}


def check_rate(context, volume_id: str) -> None:
    """One modification at a time, and no more than four within the window."""
    past = store(context).modifications.get(volume_id, [])
    if past and past[-1]["ModificationState"] != "completed":
        message = f"The volume '{volume_id}' is not in a modifiable state: a modification is under way."
        raise error("IncorrectModificationState", message)
    since = time.time() - seconds(context.account_id, "volume_modify_window")
    if sum(m["StartTime"].timestamp() > since for m in past) >= MODIFICATIONS_IN_WINDOW:
        message = (
            "You've reached the maximum modification rate per volume limit. "
            f"At most {MODIFICATIONS_IN_WINDOW} modifications of a volume within a day."
        )
        raise error("VolumeModificationRateExceeded", message)


def describe_volumes_modifications(inner, context, request):
    """The latest modification of each volume that was ever modified."""
    modifications = store(context).modifications
    wanted = request.get("VolumeIds") or []
    for volume_id in wanted:
        backend(context).get_volume(volume_id)
        if volume_id not in modifications:
            message = f"Modification for volume '{volume_id}' does not exist."
            raise error("InvalidVolumeModification.NotFound", message)
    found = [
        past[-1]
        for volume_id, past in modifications.items()
        if (not wanted or volume_id in wanted)
        and matches(request.get("Filters"), lambda name, last=past[-1]: held(last, name))
    ]
    return {"VolumesModifications": found}


def held(modification: dict, name: str) -> list[str] | None:
    """What a modification holds for a filter's name."""
    if not name.startswith(("volume-", "modification-", "original-", "target-", "start-")):
        return None
    member = "".join(part.capitalize() for part in name.split("-"))
    return [str(modification.get(member, ""))]


RULES = {
    "CreateVolume": create_volume,
    "DescribeVolumes": describe_volumes,
    "AttachVolume": attach_volume,
    "ModifyVolume": modify_volume,
    "DescribeVolumesModifications": describe_volumes_modifications,
}
