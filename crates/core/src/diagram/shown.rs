//! What a picture of a stack shows, as plain data: out of the design, before anybody draws it.

use super::ways::{WayPart, ways};
use crate::design::{Design, HostDesign, Zone};
use crate::endpoint_services::by_gateway;
use crate::engines::Engine;
use crate::kinds::{self, Kind as _, NatGateway, OfKind as _, Resource, VpcEndpoint};
use crate::model::{Address, Ref};
use crate::stack::{SubnetChoice, VpcChoice, Zones};
use crate::text::{first_of, many};

/// What is shown of a stack.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagram {
    /// `prod in ap-northeast-2`.
    pub title: String,
    /// What the cluster is, in one line.
    pub about: String,
    /// How the whole cluster is, of a live one.
    pub state: Option<State>,
    /// Who comes in, and where hosts go out.
    pub ways: Vec<WayPart>,
    /// `VPC 10.40.0.0/16`.
    pub network: String,
    /// Whether the network is the stack's own.
    pub own_network: bool,
    pub zones: Vec<ZonePart>,
    /// What is in the network and in no zone.
    pub shared: Vec<Part>,
}

/// A zone with the subnets that the stack uses in it.
#[derive(Debug, Clone, PartialEq)]
pub struct ZonePart {
    pub name: String,
    pub subnets: Vec<SubnetPart>,
}

/// A subnet and what is in it.
#[derive(Debug, Clone, PartialEq)]
pub struct SubnetPart {
    pub name: String,
    /// Its address block, and where it leads.
    pub about: String,
    pub public: bool,
    pub parts: Vec<Part>,
}

/// A host, a gateway, an endpoint; or several hosts that are alike.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    pub role: Role,
    /// Its name in the stack.
    pub name: String,
    pub lines: Vec<Line>,
    /// What no other part of its kind has: its address.
    pub own: Option<String>,
    /// How it is, of a live stack.
    pub state: Option<State>,
    /// For how many it stands.
    pub count: usize,
}

/// A line of a part.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub text: String,
    /// Whether it tells of disks.
    pub disk: bool,
}

/// What a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// One that may be a controller too.
    Broker,
    Controller,
    /// The client host.
    Client,
    Nat,
    Endpoint,
}

/// How something live is.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    pub tone: Tone,
    pub text: String,
    /// Of a broker: how many partitions it leads.
    pub leads: Option<usize>,
}

/// Whether it is as it is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    Well,
    /// Not there yet, or not known.
    Waiting,
    Ill,
}

/// Who says which zones and which subnets of others a design has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZonesBy {
    Aws,
    /// Nobody was asked: only what the file names is known.
    File,
}

impl State {
    pub fn new(tone: Tone, text: impl Into<String>) -> State {
        State { tone, text: text.into(), leads: None }
    }

    /// In words.
    pub fn words(&self) -> String {
        match self.leads {
            Some(count) => format!("{}, leads {}", self.text, many(count, "partition")),
            None => self.text.clone(),
        }
    }
}

impl Line {
    pub fn of(text: impl Into<String>) -> Line {
        Line { text: text.into(), disk: false }
    }
    pub fn disk(text: impl Into<String>) -> Line {
        Line { text: text.into(), disk: true }
    }
}

impl Part {
    pub fn new(role: Role, name: impl Into<String>, lines: Vec<Line>) -> Part {
        Part { role, name: name.into(), lines, own: None, state: None, count: 1 }
    }
}

impl Diagram {
    /// What is to be: the stack of `design`.
    pub fn of(design: &Design, by: ZonesBy) -> Diagram {
        let stack = &design.stack;
        let desired = kinds::desired(design);
        let zones = design.zones.iter().enumerate();
        Diagram {
            title: format!("{} in {}", stack.name, stack.region),
            about: about(design),
            state: None,
            ways: ways(design, by),
            network: network(design, by),
            own_network: design.existing.is_none(),
            zones: zones.map(|(index, zone)| zone_part(design, by, index, zone, &desired)).collect(),
            shared: shared(design, &desired),
        }
    }
}

type Desired = std::collections::BTreeMap<Address, Resource>;

/// `6 brokers and 3 controllers on EC2, Kafka 4.1.1`.
fn about(design: &Design) -> String {
    let stack = &design.stack;
    if let Some(ec2) = &stack.cluster.ec2 {
        let brokers = many(ec2.brokers.count, "broker");
        let controllers = design.hosts.iter().filter(|host| !host.broker()).count();
        let hosts = match controllers {
            0 => brokers,
            count => format!("{brokers} and {}", many(count, "controller")),
        };
        return format!("{hosts} on EC2, Kafka {}", ec2.kafka);
    }
    match design.msk.as_ref().and_then(|msk| msk.provisioned.as_ref()) {
        Some(one) => format!("{} of Amazon MSK, Kafka {}", many(one.brokers, "broker"), one.kafka),
        None => "Amazon MSK Serverless".to_owned(),
    }
}

