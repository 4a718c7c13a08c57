//! What is live of a stack, added to what its picture shows: which hosts run, what the brokers say, and how many partitions each leads.

use std::collections::BTreeMap;

use super::shown::{Diagram, Line, Part, Role, State, Tone, volumes_text};
use crate::design::{host_of_volume, node_id};
use crate::engines::Engine;
use crate::kinds::{ClientInstance, Instance, Kind as _, MskCluster, NatGateway, Subnet, Volume, VpcEndpoint};
use crate::model::Address;
use crate::observed::Observed;
use crate::stack::Stack;

/// What was asked of a live stack.
#[derive(Debug)]
pub struct Seen<'a> {
    pub observed: &'a Observed,
    /// What the brokers say; or why they can't be asked, as a clause.
    pub kafka: Result<KafkaSeen, String>,
    /// Of MSK: each broker's id with the name of its zone.
    pub msk: Vec<(u32, String)>,
}

/// What the brokers say of themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KafkaSeen {
    /// Why the cluster is not healthy; empty when it is.
    pub problems: Vec<String>,
    /// The node id of the active controller.
    pub controller: Option<u32>,
    /// By node id.
    pub brokers: BTreeMap<u32, BrokerSeen>,
}

/// A broker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BrokerSeen {
    /// Why it serves nobody: `is fenced`.
    pub fault: Option<String>,
    /// How many partitions it leads.
    pub leads: usize,
}

impl Diagram {
    /// The same with what is live. `stack` is the file.
    pub fn live(mut self, stack: &Stack, seen: &Seen<'_>) -> Diagram {
        self.state = Some(cluster(stack, seen));
        let names: Vec<String> = self.zones.iter().map(|zone| zone.name.clone()).collect();
        for (zone, name) in self.zones.iter_mut().zip(&names) {
            for subnet in &mut zone.subnets {
                let parts = std::mem::take(&mut subnet.parts);
                subnet.parts = parts.into_iter().flat_map(|part| live_part(part, name, seen)).collect();
            }
            // Hosts that the file has no more: they run until a plan ends them.
            let known: Vec<String> =
                zone.subnets.iter().flat_map(|subnet| &subnet.parts).map(|part| part.name.clone()).collect();
            let extra = left_over(&known, name, seen);
            zone.subnets.last_mut().into_iter().for_each(|subnet| subnet.parts.extend(extra.clone()));
        }
        for part in &mut self.shared {
            part.state = Some(match part.role {
                Role::Endpoint => endpoint(part, seen),
                _ => of_msk(seen),
            });
        }
        self
    }
}

/// How the cluster is as a whole.
fn cluster(stack: &Stack, seen: &Seen<'_>) -> State {
    if !seen.observed.has_cluster() {
        return State::new(Tone::Waiting, "Nothing of the cluster is live");
    }
    let problems = match &seen.kafka {
        Err(why) => return State::new(Tone::Waiting, format!("Kafka's health is unknown: {why}")),
        Ok(kafka) => &kafka.problems,
    };
    match (&problems[..], Engine::of(stack)) {
        ([], _) => State::new(Tone::Well, "Kafka is healthy"),
        ([one], _) => State::new(Tone::Ill, format!("Kafka is not healthy: {one}")),
        ([one, rest @ ..], _) => State::new(Tone::Ill, format!("Kafka is not healthy: {one}; and {} more", rest.len())),
    }
}

/// What is live of `part`, which is in the zone `zone`. Several brokers of MSK become one part each.
fn live_part(mut part: Part, zone: &str, seen: &Seen<'_>) -> Vec<Part> {
    match part.role {
        Role::Broker | Role::Controller => match node_id(&part.name) {
            Some(_) => {
                as_it_is(&mut part, seen.observed);
                part.state = Some(host(&part.name, seen));
            }
            None => return brokers_of_msk(part, zone, seen),
        },
        Role::Client => part.state = Some(client(seen.observed)),
        Role::Nat => part.state = Some(nat(zone, seen.observed)),
        Role::Endpoint => part.state = Some(endpoint(&part, seen)),
    }
    vec![part]
}

/// The type and the volumes that a host has, where they are not those of the file yet.
fn as_it_is(part: &mut Part, observed: &Observed) {
    let instances = observed.of::<Instance>();
    if let Some((_, live)) = instances.get(part.name.as_str()) {
        let first = &mut part.lines[0].text;
        let rest = first.split_once(',').map(|(_, rest)| format!(",{rest}")).unwrap_or_default();
        *first = format!("{}{rest}", live.instance_type);
    }
    if let Some(text) = volumes(&part.name, observed) {
        part.lines.iter_mut().filter(|line| line.disk).for_each(|line| line.text.clone_from(&text));
    }
}

/// The live volumes of a host.
fn volumes(host: &str, observed: &Observed) -> Option<String> {
    let all = observed.of::<Volume>();
    let own: Vec<&Volume> =
        all.iter().filter(|(name, _)| host_of_volume(name).0 == host).map(|(_, (_, volume))| *volume).collect();
    let first = own.first()?;
    let iops = first.iops.map(|iops| format!(", {iops} IOPS")).unwrap_or_default();
    let throughput = first.throughput_mibs.map(|mibs| format!(", {mibs} MiB/s")).unwrap_or_default();
    Some(volumes_text(own.len(), &format!("{}, {} GiB{iops}{throughput}", first.kind, first.size_gib)))
}

