//! What carries the stack's tags and is used elsewhere: a row for each kind. It is refused, and neither changed nor deleted,
//! whether the stack has its own resource at that address or not.

use kstack_core::kinds::{NAMES, Resource, from_json};
use kstack_core::model::{Address, KAFKA_KINDS, Tags};
use kstack_core::observed::Found;
use kstack_core::plan::Plan;
use serde_json::{Value, json};

use crate::model::{Model, parsed};

/// The fields that say where a resource of the kind is when it is not the stack's; `Err` says why it can be nowhere else.
fn elsewhere(kind: &str) -> Result<Value, &'static str> {
    Ok(match kind {
        "internet_gateway"
        | "egress_only_gateway"
        | "subnet"
        | "route_table"
        | "vpc_endpoint"
        | "security_group"
        | "flow_log" => {
            json!({"vpc": "vpc-9"})
        }
        "nat_gateway" | "instance" | "client_instance" => json!({"subnet": "subnet-9"}),
        "network_interface" => json!({"attached_to": "i-9"}),
        "elastic_ip" => json!({"attached_to": "eni-9"}),
        "volume" => json!({"attached_to": "i-9"}),
        "security_group_rules" => json!({"group": "sg-9"}),
        "msk_cluster" => json!({"subnets": ["subnet-9"]}),
        "msk_vpc_connection" => json!({"vpc": "vpc-9"}),
        "vpc" => return Err("it is in nothing; AWS deletes none that has anything in it"),
        "log_group" => return Err("it is in nothing, its name is the stack's own, and its tags say whose it is"),
        "role" | "instance_profile" | "flow_log_role" | "msk_configuration" => {
            return Err("its name is the stack's own, and AWS deletes none that is used");
        }
        "kms_key" => return Err("it is in nothing, and its tags are asked for wherever its alias leads"),
        "user_secret" => return Err("its name and its tag say whose it is"),
        "certificate_authority" | "host_certificate" | "client_certificate" | "kafka_user" | "user_policy" => {
            return Err("its parameter's name says whose it is");
        }
        "hosted_zone" => return Err("it is known by the call that made it, which nobody can give another zone"),
        "dns_records" | "dns_aaaa_records" => {
            return Err("they are looked for in the stack's own zone, and in others' by what stands beside them");
        }
        "privatelink_records" => return Err("they are looked for in the stack's own zone only"),
        "alarm" => return Err("its name is the stack's own, and the end of its description says whose it is"),
        "dashboard" => return Err("its name is the stack's own, and the end of its first text says whose it is"),
        "placement_group" => return Err("it is in nothing; AWS deletes none with an instance in it"),
        "msk_autoscaling" | "msk_scram_association" | "msk_cluster_policy" => {
            return Err("it is looked for on the stack's own cluster only");
        }
        kind if KAFKA_KINDS.contains(&kind) => return Err("it is inside of the stack's own cluster, and has no tags"),
        other => panic!("where can a {other} be that is not the stack's?"),
    })
}

/// A resource as the planner wants it, with other fields.
fn with(spec: &Resource, fields: &Value) -> Resource {
    let mut json = spec.spec();
    for (key, value) in fields.as_object().expect("an object") {
        json[key] = value.clone();
    }
    from_json(spec.kind(), &json).unwrap_or_else(|| panic!("{json} is no {}", spec.kind()))
}

fn refused(plan: &Plan, id: &str, place: &str) {
    let reasons: Vec<&str> = plan.refusals.iter().map(|refusal| refusal.reason.as_str()).collect();
    assert!(reasons.iter().any(|reason| reason.contains(id) && reason.contains(place)), "{id} in {place}: {reasons:?}");
    let touched = plan.steps.iter().find(|step| step.live().is_some_and(|live| live.id == id));
    assert!(touched.is_none(), "{id}: {touched:?}");
}

