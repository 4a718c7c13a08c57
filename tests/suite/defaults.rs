//! Defaults that need no wish: the VPC's default group is closed, endpoints serve the account alone, a protected stack's instances are
//! protected too; and flow logs for who asks for them.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Filter, InstanceAttributeName, IpPermission, IpRange, SecurityGroup};
use serde_json::Value;

use crate::support::Account;
use crate::support::aws::{DEV, wait};
use crate::support::proxy::{Call, Fault, Proxy, Weather};
use crate::support::running::through;

fn default_group(ec2: &Client) -> SecurityGroup {
    let filter = |name: &str, value: &str| Filter::builder().name(name).values(value).build();
    let vpcs = wait(ec2.describe_vpcs().filters(filter("tag:kstack:stack", "dev")).send());
    let vpc = vpcs.vpcs()[0].vpc_id().expect("an id");
    let call = ec2.describe_security_groups().filters(filter("vpc-id", vpc)).filters(filter("group-name", "default"));
    wait(call.send()).security_groups.and_then(|all| all.into_iter().next()).expect("a default group")
}

fn rules(group: &SecurityGroup) -> usize {
    group.ip_permissions().len() + group.ip_permissions_egress().len()
}

/// Dies after the first call of `operation`.
fn dies_after(operation: &'static str) -> Proxy {
    let fault = move |call: &Call| (call.operation == operation).then_some(Fault::KillAfter);
    Proxy::with(Weather { fault: Some(Box::new(fault)), ..Weather::default() })
}

#[test]
fn the_default_group_has_no_rules_whatever_was_added_and_wherever_a_run_dies() {
    let mut account = Account::new();
    let file = account.write("dev", &[]);
    // No other group of a new stack has rules of AWS's that let something in.
    let run = through(&mut account, &dies_after("RevokeSecurityGroupIngress"), &["apply", &file, "--yes"]);
    assert_eq!(run.code, -1, "{run}");
    account.run(&["unlock", &file, "--yes"]).expect(0);
    account.apply(&file);
    let ec2 = account.ec2(DEV);
    let group = default_group(&ec2);
    assert_eq!(rules(&group), 0, "{group:?}");
    let anywhere = IpPermission::builder().ip_protocol("tcp").from_port(22).to_port(22);
    let anywhere = anywhere.ip_ranges(IpRange::builder().cidr_ip("0.0.0.0/0").build()).build();
    let call = ec2.authorize_security_group_ingress().group_id(group.group_id().expect("an id"));
    wait(call.ip_permissions(anywhere).send());
    let plan = account.plan(&file);
    assert_eq!(plan.steps(), ["update vpc/main"]);
    assert_eq!(plan.step("vpc/main")["changes"][0]["field"], "default_group");
    account.apply(&file);
    assert_eq!(rules(&default_group(&ec2)), 0);
    account.assert_converged(&file);
    account.destroy(&file);
}

#[test]
fn what_is_in_a_vpc_does_not_wait_for_its_default_group() {
    let mut account = Account::new();
    let file = account.write("dev", &[]);
    let refused = Fault::Refused("InvalidParameterValue");
    let fault = move |call: &Call| (call.operation == "RevokeSecurityGroupIngress").then_some(refused);
    let proxy = Proxy::with(Weather { fault: Some(Box::new(fault)), ..Weather::default() });
    let run = through(&mut account, &proxy, &["apply", &file, "--yes", "--json"]);
    assert_eq!(run.code, 1, "{run}");
    let events = run.events();
    let of = |kind: &str| -> Vec<&Value> { events.iter().filter(|event| event["event"] == kind).collect() };
    let (failed, done) = (of("failed"), of("done"));
    assert!(failed.len() == 1 && failed[0]["address"] == "vpc/main", "{run}");
    assert!(done.iter().any(|event| event["address"] == "subnet/private-a"), "{run}");
    // What is not done in a VPC that is there is found, and done, by the next run.
    assert_eq!(account.plan(&file).steps(), ["update vpc/main"]);
    account.apply(&file);
    assert_eq!(rules(&default_group(&account.ec2(DEV))), 0);
    account.assert_converged(&file);
    account.destroy(&file);
}

