//! The controllers' quorum through changes that end anywhere: every host asks a controller that votes, and nothing that may count is lost.

use std::collections::BTreeSet;

use kstack_core::check::Parsed;
use kstack_core::kinds::{Instance, Volume, Voter};
use kstack_core::model::{Address, StepId};
use kstack_core::observed::Inside;
use kstack_core::plan::{Action, Plan, render, roll_last};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::model::{Model, parsed};

fn stack(controllers: u32) -> Parsed {
    parsed(&format!(
        "apiVersion: kstack/v1\nname: demo\nregion: us-east-1\nnetwork: {{cidr: 10.20.0.0/16}}\nworkload: {{retention: 1d}}\n\
         cluster: {{ec2: {{listeners: {{plaintext: true}}, kafka: 4.1.1, brokers: {{count: 3, instance_type: m7g.large}}, \
         controllers: {{count: {controllers}, instance_type: t4g.medium}}}}}}\n"
    ))
}

/// What must be true at every moment after the first apply.
fn check(model: &Model) {
    let (voters, volumes) = (model.observed.of::<Voter>(), model.observed.of::<Volume>());
    let ids: BTreeSet<u32> = voters.values().map(|(_, voter)| voter.id).collect();
    let first = volumes.values().find_map(|(_, volume)| volume.first_voters()).expect("a voter's volume");
    for (name, (_, instance)) in model.observed.of::<Instance>() {
        let asks = instance.asks(&first);
        assert!(!asks.is_disjoint(&ids), "{name} asks {asks:?}, and {ids:?} vote");
    }
}

/// How many voters have their volumes still, with what they voted for.
fn with_logs(model: &Model) -> usize {
    let volumes = model.observed.of::<Volume>();
    let has = |(name, (_, voter)): &(&str, (_, &Voter))| {
        volumes.get(name).is_some_and(|(_, volume)| volume.joins.as_ref() != Some(&voter.directory))
    };
    model.observed.of::<Voter>().into_iter().filter(has).count()
}

/// Does what the order allows of `plan`, as the dice say.
fn apply_partly<'a>(model: &mut Model, plan: &Plan, dice: &mut impl Iterator<Item = &'a u8>) {
    let mut done: BTreeSet<StepId> = BTreeSet::new();
    for step in &plan.steps {
        if !step.may_begin(&plan.steps, &done) || *dice.next().expect("they don't end") == 0 {
            continue;
        }
        let (kept, all) = (with_logs(model), model.observed.of::<Voter>().len());
        if step.address.kind == "voter" && step.live().is_some() {
            let of_it = step.live().is_some_and(|live| {
                let volume = model.observed.live.get(&Address::new("volume", &step.address.name));
                volume.is_some_and(|volume| volume.spec.spec()["joins"] != live.spec.spec()["directory"])
            });
            let left = kept - usize::from(of_it);
            assert!(left * 2 > all - 1, "{}: {left} of {all} would be left", step.id());
        }
        model.step(step);
        done.insert(step.id());
        check(model);
        if step.action() == Action::Delete && step.address.kind == "volume" {
            assert_eq!(with_logs(model), kept, "{} has a vote", step.address);
        }
    }
}

/// Who leaves, in the order in which it does.
fn leaving(plan: &Plan) -> Vec<&str> {
    let voters = plan.steps.iter().filter(|step| step.address.kind == "voter" && step.action() == Action::Delete);
    voters.map(|step| step.address.name.as_str()).collect()
}

#[test]
fn the_active_controller_leaves_last_and_first_one_that_has_nothing_to_vote_with() {
    let mut model = Model::empty("us-east-1", 3);
    model.apply(&model.plan(&stack(5), false));
    let plan = model.plan(&stack(3), false);
    assert_eq!(leaving(&plan), ["controller-5", "controller-4"]);
    for (active, order) in [
        ("controller-1", ["controller-5", "controller-4"]),
        ("controller-5", ["controller-4", "controller-5"]),
        ("controller-4", ["controller-5", "controller-4"]),
    ] {
        let plan = roll_last(plan.clone(), active, &model.observed);
        assert_eq!(plan.refusals, [], "{active}");
        assert_eq!(leaving(&plan), order, "{active} is the active one");
    }
    model.end(&Address::new("volume", "controller-4"));
    assert_eq!(leaving(&model.plan(&stack(3), false)), ["controller-4", "controller-5"]);
}

