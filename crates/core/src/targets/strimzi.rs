//! Manifests for Kubernetes with the Strimzi operator: the same brokers, topics and users as its resources.

mod resources;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::comment;
use super::yaml::document;
use crate::cloud_init::{CLIENT_PORT, HostRole, JMX_EXPORTER, MTLS_PORT, SCRAM_PORT};
use crate::engines::ec2::keys::{Ec2, VolumeType};
use crate::engines::msk::configuration;
use crate::engines::msk::keys::Msk;
use crate::engines::{ec2, msk};
use crate::instance_types::{self, InstanceLimits};
use crate::settings;
use crate::stack::{Mechanism, Mtls, Stack};
use resources::{kafka, node_pool, of_operator};

/// Which versions of Strimzi take which of Kafka. Before 0.49 there was no `v1` of its resources. Sources: strimzi.io/downloads of 0.50;
/// `kafka-versions.yaml` of the operator.
const VERSIONS: [(&str, &[&str]); 2] =
    [("0.49.0 to 0.50.1", &["4.0.0", "4.0.1", "4.1.0", "4.1.1"]), ("1.2.0", &["4.2.0", "4.3.0", "4.3.1"])];

/// Why a stack file has no manifests, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoManifests {
    pub what: String,
    pub remedy: String,
}

fn none(what: impl Into<String>, remedy: impl Into<String>) -> NoManifests {
    NoManifests { what: what.into(), remedy: remedy.into() }
}

/// The nodes of one kind.
struct Pool {
    name: &'static str,
    roles: &'static [&'static str],
    replicas: u32,
    limits: InstanceLimits,
    role: HostRole,
    volumes: u32,
    gib: u64,
}

/// The cluster of either engine.
struct Cluster {
    kafka: String,
    config: BTreeMap<String, String>,
    pools: Vec<Pool>,
    listeners: Vec<Value>,
    secured: bool,
    monitored: bool,
    /// What is not as it is in AWS.
    differs: Vec<String>,
}

/// The manifests of `stack`: in a namespace, with volumes of a storage class, or with those that `kubectl` and Kubernetes take by
/// themselves.
///
/// # Errors
/// That no Strimzi takes the file's Kafka, that its brokers have no size, or that a user can't have its name.
pub fn strimzi(stack: &Stack, namespace: Option<&str>, class: Option<&str>) -> Result<String, NoManifests> {
    let cluster = match (&stack.cluster.ec2, &stack.cluster.msk) {
        (Some(ec2), _) => of_ec2(stack, ec2)?,
        (None, Some(msk)) => of_msk(stack, msk)?,
        (None, None) => return Err(none("the file has no cluster", "write `cluster.ec2`")),
    };
    let Some((strimzi, _)) = VERSIONS.iter().find(|(_, kafka)| kafka.contains(&cluster.kafka.as_str())) else {
        let known = VERSIONS.map(|(strimzi, kafka)| format!("Strimzi {strimzi} takes {}", kafka.join(", ")));
        let what = format!("no Strimzi that kstack knows of takes Kafka {}", cluster.kafka);
        return Err(none(what, format!("write one that is taken: {}", known.join("; "))));
    };
    let mut documents: Vec<Value> = cluster.pools.iter().map(|pool| node_pool(stack, pool, class)).collect();
    documents.push(kafka(stack, &cluster));
    if cluster.monitored {
        let data = json!({"jmx.yml": JMX_EXPORTER});
        let metadata = json!({"name": format!("{}-metrics", stack.name)});
        documents.push(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}));
    }
    let there = stack.topics.iter().filter(|(_, topic)| !topic.absent);
    documents.extend(there.map(|(name, topic)| resources::topic(stack, name, topic)));
    for (name, mechanism, user) in stack.users() {
        documents.push(resources::user(stack, name, mechanism, user)?);
    }
    if let Some(namespace) = namespace {
        for one in &mut documents {
            one["metadata"]["namespace"] = json!(namespace);
        }
    }
    let texts: Vec<String> = documents.iter().map(document).collect();
    Ok(head(stack, &cluster, strimzi, class) + &texts.join("---\n"))
}

/// The limits of an instance type, by which pods are sized.
fn limits(name: &str) -> Result<InstanceLimits, NoManifests> {
    let known = instance_types::embedded().get(name).filter(|limits| limits.vcpus > 0);
    let what =
        || none(format!("how much memory `{name}` has is not known here"), "write an instance type of a common family");
    known.cloned().ok_or_else(what)
}