#[test]
fn endpoints_serve_the_account_alone_and_are_brought_back_to_it() {
    let account = Account::new();
    let file = account.write("dev", &[("endpoints: [s3]", "endpoints: [s3, ssm, ssmmessages]")]);
    account.apply(&file);
    let ec2 = account.ec2(DEV);
    let policy = |service: &str| -> (String, Value) {
        let all = wait(ec2.describe_vpc_endpoints().send());
        let mut all = all.vpc_endpoints().iter();
        let one = all.find(|one| one.service_name().is_some_and(|name| name.ends_with(service))).expect("an endpoint");
        let text = one.policy_document().expect("a policy");
        (one.vpc_endpoint_id().expect("an id").to_owned(), serde_json::from_str(text).expect("JSON"))
    };
    for service in [".s3", ".ssm"] {
        let text = policy(service).1.to_string();
        assert!(text.contains(&format!("{{\"aws:PrincipalAccount\":\"{}\"}}", account.id)), "{service}: {text}");
    }
    // Whether this service takes a policy is not documented, so that it keeps AWS's own.
    assert!(!policy(".ssmmessages").1.to_string().contains("aws:PrincipalAccount"));
    let open =
        r#"{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#;
    let (id, before) = policy(".s3");
    wait(ec2.modify_vpc_endpoint().vpc_endpoint_id(id).policy_document(open).send());
    assert_eq!(account.plan(&file).steps(), ["update vpc_endpoint/s3"]);
    account.apply(&file);
    assert_eq!(policy(".s3").1, before);
    account.assert_converged(&file);
    account.destroy(&file);
}

fn protected(account: &Account, ec2: &Client) -> Vec<bool> {
    let ids = account.instances(DEV).into_values();
    ids.map(|id| {
        let call = ec2.describe_instance_attribute().instance_id(id);
        let answer = wait(call.attribute(InstanceAttributeName::DisableApiTermination).send());
        answer.disable_api_termination().and_then(|value| value.value()).unwrap_or_default()
    })
    .collect()
}

#[test]
fn instances_of_a_protected_stack_are_ended_by_kstack_alone() {
    let mut account = Account::new();
    let file = account.write("dev", &[("region: eu-west-1", "region: eu-west-1\nprotected: true")]);
    account.apply(&file);
    let ec2 = account.ec2(DEV);
    assert_eq!(protected(&account, &ec2), [true; 3]);
    // A roll goes on where it died between taking the protection away and the end of the instance.
    let larger = [("region: eu-west-1", "region: eu-west-1\nprotected: true"), ("t4g.medium", "t4g.large")];
    account.write("dev", &larger);
    let run = through(&mut account, &dies_after("ModifyInstanceAttribute"), &["apply", &file, "--yes"]);
    assert_eq!(run.code, -1, "{run}");
    account.run(&["unlock", &file, "--yes"]).expect(0);
    account.apply(&file);
    assert_eq!(protected(&account, &ec2), [true; 3]);
    account.assert_converged(&file);
    // So does its end.
    account.write("dev", &larger[1..]);
    let run = through(&mut account, &dies_after("ModifyInstanceAttribute"), &["apply", &file, "--yes"]);
    assert_eq!(run.code, -1, "{run}");
    account.run(&["unlock", &file, "--yes"]).expect(0);
    account.apply(&file);
    assert_eq!(protected(&account, &ec2), [false; 3]);
    account.assert_converged(&file);
    account.destroy(&file);
}

#[test]
fn flow_logs_come_and_go_with_their_key() {
    let mut account = Account::new();
    let bucket = account.bucket(DEV);
    let text = format!("endpoints: [s3]\n  flow_logs: arn:aws:s3:::{bucket}/kafka/");
    let ec2 = account.ec2(DEV);
    let logs = || wait(ec2.describe_flow_logs().send()).flow_logs.unwrap_or_default();
    let file = account.write("dev", &[("endpoints: [s3]", &text)]);
    let run = through(&mut account, &dies_after("CreateFlowLogs"), &["apply", &file, "--yes"]);
    assert_eq!(run.code, -1, "{run}");
    account.run(&["unlock", &file, "--yes"]).expect(0);
    account.apply(&file);
    assert_eq!(logs().len(), 1, "{:?}", logs());
    assert_eq!(logs()[0].log_destination(), Some(format!("arn:aws:s3:::{bucket}/kafka/").as_str()));
    account.assert_converged(&file);
    account.write("dev", &[("endpoints: [s3]", &text.replace("kafka/", "other/"))]);
    assert_eq!(account.plan(&file).steps(), ["replace flow_log/main"]);
    account.apply(&file);
    assert_eq!(logs().len(), 1, "{:?}", logs());
    account.write("dev", &[]);
    assert_eq!(account.plan(&file).steps(), ["delete flow_log/main"]);
    account.apply(&file);
    assert_eq!(logs().len(), 0, "{:?}", logs());
    account.write("dev", &[("endpoints: [s3]", &text)]);
    account.apply(&file);
    account.destroy(&file);
    assert_eq!(logs().len(), 0, "{:?}", logs());
}

#[test]
fn a_bucket_that_does_not_exist_is_named() {
    let account = Account::new();
    let file = account
        .write("dev", &[("endpoints: [s3]", "endpoints: [s3]\n  flow_logs: arn:aws:s3:::no-such-bucket-of-ours")]);
    let run = account.run(&["apply", &file, "--yes"]).expect(1);
    assert!(run.err.contains("CreateFlowLogs failed") && run.err.contains("no-such-bucket-of-ours"), "{run}");
    account.write("dev", &[]);
    account.destroy(&file);
}
