//! Log groups of the stack's own: of MSK's brokers, of hosts and of VPC flow logs, made with the stack, put right after changes by hand, and gone with it.

use aws_sdk_cloudwatchlogs::types::LogGroup;

use crate::support::aws::{DEV, wait};
use crate::support::proxy::Proxy;
use crate::support::{Account, text};

const FILE: &str = "dev.yaml";
const FLOW: (&str, &str) = ("nat: single", "nat: single\n  flow_logs: {retention: 30d}");
const KEY: &str = "arn:aws:kms:eu-west-1:123456789012:key/12345678-1234-1234-1234-123456789012";

/// The only log group of the account.
#[track_caller]
fn group(account: &Account) -> LogGroup {
    let all = account.look(DEV).log_groups;
    assert_eq!(all.len(), 1, "{all:?}");
    all[0].clone()
}

/// The calls to CloudWatch Logs and to IAM of a command, sorted.
fn calls(account: &mut Account, command: &[&str]) -> Vec<String> {
    let (direct, proxy) = (account.endpoint.clone(), Proxy::counting());
    account.endpoint.clone_from(&proxy.endpoint);
    account.run(command).expect(0);
    account.endpoint = direct;
    let all = proxy.take().into_iter().filter(|call| ["logs", "iam"].contains(&call.service.as_str()));
    let mut all: Vec<String> = all.map(|call| call.operation).collect();
    all.sort_unstable();
    all
}

