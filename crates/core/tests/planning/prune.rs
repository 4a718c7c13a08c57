//! Whatever others have in Kafka, no plan deletes anything of it unasked, and none what is not under a beginning that the file has for itself.

use kstack_core::kinds::{Resource, from_json};
use kstack_core::model::{Address, Tags};
use kstack_core::observed::{Inside, Live};
use kstack_core::plan::{Action, render};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::json;

use crate::model::{Model, parsed};

/// Names of the file, under its beginnings or not, of Kafka's own, and hostile ones.
const NAMES: [&str; 14] = [
    "a.x",
    "a.",
    "a",
    "b",
    "ab",
    "A.x",
    "__a.x",
    "_x",
    "__consumer_offsets",
    "*",
    "a.*",
    "a.${env:X}",
    "a.\"q\" \n:/",
    "User:a.x",
];
const OWN: [&[&str]; 3] = [&["a.x"], &["b", "a.y"], &[]];
const BEGINNINGS: [&str; 4] = ["a.*", "a*", "_*", "b*"];

fn file(topics: &[&str], users: &[&str], prune: [&[&str]; 2]) -> String {
    let list = |names: &[&str]| names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let map =
        |names: &[&str], of: &str| names.iter().map(|name| format!("{name}: {of}")).collect::<Vec<_>>().join(", ");
    format!(
        "apiVersion: kstack/v1\nname: random\nregion: eu-west-1\nnetwork: {{cidr: 10.0.0.0/16, nat: single}}\n\
         workload: {{ingress: 1 MiB/s, retention: 1d}}\ncluster:\n  ec2: {{kafka: 4.1.1, combined: true, listeners: {{scram: true}}, \
         brokers: {{count: 3, instance_type: m7g.large}}}}\ntopics: {{{}}}\naccess: {{users: {{{}}}}}\nprune: {{topics: [{}], users: [{}]}}\n",
        map(topics, "{partitions: 1}"),
        map(users, "{produce: [\"*\"]}"),
        list(prune[0]),
        list(prune[1])
    )
}

fn add(model: &mut Model, kind: &str, name: &str) {
    let spec = match kind {
        "topic" => json!({"partitions": 3, "replication_factor": 3}),
        "user_quota" => json!({"produce": "1 B/s", "consume": "unlimited", "request": "unlimited"}),
        "scram_credential" => json!({"password": "another"}),
        _ => json!({"rights": ["allow all on topic *"]}),
    };
    let spec: Resource = from_json(kind, &spec).expect("a spec");
    let live = Live { id: name.to_owned(), spec, tags: Tags::new() };
    model.observed.live.entry(Address::new(kind, name)).or_insert(live);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn nothing_of_others_goes_unasked_and_nothing_that_is_not_under_a_beginning(
        own in select(&OWN[..]),
        topics in subsequence(&NAMES[..], 0..NAMES.len()),
        users in subsequence(&NAMES[..], 0..NAMES.len()),
        pruned in [subsequence(&BEGINNINGS[..], 0..3), subsequence(&BEGINNINGS[..], 0..3)],
        known in any::<bool>(),
    ) {
        let wanted = parsed(&file(own, own, [&pruned[0], &pruned[1]]));
        let mut model = Model::empty("eu-west-1", 3);
        let made = model.plan(&parsed(&file(own, own, [&[], &[]])), false);
        model.apply(&made);
        topics.iter().for_each(|name| add(&mut model, "topic", name));
        for name in &users {
            ["user_rights", "user_quota", "scram_credential"].iter().for_each(|kind| add(&mut model, kind, name));
        }
        if !known {
            model.observed.inside = Inside::Unknown("no broker answers".to_owned());
        }
        let (unasked, asked) = (model.plan(&wanted, false), model.plan(&wanted, true));
        let goes = |name: &str, of: &[&str]| !own.contains(&name) && of.iter().any(|one| name.starts_with(one.trim_end_matches('*')));
        for step in asked.steps.iter().filter(|step| step.action() == Action::Delete) {
            let (kind, name) = (step.address.kind.as_str(), step.address.name.as_str());
            let is = match kind {
                "topic" => goes(name, &pruned[0]) && !name.starts_with("__"),
                // A quota that the file has no more of its own user.
                "user_quota" if own.contains(&name) => true,
                _ => goes(name, &pruned[1]),
            };
            prop_assert!(is, "{} goes: {}", step.address, render(&asked));
        }
        let pruned_topics = topics.iter().any(|name| goes(name, &pruned[0]) && !name.starts_with("__"));
        let pruned_users = users.iter().any(|name| goes(name, &pruned[1]));
        prop_assert_eq!(unasked.refusals.len(), usize::from(pruned_topics) + usize::from(pruned_users), "{}", render(&unasked));
        // Where it may, all of it goes, and then there is nothing more to do.
        model.apply(&asked);
        let again = model.plan(&wanted, false);
        prop_assert!(again.steps.is_empty() && again.refusals.is_empty(), "{}", render(&again));
    }
}
