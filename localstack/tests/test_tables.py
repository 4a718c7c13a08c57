"""The tables of kstack's core beside what the sandbox answers: what is known offline, and what a plan is told."""

import csv
import importlib.machinery
import importlib.util
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLES = ROOT / "crates" / "core" / "src" / "tables"


def make():
    """The script that makes the tables."""
    path = str(ROOT / "tests" / "tables" / "make")
    loader = importlib.machinery.SourceFileLoader("make", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("make", loader))
    loader.exec_module(module)
    return module


def table(name: str) -> list[list[str]]:
    return list(csv.reader((TABLES / name).read_text().splitlines()))[1:]


def test_instance_types_have_the_figures_of_describe_instance_types(aws):
    script, known = make(), {line[0]: line for line in table("instance_types.csv")}
    pages = aws.ec2.get_paginator("describe_instance_types").paginate()
    answered = {one["InstanceType"]: one for page in pages for one in page["InstanceTypes"]}
    told = {line[0]: [str(cell) for cell in line] for line in script.rows(answered)}
    assert len(told) > 900
    assert [name for name in told if name not in known] == []
    # the sandbox's are some months older: AWS has raised some of the largest since
    raised = 0
    for name, line in told.items():
        what, figures = slice(0, 4), slice(4, 10)
        assert known[name][what] == line[what], name
        assert all(float(now) >= float(then) for now, then in zip(known[name][figures], line[figures], strict=True)), name
        raised += known[name][figures] != line[figures]
    assert raised <= len(told) // 100


def test_endpoint_services_are_those_of_describe_vpc_endpoint_services(aws):
    known = {line[0] for line in table("endpoint_services.csv")}
    prefix = "com.amazonaws.us-east-1."
    names = aws.ec2.describe_vpc_endpoint_services()["ServiceNames"]
    told = {name.removeprefix(prefix) for name in names if name.startswith(prefix)}
    # moto's own names for two, and one that AWS has ended since
    assert told - known <= {"iot", "route53resolver", "panorama"}
