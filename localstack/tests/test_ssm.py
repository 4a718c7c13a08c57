"""Parameter Store: what AWS refuses of a SecureString, and who sees its text."""

import pytest
from conftest import refused

NAME = "/kstack-papers/prod/hosts/10.40.0.11/tls"
TEXT = "-----BEGIN PRIVATE KEY-----"


@pytest.fixture
def ssm(aws):
    return aws.client("ssm")


@pytest.fixture
def key(aws) -> str:
    return aws.client("kms").create_key()["KeyMetadata"]["KeyId"]


def put(ssm, **more):
    return ssm.put_parameter(**{"Name": NAME, "Value": TEXT, "Type": "SecureString", **more})


def test_a_standard_parameter_has_4096_bytes(ssm):
    put(ssm, Value="x" * 4096)
    assert "4096" in refused("ValidationException", put, ssm=ssm, Value="x" * 4097, Overwrite=True)
    refused("ValidationException", put, ssm=ssm, Value="ü" * 2049, Overwrite=True)
    put(ssm, Value="x" * 4097, Tier="Advanced", Overwrite=True)


def test_tags_are_for_new_parameters(ssm):
    tags = [{"Key": "kstack:stack", "Value": "prod"}]
    put(ssm, Tags=tags)
    refused("ValidationException", put, ssm=ssm, Tags=tags, Overwrite=True)
    refused("ParameterAlreadyExists", put, ssm=ssm, Tags=tags)
    put(ssm, Value="new", Overwrite=True)
    kept = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=NAME)["TagList"]
    assert kept == tags


def test_a_key_is_there_and_enabled(aws, ssm, key):
    kms = aws.client("kms")
    refused("InvalidKeyId", put, ssm=ssm, KeyId="0c5e2b8e-0000-4000-8000-000000000000")
    refused("InvalidKeyId", put, ssm=ssm, KeyId="alias/kstack-prod")
    kms.create_alias(AliasName="alias/kstack-prod", TargetKeyId=key)
    put(ssm, KeyId="alias/kstack-prod")
    assert ssm.get_parameter(Name=NAME, WithDecryption=True)["Parameter"]["Value"] == TEXT
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    refused("InvalidKeyId", put, ssm=ssm, KeyId="alias/kstack-prod", Overwrite=True)
    kms.cancel_key_deletion(KeyId=key)
    kms.enable_key(KeyId=key)
    put(ssm, KeyId=key, Overwrite=True)


def test_only_who_asks_for_decryption_sees_the_text(ssm, key):
    put(ssm, KeyId=key)
    ssm.put_parameter(Name=NAME + "/public", Value="a certificate", Type="String")
    path = "/kstack-papers/prod"

    def seen(**more) -> str:
        one = ssm.get_parameter(Name=NAME, **more)["Parameter"]
        some = ssm.get_parameters(Names=[NAME], **more)["Parameters"]
        below = ssm.get_parameters_by_path(Path=path, Recursive=True, **more)["Parameters"]
        before = ssm.get_parameter_history(Name=NAME, **more)["Parameters"]
        assert {"a certificate"} == {parameter["Value"] for parameter in below if parameter["Type"] == "String"}
        values = {parameter["Value"] for parameter in [one, *some, *below, *before] if parameter["Type"] != "String"}
        assert len(values) == 1, values
        return values.pop()

    assert seen(WithDecryption=True) == TEXT
    assert TEXT not in seen() and seen().startswith("AQICAHh")
