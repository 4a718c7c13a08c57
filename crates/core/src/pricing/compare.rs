//! The same workload on EC2, MSK and hosted services: sized, priced, and sorted by cost.

use serde::Serialize;

use super::advice::advice;
use super::cost::{Hosts, Reads, bare_machines, clients, machines, network, replication};
use super::crossing::{Crossing, break_even, crossings};
use super::hosted::{self, TIERS};
use super::msk::{self, Demand, Method};
use super::traffic::Load;
use super::{Bill, Market, Prices, ec2};
use crate::instance_types::{Arch, embedded};
use crate::msk::brokers::brokers;
use crate::sizing::{segment_gib, size, size_msk};
use crate::stack::{Brokers, Cluster, Ec2, Nat, Rate, Size, Stack, Storage, VolumeType};

/// What a way of running Kafka takes off one's hands, and what it takes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Terms {
    /// Who patches hosts and Kafka.
    pub patches: &'static str,
    /// Who replaces a broken broker.
    pub heals: &'static str,
    /// Which versions of Kafka there are.
    pub versions: &'static str,
    /// From where it can be reached.
    pub reach: &'static str,
}

/// For which use a choice stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Use {
    /// Production, run by oneself.
    Own,
    /// Production, run by the provider.
    Managed,
    /// Development and tests only.
    Test,
}

/// One way of running the workload.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Choice {
    pub name: String,
    /// Such as `3 × m7g.large`.
    pub what: String,
    /// Brokers; absent where there are none of one's own.
    pub brokers: Option<u32>,
    /// GiB that are paid for, in all.
    pub storage_gib: f64,
    /// USD a month, without what `bill.gaps` names.
    pub usd: f64,
    /// Whether a price in it is worked out rather than quoted.
    pub estimated: bool,
    /// What stops it from taking more.
    pub limit: String,
    pub purpose: Use,
    pub terms: Terms,
    pub bill: Bill,
}

impl Choice {
    /// Whether every price is known.
    pub fn complete(&self) -> bool {
        self.bill.gaps.is_empty()
    }
}

/// A way that does not carry the workload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unfit {
    pub name: String,
    pub why: String,
}

/// The file's brokers beside the same type and number on MSK, with the same volumes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Same {
    pub ec2: String,
    pub msk: String,
    /// USD a month for the brokers alone.
    pub ec2_brokers: f64,
    pub msk_brokers: f64,
    /// MSK's over EC2's: what published comparisons show.
    pub ratio: f64,
    /// USD a month with volumes.
    pub ec2_usd: f64,
    pub msk_usd: f64,
    /// Average ingress of the file's kind, in MiB/s, from which EC2 is no longer cheaper, as it pays for replication between zones.
    pub break_even_mibs: Option<f64>,
    /// Ingress in MiB/s, and what EC2 and MSK cost with it, for a chart.
    pub points: Vec<(f64, f64, f64)>,
}

/// Every way side by side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    pub stack: String,
    pub region: String,
    pub method: Method,
    /// The file's average ingress, before compression and growth, in MiB/s.
    pub ingress_mibs: f64,
    /// The cheapest first; those whose price is known in part only come last.
    pub choices: Vec<Choice>,
    pub unfit: Vec<Unfit>,
    /// Where the cheapest for production changes, all else in the file being equal.
    pub crossings: Vec<Crossing>,
    pub same: Option<Same>,
    /// What is taken for granted that the file does not say, in one sentence.
    pub assumed: Option<String>,
    /// What to take, and why, in one sentence.
    pub advice: Option<String>,
}

