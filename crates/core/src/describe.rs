//! The stack file of an MSK cluster that others made: what is live, in the words of the file. Pure.

mod access;
mod network;
mod topics;

use std::fmt::Write as _;

use crate::check::{self, Report};
use crate::design::Provisioned;
use crate::kinds::{MskAutoscaling, MskCluster, MskClusterPolicy, log_group};
use crate::model::{Ref, Tags, tag};
use crate::observed::Observed;

pub use access::{LiveUser, access_block};
pub use network::{DescribedNetwork, NoPrivateSubnet, describe_network};
pub use topics::topics_block;

/// A live cluster, and where it is.
#[derive(Debug, Clone, Copy)]
pub struct Described<'a> {
    /// The stack's name, which is the cluster's.
    pub name: &'a str,
    pub region: &'a str,
    pub account: &'a str,
    /// The id of the VPC that its subnets are in.
    pub vpc: &'a str,
    pub arn: &'a str,
    pub cluster: &'a MskCluster,
    pub tags: &'a Tags,
    /// What hangs on the cluster.
    pub observed: &'a Observed,
}

/// The stack file.
///
/// # Errors
/// What of the cluster no stack file may say: the file with its problems.
pub fn describe(described: &Described<'_>) -> Result<String, Report> {
    let text = file(described);
    match check::parse(&format!("{}.yaml", described.name), &text) {
        Ok(_) => Ok(text),
        Err(mut report) => {
            report.problems.retain(|problem| problem.severity == check::Severity::Error);
            Err(report)
        }
    }
}

/// A text as YAML has it: in quotes, unless it can't be taken for anything else.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let word = text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(plain);
    let meant = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&text.to_lowercase().as_str());
    if word && !meant { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

fn list<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    let mut items: Vec<String> = items.into_iter().map(scalar).collect();
    items.sort();
    format!("[{}]", items.join(", "))
}

fn file(described: &Described<'_>) -> String {
    let Described { name, region, account, vpc, arn, cluster, tags, observed } = *described;
    let mut out = String::new();
    let mut line = |text: &str| {
        let _ = writeln!(out, "{text}");
    };
    line(&format!("# {arn}, as it is in AWS."));
    line(
        "# `kstack adopt` with this file gives it kstack's tags, and changes nothing else. Afterwards it is changed by this file.",
    );
    line("apiVersion: kstack/v1");
    line(&format!("name: {}", scalar(name)));
    line(&format!("region: {region}"));
    line(&format!("account: \"{account}\""));
    line("# As long as this is here, `kstack destroy` deletes nothing.");
    line("protected: true");
    let own = |key: &str| tag::OURS.iter().any(|prefix| key.to_lowercase().starts_with(prefix)) || key == tag::NAME;
    let tags: Vec<_> = tags.iter().filter(|(key, _)| !own(key)).collect();
    if !tags.is_empty() {
        line("tags:");
        for (key, value) in tags {
            line(&format!("  {}: {}", scalar(key), serde_json::Value::from(value.as_str())));
        }
    }
    let subnets = cluster.subnets.iter().filter_map(Ref::id);
    let groups = cluster.security_groups.iter().filter_map(Ref::id);
    line("network:");
    line("  existing:");
    line(&format!("    vpc: {vpc}"));
    line(&format!("    subnets: {}", list(subnets)));
    line(&format!("  zones: {}", cluster.subnets.len()));
    if cluster.ipv6 {
        line("  ipv6: true");
    }
    line("  # Who may connect is said by the rules of these groups: MSK takes none but when it makes a cluster.");
    line("  own_groups: false");
    line(&format!("  security_groups: {}", list(groups)));
    workload(cluster.provisioned.as_ref(), &mut line);
    line("cluster:");
    line("  msk:");
    match &cluster.provisioned {
        None => line("    serverless: true"),
        Some(one) => provisioned(one, &mut line),
    }
    what_stays(cluster, observed, &mut line);
    out
}

/// What the cluster carries is no setting of it, so this is as little as can be.
fn workload(cluster: Option<&Provisioned>, line: &mut impl FnMut(&str)) {
    line(
        "# What it has to carry can't be seen in AWS. Write it here, and `kstack size` tells whether the cluster fits it; no Kafka setting",
    );
    line("# follows from it while `configuration` is there.");
    let copies = cluster.map_or(3, |one| one.brokers.min(3));
    let copies = match copies {
        3 => String::new(),
        few => format!(", replication_factor: {few}, min_insync_replicas: 1"),
    };
    line(&format!("workload: {{ingress: 1 KiB/s, retention: 3d, partitions: 1{copies}}}"));
}

