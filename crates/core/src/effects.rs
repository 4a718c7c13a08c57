//! What a change of each key of the stack file does to a live stack.

use serde_json::Value;

use Does::{DataLoss, InPlace, Nothing, Refused, Replace, Roll};

/// What a plan does at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Does {
    /// Nothing of the live stack changes.
    Nothing,
    /// Resources are made, changed or deleted; no host stops.
    InPlace,
    /// A resource is deleted and made again; no host stops.
    Replace,
    /// Hosts start again, one after the other.
    Roll,
    /// It is refused unless data may be lost.
    DataLoss,
    /// It is refused.
    Refused,
}

impl Does {
    /// In a word or a few.
    pub const fn word(self) -> &'static str {
        match self {
            Does::Nothing => "nothing",
            Does::InPlace => "in place",
            Does::Replace => "made anew",
            Does::Roll => "roll",
            Does::DataLoss => "refused without `--allow-data-loss`",
            Does::Refused => "refused",
        }
    }
}

/// What a change of a key does.
#[derive(Debug)]
pub struct KeyEffect {
    /// By dotted path, with `*` for a name. It holds for the keys below that have none of their own.
    pub key: &'static str,
    /// The most that it does, by what is changed to what.
    pub does: &'static [Does],
    /// When it does which, and what else is to be known.
    pub more: &'static str,
}

const KEPT: &str = "What was set by hand stays from then on, or is put right again where a setting is no longer named.";

