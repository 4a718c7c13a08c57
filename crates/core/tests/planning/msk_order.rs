//! The order of an MSK cluster's operations, for random pairs of stack files: after each of them the cluster is one that MSK
//! allows, whatever the operations after it are.

use kstack_core::model::Address;
use kstack_core::plan::{Action, Plan, Step, render, verify};
use proptest::prelude::*;
use proptest::sample::select;

use crate::model::{Model, parsed};

/// The parts of a file that vary.
#[derive(Debug, Clone)]
struct Shape {
    version: usize,
    instance_type: &'static str,
    brokers: u32,
    size: u32,
    max: bool,
    throughput: Option<u32>,
    tiered: bool,
    access: &'static str,
    transit: &'static str,
    public: bool,
    /// The methods of `vpc_connectivity`; `None` where the file has none.
    from_vpcs: Option<&'static str>,
    level: &'static str,
    prometheus: bool,
    retention: u32,
    team: &'static str,
}

const VERSIONS: [&str; 3] = ["3.7.x", "3.8.x", "3.9.x"];
const LARGE: [&str; 3] = ["kafka.m5.4xlarge", "kafka.m5.8xlarge", "kafka.m7g.4xlarge"];
const SECRET: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:AmazonMSK_orders-Ab1Cd2";
const AUTHORITY: &str =
    "arn:aws:acm-pca:us-east-1:123456789012:certificate-authority/6c0e7b1a-0d65-4b8f-9e0a-1f2d3c4b5a69";

fn shape() -> impl Strategy<Value = Shape> {
    let brokers =
        (0..VERSIONS.len(), select(vec!["kafka.m5.large", "kafka.m7g.large", LARGE[0], LARGE[1], LARGE[2]]), 1..=3_u32);
    let storage = (200..=400_u32, any::<bool>(), prop::option::of(250..=500_u32), any::<bool>());
    let access = select(vec!["iam", "scram", "tls", "iam, scram", "unauthenticated"]);
    let from_vpcs = select(vec![None, Some(""), Some("iam"), Some("scram"), Some("tls"), Some("iam, scram")]);
    let open = (access, select(vec!["tls", "tls-or-plaintext"]), any::<bool>(), from_vpcs);
    let rest = (select(vec!["default", "per-broker"]), any::<bool>(), 1..=5_u32, select(vec!["orders", "payments"]));
    (brokers, storage, open, rest).prop_map(|(brokers, storage, open, rest)| {
        let public = open.2 && open.0 != "unauthenticated";
        Shape {
            version: brokers.0,
            instance_type: brokers.1,
            brokers: brokers.2 * 3,
            size: storage.0,
            max: storage.1,
            throughput: storage.2.filter(|_| LARGE.contains(&brokers.1)),
            tiered: storage.3,
            access: open.0,
            // Plaintext is for clients that prove nothing.
            transit: if open.0 == "unauthenticated" { open.1 } else { "tls" },
            public,
            from_vpcs: open.3.map(|methods| {
                // A file with other ones is refused.
                if methods.split(", ").all(|method| open.0.contains(method)) { methods } else { "" }
            }),
            level: rest.0,
            prometheus: rest.1,
            retention: rest.2,
            team: rest.3,
        }
    })
}