fn network(design: &Design, by: ZonesBy) -> String {
    let network = &design.stack.network;
    if let (Some(file), Some(existing)) = (&network.existing, &design.existing) {
        let vpc = match &file.vpc {
            VpcChoice::Tags(tags) if by == ZonesBy::File => format!("with the tags {}", pairs(tags)),
            _ => existing.vpc.clone(),
        };
        return format!("VPC {vpc}, not made by kstack");
    }
    let blocks: Vec<String> = network.cidr.iter().chain(&network.secondary_cidrs).map(ToString::to_string).collect();
    let ipv6 = if network.ipv6 { " and a block of IPv6" } else { "" };
    let pool = network.ipam_pool.as_ref().map(|pool| format!(", from {pool}")).unwrap_or_default();
    format!("VPC {}{ipv6}{pool}", first_of(&blocks))
}

fn pairs(tags: &std::collections::BTreeMap<String, String>) -> String {
    tags.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(", ")
}

/// The zone's name as far as it is known; else its place among them.
pub(super) fn zone_name(design: &Design, by: ZonesBy, index: usize) -> String {
    let zone = &design.zones[index];
    match (&design.stack.network.zones, by) {
        (_, ZonesBy::Aws) => zone.name.clone(),
        (Zones::Named(names), _) if names.contains(&zone.name) => zone.name.clone(),
        (Zones::Named(names), _) if names.contains(&zone.id) => zone.id.clone(),
        _ => format!("Zone {}", index + 1),
    }
}

fn zone_part(design: &Design, by: ZonesBy, index: usize, zone: &Zone, desired: &Desired) -> ZonePart {
    let in_public = design.msk.as_ref().is_some_and(|msk| msk.in_public_subnets);
    let mut hosts = hosts(design, by, index);
    let brokers = brokers_of_msk(design, index);
    let endpoints = endpoints(&design.public_subnet(zone), desired);
    let subnets = match &design.existing {
        Some(existing) => {
            let subnet = existing.subnets.get(&zone.name);
            let named = design.stack.network.existing.as_ref().map(|one| &one.subnets);
            let name = match named {
                Some(SubnetChoice::Tags(tags)) if by == ZonesBy::File => {
                    format!("Subnet with the tags {}", pairs(tags))
                }
                _ => subnet.map(|subnet| format!("Subnet {}", subnet.id)).unwrap_or_default(),
            };
            let block = subnet.and_then(|subnet| subnet.block).filter(|_| by == ZonesBy::Aws);
            let about = block.map_or_else(|| "not made by kstack".to_owned(), |block| block.to_string());
            let parts = endpoints.into_iter().chain(brokers).chain(hosts).collect();
            vec![SubnetPart { name, about, public: false, parts }]
        }
        None => {
            let nat = desired.contains_key(&Address::new(NatGateway::NAME, &zone.key));
            let nat = nat.then(|| Part::new(Role::Nat, "NAT gateway", vec![]));
            let mut public: Vec<Part> = nat.into_iter().chain(endpoints).collect();
            match in_public {
                true => public.extend(brokers),
                false => hosts.extend(brokers),
            }
            let out = way_out(design, by, index, desired);
            vec![
                SubnetPart {
                    name: "Public subnet".to_owned(),
                    about: zone.public.to_string(),
                    public: true,
                    parts: public,
                },
                SubnetPart {
                    name: "Private subnet".to_owned(),
                    about: format!("{}, {out}", zone.private),
                    public: false,
                    parts: hosts,
                },
            ]
        }
    };
    ZonePart { name: zone_name(design, by, index), subnets }
}

/// Where what is in the private subnet of a zone goes out, as a clause.
fn way_out(design: &Design, by: ZonesBy, index: usize, desired: &Desired) -> String {
    let has = |zone: &Zone| desired.contains_key(&Address::new(NatGateway::NAME, &zone.key));
    if has(&design.zones[index]) {
        return "out by NAT".to_owned();
    }
    match design.zones.iter().position(has) {
        Some(other) => format!("out by NAT in {}", zone_name(design, by, other)),
        None => {
            let routes = design.stack.network.routes.iter();
            let mut defaults = routes.filter(|route| route.to.to_string() == "0.0.0.0/0");
            defaults.next().map_or_else(|| "no NAT".to_owned(), |route| format!("out by {}", route.via))
        }
    }
}