#[test]
fn flow_logs_get_into_a_log_group_of_their_own_by_a_role_of_their_own() {
    let mut account = Account::new();
    account.write("dev", &[]);
    account.apply(FILE);
    let without = calls(&mut account, &["plan", FILE]);
    assert!(!without.contains(&"DescribeLogGroups".to_owned()), "a stack without logs asks for none: {without:?}");

    account.write("dev", &[FLOW]);
    let added = ["create flow_log/main", "create flow_log_role/main", "create log_group/flow-logs"];
    let mut steps = account.plan(FILE).steps();
    steps.sort_unstable();
    assert_eq!(steps, added);
    account.apply(FILE);
    account.assert_converged(FILE);
    let one = group(&account);
    assert_eq!(one.log_group_name(), Some("/aws/vendedlogs/kstack/dev/flow-logs"));
    assert_eq!((one.retention_in_days(), one.kms_key_id()), (Some(30), None));
    let arn = one.log_group_arn().expect("an ARN").to_owned();
    let look = account.look(DEV);
    let log = &look.flow_logs[0];
    assert_eq!(log.log_group_name(), one.log_group_name());
    let role = look.roles.iter().find(|role| role.role_name == "kstack-dev-eu-west-1-flow-logs").expect("the role");
    assert_eq!(log.deliver_logs_permission_arn(), Some(role.arn.as_str()));
    let policy = account.iam().get_role_policy().role_name(&role.role_name).policy_name("kstack-flow-logs");
    let policy =
        percent_encoding::percent_decode_str(&wait(policy.send()).policy_document).decode_utf8_lossy().into_owned();
    assert!(policy.contains(&arn) && !policy.contains("CreateLogGroup"), "{policy}");
    let mut more = calls(&mut account, &["plan", FILE]);
    for call in &without {
        more.remove(more.iter().position(|one| one == call).expect("the same as without"));
    }
    // The hosts' role is asked whether it may write to a log group, too.
    let asked = ["DescribeLogGroups", "GetRole", "GetRolePolicy", "GetRolePolicy", "ListTagsForResource"];
    assert_eq!(more, asked);

    // What was changed by hand is put right, and what was deleted is made again, with the flow log that wrote to it.
    let (logs, iam) = (account.logs(DEV), account.iam());
    wait(
        logs.put_retention_policy().log_group_name("/aws/vendedlogs/kstack/dev/flow-logs").retention_in_days(1).send(),
    );
    wait(logs.tag_resource().resource_arn(&arn).tags("kstack:address", "log_group/flow-logs").tags("more", "1").send());
    let document = |who: &str| {
        format!(
            r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", "Action": "sts:AssumeRole", {who}}}]}}"#
        )
    };
    let put = iam.put_role_policy().role_name(&role.role_name).policy_name("kstack-flow-logs");
    wait(put.policy_document(document(r#""Resource": "*""#)).send());
    let trust = document(r#""Principal": {"Service": "ec2.amazonaws.com"}"#);
    wait(iam.update_assume_role_policy().role_name(&role.role_name).policy_document(trust).send());
    let mut steps = account.plan(FILE).steps();
    steps.sort_unstable();
    assert_eq!(steps, ["update flow_log_role/main", "update log_group/flow-logs"]);
    account.apply(FILE);
    account.assert_converged(FILE);
    assert_eq!(group(&account).retention_in_days(), Some(30));

    // A key comes and goes in place; the logs go only where that is said.
    let keyed = ("nat: single", &*format!("nat: single\n  flow_logs: {{retention: 7d, kms_key: \"{KEY}\"}}"));
    account.write("dev", &[keyed]);
    assert_eq!(account.plan(FILE).steps(), ["update log_group/flow-logs"]);
    account.apply(FILE);
    account.assert_converged(FILE);
    assert_eq!((group(&account).retention_in_days(), group(&account).kms_key_id()), (Some(7), Some(KEY)));
    account.write("dev", &[FLOW]);
    account.apply(FILE);
    assert_eq!(group(&account).kms_key_id(), None);
    account.write("dev", &[]);
    let refused = account.run(&["apply", FILE, "--yes"]).expect(1);
    assert!(refused.err.contains("the logs of 30 days") || refused.out.contains("the logs of 30 days"), "{refused}");
    account.run(&["apply", FILE, "--yes", "--allow-data-loss"]).expect(0);
    account.assert_converged(FILE);
    let look = account.look(DEV);
    assert!(look.log_groups.is_empty() && look.flow_logs.is_empty(), "{:?}", look.log_groups);
    assert_eq!(calls(&mut account, &["plan", FILE]), without, "the record forgets them");

    account.write("dev", &[FLOW]);
    account.apply(FILE);
    let listed = account.run(&["list", "--region", DEV, "--json"]).expect(0).json();
    assert_eq!(text(&listed["stacks"][0]["record"]["logs"]), "flow-logs", "{listed:#}");
    account.destroy(FILE);
}

#[test]
fn brokers_of_msk_have_a_log_group_of_the_stacks_own() {
    let account = crate::msk::account();
    let own = ("region: us-east-1", "region: eu-west-1");
    let logs = ("prometheus: true", "prometheus: true\n    logs: {cloudwatch: {}}");
    account.write("msk", &[own, logs]);
    account.apply("msk.yaml");
    account.assert_converged("msk.yaml");
    let one = group(&account);
    assert_eq!(one.log_group_name(), Some("/aws/vendedlogs/kstack/orders/brokers"));
    let target = || {
        let cluster = account.look(DEV).clusters[0].clone();
        let info = cluster.provisioned.and_then(|one| one.logging_info).and_then(|info| info.broker_logs);
        info.and_then(|logs| logs.cloud_watch_logs).and_then(|logs| logs.log_group)
    };
    assert_eq!(target().as_deref(), one.log_group_name());
    let roles = account.look(DEV).roles;
    assert!(roles.is_empty(), "MSK needs none: {roles:?}");

    // Into one of others, which the stack neither makes nor deletes; and back.
    wait(account.logs(DEV).create_log_group().log_group_name("/kafka/others").send());
    account.write("msk", &[own, ("prometheus: true", "prometheus: true\n    logs: {cloudwatch: /kafka/others}")]);
    let steps = account.plan("msk.yaml").steps();
    assert_eq!(steps, ["update msk_cluster/main", "delete log_group/brokers"]);
    account.run(&["apply", "msk.yaml", "--yes", "--allow-data-loss"]).expect(0);
    account.assert_converged("msk.yaml");
    assert_eq!(target().as_deref(), Some("/kafka/others"));
    assert_eq!(group(&account).log_group_name(), Some("/kafka/others"));
    account.write("msk", &[own, logs]);
    account.apply("msk.yaml");
    account.assert_converged("msk.yaml");

    // A group of others with the stack's name is not taken.
    account.run(&["destroy", "msk.yaml", "--yes"]).expect(0);
    assert_eq!(group(&account).log_group_name(), Some("/kafka/others"));
    wait(account.logs(DEV).delete_log_group().log_group_name("/kafka/others").send());
    wait(account.logs(DEV).create_log_group().log_group_name("/aws/vendedlogs/kstack/orders/brokers").send());
    let refused = account.run(&["plan", "msk.yaml"]);
    assert!(refused.out.contains("has the stack's name but not its tag `kstack:stack`"), "{refused}");
    wait(account.logs(DEV).delete_log_group().log_group_name("/aws/vendedlogs/kstack/orders/brokers").send());
    account.assert_nothing_left();
}

#[test]
fn hosts_may_write_to_their_log_group_and_to_nothing_else() {
    let account = Account::new();
    account.write("dev", &[("    kafka: 4.1.1", "    kafka: 4.1.1\n    logs: {cloudwatch: {}}")]);
    account.apply(FILE);
    account.assert_converged(FILE);
    let one = group(&account);
    assert_eq!(one.log_group_name(), Some("/aws/vendedlogs/kstack/dev/hosts"));
    let (iam, role) = (account.iam(), "kstack-dev-eu-west-1-role");
    let policies = || wait(iam.list_role_policies().role_name(role).send()).policy_names;
    let policy = wait(iam.get_role_policy().role_name(role).policy_name("kstack-logs").send()).policy_document;
    let policy = percent_encoding::percent_decode_str(&policy).decode_utf8_lossy().into_owned();
    assert!(policy.contains(one.log_group_arn().expect("an ARN")), "{policy}");

    // A policy that others widen, or take away, is put right.
    let wider = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]}"#;
    wait(iam.put_role_policy().role_name(role).policy_name("kstack-logs").policy_document(wider).send());
    assert_eq!(account.plan(FILE).steps(), ["update role/hosts"]);
    account.apply(FILE);
    wait(iam.delete_role_policy().role_name(role).policy_name("kstack-logs").send());
    assert_eq!(account.plan(FILE).steps(), ["update role/hosts"]);
    account.apply(FILE);
    account.assert_converged(FILE);

    // Hosts that keep their logs again may write nowhere.
    account.write("dev", &[]);
    account.run(&["apply", FILE, "--yes", "--allow-data-loss"]).expect(0);
    account.assert_converged(FILE);
    assert_eq!(policies(), ["kstack-session-manager"]);
    account.destroy(FILE);
}
