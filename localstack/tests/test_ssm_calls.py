"""Parameter Store serves one call at a time: within this process, since no client can meet the moment."""

import threading

from localstack.aws.forwarder import create_aws_request_context
from localstack_aws_rules.ssm import service
from moto.ssm.models import SimpleSystemManagerBackend, ssm_backends

#: moto's account of a request that nobody signed
ACCOUNT = "123456789012"


def test_a_listing_survives_that_another_call_deletes_what_it_lists(monkeypatch):
    skeleton = service().skeleton

    def call(operation: str, **request) -> dict:
        context = create_aws_request_context("ssm", operation, parameters=request)
        context.account_id, context.region = ACCOUNT, "us-east-1"
        return skeleton.dispatch_table[operation](context, request)

    name = "/stack/lease/1"
    unset = dict.fromkeys(("description", "allowed_pattern", "keyid", "tier", "policies"))
    parameter = dict(name=name, value="held", parameter_type="String", overwrite=False, tags=[], data_type="text")
    ssm_backends[ACCOUNT]["us-east-1"].put_parameter(**parameter, **unset)
    deleting = threading.Thread(target=call, args=("DeleteParameters",), kwargs={"Names": [name]})
    inner = SimpleSystemManagerBackend.list_tags_for_resource

    def delete_first(*args):
        deleting.start()
        deleting.join(0.5)
        return inner(*args)

    monkeypatch.setattr(SimpleSystemManagerBackend, "list_tags_for_resource", delete_first)
    listed = call("GetParametersByPath", Path="/stack", Recursive=True)["Parameters"]
    assert [parameter["Name"] for parameter in listed] == [name]
    deleting.join()
    assert call("GetParametersByPath", Path="/stack", Recursive=True)["Parameters"] == []
