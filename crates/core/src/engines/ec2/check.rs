//! Rules of a cluster on EC2.

use ipnet::Ipv4Net;

use super::archive::{self, is_sha512};
use super::ebs::{MIBS_PER_IOPS, MOST_VOLUMES};
use super::keys::{Archive, Brokers, Controllers, Image, Placement, Storage, Version, VolumeType};
use super::settings::{self, CONFIG};
use super::{authorities, check_listeners, check_monitoring, generation};
use crate::cloud_init;
use crate::engines::rules::{self, POSSIBLE_ZONES, check_factor, check_key, check_spread, warn_burstable};
use crate::file::read::one_of;
use crate::file::{Checker, ListenerName, Nat, Network, secret};
use crate::network::EVERYWHERE;
use crate::text::many;
use crate::units::Size;
use crate::{instance_types, network};

/// The first Kafka version that the hosts' templates are written for: KRaft only, with a dynamic controller quorum (KIP-853).
pub(super) const OLDEST_KAFKA: Version = Version(4, 0, 0);
/// Copies of each partition, and those that a write needs, where brokers lose their replicas with their instances.
const LEAST_COPIES: u32 = 3;
const LEAST_INSYNC: u32 = 2;
/// Node ids of brokers end here.
pub(super) const MOST_BROKERS: u32 = 1000;

pub(super) const BROKERS: &str = "cluster.ec2.brokers.count";
const BROKER_TYPE: &str = "cluster.ec2.brokers.instance_type";
const CONTROLLER_TYPE: &str = "cluster.ec2.controllers.instance_type";

pub(crate) fn check(checker: &mut Checker<'_>) {
    check_outbound(checker);
    check_rules(checker);
    check_ipv6(checker);
    check_listeners::check(checker);
    authorities::check(checker);
    if let Some(kafka) = checker.part::<Version>("cluster.ec2.kafka").filter(|kafka| *kafka < OLDEST_KAFKA) {
        checker.error(
            "cluster.ec2.kafka",
            format!("Kafka {kafka} is too old"),
            format!(
                "use {OLDEST_KAFKA} or newer: it is the first that runs only with KRaft. docs/mirror.md has how an older cluster moves into a stack"
            ),
        );
    }
    settings::check(checker);
    super::iam::check(checker);
    check_monitoring::check(checker);
    check_count(checker);
    generation::check(checker);
    check_controllers(checker);
    check_types(checker);
    if let Some(storage) = checker.part::<Storage>("cluster.ec2.brokers.storage") {
        check_storage(&storage, checker);
    }
    if let Some(Some(key)) = checker.part::<Option<String>>("cluster.ec2.kms_key") {
        check_key("cluster.ec2.kms_key", &key, "EC2", checker);
    }
    if let Some(Some(mirror)) = checker.part::<Option<String>>("cluster.ec2.package_mirror") {
        check_mirror("cluster.ec2.package_mirror", &mirror, checker);
    }
    if let Some(Some(proxy)) = checker.part::<Option<String>>("cluster.ec2.proxy") {
        check_proxy("cluster.ec2.proxy", &proxy, checker);
    }
    match checker.part::<Option<Archive>>("cluster.ec2.archive") {
        Some(Some(archive)) => {
            check_archive("cluster.ec2.archive", &archive, "https://files.example.net/kafka_2.13-4.1.1.tgz", checker);
        }
        Some(None) => check_pinned(checker),
        None => {}
    }
    if checker.part::<Image>("cluster.ec2.image").is_some_and(|Image(id)| id.len() != 12 && id.len() != 21) {
        let message = "an image id has 8 or 17 hexadecimal digits after `ami-`";
        checker.warning("cluster.ec2.image", message, "compare it with the id in the EC2 console");
    }
}

