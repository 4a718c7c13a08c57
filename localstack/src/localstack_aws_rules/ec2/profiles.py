"""Instance profiles that instances take: EC2 knows them by name or ARN, and one without a role is of no use to it."""

from moto.iam.models import iam_backends

from localstack_aws_rules.ec2.common import backend, error


def profile(context, wanted: dict):
    """The profile that is meant, with its role."""
    name, arn = wanted.get("Name"), wanted.get("Arn")
    profiles = iam_backends[context.account_id][context.partition].instance_profiles.values()
    for one in profiles:
        if (not name or one.name == name) and (not arn or one.arn == arn):
            if not one.roles:
                raise error("InvalidParameterValue", f'IAM Instance Profile "{one.arn}" has no associated IAM Roles')
            return one
    what = f"name {name}" if name else f"ARN {arn}"
    raise error(
        "InvalidParameterValue",
        f"Value ({name or arn}) for parameter iamInstanceProfile is invalid. Invalid IAM Instance Profile {what}",
    )


def check(inner, context, request):
    """Before a call is dry: EC2 looks at who is passed which role first."""
    wanted = request.get("IamInstanceProfile")
    if wanted:
        profile(context, wanted)
    return inner(context, request)


def replace(inner, context, request):
    """moto replaces the profile of the association, and leaves that of the instance."""
    wanted = profile(context, request.get("IamInstanceProfile") or {})
    answer = inner(context, request)
    made = answer["IamInstanceProfileAssociation"]
    instance = backend(context).get_instance(made["InstanceId"])
    instance.iam_instance_profile = {"Arn": wanted.arn, "Id": made["AssociationId"]}
    return answer


RULES = {
    "RunInstances": check,
    "AssociateIamInstanceProfile": check,
    "ReplaceIamInstanceProfileAssociation": replace,
}
