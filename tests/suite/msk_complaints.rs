//! What users of other tools have met with MSK, each answered by a test of its own.

use std::process::Stdio;
use std::time::Duration;

use serde_json::json;

use crate::msk::{FILE, account, write};
use crate::support::aws::{DEV, wait};
use crate::support::proxy::{Call, Proxy, Weather};
use crate::support::running::through;
use crate::support::{Account, poll, text};

/// The ARN of the account's cluster.
fn arn(account: &Account) -> String {
    let all = wait(account.kafka(DEV).list_clusters_v2().send());
    let cluster = all.cluster_info_list().first().expect("a cluster");
    cluster.cluster_arn().expect("an ARN").to_owned()
}

/// A secret as MSK takes it: its ARN.
fn secret(account: &Account, name: &str) -> String {
    let content = json!({"username": name, "password": "not-a-secret"}).to_string();
    account.secret(DEV, &format!("AmazonMSK_{name}"), &content)
}

fn scram_of(secrets: &[&str]) -> String {
    format!("{{iam: true, scram: {{secrets: [{}]}}}}", secrets.join(", "))
}

/// hashicorp/terraform-provider-aws#20327: a volume that grew by itself was read as drift, and "shrunk" by a new cluster.
#[test]
fn storage_that_grew_by_itself_is_no_difference() {
    let account = account();
    write(&account, &[("size: 200 GiB", "size: 200 GiB, max: 1 TiB")]);
    account.apply(FILE);
    let kafka = account.kafka(DEV);
    let cluster = wait(kafka.describe_cluster_v2().cluster_arn(arn(&account)).send()).cluster_info.expect("a cluster");
    let call = kafka.update_storage().cluster_arn(arn(&account)).volume_size_gb(460);
    wait(call.current_version(cluster.current_version().expect("a version")).send());
    // While it grows, and after it.
    account.assert_converged(FILE);
    account.settled(DEV);
    account.assert_converged(FILE);
    assert!(account.plan(FILE).notes().is_empty());
    // Without `max` it is not shrunk either, and the plan says so.
    write(&account, &[]);
    let plan = account.plan(FILE);
    assert_eq!(plan.steps(), ["delete msk_autoscaling/main"]);
    assert!(plan.notes().join("\n").contains("never shrink"), "{:?}", plan.notes());
    account.destroy(FILE);
}

/// terraform-aws-modules/terraform-aws-msk-kafka-cluster#16: the configuration had to be replaced for an upgrade, and could
/// not be deleted while the cluster used it.
#[test]
fn a_configuration_in_use_does_not_block_an_upgrade() {
    let account = account();
    write(&account, &[]);
    account.apply(FILE);
    write(&account, &[("kafka: 3.8.x", "kafka: 3.9.x"), ("enable: \"false\"", "enable: \"true\"")]);
    let steps = account.plan(FILE).steps();
    assert_eq!(steps, ["update msk_configuration/main", "update msk_cluster/main"], "nothing is deleted or replaced");
    account.apply(FILE);
    account.assert_converged(FILE);
    account.destroy(FILE);
    assert!(wait(account.kafka(DEV).list_configurations().send()).configurations().is_empty());
}

/// cloudposse/terraform-aws-msk-apache-kafka-cluster#102: a new revision was made, and the cluster never told to use it.
#[test]
fn a_revision_that_is_not_in_use_is_a_difference() {
    let account = account();
    write(&account, &[]);
    account.apply(FILE);
    write(&account, &[("enable: \"false\"", "enable: \"true\"")]);
    // A kstack that died between the revision and the cluster's operation; by hand here.
    let kafka = account.kafka(DEV);
    let before = wait(kafka.list_configurations().send()).configurations()[0].clone();
    let revision = before.latest_revision().and_then(|latest| latest.revision()).expect("a revision");
    let read = |revision: i64| {
        let call = kafka.describe_configuration_revision().arn(before.arn().expect("an ARN")).revision(revision);
        String::from_utf8(wait(call.send()).server_properties.expect("properties").into_inner()).expect("text")
    };
    let text = read(revision).replace("topics.enable=false", "topics.enable=true");
    let call = kafka.update_configuration().arn(before.arn().expect("an ARN"));
    wait(call.server_properties(aws_sdk_kafka::primitives::Blob::new(text)).send());
    assert_eq!(account.plan(FILE).steps(), ["update msk_cluster/main"]);
    account.apply(FILE);
    let cluster = wait(kafka.describe_cluster_v2().cluster_arn(arn(&account)).send()).cluster_info.expect("a cluster");
    let software = cluster.provisioned().and_then(|info| info.current_broker_software_info()).expect("software");
    let used = software.configuration_revision().expect("a revision");
    assert!(read(used).contains("auto.create.topics.enable=true"));
    account.assert_converged(FILE);
    account.destroy(FILE);
}

