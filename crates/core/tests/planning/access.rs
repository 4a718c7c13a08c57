//! The order of access: what is added comes before what needs it, and what is taken away goes after what it served. For every pair
//! of ways in that an MSK cluster can have, and of ways out that the hosts can have, in the two orders of steps that are the
//! furthest from each other.

use std::collections::BTreeSet;

use kstack_core::check::Parsed;
use kstack_core::design::listeners;
use kstack_core::kinds::{MskCluster, NatGateway, OfKind as _, RouteTable, SecurityGroupRules, VpcEndpoint};
use kstack_core::model::{Address, StepId};
use kstack_core::plan::{Plan, Step, render};

use crate::model::{Model, parsed};

/// Runs `plan`, `first` steps as soon as they may be run, or, when `early` is false, as late as they may; `look` sees the model
/// before each step, and after the last.
fn run(model: &Model, plan: &Plan, first: &str, early: bool, mut look: impl FnMut(&Model, Option<&Step>)) -> Model {
    let mut model = model.clone();
    let mut waiting: Vec<&Step> = plan.steps.iter().collect();
    let mut done: BTreeSet<StepId> = BTreeSet::new();
    while !waiting.is_empty() {
        let ready = |step: &&Step| step.may_begin(&plan.steps, &done);
        let preferred = |step: &&Step| (step.address.kind == first) == early;
        let all = || waiting.iter().enumerate().filter(|(_, step)| ready(step));
        let next = all().find(|(_, step)| preferred(step)).or_else(|| all().next());
        let index = next.unwrap_or_else(|| panic!("nothing is ready of {}", render(plan))).0;
        let step = waiting.remove(index);
        look(&model, Some(step));
        model.step(step);
        done.insert(step.id());
    }
    look(&model, None);
    model
}

/// The live specs of one kind.
fn live<K: kstack_core::kinds::OfKind>(model: &Model) -> Vec<&K> {
    model.observed.live.values().filter_map(|live| K::of(&live.spec)).collect()
}

/// The ports that the clients' group reaches the brokers on: those that both groups' rules have.
fn open_ports(model: &Model) -> BTreeSet<String> {
    let rules = |name: &str| {
        let live = model.observed.live.get(&Address::new("security_group_rules", name));
        live.and_then(|live| SecurityGroupRules::of(&live.spec)).cloned()
    };
    let (Some(brokers), Some(clients)) = (rules("brokers"), rules("clients")) else { return BTreeSet::new() };
    let inbound: BTreeSet<String> = brokers.ingress.into_iter().map(|rule| rule.ports).collect();
    clients.egress.into_iter().map(|rule| rule.ports).filter(|ports| inbound.contains(ports)).collect()
}

/// The ports on which the cluster listens.
fn listens(model: &Model) -> BTreeSet<String> {
    let cluster = live::<MskCluster>(model);
    let all = cluster.iter().flat_map(|cluster| listeners(cluster.provisioned.as_ref()));
    all.map(|one| format!("tcp {}", one.port)).collect()
}

/// Every way in that a cluster in private subnets can have.
fn ways_in() -> Vec<Parsed> {
    let scram = "scram: {secrets: [\"arn:aws:secretsmanager:us-east-1:123456789012:secret:AmazonMSK_orders-Ab1Cd2\"]}";
    let tls = "tls: {certificate_authorities: [\"arn:aws:acm-pca:us-east-1:123456789012:certificate-authority/6c0e7b1a-0d65-4b8f-9e0a-1f2d3c4b5a69\"]}";
    let parts = ["iam: true", scram, tls, "unauthenticated: true"];
    let sets = (1_usize..16).map(|bits| {
        let some = parts.iter().enumerate().filter(|(index, _)| bits >> index & 1 == 1);
        some.map(|(_, part)| *part).collect::<Vec<&str>>()
    });
    let file = |auth: &str, transit: &str, prometheus: bool| {
        parsed(&format!(
            "apiVersion: kstack/v1\nname: orders\nregion: us-east-1\nnetwork: {{cidr: 10.50.0.0/16, nat: none}}\n\
             workload: {{retention: 1d}}\ncluster:\n  msk:\n    kafka: 3.8.x\n    brokers: {{count: 3, instance_type: \
             kafka.m5.large, storage: {{size: 200 GiB}}}}\n    auth: {{{auth}}}\n    encryption: {{in_transit: {transit}}}\n    \
             monitoring: {{prometheus: {prometheus}}}\n",
        ))
    };
    sets.flat_map(|set| {
        let mut transits = vec!["tls"];
        if set.contains(&parts[3]) {
            transits.push("tls-or-plaintext");
        }
        if set == [parts[3]] {
            transits.push("plaintext");
        }
        let auth = set.join(", ");
        transits.into_iter().map(|transit| file(&auth, transit, set.len() == 2)).collect::<Vec<_>>()
    })
    .collect()
}

