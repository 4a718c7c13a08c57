"""Security groups: complete answers, and rules told apart as AWS does."""

import inspect

from moto.ec2.models.security_groups import SecurityGroup, SecurityGroupRule

from localstack_aws_rules.ec2.common import backend, call, requested_tags


def same_rule(rule: SecurityGroupRule, other: object) -> bool:
    """A rule is its protocol, ports and peer; a description makes no other rule of it."""
    return isinstance(other, SecurityGroupRule) and identity(rule) == identity(other)


def identity(rule: SecurityGroupRule) -> tuple:
    group = rule.source_group
    peer = (rule.cidr_ipv4, rule.cidr_ipv6, rule.prefix_list_id, group.get("GroupId") or group.get("GroupName"))
    return rule.ip_protocol, rule.from_port, rule.to_port, *peer


def description(rule: SecurityGroupRule) -> str | None:
    """moto keeps the description with the peer, and reads that of address ranges only."""
    peers = (rule.ip_range, rule.source_group, getattr(rule, "prefix_list", {}))
    return next((peer["Description"] for peer in peers if peer.get("Description")), None)


def keeps_prefix_lists(create):
    """moto keeps of a prefix list the id alone: here all that was said of it."""
    signature = inspect.signature(create)

    def created(rule, *args, **kwargs):
        create(rule, *args, **kwargs)
        given = signature.bind(rule, *args, **kwargs).arguments
        rule.prefix_list = given.get("prefix_list_id") or {}

    return created


def tells_prefix_lists(flatten):
    """Prefix lists in permissions, with their descriptions."""

    def told(group, rules):
        described = {(*identity(rule)[:3], rule.prefix_list_id): rule.description for rule in rules if rule.prefix_list_id}
        views = flatten(group, rules)
        for view in views:
            for one in view.prefix_list_ids:
                text = described.get((view.ip_protocol, view.from_port, view.to_port, one["PrefixListId"]))
                one.update({"Description": text} if text else {})
        return views

    return told


def correct_moto() -> None:
    SecurityGroupRule.__eq__ = same_rule
    SecurityGroupRule.description = property(description)
    SecurityGroupRule.__init__ = keeps_prefix_lists(SecurityGroupRule.__init__)
    SecurityGroup._flattened_rules = tells_prefix_lists(SecurityGroup._flattened_rules)


def create_security_group(inner, context, request):
    answer = inner(context, request)
    tags = requested_tags(request, "security-group")
    return {**answer, "Tags": tags} if tags else answer


def create_vpc(inner, context, request):
    """The VPC's default group lets its own members in, which moto leaves out."""
    answer = inner(context, request)
    group = backend(context).get_security_group_by_name_or_id("default", answer["Vpc"]["VpcId"])
    pairs = [{"GroupId": group.id, "UserId": context.account_id}]
    rule = {"IpProtocol": "-1", "UserIdGroupPairs": pairs}
    call(context, {"GroupId": group.id, "IpPermissions": [rule]}, "AuthorizeSecurityGroupIngress")
    return answer


def authorize(inner, context, request):
    """All the rules that were added; moto answers with those of the last permission."""
    before = rule_ids(context, request)
    answer = inner(context, request)
    described = backend(context).describe_security_group_rules([], {})
    added = [rule_shape(context, rule) for rule in described if rule.id in rule_ids(context, request) - before]
    return {**answer, "SecurityGroupRules": added}


def rule_ids(context, request: dict) -> set[str]:
    name = request.get("GroupId") or request.get("GroupName")
    group = backend(context).get_security_group_by_name_or_id(name)
    return {rule.id for rule in (*group.ingress_rules, *group.egress_rules)} if group else set()


def rule_shape(context, rule: SecurityGroupRule) -> dict:
    shape = {
        "SecurityGroupRuleId": rule.id,
        "GroupId": rule.group_id,
        "GroupOwnerId": context.account_id,
        "IsEgress": rule.is_egress,
        "IpProtocol": rule.ip_protocol,
        "FromPort": -1 if rule.from_port is None else rule.from_port,
        "ToPort": -1 if rule.to_port is None else rule.to_port,
        "CidrIpv4": rule.cidr_ipv4,
        "CidrIpv6": rule.cidr_ipv6,
        "PrefixListId": rule.prefix_list_id,
        "Description": rule.description,
        "Tags": [{"Key": tag["key"], "Value": tag["value"]} for tag in rule.get_tags()],
    }
    if rule.source_group:
        members = ("GroupId", "UserId", "VpcId")
        shape["ReferencedGroupInfo"] = {k: rule.source_group[k] for k in members if rule.source_group.get(k)}
    return {k: v for k, v in shape.items() if v is not None}


RULES = {
    "CreateVpc": create_vpc,
    "CreateSecurityGroup": create_security_group,
    "AuthorizeSecurityGroupIngress": authorize,
    "AuthorizeSecurityGroupEgress": authorize,
}