#[test]
fn what_is_used_elsewhere_is_refused_whatever_its_tags_say() {
    let ec2 = parsed(
        "apiVersion: kstack/v1\nname: demo\nregion: us-east-1\nnetwork: {cidr: 10.20.0.0/16, ipv6: true, endpoints: [ssm], flow_logs: \"arn:aws:s3:::logs\"}\nworkload: \
         {retention: 1d}\nclient: {}\ncluster: {ec2: {listeners: {plaintext: true}, kafka: 4.1.1, combined: true, brokers: {count: 3, instance_type: m7g.large}}}\n",
    );
    let msk = parsed(
        "apiVersion: kstack/v1\nname: demo\nregion: us-east-1\nnetwork: {cidr: 10.20.0.0/16, nat: none}\nworkload: {retention: \
         1d}\ncluster: {msk: {kafka: 3.9.x, brokers: {count: 3, instance_type: kafka.m7g.large}, vpc_connectivity: {iam: true}, \
         vpc_connections: [{name: apps, vpc: vpc-0123456789abcdef0, subnets: [subnet-0123456789abcdef0], security_groups: \
         [sg-0123456789abcdef0]}]}}\n",
    );
    let mut rows = 0;
    for kind in NAMES {
        let Ok(fields) = elsewhere(kind) else { continue };
        let file = if kind.starts_with("msk_") { &msk } else { &ec2 };
        let mut whole = Model::empty("us-east-1", 3);
        let fresh = whole.plan(file, false);
        whole.apply(&fresh);
        let step = fresh.steps.iter().find(|step| step.address.kind == *kind);
        let step = step.unwrap_or_else(|| panic!("the stack has no {kind}"));
        let spec = with(step.wanted().expect("it is made"), &fields);
        // At the address of the stack's own, and at one that no file asks for.
        for address in [step.address.clone(), Address::new(kind, "another")] {
            let tags = [("kstack:stack", "demo".to_owned()), ("kstack:address", address.to_string())];
            let tags: Tags = tags.map(|(key, value)| (key.to_owned(), value)).into();
            let place = fields.as_object().and_then(|all| all.values().next()).cloned().unwrap_or_default();
            let place = place.as_str().or(place[0].as_str()).expect("a place").to_owned();
            for mut model in [whole.clone(), Model::empty("us-east-1", 3)] {
                let found =
                    Found { id: "copy-9".to_owned(), tags: tags.clone(), spec: spec.clone(), terminated: false };
                model.add(vec![found]);
                refused(&model.plan(file, true), "copy-9", &place);
                refused(&model.destroy(file), "copy-9", &place);
                rows += 1;
            }
        }
    }
    assert_eq!(rows, 16 * 4);
}

/// What is the stack's own is where its resources are, and attached to them.
#[test]
fn what_is_used_by_the_stack_is_placed() {
    let file = parsed(
        "apiVersion: kstack/v1\nname: demo\nregion: us-east-1\nnetwork: {cidr: 10.20.0.0/16, endpoints: [ssm], flow_logs: \"arn:aws:s3:::logs\"}\nworkload: \
         {retention: 1d}\ncluster: {ec2: {listeners: {plaintext: true}, kafka: 4.1.1, combined: true, brokers: {count: 3, instance_type: m7g.large}}}\n",
    );
    let mut model = Model::empty("us-east-1", 3);
    model.apply(&model.plan(&file, false));
    for (address, live) in &mut model.observed.live {
        // The interface of a NAT gateway is no resource of the stack's; the gateway says that it has the address.
        let holder = match address.kind.as_str() {
            "volume" | "network_interface" => format!("i-{}", address.name),
            "elastic_ip" => "eni-of-the-gateway".to_owned(),
            _ => continue,
        };
        live.spec = with(&live.spec, &json!({"attached_to": holder}));
    }
    model.add(Vec::new());
    assert_eq!(model.observed.unplaced, []);
    assert!(model.plan(&file, false).steps.is_empty());
}

/// A subnet that somebody put into the VPC, and gave a table of the stack's.
#[test]
fn a_subnet_of_others_keeps_its_route_table() {
    let file = parsed(
        "apiVersion: kstack/v1\nname: demo\nregion: us-east-1\nnetwork: {cidr: 10.20.0.0/16}\nworkload: {retention: \
         1d}\ncluster: {ec2: {listeners: {plaintext: true}, kafka: 4.1.1, combined: true, brokers: {count: 3, instance_type: m7g.large}}}\n",
    );
    let mut model = Model::empty("us-east-1", 3);
    model.apply(&model.plan(&file, false));
    let address = Address::new("route_table", "private-a");
    let table = model.observed.live.get_mut(&address).expect("a table");
    table.spec = with(&table.spec, &json!({"subnets": ["subnet/private-a", "subnet-9"]}));
    model.add(Vec::new());
    assert_eq!(model.observed.live[&address].spec.others(), ["the association with subnet-9"]);
    assert!(model.plan(&file, false).steps.is_empty());
}
