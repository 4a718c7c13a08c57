"""One LocalStack for all tests, and for each test an account of its own, reached through boto3."""

import ipaddress
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from functools import cached_property
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from shapes import check_shape

FOLDER = Path(__file__).resolve().parent.parent
REGION = "us-east-1"
QUICK = {"cluster_create": 0.05, "cluster_update": 0.1}
_accounts = itertools.count(random.randrange(10**11, 9 * 10**11))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def launch(folder: Path, port: int, *arguments: str, **environment: str) -> subprocess.Popen:
    command = [sys.executable, str(FOLDER / "launch.py"), "--port", str(port), "--dir", str(folder), *arguments]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **environment})


def wait_until_answers(port: int, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_localstack/health", timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"LocalStack did not start, exit code {process.poll()}")


def until(ask, what=bool, seconds: float = 60):
    """Asks until the answer is as wanted, and gives it."""
    deadline = time.monotonic() + seconds
    while True:
        answer = ask()
        if what(answer):
            return answer
        assert time.monotonic() < deadline, f"still {answer}"
        time.sleep(0.05)


def refused(code: str, call, **parameters) -> str:
    """The message of an expected refusal."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    assert caught.value.response["Error"]["Code"] == code
    return caught.value.response["Error"]["Message"]


class Clients:
    """boto3's clients, which take long to make, for one account after another."""

    idle: list["Clients"] = []

    def __init__(self, endpoint: str):
        self.endpoint = endpoint
        self.session = boto3.Session(aws_access_key_id="000000000000", aws_secret_access_key="test")
        self.made: dict[tuple, object] = {}
        #: the MSK operations that answered
        self.answered: set[str] = set()

    def get(self, service: str, region: str):
        if (service, region) not in self.made:
            config = Config(retries={"total_max_attempts": 1})
            client = self.session.client(service, endpoint_url=self.endpoint, region_name=region, config=config)
            if service == "kafka":
                client.meta.events.register("after-call.kafka", self.check_response)
            self.made[service, region] = client
        return self.made[service, region]

    def check_response(self, http_response, model, **_) -> None:
        """Each answer of MSK, in every test, has the shape of the model."""
        if http_response.status_code < 300:
            body = json.loads(http_response.content or b"{}")
            check_shape(model.output_shape, body, model.name)
            self.answered.add(model.name)


class Aws:
    """The services of one account, as a test sees them."""

    def __init__(self, endpoint: str):
        self.endpoint = endpoint
        self.account = str(next(_accounts))
        self.clients = Clients.idle.pop() if Clients.idle else Clients(endpoint)
        self.clients.session.get_credentials().access_key = self.account
        self.choose()

    def client(self, service: str, region: str = REGION):
        return self.clients.get(service, region)

    @cached_property
    def ec2(self):
        return self.client("ec2")

    @cached_property
    def kafka(self):
        return self.client("kafka")

    def choose(self, times: dict | None = None, faults: list | None = None) -> dict:
        """Sets the account's times and faults; without, MSK is quick."""
        body = json.dumps({"times": {**QUICK, **(times or {})}, "faults": faults or []}).encode()
        url = f"{self.endpoint}/_aws_rules/{self.account}"
        request = urllib.request.Request(url, data=body, method="PUT")
        with urllib.request.urlopen(request) as response:
            return json.load(response)

    @cached_property
    def vpc(self) -> str:
        vpc = self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
        return vpc

    @cached_property
    def subnets(self) -> list[str]:
        """A subnet in each of three zones."""
        return [
            self.ec2.create_subnet(VpcId=self.vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=REGION + zone)[
                "Subnet"
            ]["SubnetId"]
            for n, zone in enumerate("abc")
        ]

    @cached_property
    def block(self) -> ipaddress.IPv6Network:
        """The VPC's IPv6 block."""
        self.ec2.associate_vpc_cidr_block(VpcId=self.vpc, AmazonProvidedIpv6CidrBlock=True)
        vpc = self.ec2.describe_vpcs(VpcIds=[self.vpc])["Vpcs"][0]
        return ipaddress.IPv6Network(vpc["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"])

    def part(self, number: int) -> str:
        """A part of it for a subnet."""
        return str(list(self.block.subnets(new_prefix=64))[number])

    def give_ipv6(self) -> None:
        """Gives each subnet a part of the VPC's IPv6 block."""
        for number, subnet in enumerate(self.subnets):
            self.ec2.associate_subnet_cidr_block(SubnetId=subnet, Ipv6CidrBlock=self.part(number))

    @cached_property
    def group(self) -> str:
        return self.ec2.create_security_group(GroupName="g", Description="g", VpcId=self.vpc)["GroupId"]

    @cached_property
    def image(self) -> str:
        name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
        return self.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]

    def run(self, **parameters) -> dict:
        """One instance, with defaults for what a test leaves out."""
        defaults = {"ImageId": self.image, "InstanceType": "m7i.large", "MinCount": 1, "MaxCount": 1}
        return self.ec2.run_instances(**{**defaults, **parameters})["Instances"][0]

    def instance(self, instance_id: str) -> dict:
        answer = self.ec2.describe_instances(InstanceIds=[instance_id])
        return answer["Reservations"][0]["Instances"][0]

    def wait_for_instance(self, instance_id: str, state: str = "running") -> dict:
        return until(lambda: self.instance(instance_id), lambda i: i["State"]["Name"] == state)

    def interface(self, interface_id: str) -> dict:
        answer = self.ec2.describe_network_interfaces(NetworkInterfaceIds=[interface_id])
        return answer["NetworkInterfaces"][0]

    def volume(self, volume_id: str) -> dict:
        return self.ec2.describe_volumes(VolumeIds=[volume_id])["Volumes"][0]

    def provisioned(self, **changes) -> dict:
        """What a small provisioned cluster is made of."""
        nodes = {"ClientSubnets": self.subnets, "InstanceType": "kafka.m5.large", "SecurityGroups": [self.group]}
        nodes["StorageInfo"] = {"EbsStorageInfo": {"VolumeSize": 100}}
        nodes.update(changes.pop("BrokerNodeGroupInfo", {}))
        wanted = {"BrokerNodeGroupInfo": nodes, "KafkaVersion": "3.7.x", "NumberOfBrokerNodes": 3}
        return {**wanted, **changes}

    def create_cluster(self, name: str = "one", **changes) -> str:
        made = self.kafka.create_cluster_v2(ClusterName=name, Provisioned=self.provisioned(**changes))
        self.wait_for_cluster(made["ClusterArn"])
        return made["ClusterArn"]

    def cluster(self, arn: str) -> dict:
        return self.kafka.describe_cluster_v2(ClusterArn=arn)["ClusterInfo"]

    def wait_for_cluster(self, arn: str, state: str = "ACTIVE") -> dict:
        return until(lambda: self.cluster(arn), lambda c: c["State"] == state)

    def update(self, operation: str, arn: str, **parameters) -> dict:
        """An update from start to end; gives the operation."""
        call, version = getattr(self.kafka, operation), self.cluster(arn)["CurrentVersion"]
        started = call(ClusterArn=arn, CurrentVersion=version, **parameters)
        self.wait_for_cluster(arn)
        found = self.kafka.describe_cluster_operation(ClusterOperationArn=started["ClusterOperationArn"])
        return found["ClusterOperationInfo"]

    def update_refused(self, operation: str, arn: str, **parameters) -> str:
        version = self.cluster(arn)["CurrentVersion"]
        call = getattr(self.kafka, operation)
        return refused("BadRequestException", call, ClusterArn=arn, CurrentVersion=version, **parameters)


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory):
    """The sandbox that is running, if one is named; else one of the suite's own."""
    if given := os.environ.get("KSTACK_SANDBOX_ENDPOINT"):
        yield given.rstrip("/")
        return
    port, folder = free_port(), tmp_path_factory.mktemp("sandbox")
    process = launch(folder, port, "--parent", str(os.getpid()))
    try:
        wait_until_answers(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


@pytest.fixture
def aws(endpoint):
    aws = Aws(endpoint)
    yield aws
    Clients.idle.append(aws.clients)
