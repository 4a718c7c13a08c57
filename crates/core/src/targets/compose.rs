//! A compose file: every node of the cluster as a container, with the settings that its host has in AWS.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::Ipv4Addr;

use serde_json::{Map, Value, json};

use super::local::Local;
use super::yaml::document;
use super::{Of, comment, kafka_name, of_same};
use crate::choose::derived_uuid;
use crate::cloud_init::quote::shell_word;
use crate::cloud_init::{self, CLIENT_PORT, CONTROLLER_PORT, Checksum, Host, HostRole, INTERNAL_PORT, Os, SCRAM_PORT};
use crate::cloud_init::{TemplateError, VOLUME_ID_PLACEHOLDER, Voter};
use crate::design::CONTROLLER_IDS;
use crate::file::Operation;
use crate::rights::{EVERY_HOST, ResourceType, Right, rights};
use crate::stack::{Stack, Zones};

/// Where clients on this machine reach the first broker; each further one has the next port.
const FIRST_PORT: u32 = 19092;
/// The most brokers that there are ports for.
pub const MOST_BROKERS: u32 = 100;

/// MiB of heap that a container has at most.
const BROKER_HEAP: u32 = 512;
const CONTROLLER_HEAP: u32 = 256;

/// What a node starts with: it is formatted once, and waits for nobody.
const START: &str = "set -eu
printf '%s\\n' \"$SERVER_PROPERTIES\" > /tmp/server.properties
if [ ! -e /var/lib/kafka/data/meta.properties ]; then
  /opt/kafka/bin/kafka-storage.sh format --config /tmp/server.properties $FORMAT
fi
exec /opt/kafka/bin/kafka-server-start.sh /tmp/server.properties
";

/// A node of the cluster.
struct Node {
    name: String,
    id: u32,
    role: HostRole,
}

/// The compose file of `stack`: of all its nodes, or of so many brokers; from Apache's image, or from `image`.
///
/// # Errors
/// That the settings of a node can't be written.
pub fn compose(stack: &Stack, brokers: Option<u32>, image: Option<&str>) -> Result<String, TemplateError> {
    let local = Local::of(stack, brokers);
    let image = image.map_or_else(|| format!("apache/kafka:{}", local.kafka), str::to_owned);
    let nodes = nodes(&local);
    let mut services = Map::new();
    for node in &nodes {
        services.insert(node.name.clone(), service(stack, &local, &nodes, node, &image)?);
    }
    if let Some(script) = init_script(stack, &local) {
        let ready = |node: &Node| (node.name.clone(), json!({"condition": "service_healthy"}));
        let brokers = nodes.iter().filter(|node| node.role != HostRole::Controller);
        let init = json!({
            "image": image,
            "entrypoint": ["bash", "-c"],
            "command": [script],
            "environment": {"KAFKA_HEAP_OPTS": "-Xmx128m", "LOG_DIR": "/tmp/logs"},
            "depends_on": Value::Object(brokers.map(ready).collect()),
            "restart": "on-failure:3",
        });
        services.insert("init".to_owned(), init);
    }
    let volumes: Map<String, Value> = nodes.iter().map(|node| (node.name.clone(), json!({}))).collect();
    let file = json!({"name": *stack.name, "services": services, "volumes": volumes});
    Ok(head(stack, &local) + &document(&literal(file)))
}

/// Every text as compose reads it back: a `$` of its own is doubled.
fn literal(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace('$', "$$")),
        Value::Array(items) => Value::Array(items.into_iter().map(literal).collect()),
        Value::Object(map) => Value::Object(map.into_iter().map(|(key, value)| (key, literal(value))).collect()),
        other => other,
    }
}

fn nodes(local: &Local) -> Vec<Node> {
    let controller =
        |number| Node { name: format!("controller-{number}"), id: CONTROLLER_IDS + number, role: HostRole::Controller };
    let broker = |number| Node {
        name: format!("broker-{number}"),
        id: number,
        role: if local.controllers == 0 && number <= local.voters { HostRole::Combined } else { HostRole::Broker },
    };
    (1..=local.controllers).map(controller).chain((1..=local.brokers).map(broker)).collect()
}

