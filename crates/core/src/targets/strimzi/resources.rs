//! The operator's resources, one at a time.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::super::{kafka_name, of_same};
use super::{Cluster, NoManifests, Pool, none};
use crate::cloud_init;
use crate::digest::fingerprint;
use crate::rights::{EVERY_HOST, ResourceType, rights};
use crate::stack::{Mechanism, Stack, Topic, User};

/// The version of the resources.
const API: &str = "kafka.strimzi.io/v1";

/// Settings that the operator makes itself, by how their names begin: it leaves out those of a `Kafka` resource, with a warning in its log.
/// Source of both lists: Strimzi 1.2.0, `KafkaClusterSpec.FORBIDDEN_PREFIXES` and `FORBIDDEN_PREFIX_EXCEPTIONS`, as far as brokers of
/// Kafka 4 have such settings.
const OPERATORS: [&str; 18] = [
    "advertised.",
    "authorizer.",
    "broker.",
    "controller.",
    "cordoned.log.dirs",
    "host.name",
    "inter.broker.listener.name",
    "listener.",
    "listeners",
    "log.dir",
    "metadata.log.dir",
    "node.id",
    "password.",
    "process.roles",
    "sasl.",
    "security.",
    "ssl.",
    "super.user",
];
const EXCEPTIONS: [&str; 11] = [
    "broker.heartbeat.interval.ms",
    "broker.session.timeout.ms",
    "controller.quorum.election.backoff.max.ms",
    "controller.quorum.election.timeout.ms",
    "controller.quorum.fetch.timeout.ms",
    "controller.socket.timeout.ms",
    "sasl.server.max.receive.size",
    "ssl.cipher.suites",
    "ssl.enabled.protocols",
    "ssl.protocol",
    "ssl.secure.random.implementation",
];

fn labels(stack: &Stack) -> Value {
    json!({"strimzi.io/cluster": *stack.name})
}

/// A pool: a quarter of the instance type is left to Kubernetes; no two nodes of it are on one machine, and zones have as many.
pub(super) fn node_pool(stack: &Stack, pool: &Pool, class: Option<&str>) -> Value {
    let memory = pool.limits.memory_mib * 3 / 4;
    let heap = cloud_init::heap_mib(pool.limits.memory_mib, pool.role).min(memory / 2);
    let volume = |id: u32| {
        let mut one =
            json!({"id": id, "type": "persistent-claim", "size": format!("{}Gi", pool.gib), "deleteClaim": false});
        if id == 0 {
            one["kraftMetadata"] = json!("shared");
        }
        if let Some(class) = class {
            one["class"] = json!(class);
        }
        one
    };
    let volumes: Vec<Value> = (0..pool.volumes).map(volume).collect();
    let selector = json!({"matchLabels": {"strimzi.io/cluster": *stack.name, "strimzi.io/pool-name": pool.name}});
    json!({
        "apiVersion": API, "kind": "KafkaNodePool",
        "metadata": {"name": pool.name, "labels": labels(stack)},
        "spec": {
            "replicas": pool.replicas,
            "roles": pool.roles,
            "resources": {
                "requests": {"cpu": format!("{}m", pool.limits.vcpus * 750), "memory": format!("{memory}Mi")},
                "limits": {"memory": format!("{memory}Mi")},
            },
            "jvmOptions": {"-Xms": format!("{heap}m"), "-Xmx": format!("{heap}m")},
            "storage": {"type": "jbod", "volumes": volumes},
            "template": {"pod": {
                "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
                    {"labelSelector": selector, "topologyKey": "kubernetes.io/hostname"},
                ]}},
                "topologySpreadConstraints": [{
                    "maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone",
                    "whenUnsatisfiable": "DoNotSchedule", "labelSelector": selector,
                }],
            }},
        },
    })
}

/// A setting as a number where it is one.
fn setting(text: &str) -> Value {
    match text.parse::<i64>() {
        Ok(number) if number.to_string() == text => json!(number),
        _ => json!(text),
    }
}

/// Whether the operator makes a setting itself.
pub(super) fn of_operator(name: &str) -> bool {
    !EXCEPTIONS.contains(&name) && OPERATORS.iter().any(|start| name.starts_with(start))
}

