//! The table and the policies that are made from it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::check;
use crate::choose::{self, PlanningInput, assumed_facts};
use crate::cloud_init::Overrides;
use crate::kinds;
use crate::observed::Observed;
use crate::stack::Stack;

const EC2: &str = "apiVersion: kstack/v1
name: orders
region: eu-west-1
account: \"111122223333\"
network: {cidr: 10.50.0.0/16, endpoints: [s3, ssm]}
cluster:
  ec2: {kafka: 4.1.1, combined: true, kms_key: KEY, brokers: {count: 3, instance_type: m7g.large, storage: {size: 100 GiB}}}
";

const MSK: &str = "apiVersion: kstack/v1
name: orders
region: eu-west-1
network: {cidr: 10.50.0.0/16, nat: none}
cluster:
  msk:
    kafka: 3.8.x
    brokers: {count: 3, instance_type: kafka.m5.large, storage: {size: 200 GiB, max: 1 TiB}}
    logs: {s3: {bucket: our-logs}}
    auth: {iam: true}
";

fn stack(text: &str) -> Stack {
    check::parse("stack.yaml", text).unwrap_or_else(|report| panic!("{}", report.render(false))).stack
}

/// The policies that allow `calls` for the stack in `text`.
fn policies_of(text: &str, calls: &[&Call]) -> Vec<Value> {
    let stack = stack(text);
    let (facts, observed) = (assumed_facts(&stack), Observed::default());
    let input = PlanningInput { facts, observed, record: None, expires: None };
    let design = choose::design(&stack, &input, &Overrides::new()).expect("a design");
    policies(calls, &Subject::new(&stack, kinds::desired(&design).values()))
}

fn statements(policies: &[Value]) -> Vec<&Value> {
    policies.iter().flat_map(|policy| policy["Statement"].as_array().expect("statements")).collect()
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The statements that allow `action`.
fn allowing<'a>(policies: &'a [Value], action: &str) -> Vec<&'a Value> {
    statements(policies).into_iter().filter(|one| texts(&one["Action"]).contains(&action)).collect()
}

