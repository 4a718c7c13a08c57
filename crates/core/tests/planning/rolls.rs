//! The order of rolls when Kafka says which host has the active controller.

use std::fs;

use kstack_core::kinds::{Instance, Kind as _, OfKind as _};
use kstack_core::model::Address;
use kstack_core::plan::{Action, Step, roll_last};

use crate::model::{Model, parsed};

/// The rolls by what waits for what: the only one that waits for no roll, the one that waits for that, and so on.
fn chain(steps: &[Step]) -> Vec<&str> {
    let rolls: Vec<&Step> = steps.iter().filter(|step| step.action() == Action::Roll).collect();
    let mut chain: Vec<&str> = Vec::new();
    while chain.len() < rolls.len() {
        let next = |step: &&&Step| {
            let mut waits = rolls.iter().filter(|other| step.after.contains(&other.id()));
            !chain.contains(&step.address.name.as_str())
                && waits.all(|other| chain.contains(&other.address.name.as_str()))
        };
        let ready: Vec<&&Step> = rolls.iter().filter(next).collect();
        assert_eq!(ready.len(), 1, "one at a time, after {chain:?}");
        chain.push(&ready[0].address.name);
    }
    chain
}

/// So many minutes, for a plan from `before` to `after`.
fn minutes(region: &str, before: Option<&str>, after: &str) -> u64 {
    let mut model = Model::empty(region, 3);
    if let Some(before) = before {
        model.apply(&model.plan(&parsed(before), false));
    }
    let plan = model.plan(&parsed(after), false);
    assert!(plan.refusals.is_empty(), "{:?}", plan.refusals);
    plan.minutes()
}

#[test]
fn how_long_a_plan_takes_follows_from_what_comes_one_after_another() {
    let read = |name: &str| fs::read_to_string(format!("../../stacks/{name}.yaml")).expect("the stack file");
    let (dev, msk) = (read("dev"), read("msk"));
    let of_dev = |before: Option<&str>, after: &str| minutes("eu-west-1", before, after);
    assert_eq!(of_dev(Some(&dev), &dev), 0, "nothing to do");
    assert_eq!(of_dev(None, &dev), 5, "all at once");
    let larger = dev.replace("instance_type: t4g.medium", "instance_type: t4g.large");
    assert_eq!(of_dev(Some(&dev), &larger), 5 + 3 * 5, "three rolls");
    let region = parsed(&msk).stack.region.to_string();
    assert_eq!(minutes(&region, None, &msk), 5 + 35, "a cluster of MSK");
}

#[test]
fn of_a_role_the_hosts_that_are_down_are_rolled_first() {
    let text = fs::read_to_string("../../stacks/prod.yaml").expect("the stack file").replace("count: 6", "count: 3");
    let after = parsed(&text.replace("kafka: 4.1.1", "kafka: 4.2.0"));
    let cases: [(&[&str], [&str; 6]); 4] = [
        (&[], ["controller-1", "controller-2", "controller-3", "broker-1", "broker-2", "broker-3"]),
        (&["broker-3"], ["controller-1", "controller-2", "controller-3", "broker-3", "broker-1", "broker-2"]),
        (
            &["controller-2", "broker-2", "broker-3"],
            ["controller-2", "controller-1", "controller-3", "broker-2", "broker-3", "broker-1"],
        ),
        (&["controller-1"], ["controller-1", "controller-2", "controller-3", "broker-1", "broker-2", "broker-3"]),
    ];
    for (down, expected) in cases {
        let mut model = Model::empty("ap-northeast-2", 3);
        model.apply(&model.plan(&parsed(&text), false));
        for host in down {
            let live = model.observed.live.get_mut(&Address::new("instance", host)).expect("a host");
            let spec = Instance::of(&live.spec).expect("an instance").clone();
            live.spec = Instance { state: "stopped".to_owned(), ..spec }.into();
        }
        assert_eq!(chain(&model.plan(&after, false).steps), expected, "{down:?}");
        // Also where Kafka says which controller is the active one, which is then the last of its role.
        let plan = roll_last(model.plan(&after, false), "controller-3", &model.observed);
        assert_eq!(chain(&plan.steps), expected, "{down:?}");
    }
}

