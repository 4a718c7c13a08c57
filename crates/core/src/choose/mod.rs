//! From the stack file, the facts of AWS and what is live to the complete design: zones, hosts, addresses, volumes, images.
//!
//! Every choice that the file leaves open is made here, and a choice once made stays made: the live value wins. Pure.

mod msk;
mod place;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::cloud_init::{self, Checksum, Overrides, Role, USER_DATA_LIMIT, VOLUME_ID_PLACEHOLDER, Voter};
use crate::design::{CONTROLLER_IDS, Design, Facts, HostDesign, Seat};
use crate::digest;
use crate::engine::Engine;
use crate::engines::ec2::{self, Gp3Volume};
use crate::instance_types::{self, Arch};
use crate::kinds::{Instance, Vpc};
use crate::model::{Record, tag};
use crate::network;
use crate::observed::{Live, Observed};
use crate::refusal::Refusal;
use crate::stack::{Ec2, Stack};
pub use msk::configuration_fingerprint;
use place::{Seats, choose_zones, place, voters};

/// What a plan is made from, beside the file: what AWS was asked, and what is live.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanningInput {
    pub facts: Facts,
    pub observed: Observed,
    pub record: Option<Record>,
    /// When the stack expires.
    pub expires: Option<Timestamp>,
}

/// A change of the templates that running hosts must get: raising it rolls every host of every stack.
const TEMPLATE_REVISION: u32 = 1;

/// Makes every choice of `stack` with this `input`. `overrides` are the user's own templates.
///
/// # Errors
/// Every reason why the facts don't allow the stack, all at once.
pub fn design(stack: &Stack, input: &PlanningInput, overrides: &Overrides) -> Result<Design, Vec<Refusal>> {
    let (facts, observed) = (&input.facts, &input.observed);
    let mut refusals = Vec::new();
    if let Some(account) = stack.account.as_ref().filter(|account| account.0 != facts.account) {
        refusals.push(Refusal::general(
            format!("the file belongs to account {account}, and the credentials are of account {}", facts.account),
            "use the credentials of that account, or change `account` in the file",
        ));
    }
    let vpcs = observed.of::<Vpc>();
    let engine = |live: &Live| if live.tags.contains_key(tag::ENGINE) { Engine::Msk } else { Engine::Ec2 };
    if vpcs.values().any(|(live, _)| engine(live) != Engine::of(stack)) {
        let (now, wanted) = match Engine::of(stack) {
            Engine::Msk => ("brokers on EC2", "an MSK cluster"),
            Engine::Ec2 => ("an MSK cluster", "brokers on EC2"),
        };
        refusals.push(Refusal::general(
            format!("the live stack has {now}, and the file asks for {wanted}: neither turns into the other"),
            "make a second stack with another name, move the data with MirrorMaker, and destroy this one",
        ));
    }
    let zones = choose_zones(stack, facts, observed, &mut refusals);
    let cluster_id = observed
        .live
        .values()
        .find_map(|live| live.tags.get(tag::CLUSTER_ID).cloned())
        .or_else(|| input.record.as_ref().map(|record| record.cluster_id.clone()))
        .unwrap_or_else(|| derived_uuid(&format!("{}/{}/{}", facts.account, stack.region, stack.name)));
    let mut design = Design {
        stack: stack.clone(),
        account: facts.account.clone(),
        zones,
        hosts: Vec::new(),
        msk: None,
        cluster_id,
        expires: input.expires,
    };
    if let Some(ec2) = stack.cluster.ec2.as_ref().filter(|_| refusals.is_empty()) {
        design.hosts = hosts(&design, ec2, input, overrides, &mut refusals);
    }
    if let Some(msk) = stack.cluster.msk.as_ref().filter(|_| refusals.is_empty()) {
        design.msk = Some(msk::choose(&design, msk, input, &mut refusals));
    }
    if refusals.is_empty() { Ok(design) } else { Err(refusals) }
}

