//! A cluster that others made: its description reads, its adoption is its tags alone, and then nothing is left to do.

use kstack_core::choose::PlanningInput;
use kstack_core::cloud_init::Overrides;
use kstack_core::describe::{Described, describe};
use kstack_core::design::{NetworkFacts, SubnetFacts, VpcFacts};
use kstack_core::kinds::msk_cluster::adoption_tags;
use kstack_core::kinds::{MskCluster, OfKind as _};
use kstack_core::model::{Address, Tags, tag};
use kstack_core::observed::{Found, Observed};
use kstack_core::plan::{self, Plan, make_plan, verify};
use serde_json::{Value, json};

use crate::model::{Model, parsed, set};

const ARN: &str = "arn:aws:kafka:us-east-1:123456789012:cluster/orders/6c0e7b1a-0d65-4b8f-9e0a-1f2d3c4b5a69-3";
const CONFIGURATION: &str =
    "arn:aws:kafka:us-east-1:123456789012:configuration/theirs/1f2d3c4b-0d65-4b8f-9e0a-6c0e7b1a5a69-2";
const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const AUTHORITY: &str =
    "arn:aws:acm-pca:us-east-1:123456789012:certificate-authority/6c0e7b1a-0d65-4b8f-9e0a-1f2d3c4b5a69";
const VPC: &str = "vpc-0123456789abcdef0";
const GROUP: &str = "sg-0123456789abcdef0";

/// Clusters as files of kstack's own make them, and what others have otherwise.
const CLUSTERS: [(&str, &str); 7] = [
    (
        "3",
        "{kafka: 3.8.x, brokers: {count: 6, instance_type: kafka.m7g.4xlarge, storage: {size: 333 GiB, throughput: 300 MiB/s, \
         tiered: true}}, auth: {iam: true, scram: {}, tls: {certificate_authorities: [AUTHORITY]}}, monitoring: {level: \
         per-topic-per-partition, prometheus: true}, logs: {cloudwatch: /aws/msk, s3: {bucket: logs, prefix: a/b}, firehose: logs}, \
         config: {allow.everyone.if.no.acl.found: \"false\"}, vpc_connectivity: {iam: true, scram: true, tls: true}}",
    ),
    ("3", "{kafka: 3.9.x.kraft, brokers: {count: 3, instance_type: express.m7g.large}, rebalancing: false}"),
    ("2", "{kafka: 3.9.x, brokers: {count: 2, instance_type: kafka.t3.small, storage: {size: 1 GiB}}}"),
    (
        "3",
        "{kafka: 3.9.x, brokers: {count: 3, instance_type: kafka.m5.large, storage: {size: 10 GiB}}, auth: {unauthenticated: true}, \
         encryption: {in_transit: plaintext, in_cluster: false}}",
    ),
    (
        "3",
        "{kafka: 3.9.x, brokers: {count: 3, instance_type: kafka.m5.large, storage: {size: 10 GiB}}, auth: {scram: {}}, \
         config: {allow.everyone.if.no.acl.found: \"false\"}, public_access: true}",
    ),
    (
        "3",
        "{kafka: 3.9.x, brokers: {count: 3, instance_type: kafka.m5.large, storage: {size: 10 GiB}}, auth: {iam: true, unauthenticated: true}, encryption: {in_transit: tls-or-plaintext}}",
    ),
    ("3", "{serverless: true}"),
];