/// `stack` on everything that is known here. On EC2 the hosts' way out, as the file has it, and interface endpoints are in the sum;
/// MSK's brokers need neither. Traffic that leaves the VPC for Confluent Cloud is in no sum. An MSK file is taken as `on_hosts` has
/// it. `None` when it has no cluster to begin with.
pub fn compare(stack: &Stack, prices: &Prices, method: Method, reads: Reads) -> Option<Comparison> {
    let as_hosts = if stack.cluster.msk.is_some() { Some(on_hosts(stack)?) } else { None };
    let assumed = as_hosts.as_ref().filter(|hosts| hosts.network.nat != stack.network.nat).map(|_| {
        "The file has no NAT gateways, as MSK needs none; on EC2 hosts need a way out, so one for each zone is in the sums of \
         EC2."
            .to_owned()
    });
    let stack = as_hosts.as_ref().unwrap_or(stack);
    stack.cluster.ec2.as_ref()?;
    let market = Market { prices, region: &stack.region };
    let (choices, unfit) = choices(stack, market, method, reads);
    let cheapest = |rate: f64| {
        let (choices, _) = self::choices(&at(stack, rate), market, method, reads);
        let of = |choice: &Choice| choice.complete() && choice.purpose != Use::Test;
        choices.into_iter().find(of).map(|choice| choice.name)
    };
    Some(Comparison {
        stack: stack.name.to_string(),
        region: stack.region.to_string(),
        method,
        ingress_mibs: stack.workload.ingress.mib(),
        advice: advice(&choices, stack.ttl),
        crossings: crossings(cheapest),
        same: same(stack, market),
        assumed,
        choices,
        unfit,
    })
}

/// An MSK file as if its brokers were on EC2: as many, of the same type and with the same volumes, where EC2 has the type. Hosts
/// need a way out, so a file without NAT gateways gets kstack's default of one for each zone. `None` for a file without MSK.
fn on_hosts(stack: &Stack) -> Option<Stack> {
    let msk = stack.cluster.msk.as_ref()?;
    let own = msk.brokers.as_ref().filter(|_| !msk.serverless);
    let zones = u32::try_from(stack.network.zones.count()).unwrap_or(3);
    let plain =
        own.and_then(|own| own.instance_type.strip_prefix("kafka.")).filter(|kind| embedded().contains_key(*kind));
    let storage = Storage {
        kind: VolumeType::Gp3,
        size: size_msk(stack).and_then(|sizing| sizing.size_gib).map(Size::gib),
        iops: None,
        throughput: own.and_then(|own| own.storage.throughput),
    };
    let brokers = Brokers {
        count: own.map_or(zones, |own| own.count),
        // What has no type of EC2's own is compared by workload alone: no MSK type is this one's.
        instance_type: plain.unwrap_or(NO_SUCH_TYPE).to_owned(),
        storage,
    };
    let mut hosts = stack.clone();
    hosts.cluster = Cluster { ec2: Some(Ec2::plain(brokers, msk.config.clone())), msk: None };
    if hosts.network.nat == Nat::None {
        hosts.network.nat = Nat::OnePerZone;
    }
    Some(hosts)
}

/// A type of EC2 that MSK has no brokers of.
const NO_SUCH_TYPE: &str = "t4g.medium";

/// The same file with another ingress, in MiB/s.
fn at(stack: &Stack, mibs: f64) -> Stack {
    let mut stack = stack.clone();
    stack.workload.ingress = Rate((mibs * 1_048_576.0).round() as u64);
    stack
}

