//! Declarations of fields: each that a spec has as JSON has a rule, and no text of the user's is ever a dependency.

use std::collections::BTreeSet;
use std::fs;

use kstack_core::kinds::{self, Resource};
use kstack_core::model::Address;
use kstack_core::plan::Plan;

use crate::model::{Model, parsed};

fn fresh(text: &str) -> Plan {
    let parsed = parsed(text);
    Model::empty(&parsed.stack.region, 3).plan(&parsed, false)
}

fn wanted(plan: &Plan) -> Vec<Resource> {
    plan.steps.iter().filter_map(|step| step.wanted().cloned()).collect()
}

/// The shipped stack files, which have each kind between them.
fn files() -> Vec<String> {
    [
        "dev",
        "prod",
        "secured",
        "msk",
        "msk-client",
        "msk-express",
        "msk-private-link",
        "msk-serverless",
        "ephemeral",
        "confluent",
    ]
    .map(|name| {
        fs::read_to_string(format!("../../stacks/{name}.yaml")).unwrap_or_else(|error| panic!("{name}: {error}"))
    })
    .into()
}

#[test]
fn every_serialized_field_has_a_rule() {
    let mut seen = BTreeSet::new();
    // What no shipped file has: secrets of SCRAM users, a cluster policy, routes, a connection from another VPC, flow logs, and names.
    let scram = "apiVersion: kstack/v1\nname: orders\nregion: us-east-1\nnetwork: {cidr: 10.50.0.0/16, nat: none, routes: [{to: 10.8.0.0/16, via: tgw-0a1b2c3d4e5f60718}], ipam_pool: ipam-pool-0123456789abcdef0, flow_logs: \"arn:aws:s3:::orders-flow\"}\ncluster:\n  msk:\n    \
                 kafka: 3.8.x\n    brokers: {count: 3, instance_type: kafka.m5.large}\n    auth: {iam: true, scram: {secrets: \
                 [\"arn:aws:secretsmanager:us-east-1:123456789012:secret:AmazonMSK_orders-Ab1Cd2\"]}}\n    \
                 vpc_connectivity: {iam: true}\n    vpc_connections: [{name: apps, vpc: vpc-0123456789abcdef0, subnets: \
                 [subnet-0123456789abcdef0], security_groups: [sg-0123456789abcdef0]}]\n    policy: {Version: \"2012-10-17\", Statement: [{Effect: Allow, Principal: \"*\", Action: \"kafka:GetBootstrapBrokers\", Resource: \"*\"}]}\naccess: {users: {api: {}}}\n";
    let names = "apiVersion: kstack/v1\nname: named\nregion: us-east-1\nalarms: true\nnetwork: {cidr: 10.50.0.0/16, flow_logs: {}, ipv6: true, dns: {zone: kafka.example.internal}}\n\
                 cluster: {ec2: {listeners: {plaintext: true}, kafka: 4.1.1, combined: true, brokers: {count: 3, instance_type: m7g.large}}}\ntopics: {orders: {partitions: 6, config: {retention.ms: 1}}, plain: {partitions: 6}}\n";
    let users = "apiVersion: kstack/v1\nname: users\nregion: us-east-1\nnetwork: {cidr: 10.50.0.0/16}\nclient: {}\n\
                 cluster: {ec2: {kafka: 4.1.1, combined: true, listeners: {scram: true}, brokers: {count: 3, instance_type: m7g.large}}}\n\
                 access: {users: {api: {produce: [orders], quota: {produce: 1 MiB/s, consume: 1 MiB/s, request: 50%}}}}\n";
    let role = "apiVersion: kstack/v1\nname: users\nregion: us-east-1\nnetwork: {cidr: 10.50.0.0/16}\n\
                cluster: {msk: {kafka: 3.9.x, auth: {iam: true}, brokers: {count: 3, instance_type: kafka.m7g.large}}}\n\
                access: {users: {etl: {role: etl, produce: [orders]}}}\n";
    for text in files().iter().map(String::as_str).chain([scram, names, users, role]) {
        for resource in wanted(&fresh(text)) {
            let kind = resource.kind();
            seen.insert(kind);
            for (field, _) in resource.spec().as_object().expect("a spec is an object") {
                assert!(kinds::field(kind, field).is_some(), "`{field}` of {kind} is compared, and has no rule");
            }
            // One that is left out when it is empty would be changed as a whole, which no driver knows how to do.
            let by_key = kinds::field(kind, "config").is_some_and(|field| field.rule.keyed);
            assert!(
                !by_key || resource.spec()["config"].is_object(),
                "`config` of {kind} is not there when it is empty"
            );
        }
    }
    // What no plan makes: it is there with the first broker.
    let few = files().swap_remove(0);
    let mut model = Model::empty("eu-west-1", 3);
    model.apply(&model.plan(&parsed(&few), false));
    let changed = model.plan(&parsed(&few.replace("retention: 1d", "retention: 2d")), false);
    for resource in wanted(&changed) {
        seen.insert(resource.kind());
        for (field, _) in resource.spec().as_object().expect("a spec is an object") {
            assert!(kinds::field(resource.kind(), field).is_some(), "`{field}` of {} has no rule", resource.kind());
        }
    }
    let prod = files().swap_remove(1);
    let mut quorum = Model::empty(&parsed(&prod).stack.region, 3);
    quorum.apply(&quorum.plan(&parsed(&prod), false));
    let joined = prod.replace("controllers:\n      count: 3", "controllers:\n      count: 5");
    seen.extend(wanted(&quorum.plan(&parsed(&joined), false)).iter().map(Resource::kind));
    // Hosts register their brokers, and no plan makes one.
    seen.insert("broker");
    let more = model.plan(&parsed(&few.replace("count: 3", "count: 6")), false);
    seen.extend(wanted(&more).iter().map(Resource::kind));
    let kinds: BTreeSet<&str> = kinds::NAMES.iter().copied().collect();
    let missing: Vec<&&str> = kinds.difference(&seen).collect();
    assert!(missing.is_empty(), "no shipped stack file has {missing:?}, so nothing is known of their fields");
}

