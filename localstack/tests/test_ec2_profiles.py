"""The instance profiles that instances take."""

import json

from conftest import refused

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
)


def make(aws, name: str, role: bool = True) -> str:
    iam = aws.client("iam")
    arn = iam.create_instance_profile(InstanceProfileName=name, Path="/hosts/")["InstanceProfile"]["Arn"]
    if role:
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    return arn


def live(aws, instance: str) -> str | None:
    described = aws.ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
    return described.get("IamInstanceProfile", {}).get("Arn")


def test_an_instance_takes_a_profile_that_is_there_and_has_a_role(aws):
    arn = make(aws, "hosts")
    make(aws, "empty", role=False)
    for name in ("nobody", "empty"):
        refused("InvalidParameterValue", aws.run, IamInstanceProfile={"Name": name})
        refused("InvalidParameterValue", aws.run, IamInstanceProfile={"Name": name}, DryRun=True)
    refused("InvalidParameterValue", aws.run, IamInstanceProfile={"Arn": arn.replace("hosts/hosts", "hosts/other")})
    refused("DryRunOperation", aws.run, IamInstanceProfile={"Name": "hosts"}, DryRun=True)
    instance = aws.run(IamInstanceProfile={"Name": "hosts"})["InstanceId"]
    assert live(aws, instance) == arn


def test_an_instance_has_the_profile_that_replaced_its_first(aws):
    make(aws, "first")
    other = make(aws, "other")
    instance = aws.run(IamInstanceProfile={"Name": "first"})["InstanceId"]
    filters = [{"Name": "instance-id", "Values": [instance]}]
    [association] = aws.ec2.describe_iam_instance_profile_associations(Filters=filters)[
        "IamInstanceProfileAssociations"
    ]
    refused(
        "InvalidParameterValue",
        aws.ec2.replace_iam_instance_profile_association,
        AssociationId=association["AssociationId"],
        IamInstanceProfile={"Name": "nobody"},
    )
    assert live(aws, instance) != other
    aws.ec2.replace_iam_instance_profile_association(
        AssociationId=association["AssociationId"], IamInstanceProfile={"Name": "other"}
    )
    assert live(aws, instance) == other