fn host_port(broker: u32) -> u32 {
    FIRST_PORT + broker - 1
}

/// What a node listens on: Kafka's name of the listener, its port, what it is told by, and how it speaks.
fn listeners(local: &Local, node: &Node) -> Vec<(&'static str, u32, String, &'static str)> {
    let (broker, controller) = (node.role != HostRole::Controller, node.role != HostRole::Broker);
    let inside = |port: u16| (u32::from(port), format!("{}:{port}", node.name));
    let named = |name, (port, told), how| (name, port, told, how);
    let outside = host_port(if broker { node.id } else { 1 });
    let how = if local.users { "SASL_PLAINTEXT" } else { "PLAINTEXT" };
    let all = [
        (broker && local.users, named("INTERNAL", inside(INTERNAL_PORT), "PLAINTEXT")),
        (broker && local.users, named("SCRAM", inside(SCRAM_PORT), how)),
        (broker && !local.users, named("PLAINTEXT", inside(CLIENT_PORT), how)),
        (broker, ("HOST", outside, format!("127.0.0.1:{outside}"), how)),
        (controller, named("CONTROLLER", inside(CONTROLLER_PORT), "PLAINTEXT")),
    ];
    all.into_iter().filter(|(is, _)| *is).map(|(_, one)| one).collect()
}

/// The port at which brokers, and the service that makes topics and users, reach a broker.
fn own_port(local: &Local) -> u16 {
    if local.users { INTERNAL_PORT } else { CLIENT_PORT }
}

fn service(stack: &Stack, local: &Local, nodes: &[Node], node: &Node, image: &str) -> Result<Value, TemplateError> {
    let cluster_id = derived_uuid(&format!("compose/{}", stack.name));
    let directory = |id: u32| derived_uuid(&format!("{cluster_id}/{id}"));
    let voters: Vec<&Node> = nodes.iter().filter(|node| node.role != HostRole::Broker).collect();
    let host = Host {
        stack: stack.name.to_string(),
        name: node.name.clone(),
        node_id: node.id,
        role: node.role,
        os: Os::Debian12,
        zone_id: zone(stack, node.id),
        address: Ipv4Addr::UNSPECIFIED,
        volume_id: VOLUME_ID_PLACEHOLDER.to_owned(),
        more_volumes: Vec::new(),
        own_disks: None,
        endpoints: Vec::new(),
        joins: false,
        cluster_id: cluster_id.clone(),
        controllers: voters
            .iter()
            .map(|one| Voter { node_id: one.id, address: Ipv4Addr::UNSPECIFIED, directory_id: directory(one.id) })
            .collect(),
        kafka_version: local.kafka.to_string(),
        archive_url: String::new(),
        archive_checksum: Checksum::Sha512(String::new()),
        memory_mib: 0,
        settings: local.settings.clone(),
        replication_factor: local.copies,
        min_insync_replicas: local.min_insync,
        retention_ms: stack.common().settings.retention.kafka_ms(),
        package_mirror: None,
        advertised: None,
        proxy: None,
        listeners: Vec::new(),
        security: None,
        ipv6: false,
        monitoring: None,
        logs: None,
    };
    let properties = cloud_init::server_properties(&host)?;
    let bootstrap: Vec<String> = voters.iter().map(|one| format!("{}:{CONTROLLER_PORT}", one.name)).collect();
    let initial: Vec<String> =
        voters.iter().map(|one| format!("{}@{}:{CONTROLLER_PORT}:{}", one.id, one.name, directory(one.id))).collect();
    let format = match node.role {
        HostRole::Broker => "--no-initial-controllers".to_owned(),
        _ => format!("--initial-controllers {}", initial.join(",")),
    };
    let heap = if node.role == HostRole::Controller { CONTROLLER_HEAP } else { BROKER_HEAP };
    let ports: Vec<String> = match node.role {
        HostRole::Controller => Vec::new(),
        _ => vec![format!("127.0.0.1:{0}:{0}", host_port(node.id))],
    };
    let open = if node.role == HostRole::Controller { CONTROLLER_PORT } else { own_port(local) };
    Ok(json!({
        "image": image,
        "entrypoint": ["bash", "-c"],
        "command": [START],
        "environment": {
            "SERVER_PROPERTIES": adapted(&properties, local, node, &bootstrap.join(",")),
            "FORMAT": format!("--cluster-id {cluster_id} {format}"),
            "KAFKA_HEAP_OPTS": format!("-Xms{}m -Xmx{heap}m", heap / 2),
            "LOG_DIR": "/tmp/logs",
        },
        "ports": ports,
        "volumes": [format!("{}:/var/lib/kafka/data", node.name)],
        "healthcheck": {
            "test": ["CMD", "bash", "-c", format!(": < /dev/tcp/127.0.0.1/{open}")],
            "interval": "5s", "timeout": "5s", "retries": 30, "start_period": "30s",
        },
        "stop_grace_period": "60s",
    }))
}