impl Shape {
    fn file(&self) -> String {
        let auth: Vec<String> = self
            .access
            .split(", ")
            .map(|access| match access {
                "scram" => format!("scram: {{secrets: [\"{SECRET}\"]}}"),
                "tls" => format!("tls: {{certificate_authorities: [\"{AUTHORITY}\"]}}"),
                other => format!("{other}: true"),
            })
            .collect();
        let max = if self.max { ", max: 2 TiB" } else { "" };
        let throughput = self.throughput.map(|mibs| format!(", throughput: {mibs} MiB/s")).unwrap_or_default();
        let from_vpcs = self.from_vpcs.map(|methods| {
            let on: Vec<String> =
                methods.split(", ").filter(|one| !one.is_empty()).map(|one| format!("{one}: true")).collect();
            format!("    vpc_connectivity: {{{}}}\n", on.join(", "))
        });
        let closed = self.from_vpcs.is_some_and(|methods| methods.contains("scram") || methods.contains("tls"));
        let config = if self.public || closed { "{allow.everyone.if.no.acl.found: \"false\"}" } else { "{}" };
        format!(
            "apiVersion: kstack/v1\nname: orders\nregion: us-east-1\ntags: {{team: {}}}\n\
             network: {{cidr: 10.50.0.0/16, nat: none}}\nworkload: {{retention: {}d}}\ncluster:\n  msk:\n    kafka: {}\n    \
             brokers: {{count: {}, instance_type: {}, storage: {{size: {} GiB{max}{throughput}, tiered: {}}}}}\n    \
             auth: {{{}}}\n    encryption: {{in_transit: {}}}\n    public_access: {}\n    \
             monitoring: {{level: {}, prometheus: {}}}\n    config: {config}\n{}",
            self.team,
            self.retention,
            VERSIONS[self.version],
            self.brokers,
            self.instance_type,
            self.size,
            self.tiered,
            auth.join(", "),
            self.transit,
            self.public,
            self.level,
            self.prometheus,
            from_vpcs.unwrap_or_default(),
        )
    }
}

/// Why MSK would not have such a cluster.
fn wrong(model: &Model) -> Option<&'static str> {
    let live = |kind: &str| model.observed.live.get(&Address::new(kind, "main")).map(|live| live.spec.spec());
    let cluster = live("msk_cluster")?;
    let text = |key: &str| cluster[key].as_str().unwrap_or_default();
    let on = |key: &str| cluster[key] == true;
    let tls = cluster["certificate_authorities"].as_array().is_some_and(|all| !all.is_empty());
    let proven = on("iam") || on("scram") || tls;
    let throughput = cluster["throughput_mibs"].as_u64().unwrap_or_default();
    let properties = live("msk_configuration").map(|spec| spec["properties"].to_string()).unwrap_or_default();
    let in_use = text("server_properties") == fingerprint(model);
    let from_vpcs = on("vpc_iam") || on("vpc_scram") || on("vpc_tls");
    let checks = [
        (throughput > 0 && !LARGE.contains(&text("instance_type")), "provisioned throughput on small brokers"),
        (on("public_access") && (on("unauthenticated") || !proven), "public access without authentication"),
        (on("public_access") && text("in_transit") != "tls", "public access in plaintext"),
        (
            on("public_access") && (on("scram") || tls) && in_use && !properties.contains("found=false"),
            "public access for whom no ACL is found",
        ),
        (on("vpc_iam") && !on("iam"), "other VPCs with IAM, which is off"),
        (on("vpc_scram") && !on("scram"), "other VPCs with SCRAM, which is off"),
        (on("vpc_tls") && !tls, "other VPCs with certificates, which are off"),
        (from_vpcs && on("unauthenticated"), "other VPCs, and open access"),
        (
            (on("vpc_scram") || on("vpc_tls")) && in_use && !properties.contains("found=false"),
            "other VPCs for whom no ACL is found",
        ),
        (!proven && !on("unauthenticated"), "no way in"),
        (text("in_transit") != "tls" && !on("unauthenticated"), "plaintext, and nobody to use it"),
        (live("msk_scram_association").is_some() && !on("scram"), "secrets without SCRAM"),
    ];
    checks.into_iter().find(|(is, _)| *is).map(|(_, why)| why)
}

/// What stands for the newest properties.
fn fingerprint(model: &Model) -> String {
    let spec = model.observed.live[&Address::new("msk_configuration", "main")].spec.spec();
    let lines: Vec<String> = serde_json::from_value(spec["properties"].clone()).expect("lines");
    kstack_core::choose::configuration_fingerprint(&lines)
}

