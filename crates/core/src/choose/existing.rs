//! A network that others made: which of its subnets the stack is in, and every reason why it can't be.

use std::collections::{BTreeMap, BTreeSet};

use super::client;
use crate::choose::PlanningInput;
use crate::cloud_init::Os;
use crate::design::{Design, ExistingNetwork, NetworkFacts, SubnetFacts, VpcFacts};
use crate::engines::Engine;
use crate::kinds::{ClientInstance, MskCluster, NetworkInterface, SecurityGroup, Vpc, VpcEndpoint};
use crate::model::{NEW_STACK, Ref};
use crate::observed::Observed;
use crate::refusal::Refusal;
use crate::stack::{Client, Ec2, Existing, Peer, Stack, SubnetChoice, VpcChoice};

/// The network that the file names, with one subnet in each zone that has one: where the stack's live resources are, or else the
/// one with the most free addresses. `None` where the VPC is not known.
pub fn choose(
    stack: &Stack,
    existing: &Existing,
    input: &PlanningInput,
    refusals: &mut Vec<Refusal>,
) -> Option<ExistingNetwork> {
    let facts = &input.facts.network;
    let vpc = the_vpc(stack, existing, facts, refusals)?;
    let cluster = input.observed.of::<MskCluster>().contains_key("main");
    // A cluster that is there has its names.
    for (on, name) in [(vpc.dns_support, "enableDnsSupport"), (vpc.dns_hostnames, "enableDnsHostnames")] {
        if !on && !cluster {
            refusals.push(Refusal::general(
                format!("{} has DNS off: its attribute {name} is false", vpc.id),
                format!("set {name} to true in the VPC; names of endpoints and of MSK's brokers need it"),
            ));
        }
    }
    let live = live_subnets(&input.observed);
    let mut subnets: BTreeMap<String, SubnetFacts> = BTreeMap::new();
    for subnet in the_subnets(stack, existing, vpc, input, refusals) {
        let rank = |subnet: &SubnetFacts| (live.contains(&subnet.id), subnet.free);
        match subnets.get(&subnet.zone) {
            Some(other) if rank(other) >= rank(subnet) => {}
            _ => drop(subnets.insert(subnet.zone.clone(), subnet.clone())),
        }
    }
    Some(ExistingNetwork {
        vpc: vpc.id.clone(),
        blocks: vpc.blocks.clone(),
        ipv6: vpc.ipv6,
        subnets,
        endpoints: facts.endpoints.clone(),
    })
}

/// Tags as they are in the file.
fn shown(tags: &BTreeMap<String, String>) -> String {
    tags.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(", ")
}

fn the_vpc<'a>(
    stack: &Stack,
    existing: &Existing,
    facts: &'a NetworkFacts,
    refusals: &mut Vec<Refusal>,
) -> Option<&'a VpcFacts> {
    let (reason, remedy) = match (&facts.vpcs[..], &existing.vpc) {
        ([one], _) => return Some(one),
        (_, VpcChoice::Id(id)) => (
            format!("there is no {id} in {} for this account", stack.region),
            "name a VPC of the stack's region, or change `region`: a stack can't be in another region than its VPC"
                .to_owned(),
        ),
        ([], VpcChoice::Tags(tags)) => (
            format!("no VPC in {} has the tags {}", stack.region, shown(tags)),
            "correct the tags below `network.existing.vpc`, or write the VPC's id".to_owned(),
        ),
        (several, VpcChoice::Tags(tags)) => {
            let ids: Vec<&str> = several.iter().map(|vpc| vpc.id.as_str()).collect();
            (
                format!("{} all have the tags {}", ids.join(" and "), shown(tags)),
                "write the id of one of them, or a tag that only it has".to_owned(),
            )
        }
    };
    refusals.push(Refusal::general(reason, remedy));
    None
}

