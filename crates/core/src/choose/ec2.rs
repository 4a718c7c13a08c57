//! The hosts of a stack with brokers on EC2: a live choice wins.

mod generation;
mod place;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::{PlanningInput, logs};
use crate::cloud_init::{
    self, Download, Exporters, HostRole, Overrides, Security, UserData, VOLUME_ID_PLACEHOLDER, overrides_of,
    volume_placeholder,
};
use crate::design::{CONTROLLER_IDS, Design, Facts, HostDesign, Seat, host_of_volume, node_id};
use crate::digest;
use crate::engines::ec2::keys::{Archive, VolumeType};
use crate::engines::ec2::{self, EbsVolume, archive};
use crate::file::bootstrap_name;
use crate::instance_types::{self, Arch};
use crate::kinds::{Instance, NetworkInterface, Volume};
use crate::observed::{Live, Observed};
use crate::refusal::Refusal;
use crate::settings;
use crate::stack::{Ec2, Mtls, Oauth};
pub use place::missing_hosts;
use place::{Quorum, Seats, addresses, controllers, place};

/// A change of the templates that running hosts must get: raising it rolls every host of every stack.
const TEMPLATE_REVISION: u32 = 1;

/// The hosts of `ec2`: each broker and controller with its zone, address, volume and image.
pub fn choose(
    design: &Design,
    ec2: &Ec2,
    input: &PlanningInput,
    overrides: &Overrides,
    refusals: &mut Vec<Refusal>,
) -> Vec<HostDesign> {
    let stack = &design.stack;
    let mut types = vec![&ec2.brokers.instance_type];
    types.extend(ec2.controllers.as_ref().map(|controllers| &controllers.instance_type));
    types.dedup();
    let unknown = types.into_iter().filter(|name| !input.facts.types.contains_key(*name));
    refusals.extend(unknown.map(|name| unusable(name, &input.facts, &stack.region)));
    // Without the brokers' type there are no sizes.
    let Some(sizing) = ec2::size(ec2, stack.common(), &input.facts.types).filter(|_| refusals.is_empty()) else {
        return Vec::new();
    };
    let broker_zones = place(design, &input.observed, "broker", ec2.brokers.ids());
    let controller_count = ec2.controllers.as_ref().map_or(0, |controllers| controllers.count);
    let controller_zones = place(design, &input.observed, "controller", 1..=controllers(ec2, &input.observed));
    let addresses = addresses(design, input, (ec2.brokers.ids(), &broker_zones), &controller_zones);
    let quorum = Quorum::of(design, ec2, &input.observed, &addresses);
    if ec2.brokers.storage.kind == VolumeType::InstanceStore && sizing.volumes == 0 {
        let name = &ec2.brokers.instance_type;
        let what = format!("instances of the type {name} have no disks of their own");
        refusals.push(Refusal::general(what, "use a type with disks, or EBS volumes"));
    }
    refusals.extend(too_large(&input.observed, ec2));
    if let Some(ca) = ec2.listeners.clients_ca().filter(|ca| ca.pem.is_empty()) {
        refusals
            .push(Refusal::general(format!("{} has not been read", ca.file), "name it in a stack file that is one"));
    }
    let instances = input.observed.of::<Instance>();
    generation::check(design, ec2, input, &addresses, &instances, refusals);
    let overrides = &Arc::new(overrides.clone());
    let mut seats = Seats::default();
    let mut hosts = Vec::new();
    let mut add = |id, instance_type: &str, volume, placement| {
        host(design, input, &instances, overrides, id, instance_type, volume, placement, &quorum, refusals)
    };
    for number in 1..=controller_count {
        let Some(controllers) = &ec2.controllers else { break };
        let zone = controller_zones[number as usize - 1];
        let name = format!("controller-{number}");
        let volume = EbsVolume::plain(controllers.storage.gib_ceil());
        let address = addresses.get(&name).copied();
        let id = Identity { name, role: HostRole::Controller, node_id: CONTROLLER_IDS + number, zone, address };
        let placement = seats.take(ec2.placement, "controllers", zone);
        hosts.extend(add(id, &controllers.instance_type, volume, placement));
    }
    // Two generations would be too many for one group.
    let group = match ec2.brokers.generation {
        0 => "brokers".to_owned(),
        generation => format!("brokers-{generation}"),
    };
    for (node_id, zone) in ec2.brokers.ids().zip(broker_zones) {
        let name = format!("broker-{node_id}");
        let votes = quorum.wanted.contains_key(&node_id);
        let role = if votes { HostRole::Combined } else { HostRole::Broker };
        let address = addresses.get(&name).copied();
        let id = Identity { name, role, node_id, zone, address };
        let placement = seats.take(ec2.placement, &group, zone);
        hosts.extend(add(id, &ec2.brokers.instance_type, sizing.volume, placement));
    }
    hosts
}

