//! Hosts' roles in a company's account: with a boundary, a path and more policies; or an instance profile of others, without IAM.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::InstanceStateName;

use crate::company::policy;
use crate::support::aws::{DEV, wait};
use crate::support::proxy::{Call, Fault, Proxy, Weather};
use crate::support::running::through;
use crate::support::{Account, text};

const FILE: &str = "dev.yaml";
/// A profile of others, and its role.
const HOSTS: &str = "kafka-hosts";
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const ROLL: (&str, &str) = ("instance_type: t4g.medium", "instance_type: t4g.large");

/// Writes the dev stack with `iam` and more edits.
fn write(account: &Account, iam: &str, edits: &[(&str, &str)]) {
    let block = format!("kafka: 4.1.1\n    iam: {iam}");
    account.write("dev", &[&[("kafka: 4.1.1", block.as_str())], edits].concat());
}

/// A profile as others make it.
fn make_profile(account: &Account) {
    let iam = account.iam();
    wait(iam.create_role().role_name(HOSTS).path("/platform/").assume_role_policy_document(TRUST).send());
    wait(iam.create_instance_profile().instance_profile_name(HOSTS).path("/platform/").send());
    wait(iam.add_role_to_instance_profile().instance_profile_name(HOSTS).role_name(HOSTS).send());
}

/// The roles and profiles of the account, as IAM lists them.
fn roles(account: &Account) -> Vec<String> {
    let look = account.look(DEV);
    let profiles = look.profiles.iter().map(|one| format!("{one:?}"));
    look.roles.iter().map(|one| format!("{one:?}")).chain(profiles).collect()
}

/// What is left of stacks: everything but others' role and profile.
fn left(account: &Account) -> Vec<String> {
    account.look(DEV).left().into_iter().filter(|id| id != HOSTS).collect()
}

/// The names of the profiles that the running hosts have.
fn given(account: &Account) -> BTreeSet<String> {
    let look = account.look(DEV);
    let running = Some(&InstanceStateName::Running);
    let live = look.instances.iter().filter(|one| one.state().and_then(|state| state.name()) == running);
    let arns = live.map(|one| one.iam_instance_profile().and_then(|profile| profile.arn()).unwrap_or("none"));
    arns.map(|arn| arn.rsplit('/').next().unwrap_or_default().to_owned()).collect()
}

fn operations(calls: &[Call], service: &str) -> Vec<String> {
    calls.iter().filter(|call| call.service == service).map(|call| call.operation.clone()).collect()
}

#[test]
fn hosts_on_a_profile_of_others_take_no_call_to_iam() {
    let mut account = Account::new();
    make_profile(&account);
    let before = roles(&account);
    let arn = format!("arn:aws:iam::{}:instance-profile/platform/{HOSTS}", account.id);
    write(&account, &format!("{{instance_profile: \"{arn}\"}}"), &[]);
    let proxy = Proxy::counting();
    let run = |account: &mut Account, arguments: &[&str]| {
        through(account, &proxy, arguments).expect(0);
        let calls = proxy.take();
        assert!(!calls.is_empty());
        assert_eq!(operations(&calls, "iam"), Vec::<String>::new(), "{arguments:?}");
        calls
    };
    run(&mut account, &["plan", FILE]);
    run(&mut account, &["apply", FILE, "--yes"]);
    run(&mut account, &["plan", FILE, "--detailed-exitcode"]);
    run(&mut account, &["status", FILE]);
    assert_eq!(given(&account), BTreeSet::from([HOSTS.to_owned()]));
    // A roll asks EC2 first whether it may give the profile still: before the host is stopped.
    write(&account, &format!("{{instance_profile: {HOSTS}}}"), &[ROLL]);
    let calls = run(&mut account, &["apply", FILE, "--yes"]);
    let dry = |call: &Call| call.operation == "RunInstances" && call.body.contains("DryRun=true");
    assert_eq!(calls.iter().filter(|call| dry(call)).count(), 3);
    let first = calls.iter().position(dry);
    assert!(first < calls.iter().position(|call| call.operation == "TerminateInstances"), "{calls:?}");
    run(&mut account, &["plan", FILE, "--detailed-exitcode"]);
    assert_eq!(given(&account), BTreeSet::from([HOSTS.to_owned()]));
    run(&mut account, &["destroy", FILE, "--yes"]);
    assert_eq!((roles(&account), left(&account)), (before, Vec::new()));
}

