"""Whether JSON, as it came over the wire, has the shape of botocore's model.

botocore's parser drops what it does not know and misses nothing that is absent, so parsed
answers cannot tell.
"""

import datetime

SCALARS = {
    "string": str,
    "integer": int,
    "long": int,
    "double": (int, float),
    "float": (int, float),
    "boolean": bool,
    "blob": str,
}


def check_shape(shape, value, where: str) -> None:
    if shape is None:
        assert value in ({}, None), f"{where}: no body in the model, but {value!r}"
    elif shape.type_name == "structure":
        check_structure(shape, value, where)
    elif shape.type_name == "list":
        assert isinstance(value, list), f"{where}: not a list"
        for number, item in enumerate(value):
            check_shape(shape.member, item, f"{where}[{number}]")
    elif shape.type_name == "map":
        assert isinstance(value, dict), f"{where}: not a map"
        for key, item in value.items():
            check_shape(shape.value, item, f"{where}[{key}]")
    elif shape.type_name == "timestamp":
        check_timestamp(value, where)
    else:
        kind = SCALARS[shape.type_name]
        right = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
        assert right, f"{where}: {value!r} is not of type {shape.type_name}"
        assert not getattr(shape, "enum", None) or value in shape.enum, f"{where}: {value!r} is not in {shape.enum}"


def check_structure(shape, value, where: str) -> None:
    assert isinstance(value, dict), f"{where}: not a structure"
    names = {member.serialization.get("name", name): name for name, member in shape.members.items()}
    unknown = set(value) - set(names)
    assert not unknown, f"{where}: unknown members {sorted(unknown)}"
    for wire_name, name in names.items():
        if wire_name in value:
            check_shape(shape.members[name], value[wire_name], f"{where}.{name}")
        else:
            assert name not in shape.required_members, f"{where}: {name} is missing"


def check_timestamp(value, where: str) -> None:
    assert isinstance(value, str), f"{where}: {value!r} is not an ISO 8601 time"
    datetime.datetime.fromisoformat(value)