/// The live instances, by host.
type Instances<'a> = BTreeMap<&'a str, (&'a Live, &'a Instance)>;

/// What a host keeps for life.
struct Identity {
    name: String,
    role: HostRole,
    node_id: u32,
    /// Its zone's place among the chosen ones.
    zone: usize,
    /// `None` where its subnet has no address for it.
    address: Option<Ipv4Addr>,
}

#[allow(clippy::too_many_arguments)] // One call site; a struct would only name them twice.
fn host(
    design: &Design,
    input: &PlanningInput,
    instances: &Instances<'_>,
    overrides: &Arc<Overrides>,
    identity: Identity,
    instance_type: &str,
    volume: EbsVolume,
    placement: Option<Seat>,
    quorum: &Quorum,
    refusals: &mut Vec<Refusal>,
) -> Option<HostDesign> {
    let Identity { name, role, node_id, zone, address } = identity;
    let stack = &design.stack;
    let ec2 = stack.cluster.ec2.as_ref()?;
    let volumes = if role == HostRole::Controller { 1 } else { ec2.brokers.storage.volumes };
    let limits = input.facts.types.get(instance_type)?;
    let Some(address) = address else {
        refusals.push(Refusal::general(
            format!("there is no address for {name} in {}", design.zones[zone].private),
            match design.existing {
                Some(_) => "name a larger subnet of that zone, or free addresses in it",
                None => "use a larger `network.cidr`, or larger `private_cidrs`",
            },
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
    let ipv6 = stack.network.ipv6 || input.observed.get::<NetworkInterface>(&name).is_some_and(|(_, one)| one.ipv6);
    let named = stack.network.dns.as_ref().filter(|_| role != HostRole::Controller);
    let dns = named.filter(|dns| dns.advertise);
    let clients_ca = ec2.listeners.clients_ca();
    let settings = stack.common().settings;
    let live = instances.get(name.as_str()).and_then(|(_, one)| one.phase());
    let phase = design.course.of_host(live);
    let version = ec2.kafka.to_string();
    let (archive_url, archive_checksum) = archive::of(&version, ec2.archive.as_ref());
    let joins = quorum.joins(input, &name);
    let cloud = cloud_init::Host {
        stack: stack.name.to_string(),
        name: name.clone(),
        node_id,
        role,
        os: ec2.os,
        zone_id: design.zones[zone].id.clone(),
        address,
        volume_id: VOLUME_ID_PLACEHOLDER.to_owned(),
        more_volumes: (2..=volumes).map(volume_placeholder).collect(),
        own_disks: (volume.kind == VolumeType::InstanceStore).then_some(limits.disks),
        cluster_id: design.cluster_id.clone(),
        controllers: quorum.first.clone(),
        endpoints: quorum.endpoints(),
        joins: joins.is_some(),
        kafka_version: version,
        archive_url,
        archive_checksum,
        memory_mib: limits.memory_mib,
        settings: settings::others(&ec2.config),
        replication_factor: settings.copies,
        min_insync_replicas: settings.min_insync,
        retention_ms: settings.retention.kafka_ms(),
        package_mirror: ec2.package_mirror.clone(),
        advertised: dns.map(|dns| format!("{name}.{}", dns.domain(&stack.name))),
        proxy: ec2.proxy.clone(),
        listeners: match role {
            HostRole::Controller => Vec::new(),
            _ => ec2.listeners.of(node_id, address),
        },
        security: phase.tls().then(|| Security {
            scram: ec2.listeners.scram(),
            mtls: ec2.listeners.mtls != Mtls::Off,
            oauth: ec2.listeners.oauth.as_ref().filter(|_| role != HostRole::Controller).map(Oauth::tokens),
            // Who waits to close has what it has.
            plaintext: ec2.listeners.in_plaintext() || design.course.waits() && phase.plain(),
            phase,
            // Controllers have no such listener: another CA rolls none.
            clients_ca: clients_ca.filter(|_| role != HostRole::Controller).map(|ca| ca.pem.clone()),
            names: named
                .map(|dns| dns.domain(&stack.name))
                .map_or_else(Vec::new, |domain| vec![format!("{name}.{domain}"), bootstrap_name(&domain)]),
            region: stack.region.to_string(),
            ssm: format!("https://ssm.{}.{}", stack.region, stack.region.domain()),
        }),
        ipv6: stack.network.ipv6 && role != HostRole::Controller,
        monitoring: exporters(ec2, instances),
        logs: logs::of_hosts(stack),
    };
    let own = instances.get(name.as_str()).map(|(_, one)| *one);
    let named = |cloud: &cloud_init::Host| fingerprint(cloud, ec2.archive.is_some(), overrides);
    // Hosts of before are named with those settings, too.
    let whole = own.filter(|own| own.settings.is_none()).map(|own| (own, named(&cloud)));
    let whole = whole.and_then(|(own, whole)| (own.config.as_ref() == Some(&whole)).then_some(whole));
    let as_it_was = whole.is_some();
    let config = whole.unwrap_or_else(|| {
        let running = stack.running_config();
        let mut still = cloud.clone();
        still.settings.retain(|name, _| !running.contains_key(name));
        named(&still)
    });
    let behind = own.is_some_and(|own| own.is_behind(stack, as_it_was || own.config.as_ref() != Some(&config)));
    let cloud = Arc::new(cloud);
    Some(HostDesign {
        subnet: place::subnet(design, &input.observed, &name, zone),
        name,
        zone,
        address,
        ipv6,
        instance_type: instance_type.to_owned(),
        image,
        volume,
        placement,
        user_data: UserData::Of(cloud.clone(), overrides.clone()),
        cloud,
        joins,
        asks: quorum.mark(own),
        config,
        behind,
    })
}

/// The exporters of the hosts: as the file says; else as the live hosts have them, since other ones would roll them; else they are on, where
/// the hosts may be able to fetch them.
fn exporters(ec2: &Ec2, live: &Instances<'_>) -> Option<Exporters> {
    let on = match &ec2.monitoring {
        Some(monitoring) => monitoring.prometheus,
        None if live.is_empty() => ec2.archive.is_none(),
        None => live.values().any(|(_, instance)| instance.monitoring.is_some()),
    };
    let monitoring = ec2.monitoring.as_ref();
    let download = |archive: &Archive| Download { url: archive.url.clone(), sha512: archive.sha512.clone() };
    on.then(|| Exporters {
        agent: monitoring.and_then(|one| one.agent.as_ref()).map(download),
        node: monitoring.and_then(|one| one.node.as_ref()).map(download),
    })
}

/// Volumes that are larger than any of the type that the file has for brokers.
fn too_large(observed: &Observed, ec2: &Ec2) -> Option<Refusal> {
    let kind = ec2.brokers.storage.kind;
    let most = kind.limits().size_gib.most;
    let volumes = observed.of::<Volume>().into_iter();
    let stays = |name: &str| node_id(host_of_volume(name).0).is_some_and(|id| ec2.has_broker(id));
    let mut brokers = volumes.filter(|(name, _)| name.starts_with("broker-") && stays(name));
    let (name, (live, volume)) = brokers.find(|(_, (_, volume))| volume.size_gib > most)?;
    let what = format!(
        "the volume {} of {name} has {} GiB, more than the {most} GiB that {} has at most, and a volume never shrinks",
        live.id,
        volume.size_gib,
        kind.limits().name
    );
    let another = "or raise `generation`, for another set of brokers with volumes of their own";
    Some(Refusal::general(what, format!("write `type: {}`; {another}", volume.kind)))
}

/// Why hosts can't be of a type of which AWS gave no limits.
pub(super) fn unusable(instance_type: &str, facts: &Facts, region: &str) -> Refusal {
    if facts.offers.get(instance_type).is_some_and(|zones| !zones.is_empty()) {
        let what =
            format!("AWS gives no baseline of `{instance_type}` for EBS and network, by which brokers are sized");
        return Refusal::general(what, "choose a type of a newer family");
    }
    let near = match ec2::nearest_type(instance_type) {
        near if near == instance_type => String::new(),
        near => format!("; the nearest known type is `{near}`"),
    };
    Refusal::general(
        format!("the instance type `{instance_type}` is not offered in {region}"),
        format!("choose another instance type or region{near}"),
    )
}

/// A fingerprint of what a host is configured with. Retention and the minimum of in-sync
/// replicas are left out: Kafka changes them without a restart. The templates' own text is left out too, and so
/// is what kstack itself knows of Apache's archive, so that a newer kstack does not roll every host.
fn fingerprint(cloud: &cloud_init::Host, own_archive: bool, overrides: &Overrides) -> String {
    let archive_checksum = match own_archive {
        true => cloud.archive_checksum.clone(),
        false => archive::published(&cloud.archive_url),
    };
    // Those who are asked have a mark of their own: that there are fewer rolls no host.
    let (retention_ms, min_insync_replicas, endpoints) = (0, 0, Vec::new());
    let still = cloud_init::Host { retention_ms, min_insync_replicas, endpoints, archive_checksum, ..cloud.clone() };
    let text = serde_json::json!([TEMPLATE_REVISION, still, overrides_of(overrides, false)]).to_string();
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