/// The subnets of the file that can be used: in the VPC, in a zone of the region, with IPv4 addresses.
fn the_subnets<'a>(
    stack: &Stack,
    existing: &Existing,
    vpc: &VpcFacts,
    input: &'a PlanningInput,
    refusals: &mut Vec<Refusal>,
) -> Vec<&'a SubnetFacts> {
    let facts = &input.facts.network;
    match &existing.subnets {
        SubnetChoice::Ids(ids) => {
            for id in ids.iter().filter(|id| facts.subnets.iter().all(|subnet| subnet.id != id.0)) {
                refusals.push(Refusal::general(
                    format!("there is no {id} in {} for this account", stack.region),
                    format!("name a subnet of {}", vpc.id),
                ));
            }
        }
        SubnetChoice::Tags(tags) if facts.subnets.is_empty() => refusals.push(Refusal::general(
            format!("no subnet of {} has the tags {}", vpc.id, shown(tags)),
            "correct the tags below `network.existing.subnets`, or write the subnets' ids",
        )),
        SubnetChoice::Tags(_) => {}
    }
    let fits = |subnet: &&SubnetFacts| {
        let (reason, remedy) = if subnet.vpc != vpc.id {
            (
                format!("{} is in {}, and not in {}", subnet.id, subnet.vpc, vpc.id),
                "name subnets of one VPC, the one below `network.existing.vpc`",
            )
        } else if !input.facts.zones.contains_key(&subnet.zone) {
            (
                format!("{} is in {}, which is no availability zone that this account can use", subnet.id, subnet.zone),
                "name a subnet in an availability zone: local and Wavelength zones can't hold the stack",
            )
        } else if subnet.block.is_none() {
            (format!("{} has no IPv4 addresses", subnet.id), "name a subnet with an IPv4 block: Kafka's hosts need one")
        } else {
            return true;
        };
        refusals.push(Refusal::general(reason, remedy));
        false
    };
    facts.subnets.iter().filter(fits).collect()
}

/// The ids of subnets of others that the stack's live resources are in.
fn live_subnets(observed: &Observed) -> BTreeSet<String> {
    let (interfaces, clusters) = (observed.of::<NetworkInterface>(), observed.of::<MskCluster>());
    let endpoints = observed.of::<VpcEndpoint>();
    let all = interfaces.values().map(|(_, one)| &one.subnet);
    let all = all.chain(clusters.values().flat_map(|(_, one)| &one.subnets));
    let all = all.chain(endpoints.values().flat_map(|(_, one)| &one.subnets));
    all.filter_map(Ref::id).map(str::to_owned).collect()
}

/// The names of the zones that the stack's live resources are in, of a network of others.
pub fn live_zones(network: &ExistingNetwork, observed: &Observed) -> Vec<String> {
    let live = live_subnets(observed);
    network.subnets.values().filter(|subnet| live.contains(&subnet.id)).map(|subnet| subnet.zone.clone()).collect()
}

/// Refuses to take a live stack from its own network to another, or back.
pub fn check_move(stack: &Stack, observed: &Observed, refusals: &mut Vec<Refusal>) {
    let own = observed.of::<Vpc>().into_values().next().map(|(live, _)| live.id.clone());
    let groups = observed.of::<SecurityGroup>();
    let other = groups.values().find_map(|(_, group)| group.vpc.id()).filter(|_| own.is_none());
    let (now, wanted) = match (&stack.network.existing, own, other) {
        (Some(_), Some(own), _) => (format!("a network of its own, {own}"), "an existing one"),
        (None, None, Some(other)) => (format!("in {other}, which does not have its tag"), "a network of its own"),
        _ => return,
    };
    let now = if now.starts_with("in ") { format!("is {now}") } else { format!("has {now}") };
    refusals.push(Refusal::general(
        format!("the live stack {now}, and the file asks for {wanted}: a stack keeps its network"),
        format!("write `network` as it was; or {NEW_STACK}"),
    ));
}

/// Refuses subnets that do not lead to what hosts and brokers need, and such as have too few free addresses.
pub fn check_subnets(design: &Design, input: &PlanningInput, refusals: &mut Vec<Refusal>) {
    let Some(network) = &design.existing else { return };
    let used =
        design.zones.iter().enumerate().filter_map(|(index, zone)| Some((index, network.subnets.get(&zone.name)?)));
    for (index, subnet) in used {
        match Engine::of(&design.stack) {
            Engine::Ec2 => {
                let downloads = design.stack.cluster.ec2.as_ref().map(Downloads::of_hosts);
                downloads.into_iter().for_each(|one| check_way_out(design, network, subnet, &one, refusals));
            }
            Engine::Msk => {
                check_way_in(design, subnet, refusals);
                let client = design.stack.client.as_ref().filter(|_| client::zone(design, input) == Some(index));
                let downloads = client.map(|client| Downloads::of_client(&design.stack, client));
                downloads.into_iter().for_each(|one| check_way_out(design, network, subnet, &one, refusals));
            }
        }
        if design.stack.network.ipv6 && subnet.ipv6.is_none() {
            refusals.push(Refusal::general(
                format!("{} has no IPv6 block, and the file has `ipv6: true`", subnet.id),
                "have one associated with the VPC and the subnet, name a subnet with one, or remove `ipv6`",
            ));
        }
        check_room(design, input, index, subnet, refusals);
    }
}

/// What the file says of hosts' downloads.
struct Downloads {
    /// Of whom.
    who: &'static str,
    /// What a host has in the file's words, for the remedy.
    archives: &'static str,
    proxy: bool,
    mirror: bool,
    /// Whether Kafka, and what else hosts need of it, is elsewhere than on the internet.
    own_archives: bool,
    /// Whether packages are in S3.
    in_s3: bool,
}

