"""Manifests against CRDs: what an API server refuses with strict validation. Unknown fields are errors."""

import re
import sys
from pathlib import Path

import yaml

folder, files = Path(sys.argv[1]), sys.argv[2:]
TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "object": dict, "array": list}


def schema(kind, version):
    crd = yaml.safe_load((folder / f"{kind}.yaml").read_text())
    served = {one["name"]: one for one in crd["spec"]["versions"]}
    return served[version]["schema"]["openAPIV3Schema"]


def check(value, schema, path):
    kind = schema.get("type")
    if kind is None and not schema.get("x-kubernetes-int-or-string"):
        return
    right = TYPES.get(kind, (int, str))
    if not isinstance(value, right) or (isinstance(value, bool) and kind != "boolean"):
        yield f"{path}: {value!r} is no {kind or 'number or text'}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value!r} is none of {schema['enum']}"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{path}: {value!r} is not as {schema['pattern']}"
    if "minimum" in schema and value < schema["minimum"]:
        yield f"{path}: {value} is less than {schema['minimum']}"
    if kind == "object":
        known, free = schema.get("properties", {}), schema.get("additionalProperties")
        for name in schema.get("required", []):
            if name not in value:
                yield f"{path}.{name} is missing"
        for name, item in value.items():
            if name in known:
                yield from check(item, known[name], f"{path}.{name}")
            elif isinstance(free, dict):
                yield from check(item, free, f"{path}.{name}")
            elif free is not True and not schema.get("x-kubernetes-preserve-unknown-fields"):
                yield f"{path}.{name} is no field"
    if kind == "array":
        if len(value) < schema.get("minItems", 0):
            yield f"{path} has too few items"
        for at, item in enumerate(value):
            yield from check(item, schema["items"], f"{path}[{at}]")


def problems(document):
    kind, version = document["kind"], document["apiVersion"]
    name = f"{kind}/{document['metadata']['name']}"
    if version == "v1":
        return
    group, version = version.split("/")
    if group != "kafka.strimzi.io":
        yield f"{name}: {group} is not of Strimzi"
        return
    yield from check(document["spec"], schema(kind, version)["properties"]["spec"], f"{name}.spec")


# A check that finds nothing wrong in what is wrong would find nothing.
WRONG = """
apiVersion: kafka.strimzi.io/v1
kind: KafkaNodePool
metadata: {name: wrong}
spec: {replicas: six, roles: [leader], storage: {type: jbod, volumes: [{id: 0, type: persistent-claim, deleteClaims: false}]}}
"""
seen = list(problems(yaml.safe_load(WRONG)))
assert len(seen) == 3 and any("deleteClaims is no field" in one for one in seen), seen

count, wrong = 0, []
for file in files:
    for document in yaml.safe_load_all(Path(file).read_text()):
        count += 1
        wrong += [f"{file}: {problem}" for problem in problems(document)]
for problem in wrong:
    print(problem)
print(f"{folder.name}: {count} resources of {len(files)} files, {len(wrong)} problems")
sys.exit(1 if wrong or count == 0 else 0)