/// hashicorp/terraform-provider-aws#16791: secrets that others had associated were taken away.
#[test]
fn scram_secrets_of_others_stay() {
    let account = account();
    let (ours, also, theirs) = (secret(&account, "ours"), secret(&account, "also"), secret(&account, "theirs"));
    write(&account, &[("{iam: true}", &scram_of(&[&ours, &also]))]);
    account.apply(FILE);
    let kafka = account.kafka(DEV);
    let call = kafka.batch_associate_scram_secret().cluster_arn(arn(&account));
    wait(call.secret_arn_list(&theirs).send());
    account.assert_converged(FILE);
    let associated = || {
        let all = wait(kafka.list_scram_secrets().cluster_arn(arn(&account)).send());
        let mut all = all.secret_arn_list.unwrap_or_default();
        all.sort();
        all
    };
    let sorted = |mut all: Vec<&String>| {
        all.sort();
        all.into_iter().cloned().collect::<Vec<String>>()
    };
    assert_eq!(associated(), sorted(vec![&ours, &also, &theirs]));
    write(&account, &[("{iam: true}", &scram_of(&[&ours]))]);
    account.apply(FILE);
    account.assert_converged(FILE);
    assert_eq!(associated(), sorted(vec![&ours, &theirs]));
    // What others associate later is theirs, although it was the stack's own once.
    wait(kafka.batch_associate_scram_secret().cluster_arn(arn(&account)).secret_arn_list(&also).send());
    account.assert_converged(FILE);
    assert_eq!(associated(), sorted(vec![&ours, &also, &theirs]));
    account.destroy(FILE);
}

/// SCRAM goes off only once no secret is associated: the stack's own go first.
#[test]
fn scram_is_turned_off_after_its_secrets() {
    let account = account();
    let ours = secret(&account, "ours");
    write(&account, &[("{iam: true}", &scram_of(&[&ours]))]);
    account.apply(FILE);
    write(&account, &[]);
    account.apply(FILE);
    account.assert_converged(FILE);
    account.destroy(FILE);
}

/// MSK answers with success, and a list of secrets that it did not take.
#[test]
fn a_secret_that_msk_does_not_take_is_named() {
    let account = account();
    let missing = "arn:aws:secretsmanager:eu-west-1:000000000000:secret:AmazonMSK_missing-Ab1Cd2";
    write(&account, &[("{iam: true}", &scram_of(&[missing]))]);
    let run = account.run(&["apply", FILE, "--yes"]).expect(1);
    assert!(run.err.contains(missing), "{run}");
    account.destroy(FILE);
}

/// hashicorp/terraform-provider-aws#37471: a cluster that had failed could be neither read nor destroyed.
#[test]
fn a_failed_cluster_is_shown_with_its_reason_and_destroyed() {
    let account = account();
    let why = "The KMS key is disabled.";
    account.choose(&json!({"faults": [
        {"service": "kafka", "operation": "CreateCluster*", "outcome": "FAILED", "message": why, "count": 1}
    ]}));
    write(&account, &[]);
    let run = account.run(&["apply", FILE, "--yes"]).expect(1);
    assert!(run.err.contains(why), "{run}");
    // Running again would be refused, so that is not what it recommends.
    assert!(run.err.contains("hint: a failed cluster can't be repaired: delete it with `kstack destroy`"), "{run}");
    let refusals = account.plan(FILE).refusals().join("\n");
    assert!(refusals.contains(why) && refusals.contains("kstack destroy"), "{refusals}");
    let status = account.run(&["status", FILE]).expect(0);
    assert!(status.out.contains("FAILED") && status.out.contains(why), "{status}");
    account.destroy(FILE);
    account.apply(FILE);
    account.destroy(FILE);
}