impl Downloads {
    fn of_hosts(ec2: &Ec2) -> Downloads {
        Downloads {
            who: "hosts",
            archives: "an `archive` of Kafka that is",
            proxy: ec2.proxy.is_some(),
            mirror: ec2.package_mirror.is_some(),
            own_archives: ec2.archive.is_some(),
            in_s3: true,
        }
    }

    fn of_client(stack: &Stack, client: &Client) -> Downloads {
        let iam = stack.cluster.msk.as_ref().is_some_and(|msk| msk.access().iam);
        Downloads {
            who: "the client host",
            archives: "an `archive` of Kafka and an `iam_auth` below `client` that are",
            proxy: client.proxy.is_some(),
            mirror: client.package_mirror.is_some(),
            own_archives: client.archive.is_some() && (client.iam_auth.is_some() || !iam),
            in_s3: client.os.unwrap_or(Os::Al2023) == Os::Al2023,
        }
    }
}

/// Hosts fetch packages and Kafka's archive when they start.
fn check_way_out(
    design: &Design,
    network: &ExistingNetwork,
    subnet: &SubnetFacts,
    downloads: &Downloads,
    refusals: &mut Vec<Refusal>,
) {
    // A proxy is in the VPC, or where a route of its own leads.
    if subnet.leads_out() || downloads.proxy {
        return;
    }
    let s3 = format!("com.amazonaws.{}.s3", design.stack.region);
    let there = |table: &String| {
        network.endpoints.iter().any(|one| one.service == s3 && (one.private_dns || one.route_tables.contains(table)))
    };
    let named = design.stack.network.endpoints.iter().any(|name| name.0 == "s3");
    // Amazon Linux has its packages in S3.
    let packages = downloads.mirror || downloads.in_s3 && (named || there(&subnet.route_table));
    if packages && downloads.own_archives {
        return;
    }
    let who = downloads.who;
    let why = match &subnet.default_route {
        Some(target) => format!(
            "its default route in {} leads to {target}, which takes a public address, and {who} {} none",
            subnet.route_table,
            if who == "hosts" { "have" } else { "has" }
        ),
        None => format!("{} has no active default route", subnet.route_table),
    };
    refusals.push(Refusal::general(
        format!("{} has no route out for {who}: {why}", subnet.id),
        format!(
            "name a private subnet with a route to a NAT gateway or a transit gateway; or, for a closed network, write `endpoints: [s3]` or a \
             `package_mirror` for packages, and {} reached from there; or a `proxy` for both",
            downloads.archives
        ),
    ));
}

/// Brokers of MSK need no route out; public ones need one in.
fn check_way_in(design: &Design, subnet: &SubnetFacts, refusals: &mut Vec<Refusal>) {
    let public = design.stack.cluster.msk.as_ref().is_some_and(|msk| msk.public_access);
    if public && !subnet.is_public() {
        refusals.push(Refusal::general(
            format!("{} has no route to an internet gateway, and brokers with public access need one", subnet.id),
            "name public subnets below `network.existing.subnets`, or remove `public_access`",
        ));
    }
}

/// Addresses that the stack still takes in the subnet of the zone at `index`: for what is missing of it, and for its growth.
fn check_room(design: &Design, input: &PlanningInput, index: usize, subnet: &SubnetFacts, refusals: &mut Vec<Refusal>) {
    let stack = &design.stack;
    let missing = match (&stack.cluster.ec2, &stack.cluster.msk) {
        (Some(ec2), _) => super::ec2::missing_hosts(design, ec2, &input.observed, index),
        // An interface for each broker. Source: the MSK guide, "Create a VPC with subnets", 2026, and what its brokers show.
        (None, Some(msk)) => {
            let live = input.observed.of::<MskCluster>().remove("main");
            let live = live.and_then(|(_, one)| one.provisioned.as_ref()).map_or(0, |one| one.brokers);
            let wanted = msk.brokers.as_ref().map_or(0, |brokers| brokers.count);
            wanted.saturating_sub(live).div_ceil(u32::try_from(design.zones.len()).unwrap_or(1).max(1))
        }
        (None, None) => 0,
    };
    let interfaces =
        stack.network.endpoints.iter().filter(|name| crate::kinds::vpc_endpoint::has_interfaces(design, name));
    let live_endpoints = input.observed.of::<VpcEndpoint>();
    let endpoints = interfaces.filter(|name| !live_endpoints.contains_key(VpcEndpoint::name_of(name).as_str())).count();
    let client = client::zone(design, input) == Some(index);
    let client = client && !input.observed.of::<ClientInstance>().contains_key(ClientInstance::CLIENT);
    let now = missing + u32::try_from(endpoints).unwrap_or(u32::MAX) + u32::from(client);
    let later = growth(design);
    if subnet.free < now + later {
        let block = subnet.block.map(|block| format!(" ({block})")).unwrap_or_default();
        let growth = if later > 0 { format!(", and {later} more for `growth`") } else { String::new() };
        refusals.push(Refusal::general(
            format!(
                "{}{block} has {} addresses left, and the stack needs {now} in it now{growth}",
                subnet.id, subnet.free
            ),
            "name a larger subnet of that zone, or another one beside it; or free addresses in it",
        ));
    }
}