fn choices(stack: &Stack, market: Market<'_>, method: Method, reads: Reads) -> (Vec<Choice>, Vec<Unfit>) {
    let load = Load::of(stack);
    let (mut fit, mut unfit) = (Vec::new(), Vec::new());
    let mut sort = |name: String, made: Result<Choice, String>| match made {
        Ok(choice) => fit.push(choice),
        Err(why) => unfit.push(Unfit { name, why }),
    };
    for (arch, word) in [(Arch::X86, "x86"), (Arch::Arm, "Arm")] {
        for dedicated in [true, false] {
            let name = format!("EC2 {word}, {}", if dedicated { "own controllers" } else { "combined" });
            sort(name.clone(), on_ec2(stack, market, &load, arch, dedicated, reads, name));
        }
    }
    let segment = stack.cluster.ec2.as_ref().map_or(1.0, |ec2| segment_gib(&ec2.config));
    for (prefix, name) in [("kafka.m", "MSK standard"), ("kafka.t3.", "MSK t3"), ("express.", "MSK Express")] {
        sort(name.to_owned(), on_msk(market, &Demand::of(load, segment), prefix, name, method, reads));
    }
    sort("MSK Serverless".to_owned(), on_serverless(market, &load));
    for tier in &TIERS {
        sort(tier.name.to_owned(), on_confluent(market, tier, &load));
    }
    fit.sort_by(|left, right| right.complete().cmp(&left.complete()).then(left.usd.total_cmp(&right.usd)));
    (fit, unfit)
}

fn choice(name: &str, what: String, brokers: Option<u32>, storage_gib: f64, bill: Bill, limit: String) -> Choice {
    let (purpose, terms) = terms(name);
    let (usd, estimated) = (bill.total(), bill.estimated());
    Choice { name: name.to_owned(), what, brokers, storage_gib, usd, estimated, limit, purpose, terms, bill }
}

#[allow(clippy::too_many_arguments)] // One call; a struct would only name them twice.
fn on_ec2(
    stack: &Stack,
    market: Market<'_>,
    load: &Load,
    arch: Arch,
    dedicated: bool,
    reads: Reads,
    name: String,
) -> Result<Choice, String> {
    let best = ec2::best(stack, market, arch, dedicated)
        .ok_or_else(|| format!("no type with a price in {} carries it", market.region))?;
    let hosts = best.hosts;
    let controllers = hosts.controllers.as_ref().map_or(0, |controllers| controllers.0);
    let mut bill = Bill::default();
    machines(&mut bill, market, &hosts);
    network(&mut bill, market, stack, f64::from(hosts.brokers + controllers));
    replication(&mut bill, market, load);
    clients(&mut bill, market, load, reads);
    let also = hosts.controllers.as_ref().map(|(count, kind, _)| format!(" + {count} × {kind}")).unwrap_or_default();
    let what = format!("{} × {}{also}", hosts.brokers, hosts.broker_type);
    let storage = f64::from(hosts.brokers) * hosts.volume.size_gib as f64;
    Ok(choice(&name, what, Some(hosts.brokers), storage, bill, best.limit.to_string()))
}

fn on_msk(
    market: Market<'_>,
    demand: &Demand,
    prefix: &str,
    name: &str,
    method: Method,
    reads: Reads,
) -> Result<Choice, String> {
    let types = brokers().keys().filter(|broker| broker.starts_with(prefix));
    let priced = types.filter(|broker| market.prices.get(market.region, &format!("msk {broker}")).is_some());
    let fits = priced.filter_map(|broker| msk::fit(broker, demand, method));
    let bills = fits.map(|cluster| (msk::bill(market, &cluster, &demand.load, reads), cluster));
    let best = bills.min_by(|left, right| left.0.total().total_cmp(&right.0.total()));
    let (bill, msk::Cluster { broker, count, gib, limit, .. }) =
        best.ok_or_else(|| format!("no broker type with a price in {} carries it with 60 brokers", market.region))?;
    let storage = if broker.starts_with("express.") { gib } else { gib * f64::from(count) };
    Ok(choice(name, format!("{count} × {broker}"), Some(count), storage, bill, limit.to_owned()))
}

fn on_serverless(market: Market<'_>, load: &Load) -> Result<Choice, String> {
    let (bill, limit) = hosted::serverless(market, load)?;
    Ok(choice("MSK Serverless", "1 cluster".to_owned(), None, load.kept(), bill, limit))
}

