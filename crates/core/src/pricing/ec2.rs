//! The best hosts on EC2 for a workload: which type, how many, and with which volumes.

use super::cost::{CONTROLLER_GIB, Hosts, bare_machines};
use super::traffic::Load;
use super::{Bill, Market};
use crate::instance_types::{Arch, InstanceLimits, embedded};
use crate::sizing::{Bottleneck, size};
use crate::stack::Stack;

/// Families with disks of their own, which kstack's brokers do not use: their price is for something else.
const WITH_DISKS: [&str; 4] = ["i3en.", "i4i.", "im4gn.", "is4gen."];
/// Families whose processors are slowed once their credits are used: no brokers for production, as AWS says of MSK's.
const BURSTABLE: [&str; 2] = ["t3.", "t4g."];
/// Memory in MiB that a broker for production has at least, for a heap of some GiB and a page cache.
const BROKER_MIB: u64 = 8192;
/// Memory in MiB that a controller has at least. Source: Kafka's KRaft operations, about 5 GB; 4 GiB serve small clusters.
const CONTROLLER_MIB: u64 = 4096;
/// Brokers that are tried at most.
const MOST_BROKERS: u32 = 120;
/// How often a count that Equation 1 allows may be raised for the rest: memory, partitions, whole segments.
const RAISES: u32 = 24;

/// Hosts that carry the workload, and what stops them from carrying more.
pub(super) struct Best {
    pub hosts: Hosts,
    pub limit: Bottleneck,
}

/// The cheapest brokers of `arch` that carry the workload of `stack` without a warning: for production, with controllers of
/// their own, on a type with 8 GiB or more that is not burstable; or combined, for tests, on any. `None` when no type with a price in the region does.
pub(super) fn best(stack: &Stack, market: Market<'_>, arch: Arch, dedicated: bool) -> Option<Best> {
    let controllers = if dedicated { Some(controllers(stack, market, arch)?) } else { None };
    let priced = |name: &str| market.prices.get(market.region, &format!("ec2 {name}")).map(|price| price.usd);
    let mut types: Vec<(&str, &InstanceLimits, f64)> = embedded()
        .iter()
        .filter(|(name, limits)| limits.arch == arch && !WITH_DISKS.iter().any(|family| name.starts_with(family)))
        .filter(|(name, limits)| !dedicated || fit_for_production(name, limits))
        .filter_map(|(name, limits)| Some((name.as_str(), limits, priced(name)?)))
        .collect();
    types.sort_by(|left, right| left.2.total_cmp(&right.2));
    let mut found: Option<(f64, Best)> = None;
    let mut trial = stack.clone();
    for (name, limits, _) in types {
        let least = least(&Load::of(stack), limits);
        let instances_alone = f64::from(least) * priced(name)? * super::HOURS;
        if least > MOST_BROKERS || found.as_ref().is_some_and(|(usd, _)| instances_alone >= *usd) {
            continue;
        }
        let Some((count, best)) = enough(&mut trial, name, least) else { continue };
        let hosts = Hosts { brokers: count, controllers: controllers.clone(), ..best.hosts };
        let mut bill = Bill::default();
        bare_machines(&mut bill, market, &hosts);
        let usd = bill.total();
        if found.as_ref().is_none_or(|(known, _)| usd < *known) {
            found = Some((usd, Best { hosts, limit: best.limit }));
        }
    }
    found.map(|(_, best)| best)
}

fn fit_for_production(name: &str, limits: &InstanceLimits) -> bool {
    limits.memory_mib >= BROKER_MIB && !BURSTABLE.iter().any(|family| name.starts_with(family))
}

/// Brokers that Equation 1's network and EBS terms ask for at least, spread evenly over the zones.
fn least(load: &Load, limits: &InstanceLimits) -> u32 {
    let copies = f64::from(load.copies);
    let (ebs, network) = (limits.ebs_mbs * 1e6 / 1_048_576.0, limits.network_gbps * 1e9 / 8.0 / 1_048_576.0);
    let peak = load.peak / load.used;
    let needed = (peak * copies / ebs).max(peak * (load.groups.max(1.0) + copies - 1.0) / network);
    let needed = (needed * (1.0 - 1e-12)).ceil().min(1e6) as u32;
    needed.max(load.copies).div_ceil(load.zones).max(1) * load.zones
}

/// The least count from `least` on with which `kstack size` has nothing to warn of.
fn enough(trial: &mut Stack, name: &str, least: u32) -> Option<(u32, Best)> {
    let zones = u32::try_from(trial.network.zones.count()).unwrap_or(1).max(1);
    for count in (0..RAISES).map(|raise| least + raise * zones).take_while(|count| *count <= MOST_BROKERS) {
        let brokers = &mut trial.cluster.ec2.as_mut()?.brokers;
        (brokers.count, brokers.instance_type) = (count, name.to_owned());
        (brokers.storage.size, brokers.storage.iops, brokers.storage.throughput) = (None, None, None);
        let sizing = size(trial, embedded())?;
        if sizing.warnings.is_empty() {
            let hosts =
                Hosts { brokers: count, broker_type: name.to_owned(), volume: sizing.volume, controllers: None };
            return Some((count, Best { hosts, limit: sizing.bottleneck }));
        }
    }
    None
}

/// The file's number of controllers, or three, of the cheapest type with enough memory.
fn controllers(stack: &Stack, market: Market<'_>, arch: Arch) -> Option<(u32, String, f64)> {
    let given = stack.cluster.ec2.as_ref()?.controllers.as_ref();
    let fits = |limits: &InstanceLimits| limits.arch == arch && limits.memory_mib >= CONTROLLER_MIB;
    let priced = embedded()
        .iter()
        .filter(|(_, limits)| fits(limits))
        .filter_map(|(name, _)| Some((name, market.prices.get(market.region, &format!("ec2 {name}"))?.usd)));
    let (name, _) = priced.min_by(|left, right| left.1.total_cmp(&right.1))?;
    let count = given.map_or(3, |controllers| controllers.count);
    let gib = given.map_or(CONTROLLER_GIB, |controllers| controllers.storage.gib_ceil() as f64);
    Some((count, name.clone(), gib))
}