#[test]
fn a_majority_that_is_lost_is_refused_whatever_is_allowed() {
    for (count, lost, refused) in
        [(5, vec![2], false), (5, vec![2, 4], false), (5, vec![1, 2, 4], true), (3, vec![3], false), (1, vec![1], true)]
    {
        let mut model = Model::empty("us-east-1", 3);
        model.apply(&model.plan(&stack(count), false));
        lost.iter().for_each(|number| model.end(&Address::new("volume", &format!("controller-{number}"))));
        for (wanted, allow) in [(count, false), (count, true), (5, true), (3, false)] {
            let plan = model.plan(&stack(wanted), allow);
            assert_eq!(!plan.refusals.is_empty(), refused, "{lost:?} of {count}, {wanted} wanted: {}", render(&plan));
        }
    }
}

#[test]
fn a_controller_of_which_nothing_is_left_is_made_anew_only_where_it_is_known_who_votes() {
    for (gone, asked, why) in [
        (vec![2], false, "the volume of controller-2 is lost, and it is not known who votes"),
        (vec![2, 3], false, "the volumes of controller-2, controller-3 are lost, and with them the majority"),
        (vec![2], true, ""),
        (vec![2, 3], true, "the volumes of controller-2, controller-3 are lost, and with them the majority"),
    ] {
        let mut model = Model::empty("us-east-1", 3);
        model.apply(&model.plan(&stack(3), false));
        model.complete = true;
        for number in &gone {
            for kind in ["volume", "network_interface", "instance"] {
                model.end(&Address::new(kind, &format!("controller-{number}")));
            }
        }
        if !asked {
            model.observed.live.retain(|address, _| address.kind != "voter");
            model.observed.inside = Inside::Unknown("no broker answers".to_owned());
        }
        let plan = model.plan(&stack(3), false);
        let said = render(&plan);
        assert!(plan.refusals.is_empty() == why.is_empty() && said.contains(why), "{gone:?}, {asked}: {said}");
        let again = plan.steps.iter().any(|step| step.id().to_string().contains("voter/controller-2"));
        assert!(again || !why.is_empty(), "{gone:?}, {asked}: {said}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// P11: at no moment of any changes, each of which ends anywhere, does a host ask removed voters alone; and a volume that is lost comes back
    /// under another directory.
    #[test]
    fn every_host_reaches_a_voter_whatever_ends_where(
        first in select(vec![1_u32, 3, 5]),
        changes in prop::collection::vec((select(vec![1_u32, 3, 5]), proptest::option::weighted(0.4, any::<Index>())), 1..4),
        dice in prop::collection::vec(0..6_u8, 1..60),
    ) {
        let mut model = Model::empty("us-east-1", 3);
        model.apply(&model.plan(&stack(first), false));
        check(&model);
        let mut dice = dice.iter().cycle();
        for (count, lost) in changes {
            let voters: Vec<String> = model.observed.of::<Voter>().into_keys().map(str::to_owned).collect();
            // One at a time, as long as the others are a majority.
            if let Some(lost) = lost.filter(|_| voters.len() > 2 && with_logs(&model) == voters.len()) {
                let name = lost.get(&voters).clone();
                let address = Address::new("volume", &name);
                if model.observed.live.contains_key(&address) {
                    model.end(&address);
                }
            }
            let plan = model.plan(&stack(count), false);
            prop_assert!(plan.refusals.is_empty(), "{}", render(&plan));
            apply_partly(&mut model, &plan, &mut dice);
        }
        let last = stack(3);
        let plan = model.plan(&last, false);
        prop_assert!(plan.refusals.is_empty(), "{}", render(&plan));
        model.apply(&plan);
        let again = model.plan(&last, false);
        prop_assert!(again.steps.is_empty() && again.refusals.is_empty(), "{}", render(&again));
        let voters: Vec<&str> = model.observed.of::<Voter>().into_keys().collect();
        prop_assert_eq!(voters, ["controller-1", "controller-2", "controller-3"]);
        prop_assert_eq!(with_logs(&model), 3);
    }
}
