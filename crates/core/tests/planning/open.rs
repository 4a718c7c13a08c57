//! Wherever a run ends on the way from brokers that let everyone use what no ACL is for to those that don't, the users of the file have their
//! rights before.

use kstack_core::cloud_init::Phase;
use kstack_core::kinds::{Instance, MskConfiguration, UserRights};
use kstack_core::observed::Inside;
use kstack_core::plan::render;

use crate::model::{Model, parsed};

const USERS: &str =
    "access:\n  users:\n    api: {produce: [orders]}\n    etl: {consume: {topics: [orders], groups: [etl]}}\n";

fn on_ec2(listeners: &str, users: &str) -> String {
    format!(
        "apiVersion: kstack/v1\nname: random\nregion: eu-west-1\nnetwork: {{cidr: 10.0.0.0/16, zones: 3, nat: single}}\n\
         workload: {{ingress: 1 MiB/s, retention: 1d}}\ncluster:\n  ec2:\n    kafka: 4.1.1\n    combined: true\n    \
         brokers: {{count: 3, instance_type: m7g.large}}\n    listeners: {listeners}\n{users}"
    )
}

fn on_msk(config: &str, users: &str) -> String {
    format!(
        "apiVersion: kstack/v1\nname: random\nregion: us-east-1\nnetwork: {{cidr: 10.0.0.0/16, nat: none}}\n\
         workload: {{retention: 3d}}\ncluster:\n  msk:\n    kafka: 3.8.x\n    \
         brokers: {{count: 3, instance_type: kafka.m5.large, storage: {{size: 200 GiB}}}}\n    auth: {{iam: true, scram: {{}}}}\n    \
         config: {config}\n{users}"
    )
}

/// Whether a broker lets nobody do what no ACL allows, or may soon.
fn is_closed(model: &Model) -> bool {
    let hosts = model.observed.of::<Instance>();
    let closed = hosts.values().any(|(_, host)| host.phase() == Some(Phase::Closed));
    let properties = model.observed.of::<MskConfiguration>().remove("main").map(|(_, one)| one.properties.clone());
    closed || properties.unwrap_or_default().iter().any(|line| line == "allow.everyone.if.no.acl.found=false")
}

/// From each file to each, with the run ended before each third step, and finished by another.
#[test]
fn nobody_is_shut_out_before_the_users_have_their_rights() {
    let open = "{allow.everyone.if.no.acl.found: true}";
    let closed = "{allow.everyone.if.no.acl.found: false, num.io.threads: 16}";
    let cases = [
        (
            vec![on_ec2("{plaintext: true}", ""), on_ec2("{scram: true, plaintext: true}", "")],
            on_ec2("{scram: true}", USERS),
        ),
        (vec![on_msk("{}", "")], on_msk(closed, USERS)),
        (vec![on_msk(open, "")], on_msk(closed, USERS)),
    ];
    for (before, file) in cases {
        let wanted = parsed(&file);
        let mut first = Model::empty(&wanted.stack.region, 3);
        for file in &before {
            let plan = first.plan(&parsed(file), false);
            first.apply(&plan);
        }
        assert!(!is_closed(&first));
        let steps: usize = first.plan(&wanted, false).stages().map(|stage| stage.steps.len()).sum();
        for end in (0..=steps).step_by(3) {
            let (mut model, mut left) = (first.clone(), end);
            // The run that ends, and the one that goes on.
            loop {
                let plan = model.plan(&wanted, false);
                assert!(plan.refusals.is_empty(), "{}", render(&plan));
                if plan.steps.is_empty() {
                    break;
                }
                for step in plan.stages().flat_map(|stage| &stage.steps) {
                    if left == 0 {
                        break;
                    }
                    left -= 1;
                    model.step(step);
                    let rights = model.observed.of::<UserRights>().len();
                    assert!(!is_closed(&model) || rights == 2, "after {}: {}", step.id(), render(&plan));
                }
                left = usize::MAX;
            }
            assert!(is_closed(&model) && model.observed.of::<UserRights>().len() == 2);
        }
        // Where it is not known what users have, it is left as it is; and said.
        let mut unknown = first.clone();
        unknown.observed.inside = Inside::Unknown("no broker answers".to_owned());
        let plan = unknown.plan(&wanted, false);
        let said =
            plan.notes.iter().any(|note| note.warning && note.text.contains("is not made `false`: it is not known"));
        assert!(said && plan.refusals.is_empty(), "{}", render(&plan));
        unknown.apply(&plan);
        assert!(!is_closed(&unknown), "{}", render(&plan));
        assert!(unknown.plan(&wanted, false).steps.is_empty());
    }
}

/// What MSK allows a closed cluster alone is asked for afterwards.
#[test]
fn a_cluster_that_is_to_be_closed_is_not_opened_to_others_in_the_same_plan() {
    let file = |config: &str, users: &str, more: &str| {
        on_msk(config, users).replace("    auth:", &format!("    vpc_connectivity: {more}\n    auth:"))
    };
    let mut model = Model::empty("us-east-1", 3);
    let plan = model.plan(&parsed(&on_msk("{}", "")), false);
    model.apply(&plan);
    let closed = "{allow.everyone.if.no.acl.found: false}";
    let refused = model.plan(&parsed(&file(closed, USERS, "{iam: true}")), false);
    assert!(
        refused.refusals.iter().any(|one| one.reason.contains("waits until the users have their rights")),
        "{}",
        render(&refused)
    );
    for wanted in [file(closed, USERS, "{}"), file(closed, USERS, "{iam: true}")] {
        let plan = model.plan(&parsed(&wanted), false);
        assert!(plan.refusals.is_empty(), "{}", render(&plan));
        model.apply(&plan);
    }
}
