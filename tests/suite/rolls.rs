//! Rolls where Kafka can't be asked, and where EC2 refuses the new instance: never two hosts down, and never one for want of room.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_ec2::types::{Filter, InstanceAttributeName};
use serde_json::json;

use crate::support::aws::{DEV, wait};
use crate::support::proxy::{Call, Fault, Proxy, Weather};
use crate::support::running::through;
use crate::support::{Account, poll, text};

const FILE: &str = "dev.yaml";
const LONG: Duration = Duration::from_secs(120);

/// The dev stack applied, and its file with a larger type, which rolls all three brokers.
fn account() -> Account {
    let account = Account::new();
    account.write("dev", &[]);
    account.apply(FILE);
    account.write("dev", &[("instance_type: t4g.medium", "instance_type: t4g.large")]);
    account
}

/// The types of the running hosts.
fn types(account: &Account) -> BTreeMap<String, String> {
    let running = Filter::builder().name("instance-state-name").values("running").build();
    let answer = wait(account.ec2(DEV).describe_instances().filters(running).send());
    let all = answer.reservations().iter().flat_map(|one| one.instances());
    all.map(|one| {
        let address = one.tags().iter().find(|tag| tag.key() == Some("kstack:address")).and_then(|tag| tag.value());
        let kind = one.instance_type().map(|kind| kind.as_str().to_owned()).unwrap_or_default();
        (address.unwrap_or_default().to_owned(), kind)
    })
    .collect()
}

fn user_data(account: &Account, id: &str) -> String {
    let call = account.ec2(DEV).describe_instance_attribute().instance_id(id);
    let answer = wait(call.attribute(InstanceAttributeName::UserData).send());
    answer.user_data().and_then(|data| data.value()).unwrap_or_default().to_owned()
}

#[test]
fn no_host_is_stopped_while_another_one_is_down() {
    for (what, told) in [("stop", "is stop"), ("terminate", "is ")] {
        let mut account = account();
        let (hosts, before) = (account.instances(DEV), account.identities(DEV));
        let direct = account.endpoint.clone();
        let proxy = Proxy::with(Weather { gate: Some("DescribeInstanceStatus"), ..Weather::default() });
        account.endpoint.clone_from(&proxy.endpoint);
        let apply = account.spawn(&["apply", FILE, "--yes", "--json"]);
        account.endpoint = direct;
        let mut calls: Vec<Call> = Vec::new();
        poll("its question", LONG, || {
            calls.extend(proxy.take());
            calls.iter().any(|call| call.operation == "DescribeInstanceStatus").then_some(())
        });
        // It is about to end broker-1 when somebody takes broker-3 away.
        let id = &hosts["broker-3"];
        match what {
            "stop" => drop(wait(account.ec2(DEV).stop_instances().instance_ids(id).send())),
            _ => drop(wait(account.ec2(DEV).terminate_instances().instance_ids(id).send())),
        }
        proxy.open();
        let run = apply.end(LONG).expect(1);
        let expected = format!("broker-1 was not stopped, because another host is down: broker-3 ({id}) {told}");
        assert!(run.err.contains(&expected), "{expected}\n{run}");
        calls.extend(proxy.take());
        assert!(calls.iter().all(|call| call.operation != "TerminateInstances"), "{calls:?}");
        assert_eq!(account.instances(DEV)["broker-1"], hosts["broker-1"]);
        poll("the end of what was asked", LONG, || (account.started(DEV) == 2).then_some(()));
        // Its place is taken before the others roll.
        let apply = account.spawn(&["apply", FILE, "--yes", "--json"]);
        let events = apply.end(LONG).expect(0).events();
        let first = events.iter().find(|event| event["event"] == "done").expect("a step");
        assert_eq!(text(&first["address"]), "instance/broker-3", "{events:?}");
        account.assert_converged(FILE);
        assert_eq!(account.identities(DEV), before);
        account.destroy(FILE);
    }
}

