//! What of a plan is done to bring one host back, and nothing else of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use kstack_core::check::Parsed;
use kstack_core::heal::{Host, Machine, hosts, part, pending};
use kstack_core::model::Address;
use kstack_core::observed::Inside;
use kstack_core::plan::{Plan, verify};
use serde_json::json;

use crate::model::{Model, parsed, set};

/// A small production stack that was applied, with alarms.
fn applied(text: &str) -> (Model, Parsed) {
    let file = parsed(text);
    let mut model = Model::empty(&file.stack.region, 3);
    model.apply(&model.plan(&file, false));
    (model, file)
}

fn prod() -> String {
    fs::read_to_string("../../stacks/prod.yaml").expect("the stack file")
}

fn seen(model: &Model, file: &Parsed) -> (BTreeMap<String, Host>, Plan) {
    let (design, plan) = model.designed(file, true);
    let design = design.expect("a design");
    let impaired = [("i-broker-3".to_owned(), "fails".to_owned())].into();
    let ids = |one: &kstack_core::observed::Live| one.id.clone();
    let failed: BTreeSet<String> =
        model.observed.live.get(&Address::new("volume", "broker-4")).map(ids).into_iter().collect();
    (hosts(&design, &model.observed, &impaired, &failed), plan)
}

fn steps(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|step| format!("{:?} {}", step.action(), step.address)).collect()
}

#[test]
fn hosts_are_told_as_ec2_has_them() {
    let (mut model, file) = applied(&prod());
    let impaired = model.observed.live[&Address::new("instance", "broker-3")].id.clone();
    assert_eq!(impaired, "i-broker-3");
    for address in [("instance", "broker-1"), ("volume", "broker-2"), ("network_interface", "broker-5")] {
        model.end(&Address::new(address.0, address.1));
    }
    let stopped = Address::new("instance", "controller-1");
    set(&mut model.observed.live.get_mut(&stopped).expect("it").spec, "state", json!("stopping"));
    let (hosts, _) = seen(&model, &file);
    let machine = |name: &str| hosts[name].machine.clone();
    assert_eq!(machine("broker-1"), Machine::Gone);
    assert_eq!((machine("broker-2"), &hosts["broker-2"].lost[..]), (Machine::Runs, &["broker-2".to_owned()][..]));
    assert_eq!(machine("broker-3"), Machine::Impaired("fails".to_owned()));
    assert_eq!(hosts["broker-4"].failed.len(), 1);
    assert!(!hosts["broker-5"].addressed && hosts["broker-6"].addressed);
    assert_eq!(machine("controller-1"), Machine::Changes);
    assert!(hosts["controller-1"].votes && !hosts["controller-1"].broker && !hosts["broker-1"].votes);
}

#[test]
fn one_host_comes_back_and_nothing_else_of_the_plan_is_done() {
    let (mut model, _) = applied(&prod());
    for (kind, name) in [("instance", "broker-2"), ("instance", "broker-5"), ("volume", "broker-2")] {
        model.end(&Address::new(kind, name));
    }
    // The file wants more than that: another retention, and larger volumes for it.
    let file = parsed(&prod().replace("retention: 7d", "retention: 8d"));
    let (hosts, plan) = seen(&model, &file);
    assert_eq!(pending(&plan, &hosts), None, "what running brokers change is no reason to wait");
    let part = part(&plan, "broker-2", &model.observed);
    assert_eq!(part.refusals, vec![]);
    assert_eq!(verify(&part, &model.observed), Vec::<String>::new());
    let done = steps(&part);
    assert!(
        done.iter().all(|step| step.ends_with("/broker-2")
            || step.starts_with("Update alarm/broker-2")
            || step == "Update dashboard/main"),
        "{done:?}"
    );
    assert!(
        done.contains(&"Create volume/broker-2".to_owned()) && done.contains(&"Create instance/broker-2".to_owned()),
        "{done:?}"
    );
    assert!(steps(&plan).contains(&"Create instance/broker-5".to_owned()), "the plan does more");
    // Beside a controller that has lost its volume, of which the plan says that brokers have to be asked.
    let (mut model, file) = applied(&prod());
    for name in ["broker-3", "broker-6", "controller-3"] {
        model.end(&Address::new("instance", name));
        model.end(&Address::new("volume", name));
    }
    // As where nobody has asked brokers, who alone know who votes.
    model.observed.live.retain(|address, _| address.kind != "voter");
    model.observed.inside = Inside::Unknown("the brokers were not asked".to_owned());
    let (_, plan) = seen(&model, &file);
    assert!(plan.refusals[0].reason.contains("it is not known who votes"), "{:?}", plan.refusals);
    let part = kstack_core::heal::part(&plan, "broker-6", &model.observed);
    let made = ["Create volume/broker-6", "Create instance/broker-6"].map(str::to_owned);
    assert_eq!((part.refusals.as_slice(), &steps(&part)[..2]), (&[][..], &made[..]));
    // A host that runs and has lost its volume is rolled.
    let (mut model, file) = applied(&prod());
    model.end(&Address::new("volume", "broker-2"));
    let (_, plan) = seen(&model, &file);
    let done = steps(&kstack_core::heal::part(&plan, "broker-2", &model.observed));
    assert_eq!(done[..2], ["Create volume/broker-2".to_owned(), "Roll instance/broker-2".to_owned()], "{done:?}");
}

#[test]
fn a_host_that_is_stopped_is_started_as_it_is() {
    let (mut model, _) = applied(&prod());
    let address = Address::new("instance", "broker-2");
    set(&mut model.observed.live.get_mut(&address).expect("it").spec, "state", json!("stopped"));
    for (before, after) in [("kafka: 4.1.1", "kafka: 4.1.1"), ("kafka: 4.1.1", "kafka: 4.2.0")] {
        let file = parsed(&prod().replace(before, after));
        let (_, plan) = seen(&model, &file);
        let part = part(&plan, "broker-2", &model.observed);
        assert_eq!((part.refusals.len(), &steps(&part)[..]), (0, &["Update instance/broker-2".to_owned()][..]));
        let changed: Vec<&str> = part.steps[0].changes().iter().map(|change| change.field.as_str()).collect();
        assert_eq!(changed, ["state"]);
    }
}

#[test]
fn a_file_with_changes_that_are_not_applied_brings_no_host_back() {
    let (mut model, _) = applied(&prod());
    model.end(&Address::new("instance", "broker-2"));
    let file = parsed(&prod().replace("kafka: 4.1.1", "kafka: 4.2.0"));
    let (hosts, plan) = seen(&model, &file);
    assert_eq!(pending(&plan, &hosts).as_deref(), Some("controller-1 would be rolled for another `kafka`"));
    // A certificate that is renewed soon is no change of the file.
    let secured = fs::read_to_string("../../stacks/secured.yaml").expect("the stack file");
    let (mut model, file) = applied(&secured);
    model.end(&Address::new("instance", "broker-2"));
    let old = Address::new("instance", "broker-1");
    set(&mut model.observed.live.get_mut(&old).expect("it").spec, "certificate", json!("ends 2026-02-01"));
    let (hosts, plan) = seen(&model, &file);
    assert!(steps(&plan).contains(&"Roll instance/broker-1".to_owned()), "{:?}", steps(&plan));
    assert_eq!(pending(&plan, &hosts), None);
}
