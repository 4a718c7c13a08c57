//! Random stack files: what of them varies, and what of one becomes another.

use std::collections::BTreeMap;

use kstack_core::check::Parsed;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use crate::model::{parsed, privatelink};

/// The parts of a stack file that vary.
#[derive(Debug, Clone)]
pub struct Shape {
    pub zones: usize,
    pub brokers_per_zone: usize,
    pub controllers: Option<u32>,
    /// Of the brokers, where they don't vote.
    pub generation: u32,
    pub broker_type: &'static str,
    /// Whether brokers have their data on the disks of their instances.
    pub own_disks: bool,
    pub kafka: &'static str,
    pub retention_days: u32,
    pub ingress: u32,
    pub nat: &'static str,
    pub endpoints: Vec<&'static str>,
    pub placement: &'static str,
    pub tags: Vec<&'static str>,
    pub config: bool,
    pub clients: bool,
    /// Whether it has IPv6, and names.
    pub ipv6: (bool, bool),
    /// By which listeners clients come: the file's word for them, which may have none.
    pub listeners: &'static str,
    pub ttl: Option<&'static str>,
    pub protected: bool,
    /// How many of the topics it has.
    pub topics: usize,
    pub alarms: bool,
    /// Which ports the endpoint of a PrivateLink service has, where there is one, and whether it has names.
    pub link: Option<(u16, bool)>,
}

/// None in the file; plaintext by its word; TLS alone; both.
pub const LISTENERS: [&str; 4] = ["none", "plaintext", "tls", "both"];
/// Topics of the stacks: the second one's name is one that no resource of AWS may have.
pub const TOPICS: [&str; 2] = ["orders", "Audit_log.v1"];

pub fn shape() -> impl Strategy<Value = Shape> {
    let size = (2..=3_usize, 1..=2_usize, select(vec![None, Some(1), Some(3), Some(5)]), 0..=2_u32);
    let hosts = (
        select(vec!["m7g.large", "m7g.xlarge", "m7i.large"]),
        select(vec!["4.1.1", "4.2.0"]),
        prop::bool::weighted(0.2),
    );
    let load = (1..=14_u32, 1..=20_u32);
    let network = (
        select(vec!["one-per-zone", "single", "none"]),
        subsequence(vec!["s3", "ssm", "logs"], 0..=3),
        select(vec!["spread", "partition", "none"]),
    );
    let ipv6 = (any::<bool>(), any::<bool>());
    let life = select(vec![(None, false), (Some("4h"), false), (Some("2d"), false), (None, true)]);
    let rest = (
        subsequence(vec!["team", "cost-center", "env"], 0..=3),
        any::<bool>(),
        any::<bool>(),
        life,
        (ipv6, select(LISTENERS.to_vec())),
        (0..=TOPICS.len(), any::<bool>(), proptest::option::of((select(vec![443, 9092]), any::<bool>()))),
    );
    (size, hosts, load, network, rest).prop_map(|(size, hosts, load, network, rest)| Shape {
        zones: size.0,
        brokers_per_zone: size.1,
        controllers: size.2,
        generation: size.3,
        broker_type: hosts.0,
        own_disks: hosts.2,
        kafka: hosts.1,
        retention_days: load.0,
        ingress: load.1,
        nat: network.0,
        // Hosts fetch their certificates from Systems Manager, and must reach it.
        listeners: if network.0 != "none" || network.1.contains(&"ssm") { rest.4.1 } else { "plaintext" },
        endpoints: network.1,
        placement: network.2,
        tags: rest.0,
        config: rest.1,
        clients: rest.2,
        ipv6: rest.4.0,
        ttl: rest.3.0,
        protected: rest.3.1,
        topics: rest.5.0,
        alarms: rest.5.1,
        link: rest.5.2,
    })
}

/// A shape and what became of it: most often with the same zones, and no fewer brokers.
pub fn shapes() -> impl Strategy<Value = (Shape, Shape)> {
    (shape(), shape(), 0..4_u8).prop_map(|(before, mut after, anything)| {
        // As long as a host speaks TLS.
        if (before.secured() || after.secured()) && !after.reaches_ssm() {
            after.endpoints.push("ssm");
        }
        if anything > 0 {
            after.zones = before.zones;
            after.brokers_per_zone = after.brokers_per_zone.max(before.brokers_per_zone);
            after.controllers = before.controllers;
            // The one after it, or the same.
            after.generation = before.generation + after.generation % 2;
        }
        (before, after)
    })
}

impl Shape {
    pub fn secured(&self) -> bool {
        self.listeners != "plaintext"
    }