#[test]
fn without_kafka_a_run_rolls_one_host_and_the_next_run_the_next() {
    let mut account = account();
    account.blind = false;
    for (rolled, next) in [("broker-1", "broker-2"), ("broker-2", "broker-3")] {
        let before = account.instances(DEV);
        let run = account.run(&["apply", FILE, "--yes"]).expect(1);
        let told = format!(
            "instance/{next}: {next} was not stopped: no broker can be reached from here, so it is not known whether Kafka on {rolled}"
        );
        assert!(run.err.contains(&told), "{told}\n{run}");
        assert!(run.err.contains("hint: see that Kafka on it is back") && run.err.contains("--blind"), "{run}");
        let changed: Vec<String> =
            account.instances(DEV).into_iter().filter(|(name, id)| before[name] != *id).map(|(name, _)| name).collect();
        assert_eq!(changed, [rolled]);
    }
    account.apply(FILE);
    account.assert_converged(FILE);
    account.destroy(FILE);
}

#[test]
fn a_host_whose_new_type_has_no_capacity_runs_again_as_it_was() {
    let mut account = account();
    let (hosts, identities) = (account.instances(DEV), account.identities(DEV));
    let data = user_data(&account, &hosts["broker-1"]);
    assert!(data.len() > 1000, "{data}");
    let fault = |call: &Call| {
        let new = call.operation == "RunInstances" && call.body.contains("InstanceType=t4g.large");
        new.then_some(Fault::Refused("InsufficientInstanceCapacity"))
    };
    let proxy = Proxy::with(Weather { fault: Some(Box::new(fault)), ..Weather::default() });
    let run = through(&mut account, &proxy, &["apply", FILE, "--yes"]).expect(1);
    let told = "instance/broker-1: broker-1 runs as it was, as t4g.medium: EC2 refused its new instance, t4g.large: RunInstances failed";
    assert!(run.err.contains(told) && run.err.contains("(InsufficientInstanceCapacity)"), "{run}");
    let now = account.instances(DEV);
    assert_eq!((now.len(), &now["broker-2"], &now["broker-3"]), (3, &hosts["broker-2"], &hosts["broker-3"]));
    assert_ne!(now["broker-1"], hosts["broker-1"]);
    assert_eq!((account.identities(DEV), user_data(&account, &now["broker-1"])), (identities.clone(), data));
    assert!(types(&account).values().all(|kind| kind == "t4g.medium"), "{:?}", types(&account));
    // The plan is the one that it was.
    let steps: Vec<String> = ["broker-1", "broker-2", "broker-3"].map(|host| format!("roll instance/{host}")).into();
    assert_eq!(account.plan(FILE).steps(), steps);
    account.apply(FILE);
    account.assert_converged(FILE);
    assert_eq!(account.identities(DEV), identities);
    assert!(types(&account).values().all(|kind| kind == "t4g.large"), "{:?}", types(&account));
    account.destroy(FILE);
}

#[test]
fn a_host_that_keeps_its_type_waits_for_the_room_that_its_old_instance_leaves() {
    let account = Account::new();
    account.write("dev", &[]);
    account.apply(FILE);
    let (identities, hosts) = (account.identities(DEV), account.instances(DEV));
    account.write("dev", &[("kafka: 4.1.1", "kafka: 4.2.0")]);
    account.choose(&json!({"faults": [
        {"service": "ec2", "operation": "RunInstances", "error": "InsufficientInstanceCapacity", "status": 500, "count": 3}
    ]}));
    let events = account.apply(FILE);
    let waited =
        |event: &&serde_json::Value| event["event"] == "waiting" && text(&event["reason"]).contains("EC2 refused");
    assert_eq!(events.iter().filter(waited).count(), 3, "{events:?}");
    account.choose(&json!({}));
    account.assert_converged(FILE);
    assert_eq!(account.identities(DEV), identities);
    assert!(account.instances(DEV).iter().all(|(name, id)| hosts[name] != *id));
    account.destroy(FILE);
}

#[test]
fn a_host_that_starts_neither_way_is_told_as_down_and_started_by_the_next_run() {
    let account = account();
    let identities = account.identities(DEV);
    account.choose(&json!({"faults": [{"service": "ec2", "operation": "RunInstances", "error": "VcpuLimitExceeded"}]}));
    let run = account.run(&["apply", FILE, "--yes"]).expect(1);
    assert!(
        run.err.contains("broker-1 is down, since EC2 refused its new instance, t4g.large: RunInstances failed"),
        "{run}"
    );
    assert!(run.err.contains("as t4g.medium it does not start either: RunInstances failed"), "{run}");
    assert_eq!(account.instances(DEV).len(), 2, "and no other host was stopped");
    account.choose(&json!({}));
    account.apply(FILE);
    account.assert_converged(FILE);
    assert_eq!(account.identities(DEV), identities);
    account.destroy(FILE);
}