/// How a host is: by EC2 first, then by Kafka.
fn host(name: &str, seen: &Seen<'_>) -> State {
    let observed = seen.observed;
    let Some((_, instance)) = observed.of::<Instance>().remove(name) else {
        return match observed.live.contains_key(&Address::new(Volume::NAME, name)) {
            true => State::new(Tone::Ill, "no instance"),
            false => not_there(),
        };
    };
    if instance.state != "running" {
        return State::new(Tone::Ill, instance.state.clone());
    }
    let (Ok(kafka), Some(node)) = (&seen.kafka, node_id(name)) else {
        return State::new(Tone::Well, "running");
    };
    of_kafka(kafka, node, name.starts_with("broker-"))
}

/// How a running node is, by what the brokers say.
fn of_kafka(kafka: &KafkaSeen, node: u32, broker: bool) -> State {
    let active = if kafka.controller == Some(node) { ", the active controller" } else { "" };
    if !broker {
        return State::new(Tone::Well, format!("running{active}"));
    }
    match kafka.brokers.get(&node) {
        None => State::new(Tone::Ill, "running, and not registered"),
        Some(BrokerSeen { fault: Some(fault), .. }) => State::new(Tone::Ill, format!("running, and {fault}")),
        Some(one) => State { tone: Tone::Well, text: format!("running{active}"), leads: Some(one.leads) },
    }
}

fn not_there() -> State {
    State::new(Tone::Waiting, "not there")
}

fn client(observed: &Observed) -> State {
    match observed.of::<ClientInstance>().remove(ClientInstance::CLIENT) {
        None => not_there(),
        Some((_, one)) if one.state == "running" => State::new(Tone::Well, "running"),
        Some((_, one)) => State::new(Tone::Ill, one.state.clone()),
    }
}

fn available(state: &str) -> State {
    State::new(if state == "available" { Tone::Well } else { Tone::Waiting }, state)
}

fn nat(zone: &str, observed: &Observed) -> State {
    let subnets = observed.of::<Subnet>();
    let in_zone = |one: &NatGateway| {
        let subnet = one.subnet.address().and_then(|address| subnets.get(address.name.as_str()));
        subnet.is_some_and(|(_, subnet)| subnet.zone == zone)
    };
    let gateways = observed.of::<NatGateway>();
    gateways.values().find(|(_, one)| in_zone(one)).map_or_else(not_there, |(_, one)| available(&one.state))
}

/// Of the endpoints that a part names in its line, the one that is the furthest from being there.
fn endpoint(part: &Part, seen: &Seen<'_>) -> State {
    let live = seen.observed.of::<VpcEndpoint>();
    let names = part.lines[0].text.split(", ").filter(|name| !name.starts_with("in the "));
    let all: Vec<(&str, State)> =
        names.map(|name| (name, live.get(name).map_or_else(not_there, |(_, one)| available(&one.state)))).collect();
    match all.iter().find(|(_, state)| state.tone != Tone::Well) {
        None => State::new(Tone::Well, "available"),
        Some((_, state)) if all.len() == 1 => state.clone(),
        Some((name, state)) => State::new(state.tone, format!("{name}: {}", state.text)),
    }
}

/// MSK's own word on the cluster.
fn of_msk(seen: &Seen<'_>) -> State {
    match seen.observed.of::<MskCluster>().into_values().next() {
        None => not_there(),
        Some((_, one)) if one.state == crate::kinds::msk_cluster::ACTIVE => {
            State::new(Tone::Well, "the cluster is active")
        }
        Some((_, one)) => State::new(Tone::Waiting, format!("the cluster is {}", one.state)),
    }
}

/// The brokers of MSK that are in `zone`, each as a part; the part itself where AWS tells of none.
fn brokers_of_msk(mut part: Part, zone: &str, seen: &Seen<'_>) -> Vec<Part> {
    let ids: Vec<u32> = seen.msk.iter().filter(|(_, of)| of == zone).map(|(id, _)| *id).collect();
    if ids.is_empty() {
        part.state = Some(of_msk(seen));
        return vec![part];
    }
    let one = |id: &u32| {
        let mut one = part.clone();
        one.name = format!("broker {id}");
        one.count = 1;
        one.lines.iter_mut().for_each(|line| line.text = line.text.replace(" each", ""));
        one.state = Some(match &seen.kafka {
            Ok(kafka) => of_kafka(kafka, *id, true),
            Err(_) => of_msk(seen),
        });
        one
    };
    ids.iter().map(one).collect()
}

/// Live hosts in `zone` whose names are not among `known`.
fn left_over(known: &[String], zone: &str, seen: &Seen<'_>) -> Vec<Part> {
    let observed = seen.observed;
    let (volumes_live, instances) = (observed.of::<Volume>(), observed.of::<Instance>());
    let in_zone = |name: &str| volumes_live.get(name).is_some_and(|(_, volume)| volume.zone == zone);
    let extra = instances.iter().filter(|(name, _)| in_zone(name) && !known.iter().any(|one| one == *name));
    let part = |(name, (_, instance)): (&&str, &(&crate::observed::Live, &Instance))| {
        let role = if name.starts_with("broker-") { Role::Broker } else { Role::Controller };
        let disks = volumes(name, observed).map(Line::disk);
        let lines = [Some(Line::of(&instance.instance_type)), disks, Some(Line::of("not in the file any more"))];
        let mut part = Part::new(role, *name, lines.into_iter().flatten().collect());
        part.state = Some(host(name, seen));
        part
    };
    extra.map(part).collect()
}