#[test]
fn the_active_controller_is_last_of_its_role() {
    let text = fs::read_to_string("../../stacks/prod.yaml").expect("the stack file").replace("count: 6", "count: 3");
    let before = parsed(&text);
    let mut model = Model::empty("ap-northeast-2", 3);
    model.apply(&model.plan(&before, false));
    model.end(&Address::new("instance", "broker-3"));
    let after = parsed(&text.replace("kafka: 4.1.1", "kafka: 4.2.0"));
    let plan = |host: &str| {
        let plan = roll_last(model.plan(&after, false), host, &model.observed);
        assert!(plan.refusals.is_empty(), "{:?}", plan.refusals);
        plan.steps
    };
    let cases = [
        ("controller-1", ["controller-2", "controller-3", "controller-1", "broker-1", "broker-2"]),
        ("controller-3", ["controller-1", "controller-2", "controller-3", "broker-1", "broker-2"]),
        ("broker-1", ["controller-1", "controller-2", "controller-3", "broker-2", "broker-1"]),
    ];
    for (host, expected) in cases {
        let steps = plan(host);
        assert_eq!(chain(&steps), expected, "{host}");
        let first = steps.iter().find(|step| step.address.name == expected[0] && step.action() == Action::Roll);
        let starting = steps.iter().find(|step| step.address.name == "broker-3" && step.action() == Action::Create);
        assert!(
            first.expect("a roll").after.contains(&starting.expect("a start").id()),
            "the first roll waits for what starts: {host}"
        );
    }
}

/// Whichever host is rolled last, what Kafka gets and what is closed come after it.
#[test]
fn what_waits_for_all_rolls_waits_for_the_last_one_whichever_it_is() {
    let text = fs::read_to_string("../../stacks/prod.yaml").expect("the stack file").replace("count: 6", "count: 3");
    let mut model = Model::empty("ap-northeast-2", 3);
    model.apply(&model.plan(&parsed(&text), false));
    let after =
        parsed(&text.replace("kafka: 4.1.1", "kafka: 4.2.0").replace("topics:\n", "topics:\n  new: {partitions: 3}\n"));
    for host in ["broker-1", "broker-3", "controller-1"] {
        let plan = roll_last(model.plan(&after, false), host, &model.observed);
        assert!(plan.refusals.is_empty(), "{host}: {:?}", plan.refusals);
    }
}

const WITH_THREADS: [(&str, &str); 1] = [("broker-1", "1d1ea8f9b13a")];

/// The first broker as a plan for nothing live has it.
fn first_broker(file: &str) -> Instance {
    let plan = Model::empty("eu-west-1", 3).plan(&parsed(file), false);
    let broker = Address::new(Instance::NAME, "broker-1");
    let step = plan.steps.iter().find(|step| step.address == broker).expect("it is made");
    step.wanted().and_then(Instance::of).expect("an instance").clone()
}

/// The file with exporters on or off, in words.
fn monitoring(file: &str, prometheus: bool) -> String {
    file.replace("combined: true", &format!("combined: true\n    monitoring: {{prometheus: {prometheus}}}"))
}

/// The fingerprint of a host that was made by the kstack of 2026-11-25: whoever changes it rolls every host of every live stack.
#[test]
fn a_newer_kstack_rolls_no_host() {
    let file = fs::read_to_string("../../stacks/dev.yaml").unwrap();
    let (without, with) = (first_broker(&monitoring(&file, false)), first_broker(&file));
    assert_eq!((without.config.as_deref(), without.monitoring), (Some("21b178576c64"), None));
    // And that of one with exporters, of 2026-11-26.
    assert_eq!(with.monitoring.as_deref(), Some("on"));
    assert_eq!(with.config.as_deref(), Some("d29e41e8da12"));
}

/// Hosts of a kstack that named them with every setting, those that running brokers change among them, are not rolled for that; nor are
/// those that have none of these, once the file has some.
#[test]
fn hosts_named_with_all_their_settings_stay_as_they_are() {
    let file = fs::read_to_string("../../stacks/dev.yaml").unwrap();
    let with = file.replace("combined: true", "combined: true\n    config: {num.io.threads: 16}");
    let earlier = |file: &str, config: &[(&str, &str)]| {
        let mut model = Model::empty("eu-west-1", 3);
        model.apply(&model.plan(&parsed(file), false));
        for (host, config) in config {
            let live = model.observed.live.get_mut(&Address::new("instance", host)).expect("a host");
            let spec = Instance::of(&live.spec).expect("an instance").clone();
            live.spec = Instance { settings: None, config: Some((*config).to_owned()), ..spec }.into();
        }
        model
    };
    let steps = |model: &Model, file: &str| -> Vec<String> {
        let plan = model.plan(&parsed(file), false);
        plan.steps.iter().map(|step| format!("{:?} {}", step.action(), step.address)).collect()
    };
    // The fingerprints of the kstack of 2026-11-26.
    let model = earlier(&with, &WITH_THREADS);
    assert_eq!(steps(&model, &with), Vec::<String>::new());
    // Without one of them it is the fingerprint of now.
    let now = first_broker(&file).config.expect("a fingerprint");
    let model = earlier(&file, &[("broker-1", now.as_str())]);
    assert_eq!(steps(&model, &file), Vec::<String>::new());
    assert_eq!(steps(&model, &with), ["Update cluster_settings/brokers"]);
}