/// The rack of a node: zones take turns.
fn zone(stack: &Stack, id: u32) -> String {
    let at = id.saturating_sub(1) as usize % stack.network.zones.count().max(1);
    match &stack.network.zones {
        Zones::Named(names) => names[at].clone(),
        Zones::Count(_) => format!("zone-{}", at + 1),
    }
}

/// The settings of a host, with a container's own in the place of what is about its network.
fn adapted(properties: &str, local: &Local, node: &Node, bootstrap: &str) -> String {
    let listeners = listeners(local, node);
    let join = |parts: Vec<String>| parts.join(",");
    let mut protocols: Vec<String> = listeners.iter().map(|(name, .., how)| format!("{name}:{how}")).collect();
    if node.role == HostRole::Broker {
        protocols.push("CONTROLLER:PLAINTEXT".to_owned());
    }
    let own: BTreeMap<&str, String> = [
        ("listeners", join(listeners.iter().map(|(name, port, ..)| format!("{name}://:{port}")).collect())),
        ("advertised.listeners", join(listeners.iter().map(|(name, _, told, _)| format!("{name}://{told}")).collect())),
        ("listener.security.protocol.map", join(protocols)),
        ("inter.broker.listener.name", if local.users { "INTERNAL" } else { "PLAINTEXT" }.to_owned()),
        ("controller.quorum.bootstrap.servers", bootstrap.to_owned()),
    ]
    .into();
    let mut text = String::new();
    for line in properties.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let key = line.split('=').next().unwrap_or_default();
        let _ = match own.get(key) {
            Some(value) => writeln!(text, "{key}={value}"),
            None => writeln!(text, "{line}"),
        };
    }
    if local.users {
        text += "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
                 allow.everyone.if.no.acl.found=false\n\
                 super.users=User:ANONYMOUS\n";
        if node.role != HostRole::Controller {
            for name in ["scram", "host"] {
                let _ = writeln!(
                    text,
                    "listener.name.{name}.sasl.enabled.mechanisms=SCRAM-SHA-512\n\
                     listener.name.{name}.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;"
                );
            }
        }
    }
    text
}

