"""Tags of one resource, found without a look at those of all others."""

from moto.ec2.models.core import TaggedEC2Resource
from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE, get_prefix


def tags_of(resource: TaggedEC2Resource) -> list[dict[str, str]]:
    """The same as `describe_tags` by the resource's id. moto compares every tag there is with a pattern for each
    resource that it describes, and sixty brokers take a second instead of a fifth."""
    tags = resource.ec2_backend.tags.get(resource.id) if resource.id else None
    if not tags:
        return []
    kind = EC2_PREFIX_TO_RESOURCE.get(get_prefix(resource.id), "")
    return [
        {"resource_id": resource.id, "key": key, "value": value, "resource_type": kind}
        for key, value in tags.items()
    ]


def correct_moto() -> None:
    TaggedEC2Resource.get_tags = tags_of