/// A live stack stays as it is about exporters until its file says something: new stacks have them.
#[test]
fn exporters_come_and_go_by_the_file_alone() {
    let file = fs::read_to_string("../../stacks/dev.yaml").unwrap();
    let (on, off) = (monitoring(&file, true), monitoring(&file, false));
    let rolls = |model: &Model, file: &str| {
        let plan = model.plan(&parsed(file), false);
        assert!(plan.refusals.is_empty(), "{:?}", plan.refusals);
        let noted = plan.notes.iter().any(|note| note.text.contains("no exporters for Prometheus"));
        (plan.steps.iter().filter(|step| step.action() == Action::Roll).count(), plan.steps.len(), noted)
    };
    let mut model = Model::empty("eu-west-1", 3);
    model.apply(&model.plan(&parsed(&off), false));
    assert_eq!(rolls(&model, &off), (0, 0, false));
    assert_eq!(rolls(&model, &file), (0, 0, true), "a stack of an earlier kstack, which is told");
    let more = file.replace("count: 3", "count: 6");
    assert_eq!(rolls(&model, &more).0, 0, "and neither do its new brokers roll the old ones");
    assert_eq!(rolls(&model, &on), (3, 3, false));
    model.apply(&model.plan(&parsed(&on), false));
    assert_eq!(rolls(&model, &file), (0, 0, false), "they stay where the key goes");
    assert_eq!(rolls(&model, &off), (3, 3, false));
    let mut model = Model::empty("eu-west-1", 3);
    model.apply(&model.plan(&parsed(&file), false));
    assert_eq!(rolls(&model, &on), (0, 0, false), "a new stack has them");
    // One that died while it was made goes on as it began.
    let mut died = Model::empty("eu-west-1", 3);
    died.apply(&died.plan(&parsed(&file), false));
    died.end(&Address::new("instance", "broker-2"));
    assert_eq!(rolls(&died, &file), (0, 1, false));
    // Hosts with an archive of their own may not reach Maven Central.
    let archive =
        format!("combined: true\n    archive: {{url: \"https://a.example/k.tgz\", sha512: {}}}", "0".repeat(128));
    assert_eq!(first_broker(&file.replace("combined: true", &archive)).monitoring, None);
}

#[test]
fn monitors_may_scrape_every_host_that_has_exporters() {
    let file = fs::read_to_string("../../stacks/prod.yaml").unwrap();
    let (cidr, with) = ("  cidr: 10.40.0.0/16", "  cidr: 10.40.0.0/16\n  monitors: [10.9.0.0/16, 10.10.0.0/16]");
    assert!(file.contains(cidr));
    let rules = |file: &str| -> Vec<String> {
        let plan = Model::empty("ap-northeast-2", 3).plan(&parsed(file), false);
        let all = plan.steps.iter().filter_map(|step| Some((&step.address, step.wanted()?.clone())));
        let of_exporters =
            all.filter(|(address, _)| address.kind == "security_group_rules").flat_map(|(address, wanted)| {
                let rules = wanted.spec()["ingress"].as_array().cloned().unwrap_or_default();
                let one = |rule: serde_json::Value| {
                    format!("{} {} {}", address.name, rule["ports"], rule["peer"]).replace('"', "")
                };
                rules.into_iter().map(one).filter(|rule| rule.contains("1100")).collect::<Vec<_>>()
            });
        of_exporters.collect()
    };
    assert_eq!(rules(&file), Vec::<String>::new(), "nobody, unless the file says so");
    let mut all = rules(&file.replace(cidr, with));
    all.sort_unstable();
    let expected = |name: &str| {
        ["11001", "11002"].map(|port| ["10.10.0.0/16", "10.9.0.0/16"].map(|peer| format!("{name} tcp {port} {peer}")))
    };
    let expected: Vec<String> = ["brokers", "controllers"].into_iter().flat_map(expected).flatten().collect();
    assert_eq!(all, expected);
    let off = file.replace(cidr, with).replace("  ec2:\n", "  ec2:\n    monitoring: {prometheus: false}\n");
    assert_eq!(rules(&off), Vec::<String>::new());
}