/// What makes the topics and users of the file, once all brokers are there; `None` where it has none.
fn init_script(stack: &Stack, local: &Local) -> Option<String> {
    let mut commands = Vec::new();
    for (name, _, user) in stack.users() {
        let password = shell_word(&format!("SCRAM-SHA-512=[password={name}]"));
        let name = shell_word(name);
        commands.push(format!(
            "run kafka-configs.sh --alter --entity-type users --entity-name {name} --add-config {password}"
        ));
        let quota = &user.quota;
        let limits = [
            ("producer_byte_rate", quota.produce.map(|rate| rate.0 as f64)),
            ("consumer_byte_rate", quota.consume.map(|rate| rate.0 as f64)),
            ("request_percentage", quota.request.map(crate::file::ThreadShare::percent)),
        ];
        let limits: Vec<String> =
            limits.into_iter().filter_map(|(key, limit)| Some(format!("{key}={}", limit?))).collect();
        if !limits.is_empty() {
            let limits = limits.join(",");
            commands.push(format!(
                "run kafka-configs.sh --alter --entity-type users --entity-name {name} --add-config {limits}"
            ));
        }
        commands.extend(acls(&name, &rights(user)));
    }
    for (name, topic) in stack.topics.iter().filter(|(_, topic)| !topic.absent) {
        let mut command = format!(
            "run kafka-topics.sh --create --if-not-exists --topic {} --partitions {} --replication-factor {}",
            shell_word(name),
            topic.partitions(),
            local.copies_of(topic.replication_factor)
        );
        for (key, value) in local.topic_settings(&topic.config) {
            let _ = write!(command, " --config {}", shell_word(&format!("{key}={value}")));
        }
        commands.push(command);
    }
    if commands.is_empty() {
        return None;
    }
    let servers = format!("broker-1:{}", own_port(local));
    let brokers = local.brokers;
    Some(format!(
        "set -euo pipefail
run() {{ tool=$1; shift; /opt/kafka/bin/$tool --bootstrap-server {servers} \"$@\"; }}
# Every broker has to be there: a topic's copies need them.
tries=0
until [ \"$(run kafka-broker-api-versions.sh 2>/dev/null | grep -c ' (id: ')\" -ge {brokers} ]; do
  tries=$((tries + 1))
  [ $tries -lt 100 ] || {{ run kafka-broker-api-versions.sh; exit 1; }}
  sleep 2
done
{}
echo 'topics and users are made'
",
        commands.join("\n")
    ))
}

/// The commands that give a user its rights, one for all operations on the same thing.
fn acls(user: &str, rights: &BTreeSet<Right>) -> Vec<String> {
    let command = |(of, operations): (Of<'_>, Vec<Operation>)| {
        let verb = if of.allows { "allow" } else { "deny" };
        let operations: String =
            operations.into_iter().map(|one| format!(" --operation {}", kafka_name(one))).collect();
        let on = match of.resource {
            ResourceType::Cluster => " --cluster".to_owned(),
            resource => {
                let pattern = if of.prefixed { "prefixed" } else { "literal" };
                format!(" --{} {} --resource-pattern-type {pattern}", resource.word(), shell_word(of.name))
            }
        };
        let host = match of.host {
            EVERY_HOST => String::new(),
            host => format!(" --{verb}-host {}", shell_word(host)),
        };
        format!("run kafka-acls.sh --add --{verb}-principal User:{user}{host}{operations}{on}")
    };
    of_same(rights).into_iter().map(command).collect()
}

/// What the file is, how it is used, and what is not the same.
fn head(stack: &Stack, local: &Local) -> String {
    let name = &stack.name;
    let ports: Vec<String> = (1..=local.brokers).map(|broker| format!("127.0.0.1:{}", host_port(broker))).collect();
    let inside = if local.users { SCRAM_PORT } else { CLIENT_PORT };
    let mut lines = vec![
        format!("The stack {name} in containers of this machine, by kstack render --target compose."),
        String::new(),
        "  kstack render FILE --target compose | docker compose -f - up --detach".to_owned(),
        format!("  docker compose --project-name {name} down --volumes   # ends it, with its records"),
        String::new(),
        format!("Clients on this machine: bootstrap.servers={}", ports.join(",")),
        format!("Clients in a container of the network {name}_default: bootstrap.servers=broker-1:{inside}"),
    ];
    if let Some((user, ..)) = stack.users().next() {
        lines.extend([
            "Either with security.protocol=SASL_PLAINTEXT, sasl.mechanism=SCRAM-SHA-512, and a user whose password is its name:"
                .to_owned(),
            format!(
                "  sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username=\"{user}\" password=\"{user}\";"
            ),
        ]);
    }
    lines.extend([String::new(), "What is not as it is in AWS:".to_owned()]);
    lines.extend(local.differs.iter().map(|one| format!("* {one}")));
    lines.extend([
        "* Each node has a small heap, whatever the file's instance types are: it is for trying out, not for load.".to_owned(),
        "* What is there already stays as it is: a topic or a right that the file has no more goes with `down --volumes`.".to_owned(),
    ]);
    comment(&lines)
}
