"""SCRAM secrets and the cluster policy."""

import json

import pytest
from conftest import refused

POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kafka:*"}]})
SCRAM = {"Sasl": {"Scram": {"Enabled": True}}}


def create_secret(aws, name: str = "AmazonMSK_one", value: str | None = None, own_key: bool = True) -> str:
    key = {"KmsKeyId": aws.client("kms").create_key()["KeyMetadata"]["KeyId"]} if own_key else {}
    value = json.dumps({"username": "u", "password": "p"}) if value is None else value
    return aws.client("secretsmanager").create_secret(Name=name, SecretString=value, **key)["ARN"]


def test_secrets_are_associated_listed_and_taken_away(aws):
    arn = aws.create_cluster(ClientAuthentication=SCRAM)
    secrets = [create_secret(aws), create_secret(aws, "AmazonMSK_two")]
    answer = aws.kafka.batch_associate_scram_secret(ClusterArn=arn, SecretArnList=secrets)
    assert answer["UnprocessedScramSecrets"] == []
    assert aws.kafka.list_scram_secrets(ClusterArn=arn)["SecretArnList"] == secrets
    off = {"Sasl": {"Scram": {"Enabled": False}, "Iam": {"Enabled": True}}}
    aws.update_refused("update_security", arn, ClientAuthentication=off)
    aws.kafka.batch_disassociate_scram_secret(ClusterArn=arn, SecretArnList=secrets[:1])
    assert aws.kafka.list_scram_secrets(ClusterArn=arn)["SecretArnList"] == secrets[1:]
    again = aws.kafka.batch_disassociate_scram_secret(ClusterArn=arn, SecretArnList=secrets[:1])
    assert [s["SecretArn"] for s in again["UnprocessedScramSecrets"]] == secrets[:1]


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        ({"name": "other"}, "AmazonMSK_"),
        ({"own_key": False}, "KMS"),
        ({"value": "plain"}, "JSON"),
        ({"value": '{"username": "u"}'}, "JSON"),
    ],
    ids=["name", "key", "not JSON", "no password"],
)
def test_secrets_that_cannot_be_used_are_named_and_the_others_associated(aws, secret, reason):
    arn = aws.create_cluster(ClientAuthentication=SCRAM)
    right, wrong = create_secret(aws, "AmazonMSK_right"), create_secret(aws, **secret)
    answer = aws.kafka.batch_associate_scram_secret(ClusterArn=arn, SecretArnList=[wrong, right])
    unprocessed = answer["UnprocessedScramSecrets"]
    assert [s["SecretArn"] for s in unprocessed] == [wrong]
    assert reason in unprocessed[0]["ErrorMessage"]
    assert aws.kafka.list_scram_secrets(ClusterArn=arn)["SecretArnList"] == [right]


def test_secrets_need_scram_and_come_ten_at_a_time(aws):
    secret = "arn:aws:secretsmanager:us-east-1:000000000000:secret:AmazonMSK_x"
    without, having = aws.create_cluster("without"), aws.create_cluster("having", ClientAuthentication=SCRAM)
    associate = aws.kafka.batch_associate_scram_secret
    refused("BadRequestException", associate, ClusterArn=without, SecretArnList=[secret])
    many = [secret + str(number) for number in range(11)]
    refused("BadRequestException", associate, ClusterArn=having, SecretArnList=many)


def test_the_policy_is_read_back_and_keeps_its_version(aws):
    arn = aws.create_cluster()
    refused("NotFoundException", aws.kafka.get_cluster_policy, ClusterArn=arn)
    version = aws.kafka.put_cluster_policy(ClusterArn=arn, Policy=POLICY)["CurrentVersion"]
    found = aws.kafka.get_cluster_policy(ClusterArn=arn)
    assert (found["CurrentVersion"], found["Policy"]) == (version, POLICY)
    put = aws.kafka.put_cluster_policy
    refused("BadRequestException", put, ClusterArn=arn, Policy=POLICY, CurrentVersion="KOLD")
    assert put(ClusterArn=arn, Policy=POLICY, CurrentVersion=version)["CurrentVersion"] != version
    refused("BadRequestException", put, ClusterArn=arn, Policy="{}")
    aws.kafka.delete_cluster_policy(ClusterArn=arn)
    refused("NotFoundException", aws.kafka.delete_cluster_policy, ClusterArn=arn)