/// Hosts fetch packages and Kafka, and are reached through Session Manager.
fn check_outbound(checker: &mut Checker<'_>) {
    let Some(net) = checker.part::<Network>("network") else { return };
    let way_out = net.existing.is_some() || net.routes.iter().any(|route| route.to.to_string() == EVERYWHERE);
    if !way_out && net.nat == Nat::None && net.endpoints.is_empty() && checker.is_mapping("cluster.ec2") {
        checker.warning(
            "network.nat",
            "with `nat: none` and no endpoints, hosts can reach neither package archives nor Session Manager",
            "add `endpoints: [s3, ssm, ssmmessages, ec2messages]`, and an `archive` in S3 below `ec2`",
        );
    }
}

/// Clients with IPv6 alone go on by what brokers tell them.
fn check_ipv6(checker: &mut Checker<'_>) {
    let Some(net) = checker.part::<Network>("network").filter(|net| net.ipv6) else { return };
    if checker.given("cluster.ec2").is_none() {
        return;
    }
    if !net.dns.is_some_and(|dns| dns.advertise) {
        checker.warning(
            "network.ipv6",
            "brokers tell clients their IPv4 addresses, so that a client with IPv6 alone finds a broker and then reaches none",
            "write `dns: {zone: kafka.example.internal, advertise: true}` below `network`: the names stand for addresses of both",
        );
    }
}

/// Rules are for listeners that the brokers have.
fn check_rules(checker: &mut Checker<'_>) {
    let Some(net) = checker.part::<Network>("network").filter(|_| checker.is_mapping("cluster.ec2")) else { return };
    let listeners = check_listeners::listeners(checker);
    let ways = listeners.ways();
    let words: Vec<&str> = ways.iter().map(|way| way.listener.word()).collect();
    for (index, rule) in net.rules.iter().enumerate().filter(|(_, rule)| !words.contains(&rule.listener.word())) {
        let message = match rule.listener {
            ListenerName::Scram | ListenerName::Tls | ListenerName::Oauth | ListenerName::Plaintext => {
                format!("the brokers have no listener `{}`", rule.listener.word())
            }
            _ => format!("brokers on EC2 have no listener `{}`", rule.listener.word()),
        };
        let help = match &words[..] {
            [] => "write one that `cluster.ec2.listeners` has".to_owned(),
            words if rule.listener == ListenerName::Plaintext => {
                check_listeners::or_plaintext(&listeners, &format!("write {}", one_of(words)))
            }
            words => format!("write {}", one_of(words)),
        };
        checker.error(&format!("network.rules.{index}.listener"), message, help);
    }
}

/// How many brokers: as the zones, the replicas, the subnets and the placement groups can have.
fn check_count(checker: &mut Checker<'_>) {
    let Some(count) = checker.part::<u32>(BROKERS) else { return };
    if !(1..=MOST_BROKERS).contains(&count) {
        return checker.error(
            BROKERS,
            format!("a cluster can't have {}", many(count, "broker")),
            format!("use 1 to {MOST_BROKERS} brokers"),
        );
    }
    check_factor(count, BROKERS, CONFIG, checker);
    let Some(net) = checker.part::<Network>("network") else { return };
    let zones = net.zones.count();
    if !POSSIBLE_ZONES.contains(&zones) {
        return;
    }
    let per_zone = (count as usize).div_ceil(zones);
    check_spread(count, zones, BROKERS, checker);
    check_addresses(&net, count, checker);
    let placement = checker.part::<Option<Placement>>("cluster.ec2.placement");
    if placement.is_some_and(|word| word.unwrap_or(Placement::Spread) == Placement::Spread) && per_zone > 7 * 20 {
        checker.warning(
            checker.written(&["cluster.ec2.placement", BROKERS]),
            "this many brokers need many spread placement groups",
            "use `placement: partition`",
        );
    }
}