fn of_ec2(stack: &Stack, ec2: &Ec2) -> Result<Cluster, NoManifests> {
    let broker = limits(&ec2.brokers.instance_type)?;
    let sizing = ec2::size(ec2, stack.common(), instance_types::embedded());
    let sizing = sizing.ok_or_else(|| none("the brokers have no size", "write an instance type of a common family"))?;
    let (count, voters) = (ec2.brokers.count, ec2.voters());
    let pool = |name, roles, replicas, role| Pool {
        name,
        roles,
        replicas,
        limits: broker.clone(),
        role,
        volumes: sizing.volumes.max(1),
        gib: sizing.volume.size_gib,
    };
    let mut pools = Vec::new();
    match &ec2.controllers {
        Some(controllers) if !ec2.combined => {
            pools.push(Pool {
                name: "controllers",
                roles: &["controller"],
                replicas: controllers.count,
                limits: limits(&controllers.instance_type)?,
                role: HostRole::Controller,
                volumes: 1,
                gib: controllers.storage.gib_ceil(),
            });
            pools.push(pool("brokers", &["broker"], count, HostRole::Broker));
        }
        _ => {
            pools.push(pool("combined", &["controller", "broker"], voters, HostRole::Combined));
            if count > voters {
                pools.push(pool("brokers", &["broker"], count - voters, HostRole::Broker));
            }
        }
    }
    let mut differs = Vec::new();
    let ways = [
        (ec2.listeners.in_plaintext(), listener("plain", CLIENT_PORT, false, None)),
        (ec2.listeners.mtls != Mtls::Off, listener("tls", MTLS_PORT, true, Some("tls"))),
        (ec2.listeners.scram(), listener("scram", SCRAM_PORT, true, Some("scram-sha-512"))),
    ];
    let listeners: Vec<Value> = ways.into_iter().filter_map(|(is, one)| is.then_some(one)).collect();
    if listeners.is_empty() {
        return Err(none(
            "clients with tokens are the only ones that the file lets in",
            "let others in by `listeners`, such as `scram: true`",
        ));
    }
    let volume = sizing.volume;
    differs.push(match volume.kind {
        VolumeType::InstanceStore => {
            "Brokers have disks of the instances' own: the storage class has to be one of local volumes.".to_owned()
        }
        _ => format!(
            "Each broker's volume needs {} IOPS and {} MiB/s, which the storage class says, and not these resources.",
            volume.iops, volume.throughput_mibs
        ),
    });
    let notes = [
        (ec2.listeners.oauth.is_some(), "There is no listener for clients with tokens."),
        (
            ec2.listeners.clients_ca().is_some(),
            "Clients have certificates of the cluster's own authority, and not of yours.",
        ),
        (!ec2.listeners.others.is_empty(), "There are no listeners for clients outside of Kubernetes."),
        (ec2.templates.is_some(), "Templates of your own are not used."),
    ];
    differs.extend(notes.into_iter().filter(|(is, _)| *is).map(|(_, note)| note.to_owned()));
    Ok(Cluster {
        kafka: ec2.kafka.to_string(),
        config: settings::others(&ec2.config),
        pools,
        listeners,
        secured: ec2.listeners.secured(),
        monitored: ec2.monitoring.as_ref().is_none_or(|monitoring| monitoring.prometheus),
        differs,
    })
}

