//! What `kstack policy` prints, beside the calls that the commands make.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_kafka::primitives::Blob;
use serde_json::Value;

use crate::adopt;
use crate::company::{self, Company};
use crate::msk;
use crate::support::aws::{DEV, PROD, wait};
use crate::support::proxy::{Call, Fault, Proxy, Weather};
use crate::support::running::through;
use crate::support::{Account, text};

/// The policies for a command, which are printed without asking anybody.
fn policies(account: &Account, file: &str, option: &str) -> Vec<Value> {
    let mut command = account.command(&["policy", file, option]);
    let run = crate::support::Run::of(command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:1")).expect(0);
    let all: Vec<Value> =
        serde_json::Deserializer::from_str(&run.out).into_iter().map(|one| one.expect("JSON")).collect();
    for policy in &all {
        assert!(policy.to_string().len() <= 6144, "too large for a managed policy: {policy}");
    }
    assert_eq!(all.len() > 1, !run.err.is_empty(), "{run}");
    all
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn statements(policies: &[Value]) -> impl Iterator<Item = &Value> {
    policies.iter().flat_map(|policy| policy["Statement"].as_array().expect("statements"))
}

fn actions(policies: &[Value]) -> BTreeSet<&str> {
    statements(policies).flat_map(|one| texts(&one["Action"])).collect()
}

/// The IAM action of a call. MSK's calls are known by method and path.
fn action(call: &Call) -> String {
    if call.service != "kafka" {
        return format!("{}:{}", call.service, call.operation);
    }
    let (method, path) = call.operation.split_once(' ').expect("a method and a path");
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let name = match (method, &parts[..]) {
        ("Get", ["api", "v2", "clusters"]) => "ListClustersV2",
        ("Post", ["api", "v2", "clusters"]) => "CreateClusterV2",
        ("Get", ["api", "v2", "clusters", _]) => "DescribeClusterV2",
        ("Get", ["api", "v2", "operations", _]) => "DescribeClusterOperationV2",
        ("Delete", ["v1", "clusters", _]) => "DeleteCluster",
        ("Get", ["v1", "configurations"]) => "ListConfigurations",
        ("Post", ["v1", "configurations"]) => "CreateConfiguration",
        ("Get", ["v1", "configurations", _]) => "DescribeConfiguration",
        ("Put", ["v1", "configurations", _]) => "UpdateConfiguration",
        ("Delete", ["v1", "configurations", _]) => "DeleteConfiguration",
        ("Get", ["v1", "configurations", _, "revisions", _]) => "DescribeConfigurationRevision",
        ("Get", ["v1", "kafka-versions"]) => "ListKafkaVersions",
        ("Get", ["v1", "compatible-kafka-versions"]) => "GetCompatibleKafkaVersions",
        ("Get", ["v1", "clusters", _, "policy"]) => "GetClusterPolicy",
        ("Put", ["v1", "clusters", _, "policy"]) => "PutClusterPolicy",
        ("Delete", ["v1", "clusters", _, "policy"]) => "DeleteClusterPolicy",
        ("Get", ["v1", "clusters", _, "scram-secrets"]) => "ListScramSecrets",
        ("Post", ["v1", "clusters", _, "scram-secrets"]) => "BatchAssociateScramSecret",
        ("Patch", ["v1", "clusters", _, "scram-secrets"]) => "BatchDisassociateScramSecret",
        ("Get", ["v1", "vpc-connections"]) => "ListVpcConnections",
        ("Post", ["v1", "vpc-connection"]) => "CreateVpcConnection",
        ("Get", ["v1", "vpc-connection", _]) => "DescribeVpcConnection",
        ("Delete", ["v1", "vpc-connection", _]) => "DeleteVpcConnection",
        ("Post", ["v1", "tags", _]) => "TagResource",
        ("Delete", ["v1", "tags", _]) => "UntagResource",
        ("Put", ["v1", "clusters", _, "storage"]) => "UpdateStorage",
        ("Put", ["v1", "clusters", _, "version"]) => "UpdateClusterKafkaVersion",
        ("Put", ["v1", "clusters", _, "configuration"]) => "UpdateClusterConfiguration",
        ("Put", ["v1", "clusters", _, "nodes", "type"]) => "UpdateBrokerType",
        ("Put", ["v1", "clusters", _, "nodes", "count"]) => "UpdateBrokerCount",
        ("Put", ["v1", "clusters", _, "rebalancing"]) => "UpdateRebalancing",
        ("Put", ["v1", "clusters", _, "connectivity"]) => "UpdateConnectivity",
        ("Put", ["v1", "clusters", _, "monitoring"]) => "UpdateMonitoring",
        ("Patch", ["v1", "clusters", _, "security"]) => "UpdateSecurity",
        _ => panic!("no action is known for {}", call.operation),
    };
    format!("kafka:{name}")
}

/// What a call names, by which the policies for IAM and Parameter Store are limited: the ends of ARNs.
fn named(call: &Call) -> Vec<String> {
    let form = |key: &str| {
        let value = call.body.split('&').find_map(|pair| pair.strip_prefix(&format!("{key}=")));
        value.map(str::to_owned)
    };
    match call.service.as_str() {
        "iam" if call.operation.starts_with("GetPolicy") => {
            form("PolicyArn").map(|arn| decoded(&arn)).into_iter().collect()
        }
        "iam" => [("RoleName", "role"), ("InstanceProfileName", "instance-profile")]
            .into_iter()
            // A role that is put into a profile is passed; the action is on the profile.
            .filter(|(key, _)| *key != "RoleName" || form("InstanceProfileName").is_none())
            .filter_map(|(key, kind)| Some(format!(":{kind}/{}", form(key)?)))
            .collect(),
        "ssm" => {
            let body: Value = serde_json::from_str(&call.body).expect("JSON");
            let one = [&body["Name"], &body["Path"]].into_iter().filter_map(Value::as_str);
            one.chain(texts(&body["Names"])).map(|name| format!(":parameter{name}")).collect()
        }
        _ => Vec::new(),
    }
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Whether a pattern with stars fits. Of what is in IAM the call does not name the path.
fn fits(pattern: &str, name: &str) -> bool {
    if let Some((kind, name)) = name.strip_prefix(':').and_then(|name| name.split_once('/'))
        && ["role", "instance-profile"].contains(&kind)
    {
        return pattern.contains(&format!(":{kind}/")) && pattern.ends_with(&format!("/{name}"));
    }
    match pattern.strip_suffix('*') {
        Some(start) => name.contains(start.rsplit_once(':').map_or(start, |(_, end)| end)),
        None => pattern.ends_with(name),
    }
}

/// Whether a policy allows a call, as far as the call itself shows.
fn allows(policies: &[Value], call: &Call, stack: &str) -> bool {
    let action = action(call);
    // AWS asks for no permission for it.
    if action == "sts:GetCallerIdentity" {
        return true;
    }
    let holds = |name: &Option<String>| {
        statements(policies).filter(|one| texts(&one["Action"]).contains(&action.as_str())).any(|one| {
            let equal = &one["Condition"]["StringEquals"];
            let tagged = match equal["aws:RequestTag/kstack:stack"].as_str() {
                Some(name) => {
                    assert_eq!(name, stack);
                    let form = "Key=kstack%3Astack&";
                    let json = format!("\"kstack:stack\":\"{stack}\"");
                    let of_kms = format!("\"TagKey\":\"kstack:stack\",\"TagValue\":\"{stack}\"");
                    call.body.contains(form) || call.body.contains(&json) || call.body.contains(&of_kms)
                }
                None => true,
            };
            // What the call has of what a condition of IAM's names.
            let form = |key: &str| {
                let value = call.body.split('&').find_map(|pair| pair.strip_prefix(&format!("{key}=")));
                value.map(decoded)
            };
            let boundary = equal["iam:PermissionsBoundary"].as_str();
            let bounded = match call.operation.as_str() {
                "CreateRole" | "PutRolePermissionsBoundary" => boundary == form("PermissionsBoundary").as_deref(),
                _ => true,
            };
            let policies = texts(&one["Condition"]["ArnEquals"]["iam:PolicyARN"]);
            let attached = policies.is_empty() || form("PolicyArn").is_some_and(|arn| policies.contains(&arn.as_str()));
            let tagged = tagged && bounded && attached;
            let named = name.as_ref().is_none_or(|name| texts(&one["Resource"]).iter().any(|one| fits(one, name)));
            tagged && named
        })
    };
    let names = named(call);
    if names.is_empty() { holds(&None) } else { names.into_iter().map(Some).all(|name| holds(&name)) }
}

/// Runs `command`, sees that its policy allows every call, and gives the actions.
fn run(account: &mut Account, file: &str, stack: &str, command: &[&str]) -> BTreeSet<String> {
    let policies = policies(account, file, &format!("--{}", command[0]));
    let proxy = Proxy::counting();
    through(account, &proxy, &[&command[..1], &[file], &command[1..]].concat()).expect(0);
    let calls = proxy.take();
    assert!(!calls.is_empty());
    let denied: BTreeSet<String> = calls
        .iter()
        .filter(|call| !allows(&policies, call, stack))
        .map(|call| format!("{} {:?}", action(call), named(call)))
        .collect();
    assert!(denied.is_empty(), "`kstack {command:?}` calls what its policy does not allow: {denied:#?}");
    calls.iter().map(action).collect()
}

/// Sees that what the policies allow and nobody has called has a reason, and that each reason is one.
fn assert_least(allowed: BTreeSet<&str>, seen: &BTreeSet<String>, reasons: &[(&str, &[&str])]) {
    let uncalled: BTreeSet<&str> = allowed.into_iter().filter(|action| !seen.contains(*action)).collect();
    let with_reason: BTreeSet<&str> = reasons.iter().flat_map(|(_, actions)| actions.iter().copied()).collect();
    let needless: Vec<_> = uncalled.difference(&with_reason).collect();
    assert!(needless.is_empty(), "allowed, not called, and without a reason: {needless:?}");
    let stale: Vec<_> = with_reason.difference(&uncalled).collect();
    assert!(stale.is_empty(), "called after all, or not allowed: {stale:?}");
}

#[test]
fn brokers_on_ec2_need_what_the_policies_say_and_nothing_of_msk() {
    let mut account = Account::new();
    let file = account.write("dev", &[]);
    let mut seen = run(&mut account, &file, "dev", &["plan"]);
    seen.extend(run(&mut account, &file, "dev", &["apply", "--yes"]));
    // Another type of instance is a roll; more of the network, protection, and other tags; then less.
    let endpoints = format!("endpoints: [s3, ssm]\n  flow_logs: arn:aws:s3:::{}/kafka/", account.bucket(DEV));
    let more = [
        ("region: eu-west-1", "region: eu-west-1\nprotected: true"),
        ("team: data-platform", "cost-center: \"7\""),
        ("t4g.medium", "t4g.large"),
        ("nat: single", "nat: none\n  clients: [10.99.0.0/16]"),
        ("endpoints: [s3]", endpoints.as_str()),
        ("retention: 1d", "retention: 4d"),
    ];
    account.write("dev", &more);
    seen.extend(run(&mut account, &file, "dev", &["plan"]));
    seen.extend(run(&mut account, &file, "dev", &["apply", "--yes"]));
    let wanted = [policies(&account, &file, "--apply"), policies(&account, &file, "--destroy")].concat();
    account.write("dev", &[]);
    seen.extend(run(&mut account, &file, "dev", &["apply", "--yes"]));
    let all = [wanted, policies(&account, &file, "--apply")].concat();
    seen.extend(run(&mut account, &file, "dev", &["destroy", "--yes"]));
    account.assert_nothing_left();
    // Nothing is left, and nothing of MSK is asked for to see that.
    seen.extend(run(&mut account, &file, "dev", &["destroy", "--yes"]));
    assert!(seen.iter().all(|action| !action.starts_with("kafka:")), "{seen:?}");
    assert!(actions(&all).iter().all(|action| !action.starts_with("kafka:") && !action.contains("autoscaling")));
    assert_least(actions(&all), &seen, EC2_REASONS);
}

/// Why actions are allowed that the test of EC2 does not call.
const EC2_REASONS: &[(&str, &[&str])] = &[
    (
        "AWS asks for it with another call",
        &[
            "iam:PassRole",
            "logs:CreateLogDelivery",
            "logs:DeleteLogDelivery",
            "route53:AssociateVPCWithHostedZone",
            "ssm:AddTagsToResource",
        ],
    ),
    ("an earlier kstack, or somebody else, may have attached what it detaches", &["iam:DetachRolePolicy"]),
    ("the way to the brokers where no other leads there", &["ssm:StartSession", "ssm:TerminateSession"]),
    (
        "it repairs what was changed by hand",
        &[
            "ec2:AssociateIamInstanceProfile",
            "ec2:DescribeIamInstanceProfileAssociations",
            "ec2:ModifyInstanceMetadataOptions",
            "ec2:ModifyNetworkInterfaceAttribute",
            "ec2:ModifyVpcEndpoint",
            "ec2:ReplaceIamInstanceProfileAssociation",
            "ec2:ReplaceRoute",
            "ec2:ReplaceRouteTableAssociation",
            "ec2:StartInstances",
            "ec2:UpdateSecurityGroupRuleDescriptionsEgress",
            "ec2:UpdateSecurityGroupRuleDescriptionsIngress",
            "iam:UpdateAssumeRolePolicy",
        ],
    ),
    ("an earlier file, or another kstack, may have put the boundary", &["iam:DeleteRolePermissionsBoundary"]),
    ("an earlier file may have had IPv6", &["ec2:DeleteEgressOnlyInternetGateway"]),
    ("a broker that leaves is stopped before its host goes", &["ec2:StopInstances"]),
];

/// The resources of the statements that allow `action`.
fn resources<'a>(policies: &'a [Value], action: &str) -> BTreeSet<&'a str> {
    statements(policies)
        .filter(|one| texts(&one["Action"]).contains(&action))
        .flat_map(|one| texts(&one["Resource"]))
        .collect()
}

/// The company's own account: its network, a boundary for roles, a path and a policy of its own.
#[test]
fn a_stack_in_a_network_of_others_names_what_is_theirs() {
    let mut account = Account::new();
    let company = Company::make(&account, PROD, 67);
    let policies_too = format!("path: /platform/\n      policies: [\"{}\"]", company::policy(&account, "logs"));
    let file = company.example(&account, &[("path: /platform/", &policies_too)]);
    let mut seen = run(&mut account, &file, "orders", &["plan"]);
    seen.extend(run(&mut account, &file, "orders", &["apply", "--yes"]));
    let apply = policies(&account, &file, "--apply");
    let here = |kind: &str, id: &str| format!("arn:aws:ec2:{PROD}:*:{kind}/{id}");
    let subnets = resources(&apply, "ec2:RunInstances");
    for subnet in &company.private {
        assert!(subnets.contains(here("subnet", subnet).as_str()), "{subnet} in {subnets:?}");
    }
    assert!(
        !subnets.contains(here("subnet", &company.public).as_str()) && !subnets.contains(here("subnet", "*").as_str())
    );
    assert!(resources(&apply, "ec2:CreateSecurityGroup").contains(here("vpc", &company.vpc).as_str()));
    assert!(resources(&apply, "ec2:CreateNetworkInterface").contains(here("security-group", &company.group).as_str()));
    let role = "arn:aws:iam::*:role/platform/kstack-orders-ap-northeast-2-role";
    assert_eq!(resources(&apply, "iam:CreateRole"), BTreeSet::from([role]));
    assert!(!actions(&apply).contains("iam:DeleteRolePermissionsBoundary"));
    seen.extend(run(&mut account, &file, "orders", &["destroy", "--yes"]));
    for action in ["iam:GetPolicy", "iam:AttachRolePolicy", "ec2:RunInstances", "ec2:DescribeSubnets"] {
        assert!(seen.contains(action), "{action} in {seen:?}");
    }
    assert!(!seen.contains("ec2:CreateVpc") && !seen.contains("ec2:CreateSubnet"), "{seen:?}");
    // On a profile of others, nothing of IAM is left but to pass its role.
    let boundary = format!("permissions_boundary: {}", company.boundary);
    let others = [(boundary.as_str(), "instance_profile: kafka-hosts"), ("path: /platform/", "")];
    let profile = company.example(&account, &others);
    for option in ["--plan", "--apply", "--destroy"] {
        let all = policies(&account, &profile, option);
        let of_iam: Vec<&str> = actions(&all).into_iter().filter(|action| action.starts_with("iam:")).collect();
        assert_eq!(of_iam, if option == "--apply" { vec!["iam:PassRole"] } else { Vec::new() }, "{option}");
    }
}

#[test]
fn a_cluster_of_msk_needs_what_the_policies_say() {
    let mut account = msk::account();
    msk::write(&account, &[]);
    let file = msk::FILE;
    let mut seen = run(&mut account, file, "orders", &["plan"]);
    seen.extend(run(&mut account, file, "orders", &["apply", "--yes"]));
    msk::write(&account, &msk::TEN);
    seen.extend(run(&mut account, file, "orders", &["apply", "--yes"]));
    let all = [policies(&account, file, "--apply"), policies(&account, file, "--destroy")].concat();
    msk::write(&account, &[msk::TEN[1], msk::TEN[2], msk::TEN[3], ("size: 200 GiB", "size: 400 GiB, tiered: true")]);
    seen.extend(run(&mut account, file, "orders", &["apply", "--yes"]));
    seen.extend(run(&mut account, file, "orders", &["destroy", "--yes"]));
    account.assert_nothing_left();
    assert!(seen.iter().any(|action| action == "kafka:UpdateStorage"), "{seen:?}");
    let hosts = ["iam:CreateRole", "ec2:RunInstances", "ec2:CreateVolume", "ssm:GetParameters", "iam:PassRole"];
    assert!(hosts.iter().all(|host| !actions(&all).contains(host)), "MSK has no hosts of the account's own");
    assert_least(actions(&all), &seen, MSK_REASONS);
}

#[test]
fn users_of_msk_need_what_the_policies_say() {
    let mut account = msk::account();
    let users = "access: {users: {billing: {mechanism: scram}}}\ncluster:\n";
    msk::write(&account, &[("auth: {iam: true}", "auth: {iam: true, scram: {}}"), ("cluster:\n", users)]);
    let mut seen = run(&mut account, msk::FILE, "orders", &["plan"]);
    seen.extend(run(&mut account, msk::FILE, "orders", &["apply", "--yes"]));
    seen.extend(run(&mut account, msk::FILE, "orders", &["destroy", "--yes"]));
    account.assert_nothing_left();
    for action in ["ListSecrets", "CreateSecret", "DeleteSecret"] {
        assert!(seen.contains(&format!("secretsmanager:{action}")), "{seen:?}");
    }
}

#[test]
fn a_client_of_msk_gets_the_policy_of_its_user_offline() {
    let account = Account::new();
    let file = account.write("msk", &[]);
    let policy = account.run(&["policy", &file, "--client", "orders-api"]).expect(0).json();
    assert!(actions(std::slice::from_ref(&policy)).contains("kafka-cluster:WriteData"), "{policy:#}");
    let run = account.run(&["policy", &file, "--client", "nobody"]).expect(1);
    assert!(run.err.contains("the stack file has no user nobody"), "{run}");
}

/// Why actions are allowed that the test of MSK does not call.
const MSK_REASONS: &[(&str, &[&str])] = &[
    (
        "AWS asks for it with another call",
        &[
            "cloudwatch:DeleteAlarms",
            "cloudwatch:DescribeAlarms",
            "cloudwatch:PutMetricAlarm",
            "ec2:CreateVpcEndpoint",
            "iam:AttachRolePolicy",
            "iam:CreateServiceLinkedRole",
            "iam:PutRolePolicy",
            "kafka:DescribeCluster",
            "kafka:DescribeClusterOperation",
            "kafka:UpdateBrokerStorage",
            "logs:DeleteLogDelivery",
            "ssm:AddTagsToResource",
        ],
    ),
    (
        "an earlier file may have had what it deletes",
        &[
            "ec2:DeleteEgressOnlyInternetGateway",
            "ec2:DeleteFlowLogs",
            "ec2:DeleteNatGateway",
            "ec2:DeleteVpcEndpoints",
            "ec2:ReleaseAddress",
            "kafka:BatchDisassociateScramSecret",
            "kafka:DeleteClusterPolicy",
            "kafka:DeleteVpcConnection",
            "kafka:DescribeVpcConnection",
            "kafka:ListScramSecrets",
        ],
    ),
    (
        "it repairs what was changed by hand",
        &[
            "ec2:ReplaceRoute",
            "ec2:ReplaceRouteTableAssociation",
            "ec2:UpdateSecurityGroupRuleDescriptionsEgress",
            "ec2:UpdateSecurityGroupRuleDescriptionsIngress",
        ],
    ),
    ("it says since when MSK refuses more storage", &["kafka:ListClusterOperationsV2"]),
    (
        "a plan asks it which brokers to ask, of which there are none here",
        &["kafka:GetBootstrapBrokers", "kafka:ListNodes"],
    ),
    (
        "a change that the test does not make: no NAT, fewer tags, public access, Express brokers",
        &[
            "ec2:DeleteRoute",
            "ec2:DeleteTags",
            "kafka:UntagResource",
            "kafka:UpdateConnectivity",
            "kafka:UpdateRebalancing",
        ],
    ),
];

#[test]
fn an_adoption_calls_what_its_policy_allows() {
    let mut account = Account::new();
    let company = Company::make(&account, DEV, 73);
    let arn = adopt::serverless(&account, &company);
    adopt::describe(&account, &arn);
    let called = run(&mut account, adopt::FILE, "orders", &["adopt", "--yes"]);
    assert!(called.contains("kafka:TagResource"), "{called:?}");
}

#[test]
fn what_is_left_of_another_engine_is_found_and_deleted() {
    let account = Account::new();
    let file = account.write("dev", &[]);
    // What a destroy of an MSK stack leaves that dies at its end.
    let properties = Blob::new("auto.create.topics.enable=false\n");
    wait(account.kafka(DEV).create_configuration().name("kstack-dev").server_properties(properties).send());
    let record = serde_json::json!({
        "cluster_id": "AAAAAAAAAAAAAAAAAAAAAA", "made_at": "2026-01-31T12:00:00Z", "made_by": "somebody", "engine": "msk",
    });
    let call = account.ssm(DEV).put_parameter().name("/kstack/dev/record").value(record.to_string());
    wait(call.r#type(aws_sdk_ssm::types::ParameterType::String).send());
    let steps = account.plan(&file).steps();
    assert!(steps.contains(&"delete msk_configuration/main".to_owned()), "{steps:?}");
    account.apply(&file);
    account.assert_converged(&file);
    let left = wait(account.kafka(DEV).list_configurations().send());
    assert!(left.configurations().is_empty(), "{left:?}");
    account.destroy(&file);
}

#[test]
fn a_denied_call_names_the_permission_to_add() {
    let mut account = Account::new();
    let file = account.write("dev", &[]);
    let denied = |call: &Call| (call.operation == "CreateVpc").then_some(Fault::Refused("UnauthorizedOperation"));
    let proxy = Proxy::with(Weather { fault: Some(Box::new(denied)), ..Weather::default() });
    let failed = through(&mut account, &proxy, &["apply", &file, "--yes", "--json"]).expect(1);
    let events = failed.events();
    let event = events.iter().find(|event| event["event"] == "failed").unwrap_or_else(|| panic!("{failed}"));
    let hint = text(&event["hint"]);
    assert!(hint.contains("`ec2:CreateVpc` and `ec2:CreateTags`") && hint.contains("kstack policy"), "{event}");
    account.apply(&file);
    account.destroy(&file);
}

#[test]
fn policies_are_for_one_command_and_apply_has_what_plan_has() {
    let account = Account::new();
    for base in ["dev", "prod", "msk", "msk-serverless", "msk-express", "ephemeral"] {
        let file = account.write(base, &[]);
        let of: BTreeMap<&str, Vec<Value>> =
            ["--plan", "--apply", "--destroy"].map(|option| (option, policies(&account, &file, option))).into();
        let plan = actions(&of["--plan"]);
        assert!(plan.is_subset(&actions(&of["--apply"])), "{base}");
        // Brokers are asked by a session, with a certificate that the hosts' authority has signed.
        let asks = ["kms:Decrypt", "ssm:StartSession", "ssm:TerminateSession"];
        let reads = |action: &&&str| {
            asks.contains(*action)
                || ["Describe", "Get", "List"].iter().any(|verb| action.contains(&format!(":{verb}")))
        };
        assert_eq!(plan.iter().filter(reads).count(), plan.len(), "a plan only reads: {plan:?}");
        let makes = |action: &&str| action.contains(":Create") || action.contains(":RunInstances");
        assert!(!actions(&of["--destroy"]).iter().any(makes), "a destroy makes nothing");
        let default = account.run(&["policy", &file]).expect(0).out;
        assert_eq!(default, account.run(&["policy", &file, "--apply"]).expect(0).out);
    }
    account.run(&["policy", "dev.yaml", "--plan", "--destroy"]).expect(1);
    let file = account.write("dev", &[("region: eu-west-1", "region: eu-west-1\naccount: \"111122223333\"")]);
    let named = policies(&account, &file, "--apply");
    let resources: BTreeSet<&str> = statements(&named).flat_map(|one| texts(&one["Resource"])).collect();
    assert!(resources.contains("arn:aws:ec2:eu-west-1:111122223333:*"), "{resources:?}");
}
