//! Managed VPC connections of an MSK cluster: made after the way in, gone before it, and once whatever dies.

use aws_sdk_kafka::types::VpcConnection;
use serde_json::json;

use crate::company::Company;
use crate::support::Account;
use crate::support::aws::wait;
use crate::support::proxy::{Call, Fault, Proxy, Weather};
use crate::support::running::through;

const REGION: &str = "us-east-1";
const WAY: &str = "    vpc_connectivity:          # turned on once the cluster is there, which may take an hour or more\n      iam: true\n";

/// `stacks/msk-private-link.yaml` with a connection from the company's VPC that has the `groups`.
fn write(account: &Account, company: &Company, group: &str) -> String {
    let connection = format!(
        "{WAY}    vpc_connections:\n      - {{name: apps, vpc: {}, subnets: [{}], security_groups: [{group}]}}\n",
        company.vpc,
        company.private.join(", ")
    );
    account.write("msk-private-link", &[(WAY, &connection)])
}

fn live(account: &Account) -> Vec<VpcConnection> {
    wait(account.kafka(REGION).list_vpc_connections().send()).vpc_connections.unwrap_or_default()
}

#[test]
fn a_connection_comes_after_the_way_in_and_goes_before_it() {
    let account = crate::msk::account();
    let company = Company::make(&account, REGION, 75);
    let before = account.look(REGION).others();
    let file = write(&account, &company, &company.group);
    account.apply(&file);
    account.assert_converged(&file);
    let first = live(&account);
    assert_eq!(first.len(), 1, "{first:?}");
    let status = account.run(&["status", &file]).expect(0);
    assert!(status.out.contains("Bootstrap servers (iam, from other VPCs): "), "{status}");
    let json = account.run(&["status", &file, "--json"]).expect(0).json();
    assert_eq!(json["msk"]["from_vpcs"][0]["method"], "iam", "{json:#}");

    // MSK changes none: another group is another connection.
    let group = account.ec2(REGION).create_security_group().vpc_id(&company.vpc).group_name("apps").description("apps");
    let group = wait(group.send()).group_id.expect("a group");
    let file = write(&account, &company, &group);
    let steps = account.plan(&file).steps();
    assert_eq!(steps, ["replace msk_vpc_connection/apps"]);
    account.apply(&file);
    account.assert_converged(&file);
    let second = live(&account);
    assert!(second.len() == 1 && second[0].vpc_connection_arn != first[0].vpc_connection_arn, "{second:?}");

    // Another's connection to the same cluster is left alone.
    let arn = second[0].target_cluster_arn.clone().expect("an ARN");
    let call = account.kafka(REGION).create_vpc_connection().target_cluster_arn(&arn).authentication("SASL_IAM");
    let call = call.vpc_id(&company.vpc).client_subnets(&company.private[0]).security_groups(&company.group);
    let theirs = wait(call.send()).vpc_connection_arn.expect("an ARN");
    account.assert_converged(&file);
    let none = account.write("msk-private-link", &[(WAY, "    vpc_connectivity: {}\n")]);
    let done: Vec<String> = account
        .apply(&none)
        .iter()
        .filter(|event| event["event"] == "done")
        .map(|event| event["address"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(done, ["msk_vpc_connection/apps", "msk_cluster/main:vpc-connectivity-off"]);
    assert_eq!(
        live(&account).iter().map(|one| one.vpc_connection_arn.clone()).collect::<Vec<_>>(),
        [Some(theirs.clone())]
    );
    wait(account.kafka(REGION).delete_vpc_connection().arn(theirs).send());
    account.destroy(&none);
    wait(account.ec2(REGION).delete_security_group().group_id(group).send());
    account.look(REGION).assert_others_kept(&before);
}

#[test]
fn a_run_that_dies_at_a_connection_makes_one_and_leaves_none() {
    let mut account = crate::msk::account();
    account.choose(&json!({"times": {"storage_cooling_off": 0}}));
    let company = Company::make(&account, REGION, 76);
    let file = account.write("msk-private-link", &[]);
    account.apply(&file);
    for fault in [Fault::KillBefore, Fault::KillAfter, Fault::DropAnswer] {
        for (command, verb) in [("apply", "Post /v1/vpc-connection"), ("apply", "Delete /v1/vpc-connection")] {
            let file = match verb.starts_with("Post") {
                true => write(&account, &company, &company.group),
                false => account.write("msk-private-link", &[]),
            };
            let struck = std::sync::atomic::AtomicBool::new(false);
            let strike = move |call: &Call| {
                let now = call.operation.starts_with(verb) && !struck.swap(true, std::sync::atomic::Ordering::SeqCst);
                now.then_some(fault)
            };
            let proxy = Proxy::with(Weather { fault: Some(Box::new(strike)), ..Weather::default() });
            let run = through(&mut account, &proxy, &[command, &file, "--yes"]);
            let seen: Vec<String> = proxy.take().into_iter().map(|call| call.operation).collect();
            assert!(seen.iter().any(|operation| operation.starts_with(verb)), "{verb} in {seen:?}");
            if run.code != 0 {
                account.run(&["unlock", &file, "--yes"]).expect(0);
                account.apply(&file);
            }
            account.assert_converged(&file);
            assert_eq!(live(&account).len(), usize::from(verb.starts_with("Post")), "{verb} {fault:?}");
        }
    }
    account.destroy(&file);
}
