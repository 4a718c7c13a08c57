//! What holds of every plan in a network of others, and of every listener that a file opens.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use kstack_core::check;
use kstack_core::design::{EndpointFacts, NetworkFacts, SubnetFacts, VpcFacts};
use kstack_core::kinds::{NetworkInterface, VpcEndpoint};
use kstack_core::model::{Address, is_of_kafka, tag};
use kstack_core::observed::{Cause, Found};
use kstack_core::plan::{Action, Plan};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::model::{Model, parsed, set};

const VPC: &str = "vpc-0123456789abcdef0";

/// A subnet in each zone, of this size, in which others have addresses.
fn network(prefix: u8, zones: usize, taken: &[u32]) -> NetworkFacts {
    let subnet = |(letter, number): (char, u8)| {
        let block = Ipv4Net::new(Ipv4Addr::new(10, 9, number, 0), prefix).expect("a block");
        let used: BTreeSet<Ipv4Net> = taken
            .iter()
            .map(|one| Ipv4Addr::from(u32::from(block.network()) + 4 + one % ((1 << (32 - prefix)) - 5)).into())
            .collect();
        SubnetFacts {
            id: format!("subnet-0123456789abcdef{number}"),
            vpc: VPC.to_owned(),
            zone: format!("eu-west-1{letter}"),
            block: Some(block),
            ipv6: format!("2001:db8:0:{number}::/64").parse().ok(),
            free: (1 << (32 - prefix)) - 5 - u32::try_from(used.len()).expect("few"),
            used: used.into_iter().collect(),
            route_table: "rtb-1".to_owned(),
            default_route: Some("nat-1".to_owned()),
        }
    };
    let blocks = vec!["10.9.0.0/16".parse().expect("a block")];
    NetworkFacts {
        vpcs: vec![VpcFacts { id: VPC.to_owned(), blocks, dns_support: true, dns_hostnames: true, ipv6: true }],
        subnets: ('a'..='f').zip(0..).take(zones).map(subnet).collect(),
        ..NetworkFacts::default()
    }
}

fn file(zones: usize, brokers: usize, controllers: usize) -> String {
    let mut ec2 = json!({"kafka": "4.1.1", "brokers": {"count": brokers, "instance_type": "m7g.large"}});
    match controllers {
        0 => ec2["combined"] = json!(true),
        count => ec2["controllers"] = json!({"count": count, "instance_type": "t4g.medium"}),
    }
    json!({
        "apiVersion": "kstack/v1", "name": "random", "region": "eu-west-1",
        "network": {"existing": {"vpc": VPC, "subnets": {"tier": "private"}}, "zones": zones},
        "workload": {"replication_factor": 2, "min_insync_replicas": 1},
        "cluster": {"ec2": ec2},
    })
    .to_string()
}

/// The address of each host's interface.
fn addresses(model: &Model) -> BTreeMap<String, Ipv4Addr> {
    let all = model.observed.of::<NetworkInterface>();
    all.into_iter().map(|(name, (_, one))| (name.to_owned(), one.address.parse().expect("an address"))).collect()
}

/// What never holds of a network of others: a step for a part of it.
fn check_plan(plan: &Plan) {
    for step in &plan.steps {
        let kind = step.address.kind.as_str();
        let network = ["vpc", "subnet", "route_table", "internet_gateway", "nat_gateway", "elastic_ip"];
        assert!(!network.contains(&kind), "{} is others'", step.address);
    }
    // The voters' addresses are in the user data of every host: none starts before they are sure.
    let voters = |step: &kstack_core::plan::Step| {
        step.address.kind == "network_interface"
            && step.action() == Action::Create
            && (step.address.name.starts_with("controller") || !has_controllers(plan))
    };
    let wanted: Vec<&Address> =
        plan.steps.iter().filter(|step| voters(step)).map(|step| &step.address).take(3).collect();
    for host in plan.steps.iter().filter(|step| step.address.kind == "instance" && step.action() == Action::Create) {
        for voter in &wanted {
            assert!(
                host.after.iter().any(|id| id.address == **voter),
                "{} starts before {voter} is there",
                host.address
            );
        }
    }
}