pub(super) fn kafka(stack: &Stack, cluster: &Cluster) -> Value {
    let asked = stack.common().settings;
    let (copies, min_insync) = (json!(asked.copies), json!(asked.min_insync));
    let mut config: Map<String, Value> = [
        ("auto.create.topics.enable", json!(false)),
        ("default.replication.factor", copies.clone()),
        ("min.insync.replicas", min_insync.clone()),
        ("log.retention.ms", json!(asked.retention.kafka_ms())),
        ("offsets.topic.replication.factor", copies.clone()),
        ("transaction.state.log.replication.factor", copies.clone()),
        ("transaction.state.log.min.isr", min_insync.clone()),
        ("share.coordinator.state.topic.replication.factor", copies),
        ("share.coordinator.state.topic.min.isr", min_insync),
        ("replica.selector.class", json!("org.apache.kafka.common.replica.RackAwareReplicaSelector")),
        ("num.network.threads", json!(5)),
        ("num.io.threads", json!(8)),
        ("num.replica.fetchers", json!(2)),
        ("num.recovery.threads.per.data.dir", json!(4)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    let own = cluster.config.iter().filter(|(name, _)| !of_operator(name));
    config.extend(own.map(|(name, value)| (name.clone(), setting(value))));
    let mut spec = json!({
        "version": cluster.kafka,
        "rack": {"topologyKey": "topology.kubernetes.io/zone"},
        "listeners": cluster.listeners,
    });
    if cluster.secured {
        spec["authorization"] = json!({"type": "simple"});
    }
    spec["config"] = Value::Object(config);
    if cluster.monitored {
        let from = json!({"configMapKeyRef": {"name": format!("{}-metrics", stack.name), "key": "jmx.yml"}});
        spec["metricsConfig"] = json!({"type": "jmxPrometheusExporter", "valueFrom": from});
    }
    json!({
        "apiVersion": API, "kind": "Kafka",
        "metadata": {"name": *stack.name},
        "spec": {"kafka": spec, "entityOperator": {"topicOperator": {}, "userOperator": {}}},
    })
}

/// Whether `name` can be a resource's in Kubernetes (RFC 1123).
fn is_resource_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let part =
        |part: &str| part.starts_with(plain) && part.ends_with(plain) && part.chars().all(|c| plain(c) || c == '-');
    name.len() <= 253 && name.split('.').all(part)
}

/// A topic: one whose name can't be a resource's has another there, which no other topic has.
pub(super) fn topic(stack: &Stack, name: &str, topic: &Topic) -> Value {
    let mut spec = Map::new();
    let mut resource = name.to_owned();
    if !is_resource_name(name) {
        let plain: String =
            name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let plain: String = plain.trim_matches('-').chars().take(200).collect();
        resource = format!("topic-{plain}-{}", fingerprint(name, 8)).replace("--", "-");
        spec.insert("topicName".to_owned(), json!(name));
    }
    spec.insert("partitions".to_owned(), json!(topic.partitions()));
    spec.insert("replicas".to_owned(), json!(topic.replication_factor.unwrap_or(stack.topic_copies())));
    if !topic.config.is_empty() {
        let config = topic.config.iter().map(|(name, value)| (name.clone(), setting(value))).collect();
        spec.insert("config".to_owned(), Value::Object(config));
    }
    let metadata = json!({"name": resource, "labels": labels(stack)});
    json!({"apiVersion": API, "kind": "KafkaTopic", "metadata": metadata, "spec": spec})
}

/// A user, whose name is its resource's.
pub(super) fn user(stack: &Stack, name: &str, mechanism: Mechanism, user: &User) -> Result<Value, NoManifests> {
    if !is_resource_name(name) {
        let what = format!("a user of Strimzi has the name of its resource, and `{name}` can't be one in Kubernetes");
        return Err(none(what, "use lower-case letters, digits and hyphens, such as `orders-api`"));
    }
    let kind = if mechanism == Mechanism::Mtls { "tls" } else { "scram-sha-512" };
    let mut spec = json!({"authentication": {"type": kind}});
    let rights: BTreeSet<_> = rights(user);
    let acls: Vec<Value> = of_same(&rights)
        .into_iter()
        .map(|(of, operations)| {
            let resource = match of.resource {
                ResourceType::Cluster => json!({"type": "cluster"}),
                other => {
                    let kind = if other == ResourceType::TransactionalId { "transactionalId" } else { other.word() };
                    json!({"type": kind, "name": of.name, "patternType": if of.prefixed { "prefix" } else { "literal" }})
                }
            };
            let operations: Vec<String> = operations.into_iter().map(kafka_name).collect();
            let mut one = json!({"type": if of.allows { "allow" } else { "deny" }, "resource": resource, "operations": operations});
            if of.host != EVERY_HOST {
                one["host"] = json!(of.host);
            }
            one
        })
        .collect();
    // Without any the operator would have nothing to keep; it keeps none then, too.
    if !acls.is_empty() {
        spec["authorization"] = json!({"type": "simple", "acls": acls});
    }
    let quota = &user.quota;
    let whole = |value: f64| value.ceil().max(1.0) as u64;
    let limits = [
        ("producerByteRate", quota.produce.map(|rate| rate.0 as f64)),
        ("consumerByteRate", quota.consume.map(|rate| rate.0 as f64)),
        ("requestPercentage", quota.request.map(crate::file::ThreadShare::percent)),
    ];
    let limits: Map<String, Value> =
        limits.into_iter().filter_map(|(key, limit)| Some((key.to_owned(), json!(whole(limit?))))).collect();
    if !limits.is_empty() {
        spec["quotas"] = Value::Object(limits);
    }
    let metadata = json!({"name": name, "labels": labels(stack)});
    Ok(json!({"apiVersion": API, "kind": "KafkaUser", "metadata": metadata, "spec": spec}))
}