/// A UUID in Kafka's notation that follows from `name` alone, so that a plan needs no chance, and a first apply that died
/// is gone on with under the same id. The first bit is cleared: the text never begins with a hyphen.
fn derived_uuid(name: &str) -> String {
    let mut bytes: [u8; 16] = Sha256::digest(format!("kstack/{name}"))[..16].try_into().unwrap_or_default();
    bytes[0] &= 0x7f;
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    URL_SAFE_NO_PAD.encode(bytes)
}

fn hosts(
    design: &Design,
    ec2: &Ec2,
    input: &PlanningInput,
    overrides: &Overrides,
    refusals: &mut Vec<Refusal>,
) -> Vec<HostDesign> {
    let stack = &design.stack;
    let Some(sizing) = ec2::size(ec2, stack.common(), &input.facts.types) else {
        refusals.push(Refusal::general(
            format!("the instance type `{}` is not offered in {}", ec2.brokers.instance_type, stack.region),
            "choose another instance type or region",
        ));
        return Vec::new();
    };
    let broker_zones = place(design, &input.observed, "broker", ec2.brokers.count);
    let controller_count = ec2.controllers.as_ref().map_or(0, |controllers| controllers.count);
    let controller_zones = place(design, &input.observed, "controller", controller_count);
    let voters = voters(design, ec2, &broker_zones, &controller_zones);
    let instances = input.observed.of::<Instance>();
    let mut seats = Seats::default();
    let mut hosts = Vec::new();
    for number in 1..=controller_count {
        let Some(controllers) = &ec2.controllers else { break };
        let zone = controller_zones[number as usize - 1];
        let name = format!("controller-{number}");
        let volume = Gp3Volume { size_gib: controllers.storage.gib_ceil(), iops: 3000, throughput_mibs: 125 };
        let address = network::controller_address(design.zones[zone].private, number);
        let id = (name, Role::Controller, CONTROLLER_IDS + number, zone, address);
        let placement = seats.take(ec2.placement, "controllers", zone);
        hosts.extend(host(
            design,
            input,
            &instances,
            overrides,
            id,
            &controllers.instance_type,
            volume,
            placement,
            &voters,
            refusals,
        ));
    }
    for number in 1..=ec2.brokers.count {
        let zone = broker_zones[number as usize - 1];
        let name = format!("broker-{number}");
        let votes = voters.iter().any(|voter| voter.node_id == number);
        let role = if votes { Role::Combined } else { Role::Broker };
        let address = network::broker_address(design.zones[zone].private, number);
        let id = (name, role, number, zone, address);
        let placement = seats.take(ec2.placement, "brokers", zone);
        hosts.extend(host(
            design,
            input,
            &instances,
            overrides,
            id,
            &ec2.brokers.instance_type,
            sizing.volume,
            placement,
            &voters,
            refusals,
        ));
    }
    hosts
}

/// The live instances, by host.
type Instances<'a> = BTreeMap<&'a str, (&'a Live, &'a Instance)>;
type Identity = (String, Role, u32, usize, Option<Ipv4Addr>);