/// An account with such a cluster, which others made; and the tags that they gave it.
fn foreign(zones: &str, msk: &str, configuration: &str) -> Model {
    let file = format!(
        "apiVersion: kstack/v1\nname: orders\nregion: us-east-1\nnetwork: {{cidr: 10.0.0.0/16, nat: none, zones: {zones}}}\n\
         workload: {{ingress: 1 KiB/s, retention: 3d, partitions: 1{}}}\ncluster: {{msk: {}}}\n",
        if zones == "2" { ", replication_factor: 2, min_insync_replicas: 1" } else { "" },
        msk.replace("AUTHORITY", AUTHORITY)
    );
    let mut own = Model::empty("us-east-1", 3);
    own.apply(&own.plan(&parsed(&file), true));
    let mut spec = own.observed.live.remove(&Address::new("msk_cluster", "main")).expect("a cluster").spec;
    let count: usize = zones.parse().expect("a number");
    let ids: Vec<String> = (0..count).map(|number| format!("subnet-0123456789abcdef{number}")).collect();
    set(&mut spec, "subnets", json!(ids));
    set(&mut spec, "security_groups", json!([GROUP]));
    // Dual stack, where the caller's own configuration is.
    let ipv6 = !configuration.is_empty();
    set(&mut spec, "ipv6", json!(ipv6));
    if MskCluster::of(&spec).is_some_and(|cluster| cluster.provisioned.is_some()) {
        set(&mut spec, "configuration", json!(configuration));
        set(&mut spec, "configuration_revision", if configuration.is_empty() { Value::Null } else { json!(3) });
        set(&mut spec, "server_properties", json!("0123456789ab"));
        set(&mut spec, "kms_key", json!(KEY));
    }
    let mut tags = Tags::from([("Name", "theirs"), ("team", "a: b"), ("aws:cloudformation:stack-id", "x")].map(pair));
    tags.extend(adoption_tags("orders", &ids, Some(KEY), true));
    let mut model = Model::empty("us-east-1", 3);
    let subnet = |(number, id): (usize, &String)| SubnetFacts {
        id: id.clone(),
        vpc: VPC.to_owned(),
        zone: format!("us-east-1{}", char::from(b'a' + u8::try_from(number).expect("few"))),
        block: format!("10.9.{number}.0/24").parse().ok(),
        ipv6: format!("2001:db8:0:{number}::/64").parse().ok().filter(|_| ipv6),
        free: 3,
        used: Vec::new(),
        route_table: "rtb-1".to_owned(),
        default_route: Some("igw-1".to_owned()),
    };
    model.facts.network = NetworkFacts {
        // Many VPCs have no names for hosts.
        vpcs: vec![VpcFacts {
            id: VPC.to_owned(),
            blocks: Vec::new(),
            dns_support: true,
            dns_hostnames: false,
            ipv6: false,
        }],
        subnets: ids.iter().enumerate().map(subnet).collect(),
        groups: [(GROUP.to_owned(), VPC.to_owned())].into(),
        ..NetworkFacts::default()
    };
    model.observed = Observed::collect(vec![Found { id: ARN.to_owned(), tags, spec, terminated: false }]);
    model
}

fn pair((key, value): (&str, &str)) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

fn described(model: &Model) -> String {
    let all = model.observed.of::<MskCluster>();
    let (live, cluster) = all["main"];
    let (name, region, account) = ("orders", "us-east-1", "123456789012");
    let described =
        Described { name, region, account, vpc: VPC, arn: ARN, cluster, tags: &live.tags, observed: &model.observed };
    describe(&described).unwrap_or_else(|report| panic!("{}", report.render(false)))
}

fn adoption(model: &Model, file: &str) -> Plan {
    let (facts, observed) = (model.facts.clone(), model.observed.clone());
    let input = PlanningInput { facts, observed, record: None, expires: None };
    let (design, ordinary) = make_plan(&parsed(file).stack, &input, &Overrides::new(), false);
    let plan = plan::adopt(design.as_ref(), ordinary, &model.observed);
    assert_eq!(verify(&plan, &model.observed), Vec::<String>::new());
    plan
}

#[test]
fn what_is_described_is_adopted_by_its_tags_alone() {
    for (zones, msk) in CLUSTERS {
        for configuration in [CONFIGURATION, ""] {
            let mut model = foreign(zones, msk, configuration);
            let before = model.observed.live[&Address::new("msk_cluster", "main")].spec.clone();
            let file = described(&model);
            let plan = adoption(&model, &file);
            assert!(plan.refusals.is_empty(), "{}\n{file}", plan::render(&plan));
            let steps: Vec<String> = plan.steps.iter().map(|step| step.id().to_string()).collect();
            assert_eq!(steps, ["msk_cluster/main:tags"], "{file}");
            assert!(plan.steps[0].changes().iter().all(|change| change.tag().is_some()), "{:?}", plan.steps);
            model.apply(&plan);
            let live = &model.observed.live[&Address::new("msk_cluster", "main")];
            assert_eq!(live.spec, before);
            assert_eq!(live.tags[tag::NAME], "theirs", "their name stays");
            assert_eq!(live.tags[tag::ADOPTED], "true");
            // What a discovery finds now.
            let (tags, spec) = (live.tags.clone(), live.spec.clone());
            model.observed = Observed::collect(vec![Found { id: ARN.to_owned(), tags, spec, terminated: false }]);
            let next = model.plan(&parsed(&file), false);
            assert!(next.steps.is_empty() && next.refusals.is_empty(), "{}\n{file}", plan::render(&next));
            assert_eq!(adoption(&model, &file).steps, [], "a second time there is nothing to do");
            let destroyed = model.destroy(&parsed(&file));
            assert!(destroyed.refusals[0].reason.contains("protected"), "{:?}", destroyed.refusals);
        }
    }
}