#[test]
fn clients_reach_every_listener_of_an_msk_cluster_for_as_long_as_it_listens() {
    let ways = ways_in();
    assert!(ways.len() > 20, "{}", ways.len());
    for before in &ways {
        let mut model = Model::empty("us-east-1", 3);
        let fresh = model.plan(before, false);
        // A new cluster finds its rules.
        run(&model, &fresh, "security_group_rules", false, |model, _| {
            assert!(open_ports(model).is_superset(&listens(model)), "{}", render(&fresh));
        });
        model.apply(&fresh);
        let old = listens(&model);
        for after in &ways {
            let plan = model.plan(after, false);
            assert!(plan.refusals.is_empty(), "{:?}", plan.refusals);
            let mut wanted = model.clone();
            wanted.apply(&plan);
            let new = listens(&wanted);
            for early in [true, false] {
                run(&model, &plan, "security_group_rules", early, |model, step| {
                    let (open, listens) = (open_ports(model), listens(model));
                    let shown = || format!("{open:?} are open at {:?} of {}", step.map(Step::id), render(&plan));
                    assert!(open.is_superset(&listens), "{listens:?} listen, and {}", shown());
                    // While the brokers restart one after another, some have the old listeners and some the new ones.
                    if step.is_some_and(|step| step.address.kind == "msk_cluster") {
                        assert!(open.is_superset(&old) && open.is_superset(&new), "{old:?}, {new:?}: {}", shown());
                    }
                    // A run that ends before anything is taken away has just that left.
                    if step.is_some_and(Step::closes) && !early {
                        let rest = model.plan(after, false);
                        assert!(rest.steps.iter().all(Step::closes), "{}", render(&rest));
                    }
                });
            }
        }
    }
}

/// Whether the private subnets reach AWS: by a route to a gateway that is there, or by an endpoint that the hosts' rules let them use.
fn reaches_aws(model: &Model) -> bool {
    let gateways = !live::<NatGateway>(model).is_empty();
    let dangling = |table: &&&RouteTable| table.routes.iter().any(|route| route.via.address().is_some());
    let tables = live::<RouteTable>(model);
    let routed = tables.iter().filter(dangling).count() == 4; // Three private ones, and the public one.
    let rules = &model.observed.live.get(&Address::new("security_group_rules", "brokers"));
    let rules = rules.and_then(|live| SecurityGroupRules::of(&live.spec));
    let group = Address::new("security_group", "endpoints");
    let allowed = rules.is_some_and(|rules| rules.egress.iter().any(|rule| rule.peer.address() == Some(&group)));
    let endpoint = live::<VpcEndpoint>(model).iter().any(|one| one.kind == "Interface");
    (gateways && routed) || (endpoint && allowed)
}

#[test]
fn hosts_keep_a_way_out_while_it_changes() {
    let file = |nat: &str, endpoints: &str| {
        parsed(&format!(
            "apiVersion: kstack/v1\nname: dev\nregion: eu-west-1\nnetwork: {{cidr: 10.20.0.0/16, nat: {nat}, endpoints: \
             [{endpoints}]}}\nworkload: {{ingress: 1 MiB/s, retention: 1d}}\ncluster: {{ec2: {{listeners: {{plaintext: true}}, kafka: 4.1.1, combined: true, \
             brokers: {{count: 3, instance_type: m7g.large}}}}}}\n"
        ))
    };
    let ways: Vec<Parsed> = ["one-per-zone", "single", "none"]
        .iter()
        .flat_map(|nat| ["", "ssm", "s3, ssm, ssmmessages"].map(|endpoints| file(nat, endpoints)))
        .collect();
    let (mut tried, kinds) = (0, ["security_group_rules", "route_table", "vpc_endpoint", "nat_gateway"]);
    for before in &ways {
        let mut model = Model::empty("eu-west-1", 3);
        model.apply(&model.plan(before, false));
        for after in &ways {
            let plan = model.plan(after, false);
            let mut end = model.clone();
            end.apply(&plan);
            if !reaches_aws(&model) || !reaches_aws(&end) {
                continue;
            }
            for (kind, early) in kinds.iter().flat_map(|kind| [(kind, true), (kind, false)]) {
                tried += 1;
                run(&model, &plan, kind, early, |model, step| {
                    assert!(reaches_aws(model), "no way out at {:?} of {}", step.map(Step::id), render(&plan));
                });
            }
        }
    }
    assert!(tried > 300, "{tried}");
}
