//! From plaintext to TLS and back: whatever the file says next, and wherever a run ends, hosts that run reach each other, and what they
//! need for it is there.

use std::collections::BTreeSet;

use kstack_core::cloud_init::Phase;
use kstack_core::kinds::{Broker, HostCertificate, Instance, Kind as _, Partitions, SecurityGroupRules};
use kstack_core::model::{Address, StepId};
use kstack_core::observed::Live;
use kstack_core::plan::{Action, Plan, render};
use proptest::prelude::*;
use proptest::sample::select;

use crate::model::{Model, parsed};

/// A stack file with these listeners.
fn file(listeners: &str, combined: bool) -> String {
    let controllers = match combined {
        true => "combined: true",
        false => "controllers: {count: 3, instance_type: t4g.medium}",
    };
    format!(
        "apiVersion: kstack/v1\nname: random\nregion: eu-west-1\nnetwork: {{cidr: 10.0.0.0/16, zones: 3, nat: single}}\n\
         workload: {{ingress: 1 MiB/s, retention: 1d}}\ncluster:\n  ec2:\n    kafka: 4.1.1\n    {controllers}\n    \
         brokers: {{count: 3, instance_type: m7g.large}}\n    listeners: {listeners}\n"
    )
}

/// What only brokers tell.
const ASKED: [&str; 2] = [Broker::NAME, Partitions::NAME];
const PLAINTEXT: &str = "{plaintext: true}";
const BOTH: &str = "{scram: true, plaintext: true}";
const TLS: &str = "{scram: true}";

fn phases(model: &Model) -> Vec<Phase> {
    let instances = model.observed.of::<Instance>();
    instances.values().map(|(_, one)| one.phase().expect("a phase")).collect()
}

/// What must hold at every moment, whatever comes next.
fn check(model: &Model, what: &str) {
    let all = phases(model);
    assert!(all.iter().all(|one| all.iter().all(|other| one.is_beside(*other))), "{what}: {all:?}");
    let (papers, rules) = (model.observed.of::<HostCertificate>(), model.observed.of::<SecurityGroupRules>());
    for (name, (_, host)) in model.observed.of::<Instance>() {
        let phase = host.phase().expect("a phase");
        assert!(!phase.tls() || papers.contains_key(name), "{what}: {name} has no certificate");
        let (group, voter) = if name.starts_with("broker") { ("brokers", false) } else { ("controllers", true) };
        let open = |port: u16| rules[group].1.ingress.iter().any(|rule| rule.ports == format!("tcp {port}"));
        let ports = if voter { [9095, 9093] } else { [9091, 9092] };
        assert!(!phase.tls() || open(ports[0]), "{what}: nobody reaches {name} by TLS");
        assert!(!phase.plain() || open(ports[1]), "{what}: nobody reaches {name} in plaintext");
    }
}

/// A file that does not say by which listeners clients come changes nothing of them: its plan is that of the file that says what is live, or
/// it is refused.
fn check_unsaid(model: &Model, combined: bool, what: &str) {
    let said = file(PLAINTEXT, combined);
    let unsaid = model.plan(&parsed(&said.replace("    listeners: {plaintext: true}\n", "")), false);
    let all: BTreeSet<Phase> = phases(model).into_iter().collect();
    let rules = model.observed.of::<SecurityGroupRules>();
    let open = rules["brokers"].1.ingress.iter().any(|rule| rule.ports == "tcp 9092");
    let same = match all.into_iter().collect::<Vec<_>>()[..] {
        [Phase::Plaintext] => said,
        [Phase::Closed] if !open => file(TLS, combined),
        _ => return assert_eq!(unsaid.refusals.len(), 1, "{what}: {}", render(&unsaid)),
    };
    assert_eq!(unsaid.refusals, vec![], "{what}");
    assert_eq!(unsaid.steps, model.plan(&parsed(&same), false).steps, "{what}: {}", render(&unsaid));
}

