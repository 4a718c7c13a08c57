//! EC2 in a comparison: the best hosts for a workload, which type, how many, and with which volumes.

use super::ebs::EbsVolume;
use super::keys::{Brokers, Ec2, Storage};
use super::price::{ControllerHosts, Ec2Hosts, ROOT_GIB, bill, charge_bare_machines};
use super::size;
use crate::engines::{CommonKeys, ComparisonRequest};
use crate::file::{Nat, Network};
use crate::instance_types::{Arch, InstanceLimits, InstanceTypes, embedded, is_burstable};
use crate::pricing::{Bill, Choice, HOURS_PER_MONTH, Market, Purpose, Terms, Unfit};
use crate::sizing::{Bottleneck, Demand, spread_over_zones};

/// The least memory of a broker for production, for a heap of some GiB and a page cache.
const BROKER_MIB: u64 = 8192;
/// The least memory of a controller. Source: Kafka's KRaft operations, about 5 GB; 4 GiB serve small clusters.
const CONTROLLER_MIB: u64 = 4096;
/// Controllers where the file has none, and GiB of each one's metadata volume.
const CONTROLLERS: u32 = 3;
const CONTROLLER_GIB: f64 = 20.0;
/// The most brokers that are tried.
const MOST_BROKERS: u32 = 120;
/// How often a count that Equation 1 allows may be raised for the rest: memory, partitions, whole segments.
const MOST_RAISES: u32 = 24;

/// Hosts of each architecture: for production, with controllers of their own; and combined, for tests. NAT gateways, as the
/// file has them, and interface endpoints are in the sums.
pub(crate) fn candidates(request: &ComparisonRequest<'_>) -> Vec<Result<Choice, Unfit>> {
    let network = network_of(request);
    let forms = [(Arch::X86, "x86"), (Arch::Arm, "Arm")].map(|arch| [(arch, true), (arch, false)]);
    let candidate = |((arch, word), dedicated): ((Arch, &str), bool)| {
        let name = format!("EC2 {word}, {}", if dedicated { "own controllers" } else { "combined" });
        match best(request, arch, dedicated, embedded()) {
            Some(best) => Ok(choice(request, &network, name, dedicated, best)),
            None => {
                let why = format!("no instance type with a price in {} can carry the workload", request.market.region);
                Err(Unfit { name, reason: why })
            }
        }
    };
    forms.into_iter().flatten().map(candidate).collect()
}

/// The network of hosts that the comparison finds.
pub(super) fn network_of(request: &ComparisonRequest<'_>) -> Network {
    let mut network = request.common.network.clone();
    if needs_nat(request) {
        network.nat = Nat::OnePerZone;
    }
    network
}

/// Whether the file has no NAT gateways because its engine needs none: hosts need them, and kstack's default is one for each zone.
fn needs_nat(request: &ComparisonRequest<'_>) -> bool {
    let network = request.common.network;
    request.cluster.ec2.is_none() && network.existing.is_none() && network.nat == Nat::None
}

pub(crate) fn assumption(request: &ComparisonRequest<'_>) -> Option<String> {
    needs_nat(request).then(|| {
        "The file has no NAT gateways, as MSK needs none. Hosts on EC2 need outbound internet access, so the sums of EC2 include \
         one NAT gateway for each zone."
            .to_owned()
    })
}

fn choice(
    request: &ComparisonRequest<'_>,
    network: &Network,
    name: String,
    dedicated: bool,
    Best { hosts, bottleneck }: Best,
) -> Choice {
    let demand = request.common.demand();
    let bill = bill(&hosts, network, &demand, request.market, ROOT_GIB, request.reads);
    let also = hosts.controllers.as_ref();
    let also = also.map(|hosts| format!(" + {} × {}", hosts.count, hosts.instance_type)).unwrap_or_default();
    Choice {
        name,
        what: format!("{} × {}{also}", hosts.brokers, hosts.broker_type),
        brokers: Some(hosts.brokers),
        storage_gib: f64::from(hosts.brokers) * hosts.volume.map_or(0.0, |volume| volume.size_gib as f64),
        usd: bill.total(),
        estimated: bill.estimated(),
        limit: bottleneck.to_string(),
        purpose: if dedicated { Purpose::Own } else { Purpose::Test },
        terms: Terms {
            patches: "you",
            heals: "you, with kstack apply",
            versions: "any from 4.0 on",
            reach: "VPC, and `network.clients`",
        },
        bill,
    }
}

/// Hosts that carry the workload, and what stops them from carrying more.
pub(super) struct Best {
    pub hosts: Ec2Hosts,
    pub bottleneck: Bottleneck,
}

