//! What a plan leaves behind: the live resources after it, as far as they follow from the plan. Pure; it knows nothing of calls.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Plan, Step, Work};
use crate::design::node_id;
use crate::kinds::cluster_settings::BROKERS;
use crate::kinds::partitions::{MAIN, ids_text};
use crate::kinds::voter::name_of;
use crate::kinds::{
    Broker, ClusterSettings, Instance, Kind as _, MskCluster, OfKind as _, Partitions, Resource, Volume, Voter,
    field as declared, from_json,
};
use crate::model::{Address, Ref, Tags, is_of_kafka, tag};
use crate::observed::{Inside, Live, Observed};

/// Does what `plan` says to what is `observed`, step by step and in every stage. Ids are made up: `vol-broker-1`.
pub fn apply(plan: &Plan, observed: &mut Observed) {
    plan.stages().for_each(|stage| apply_stage(stage, observed));
}

/// Does the steps of one stage.
pub fn apply_stage(plan: &Plan, observed: &mut Observed) {
    // Once for all of them: a thousand brokers may have begun.
    if plan.steps.iter().fold(false, |begun, step| run(step, observed) | begun) {
        share(observed);
    }
}

/// Does one step.
pub fn apply_step(step: &Step, observed: &mut Observed) {
    if run(step, observed) {
        share(observed);
    }
}

/// Returns whether a broker has begun to run.
fn run(step: &Step, observed: &mut Observed) -> bool {
    if observed.inside == Inside::NotAsked {
        observed.inside = Inside::Known;
    }
    match &step.work {
        Work::Create(new) => return make(observed, &step.address, &new.spec, &new.tags),
        Work::Roll { new, .. } | Work::Replace { new, .. } => {
            end(observed, &step.address);
            return make(observed, &step.address, &new.spec, &new.tags);
        }
        Work::Update { changes, .. } => {
            let Some(live) = observed.live.get_mut(&step.address) else { return false };
            for change in changes {
                match (change.tag(), change.after.as_str()) {
                    (Some(key), Some(value)) => drop(live.tags.insert(key.to_owned(), value.to_owned())),
                    (Some(key), None) => drop(live.tags.remove(key)),
                    (None, _) => set(&mut live.spec, &change.field, change.after.clone()),
                }
            }
            // Of a cluster whose brokers were not asked it stays unknown which of them are registered.
            let told = !observed.of::<Partitions>().is_empty();
            return told
                && step.address.kind == MskCluster::NAME
                && (register(observed, &step.address) || step.removes_brokers());
        }
        Work::Delete { .. } => end(observed, &step.address),
    }
    false
}

fn make(observed: &mut Observed, address: &Address, spec: &Resource, tags: &Tags) -> bool {
    let begun = begin(observed, address, spec, tags);
    let id = new_id(observed, address);
    // What AWS keeps of it: inputs of the creation alone are gone.
    let spec = from_json(&address.kind, &spec.spec()).unwrap_or_else(|| spec.clone());
    observed.live.insert(address.clone(), Live { id, spec, tags: tags.clone() });
    begun || address.kind == MskCluster::NAME && register(observed, address)
}

/// A cluster has settings from its first broker on: those that the broker starts with. Each broker registers. Returns whether it is one.
fn begin(observed: &mut Observed, host: &Address, spec: &Resource, tags: &Tags) -> bool {
    vote(observed, host, spec, tags);
    let Some(broker) = Instance::of(spec).filter(|instance| !instance.running.is_empty()) else { return false };
    let tags: Tags = tags.clone().into_iter().filter(|(key, _)| key == tag::STACK).collect();
    let live = |address: &Address, spec: Resource| {
        let mut tags = tags.clone();
        tags.insert(tag::ADDRESS.to_owned(), address.to_string());
        Live { id: address.name.clone(), spec, tags }
    };
    let address = Address::new(ClusterSettings::NAME, BROKERS);
    let begun = live(&address, ClusterSettings { config: broker.running.clone() }.into());
    observed.live.entry(address).or_insert(begun);
    let Some(id) = node_id(&host.name) else { return false };
    // Of a cluster whose brokers were not asked it stays unknown which of them are registered.
    let first =
        |kind: &str, name: &str| observed.live.range(Address::new(kind, name)..).next().map(|(address, _)| address);
    let known = first(Broker::NAME, "").is_some_and(|address| address.kind == Broker::NAME);
    let runs = |address: &Address| address.kind == Instance::NAME && address.name.starts_with("broker-");
    if !known && first(Instance::NAME, "broker-").is_some_and(runs) {
        return false;
    }
    let address = Address::new(Broker::NAME, &host.name);
    let begun = live(&address, Broker { id }.into());
    observed.live.entry(address).or_insert(begun);
    true
}

/// The standard brokers of an MSK cluster register, as many as it has. Returns whether one has done so now.
fn register(observed: &mut Observed, cluster: &Address) -> bool {
    let Some(live) = observed.live.get(cluster) else { return false };
    let Some(standard) = MskCluster::of(&live.spec).and_then(MskCluster::standard) else { return false };
    let (count, tags) = (standard.brokers as usize, live.tags.clone());
    let tags: Tags = tags.into_iter().filter(|(key, _)| key == tag::STACK).collect();
    let ids: BTreeSet<u32> = observed.of::<Broker>().into_values().map(|(_, broker)| broker.id).collect();
    let next = ids.last().copied().unwrap_or_default() + 1;
    let new = (next..).take(count.saturating_sub(ids.len()));
    for id in new.clone() {
        let address = Address::new(Broker::NAME, &format!("broker-{id}"));
        let tags = tags.clone().into_iter().chain([(tag::ADDRESS.to_owned(), address.to_string())]).collect();
        observed.live.insert(address.clone(), Live { id: address.name, spec: Broker { id }.into(), tags });
    }
    new.count() > 0
}