/// Runs `plan`, of which each step may be the last, and checks after each.
fn run(model: &mut Model, plan: &Plan, dice: &mut impl Iterator<Item = u8>) {
    for stage in plan.stages() {
        let mut done: BTreeSet<StepId> = BTreeSet::new();
        for step in &stage.steps {
            // No brokers come or go: partitions stay where they are, in every stage.
            assert_ne!(step.address.kind, Partitions::NAME, "{}", render(plan));
            match dice.next() {
                // It dies between the end of one instance and the start of the next.
                Some(0) if step.action() == Action::Roll => return model.end(&step.address),
                Some(0) => return,
                _ => model.step(step),
            }
            assert!(step.may_begin(&stage.steps, &done));
            done.insert(step.id());
            check(model, &step.id().to_string());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn no_host_is_ever_two_phases_ahead_of_another(
        files in prop::collection::vec(select(vec![PLAINTEXT, BOTH, TLS]), 1..6),
        dice in prop::collection::vec(0..24_u8, 200..400),
        combined: bool,
    ) {
        let mut model = Model::empty("eu-west-1", 3);
        model.apply(&model.plan(&parsed(&file(PLAINTEXT, combined)), false));
        let mut dice = dice.into_iter();
        let mut last = PLAINTEXT;
        for next in files {
            // Where brokers neither come nor go nobody asks who is registered.
            model.observed.live.retain(|address, _| !ASKED.contains(&address.kind.as_str()));
            let plan = model.plan(&parsed(&file(next, combined)), false);
            if !plan.refusals.is_empty() {
                // Two files are needed: from one to the other by both.
                assert!(next != BOTH, "{}", render(&plan));
                continue;
            }
            run(&mut model, &plan, &mut dice);
            check_unsaid(&model, combined, next);
            last = next;
        }
        // In the end nobody dies, and the last file that could be run is what is live.
        let wanted = parsed(&file(last, combined));
        let plan = model.plan(&wanted, false);
        prop_assert!(plan.refusals.is_empty(), "{}", render(&plan));
        run(&mut model, &plan, &mut std::iter::empty());
        check_unsaid(&model, combined, last);
        let again = model.plan(&wanted, false);
        prop_assert!(again.steps.is_empty(), "{}", render(&again));
        let all: BTreeSet<Phase> = phases(&model).into_iter().collect();
        let expected: &[Phase] = match last {
            PLAINTEXT => &[Phase::Plaintext],
            TLS => &[Phase::Closed],
            // Where every host was closed, it stays so with port 9092 beside.
            _ => &[Phase::Switched, Phase::Closed],
        };
        prop_assert!(all.len() == 1 && all.iter().all(|one| expected.contains(one)), "{all:?}");
        if last == PLAINTEXT {
            let mut fresh = Model::empty("eu-west-1", 3);
            fresh.apply(&fresh.plan(&wanted, false));
            let of = |model: &Model| -> Vec<String> {
                let said = |(address, live): (&Address, &Live)| format!("{address} {:?} {:?}", live.spec, live.tags);
                // What is said to be absent is absent to AWS.
                let absent = |text: String| {
                    let text = text.replace("Some(\"plaintext\")", "None").replace("Some(None)", "None");
                    text.replace("\"kstack:listeners\": \"plaintext\", ", "")
                };
                let all = model.observed.live.iter().filter(|(address, _)| !ASKED.contains(&address.kind.as_str()));
                all.map(said).map(absent).collect()
            };
            prop_assert_eq!(of(&model), of(&fresh), "nothing of it is left");
        }
    }
}

#[test]
fn there_and_back_by_the_files_that_are_written_for_it() {
    let mut model = Model::empty("eu-west-1", 3);
    model.apply(&model.plan(&parsed(&file(PLAINTEXT, false)), false));
    // The file; the stages, each by its rolls; and the phase in the end.
    let steps = [
        (BOTH, vec![6, 6], Phase::Switched),
        (TLS, vec![6, 0], Phase::Closed),
        (BOTH, vec![6], Phase::Closed),
        (PLAINTEXT, vec![6, 6, 6, 0], Phase::Plaintext),
    ];
    for (listeners, rolls, phase) in steps {
        let plan = model.plan(&parsed(&file(listeners, false)), false);
        assert_eq!(plan.refusals, vec![]);
        let count = |stage: &Plan| stage.steps.iter().filter(|step| step.action() == Action::Roll).count();
        assert_eq!(plan.stages().map(count).collect::<Vec<_>>(), rolls, "{}", render(&plan));
        model.apply(&plan);
        assert!(phases(&model).iter().all(|one| *one == phase), "{listeners}");
    }
}