/// hashicorp/terraform-provider-aws#17726: a creation that took long timed out, and the cluster was lost.
#[test]
fn a_slow_creation_is_not_lost() {
    let account = account();
    account.choose(&json!({"times": {"cluster_create": 4}}));
    write(&account, &[]);
    let mut command = account.command(&["apply", FILE, "--yes"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts");
    poll("the cluster being created", Duration::from_secs(60), || {
        let all = wait(account.kafka(DEV).list_clusters_v2().send());
        (!all.cluster_info_list().is_empty()).then_some(())
    });
    child.kill().expect("it is running");
    child.wait().expect("it ends");
    let made = arn(&account);
    account.run(&["unlock", FILE, "--yes"]).expect(0);
    let plan = account.plan(FILE);
    assert_eq!(plan.step("msk_cluster/main")["operation"], "creation", "{:#}", plan.0);
    account.apply(FILE);
    account.assert_converged(FILE);
    assert_eq!(arn(&account), made);
    account.destroy(FILE);
}

/// hashicorp/terraform-provider-aws#35696: the bootstrap list was another one at each call.
#[test]
fn the_bootstrap_list_is_whole_and_always_the_same() {
    let account = account();
    write(&account, &[("count: 3", "count: 12")]);
    account.apply(FILE);
    let servers = || account.run(&["status", FILE, "--json"]).expect(0).json()["bootstrap_servers"].clone();
    let first = servers();
    let all = first.as_array().expect("servers");
    assert_eq!(all.len(), 12);
    for (number, server) in (1..).zip(all) {
        assert!(text(server).starts_with(&format!("b-{number}.orders.")), "{first:#}");
        assert!(text(server).ends_with(":9098"), "{first:#}");
    }
    assert_eq!(servers(), first);
    account.destroy(FILE);
}

/// hashicorp/terraform-provider-aws#24914: an empty block of authentication planned nothing, and failed on apply.
#[test]
fn an_empty_auth_block_is_iam() {
    let account = account();
    write(&account, &[("{iam: true}", "{}")]);
    account.apply(FILE);
    account.assert_converged(FILE);
    write(&account, &[]);
    account.assert_converged(FILE);
    account.destroy(FILE);
}

/// hashicorp/terraform-provider-aws#25196: other subnets or security groups destroyed the cluster without a word.
#[test]
fn other_subnets_are_refused_and_nothing_is_replaced() {
    let account = account();
    write(&account, &[]);
    account.apply(FILE);
    let before = arn(&account);
    write(&account, &[("nat: none", "nat: none, zones: 2"), ("count: 3", "count: 4")]);
    let plan = account.plan(FILE);
    let refusals = plan.refusals().join("\n");
    assert!(refusals.contains("subnets of an MSK cluster") && refusals.contains("second stack"), "{refusals}");
    account.run(&["apply", FILE, "--yes"]).expect(1);
    assert_eq!(arn(&account), before);
    write(&account, &[]);
    account.destroy(FILE);
}

/// aws/aws-cdk#16765: MSK takes one change at a time, and a template with two failed. The order of many is in `msk.rs`; here,
/// what another one starts meanwhile.
#[test]
fn what_another_starts_is_waited_for() {
    let account = account();
    account.choose(&json!({"times": {"cluster_update": 2, "broker_reboot": 2}}));
    write(&account, &[]);
    account.apply(FILE);
    let kafka = account.kafka(DEV);
    wait(kafka.reboot_broker().cluster_arn(arn(&account)).broker_ids("1").send());
    write(&account, &[("count: 3", "count: 6"), ("level: default", "level: per-broker")]);
    account.apply(FILE);
    account.assert_converged(FILE);
    account.destroy(FILE);
}

/// The versions that a cluster can be brought to are asked for after its own is known, and the upgrade that a dead run began may end
/// between the two.
#[test]
fn an_upgrade_that_ends_during_the_look_is_not_refused() {
    let mut account = account();
    account.choose(&json!({"times": {"cluster_update": 2}}));
    write(&account, &[]);
    account.apply(FILE);
    let kafka = account.kafka(DEV);
    let (arn, listed) = (arn(&account), wait(kafka.list_clusters_v2().send()));
    let version = listed.cluster_info_list().first().and_then(|cluster| cluster.current_version()).expect("a version");
    let call = kafka.update_cluster_kafka_version().cluster_arn(arn).current_version(version);
    wait(call.target_kafka_version("3.9.x").send());
    write(&account, &[("kafka: 3.8.x", "kafka: 3.9.x")]);
    let upgraded = move || {
        let listed = wait(kafka.list_clusters_v2().send());
        let provisioned = listed.cluster_info_list().first()?.provisioned()?;
        let version = provisioned.current_broker_software_info()?.kafka_version()?;
        (version == "3.9.x").then_some(())
    };
    let hit = move |call: &Call| {
        if call.operation.contains("compatible-kafka-versions") {
            poll("the upgrade being over", Duration::from_secs(30), &upgraded);
        }
        None
    };
    let proxy = Proxy::with(Weather { fault: Some(Box::new(hit)), ..Weather::default() });
    let run = through(&mut account, &proxy, &["apply", FILE, "--yes"]).expect(0);
    assert!(proxy.take().iter().any(|call| call.operation.contains("compatible-kafka-versions")), "{run}");
    account.assert_converged(FILE);
    account.destroy(FILE);
}

#[test]
fn an_operation_that_fails_is_named_with_its_reason_and_can_be_made_again() {
    let account = account();
    write(&account, &[]);
    account.apply(FILE);
    let why = "Not enough addresses are free in the subnet.";
    account.choose(&json!({"faults": [
        {"service": "kafka", "operation": "UpdateBrokerCount", "outcome": "UPDATE_FAILED", "message": why, "count": 1}
    ]}));
    write(&account, &[("count: 3", "count: 6"), ("level: default", "level: per-broker")]);
    let run = account.run(&["apply", FILE, "--yes"]).expect(1);
    assert!(run.err.contains(why) && run.err.contains("msk_cluster/main:broker-count"), "{run}");
    account.apply(FILE);
    account.assert_converged(FILE);
    account.destroy(FILE);
}

#[test]
fn storage_that_may_not_change_yet_is_explained() {
    let account = Account::new();
    write(&account, &[]);
    account.apply(FILE);
    write(&account, &[("size: 200 GiB", "size: 300 GiB")]);
    account.apply(FILE);
    write(&account, &[("size: 200 GiB", "size: 400 GiB")]);
    let run = account.run(&["apply", FILE, "--yes"]).expect(1);
    assert!(run.err.contains("6 hours"), "{run}");
    account.destroy(FILE);
}

#[test]
fn a_cluster_of_somebody_else_with_the_stacks_name_is_left_alone() {
    let account = account();
    write(&account, &[]);
    account.apply(FILE);
    let kafka = account.kafka(DEV);
    let arn = arn(&account);
    let tags = wait(kafka.list_tags_for_resource().resource_arn(&arn).send()).tags.unwrap_or_default();
    wait(kafka.untag_resource().resource_arn(&arn).tag_keys("kstack:stack").send());
    let refusals = account.plan(FILE).refusals().join("\n");
    assert!(refusals.contains("but not its tag") && refusals.contains("another name"), "{refusals}");
    account.run(&["apply", FILE, "--yes"]).expect(1);
    wait(kafka.tag_resource().resource_arn(&arn).set_tags(Some(tags)).send());
    account.assert_converged(FILE);
    account.destroy(FILE);
}

#[test]
fn versions_are_those_that_aws_has() {
    let account = account();
    write(&account, &[("kafka: 3.8.x", "kafka: 3.5.1")]);
    let refusals = account.plan(FILE).refusals().join("\n");
    assert!(refusals.contains("3.5.1") && refusals.contains("3.9.x"), "{refusals}");
    write(&account, &[]);
    account.apply(FILE);
    for version in ["3.7.x", "3.9.x.kraft"] {
        write(&account, &[("kafka: 3.8.x", &format!("kafka: {version}"))]);
        let refusals = account.plan(FILE).refusals().join("\n");
        assert!(refusals.contains(version) && refusals.contains("3.9.x"), "{refusals}");
    }
    account.destroy(FILE);
}

#[test]
fn fewer_brokers_must_be_allowed_where_none_can_be_asked() {
    let account = account();
    write(&account, &[("count: 3", "count: 9")]);
    account.apply(FILE);
    write(&account, &[]);
    assert!(account.plan(FILE).refusals().join("\n").contains("one broker of each zone at a time"));
    write(&account, &[("count: 3", "count: 6")]);
    let refusals = account.plan(FILE).refusals().join("\n");
    assert!(refusals.contains("3 of 9 brokers would leave, and it is not known what is on them"), "{refusals}");
    account.run(&["apply", FILE, "--yes", "--allow-data-loss"]).expect(0);
    account.assert_converged(FILE);
    account.destroy(FILE);
}

#[test]
fn a_policy_is_put_changed_and_removed() {
    let account = account();
    let policy = |action: &str| {
        let text = format!(
            "    policy: {{Version: \"2012-10-17\", Statement: [{{Effect: Allow, Principal: {{AWS: \"123456789012\"}}, Action: \"{action}\", Resource: \"*\"}}]}}\n    auth: {{iam: true}}\n"
        );
        text
    };
    for action in ["kafka:Describe*", "kafka:CreateVpcConnection"] {
        write(&account, &[("    auth: {iam: true}\n", &policy(action))]);
        account.apply(FILE);
        account.assert_converged(FILE);
    }
    write(&account, &[]);
    account.apply(FILE);
    account.assert_converged(FILE);
    account.destroy(FILE);
}

#[test]
fn an_engine_does_not_turn_into_the_other() {
    let account = account();
    write(&account, &[]);
    account.apply(FILE);
    let ec2 = "  ec2: {listeners: {plaintext: true}, kafka: 4.1.1, combined: true, brokers: {count: 3, instance_type: m7g.large}}\n";
    let text = std::fs::read_to_string(account.path(FILE)).expect("the file");
    let (head, _) = text.split_once("  msk:\n").expect("an MSK cluster");
    std::fs::write(account.path(FILE), format!("{head}{ec2}")).expect("a file");
    let refusals = account.plan(FILE).refusals().join("\n");
    assert!(refusals.contains("a stack keeps its engine"), "{refusals}");
    // `destroy` asks for both: nothing is left behind.
    account.destroy(FILE);
    assert!(wait(account.kafka(DEV).list_clusters_v2().send()).cluster_info_list().is_empty());
}