/// Every key, and what a change of it does. `tests/effects.yaml` has a change of each, which the planner confirms.
pub const EFFECTS: &[KeyEffect] = &[
    key("apiVersion", &[], "There is one version of the format, so nothing follows from it."),
    key("name", &[], "Another name is another stack: the live one stays as it is, and a new one is made."),
    key("region", &[], "Another region is another stack: the live one stays as it is, and a new one is made."),
    key("account", &[Nothing], "It only says where the file may be applied."),
    key("tags", &[InPlace], ""),
    key("ttl", &[InPlace], "A tag on every resource has the new time."),
    key("protected", &[InPlace], ""),
    key("network.cidr", &[Refused], ""),
    key("network.secondary_cidrs", &[InPlace, Nothing], "A block is added; one that is no longer named stays."),
    key("network.ipam_pool", &[Refused], ""),
    key(
        "network.ipv6",
        &[Roll, InPlace, Refused],
        "Brokers on EC2 roll when it is turned on; MSK changes in place, and never back.",
    ),
    key(
        "network.existing",
        &[Refused, Nothing],
        "A live stack keeps its network, and live hosts their subnets; new hosts start in those that are named.",
    ),
    key("network.zones", &[Refused], "A zone that has hosts can't be taken away."),
    key("network.nat", &[InPlace], ""),
    key("network.endpoints", &[InPlace], ""),
    key(
        "network.flow_logs",
        &[InPlace, Replace, DataLoss],
        "Into another place they are made anew. A log group of the stack's own goes with its logs.",
    ),
    key("network.flow_logs.retention", &[InPlace], ""),
    key("network.flow_logs.kms_key", &[InPlace], "What was logged before stays encrypted as it is."),
    key("network.clients", &[InPlace], "Access is opened first and closed last."),
    key("network.monitors", &[InPlace], "Access is opened first and closed last."),
    key("network.rules", &[InPlace], "Access is opened first and closed last."),
    key("network.routes", &[InPlace], ""),
    key(
        "network.security_groups",
        &[InPlace, Refused],
        "In place on EC2; MSK takes them when the cluster is created and never again.",
    ),
    key("network.own_groups", &[Refused], ""),
    key(
        "network.dns.zone",
        &[InPlace, Refused],
        "Names are added in place. For another domain take `dns` away, apply, and write the new one.",
    ),
    key("network.dns.existing", &[Refused], "Take `dns` away, apply, and write it with the other zone."),
    key("network.dns.advertise", &[Roll], ""),
    key("network.dns.ttl", &[InPlace], ""),
    key(
        "network.privatelink.service",
        &[InPlace, Replace],
        "Another service is another endpoint, to which the names lead then.",
    ),
    key(
        "network.privatelink.domain",
        &[InPlace, Refused],
        "Names are added and removed in place. For another domain take `domain` away, apply, and write the new one.",
    ),
    key("network.privatelink.ports", &[InPlace], "Access is opened first and closed last."),
    key("network.private_cidrs", &[Refused], ""),
    key("network.public_cidrs", &[Refused], ""),
    key("workload.ingress", &[InPlace, Nothing], "Volumes grow where the workload needs more; they never shrink."),
    key("workload.peak", &[Nothing], "It counts where sizes are judged, and where volumes need more throughput."),
    key("workload.consumers", &[Nothing], "It counts where sizes are judged, and where volumes need more throughput."),
    key("workload.compression", &[InPlace, Nothing], "Volumes grow where the workload needs more; they never shrink."),
    key(
        "workload.retention",
        &[InPlace],
        "Brokers get the new age while they run. Volumes grow where needed; they never shrink.",
    ),
    key(
        "workload.replication_factor",
        &[Roll],
        "Topics that exist keep their copies, but for those below `topics`. Volumes grow where needed.",
    ),
    key("workload.min_insync_replicas", &[InPlace], "Brokers get it while they run."),
    key(
        "workload.partitions",
        &[InPlace],
        "Brokers get the limits that follow from it, and volumes grow where needed.",
    ),
    key("workload.growth", &[InPlace], "Volumes grow where the workload needs more; they never shrink."),
    key("workload.headroom", &[InPlace], "Volumes grow where the workload needs more; they never shrink."),
    key("cluster", &[Refused], "A stack keeps its engine."),
    key("cluster.ec2.kafka", &[Roll], ""),
    key("cluster.ec2.os", &[Roll], "Data volumes stay."),
    key("cluster.ec2.image", &[Roll], "Data volumes stay."),
    key("cluster.ec2.combined", &[Refused], "A quorum keeps its hosts."),
    key(
        "cluster.ec2.brokers.count",
        &[InPlace],
        "More brokers are added, and get their share of the partitions. Of fewer, those that go are emptied first; where Kafka can't be asked that is refused without `--allow-data-loss`.",
    ),
    key(
        "cluster.ec2.brokers.generation",
        &[InPlace, Refused],
        "Another set of brokers is made beside the live one and gets its partitions; the live one goes, and is left as it is until then. Where Kafka can't be asked that is refused without `--allow-data-loss`; and a set that has gone does not come back.",
    ),
    key("cluster.ec2.brokers.instance_type", &[Roll], ""),
    key(
        "cluster.ec2.brokers.storage.type",
        &[InPlace, DataLoss],
        "AWS changes a volume while it is used, once in six hours. From volumes to `instance-store` their data is lost.",
    ),
    key("cluster.ec2.brokers.storage.volumes", &[Roll, DataLoss], "More roll the brokers. Fewer lose what is on them."),
    key("cluster.ec2.brokers.storage.size", &[InPlace, Nothing], "A volume grows while it is used, and never shrinks."),
    key("cluster.ec2.brokers.storage.iops", &[InPlace], "AWS changes a volume while it is used; once in six hours."),
    key(
        "cluster.ec2.brokers.storage.throughput",
        &[InPlace],
        "AWS changes a volume while it is used; once in six hours.",
    ),
    key(
        "cluster.ec2.controllers.count",
        &[Roll, InPlace],
        "Every host is told of new controllers by a roll before they join; those that leave are removed from the quorum one after another.",
    ),
    key("cluster.ec2.controllers.instance_type", &[Roll], ""),
    key("cluster.ec2.controllers.storage", &[InPlace, Nothing], "A volume grows while it is used, and never shrinks."),
    key("cluster.ec2.placement", &[Roll], ""),
    key("cluster.ec2.ignore_drift", &[Nothing], KEPT),
    key(
        "cluster.ec2.changes.balance",
        &[Nothing],
        "It counts when brokers are added: then the plan moves partitions to them, or does not.",
    ),
    key(
        "cluster.ec2.changes.throttle",
        &[Nothing],
        "It counts for the next moves; those under way get it, too, once kstack runs again.",
    ),
    key(
        "cluster.ec2.config",
        &[InPlace, Roll],
        "Settings that Kafka changes while it runs are changed in place; others roll the hosts.",
    ),
    key("cluster.ec2.archive", &[Roll], ""),
    key("cluster.ec2.package_mirror", &[Roll], ""),
    key("cluster.ec2.proxy", &[Roll], ""),
    key("cluster.ec2.listeners.scram", &[Roll], ""),
    key("cluster.ec2.listeners.mtls", &[Roll], ""),
    key("cluster.ec2.listeners.oauth", &[Roll], ""),
    key("cluster.ec2.listeners.plaintext", &[Roll], ""),
    key("cluster.ec2.listeners.kms_key", &[Refused], "A live stack keeps its key."),
    key("cluster.ec2.listeners.others", &[Roll], ""),
    key("cluster.ec2.listeners.others.*.port", &[Roll], ""),
    key("cluster.ec2.listeners.others.*.advertise", &[Roll], ""),
    key("cluster.ec2.listeners.others.*.advertise_port", &[Roll], ""),
    key("cluster.ec2.listeners.others.*.clients", &[InPlace], "Access is opened first and closed last."),
    key("cluster.ec2.authorities", &[Roll], ""),
    key("cluster.ec2.templates", &[Roll], "Hosts roll where what they start with is another."),
    key("cluster.ec2.kms_key", &[Nothing], "A live volume keeps its key; a new one gets the new key."),
    key("cluster.ec2.logs.cloudwatch", &[Roll, DataLoss], "A log group of the stack's own goes with its logs."),
    key("cluster.ec2.logs.cloudwatch.retention", &[InPlace], ""),
    key("cluster.ec2.logs.cloudwatch.kms_key", &[InPlace], "What was logged before stays encrypted as it is."),
    key("cluster.ec2.monitoring", &[Roll], ""),
    key("cluster.ec2.iam.permissions_boundary", &[InPlace], ""),
    key("cluster.ec2.iam.path", &[Refused], ""),
    key("cluster.ec2.iam.policies", &[InPlace], ""),
    key("cluster.ec2.iam.instance_profile", &[InPlace], ""),
    key("cluster.msk.serverless", &[Refused], ""),
    key(
        "cluster.msk.kafka",
        &[InPlace, Refused],
        "MSK upgrades its brokers one after the other, and never to an older version.",
    ),
    key(
        "cluster.msk.brokers.count",
        &[InPlace, Refused],
        "More brokers are added, and get their share of the partitions. Of fewer, those that go are emptied first, one of each zone in one apply; where Kafka can't be asked that is refused without `--allow-data-loss`. MSK moves what is on Express brokers itself.",
    ),
    key("cluster.msk.brokers.instance_type", &[InPlace], "MSK rolls its brokers one after the other."),
    key("cluster.msk.brokers.storage.size", &[InPlace, Nothing], "A volume grows in place, and never shrinks."),
    key("cluster.msk.brokers.storage.max", &[InPlace], ""),
    key("cluster.msk.brokers.storage.throughput", &[InPlace], ""),
    key("cluster.msk.brokers.storage.tiered", &[InPlace, Refused], "Once it is on, it stays on."),
    key("cluster.msk.auth.iam", &[InPlace], "MSK rolls its brokers one after the other."),
    key("cluster.msk.auth.scram", &[InPlace], ""),
    key("cluster.msk.auth.scram.secrets", &[InPlace], ""),
    key("cluster.msk.auth.scram.kms_key", &[Refused], ""),
    key("cluster.msk.auth.tls", &[InPlace], "MSK rolls its brokers one after the other."),
    key("cluster.msk.auth.unauthenticated", &[InPlace], "MSK rolls its brokers one after the other."),
    key("cluster.msk.encryption.in_transit", &[InPlace], "MSK rolls its brokers one after the other."),
    key("cluster.msk.encryption.in_cluster", &[Refused], ""),
    key("cluster.msk.encryption.kms_key", &[Refused], ""),
    key("cluster.msk.monitoring", &[InPlace], ""),
    key("cluster.msk.logs.s3", &[InPlace], ""),
    key("cluster.msk.logs.firehose", &[InPlace], ""),
    key("cluster.msk.logs.cloudwatch", &[InPlace, DataLoss], "A log group of the stack's own goes with its logs."),
    key("cluster.msk.logs.cloudwatch.retention", &[InPlace], ""),
    key("cluster.msk.logs.cloudwatch.kms_key", &[InPlace], "What was logged before stays encrypted as it is."),
    key("cluster.msk.config", &[InPlace], "MSK rolls its brokers one after the other where a setting needs it."),
    key(
        "cluster.msk.configuration",
        &[InPlace, Refused],
        "Another revision is taken in place. A cluster that has a configuration does not get AWS's own settings back.",
    ),
    key("cluster.msk.public_access", &[Refused], "Brokers keep their subnets."),
    key("cluster.msk.vpc_connectivity", &[InPlace], ""),
    key("cluster.msk.vpc_connections", &[InPlace], ""),
    key("cluster.msk.rebalancing", &[InPlace], ""),
    key("cluster.msk.policy", &[InPlace], ""),
    key("client", &[InPlace], ""),
    key("client.instance_type", &[Replace], ""),
    key("client.image", &[Replace], ""),
    key("client.kafka", &[Replace], ""),
    key("client.os", &[Replace], ""),
    key("client.archive", &[Replace], ""),
    key("client.iam_auth", &[Replace], ""),
    key("client.package_mirror", &[Replace], ""),
    key("client.proxy", &[Replace], ""),
    key("client.iam.permissions_boundary", &[InPlace], ""),
    key("client.iam.path", &[Refused], ""),
    key("client.iam.policies", &[InPlace], ""),
    key("client.iam.instance_profile", &[InPlace], ""),
    key("alarms", &[InPlace], ""),
    key("access.users", &[InPlace], ""),
    key("topics.*.partitions", &[InPlace, Refused], "More are added in place; Kafka never takes one away."),
    key("topics.*.replication_factor", &[InPlace], "Copies are moved a few at a time, with a throttle."),
    key("topics.*.config", &[InPlace], ""),
    key("topics.*.ignore_drift", &[Nothing], KEPT),
    key("topics.*.absent", &[DataLoss], ""),
    key(
        "prune.topics",
        &[Nothing, DataLoss],
        "Topics of such names that the file does not have go, with their records.",
    ),
    key("prune.users", &[DataLoss], "Users of such names that the file does not have go, with their rights."),
];