fn provisioned(one: &Provisioned, line: &mut impl FnMut(&str)) {
    line(&format!("    kafka: {}", scalar(&one.kafka)));
    line("    brokers:");
    line(&format!("      count: {}", one.brokers));
    line(&format!("      instance_type: {}", one.instance_type));
    if let Some(gib) = one.volume_gib {
        line("      storage:");
        line(&format!("        size: {gib} GiB"));
        if let Some(mibs) = one.throughput_mibs.filter(|mibs| *mibs > 0) {
            line(&format!("        throughput: {mibs} MiB/s"));
        }
        if one.tiered == Some(true) {
            line("        tiered: true");
        }
    }
    line("    auth:");
    line(&format!("      iam: {}", one.iam));
    if one.scram {
        line("      # The secrets that are associated stay; those that are named here are the stack's.");
        line("      scram: {}");
    }
    if !one.certificate_authorities.is_empty() {
        let authorities = list(one.certificate_authorities.iter().map(String::as_str));
        line(&format!("      tls: {{certificate_authorities: {authorities}}}"));
    }
    if one.unauthenticated {
        line("      unauthenticated: true");
    }
    line("    encryption:");
    line(&format!("      in_transit: {}", one.in_transit));
    if !one.in_cluster {
        line("      in_cluster: false");
    }
    if let Some(key) = &one.kms_key {
        line(&format!("      kms_key: {}", scalar(key)));
    }
    line("    monitoring:");
    line(&format!("      level: {}", one.monitoring));
    line(&format!("      prometheus: {{jmx: {}, node: {}}}", one.jmx_exporter, one.node_exporter));
    logs(one, line);
    match one.configuration.id() {
        None => {
            line(
                "    # AWS's own settings. Without this line it would get a configuration of the stack's own, with `config`.",
            );
            line("    configuration: default");
        }
        Some(arn) => {
            line(
                "    # It stays as others have it. Without this key the cluster would get one of the stack's own, with `config`.",
            );
            line("    configuration:");
            line(&format!("      arn: {}", scalar(arn)));
            line(&format!("      revision: {}", one.configuration_revision.unwrap_or_default()));
        }
    }
    if one.public_access {
        line("    public_access: true");
    }
    let ways = [("iam", one.vpc_iam), ("scram", one.vpc_scram), ("tls", one.vpc_tls)];
    let ways: Vec<String> = ways.iter().filter(|(_, on)| *on).map(|(name, _)| format!("{name}: true")).collect();
    if !ways.is_empty() {
        line(&format!("    vpc_connectivity: {{{}}}", ways.join(", ")));
    }
    if let Some(on) = one.rebalancing {
        line(&format!("    rebalancing: {on}"));
    }
}

fn logs(one: &Provisioned, line: &mut impl FnMut(&str)) {
    let group = one.log_group.id().and_then(log_group::name_of).unwrap_or_default();
    if group.is_empty() && one.log_bucket.is_empty() && one.log_stream.is_empty() {
        return;
    }
    line("    logs:");
    if !group.is_empty() {
        line(&format!("      cloudwatch: {}", scalar(group)));
    }
    if !one.log_bucket.is_empty() {
        match one.log_bucket.split_once('/') {
            None => line(&format!("      s3: {{bucket: {}}}", scalar(&one.log_bucket))),
            Some((bucket, prefix)) => {
                line(&format!("      s3: {{bucket: {}, prefix: {}}}", scalar(bucket), scalar(prefix)));
            }
        }
    }
    if !one.log_stream.is_empty() {
        line(&format!("      firehose: {}", scalar(&one.log_stream)));
    }
}

/// What others have put there, and the file need not name.
fn what_stays(cluster: &MskCluster, observed: &Observed, line: &mut impl FnMut(&str)) {
    if observed.of::<MskClusterPolicy>().values().any(|(_, policy)| !policy.policy.is_empty()) {
        line("    # The cluster has a resource policy, which stays; `policy` would put another in its place.");
    }
    for (_, scaling) in observed.of::<MskAutoscaling>().into_values().filter(|_| cluster.provisioned.is_some()) {
        let up_to = scaling.max_gib;
        line(&format!(
            "    # Storage grows by itself up to {up_to} GiB a broker, as others want it, and that stays; `max` beside `size` would take it over."
        ));
    }
}