/// Every broker must have the address of its number in its zone's subnet.
fn check_addresses(net: &Network, count: u32, checker: &mut Checker<'_>) {
    let smallest = match &net.private_cidrs {
        Some(blocks) => blocks.iter().copied().max_by_key(Ipv4Net::prefix_len),
        None => network::private_block(net, 'a', 0),
    };
    // In subnets that are there, free addresses are found while planning.
    // A block that is too small for any subnet has been noted already.
    let Some(block) = smallest.filter(|block| block.prefix_len() <= 28) else { return };
    let generation = checker.part::<Option<u32>>("cluster.ec2.brokers.generation").flatten().unwrap_or_default();
    if network::broker_address(block, generation, count).is_some() {
        return;
    }
    let at = checker.written(&["network.private_cidrs", "network.cidr"]);
    let size = block.prefix_len();
    if generation == 0 {
        checker.error(
            at,
            format!("private subnets of /{size} are too small for {}", many(count, "broker")),
            "use a larger block: broker N has a fixed address, number N + 9, in its zone's subnet",
        );
    } else {
        let most = network::brokers_of_two(block);
        checker.error(
            at,
            format!(
                "private subnets of /{size} have addresses for two generations of {} each, and the file has {count}",
                many(most, "broker")
            ),
            "use fewer and larger brokers; a live stack keeps its subnets, and a new one can have a larger block",
        );
    }
}

fn check_controllers(checker: &mut Checker<'_>) {
    if !checker.is_mapping("cluster.ec2") {
        return;
    }
    let controllers = checker.tree.get("cluster.ec2.controllers").is_some();
    match checker.part::<Option<bool>>("cluster.ec2.combined").map(Option::unwrap_or_default) {
        Some(true) if controllers => checker.error(
            "cluster.ec2.combined",
            "with `combined: true` the brokers are the controllers, but the file has `controllers` too",
            "remove `combined`, or the `controllers`",
        ),
        Some(false) if !controllers && !checker.misspelt("cluster.ec2") => checker.error(
            "cluster.ec2",
            "the cluster has no controllers",
            "add `controllers: {count: 3, instance_type: t4g.medium}`, or `combined: true` for a test cluster",
        ),
        _ => {}
    }
    let Some(controllers) = checker.part::<Controllers>("cluster.ec2.controllers") else { return };
    if ![1, 3, 5].contains(&controllers.count) {
        checker.error(
            "cluster.ec2.controllers.count",
            format!("{} controllers are not a good quorum", controllers.count),
            "use 3 or 5: a majority of an odd number survives failures; use 1 only for tests",
        );
    }
    // A quorum's log is small and written at every change: its volumes are of one type.
    check_size(controllers.storage, VolumeType::Gp3, "cluster.ec2.controllers.storage", checker);
}

fn check_types(checker: &mut Checker<'_>) {
    for path in [BROKER_TYPE, CONTROLLER_TYPE] {
        check_type(path, checker);
    }
    let brokers = checker.part::<Brokers>("cluster.ec2.brokers");
    let burstable = brokers.filter(|brokers| instance_types::is_burstable(&brokers.instance_type));
    let combined = checker.part::<Option<bool>>("cluster.ec2.combined").flatten();
    if let Some(brokers) = burstable.filter(|_| combined != Some(true)) {
        warn_burstable(&brokers.instance_type, BROKER_TYPE, "an m or r type", checker);
    }
}

/// The instance type at `path`: one that is known, or at least the name of one.
pub(in crate::engines) fn check_type(path: &str, checker: &mut Checker<'_>) {
    let known = instance_types::embedded();
    let Some(name) = checker.part::<String>(path).filter(|name| !known.contains_key(name)) else { return };
    if let Some(own) = name.strip_prefix("kafka.").or_else(|| name.strip_prefix("express.")) {
        let message = format!("`{name}` is a broker type of MSK, not an instance type of EC2");
        return checker.error(path, message, format!("EC2's name for it is `{own}`"));
    }
    let near = super::nearest_type(&name);
    if instance_types::is_name(&name) {
        // AWS has new ones each year: the plan asks.
        checker.warning(
            path,
            format!("kstack's table has no instance type `{name}`, so nothing can be sized or priced offline"),
            format!("the nearest known one is `{near}`; a plan asks AWS whether `{name}` exists, and for its limits"),
        );
    } else {
        let message = format!("`{name}` is not the name of an instance type");
        checker.error(path, message, format!("write a family, a dot and a size; the nearest known one is `{near}`"));
    }
}

