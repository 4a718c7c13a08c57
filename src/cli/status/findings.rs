//! What is not well in the stack, and what helps: the last lines of `kstack status`.

use std::collections::{BTreeMap, BTreeSet};

use anstyle::AnsiColor;

use super::{HostStatus, Status};
use crate::health::KafkaHealth;
use kstack_core::design::node_id;
use kstack_core::kinds::instance::ENDED;
use kstack_core::monitoring::findings::{Finding, Kafka, Seen, Severity, findings};

/// EC2's state of an instance that runs.
const RUNNING: &str = "running";

/// What counts of Kafka's health.
#[derive(Debug)]
pub(super) struct OfKafka {
    counts: (usize, usize, usize),
    active_controller: bool,
    /// By node id, why a broker serves nobody.
    not_serving: BTreeMap<u32, String>,
    laggards: BTreeMap<u32, String>,
}

/// What counts of `cluster`, whose brokers are `expected`.
pub(super) fn of_kafka(cluster: &KafkaHealth, expected: &BTreeSet<u32>) -> OfKafka {
    OfKafka {
        counts: cluster.counts(),
        active_controller: cluster.controller.is_some(),
        not_serving: cluster.not_serving(expected),
        laggards: cluster.laggards(),
    }
}

/// Everything that is not well, the most urgent first; `file` is for the commands that help.
pub(super) fn of(file: &str, status: &Status) -> Vec<Finding> {
    if status.resources == 0 {
        return Vec::new();
    }
    let hosts = &status.hosts;
    let down = |host: &&HostStatus| host.state.as_deref() != Some(RUNNING);
    let with = |wanted: fn(&str) -> bool| {
        let all = hosts.iter().filter(|host| host.certificate.as_deref().is_some_and(wanted));
        all.map(|host| host.name.clone()).collect::<Vec<_>>()
    };
    // A host that is down says why its broker serves nobody.
    let nodes: BTreeSet<u32> = hosts.iter().filter(down).filter_map(|host| node_id(&host.name)).collect();
    let kafka = status.kafka.as_ref().filter(|_| status.msk.is_some() || !hosts.is_empty());
    let kafka = kafka.map(|kafka| match &kafka.seen {
        None => Err(kafka.problems.join("; ")),
        Some(seen) => Ok(Kafka {
            active_controller: seen.active_controller,
            under_replicated: seen.counts.0,
            offline: seen.counts.1,
            under_min_insync: seen.counts.2,
            not_serving: seen
                .not_serving
                .iter()
                .filter(|(node, _)| !nodes.contains(node))
                .map(|(_, why)| why.clone())
                .collect(),
            // A combined host that serves nobody has been said.
            others: seen
                .laggards
                .iter()
                .filter(|(node, _)| !nodes.contains(node) && !seen.not_serving.contains_key(node))
                .map(|(_, why)| why.clone())
                .collect(),
        }),
    });
    findings(&Seen {
        file,
        zones_out: zones_out(hosts, seen_of(status)),
        down: hosts
            .iter()
            .filter(down)
            .map(|host| format!("{} ({})", host.name, host.state.as_deref().unwrap_or("no instance")))
            .collect(),
        ended: with(|one| one.starts_with(ENDED)),
        ending: with(|one| one.starts_with("ends")),
        serving_others: hosts.iter().filter_map(|host| host.ends().difference(&host.name)).collect(),
        being_changed: status.lease.is_some(),
        interrupted: status.record.as_ref().is_some_and(|record| record.resources.is_none()),
        msk: status.msk.as_ref().map(|msk| msk.state()),
        alarms: status.alarms.clone(),
        place: (&status.region, &status.stack),
        kafka,
    })
}

/// What Kafka says of hosts, where it was asked.
fn seen_of(status: &Status) -> Option<&OfKafka> {
    status.kafka.as_ref()?.seen.as_ref()
}

/// Zones of several hosts of which none is well, each with them.
fn zones_out(hosts: &[HostStatus], kafka: Option<&OfKafka>) -> Vec<(String, Vec<String>)> {
    let silent = |host: &HostStatus| {
        let node = node_id(&host.name);
        kafka
            .zip(node)
            .is_some_and(|(kafka, node)| kafka.not_serving.contains_key(&node) || kafka.laggards.contains_key(&node))
    };
    let sick = |host: &HostStatus| host.state.as_deref() != Some(RUNNING) || silent(host);
    let mut zones: BTreeMap<&String, Vec<&HostStatus>> = BTreeMap::new();
    hosts
        .iter()
        .filter_map(|host| Some((host.zone.as_ref()?, host)))
        .for_each(|(zone, host)| zones.entry(zone).or_default().push(host));
    let is_out = |hosts: &[&HostStatus]| hosts.len() > 1 && hosts.iter().all(|host| sick(host));
    if zones.values().all(|hosts| is_out(hosts)) {
        return Vec::new();
    }
    let out = zones.into_iter().filter(|(_, hosts)| is_out(hosts));
    out.map(|(zone, hosts)| (zone.clone(), hosts.iter().map(|host| host.name.clone()).collect())).collect()
}

/// The same for people: that all is well, or what is not, and what helps.
pub(super) fn text(status: &Status) -> String {
    let (green, red, yellow) =
        (AnsiColor::Green.on_default(), AnsiColor::Red.on_default(), AnsiColor::Yellow.on_default());
    if status.findings.is_empty() {
        return format!("\n{green}All is well.{green:#}\n");
    }
    let mut out = "\nTo do, the most urgent first:\n".to_owned();
    for finding in &status.findings {
        let (colour, word) = match finding.severity {
            Severity::Page => (red, "now   "),
            Severity::Ticket => (yellow, "later "),
        };
        out.push_str(&format!("  {colour}{word}{colour:#}  {}\n          {}\n", finding.what, finding.remedy));
        out.extend(finding.alert.map(|alert| format!("          More: {alert} in docs/runbook.md\n")));
    }
    out
}