fn has_controllers(plan: &Plan) -> bool {
    plan.steps.iter().any(|step| step.address.name.starts_with("controller"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whoever takes addresses, and wherever an apply ends: hosts have addresses of their own, keep them, and the plan converges.
    #[test]
    fn addresses_are_free_unique_and_stay(
        prefix in 24..=27_u8,
        zones in 2..=3_usize,
        brokers_per_zone in 1..=2_usize,
        more in 0..=1_usize,
        dedicated: bool,
        taken in prop::collection::vec(0..256_u32, 0..12),
        later in prop::collection::vec(0..256_u32, 0..6),
        dice in prop::collection::vec(0..5_u8, 1..40),
    ) {
        let controllers = if dedicated { 3 } else { 0 };
        let first = parsed(&file(zones, zones * brokers_per_zone.max(2), controllers));
        let mut model = Model::empty("eu-west-1", 3);
        model.facts.network = network(prefix, zones, &taken);
        let plan = model.plan(&first, false);
        prop_assert!(plan.refusals.is_empty(), "{:?}", plan.refusals);
        check_plan(&plan);
        // It ends half-way, and others take addresses.
        let mut done = BTreeSet::new();
        for (step, die) in plan.steps.iter().zip(dice.iter().cycle()) {
            if *die > 0 && step.may_begin(&plan.steps, &done) {
                model.step(step);
                done.insert(step.id());
            }
        }
        let held = addresses(&model);
        let nobodys = |one: &Ipv4Net| !held.values().any(|held| one.contains(held));
        let others: Vec<Ipv4Net> = network(prefix, zones, &later).subnets.into_iter().flat_map(|one| one.used).collect();
        for subnet in &mut model.facts.network.subnets {
            let block = subnet.block.expect("a block");
            subnet.used.extend(others.iter().filter(|one| block.contains(*one) && nobodys(one)));
        }
        let used: BTreeSet<Ipv4Net> = model.facts.network.subnets.iter().flat_map(|one| one.used.clone()).collect();
        let wanted = parsed(&file(zones, zones * (brokers_per_zone.max(2) + more), controllers));
        let plan = model.plan(&wanted, false);
        prop_assert!(plan.refusals.is_empty(), "{:?}", plan.refusals);
        model.apply(&plan);
        let now = addresses(&model);
        prop_assert!(held.iter().all(|(host, address)| now.get(host) == Some(address)), "{:?}, and then {:?}", held, now);
        let unique: BTreeSet<&Ipv4Addr> = now.values().collect();
        prop_assert_eq!(unique.len(), now.len(), "{:?}", now);
        prop_assert!(now.values().all(|one| !used.contains(&Ipv4Net::from(*one))), "{:?} of others {:?}", now, used);
        let again = model.plan(&wanted, false);
        prop_assert!(again.steps.is_empty() && again.refusals.is_empty());
        let destroy = model.destroy(&wanted);
        check_plan(&destroy);
        model.apply(&destroy);
        prop_assert!(model.observed.live.is_empty());
    }
}

/// The port of each listener. Source: MSK, "Port information", 2026.
const LISTENERS: [(&str, u16); 6] =
    [("iam", 9098), ("scram", 9096), ("tls", 9094), ("plaintext", 9092), ("jmx", 11001), ("node", 11002)];

/// A rule passes the check exactly where the cluster listens, and opens that port: for every combination of listeners.
#[test]
fn a_rule_opens_a_listener_that_is_there_and_no_other_is_taken() {
    let from = "10.77.0.0/16";
    let stack = |auth: &Value, transit: &str, exporters: (bool, bool), rules: Value| {
        json!({
            "apiVersion": "kstack/v1", "name": "random", "region": "eu-west-1",
            "network": {"cidr": "10.0.0.0/16", "nat": "none", "rules": rules},
            "cluster": {"msk": {
                "kafka": "3.9.x", "brokers": {"count": 3, "instance_type": "kafka.m7g.large"},
                "auth": auth, "encryption": {"in_transit": transit},
                "monitoring": {"prometheus": {"jmx": exporters.0, "node": exporters.1}},
            }},
        })
        .to_string()
    };
    let mut seen: BTreeSet<(&str, bool)> = BTreeSet::new();
    for number in 0..16_u8 {
        let on = |bit: u8| number >> bit & 1 == 1;
        let mut auth = json!({"iam": on(0), "unauthenticated": on(3)});
        if on(1) {
            auth["scram"] = json!({});
        }
        if on(2) {
            let authority =
                "arn:aws:acm-pca:eu-west-1:123456789012:certificate-authority/01234567-89ab-cdef-0123-456789abcdef";
            auth["tls"] = json!({"certificate_authorities": [authority]});
        }
        for transit in ["tls", "tls-or-plaintext", "plaintext"] {
            for exporters in [(true, false), (false, true)] {
                // What can't be as a whole is refused whatever the rules are.
                if check::parse("t.yaml", &stack(&auth, transit, exporters, json!([]))).is_err() {
                    continue;
                }
                for (listener, port) in LISTENERS {
                    let text = stack(&auth, transit, exporters, json!([{"from": from, "listener": listener}]));
                    let passes = check::parse("t.yaml", &text);
                    // Clients of the stack's own group show on which ports the cluster listens.
                    let plan =
                        Model::empty("eu-west-1", 3).plan(&parsed(&stack(&auth, transit, exporters, json!([]))), false);
                    let listens = ports(&plan, "security_group/clients").contains(&port);
                    assert_eq!(passes.is_ok(), listens, "{listener} with {auth}, {transit}, {exporters:?}");
                    seen.insert((listener, listens));
                    if let Ok(file) = passes {
                        let plan = Model::empty("eu-west-1", 3).plan(&file, false);
                        assert_eq!(ports(&plan, from), [port].into(), "{listener} with {auth}, {transit}");
                    }
                }
            }
        }
    }
    assert_eq!(seen.len(), 12, "each listener was on and off: {seen:?}");
}

/// The ports of the brokers that `peer` may reach.
fn ports(plan: &Plan, peer: &str) -> BTreeSet<u16> {
    let brokers = Address::new("security_group_rules", "brokers");
    let step = plan.steps.iter().find(|step| step.address == brokers).expect("the brokers' rules");
    let rules = step.wanted().expect("they are made").spec();
    let rules = rules["ingress"].as_array().expect("a list").clone();
    let mine = rules.into_iter().filter(|rule| rule["peer"] == peer);
    mine.filter_map(|rule| rule["ports"].as_str()?.strip_prefix("tcp ")?.parse().ok()).collect()
}

/// NAT gateways and their addresses are not paid for where others made the network.
#[test]
fn a_bill_has_no_nat_gateways_in_a_network_of_others() {
    let example = std::fs::read_to_string("../../stacks/existing-vpc.yaml").expect("the stack file");
    let lines = |text: &str| -> Vec<String> {
        let stack = parsed(text).stack;
        let types = kstack_core::instance_types::embedded();
        let prices = kstack_core::pricing::embedded();
        let bill =
            stack.cluster.cost(stack.common(), types, prices, kstack_core::pricing::Reads::Leader).expect("a bill");
        bill.lines.into_iter().map(|line| line.name).collect()
    };
    let of_network = ["NAT gateways", "NAT data", "public addresses"];
    let here = lines(&example);
    assert!(here.iter().all(|name| !of_network.contains(&name.as_str())), "{here:?}");
    assert!(here.iter().any(|name| name == "endpoints"), "those that the file names are: {here:?}");
    let start = example.find("  existing:").expect("the network");
    let end = example.find("  endpoints:").expect("what follows");
    let own = lines(&format!("{}  cidr: 10.60.0.0/16\n{}", &example[..start], &example[end..]));
    assert!(of_network.iter().all(|name| own.iter().any(|one| one == name)), "{own:?}");
}

/// Stacks in a network of others with everything that they can have there: on EC2, and MSK.
fn stacks() -> [(Model, String); 2] {
    let ec2 = file(3, 3, 3);
    let msk = json!({"kafka": "3.9.x", "brokers": {"count": 3, "instance_type": "kafka.m7g.large"}});
    let mut of_msk: Value = serde_json::from_str(&ec2).expect("JSON");
    of_msk["cluster"] = json!({ "msk": msk });
    [ec2, of_msk.to_string()].map(|text| {
        let mut file: Value = serde_json::from_str(&text).expect("JSON");
        file["network"]["endpoints"] = json!(["s3", "ssm", "kms"]);
        file["network"]["flow_logs"] = json!("arn:aws:s3:::logs");
        let mut model = Model::empty("eu-west-1", 3);
        model.facts.network = network(24, 3, &[]);
        (model, file.to_string())
    })
}

/// What is the stack's is at home in a network that is not, and at each moment of its making and of its end.
#[test]
fn a_stack_is_at_home_in_a_network_of_others() {
    for (mut model, text) in stacks() {
        let file = parsed(&text);
        let placed = |model: &mut Model| {
            model.add(Vec::new());
            assert_eq!(model.observed.unplaced, []);
        };
        for step in &model.plan(&file, false).steps {
            model.step(step);
            placed(&mut model);
        }
        assert!(model.plan(&file, false).steps.is_empty());
        let end = model.destroy(&file);
        let outside = model.observed.live.keys().filter(|address| !is_of_kafka(&address.kind)).count();
        assert_eq!((end.refusals.len(), end.steps.len()), (0, outside), "{:?}", end.refusals);
        for step in &end.steps {
            model.step(step);
            placed(&mut model);
        }
        assert!(model.observed.live.is_empty());
    }
}

/// Tags are copied more easily than a resource is moved: with all of them it is still not the stack's in another place.
#[test]
fn copied_tags_make_nothing_the_stacks_in_another_place() {
    let mut kinds = BTreeSet::new();
    for (mut whole, text) in stacks() {
        let file = parsed(&text);
        whole.apply(&whole.plan(&file, false));
        let inside: Vec<_> =
            whole.observed.live.iter().filter(|(_, live)| live.tags.contains_key(tag::NETWORK)).collect();
        for (address, live) in inside {
            let mut spec = live.spec.clone();
            let json = spec.spec();
            let (field, place) = match ["vpc", "subnet"].into_iter().find(|field| !json[*field].is_null()) {
                Some(field) => (field, json!("subnet-9")),
                None => ("subnets", json!(["subnet-9"])),
            };
            set(&mut spec, field, place);
            for name in [address.name.as_str(), "another"] {
                let mut tags = live.tags.clone();
                tags.insert(tag::ADDRESS.to_owned(), format!("{}/{name}", address.kind));
                let mut model = Model {
                    facts: whole.facts.clone(),
                    observed: whole.observed.clone(),
                    ..Model::empty("eu-west-1", 3)
                };
                model.add(vec![Found { id: "copy-9".to_owned(), tags, spec: spec.clone(), terminated: false }]);
                let unplaced = &model.observed.unplaced;
                assert!(
                    matches!(&unplaced[..], [one] if one.ids == ["copy-9"] && one.cause == Cause::Elsewhere),
                    "{unplaced:?}"
                );
                for plan in [model.plan(&file, true), model.destroy(&file)] {
                    assert!(plan.refusals.iter().any(|one| one.reason.contains("copy-9")), "{:?}", plan.refusals);
                    assert!(plan.steps.iter().all(|step| step.live().is_none_or(|live| live.id != "copy-9")));
                }
            }
            kinds.insert(address.kind.clone());
        }
    }
    let all = ["flow_log", "instance", "msk_cluster", "network_interface", "security_group", "vpc_endpoint"];
    assert_eq!(kinds, all.map(str::to_owned).into());
}

/// An endpoint in a network of others is everybody's there: who may use it is not the stack's to say. One that is there needs no
/// service that AWS would have to have.
#[test]
fn endpoints_in_a_network_of_others() {
    for (mut model, text) in stacks() {
        let file = parsed(&text);
        let mut own: Value = serde_json::from_str(&text).expect("JSON");
        own["network"]["existing"].take();
        own["network"] = json!({"cidr": "10.20.0.0/16", "endpoints": own["network"]["endpoints"]});
        let mut beside = Model::empty("eu-west-1", 3);
        beside.apply(&beside.plan(&parsed(&own.to_string()), false));
        let policies = |model: &Model| {
            let all = model.observed.of::<VpcEndpoint>();
            all.into_iter().map(|(name, (_, one))| (name.to_owned(), one.policy.is_some())).collect::<BTreeMap<_, _>>()
        };
        assert_eq!(policies(&beside), ["kms", "s3", "ssm"].map(|name| (name.to_owned(), true)).into());
        let there = |name: &str| EndpointFacts {
            service: format!("com.amazonaws.eu-west-1.{name}"),
            route_tables: Vec::new(),
            private_dns: true,
        };
        model.facts.endpoints.remove("ssm");
        assert!(!model.plan(&file, false).refusals.is_empty(), "no such service");
        model.facts.network.endpoints = vec![there("ssm")];
        model.apply(&model.plan(&file, false));
        assert_eq!(policies(&model), ["kms", "s3"].map(|name| (name.to_owned(), false)).into());
    }
}

/// What is warned of where a stack has a network of its own, and how it reads in a network of others.
#[test]
fn warnings_in_a_network_of_others() {
    let [(_, ec2), (_, msk)] = stacks();
    let warnings = |text: &str, edit: &dyn Fn(&mut Value)| {
        let mut file: Value = serde_json::from_str(text).expect("JSON");
        edit(&mut file);
        parsed(&file.to_string()).warnings.render(false)
    };
    // Who records what in others' VPC is theirs to say; in a VPC of its own it is the stack's.
    let protected = |file: &mut Value| {
        file["protected"] = json!(true);
        file["network"].as_object_mut().expect("a mapping").remove("flow_logs");
    };
    let own = |file: &mut Value| {
        protected(file);
        file["network"] = json!({"cidr": "10.20.0.0/16"});
    };
    assert!(!warnings(&ec2, &protected).contains("flow logs"));
    assert!(warnings(&ec2, &own).contains("flow logs"));
    // Clients and rules alike: only public brokers are reached from public addresses.
    let open = |public: bool| {
        move |file: &mut Value| {
            file["network"]["clients"] = json!(["8.8.0.0/16"]);
            file["network"]["rules"] = json!([{"from": "9.9.0.0/16", "listener": "iam"}]);
            file["cluster"]["msk"]["public_access"] = json!(public);
        }
    };
    for (public, warned) in [(false, true), (true, false)] {
        let text = warnings(&msk, &open(public));
        let both = ["8.8.0.0/16", "9.9.0.0/16"].map(|block| text.contains(&format!("`{block}` has public addresses")));
        assert_eq!(both, [warned; 2], "{text}");
    }
}