#[test]
fn a_profile_that_is_not_there_is_said_before_a_host_is_stopped() {
    let mut account = Account::new();
    write(&account, &format!("{{instance_profile: {HOSTS}}}"), &[]);
    let failed = account.run(&["apply", FILE, "--yes"]).expect(1);
    let expected = format!("EC2 does not give broker-1 the instance profile {HOSTS}");
    assert!(failed.err.contains(&expected) && failed.err.contains("cluster.ec2.iam.instance_profile"), "{failed}");
    make_profile(&account);
    account.apply(FILE);
    account.assert_converged(FILE);
    let hosts = account.instances(DEV);
    // Its owner takes it away, and the next roll would stop a host for good.
    let iam = account.iam();
    wait(iam.remove_role_from_instance_profile().instance_profile_name(HOSTS).role_name(HOSTS).send());
    wait(iam.delete_instance_profile().instance_profile_name(HOSTS).send());
    write(&account, &format!("{{instance_profile: {HOSTS}}}"), &[ROLL]);
    let proxy = Proxy::counting();
    let failed = through(&mut account, &proxy, &["apply", FILE, "--yes"]).expect(1);
    assert!(failed.err.contains(&expected), "{failed}");
    assert!(!operations(&proxy.take(), "ec2").contains(&"TerminateInstances".to_owned()));
    assert_eq!(account.instances(DEV), hosts);
    // Who has only the stack's name asks IAM for nothing either.
    through(&mut account, &proxy, &["destroy", "--name", "dev", "--region", DEV, "--yes"]).expect(0);
    assert_eq!(operations(&proxy.take(), "iam"), Vec::<String>::new());
    assert_eq!(left(&account), Vec::<String>::new());
}

/// The role of the account's stack: its path, its boundary and the names of its attached policies.
fn role(account: &Account) -> (String, Option<String>, BTreeSet<String>) {
    let name = "kstack-dev-eu-west-1-role";
    let role = wait(account.iam().get_role().role_name(name).send()).role.expect("a role");
    let boundary = role.permissions_boundary().and_then(|one| one.permissions_boundary_arn()).map(str::to_owned);
    let attached = wait(account.iam().list_attached_role_policies().role_name(name).send());
    let names = attached.attached_policies().iter().filter_map(|one| one.policy_name.clone()).collect();
    (role.path, boundary, names)
}