fn on_confluent(market: Market<'_>, tier: &hosted::Tier, load: &Load) -> Result<Choice, String> {
    let (bill, units) = hosted::confluent(market, tier, load)?;
    if bill.lines.iter().all(|line| line.usd.is_none_or(|usd| usd == 0.0)) {
        return Err(format!("no figure for {}", market.region));
    }
    let what = format!("{units} eCKU at the peak");
    Ok(choice(tier.name, what, None, load.kept(), bill, tier.note.to_owned()))
}

fn terms(name: &str) -> (Use, Terms) {
    let aws = |versions, reach| Terms { patches: "AWS", heals: "AWS", versions, reach };
    match name {
        // AWS recommends its burstable brokers for development only.
        "MSK t3" => (Use::Test, aws("AWS's list, to 4.1", "VPC; public if switched on later")),
        "MSK standard" => (Use::Managed, aws("AWS's list, to 4.1", "VPC; public if switched on later")),
        "MSK Express" => (Use::Managed, aws("3.6, 3.8, 3.9, 4.2", "VPC")),
        "MSK Serverless" => (Use::Managed, aws("AWS's choice", "VPC, with IAM only")),
        _ if name.starts_with("Confluent") => {
            let purpose = if name.ends_with("Basic") { Use::Test } else { Use::Managed };
            let (patches, heals, versions) = ("Confluent", "Confluent", "Confluent's choice");
            (purpose, Terms { patches, heals, versions, reach: "the internet, not the VPC" })
        }
        _ => {
            let purpose = if name.ends_with("combined") { Use::Test } else { Use::Own };
            let (patches, heals, versions) = ("you", "you, with kstack apply", "any from 4.0 on");
            (purpose, Terms { patches, heals, versions, reach: "VPC, and `network.clients`" })
        }
    }
}

/// The file's brokers on MSK, where it has the type: brokers, volumes and replication; all else is the same on both sides.
fn same(stack: &Stack, market: Market<'_>) -> Option<Same> {
    let brokers = &stack.cluster.ec2.as_ref()?.brokers;
    let msk_type = format!("kafka.{}", brokers.instance_type);
    self::brokers().get(&msk_type)?;
    let volume = size(stack, embedded())?.volume;
    let count = brokers.count;
    let hosts = Hosts { brokers: count, broker_type: brokers.instance_type.clone(), volume, controllers: None };
    let mut ec2 = Bill::default();
    bare_machines(&mut ec2, market, &hosts);
    let broker = msk_type.clone();
    let gib = volume.size_gib as f64;
    let cluster = msk::Cluster { broker, count, gib, tiered: 0.0, throughput: None, limit: "" };
    let none = Load { average: 0.0, ..Load::of(stack) };
    let msk = msk::bill(market, &cluster, &none, Reads::Leader);
    if !(ec2.gaps.is_empty() && msk.gaps.is_empty()) {
        return None;
    }
    let (ec2_usd, msk_usd) = (ec2.total(), msk.total());
    let on_ec2 = |rate: f64| {
        let mut copies = Bill::default();
        replication(&mut copies, market, &Load::of(&at(stack, rate)));
        ec2_usd + copies.total()
    };
    let break_even_mibs = break_even(on_ec2, |_| msk_usd);
    let end = break_even_mibs.map_or(stack.workload.ingress.mib(), |rate| rate) * 2.0;
    let points = (0..=10).map(|step| end * f64::from(step) / 10.0).map(|rate| (rate, on_ec2(rate), msk_usd)).collect();
    let first = |bill: &Bill| bill.lines.first().and_then(|line| line.usd);
    let (ec2_brokers, msk_brokers) = (first(&ec2)?, first(&msk)?);
    Some(Same {
        ec2: format!("{count} × {}", brokers.instance_type),
        msk: format!("{count} × {msk_type}"),
        ec2_brokers,
        msk_brokers,
        ratio: msk_brokers / ec2_brokers,
        ec2_usd,
        msk_usd,
        break_even_mibs,
        points,
    })
}
