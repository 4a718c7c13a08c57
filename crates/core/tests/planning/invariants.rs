//! What holds of every plan: random stacks, random live states, random ends half-way, in the model in memory.

use std::collections::{BTreeMap, BTreeSet};

use kstack_core::check::Parsed;
use kstack_core::kinds::{Resource, broker, owner};
use kstack_core::model::{Address, Ref, StepId, tag};
use kstack_core::observed::Live;
use kstack_core::plan::{Action, Plan, Step, Work, rank, render};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

use crate::model::{Model, set};
use crate::shapes::{Shape, shape, shapes};

/// Something that happens to a live stack without kstack.
#[derive(Debug, Clone)]
enum Damage {
    Removed(Index),
    TagRemoved(Index),
    ForeignTag(Index),
    Changed(Index),
}

fn damage() -> impl Strategy<Value = Vec<Damage>> {
    let one = prop_oneof![
        2 => any::<Index>().prop_map(Damage::Removed),
        1 => any::<Index>().prop_map(Damage::TagRemoved),
        1 => any::<Index>().prop_map(Damage::ForeignTag),
        2 => any::<Index>().prop_map(Damage::Changed),
    ];
    prop::collection::vec(one, 0..3)
}

/// Fields that people change by hand.
const CHANGEABLE: [(&str, &str, &str); 17] = [
    ("cluster_settings", "config.log.cleaner.threads", r#""3""#),
    ("topic", "config.retention.ms", r#""1""#),
    ("security_group_rules", "ingress", r#"[{"ports": "tcp 22", "peer": "0.0.0.0/0", "description": ""}]"#),
    ("instance", "state", r#""stopped""#),
    ("instance", "http_tokens", r#""optional""#),
    ("volume", "iops", "3500"),
    ("vpc", "dns_hostnames", "false"),
    ("vpc", "ipv6", "false"),
    ("subnet", "ipv6_part", "null"),
    ("network_interface", "ipv6", "false"),
    ("route_table", "routes", "[]"),
    ("log_group", "retention_days", "0"),
    ("flow_log_role", "writes_to", r#""{}""#),
    ("alarm", "enabled", "false"),
    ("alarm", "of", r#""i-0123456789abcdef0""#),
    ("dashboard", "body", r#""{\"widgets\": []}""#),
    ("dashboard", "of", r#"[{"at": 0, "of": "i-0123456789abcdef0"}]"#),
];

fn suffer(model: &mut Model, damages: &[Damage]) {
    for damage in damages {
        let all: Vec<Address> = model.observed.live.keys().cloned().collect();
        let live = |model: &mut Model, index: &Index, change: &dyn Fn(&mut Live)| {
            change(model.observed.live.get_mut(index.get(&all)).expect("it is there"));
        };
        match damage {
            _ if all.is_empty() => {}
            Damage::Removed(index) => model.end(index.get(&all)),
            Damage::TagRemoved(index) => live(model, index, &|live| {
                live.tags.remove("Name");
            }),
            Damage::ForeignTag(index) => live(model, index, &|live| {
                live.tags.insert("billing".to_owned(), "17".to_owned());
            }),
            Damage::Changed(index) => {
                let (kind, field, value) = index.get(&CHANGEABLE);
                let value: Value = serde_json::from_str(value).expect("JSON");
                let target = model.observed.live.iter_mut().find(|(address, _)| address.kind == *kind);
                target.into_iter().for_each(|(_, live)| set(&mut live.spec, field, value.clone()));
            }
        }
    }
}

/// Does a random part of `plan` that its order allows, and ends some instances without starting the next.
fn apply_partly(model: &mut Model, plan: &Plan, dice: &[u8]) {
    let mut dice = dice.iter().cycle();
    // The next stage is begun where this one is done.
    let _ = plan.stages().find(|stage| !apply_stage_partly(model, stage, &mut dice));
}

fn apply_stage_partly<'a>(model: &mut Model, plan: &Plan, dice: &mut impl Iterator<Item = &'a u8>) -> bool {
    let mut done: BTreeSet<StepId> = BTreeSet::new();
    for (step, die) in plan.steps.iter().zip(dice) {
        if !step.may_begin(&plan.steps, &done) {
            continue;
        }
        match die {
            0 if step.action() == Action::Roll => model.end(&step.address),
            0 | 1 => {}
            _ => {
                model.step(step);
                done.insert(step.id());
            }
        }
    }
    done.len() == plan.steps.len()
}

/// What is there, whatever its ids are.
fn contents(model: &Model) -> BTreeMap<&Address, (&Resource, &BTreeMap<String, String>)> {
    model.observed.live.iter().map(|(address, live)| (address, (&live.spec, &live.tags))).collect()
}

fn texts(plan: &Plan) -> (String, String) {
    (serde_json::to_string_pretty(plan).expect("a plan is JSON"), render(plan))
}

/// What holds of a plan in `model` beside what `verify` says of each.
fn check_order(model: &Model, plan: &Plan) {
    for step in &plan.steps {
        for needed in step.wanted().iter().flat_map(|wanted| wanted.refs()).filter_map(Ref::address) {
            let made = |step: &&Step| step.address == *needed && step.action() != Action::Delete;
            let there = model.observed.live.contains_key(needed);
            let gone = plan.steps.iter().any(|step| step.address == *needed && step.action() == Action::Delete);
            assert!(
                plan.steps.iter().any(|step| made(&step)) || (there && !gone),
                "{} names no {needed}",
                step.address
            );
        }
        if let Work::Create(new) = &step.work {
            assert_eq!(new.tags.get(tag::STACK), Some(&plan.stack));
            assert_eq!(new.tags.get(tag::ADDRESS), Some(&step.address.to_string()));
        }
    }
    let rolls: Vec<&Step> = plan.steps.iter().filter(|step| step.action() == Action::Roll).collect();
    for pair in rolls.windows(2) {
        let (one, next) = (&pair[0].address, &pair[1].address);
        assert!(rank(one) < rank(next), "{next} rolls before {one}");
    }
    if let Some(first) = rolls.first() {
        let moving = |action| matches!(action, Action::Create | Action::Update);
        let others = plan.steps.iter().filter(|step| step.address.kind == "instance" && moving(step.action()));
        others.for_each(|step| {
            assert!(first.after.contains(&step.id()), "{} rolls while {} starts", first.address, step.address)
        });
    }
}

/// Nobody on the internet reaches a host, by IPv6 either: private subnets lead to no internet gateway, and no rule lets everyone in.
fn check_closed(model: &Model) {
    for (address, live) in &model.observed.live {
        let spec = live.spec.spec();
        if address.kind == "route_table" && address.name != "public" {
            assert!(!spec["routes"].to_string().contains("internet_gateway"), "{address}: {spec}");
        }
        assert!(!spec["ingress"].to_string().contains("::/0"), "{address}: {spec}");
    }
}

/// Whether the broker of the host is taken away without loss, before the step. One that is not registered has nothing.
fn leaves(model: &Model, plan: &Plan, step: &Step) -> bool {
    let broker = Address::new("broker", owner(&step.address));
    let told = model.observed.live.keys().any(|address| address.kind == "partitions");
    let place = |address: &Address| plan.steps.iter().position(|step| step.address == *address);
    told && match place(&broker) {
        Some(before) => plan.steps[before].action() == Action::Delete && Some(before) < place(&step.address),
        None => !model.observed.live.contains_key(&broker),
    }
}

fn check_data(model: &Model, plan: &Plan) {
    let loses = |step: &&Step| step.action() != Action::Delete || !leaves(model, plan, step);
    // A roll is no loss: the host fetches from the others what its own disks had.
    for step in plan.steps.iter().filter(|step| step.address.kind == "instance").filter(loses) {
        let own_disks = step.live().is_some_and(|live| live.spec.spec()["storage"] == "instance-store");
        let ends = matches!(step.action(), Action::Delete | Action::Replace);
        assert!(!(ends && own_disks), "{}: {:?}", step.address, step.action());
    }
    for step in plan.steps.iter().filter(|step| step.address.kind == "volume").filter(loses) {
        assert!(matches!(step.action(), Action::Create | Action::Update), "{}: {:?}", step.address, step.action());
        for change in step.changes().iter().filter(|change| change.field == "size_gib") {
            assert!(change.after.as_u64() > change.before.as_u64(), "{} shrinks", step.address);
        }
    }
}

/// Checks the plan of `wanted` in `model` and, where it can be run, that it leaves nothing to do. Says whether it can.
fn check(model: &Model, wanted: &Parsed, allow_data_loss: bool) -> bool {
    let plan = model.plan(wanted, allow_data_loss);
    assert_eq!(texts(&plan), texts(&model.plan(wanted, allow_data_loss)), "the same plan every time");
    check_order(model, &plan);
    // A broker that leaves is left as it is until it goes.
    for step in plan.steps.iter().filter(|step| broker::leaves(&wanted.stack, owner(&step.address))) {
        assert_eq!(step.action(), Action::Delete, "{}", step.address);
    }
    if !plan.refusals.is_empty() {
        return false;
    }
    if !allow_data_loss {
        check_data(model, &plan);
    }
    let mut after = model.clone();
    after.apply(&plan);
    check_closed(&after);
    let again = after.plan(wanted, false);
    assert!(again.steps.is_empty() && again.refusals.is_empty(), "{}", render(&again));
    true
}

/// Few cases in every run; `PROPTEST_CASES=1000 cargo test invariants` looks further. A case that failed is kept in
/// `crates/core/tests/proptest-regressions`, to be committed, and is tried first from then on.
fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(48);
    ProptestConfig { cases, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_plan_is_ordered_and_converges((before, after) in shapes(), damages in damage(), allow: bool) {
        let mut model = Model::empty("eu-west-1", 3);
        prop_assert!(check(&model, &before.parsed(), false), "a fresh stack is not refused");
        model.apply(&model.plan(&before.parsed(), false));
        suffer(&mut model, &damages);
        let possible = check(&model, &after.parsed(), allow);
        // Refusals have causes: without damage, only zones, brokers, volumes or logs that go, or another quorum.
        let shrinks = before.zones != after.zones || before.brokers_per_zone > after.brokers_per_zone;
        let voters = |shape: &Shape| if shape.zones * shape.brokers_per_zone < 3 { 1 } else { 3 };
        let on_brokers = |shape: &Shape| shape.controllers.is_none().then(|| voters(shape));
        let quorum = on_brokers(&before) != on_brokers(&after) || before.has_no_way(&after);
        let logs_go = before.has_flow_logs() && !after.has_flow_logs();
        let shrinks = shrinks || !before.on_own_disks() && after.on_own_disks();
        prop_assert!(possible || !damages.is_empty() || shrinks || quorum || logs_go || before.leaves_clients(&after));
    }

    #[test]
    fn a_plan_that_ends_half_way_is_gone_on_with((before, after) in shapes(), dice in prop::collection::vec(0..8_u8, 1..40)) {
        // A first apply that ends anywhere: another finishes it, and nothing tells the two from one.
        let mut model = Model::empty("eu-west-1", 3);
        let fresh = model.plan(&before.parsed(), false);
        let mut whole = model.clone();
        whole.apply(&fresh);
        apply_partly(&mut model, &fresh, &dice);
        prop_assert!(check(&model, &before.parsed(), false), "{}", render(&model.plan(&before.parsed(), false)));
        model.apply(&model.plan(&before.parsed(), false));
        prop_assert_eq!(contents(&model), contents(&whole));

        // The same of a change.
        let change = model.plan(&after.parsed(), false);
        if change.refusals.is_empty() {
            let mut whole = model.clone();
            whole.apply(&change);
            apply_partly(&mut model, &change, &dice);
            prop_assert!(check(&model, &after.parsed(), false), "{}", render(&model.plan(&after.parsed(), false)));
            model.apply(&model.plan(&after.parsed(), false));
            prop_assert_eq!(contents(&model), contents(&whole));
        }
    }

    #[test]
    fn destroy_leaves_nothing(shape in shape(), damages in damage(), dice in prop::collection::vec(0..8_u8, 1..40)) {
        let mut model = Model::empty("eu-west-1", 3);
        let wanted = shape.parsed();
        model.apply(&model.plan(&wanted, false));
        suffer(&mut model, &damages);
        let plan = model.destroy(&wanted);
        prop_assert_eq!(texts(&plan), texts(&model.destroy(&wanted)));
        prop_assert_eq!(plan.refusals.len(), usize::from(shape.protected), "a protected stack is refused, and no other");
        if shape.protected {
            return Ok(());
        }
        check_order(&model, &plan);
        apply_partly(&mut model, &plan, &dice);
        let rest = model.destroy(&wanted);
        check_order(&model, &rest);
        model.apply(&rest);
        prop_assert!(model.observed.live.is_empty());
    }
}