fn names(all: &[&str]) -> BTreeSet<String> {
    all.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_role_has_what_the_file_names_and_what_others_attach() {
    let account = Account::new();
    let [boundary, logs, metrics, theirs] =
        ["boundary", "logs", "metrics", "theirs"].map(|name| policy(&account, name));
    let path = "path: /platform/kafka/";
    write(&account, &format!("{{{path}, permissions_boundary: \"{boundary}\", policies: [\"{logs}\"]}}"), &[]);
    account.apply(FILE);
    account.assert_converged(FILE);
    assert_eq!(role(&account), ("/platform/kafka/".to_owned(), Some(boundary.clone()), names(&["logs"])));
    let profile = account.look(DEV).profiles.pop().expect("a profile");
    assert_eq!(profile.path, "/platform/kafka/");
    // What is changed by hand is seen, and put right; what others attach stays.
    let (iam, name) = (account.iam(), "kstack-dev-eu-west-1-role");
    wait(iam.detach_role_policy().role_name(name).policy_arn(&logs).send());
    wait(iam.put_role_permissions_boundary().role_name(name).permissions_boundary(&theirs).send());
    wait(iam.attach_role_policy().role_name(name).policy_arn(&theirs).send());
    let plan = account.plan(FILE);
    assert_eq!(plan.steps(), ["update role/hosts"]);
    let fields: Vec<&str> = plan.step("role/hosts")["changes"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|change| text(&change["field"]))
        .collect();
    assert_eq!(fields, ["policies", "permissions_boundary"]);
    account.apply(FILE);
    account.assert_converged(FILE);
    assert_eq!(role(&account).1, Some(boundary.clone()));
    assert_eq!(role(&account).2, names(&["logs", "theirs"]));
    // One policy goes, another comes, and the boundary goes.
    write(&account, &format!("{{{path}, policies: [\"{metrics}\"]}}"), &[]);
    account.apply(FILE);
    account.assert_converged(FILE);
    assert_eq!(role(&account), ("/platform/kafka/".to_owned(), None, names(&["metrics", "theirs"])));
    // A boundary of a governance tool's is no difference.
    wait(iam.put_role_permissions_boundary().role_name(name).permissions_boundary(&boundary).send());
    account.assert_converged(FILE);
    let status = account.run(&["status", FILE]).expect(0).out;
    assert!(status.contains(&format!("the permissions boundary {boundary}")), "{status}");
    write(&account, "{path: /data/}", &[]);
    let refusals = account.plan(FILE).refusals();
    assert!(refusals.iter().any(|line| line.contains("a path in IAM can't be changed")), "{refusals:?}");
    write(&account, &format!("{{{path}, policies: [\"{metrics}-none\"]}}"), &[]);
    let refusals = account.plan(FILE).refusals();
    assert!(refusals.iter().any(|line| line.contains(&format!("there is no policy {metrics}-none"))), "{refusals:?}");
    let name = "closed";
    let document = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#;
    wait(account.iam().create_policy().policy_name(name).policy_document(document).send());
    write(&account, &format!("{{{path}, permissions_boundary: \"arn:aws:iam::{}:policy/{name}\"}}", account.id), &[]);
    let refusals = account.plan(FILE).refusals();
    assert!(refusals.iter().any(|line| line.contains("forbids what hosts are reached with")), "{refusals:?}");
    account.destroy(FILE);
}

/// Runs an apply that is killed at its first call of `operation`.
fn dies_at(account: &mut Account, operation: &'static str, fault: Fault) {
    let fault = move |call: &Call| (call.operation == operation).then_some(fault);
    let proxy = Proxy::with(Weather { fault: Some(Box::new(fault)), ..Weather::default() });
    through(account, &proxy, &["apply", FILE, "--yes"]).expect(-1);
    account.run(&["unlock", FILE, "--yes"]).expect(0);
}

#[test]
fn what_a_dead_run_gave_the_role_is_not_taken_for_others() {
    let mut account = Account::new();
    let [boundary, logs, metrics] = ["boundary", "logs", "metrics"].map(|name| policy(&account, name));
    let all = format!("{{permissions_boundary: \"{boundary}\", policies: [\"{logs}\", \"{metrics}\"]}}");
    let none = || ("/".to_owned(), None, BTreeSet::new());
    account.write("dev", &[]);
    account.apply(FILE);
    for fault in [Fault::KillBefore, Fault::KillAfter] {
        for operation in ["TagRole", "PutRolePermissionsBoundary", "AttachRolePolicy"] {
            write(&account, &all, &[]);
            dies_at(&mut account, operation, fault);
            // The file has changed its mind meanwhile.
            account.write("dev", &[]);
            account.apply(FILE);
            account.assert_converged(FILE);
            assert_eq!(role(&account), none(), "{operation}, {fault:?}");
        }
        for operation in ["DeleteRolePermissionsBoundary", "DetachRolePolicy"] {
            write(&account, &all, &[]);
            account.apply(FILE);
            account.write("dev", &[]);
            dies_at(&mut account, operation, fault);
            account.apply(FILE);
            account.assert_converged(FILE);
            assert_eq!(role(&account), none(), "{operation}, {fault:?}");
        }
    }
    account.destroy(FILE);
}

#[test]
fn hosts_go_to_a_profile_of_others_and_back_while_they_run() {
    let mut account = Account::new();
    make_profile(&account);
    let before = roles(&account);
    account.write("dev", &[]);
    account.apply(FILE);
    let hosts = account.instances(DEV);
    write(&account, &format!("{{instance_profile: {HOSTS}}}"), &[]);
    // It dies once the first host has the other profile: the own one is not forgotten.
    dies_at(&mut account, "ReplaceIamInstanceProfileAssociation", Fault::KillAfter);
    account.apply(FILE);
    assert_eq!(given(&account), names(&[HOSTS]));
    assert_eq!(roles(&account), before, "the own role and profile are gone");
    let proxy = Proxy::counting();
    through(&mut account, &proxy, &["plan", FILE, "--detailed-exitcode"]).expect(0);
    assert_eq!(operations(&proxy.take(), "iam"), Vec::<String>::new());
    account.write("dev", &[]);
    account.apply(FILE);
    account.assert_converged(FILE);
    assert_eq!(given(&account), names(&["kstack-dev-eu-west-1-profile"]));
    assert_eq!(account.instances(DEV), hosts, "no host was stopped");
    account.run(&["destroy", FILE, "--yes"]).expect(0);
    assert_eq!((roles(&account), left(&account)), (before, Vec::new()));
}

#[test]
fn a_role_that_may_not_be_made_is_told_of_boundaries_and_profiles() {
    let mut account = Account::new();
    account.write("dev", &[]);
    let denied = |call: &Call| (call.operation == "CreateRole").then_some(Fault::Refused("AccessDenied"));
    let proxy = Proxy::with(Weather { fault: Some(Box::new(denied)), ..Weather::default() });
    let failed = through(&mut account, &proxy, &["apply", FILE, "--yes", "--json"]).expect(1);
    let events = failed.events();
    let event = events.iter().find(|event| event["event"] == "failed").unwrap_or_else(|| panic!("{failed}"));
    for words in ["`iam:CreateRole` and `iam:TagRole`", "permissions_boundary", "`instance_profile`", "kstack policy"] {
        assert!(text(&event["hint"]).contains(words), "{event}");
    }
    account.run(&["destroy", FILE, "--yes"]).expect(0);
    account.assert_nothing_left();
}
