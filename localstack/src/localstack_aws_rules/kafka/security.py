"""SCRAM secrets, the cluster policy, and tags."""

import json

from moto.core.exceptions import RESTError
from moto.secretsmanager.models import secretsmanager_backends

from localstack_aws_rules.kafka import checks
from localstack_aws_rules.kafka.store import bad_request, error, find_cluster, new_version, page, store

SECRETS_A_CALL = 10
PREFIX = "AmazonMSK_"
MOST_TAGS = 50


def associate_secrets(context, request):
    cluster = scram_cluster(context, request)
    unprocessed = []
    for secret_arn in request["SecretArnList"]:
        wrong = why_not(context, secret_arn)
        if wrong is None and secret_arn in cluster.scram_secrets:
            wrong = ("InvalidSecretArn", "The secret is already associated with this cluster.")
        if wrong:
            unprocessed.append(unprocessed_secret(secret_arn, *wrong))
        else:
            cluster.scram_secrets.append(secret_arn)
    return {"ClusterArn": cluster.arn, "UnprocessedScramSecrets": unprocessed}


def disassociate_secrets(context, request):
    cluster = scram_cluster(context, request)
    unprocessed = []
    for secret_arn in request["SecretArnList"]:
        if secret_arn in cluster.scram_secrets:
            cluster.scram_secrets.remove(secret_arn)
        else:
            message = "The secret is not associated with this cluster."
            unprocessed.append(unprocessed_secret(secret_arn, "InvalidSecretArn", message))
    return {"ClusterArn": cluster.arn, "UnprocessedScramSecrets": unprocessed}


def scram_cluster(context, request: dict):
    cluster = find_cluster(context, request["ClusterArn"])
    if not 1 <= len(request["SecretArnList"]) <= SECRETS_A_CALL:
        raise bad_request(f"SecretArnList can have from 1 to {SECRETS_A_CALL} secrets.")
    if cluster.state != "ACTIVE":
        raise bad_request(f"The cluster must be in the ACTIVE state for this operation. Its state is {cluster.state}.")
    if not cluster.provisioned or not checks.is_enabled(cluster.settings["ClientAuthentication"], "Sasl", "Scram"):
        raise bad_request("The cluster does not have SASL/SCRAM authentication enabled.")
    return cluster


def unprocessed_secret(secret_arn: str, code: str, message: str) -> dict:
    return {"SecretArn": secret_arn, "ErrorCode": code, "ErrorMessage": message}


def why_not(context, secret_arn: str) -> tuple[str, str] | None:
    """Why MSK cannot use a secret."""
    name = secret_arn.partition(":secret:")[2]
    if not name.startswith(PREFIX):
        return "InvalidSecretArn", f"The name of the secret must start with {PREFIX}."
    try:
        secret = secretsmanager_backends[context.account_id][context.region].secrets[secret_arn]
    except (KeyError, RESTError):
        return "InvalidSecretArn", "The secret does not exist."
    if secret.is_deleted():
        return "InvalidSecretArn", "The secret is marked for deletion."
    if not secret.kms_key_id or secret.kms_key_id.endswith("alias/aws/secretsmanager"):
        return "InvalidSecretArn", "The secret must be encrypted with a customer managed KMS key."
    versions = [v for v in secret.versions.values() if "AWSCURRENT" in v.get("version_stages", [])]
    try:
        value = json.loads(versions[0]["secret_string"])
        if {"username", "password"} <= set(value):
            return None
    except (IndexError, KeyError, TypeError, ValueError):
        pass
    return "InvalidSecretArn", "The secret must be a JSON object with username and password."


def list_secrets(context, request):
    cluster = find_cluster(context, request["ClusterArn"])
    return page(request, list(cluster.scram_secrets), "SecretArnList")


def put_policy(context, request):
    cluster = find_cluster(context, request["ClusterArn"])
    held = cluster.policy[0] if cluster.policy else None
    if request.get("CurrentVersion") and request["CurrentVersion"] != held:
        raise bad_request("The version of the cluster policy is not the current version.")
    try:
        document = json.loads(request["Policy"])
        statements = document["Statement"]
    except (ValueError, KeyError, TypeError):
        raise bad_request("The cluster policy is not a valid policy document.") from None
    if not statements:
        raise bad_request("The cluster policy needs a statement.")
    cluster.policy = (new_version(), request["Policy"])
    return {"CurrentVersion": cluster.policy[0]}


def get_policy(context, request):
    cluster = find_cluster(context, request["ClusterArn"])
    if cluster.policy is None:
        raise error("NotFoundException", "The cluster has no cluster policy.")
    version, policy = cluster.policy
    return {"CurrentVersion": version, "Policy": policy}


def delete_policy(context, request):
    cluster = find_cluster(context, request["ClusterArn"])
    if cluster.policy is None:
        raise error("NotFoundException", "The cluster has no cluster policy.")
    cluster.policy = None
    return {}


def tags_of(context, resource_arn: str) -> dict[str, str]:
    here = store(context)
    if resource_arn in here.clusters:
        return here.clusters[resource_arn].tags
    if resource_arn in here.connections:
        return here.connections[resource_arn]["Tags"]
    raise error("NotFoundException", f"The resource {resource_arn} does not exist.")


def tag(context, request):
    tags = tags_of(context, request["ResourceArn"])
    if len({**tags, **request["Tags"]}) > MOST_TAGS:
        raise bad_request(f"A resource can have up to {MOST_TAGS} tags.")
    if any(key.lower().startswith("aws:") for key in request["Tags"]):
        raise bad_request("Tag keys cannot start with aws:.")
    tags.update(request["Tags"])
    return {}


def untag(context, request):
    tags = tags_of(context, request["ResourceArn"])
    for key in request["TagKeys"]:
        tags.pop(key, None)
    return {}


def list_tags(context, request):
    return {"Tags": dict(tags_of(context, request["ResourceArn"]))}


OPERATIONS = {
    "BatchAssociateScramSecret": associate_secrets,
    "BatchDisassociateScramSecret": disassociate_secrets,
    "ListScramSecrets": list_secrets,
    "PutClusterPolicy": put_policy,
    "GetClusterPolicy": get_policy,
    "DeleteClusterPolicy": delete_policy,
    "TagResource": tag,
    "UntagResource": untag,
    "ListTagsForResource": list_tags,
}