/// Brokers of each zone that the stack grows by, where their number grows with the workload.
fn growth(design: &Design) -> u32 {
    let cluster = &design.stack.cluster;
    let of_ec2 = cluster.ec2.as_ref().map(|ec2| ec2.brokers.count);
    let count = of_ec2.or_else(|| Some(cluster.msk.as_ref()?.brokers.as_ref()?.count)).unwrap_or_default();
    let more = (f64::from(count) * (design.stack.workload.growth - 1.0)).ceil().clamp(0.0, f64::from(u16::MAX)) as u32;
    more.div_ceil(u32::try_from(design.zones.len()).unwrap_or(1).max(1))
}

/// Refuses groups, lists and address blocks of the file that can't be used.
pub fn check_access(
    stack: &Stack,
    network: Option<&ExistingNetwork>,
    input: &PlanningInput,
    refusals: &mut Vec<Refusal>,
) {
    let (facts, region) = (&input.facts.network, &stack.region);
    let own = input.observed.of::<Vpc>().into_values().next().map(|(live, _)| live.id.clone());
    // Where the VPC itself is in question, it is not asked who is in it.
    let unknown = stack.network.existing.is_some() && network.is_none();
    let vpc = network.map(|network| network.vpc.clone()).or(own);
    for group in &stack.network.security_groups {
        let (reason, remedy) = match (facts.groups.get(&group.0), &vpc) {
            (None, _) => (
                format!("there is no security group {group} in {region} for this account"),
                "correct it below `network.security_groups`",
            ),
            (Some(of), Some(vpc)) if of != vpc => (
                format!("the security group {group} is in {of}, and the stack is in {vpc}"),
                "name a group of the stack's VPC: an interface takes no other",
            ),
            (Some(of), None) if !unknown => (
                format!("the security group {group} is in {of}, and the stack's own VPC is not made yet"),
                "remove it, apply, and name a group that you make in the stack's VPC; or use `network.existing`",
            ),
            _ => continue,
        };
        refusals.push(Refusal::general(reason, remedy));
    }
    let mut seen = BTreeSet::new();
    for peer in stack.peers().filter(|peer| seen.insert(*peer)) {
        let (reason, remedy) = match peer {
            // A group of another account is known to EC2 once the VPCs are peered.
            Peer::Group(id) if !id.contains('/') && !facts.groups.contains_key(id) => (
                format!("there is no security group {id} in {region} for this account"),
                "correct it; a group of another account is written `ACCOUNT/sg-...`",
            ),
            Peer::PrefixList(id) => match facts.prefix_lists.get(id).map(String::as_str) {
                None => (
                    format!("there is no prefix list {id} in {region} for this account"),
                    "correct it, or have the list shared with this account",
                ),
                Some("IPv6") if !stack.network.ipv6 => (
                    format!("the prefix list {id} has IPv6 addresses"),
                    "name one with IPv4 addresses, or write `ipv6: true` below `network`",
                ),
                Some(_) => continue,
            },
            Peer::Block(block) => {
                let inside = |vpc: &&ipnet::Ipv4Net| vpc.contains(block);
                match network.iter().flat_map(|network| &network.blocks).find(inside) {
                    Some(of) => (
                        format!(
                            "the clients' block {block} overlaps with the VPC's own {of}: nobody outside can have these addresses"
                        ),
                        "remove it; name clients inside the VPC by their security group (`sg-...`), or give them the stack's group `clients`",
                    ),
                    None => continue,
                }
            }
            // Nobody outside has addresses of the VPC's own block: AWS gives it to no other VPC.
            Peer::Block6(_) | Peer::Group(_) => continue,
        };
        refusals.push(Refusal::general(reason, remedy));
    }
}

/// The zones that have a subnet, for a message.
pub fn in_words(network: &ExistingNetwork) -> String {
    let all: Vec<String> = network.subnets.values().map(|subnet| format!("{} ({})", subnet.zone, subnet.id)).collect();
    match all.is_empty() {
        true => format!("no zone of {}", network.vpc),
        false => all.join(", "),
    }
}