#[allow(clippy::too_many_arguments)] // One call site a role; a struct would only name them twice.
fn host(
    design: &Design,
    input: &PlanningInput,
    instances: &Instances<'_>,
    overrides: &Overrides,
    (name, role, node_id, zone, address): Identity,
    instance_type: &str,
    volume: Gp3Volume,
    placement: Option<Seat>,
    voters: &[Voter],
    refusals: &mut Vec<Refusal>,
) -> Option<HostDesign> {
    let stack = &design.stack;
    let ec2 = stack.cluster.ec2.as_ref()?;
    let Some(limits) = input.facts.types.get(instance_type) else {
        refusals.push(Refusal::general(
            format!("the instance type `{instance_type}` of {name} is not offered in {}", stack.region),
            "choose another instance type or region",
        ));
        return None;
    };
    let Some(address) = address else {
        refusals.push(Refusal::general(
            format!("there is no address for {name} in {}", design.zones[zone].private),
            "use a larger `network.cidr`, or larger `private_cidrs`",
        ));
        return None;
    };
    let Some(image) = choose_image(ec2, &name, limits.arch, input, instances) else {
        refusals.push(Refusal::general(
            format!("there is no image of {} for {} in {}", ec2.os.word(), limits.arch.word(), stack.region),
            "name one with `image`, or choose another `os`",
        ));
        return None;
    };
    let version = ec2.kafka.to_string();
    let published = format!("https://archive.apache.org/dist/kafka/{version}/kafka_2.13-{version}.tgz");
    let (archive_url, archive_checksum) = match &ec2.archive {
        Some(archive) => (archive.url.clone(), Checksum::Sha512(archive.sha512.clone())),
        None => (published.clone(), Checksum::Published(format!("{published}.sha512"))),
    };
    let cloud = cloud_init::Host {
        stack: stack.name.to_string(),
        name: name.clone(),
        node_id,
        role,
        os: ec2.os,
        zone_id: design.zones[zone].id.clone(),
        address,
        volume_id: VOLUME_ID_PLACEHOLDER.to_owned(),
        cluster_id: design.cluster_id.clone(),
        controllers: voters.to_vec(),
        kafka_version: version,
        archive_url,
        archive_checksum,
        memory_mib: limits.memory_mib,
        settings: ec2.config.clone(),
        replication_factor: stack.workload.replication_factor,
        min_insync_replicas: stack.workload.min_insync_replicas,
        retention_ms: stack.workload.retention.millis(),
        package_mirror: ec2.package_mirror.clone(),
    };
    // Only a text that is too long as it is must be compressed to know whether it fits: that takes time, for each host.
    let fits = |text: String| match text.len() {
        0..=USER_DATA_LIMIT => Ok(text),
        _ => cloud_init::encode(&text).map(|_| text),
    };
    match cloud_init::render(&cloud, overrides).and_then(fits) {
        Ok(user_data) => {
            let config = fingerprint(&cloud, overrides);
            Some(HostDesign {
                name,
                zone,
                address,
                instance_type: instance_type.to_owned(),
                image,
                volume,
                placement,
                cloud,
                user_data,
                config,
            })
        }
        Err(error) => {
            refusals.push(Refusal::general(
                format!("the user data of {name} can't be made: {error}"),
                "mend the template or the setting",
            ));
            None
        }
    }
}

/// A fingerprint of what a host is configured with. Retention and the minimum of in-sync
/// replicas are left out: Kafka changes them without a restart, and the latter only so. The templates' own text is left out too, so that a newer kstack does not roll every host.
fn fingerprint(cloud: &cloud_init::Host, overrides: &Overrides) -> String {
    let still = cloud_init::Host { retention_ms: 0, min_insync_replicas: 0, ..cloud.clone() };
    let text = serde_json::json!([TEMPLATE_REVISION, still, overrides]).to_string();
    digest::fingerprint(text, 12)
}

/// The image: the file's; else that of the live host, or of its neighbours, when system and architecture agree; else the newest.
fn choose_image(ec2: &Ec2, name: &str, arch: Arch, input: &PlanningInput, live: &Instances<'_>) -> Option<String> {
    if let Some(image) = &ec2.image {
        return Some(image.to_string());
    }
    let fits = |instance: &Instance| {
        let types = [&input.facts.types, instance_types::embedded()];
        let live_arch = types.iter().find_map(|types| types.get(&instance.instance_type)).map(|limits| limits.arch);
        instance.os.as_deref() == Some(ec2.os.word()) && live_arch == Some(arch)
    };
    let own = live.get(name).filter(|(_, instance)| fits(instance));
    let any = || live.values().find(|(_, instance)| fits(instance));
    own.or_else(any)
        .map(|(_, instance)| instance.image.clone())
        .or_else(|| input.facts.images.get(arch.word()).cloned())
}