#[test]
fn each_difference_is_named_and_nothing_is_planned() {
    let (zones, msk) = CLUSTERS[0];
    let model = foreign(zones, msk, CONFIGURATION);
    let file = described(&model);
    for (old, new, named) in [
        ("kafka: \"3.8.x\"", "kafka: 3.9.x", "kafka"),
        ("count: 6", "count: 9", "brokers"),
        ("kafka.m7g.4xlarge", "kafka.m7g.8xlarge", "instance_type"),
        ("size: 333 GiB", "size: 500 GiB", "volume_gib"),
        ("throughput: 300 MiB/s", "throughput: 301 MiB/s", "throughput_mibs"),
        ("revision: 3", "revision: 4", "configuration_revision"),
        ("level: per-topic-per-partition", "level: default", "monitoring"),
        ("jmx: true", "jmx: false", "jmx_exporter"),
        ("iam: true, scram: true, tls: true", "iam: true, scram: true", "vpc_tls"),
        ("-1234567890ab", "-1234567890ac", "kms_key"),
        ("prefix: a/b", "prefix: a/c", "log_bucket"),
    ] {
        assert_eq!(file.matches(old).count(), 1, "`{old}` in\n{file}");
        let plan = adoption(&model, &file.replace(old, new));
        let fields: Vec<&str> =
            plan.refusals.iter().filter_map(|one| Some(one.change.as_ref()?.field.as_str())).collect();
        assert_eq!(fields, [named], "{}", plan::render(&plan));
    }
    // The stack's own configuration would be made, and the cluster brought to it.
    let (at, end) = (file.find("    configuration:").expect("it"), file.find("    vpc_connectivity").expect("it"));
    let own = format!("{}    config: {{allow.everyone.if.no.acl.found: \"false\"}}\n{}", &file[..at], &file[end..]);
    let text = plan::render(&adoption(&model, &own));
    assert!(text.contains("msk_configuration/main: the file asks for it, and it is not there"), "{text}");
    let elsewhere = file.replace("own_groups: false", "own_groups: true");
    assert!(!adoption(&model, &elsewhere).refusals.is_empty());
}

#[test]
fn what_is_not_to_be_adopted_is_said() {
    let (zones, msk) = CLUSTERS[0];
    let model = foreign(zones, msk, CONFIGURATION);
    let file = described(&model);
    let address = Address::new("msk_cluster", "main");
    let reasons = |model: &Model, file: &str| {
        let plan = adoption(model, file);
        assert_eq!(plan.steps.is_empty(), !plan.refusals.is_empty());
        plan.refusals.into_iter().map(|refusal| refusal.reason).collect::<Vec<_>>().join("\n")
    };
    let with_tags = |change: &[(&str, &str)]| {
        let mut model = model.clone();
        let tags = &mut model.observed.live.get_mut(&address).expect("it").tags;
        tags.retain(|key, _| key != tag::ADOPTED);
        tags.extend(change.iter().copied().map(pair));
        model
    };
    let nothing = Model { observed: Observed::default(), ..model.clone() };
    assert!(
        reasons(&nothing, &file).starts_with("there is no MSK cluster named `orders` in us-east-1 for account 1234")
    );
    assert!(reasons(&with_tags(&[(tag::STACK, "others")]), &file).contains("of another stack, `others`"));
    assert!(reasons(&with_tags(&[]), &file).starts_with("the stack orders has made this cluster itself"));
    let mut creating = model.clone();
    set(&mut creating.observed.live.get_mut(&address).expect("it").spec, "state", json!("creating"));
    assert!(reasons(&creating, &file).contains("its state is creating"));
    let at = file.find("network:").expect("it");
    let end = file.find("# What it has to carry").expect("it");
    let own = format!("{}network: {{cidr: 10.0.0.0/16, nat: none}}\n{}", &file[..at], &file[end..]);
    assert!(reasons(&model, &own).contains("a network of the stack's own"));
}