fn check_size(size: Size, kind: VolumeType, path: &str, checker: &mut Checker<'_>) {
    let limits = kind.limits();
    if !limits.size_gib.contains(size.gib_ceil()) {
        let message = format!("{} can't have `{}`", limits.name, checker.text(path));
        checker.error(path, message, format!("{} takes {}", kind.word(), limits.sizes()));
    }
}

fn check_storage(storage: &Storage, checker: &mut Checker<'_>) {
    let path = |key: &str| format!("cluster.ec2.brokers.storage.{key}");
    let [size_text, iops_text, rate_text] = ["size", "iops", "throughput"].map(|key| checker.text(&path(key)));
    let (kind, limits) = (storage.kind, storage.kind.limits());
    if kind == VolumeType::InstanceStore {
        return check_own_disks(checker);
    }
    let (word, name) = (kind.word(), limits.name);
    if let Some(size) = storage.size {
        check_size(size, kind, &path("size"), checker);
    }
    match (storage.iops, &limits.iops) {
        (Some(_), None) => {
            let help = format!("leave out `iops`: what {word} does follows from its size");
            checker.error(&path("iops"), format!("the IOPS of {name} can't be set"), help);
        }
        (Some(iops), Some(own)) if !own.bounds.contains(iops) => {
            let help = format!("{word} takes {} to {}", own.bounds.least, own.bounds.most);
            checker.error(&path("iops"), format!("{name} can't have {iops_text} IOPS"), help);
        }
        (Some(iops), Some(own))
            if storage.size.is_some_and(|size| u64::from(iops) > limits.most_iops_of(size.gib_ceil())) =>
        {
            let help = format!("{word} takes at most {} IOPS per GiB", own.per_gib);
            checker.error(&path("iops"), format!("{iops_text} IOPS are too many for `{size_text}`"), help);
        }
        _ => {}
    }
    match (storage.throughput, limits.throughput_mibs) {
        (Some(_), None) => {
            let by = if kind == VolumeType::Io2 {
                "set `iops`: io2 does 0.25 MiB/s for each"
            } else {
                "set `size`: st1 does 40 MiB/s for each TiB"
            };
            checker.error(&path("throughput"), format!("the throughput of {name} can't be set"), by);
        }
        (Some(rate), Some(bounds)) if !bounds.contains(rate.mibs()) => {
            let help = format!("{word} takes {} MiB/s to {} MiB/s", bounds.least, bounds.most);
            checker.error(&path("throughput"), format!("{name} can't have `{rate_text}`"), help);
        }
        (Some(rate), Some(_)) if storage.iops.is_some_and(|iops| rate.mibs() > f64::from(iops) * MIBS_PER_IOPS) => {
            let help = format!("{word} takes at most {MIBS_PER_IOPS} MiB/s per IOPS");
            checker.error(&path("throughput"), format!("`{rate_text}` is too much for {iops_text} IOPS"), help);
        }
        _ => {}
    }
    if !(1..=MOST_VOLUMES).contains(&storage.volumes) {
        let message = format!("a broker can't have {}", many(storage.volumes, "volume"));
        checker.error(
            &path("volumes"),
            message,
            format!("write 1 to {MOST_VOLUMES}, for which there are device names"),
        );
    }
    if kind == VolumeType::St1 && checker.part::<Option<bool>>("cluster.ec2.combined").flatten() == Some(true) {
        let message =
            "brokers that are controllers too have the quorum's log on st1, which is slow at its small writes";
        checker.warning(&path("type"), message, "use dedicated `controllers`, or `type: gp3`");
    }
}