fn of_msk(stack: &Stack, msk: &Msk) -> Result<Cluster, NoManifests> {
    let serverless = || {
        none(
            "a serverless cluster has no brokers that pods could be sized by",
            "write `cluster.ec2`, or brokers of MSK",
        )
    };
    let (Some(brokers), Some(version)) = (&msk.brokers, &msk.kafka) else { return Err(serverless()) };
    let (major, minor, patch) = version.numbers();
    // The last of a release, of those that there is a Strimzi for.
    let release = format!("{major}.{minor}.");
    let known = VERSIONS.iter().flat_map(|(_, kafka)| kafka.iter()).rfind(|kafka| kafka.starts_with(&release));
    let kafka = match (patch, known) {
        (u32::MAX, Some(kafka)) => (*kafka).to_owned(),
        (u32::MAX, None) => format!("{release}x"),
        (patch, _) => format!("{release}{patch}"),
    };
    let name = brokers.instance_type.trim_start_matches("kafka.").trim_start_matches("express.");
    let Some(gib) = msk::first_volume_gib(msk, stack.common()).filter(|_| !msk.express()) else {
        return Err(none(
            "Express brokers have no volumes of a size",
            "write `cluster.ec2`, or standard brokers of MSK",
        ));
    };
    let limits = limits(name)?;
    let pool = |name, roles, replicas, role, gib| Pool {
        name,
        roles,
        replicas,
        limits: limits.clone(),
        role,
        volumes: 1,
        gib,
    };
    let mut controllers = pool("controllers", &["controller"] as &[&str], 3, HostRole::Controller, 20);
    controllers.limits = self::limits("t4g.medium")?;
    let access = msk.access();
    let users = stack.users().next().is_some();
    let by_password = access.scram || stack.users().any(|(_, mechanism, _)| mechanism == Mechanism::Iam);
    let ways = [
        (access.unauthenticated && !users, listener("open", CLIENT_PORT, true, None)),
        (access.tls, listener("tls", MTLS_PORT, true, Some("tls"))),
        (by_password || access.iam, listener("scram", SCRAM_PORT, true, Some("scram-sha-512"))),
    ];
    let mut differs = vec![format!(
        "Apache Kafka {kafka} runs in place of MSK's {version}, with three controllers of its own, where MSK has them unseen."
    )];
    if access.iam {
        differs.push("There is no IAM: its users come with passwords (SCRAM-SHA-512).".to_owned());
    }
    let listeners: Vec<Value> = ways.into_iter().filter_map(|(is, one)| is.then_some(one)).collect();
    if listeners.is_empty() {
        return Err(none("there is no listener that pods could have", "let clients in by `auth`, such as `scram: {}`"));
    }
    let mut config = configuration::server_properties(msk, stack.common().settings).unwrap_or_default();
    config.remove("custom.advertised.listeners");
    Ok(Cluster {
        kafka,
        config: settings::others(&config),
        pools: vec![controllers, pool("brokers", &["broker"], brokers.count, HostRole::Broker, gib)],
        listeners,
        secured: users,
        monitored: true,
        differs,
    })
}

fn listener(name: &str, port: u16, tls: bool, authentication: Option<&str>) -> Value {
    let mut one = json!({"name": name, "port": port, "type": "internal", "tls": tls});
    if let Some(kind) = authentication {
        one["authentication"] = json!({"type": kind});
    }
    one
}

fn head(stack: &Stack, cluster: &Cluster, strimzi: &str, class: Option<&str>) -> String {
    let name = &stack.name;
    let mut lines = vec![
        format!(
            "The stack {name} for Kubernetes, by kstack render --target strimzi. Strimzi {strimzi} takes Kafka {}.",
            cluster.kafka
        ),
        String::new(),
        "  kstack render FILE --target strimzi --namespace NAMESPACE | kubectl apply --server-side -f -".to_owned(),
        String::new(),
    ];
    let ports: Vec<String> = cluster
        .listeners
        .iter()
        .map(|one| format!("{name}-kafka-bootstrap:{} ({})", one["port"], one["name"].as_str().unwrap_or_default()))
        .collect();
    lines.push(format!("Clients in the cluster's namespace: {}", ports.join(", ")));
    if stack.users().next().is_some() {
        lines.push("The operator makes each user's password, or key and certificate, and keeps it in a Secret of the user's name.".to_owned());
    }
    lines.extend([String::new(), "What is not as it is in AWS:".to_owned()]);
    lines.extend(cluster.differs.iter().map(|one| format!("* {one}")));
    let dropped: Vec<&str> = cluster.config.keys().map(String::as_str).filter(|name| of_operator(name)).collect();
    if !dropped.is_empty() {
        lines.push(format!(
            "* The operator makes these settings of the file itself, and they are left out: {}.",
            dropped.join(", ")
        ));
    }
    if class.is_none() {
        lines.push("* Volumes are of the cluster's default storage class; `--storage-class` names another.".to_owned());
    }
    lines.extend([
        "* A pod takes three quarters of the processors and the memory of the file's instance type: a node of that type has one.".to_owned(),
        "* Who may reach the brokers' ports is for network policies of Kubernetes to say.".to_owned(),
    ]);
    comment(&lines)
}