/// A quorum has its first voters from the first controller on that is one of them. Those that join later are made by steps.
fn vote(observed: &mut Observed, host: &Address, spec: &Resource, tags: &Tags) {
    if Instance::of(spec).is_none() || !host.name.starts_with("controller-") {
        return;
    }
    let of_kind = |address: &Address| address.kind == Voter::NAME;
    let volumes = observed.of::<Volume>();
    let volume = volumes.get(host.name.as_str()).map(|(_, volume)| *volume).filter(|volume| volume.joins.is_none());
    let Some(first) = volume.and_then(Volume::first_voters) else { return };
    if observed.live.range(Address::new(Voter::NAME, "")..).next().is_some_and(|(address, _)| of_kind(address)) {
        return;
    }
    let tags: Tags = tags.clone().into_iter().filter(|(key, _)| key == tag::STACK).collect();
    for id in first {
        let address = Address::new(Voter::NAME, &name_of(id));
        let spec = Voter { id, directory: "first".to_owned(), address: String::new() };
        let tags = tags.clone().into_iter().chain([(tag::ADDRESS.to_owned(), address.to_string())]).collect();
        observed.live.insert(address.clone(), Live { id: address.name, spec: spec.into(), tags });
    }
}

/// Each broker has its share of the partitions when all of a plan is done.
fn share(observed: &mut Observed) {
    let brokers = observed.of::<Broker>();
    let Some(address) = brokers.keys().next().map(|name| Address::new(Broker::NAME, name)) else { return };
    let ids = ids_text(&brokers.values().map(|(_, broker)| broker.id).collect());
    let main = Address::new(Partitions::NAME, MAIN);
    let mut tags = observed.live.get(&address).map(|live| live.tags.clone()).unwrap_or_default();
    tags.insert(tag::ADDRESS.to_owned(), main.to_string());
    let spec = Partitions { brokers: ids, cut_off: false, view: None };
    observed.live.insert(main, Live { id: MAIN.to_owned(), spec: spec.into(), tags });
}

/// `vol-broker-1`, and `vol-broker-1-2` for the next at the same address.
fn new_id(observed: &Observed, address: &Address) -> String {
    let earlier = observed.terminated.get(address).map_or(0, |ids| ids.len());
    let again = if earlier == 0 { String::new() } else { format!("-{}", earlier + 1) };
    format!("{}-{}{again}", prefix(&address.kind), address.name)
}

/// Takes the resource away. What named it names an id that is nobody's now; an instance loses its volume.
pub fn end(observed: &mut Observed, address: &Address) {
    let Some(live) = observed.live.remove(address) else { return };
    // What the cluster has goes with its last volume.
    if !observed.live.keys().any(|address| HOLDS_DATA.contains(&address.kind.as_str())) {
        observed.live.retain(|address, _| !is_of_kafka(&address.kind));
    }
    if address.kind == "instance" {
        observed.terminated.entry(address.clone()).or_default().insert(live.id.clone());
    }
    for other in observed.live.values_mut() {
        let lost = address.kind == "volume" && matches!(other.spec, Resource::Instance(_));
        let dangling = if lost { Ref::None } else { Ref::Id(live.id.clone()) };
        rename(&mut other.spec, address, &dangling);
    }
}

/// Kinds that hold what Kafka has.
const HOLDS_DATA: [&str; 3] = ["volume", "instance", "msk_cluster"];

fn prefix(kind: &str) -> &str {
    match kind {
        "volume" => "vol",
        "instance" => "i",
        "network_interface" => "eni",
        "security_group" => "sg",
        "security_group_rules" => "sgr",
        "internet_gateway" => "igw",
        "egress_only_gateway" => "eigw",
        "nat_gateway" => "nat",
        "elastic_ip" => "eipalloc",
        "route_table" => "rtb",
        "vpc_endpoint" => "vpce",
        other => other,
    }
}

/// Sets the field at a dotted path, where that makes a spec of the kind.
pub fn set(spec: &mut Resource, field: &str, value: Value) {
    let mut json = spec.spec();
    // The key of a mapping may have dots.
    let place = match declared(spec.kind(), field).filter(|one| one.rule.keyed).map(|one| one.name) {
        Some(name) => {
            let key = field.strip_prefix(name).and_then(|rest| rest.strip_prefix('.'));
            match key {
                Some(key) => &mut json[name][key],
                None => &mut json[name],
            }
        }
        None => field.split('.').fold(&mut json, |json, key| &mut json[key]),
    };
    *place = value;
    if let Some(changed) = from_json(spec.kind(), &json) {
        *spec = changed;
    }
}

/// Lets every reference to `from` name `to` instead.
pub fn rename(spec: &mut Resource, from: &Address, to: &Ref) {
    spec.refs_mut().into_iter().filter(|one| one.address() == Some(from)).for_each(|one| to.clone_into(one));
}