/// Texts that look like addresses: in tags, keys, buckets and settings.
#[test]
fn a_text_that_looks_like_an_address_is_no_dependency() {
    let ec2 = "apiVersion: kstack/v1\nname: dev\nregion: eu-west-1\ntags: {a: TEXT}\nnetwork: {cidr: 10.20.0.0/16}\n\
               cluster: {ec2: {listeners: {plaintext: true}, kafka: 4.1.1, combined: true, config: {own.rack.note: TEXT}, brokers: {count: 3, instance_type: m7g.large}}}\n";
    let msk = "apiVersion: kstack/v1\nname: orders\nregion: us-east-1\ntags: {a: TEXT}\nnetwork: {cidr: 10.50.0.0/16, nat: none}\n\
               workload: {retention: 3d}\ncluster:\n  msk:\n    kafka: 3.8.x\n    brokers: {count: 3, instance_type: kafka.m5.large}\n    \
               auth: {iam: true}\n    logs: {cloudwatch: TEXT, firehose: orders, s3: {bucket: vpc, prefix: main}}\n";
    let edges = |plan: &Plan| -> BTreeSet<(String, String)> {
        let edge = |step: &kstack_core::plan::Step| {
            let id = step.id().to_string();
            step.after.iter().map(move |one| (id.clone(), one.to_string())).collect::<Vec<_>>()
        };
        plan.steps.iter().flat_map(edge).collect()
    };
    for text in [ec2, msk] {
        let plain = edges(&fresh(&text.replace("TEXT", "orders").replace("bucket: vpc, prefix: main", "bucket: logs")));
        for address in ["instance/broker-1", "vpc/main", "volume/broker-2", "msk_cluster/main"] {
            assert!(Address::parse(address).is_some());
            assert_eq!(edges(&fresh(&text.replace("TEXT", address))), plain, "{address}");
        }
    }
}