/// Replicas on an instance's own disks are lost with it: the others must have them, and the quorum's log must not be there.
fn check_own_disks(checker: &mut Checker<'_>) {
    let path = |key: &str| format!("cluster.ec2.brokers.storage.{key}");
    for key in ["volumes", "size", "iops", "throughput"] {
        if checker.given(&path(key)).is_some() {
            let message = format!("the disks of an instance have no `{key}` to set");
            checker.error(&path(key), message, format!("leave out `{key}`: all disks of the instance type are used"));
        }
    }
    if checker.part::<Option<bool>>("cluster.ec2.combined").flatten() == Some(true) {
        let message = "brokers that are controllers too would lose the quorum's log and their vote with each instance";
        checker.error(&path("type"), message, "use dedicated `controllers`, which have EBS volumes");
    }
    if let Some(settings) = rules::settings(CONFIG, checker) {
        let (copies, min_insync) = (settings.copies, settings.min_insync);
        if copies < LEAST_COPIES {
            let message = format!("{} are too few where each roll of a host loses one", many(copies, "copy"));
            checker.error(&path("type"), message, format!("keep {LEAST_COPIES} or more, or use EBS volumes"));
        }
        if min_insync < LEAST_INSYNC {
            let message = "a write that one replica has taken is lost with that replica's instance";
            let help = format!("set `min_insync_replicas: {LEAST_INSYNC}` or more, or use EBS volumes");
            checker.error(&path("type"), message, help);
        }
    }
    let known = instance_types::embedded();
    let own = checker.part::<String>(BROKER_TYPE).and_then(|name| Some((known.get(&name)?.disks, name)));
    if let Some((0, name)) = own {
        let help = "use a type with disks, such as i4i.xlarge or m7gd.xlarge; or EBS volumes";
        checker.error(BROKER_TYPE, format!("instances of the type {name} have no disks of their own"), help);
    }
}

/// A mirror of packages.
pub(in crate::engines) fn check_mirror(path: &str, mirror: &str, checker: &mut Checker<'_>) {
    check_url(path, mirror, "such as `http://packages.example.net/al2023`", checker);
    if mirror.ends_with('/') {
        let message = "the mirror's URL ends with `/`, and hosts add one";
        checker.error(path, message, "leave out the `/` at its end");
    }
}

/// A proxy for downloads.
pub(in crate::engines) fn check_proxy(path: &str, proxy: &str, checker: &mut Checker<'_>) {
    check_url(path, proxy, "such as `http://proxy.example.net:3128`", checker);
}

/// A file that hosts fetch, and its checksum.
pub(in crate::engines) fn check_archive(path: &str, archive: &Archive, example: &str, checker: &mut Checker<'_>) {
    check_url(&format!("{path}.url"), &archive.url, &format!("such as `{example}`"), checker);
    if !is_sha512(&archive.sha512) {
        let message = "this is not a SHA-512 in hexadecimal";
        checker.error(&format!("{path}.sha512"), message, "write its 128 digits, as `sha512sum FILE` prints them");
    }
}

/// Apache's archive of a version without a pinned checksum is verified with what is published beside it.
fn check_pinned(checker: &mut Checker<'_>) {
    let Some(kafka) = checker.part::<Version>("cluster.ec2.kafka").filter(|kafka| *kafka >= OLDEST_KAFKA) else {
        return;
    };
    if archive::pinned(&kafka.to_string()).is_none() {
        let message = format!(
            "the checksum of Kafka {kafka} is not known here, so hosts verify the archive with the one that is published beside it"
        );
        let help = format!(
            "compare it yourself and write `archive: {{url: ..., sha512: ...}}`; or use one of {}",
            archive::versions().join(", ")
        );
        checker.warning("cluster.ec2.kafka", message, help);
    }
}

/// A URL that hosts fetch from. User data can be read by whoever may describe instances, so it has no secret.
fn check_url(path: &str, url: &str, help: &str, checker: &mut Checker<'_>) {
    if secret::is_in_url(url) {
        let help = "put the files where hosts need no password, such as a server inside the VPC";
        let message = "the URL has a user name, a password or a token, which would be visible in the hosts' user data";
        checker.error(path, message, help);
    } else if !cloud_init::is_url(url, &cloud_init::SCHEMES) {
        let message = format!("`{}` is not a URL that hosts can fetch", secret::masked(url).escape_debug());
        checker.error(path, message, format!("write an http or https URL without spaces, quotes and brackets, {help}"));
    }
}