/// The interfaces of endpoints in `subnet`, in one part.
fn endpoints(subnet: &Ref, desired: &Desired) -> Option<Part> {
    let all = desired.iter().filter_map(|(address, one)| Some((address, VpcEndpoint::of(one)?)));
    let names: Vec<&str> =
        all.filter(|(_, one)| one.subnets.contains(subnet)).map(|(address, _)| address.name.as_str()).collect();
    let name = if names.len() == 1 { "VPC endpoint" } else { "VPC endpoints" };
    (!names.is_empty()).then(|| Part::new(Role::Endpoint, name, vec![Line::of(names.join(", "))]))
}

/// What no zone has: gateway endpoints, and a serverless cluster.
fn shared(design: &Design, desired: &Desired) -> Vec<Part> {
    let gateways = desired.iter().filter_map(|(address, one)| {
        VpcEndpoint::of(one)?;
        by_gateway(&address.name).then_some(address.name.as_str())
    });
    let gateways: Vec<&str> = gateways.collect();
    let mut all = Vec::new();
    if Engine::of(&design.stack) == Engine::Msk && design.msk.as_ref().is_some_and(|msk| msk.provisioned.is_none()) {
        let lines = vec![Line::of("AWS sizes it, and has an interface in the private subnet of each zone")];
        all.push(Part::new(Role::Broker, "MSK Serverless", lines));
    }
    if !gateways.is_empty() {
        let name = if gateways.len() == 1 { "Gateway endpoint" } else { "Gateway endpoints" };
        let lines = vec![Line::of(format!("{}, in the route tables of the private subnets", gateways.join(", ")))];
        all.push(Part::new(Role::Endpoint, name, lines));
    }
    all
}

/// The brokers and controllers of a zone, and the client host where it is there.
fn hosts(design: &Design, by: ZonesBy, index: usize) -> Vec<Part> {
    let own = || design.hosts.iter().filter(|host| host.zone == index);
    let (brokers, controllers) = (own().filter(|host| host.broker()), own().filter(|host| !host.broker()));
    let mut all: Vec<Part> = brokers.chain(controllers).map(|host| host_part(design, by, host)).collect();
    if let Some(client) = design.client.as_ref().filter(|client| client.zone == index) {
        let lines = vec![Line::of(&client.instance_type), Line::of("Kafka's tools: kstack shell")];
        all.push(Part::new(Role::Client, "Client host", lines));
    }
    all
}

fn host_part(design: &Design, by: ZonesBy, host: &HostDesign) -> Part {
    let role = if host.broker() { Role::Broker } else { Role::Controller };
    let too = if host.broker() && host.votes() { ", a controller too" } else { "" };
    let disks = match host.cloud.own_disks {
        Some(count) => format!("{} of its own, {} GiB each", many(count, "disk"), host.volume.size_gib),
        None => volumes_text(host.volumes().len(), &host.volume.text()),
    };
    let lines = vec![Line::of(format!("{}{too}", host.instance_type)), Line::disk(disks)];
    let mut part = Part::new(role, &host.name, lines);
    // In subnets of others it is the first free one, which only AWS knows.
    let known = design.existing.is_none() || by == ZonesBy::Aws;
    part.own = known.then(|| host.address.to_string());
    part
}

/// `gp3, 500 GiB, 3000 IOPS, 125 MiB/s`, or so many of it.
pub(super) fn volumes_text(count: usize, each: &str) -> String {
    if count == 1 { each.to_owned() } else { format!("{count} × {each}") }
}

/// The brokers that MSK has in a zone: as many as in each other one.
fn brokers_of_msk(design: &Design, index: usize) -> Option<Part> {
    let one = design.msk.as_ref()?.provisioned.as_ref()?;
    let zones = u32::try_from(design.zones.len()).unwrap_or(1).max(1);
    let count = one.brokers / zones + u32::from((index as u32) < one.brokers % zones);
    let storage = one.volume_gib.map(|size| {
        let throughput = one.throughput_mibs.filter(|mibs| *mibs > 0).map(|mibs| format!(", {mibs} MiB/s"));
        Line::disk(format!("{size} GiB each{}", throughput.unwrap_or_default()))
    });
    let grows = design.msk.as_ref()?.max_gib.map(|size| Line::of(format!("grows by itself up to {size} GiB")));
    let lines = [Some(Line::of(&one.instance_type)), storage, grows].into_iter().flatten().collect();
    let mut part = Part::new(Role::Broker, many(count, "broker"), lines);
    part.count = count as usize;
    (count > 0).then_some(part)
}