/// The cheapest brokers of `arch` that carry the workload without a warning: for production, with controllers of their own, on a
/// type with 8 GiB or more that is not burstable; or combined, for tests, on any. `None` when none of `types` with a price in the region does.
/// Types with disks of their own are left out: kstack's brokers do not use them, and their price is for them.
pub(super) fn best(
    request: &ComparisonRequest<'_>,
    arch: Arch,
    dedicated: bool,
    types: &InstanceTypes,
) -> Option<Best> {
    let market = request.market;
    let controllers = if dedicated { Some(controllers(request, arch, types)?) } else { None };
    let mut by_price: Vec<(&str, &InstanceLimits, f64)> = types
        .iter()
        .filter(|(_, limits)| limits.arch == arch && limits.disks_gb == 0)
        .filter(|(name, limits)| !dedicated || fit_for_production(name, limits))
        .filter_map(|(name, limits)| Some((name.as_str(), limits, usd_per_hour(market, name)?)))
        .collect();
    by_price.sort_by(|left, right| left.2.total_cmp(&right.2));
    let demand = request.common.demand();
    let mut trial = trial();
    let mut found: Option<(f64, Best)> = None;
    for (name, limits, usd_per_hour) in by_price {
        let least = least_brokers(&demand, limits);
        let instances_alone = f64::from(least) * usd_per_hour * HOURS_PER_MONTH;
        if least > MOST_BROKERS || found.as_ref().is_some_and(|(usd, _)| instances_alone >= *usd) {
            continue;
        }
        trial.brokers.instance_type = name.to_owned();
        let Some((brokers, volume, bottleneck)) = enough(&mut trial, request.common, (least, demand.zones), types)
        else {
            continue;
        };
        let volume = Some(volume);
        let controllers = controllers.clone();
        let hosts = Ec2Hosts { brokers, broker_type: name.to_owned(), volume, volumes: 1, controllers };
        let mut bill = Bill::default();
        charge_bare_machines(&mut bill, market, &hosts);
        let usd = bill.total();
        if found.as_ref().is_none_or(|(known, _)| usd < *known) {
            found = Some((usd, Best { hosts, bottleneck }));
        }
    }
    found.map(|(_, best)| best)
}

fn usd_per_hour(market: Market<'_>, instance_type: &str) -> Option<f64> {
    market.prices.get(market.region, &format!("ec2 {instance_type}")).map(|price| price.usd)
}

fn fit_for_production(name: &str, limits: &InstanceLimits) -> bool {
    limits.memory_mib >= BROKER_MIB && !is_burstable(name)
}

/// The least brokers that Equation 1's network and EBS terms allow, spread evenly over the zones.
fn least_brokers(demand: &Demand, limits: &InstanceLimits) -> u32 {
    let by_ebs = demand.planned_writes_mibs() / limits.ebs_mibs();
    let by_network = demand.planned_sends_mibs() / limits.network_mibs();
    spread_over_zones(by_ebs.max(by_network).max(demand.copies.into()), demand.zones)
}

/// Brokers with volumes that are derived.
fn trial() -> Ec2 {
    let storage = Storage::DERIVED;
    let brokers = Brokers { count: 0, instance_type: String::new(), storage, generation: 0 };
    Ec2::combined(brokers)
}

/// The least count from `least` on with which `kstack size` has nothing to warn of while nothing is gone, as the other engines'
/// brokers are counted; with the volume and the bottleneck.
fn enough(
    trial: &mut Ec2,
    common: CommonKeys<'_>,
    (least, zones): (u32, u32),
    types: &InstanceTypes,
) -> Option<(u32, EbsVolume, Bottleneck)> {
    for count in (0..MOST_RAISES).map(|raise| least + raise * zones).take_while(|count| *count <= MOST_BROKERS) {
        trial.brokers.count = count;
        let sizing = size(trial, common, types)?;
        if sizing.warnings.iter().all(|warning| warning.subject.is_of_outage()) {
            return Some((count, sizing.volume, sizing.bottleneck));
        }
    }
    None
}

/// The file's number of controllers, or three, of the cheapest type with enough memory.
fn controllers(request: &ComparisonRequest<'_>, arch: Arch, types: &InstanceTypes) -> Option<ControllerHosts> {
    let given = request.cluster.ec2.as_ref().and_then(|ec2| ec2.controllers.as_ref());
    let priced = types
        .iter()
        .filter(|(_, limits)| limits.arch == arch && limits.memory_mib >= CONTROLLER_MIB)
        .filter_map(|(name, _)| Some((name, usd_per_hour(request.market, name)?)));
    let (name, _) = priced.min_by(|left, right| left.1.total_cmp(&right.1))?;
    Some(ControllerHosts {
        count: given.map_or(CONTROLLERS, |controllers| controllers.count),
        instance_type: name.clone(),
        volume_gib: given.map_or(CONTROLLER_GIB, |controllers| controllers.storage.gib_ceil() as f64),
    })
}