    /// Whether clients would have no listener that they have now, or TLS would go unasked: such a change takes two files.
    pub fn leaves_clients(&self, after: &Shape) -> bool {
        let left = [("plaintext", "tls"), ("tls", "plaintext"), ("none", "plaintext"), ("both", "none")];
        // A file that does not say is one for users with passwords alone.
        let mtls = self.listeners == "tls" && self.clients;
        left.contains(&(self.listeners, after.listeners)) || after.listeners == "none" && mtls
    }

    /// The generation of its brokers, as the file has it.
    pub fn set(&self) -> u32 {
        if self.controllers.is_some() { self.generation } else { 0 }
    }

    /// Whether its brokers can't become those of `after`: sets go on by one, and never with another Kafka.
    pub fn has_no_way(&self, after: &Shape) -> bool {
        let (before, then) = (self.set(), after.set());
        then < before || then > before + 1 || then > before && self.kafka != after.kafka
    }

    /// Own disks need three copies, and controllers elsewhere.
    pub fn on_own_disks(&self) -> bool {
        self.own_disks && self.controllers.is_some() && self.zones * self.brokers_per_zone >= 3
    }

    /// Whether it has flow logs in a log group of its own.
    pub fn has_flow_logs(&self) -> bool {
        self.endpoints.contains(&"logs")
    }

    /// Whether hosts reach Systems Manager, from where they fetch certificates.
    pub fn reaches_ssm(&self) -> bool {
        self.nat != "none" || self.endpoints.contains(&"ssm")
    }

    pub fn parsed(&self) -> Parsed {
        let mut ec2 = json!({
            "kafka": self.kafka,
            "placement": self.placement,
            "brokers": {"count": self.zones * self.brokers_per_zone, "instance_type": self.broker_type, "generation": self.set()},
        });
        let own_disks = self.on_own_disks();
        if own_disks {
            let instance_type = if self.broker_type == "m7g.large" { "i4i.xlarge" } else { "i4i.2xlarge" };
            ec2["brokers"]["instance_type"] = json!(instance_type);
            ec2["brokers"]["storage"] = json!({"type": "instance-store"});
        }
        match self.controllers {
            Some(count) => ec2["controllers"] = json!({"count": count, "instance_type": "t4g.medium"}),
            None => ec2["combined"] = json!(true),
        }
        match self.listeners {
            "plaintext" => ec2["listeners"] = json!({"plaintext": true}),
            "tls" => ec2["listeners"] = json!({"scram": true, "mtls": self.clients}),
            "both" => ec2["listeners"] = json!({"scram": true, "mtls": self.clients, "plaintext": true}),
            _ => {}
        }
        if self.config {
            ec2["config"] = json!({"num.io.threads": "16", "queued.max.requests": "600"});
        }
        let clients = match (self.clients, self.ipv6.0) {
            (true, true) => json!(["172.31.0.0/16", "2001:db8:31::/56"]),
            (true, false) => json!(["172.31.0.0/16"]),
            (false, _) => json!([]),
        };
        let names = self.ipv6.1.then(|| json!({"zone": "kafka.example.internal"}));
        let link = self.link.map(|(port, names)| {
            let domain = names.then_some("abc123.eu-west-1.aws.confluent.cloud");
            json!({"service": privatelink("eu-west-1"), "domain": domain, "ports": [port, 8443]})
        });
        let tags: BTreeMap<&str, &str> = self.tags.iter().map(|key| (*key, "a value")).collect();
        let topic = json!({"partitions": 6, "config": {"retention.ms": self.retention_days.to_string()}});
        let topics: BTreeMap<&str, &Value> = TOPICS.iter().take(self.topics).map(|name| (*name, &topic)).collect();
        let stack = json!({
            "apiVersion": "kstack/v1",
            "name": "random",
            "region": "eu-west-1",
            "tags": tags,
            "ttl": self.ttl,
            "protected": self.protected,
            "network": {
                "cidr": "10.0.0.0/16", "zones": self.zones, "nat": self.nat, "endpoints": self.endpoints, "clients": clients,
                "ipv6": self.ipv6.0, "dns": names, "privatelink": link,
                "flow_logs": self.has_flow_logs().then(|| json!({"retention": "7d"})),
            },
            "workload": match own_disks {
                true => json!({"ingress": "1 MiB/s", "retention": "1d", "replication_factor": 3, "min_insync_replicas": 2}),
                false => json!({
                    "ingress": format!("{} MiB/s", self.ingress), "retention": format!("{}d", self.retention_days),
                    "replication_factor": 2, "min_insync_replicas": 1,
                }),
            },
            "cluster": {"ec2": ec2},
            "topics": topics,
            "alarms": self.alarms,
        });
        parsed(&stack.to_string()) // JSON is YAML.
    }
}
