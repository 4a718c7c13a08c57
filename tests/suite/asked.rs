//! What is asked of AWS while planning, and refused before anything is made: endpoint services, instance types, Kafka versions; and
//! limits that end, with the time at which they do.

use serde_json::json;

use crate::msk::{FILE as ORDERS, account, write};
use crate::support::aws::DEV;
use crate::support::{Account, text};

/// The region of the shipped files with MSK.
const MSK: &str = "us-east-1";

/// The plan of `file` is refused for all of `reasons`, and apply makes nothing.
#[track_caller]
fn refused(account: &Account, file: &str, reasons: &[&str]) {
    let refusals = account.plan(file).refusals().join("\n");
    for reason in reasons {
        assert!(refusals.contains(reason), "{reason}:\n{refusals}");
    }
    // The lease leaves its parameter; nothing else is made.
    let resources = || {
        let all = [DEV, MSK].into_iter().flat_map(|region| account.inventory(region).into_keys());
        all.filter(|name| !name.ends_with("/lease")).collect::<Vec<String>>()
    };
    let before = resources();
    account.run(&["apply", file, "--yes"]).expect(1);
    assert_eq!(resources(), before);
}

#[test]
fn every_shipped_stack_file_can_be_made() {
    for base in [
        "compare",
        "dev",
        "ephemeral",
        "behind-a-proxy",
        "volumes",
        "instance-store",
        "msk",
        "msk-express",
        "msk-serverless",
        "prod",
    ] {
        let account = Account::new();
        let file = account.write(base, &[]);
        account.apply(&file);
        account.assert_converged(&file);
        account.destroy(&file);
    }
}

#[test]
fn an_endpoint_service_that_aws_does_not_have_is_refused_with_the_nearest() {
    let account = Account::new();
    let file = account.write("dev", &[("endpoints: [s3]", "endpoints: [s3, smm, ssmmesages, dynamodb]")]);
    let check = account.run(&["check", &file]).expect(0);
    assert!(check.err.contains("the nearest known one is `ssm`"), "{check}");
    refused(
        &account,
        &file,
        &[
            "AWS has no endpoint service `smm` in eu-west-1 (com.amazonaws.eu-west-1.smm); write `ssm` if that is meant",
            "AWS has no endpoint service `ssmmesages` in eu-west-1",
            "the endpoint service `dynamodb` has no interface endpoint in eu-west-1; remove `dynamodb`",
        ],
    );
    let msk = account.write("msk", &[("nat: none", "endpoints: [smm]\n  nat: none")]);
    refused(&account, &msk, &["AWS has no endpoint service `smm` in us-east-1"]);
}

#[test]
fn a_type_that_the_table_lacks_is_sized_with_what_aws_says() {
    let account = Account::new();
    // Of no family for brokers, so it is in no table; AWS has it.
    let file = account.write("dev", &[("t4g.medium", "g4dn.xlarge")]);
    let check = account.run(&["check", &file]).expect(0);
    assert!(check.err.contains("kstack's table has no instance type `g4dn.xlarge`"), "{check}");
    let size = account.run(&["size", &file]).expect(1);
    assert!(size.err.contains("kstack does not know the limits of `g4dn.xlarge`"), "{size}");
    assert!(size.err.contains("hint: they are AWS's to say: `kstack plan` asks for them"), "{size}");
    let cost = account.run(&["cost", &file]).expect(0);
    assert!(cost.out.contains("which follow from the limits of g4dn.xlarge"), "{cost}");
    account.apply(&file);
    account.assert_converged(&file);
    account.destroy(&file);
    let file = account.write("dev", &[("t4g.medium", "t4g.medum")]);
    account.run(&["check", &file]).expect(0);
    let why = "`t4g.medum` is not offered in eu-west-1; choose another instance type or region; the nearest known type is `t4g.medium`";
    refused(&account, &file, &[why]);
}

#[test]
fn express_brokers_are_not_made_with_a_version_of_standard_ones() {
    let account = account();
    let file = account.write("msk-express", &[("kafka: 3.9.x.kraft", "kafka: 3.9.x")]);
    let check = account.run(&["check", &file]).expect(0);
    assert!(check.err.contains("write `3.9.x.kraft`"), "{check}");
    refused(&account, &file, &["no new cluster of Express brokers with Kafka 3.9.x; write `kafka: 3.9.x.kraft`"]);
}