/// Does the steps of `plan` one by one, and looks at the cluster after each.
fn follow(model: &mut Model, plan: &Plan) -> Result<(), TestCaseError> {
    let mut last = None;
    for step in &plan.steps {
        model.step(step);
        prop_assert_eq!(wrong(model), None, "after {} of\n{}", step.id(), render(plan));
        if step.address.kind == "msk_cluster" && step.action() == Action::Update {
            // One after the other.
            prop_assert!(last.iter().all(|last| step.after.contains(last)), "{} is not after {last:?}", step.id());
            last = Some(step.id());
        }
    }
    Ok(())
}

/// Few cases in every run; `PROPTEST_CASES=5000 cargo test msk_order` looks further; see invariants.rs.
fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(96);
    ProptestConfig { cases, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_operation_leaves_a_cluster_that_msk_allows(before in shape(), after in shape()) {
        let mut model = Model::empty("us-east-1", 3);
        let fresh = model.plan(&parsed(&before.file()), false);
        follow(&mut model, &fresh)?;
        let wanted = parsed(&after.file());
        let plan = model.plan(&wanted, true);
        let names = |plan: &Plan| -> Vec<String> { plan.refusals.iter().map(|one| one.reason.clone()).collect() };
        // What MSK can't change: an older version, tiered storage off, public from private, fewer brokers than a zone's one.
        let fixed = after.version < before.version
            || (before.tiered && !after.tiered)
            || (after.public && !before.public)
            || before.brokers > after.brokers + 3;
        prop_assert_eq!(!plan.refusals.is_empty(), fixed, "{:?}", names(&plan));
        if !fixed {
            follow(&mut model, &plan)?;
            let again = model.plan(&wanted, false);
            prop_assert!(again.steps.is_empty() && again.refusals.is_empty(), "{}", render(&again));
            prop_assert!(plan.steps.iter().all(|step| step.action() != Action::Replace), "{}", render(&plan));
        }
    }
}

/// Six brokers, of which three leave: what verification says of the plan without its last looks, or in another order.
#[test]
fn msk_takes_away_only_what_was_looked_at() {
    let file = |count: u32| {
        parsed(&format!(
            "apiVersion: kstack/v1\nname: orders\nregion: us-east-1\nnetwork: {{cidr: 10.50.0.0/16, nat: none}}\nworkload: {{retention: 3d}}\n\
             cluster: {{msk: {{kafka: 3.8.x, auth: {{iam: true}}, brokers: {{count: {count}, instance_type: kafka.m5.large, storage: {{size: 200 GiB}}}}}}}}\n"
        ))
    };
    let mut model = Model::empty("us-east-1", 3);
    model.apply(&model.plan(&file(6), false));
    let plan = model.plan(&file(3), false);
    let ids: Vec<String> = plan.steps.iter().map(|step| step.id().to_string()).collect();
    let brokers = ["broker/broker-4", "broker/broker-5", "broker/broker-6"];
    assert_eq!(ids, [&["partitions/main"][..], &brokers, &["msk_cluster/main:broker-removal"]].concat());
    let faults = |edit: &dyn Fn(&mut Vec<Step>)| {
        let mut plan = plan.clone();
        edit(&mut plan.steps);
        verify(&plan, &model.observed).join("\n")
    };
    assert_eq!(faults(&|_| ()), "");
    let unlooked = faults(&|steps| {
        steps.retain(|step| step.address.name != "broker-5");
        steps.iter_mut().for_each(|step| step.after.retain(|id| id.address.name != "broker-5"));
    });
    assert!(unlooked.contains("would take 3 brokers away, of which 2 are known to be empty"), "{unlooked}");
    let early = faults(&|steps| steps[4].after.retain(|id| id.address.name != "broker-6"));
    assert!(early.contains("msk_cluster/main:broker-removal comes before broker/broker-6"), "{early}");
}
