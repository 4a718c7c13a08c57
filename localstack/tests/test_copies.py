"""A copy of an account has all that is in it, under its own id, and goes its own way."""

import json
import urllib.error
import urllib.request

import pytest
from conftest import Aws, until

TRUST = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole"}]})
READS = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})
TAGS = [{"Key": "team", "Value": "orders"}]


def copy(of: Aws, to: Aws | None = None) -> Aws:
    to = to or Aws(of.endpoint)
    url, body = f"{of.endpoint}/_aws_rules/{to.account}/copy", json.dumps({"of": of.account}).encode()
    try:
        urllib.request.urlopen(urllib.request.Request(url, data=body, method="PUT")).close()
    except urllib.error.HTTPError as refused:
        raise AssertionError(refused.read().decode()) from refused
    return to


def described(aws: Aws, **answers) -> dict:
    """What describes say, in the words of no account."""
    for answer in answers.values():
        answer.pop("ResponseMetadata", None)
    return json.loads(json.dumps(answers, default=str).replace(aws.account, "ACCOUNT"))


def all_of(aws: Aws) -> dict:
    ec2, iam, ssm, kafka = aws.ec2, aws.client("iam"), aws.client("ssm"), aws.kafka
    kinds = ("vpcs", "subnets", "instances", "volumes", "network_interfaces", "security_groups", "addresses")
    kinds += ("route_tables", "nat_gateways", "placement_groups", "tags", "internet_gateways", "vpc_endpoints")
    return described(
        aws,
        **{kind: getattr(ec2, f"describe_{kind}")() for kind in kinds},
        roles=iam.list_roles(),
        policy=iam.get_role_policy(RoleName="r", PolicyName="p"),
        profiles=iam.list_instance_profiles(),
        parameters=ssm.get_parameters_by_path(Path="/a", Recursive=True),
        keys=aws.client("kms").list_keys(),
        secrets=aws.client("secretsmanager").list_secrets(),
        clusters=kafka.list_clusters_v2(),
        configurations=kafka.list_configurations(),
        targets=aws.client("application-autoscaling").describe_scalable_targets(ServiceNamespace="kafka"),
    )


@pytest.fixture
def full(aws) -> Aws:
    """An account with something of every service that is served."""
    iam = aws.client("iam")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST, Tags=TAGS)
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=READS)
    iam.create_instance_profile(InstanceProfileName="i")
    iam.add_role_to_instance_profile(InstanceProfileName="i", RoleName="r")
    aws.client("ssm").put_parameter(Name="/a/b", Value=f"in {aws.account}", Type="String")
    aws.client("secretsmanager").create_secret(Name="s", SecretString="x")
    ids = {"instance": aws.run(SubnetId=aws.subnets[0], SecurityGroupIds=[aws.group], UserData="#!")["InstanceId"]}
    aws.wait_for_instance(ids["instance"])
    zone = aws.instance(ids["instance"])["Placement"]["AvailabilityZone"]
    tagged = [{"ResourceType": "volume", "Tags": TAGS}]
    volume = {"AvailabilityZone": zone, "Size": 10, "ClientToken": "t", "TagSpecifications": tagged}
    made = aws.ec2.create_volume(**volume)["VolumeId"]
    until(lambda: aws.volume(made)["State"] == "available")
    aws.ec2.attach_volume(VolumeId=made, InstanceId=ids["instance"], Device="/dev/sdf")
    aws.ec2.create_placement_group(GroupName="g", Strategy="spread")
    encrypted = aws.ec2.create_volume(AvailabilityZone=zone, Size=1, Encrypted=True)["VolumeId"]
    aws.client("kms").create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")
    aws.create_cluster()
    # What is still under way would be seen to change, whoever caused it.
    until(lambda: aws.volume(encrypted)["State"] == "available")
    aws.made, aws.asked = {**ids, "volume": made}, volume
    return aws


def test_a_copy_is_what_the_account_is(full):
    before = all_of(full)
    assert before["clusters"]["ClusterInfoList"][0]["ClusterArn"].split(":")[4] == "ACCOUNT"
    twin = copy(full)
    assert all_of(twin) == before
    value = twin.client("ssm").get_parameter(Name="/a/b")["Parameter"]["Value"]
    assert value == f"in {twin.account}"
    # A call that was made in the account is known by its token in the copy.
    assert twin.ec2.create_volume(**full.asked)["VolumeId"] == full.made["volume"]
    assert all_of(full) == before


def test_a_copy_goes_its_own_way(full):
    before, twin = all_of(full), copy(full)
    twin.ec2.detach_volume(VolumeId=full.made["volume"], InstanceId=full.made["instance"], Device="/dev/sdf")
    twin.ec2.terminate_instances(InstanceIds=[full.made["instance"]])
    twin.wait_for_instance(full.made["instance"], "terminated")
    twin.ec2.delete_volume(VolumeId=full.made["volume"])
    arn = twin.kafka.list_clusters_v2()["ClusterInfoList"][0]["ClusterArn"]
    nodes = [{"KafkaBrokerNodeId": "All", "VolumeSizeGB": 200}]
    twin.update("update_broker_storage", arn, TargetBrokerEBSVolumeInfo=nodes)
    twin.run(SubnetId=full.subnets[1])
    twin.ec2.create_volume(AvailabilityZone="us-east-1a", Size=1)
    assert all_of(full) == before
    # And becomes a copy again, with nothing left of what it was.
    assert all_of(copy(full, twin)) == before


def test_an_account_in_which_something_is_under_way_is_not_copied(aws):
    aws.choose(times={"instance_start": 30})
    aws.run()
    with pytest.raises(AssertionError, match="can't be copied: something is still under way in it"):
        copy(aws)


@pytest.mark.parametrize("source", ["12", "us", None])
def test_only_an_account_is_copied(aws, source):
    url, body = f"{aws.endpoint}/_aws_rules/{aws.account}/copy", json.dumps({"of": source}).encode()
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(urllib.request.Request(url, data=body, method="PUT"))
    assert caught.value.code == 400