const fn key(key: &'static str, does: &'static [Does], more: &'static str) -> KeyEffect {
    KeyEffect { key, does, more }
}

impl KeyEffect {
    /// As a text: the words, and what is to be known of them.
    pub fn text(&self) -> String {
        let words = self.does.iter().map(|does| does.word()).collect::<Vec<_>>().join(" or ");
        match (words.is_empty(), self.more) {
            (true, more) => more.to_owned(),
            (false, "") => words,
            (false, more) => format!("{words}. {more}"),
        }
    }
}

/// What a change of the key at `path` does: its own entry, or that of a mapping above it of which no other key has one. A `*` stands for
/// any name.
pub fn of(path: &str) -> Option<&'static KeyEffect> {
    let parts: Vec<&str> = path.split('.').collect();
    let entry = |parts: &[&str]| EFFECTS.iter().find(|one| depth(one.key) == parts.len() && begins(one.key, parts));
    let below = |parts: &[&str]| EFFECTS.iter().any(|one| depth(one.key) > parts.len() && begins(one.key, parts));
    let mut above = (1..parts.len()).rev().map(|length| &parts[..length]);
    entry(&parts).or_else(|| above.find_map(|above| entry(above).filter(|_| !below(above))))
}

fn depth(key: &str) -> usize {
    key.split('.').count()
}

/// Whether `key` begins with `parts`.
fn begins(key: &str, parts: &[&str]) -> bool {
    let mut key = key.split('.');
    parts.iter().all(|part| key.next().is_some_and(|one| one == *part || one == "*"))
}

/// Adds to the schema of a stack file what a change of each key does, as `x-effect`.
pub fn annotate(schema: &mut Value) {
    below(String::new(), schema);
}

fn below(path: String, schema: &mut Value) {
    let under = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    for (key, value) in schema["properties"].as_object_mut().into_iter().flatten() {
        let path = under(key);
        if let Some(effect) = of(&path) {
            value["x-effect"] = Value::String(effect.text());
        }
        below(path, value);
    }
    // A mapping that may stand in the place of a word.
    for one in schema.get_mut("oneOf").and_then(Value::as_array_mut).into_iter().flatten() {
        below(path.clone(), one);
    }
    if let Some(each) = schema.get_mut("additionalProperties").filter(|each| each.is_object()) {
        below(under("*"), each);
    }
}