/// Each step as AWS asks for it: to the last version with ZooKeeper, to KRaft, and on.
#[test]
fn a_cluster_goes_from_zookeeper_to_kraft_in_place() {
    let account = account();
    write(&account, &[]);
    account.apply(ORDERS);
    write(&account, &[("kafka: 3.8.x", "kafka: 3.9.x.kraft")]);
    let refusals = account.plan(ORDERS).refusals().join("\n");
    assert!(refusals.contains("write `kafka: 3.9.x` and apply, then `kafka: 3.9.x.kraft`"), "{refusals}");
    for version in ["3.9.x", "3.9.x.kraft", "4.1.x.kraft"] {
        write(&account, &[("kafka: 3.8.x", &format!("kafka: {version}"))]);
        let plan = account.plan(ORDERS);
        assert_eq!(plan.steps(), ["update msk_cluster/main"], "{version}");
        let step = plan.step("msk_cluster/main");
        assert_eq!(step["operation"], "kafka-version");
        let reason = text(&step["reason"]);
        assert_eq!(reason.contains("access to ZooKeeper"), version == "3.9.x.kraft", "{version}: {reason}");
        account.apply(ORDERS);
        account.assert_converged(ORDERS);
    }
    let status = account.run(&["status", ORDERS, "--json"]).expect(0).json();
    assert_eq!(status["msk"]["state"], "ACTIVE", "{status:#}");
    write(&account, &[("kafka: 3.8.x", "kafka: 3.9.x")]);
    let refusals = account.plan(ORDERS).refusals().join("\n");
    assert!(refusals.contains("it never goes"), "{refusals}");
    account.destroy(ORDERS);
}

#[test]
fn the_hint_after_too_many_modifications_says_when_it_is_possible_again() {
    let account = Account::new();
    let sized = |gib: u32| {
        let storage = format!("instance_type: t4g.medium\n      storage: {{size: {gib} GiB}}");
        account.write("dev", &[("instance_type: t4g.medium", &storage)])
    };
    account.apply(&sized(100));
    for gib in [110, 120, 130, 140] {
        account.apply(&sized(gib));
    }
    let run = account.run(&["apply", &sized(150), "--yes"]).expect(1);
    let begun = crate::support::aws::wait(account.ec2(DEV).describe_volumes_modifications().send());
    let last = begun.volumes_modifications().iter().filter_map(|one| one.start_time()).map(|time| time.secs()).max();
    let again = jiff::Timestamp::from_second(last.expect("a modification") + 24 * 3600).expect("a time");
    let hint = run.err.lines().find(|line| line.starts_with("hint: ")).unwrap_or_else(|| panic!("no hint: {run}"));
    let expected = format!("the next is possible at {} at the latest", again.strftime("%F %H:%M UTC"));
    assert!(hint.contains("EBS takes 4 modifications of a volume within 24 hours"), "{hint}");
    assert!(hint.contains(&expected), "{expected}: {hint}");
    assert!(hint.contains("run the command again then"), "{hint}");
    // The limit has ended: the same command finishes.
    account.choose(&json!({"times": {"volume_modify_window": 0}}));
    account.apply(&sized(150));
    account.assert_converged(&sized(150));
    account.destroy(&sized(150));
}

#[test]
fn the_hint_after_msk_storage_that_cools_off_says_when_it_is_possible_again() {
    let account = Account::new();
    write(&account, &[]);
    account.apply(ORDERS);
    write(&account, &[("size: 200 GiB", "size: 300 GiB")]);
    account.apply(ORDERS);
    write(&account, &[("size: 200 GiB", "size: 400 GiB")]);
    let run = account.run(&["apply", ORDERS, "--yes"]).expect(1);
    let hint = run.err.lines().find(|line| line.starts_with("hint: ")).unwrap_or_else(|| panic!("no hint: {run}"));
    let ended = hint.split("which ended at ").nth(1).and_then(|rest| rest.get(..20)).expect("when it ended");
    let again = hint.split("run the command again after ").nth(1).and_then(|rest| rest.get(..20)).expect("when again");
    let time = |text: &str| jiff::civil::DateTime::strptime("%F %H:%M UTC", text).expect("a time");
    assert_eq!(time(again), time(ended) + jiff::Span::new().hours(6), "{hint}");
    account.choose(&json!({"times": {"storage_cooling_off": 0}}));
    account.apply(ORDERS);
    account.destroy(ORDERS);
}
