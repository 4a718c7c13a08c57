//! Whether a cluster can have a Kafka version, and can be brought to it: AWS's own lists decide.

use super::super::PlanningInput;
use crate::design::Provisioned;
use crate::engines::msk::limits::{FIRST_FROM_ZOOKEEPER, LAST_WITH_ZOOKEEPER, instead_on_express, is_express};
use crate::refusal::Refusal;
use crate::stack::MskVersion;

/// The zones of a standard cluster that is brought to KRaft. Source: MSK developer guide, "Migrate from ZooKeeper to KRaft mode".
const MIGRATION_ZONES: usize = 3;

/// Refuses a version that AWS has not for a new cluster, or has not after the live one's. `zones` is how many the cluster is in.
pub fn check(
    wanted: &Provisioned,
    live: Option<&Provisioned>,
    zones: usize,
    input: &PlanningInput,
    refusals: &mut Vec<Refusal>,
) {
    match live {
        None => refusals.extend(new(wanted, input)),
        Some(live) if live.kafka != wanted.kafka => refusals.extend(upgrade(wanted, live, zones)),
        Some(_) => {}
    }
}

fn new(wanted: &Provisioned, input: &PlanningInput) -> Option<Refusal> {
    let version = &wanted.kafka;
    if !input.facts.msk_versions.contains(version) {
        let known = input.facts.msk_versions.iter().cloned().collect::<Vec<_>>().join(", ");
        let what = format!("MSK does not offer Kafka {version} for a new cluster");
        return Some(Refusal::general(what, format!("write one of {known}")));
    }
    let instead = instead_on_express(&MskVersion(version.clone())).filter(|_| is_express(&wanted.instance_type))?;
    let what = format!("MSK makes no new cluster of Express brokers with Kafka {version}");
    Some(Refusal::general(what, format!("write `kafka: {instead}`, or use a `kafka.*` type")))
}

fn upgrade(wanted: &Provisioned, live: &Provisioned, zones: usize) -> Option<Refusal> {
    let (now, next) = (MskVersion(live.kafka.clone()), MskVersion(wanted.kafka.clone()));
    let older = next.release() < now.release();
    let (to_kraft, from_kraft) = (!now.is_kraft() && next.is_kraft(), now.is_kraft() && !next.is_kraft());
    let possible = match &live.upgrades {
        Some(listed) => listed.contains(&wanted.kafka),
        // The list is not known while the cluster is made: AWS says it when the step comes, but for what it never does.
        None => !older && !from_kraft,
    };
    if possible {
        return if to_kraft { migration(wanted, live, zones) } else { None };
    }
    let listed = live.upgrades.as_deref().unwrap_or_default();
    let why = if older {
        "it never goes to an older version".to_owned()
    } else if from_kraft {
        "it never goes back to ZooKeeper".to_owned()
    } else if to_kraft && now.0 != LAST_WITH_ZOOKEEPER {
        format!("it goes from ZooKeeper to KRaft as {LAST_WITH_ZOOKEEPER} to {FIRST_FROM_ZOOKEEPER} alone")
    } else {
        "AWS does not list it for this cluster and its broker type".to_owned()
    };
    let step = to_kraft && listed.iter().any(|one| one == LAST_WITH_ZOOKEEPER);
    let way = match listed {
        _ if step => format!(
            "write `kafka: {LAST_WITH_ZOOKEEPER}` and apply, then `kafka: {FIRST_FROM_ZOOKEEPER}` and apply; later versions follow from there"
        ),
        [] => format!("keep `kafka: {}`", live.kafka),
        known => format!("keep `kafka: {}`, or write one of {}", live.kafka, known.join(", ")),
    };
    let other =
        "for another, create a second stack with another name, move the data with MirrorMaker, and destroy this one";
    Some(Refusal::general(
        format!("MSK can't upgrade Kafka {} to {}: {why}", live.kafka, wanted.kafka),
        if step { way } else { format!("{way}; {other}") },
    ))
}

/// What AWS asks of a cluster before it goes from ZooKeeper to KRaft, as far as it shows. Source: MSK developer guide, "Migrate
/// from ZooKeeper to KRaft mode", prerequisites, 2026.
fn migration(wanted: &Provisioned, live: &Provisioned, zones: usize) -> Option<Refusal> {
    let what = |asked: &str| format!("AWS brings a cluster from ZooKeeper to KRaft {asked}");
    if !is_express(&live.instance_type) && zones != MIGRATION_ZONES {
        let asked = format!("only in {MIGRATION_ZONES} zones, and this one is in {zones}");
        let remedy = "create a second stack with another name, move the data with MirrorMaker, and destroy this one";
        return Some(Refusal::general(what(&asked), remedy));
    }
    if live.instance_type.starts_with("kafka.t3.") {
        let asked = format!("only with larger brokers than {}", live.instance_type);
        return Some(Refusal::general(what(&asked), "choose another type, such as kafka.m7g.large, and apply first"));
    }
    // Access that goes does so before the upgrade, and exporters after it.
    if wanted.public_access && live.public_access && (live.jmx_exporter || live.node_exporter) {
        let asked = "only without exporters for Prometheus, or without public access";
        return Some(Refusal::general(what(asked), "remove one of them, and apply first"));
    }
    None
}
