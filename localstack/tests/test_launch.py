"""The launcher: where it listens and writes, and how it ends."""

import ast
import os
import runpy
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import boto3
import psutil
import pytest
from conftest import FOLDER, free_port, launch, refused, wait_until_answers
from test_copies import TRUST

# Python runs a module of this name first of all; this one writes down who is looked up and called
SITE_CUSTOMIZE = """
import os, sys

def note(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        address = arguments[1] if event == "socket.connect" else arguments[:2]
        with open(os.environ["CALLED"], "a") as called:
            print(repr(address), file=called)

sys.addaudithook(note)
"""


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """A LocalStack of this file's own, its port, and its folder."""
    folder, port = tmp_path_factory.mktemp("launched"), free_port()
    (folder / "sitecustomize.py").write_text(SITE_CUSTOMIZE)
    watched = {"PYTHONPATH": str(folder), "CALLED": str(folder / "called")}
    process = launch(folder, port, HOME=str(folder / "home"), **watched)
    try:
        wait_until_answers(port, process)
        yield process, port, folder
    finally:
        process.kill()
        process.wait()


def test_listens_on_loopback_only(started):
    process, port, _ = started
    listening = {
        connection.laddr
        for member in [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        for connection in member.net_connections(kind="inet")
        if connection.status in (psutil.CONN_LISTEN, psutil.CONN_NONE)
    }
    assert listening == {("127.0.0.1", port)}


def test_calls_nobody_but_itself(started):
    _, port, folder = started
    boto3.client(
        "ec2",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id="000000000000",
        aws_secret_access_key="test",
    ).describe_vpcs()
    called = [ast.literal_eval(line) for line in (folder / "called").read_text().splitlines()]
    hosts = {address[0] for address in called if isinstance(address, tuple)}
    assert hosts
    assert hosts <= {"127.0.0.1", "localhost"}


def test_writes_below_its_folder_only(started):
    process, _, folder = started
    outside = [
        opened.path
        for opened in psutil.Process(process.pid).open_files()
        if "w" in opened.mode and not Path(opened.path).is_relative_to(folder)
    ]
    assert outside == []
    assert not (folder / "home").exists()


def test_services_can_be_called_first_at_the_same_moment(tmp_path):
    """Left to itself, LocalStack imports each service at its first call, and threads that import at once deadlock."""
    port = free_port()
    process = launch(tmp_path, port, HOME=str(tmp_path / "home"))
    try:
        wait_until_answers(port, process)
        keys = {"aws_access_key_id": "000000000777", "aws_secret_access_key": "test", "region_name": "eu-west-1"}
        client = partial(boto3.client, endpoint_url=f"http://127.0.0.1:{port}", **keys)
        calls = [
            client("ec2").describe_vpcs,
            client("iam").list_roles,
            client("sts").get_caller_identity,
            partial(client("ssm").put_parameter, Name="/a/b", Value="c", Type="String"),
            client("kafka").list_clusters_v2,
        ]
        with ThreadPoolExecutor(len(calls)) as pool:
            answers = list(pool.map(lambda call: call(), calls))
        assert [answer["ResponseMetadata"]["HTTPStatusCode"] for answer in answers] == [200] * len(calls)
    finally:
        process.terminate()
        process.wait(10)


def test_a_taken_port_is_one_line_of_explanation(started, tmp_path):
    _, port, _ = started
    command = [sys.executable, str(FOLDER / "launch.py"), "--port", str(port), "--dir", str(tmp_path / "other")]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode != 0
    assert second.stderr.startswith(f"launch.py: cannot listen on 127.0.0.1:{port}")
    assert second.stderr.count("\n") == 1


def test_a_terminate_signal_ends_it(started):
    process, _, _ = started
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 0


def test_it_ends_soon_after_its_parent(tmp_path):
    parent = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    port = free_port()
    process = launch(tmp_path, port, "--parent", str(parent.pid))
    try:
        wait_until_answers(port, process)
        assert process.poll() is None
        parent.kill()
        parent.wait()
        process.wait(timeout=60)
    finally:
        process.kill()
        parent.kill()


@pytest.mark.parametrize(
    ("environment", "ours"),
    [
        ({}, True),
        ({"LOCALSTACK_AUTH_TOKEN": "x"}, True),
        ({"KSTACK_SANDBOX_MSK": "localstack"}, True),
        ({"LOCALSTACK_AUTH_TOKEN": "x", "KSTACK_SANDBOX_MSK": "localstack"}, False),
    ],
)
def test_the_paid_msk_is_taken_when_licensed_and_asked_for(environment, ours, monkeypatch, tmp_path):
    for name in ("LOCALSTACK_AUTH_TOKEN", "KSTACK_SANDBOX_MSK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = runpy.run_path(str(FOLDER / "launch.py"))["environment"](4566, tmp_path)
    assert ("PROVIDER_OVERRIDE_KAFKA" in settings) == ours
    assert settings["PROVIDER_OVERRIDE_EC2"] == "aws-rules"
    assert os.environ.get("PROVIDER_OVERRIDE_EC2") is None


def test_a_role_that_left_its_profile_is_not_found_again(aws):
    iam = aws.client("iam")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
    iam.create_instance_profile(InstanceProfileName="i")
    iam.add_role_to_instance_profile(InstanceProfileName="i", RoleName="r")
    iam.remove_role_from_instance_profile(InstanceProfileName="i", RoleName="r")
    refused("NoSuchEntity", iam.remove_role_from_instance_profile, InstanceProfileName="i", RoleName="r")