#[test]
fn a_row_allows_its_own_action_first_and_is_there_once() {
    let mut seen = BTreeSet::new();
    for call in all() {
        assert!(seen.insert((call.operation, call.of)), "{} is there twice", call.operation);
        let Some(first) = call.permissions.first() else {
            assert_eq!(call.operation, "GetCallerIdentity", "a row that allows nothing");
            continue;
        };
        let own = first.action.split_once(':').map(|(_, name)| name);
        assert_eq!(own, Some(call.operation));
        for permission in call.permissions {
            let (service, name) = permission.action.split_once(':').expect("SERVICE:ACTION");
            assert!(service.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{service}");
            assert!(name.starts_with(|c: char| c.is_ascii_uppercase()), "{name}");
            let named = call.remedy.contains(&format!("`{}`", permission.action));
            assert!(named || call.remedy.contains("what AWS asks"), "{}: {}", permission.action, call.remedy);
            assert!(call.remedy.contains(first.action) && call.remedy.len() < 320, "{}", call.remedy);
        }
    }
}

#[test]
fn every_permission_of_the_calls_is_in_a_policy_of_the_size_that_aws_takes() {
    let calls: Vec<&Call> = all().collect();
    for text in [&EC2.replace("KEY", "alias/kafka"), MSK] {
        let policies = policies_of(text, &calls);
        assert!(policies.len() > 1, "every call at once is more than one policy holds");
        for policy in &policies {
            assert_eq!(policy["Version"], "2012-10-17");
            assert!(size(policy) <= MANAGED_POLICY_LIMIT, "{} characters: {policy}", size(policy));
        }
        let stack = stack(text);
        let subject = Subject::new(&stack, []);
        for permission in calls.iter().flat_map(|call| call.permissions) {
            if subject.place(permission.scope).is_some() {
                assert!(!allowing(&policies, permission.action).is_empty(), "{} is in no policy", permission.action);
            }
        }
        for one in statements(&policies) {
            assert_eq!(one["Effect"], "Allow");
            assert!(!texts(&one["Action"]).is_empty() && !texts(&one["Resource"]).is_empty(), "{one}");
        }
    }
}

/// Whether `action` makes what `resource` is, or names nothing but what it makes: then a type that it does not make matters not.
fn makes_or_does_not_name(action: &str, resource: &str) -> bool {
    let kind = resource.rsplit_once(':').and_then(|(_, name)| name.split_once('/')).map_or("", |(kind, _)| kind);
    let permissions = || all().flat_map(|call| call.permissions).filter(|one| one.action == action);
    permissions().any(|one| matches!(one.scope, Scope::Made(made) if made == kind))
        || permissions().all(|one| matches!(one.scope, Scope::Made(_) | Scope::Tagged(_)))
}

/// The condition on tags of a request is true of each resource that the request names, also of somebody else's.
#[test]
fn what_a_call_makes_never_opens_what_others_have() {
    let calls: Vec<&Call> = all().collect();
    let policies = policies_of(&EC2.replace("KEY", "alias/kafka"), &calls);
    let mut seen = 0;
    for one in statements(&policies) {
        let condition = &one["Condition"]["StringEquals"]["aws:RequestTag/kstack:stack"];
        if condition.is_null() || texts(&one["Action"]) == ["ec2:CreateTags"] {
            continue;
        }
        assert_eq!(condition, "orders");
        for action in texts(&one["Action"]).into_iter().filter(|action| action.starts_with("ec2:")) {
            seen += 1;
            for resource in texts(&one["Resource"]) {
                assert!(makes_or_does_not_name(action, resource), "{action} on {resource}");
            }
        }
    }
    assert!(seen > 10, "{seen} creations");
    // Tags only come with a creation of the stack's, or on what has its tag.
    for one in allowing(&policies, "ec2:CreateTags") {
        let equal = &one["Condition"]["StringEquals"];
        let creation = !equal["ec2:CreateAction"].is_null();
        let own = equal["aws:ResourceTag/kstack:stack"] == "orders";
        // A default group may be made the stack's, and nothing else may be said of it.
        let default_group = equal["aws:RequestTag/kstack:stack"] == "orders"
            && one["Condition"]["Null"]["aws:ResourceTag/kstack:stack"] == "true"
            && texts(&one["Condition"]["ForAllValues:StringEquals"]["aws:TagKeys"]) == ["kstack:stack"];
        assert!(creation || own || default_group, "{one}");
    }
}

/// A default group has no stack's tag before it is closed: what may be done to such groups is that, and what has any stack's tag is safe.
#[test]
fn a_group_without_a_stack_can_only_be_closed() {
    let calls: Vec<&Call> = all().collect();
    let policies = policies_of(&EC2.replace("KEY", "alias/kafka"), &calls);
    let mut allowed = BTreeSet::new();
    for one in statements(&policies) {
        if one["Condition"]["Null"]["aws:ResourceTag/kstack:stack"] == "true" {
            assert_eq!(texts(&one["Resource"]), ["arn:aws:ec2:eu-west-1:111122223333:security-group/*"]);
            allowed.extend(texts(&one["Action"]));
        }
    }
    let close = ["ec2:CreateTags", "ec2:RevokeSecurityGroupEgress", "ec2:RevokeSecurityGroupIngress"];
    assert_eq!(allowed, BTreeSet::from(close));
    // The rules of the stack's own groups need nothing of it.
    let rules = policies_of(MSK, &[call("RevokeSecurityGroupIngress"), call("RevokeSecurityGroupEgress")]);
    assert_eq!(statements(&rules).len(), 1, "{rules:?}");
}

#[test]
fn what_guard_duty_made_is_known_by_its_mark() {
    let policies =
        policies_of(MSK, &[call_of("DeleteVpcEndpoints", "GuardDuty"), call_of("DeleteSecurityGroup", "GuardDuty")]);
    for (action, resource) in [
        ("ec2:DeleteVpcEndpoints", "arn:aws:ec2:eu-west-1:*:vpc-endpoint/*"),
        ("ec2:DeleteSecurityGroup", "arn:aws:ec2:eu-west-1:*:security-group/*"),
    ] {
        let [one] = allowing(&policies, action)[..] else { panic!("{policies:?}") };
        assert_eq!(texts(&one["Resource"]), [resource]);
        assert_eq!(one["Condition"], serde_json::json!({"Null": {"aws:ResourceTag/GuardDutyManaged": "false"}}));
    }
}

#[test]
fn a_key_is_named_by_its_arn_and_an_alias_by_a_condition() {
    let arn = "arn:aws:kms:eu-west-1:444455556666:key/6c0e7b1a-0d65-4b8f-9e0a-1f2d3c4b5a69";
    let id = "6c0e7b1a-0d65-4b8f-9e0a-1f2d3c4b5a69";
    let cases = [
        (arn, arn.to_owned(), Value::Null),
        (id, format!("arn:aws:kms:eu-west-1:111122223333:key/{id}"), Value::Null),
        ("alias/kafka", "arn:aws:kms:eu-west-1:111122223333:key/*".to_owned(), "alias/kafka".into()),
        (
            "arn:aws:kms:eu-west-1:111122223333:alias/kafka",
            "arn:aws:kms:eu-west-1:111122223333:key/*".to_owned(),
            "alias/kafka".into(),
        ),
    ];
    for (key, resource, alias) in cases {
        let policies = policies_of(&EC2.replace("KEY", key), &[call("CreateVolume")]);
        let grants = allowing(&policies, "kms:CreateGrant");
        assert_eq!(grants.len(), 1, "{key}");
        assert_eq!(texts(&grants[0]["Resource"]), [resource], "{key}");
        assert_eq!(grants[0]["Condition"]["Bool"]["kms:GrantIsForAWSResource"], "true");
        assert_eq!(grants[0]["Condition"]["ForAnyValue:StringEquals"]["kms:ResourceAliases"], alias, "{key}");
    }
    let without = EC2.replace("kms_key: KEY, ", "");
    assert!(allowing(&policies_of(&without, &[call("CreateVolume")]), "kms:CreateGrant").is_empty());
}

#[test]
fn what_the_file_does_not_name_is_not_allowed() {
    let logs = |text: &str| policies_of(text, &[call("UpdateMonitoring")]);
    let bucket = logs(MSK);
    assert_eq!(texts(&allowing(&bucket, "s3:GetBucketPolicy")[0]["Resource"]), ["arn:aws:s3:::our-logs"]);
    assert!(!allowing(&bucket, "logs:CreateLogDelivery").is_empty());
    assert!(allowing(&bucket, "logs:PutResourcePolicy").is_empty());
    let none = logs(&MSK.replace("    logs: {s3: {bucket: our-logs}}\n", ""));
    assert_eq!(statements(&none).len(), 1, "{none:?}");
    let endpoint = |endpoints: &str| {
        let text = EC2.replace("KEY", "alias/kafka").replace("[s3, ssm]", endpoints);
        !allowing(&policies_of(&text, &[call("CreateVpcEndpoint")]), "route53:AssociateVPCWithHostedZone").is_empty()
    };
    assert!(endpoint("[s3, ssm]") && !endpoint("[s3]"), "a gateway endpoint has no private DNS");
}

#[test]
fn names_are_those_of_the_region_and_the_account() {
    let role = |text: &str| {
        let policies = policies_of(text, &[call("RunInstances"), call("PutRolePolicy")]);
        let pass = allowing(&policies, "iam:PassRole")[0].clone();
        (texts(&pass["Resource"]).concat(), allowing(&policies, "iam:PutRolePolicy")[0].clone(), pass)
    };
    let here = EC2.replace("KEY", "alias/kafka");
    let (name, put, pass) = role(&here);
    assert_eq!(name, "arn:aws:iam::111122223333:role/kstack-orders-eu-west-1-role");
    assert_eq!(pass["Condition"]["StringEquals"]["iam:PassedToService"], serde_json::json!(["ec2.amazonaws.com"]));
    assert_eq!(texts(&put["Resource"]), [name], "no other role's policies");
    let (china, ..) = role(&here.replace("eu-west-1", "cn-north-1").replace("account: \"111122223333\"\n", ""));
    assert_eq!(china, "arn:aws-cn:iam::*:role/kstack-orders-cn-north-1-role");
}

/// The file of a company's own account.
fn in_company(iam: &str) -> String {
    format!("{}    iam: {iam}\n", EC2.replace("kms_key: KEY, ", "").replace(
        "  ec2: {kafka: 4.1.1, combined: true, brokers: {count: 3, instance_type: m7g.large, storage: {size: 100 GiB}}}",
        "  ec2:\n    kafka: 4.1.1\n    combined: true\n    brokers: {count: 3, instance_type: m7g.large}",
    ))
}

const BOUNDARY: &str = "arn:aws:iam::111122223333:policy/boundary";

#[test]
fn a_role_is_made_and_changed_only_under_the_boundary_of_the_file() {
    let calls: Vec<&Call> = all().collect();
    let agent = "arn:aws:iam::aws:policy/CloudWatchAgentServerPolicy";
    let text = in_company(&format!(
        "{{permissions_boundary: \"{BOUNDARY}\", path: /platform/kafka/, policies: [\"{agent}\"]}}"
    ));
    let policies = policies_of(&text, &calls);
    let role = "arn:aws:iam::111122223333:role/platform/kafka/kstack-orders-eu-west-1-role";
    for action in ["iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:PutRolePermissionsBoundary"] {
        let statements = allowing(&policies, action);
        // MSK's rows may put a policy on its own service's role.
        let own: Vec<_> = statements.into_iter().filter(|one| texts(&one["Resource"]).contains(&role)).collect();
        assert_eq!(own.len(), 1, "{action}");
        assert_eq!(own[0]["Condition"]["StringEquals"]["iam:PermissionsBoundary"], BOUNDARY, "{action}");
    }
    let attach = allowing(&policies, "iam:AttachRolePolicy");
    let attach = attach.iter().find(|one| texts(&one["Resource"]).contains(&role)).expect("a statement");
    assert_eq!(texts(&attach["Condition"]["ArnEquals"]["iam:PolicyARN"]), [agent]);
    assert!(allowing(&policies, "iam:DeleteRolePermissionsBoundary").is_empty(), "no way out of the boundary");
    assert_eq!(texts(&allowing(&policies, "iam:GetPolicy")[0]["Resource"]), [BOUNDARY, agent]);
    assert_eq!(texts(&allowing(&policies, "iam:PassRole")[0]["Resource"]), [role]);
    let profile = "arn:aws:iam::111122223333:instance-profile/platform/kafka/kstack-orders-eu-west-1-profile";
    assert_eq!(texts(&allowing(&policies, "iam:CreateInstanceProfile")[0]["Resource"]), [profile]);
    // Without these keys there is nothing to attach, and a boundary of before may go.
    let plain = policies_of(&in_company("{}"), &calls);
    for action in ["iam:PutRolePermissionsBoundary", "iam:GetPolicy"] {
        assert!(allowing(&plain, action).is_empty(), "{action}");
    }
    assert_eq!(allowing(&plain, "iam:DeleteRolePermissionsBoundary").len(), 1);
    assert_eq!(allowing(&plain, "iam:CreateRole")[0]["Condition"], Value::Null);
}

#[test]
fn with_a_profile_of_others_nothing_of_iam_is_allowed_but_to_pass_its_role_to_ec2() {
    let of_hosts: Vec<&Call> = table::ALL[1..3].iter().copied().flatten().collect();
    let account_wide = ["iam:ListRoles", "iam:ListInstanceProfiles"];
    let policies = policies_of(&in_company("{instance_profile: kafka-hosts}"), &of_hosts);
    let all = statements(&policies).into_iter().flat_map(|one| texts(&one["Action"]));
    let iam: BTreeSet<&str> =
        all.filter(|action| action.starts_with("iam:") && !account_wide.contains(action)).collect();
    assert_eq!(iam, BTreeSet::from(["iam:PassRole"]));
    let pass = allowing(&policies, "iam:PassRole");
    assert_eq!(texts(&pass[0]["Resource"]), ["arn:aws:iam::111122223333:role/*"]);
    assert_eq!(pass[0]["Condition"]["StringEquals"]["iam:PassedToService"], serde_json::json!(["ec2.amazonaws.com"]));
}

#[test]
fn alarms_are_those_with_the_stacks_names() {
    let text = MSK.replace("cluster:", "alarms: true\ncluster:");
    let policies = policies_of(&text, &[call("DescribeAlarms"), call("PutMetricAlarm"), call("DeleteAlarms")]);
    for action in ["cloudwatch:PutMetricAlarm", "cloudwatch:TagResource", "cloudwatch:DeleteAlarms"] {
        let all = allowing(&policies, action);
        assert_eq!(all.len(), 1, "{action}");
        assert_eq!(texts(&all[0]["Resource"]), ["arn:aws:cloudwatch:eu-west-1:*:alarm:kstack/orders/*"]);
    }
}

#[test]
fn the_dashboard_is_the_one_with_the_stacks_name_and_region() {
    let text = MSK.replace("cluster:", "alarms: true\ncluster:");
    let policies = policies_of(&text, &[call("GetDashboard"), call("PutDashboard"), call("DeleteDashboards")]);
    for action in ["GetDashboard", "PutDashboard", "TagResource", "DeleteDashboards"] {
        let all = allowing(&policies, &format!("cloudwatch:{action}"));
        assert_eq!(all.len(), 1, "{action}");
        assert_eq!(texts(&all[0]["Resource"]), ["arn:aws:cloudwatch::*:dashboard/kstack-eu-west-1-orders"]);
    }
}

#[test]
fn log_groups_are_those_with_the_stacks_names_and_flow_logs_have_a_role_of_their_own() {
    let groups = ["CreateLogGroup", "PutRetentionPolicy", "DeleteLogGroup"].map(call);
    let role = ["CreateRole", "PutRolePolicy", "DeleteRole"].map(|name| call_of(name, "flow logs"));
    let all = [&groups[..], &role[..], &[call("CreateFlowLogs"), call("DescribeLogGroups")]].concat();
    let flow = MSK.replace("nat: none", "nat: none, flow_logs: {}");
    let policies = policies_of(&flow, &all);
    for action in ["CreateLogGroup", "TagResource", "PutRetentionPolicy", "DeleteLogGroup"] {
        let all = allowing(&policies, &format!("logs:{action}"));
        assert_eq!(all.len(), 1, "{action}");
        assert_eq!(texts(&all[0]["Resource"]), ["arn:aws:logs:eu-west-1:*:log-group:/aws/vendedlogs/kstack/orders/*"]);
    }
    let own = "arn:aws:iam::*:role/kstack-orders-eu-west-1-flow-logs";
    for action in ["iam:CreateRole", "iam:TagRole", "iam:PutRolePolicy", "iam:DeleteRole", "iam:PassRole"] {
        assert_eq!(texts(&allowing(&policies, action)[0]["Resource"]), [own], "{action}");
    }
    let passed = &allowing(&policies, "iam:PassRole")[0]["Condition"]["StringEquals"]["iam:PassedToService"];
    assert_eq!(texts(passed), ["vpc-flow-logs.amazonaws.com"]);
    assert!(allowing(&policies, "logs:CreateLogDelivery").is_empty(), "nothing goes to a bucket");

    // Into a bucket no role is needed, and none may be made.
    let bucket = MSK.replace("nat: none", "nat: none, flow_logs: \"arn:aws:s3:::flow\"");
    let policies = policies_of(&bucket, &all);
    let actions = statements(&policies).into_iter().flat_map(|one| texts(&one["Action"]));
    assert_eq!(actions.filter(|action| action.starts_with("iam:")).count(), 0);
    assert_eq!(allowing(&policies, "logs:CreateLogDelivery").len(), 1);
}
