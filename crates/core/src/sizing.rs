//! From workload to brokers' volumes: size, throughput and IOPS, with every step of the arithmetic shown. Pure.
//!
//! Rates are MiB/s (2^20 bytes), sizes GiB (2^30 bytes). "On the wire" means after compression: what producers send,
//! brokers copy and volumes store. The average fills volumes; the peak sets throughput.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cloud_init::{self, Role};
use crate::instance_types::{InstanceLimits, InstanceTypes};
use crate::stack::{Ec2, GP3_GIB, GP3_IOPS, GP3_MIBS, Stack};
use demand::Demand;

mod demand;
mod msk;
mod show;
#[cfg(test)]
mod tests;
mod warnings;

pub use msk::{MskSizing, msk_volume_gib, size_msk};

/// MiB/s that gp3 gives at most for each provisioned IOPS. Source: EBS volume types, 2026.
const GP3_MIBS_PER_IOPS: f64 = 0.25;
/// IOPS that gp3 takes at most for each GiB; its least IOPS come with any size. Source: EBS volume types, 2026.
const GP3_IOPS_PER_GIB: u64 = 500;
/// Kafka's default of `log.segment.bytes`.
const SEGMENT_BYTES: u64 = 1 << 30;
/// Seconds of writes that the page cache should hold, so that consumers near the end never wait for the volume.
/// Source: Kafka's documentation, "Hardware and OS": memory = write throughput × 30.
const CACHE_SECONDS: f64 = 30.0;
/// Memory in MiB that is left to the operating system besides heap and page cache.
const SYSTEM_MIB: u64 = 1024;

/// One line of the arithmetic.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// What is computed, such as `stored data`.
    pub name: String,
    /// How, with units, such as `16 MiB/s × 604800 s × 3 copies`.
    pub formula: String,
    /// The result, not rounded, in `unit`.
    pub value: f64,
    pub unit: &'static str,
}

/// The gp3 data volume of each broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Size in GiB.
    pub size_gib: u64,
    /// Provisioned IOPS.
    pub iops: u32,
    /// Provisioned throughput in MiB/s.
    pub throughput_mibs: u32,
}

/// What stops a cluster from taking more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bottleneck {
    /// The throughput of the volumes.
    Volume,
    /// The bandwidth between an instance and EBS.
    EbsBandwidth,
    /// The network bandwidth of the instances.
    Network,
}

impl fmt::Display for Bottleneck {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Bottleneck::Volume => "volume",
            Bottleneck::EbsBandwidth => "EBS bandwidth",
            Bottleneck::Network => "network",
        })
    }
}

/// The volume of each broker, what the cluster can take with it, and how both come about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sizing {
    pub volume: Volume,
    pub lines: Vec<Line>,
    /// The most that producers can send, in MiB/s on the wire, by Equation 1.
    pub limit_mibs: f64,
    /// The part of the limit to aim at: the workload's headroom less, 80 % by default.
    pub target_mibs: f64,
    /// What producers send at the grown workload's peak, in MiB/s on the wire.
    pub demand_mibs: f64,
    pub bottleneck: Bottleneck,
    /// Full sentences: what does not fit, by how much, and a way out.
    pub warnings: Vec<String>,
}

/// The sizes for the ec2 brokers of `stack`, with the limits of its instance types as AWS (or the embedded table) gives
/// them. `None` only when the stack has no ec2 cluster or the type is not in `types`.
pub fn size(stack: &Stack, types: &InstanceTypes) -> Option<Sizing> {
    let needs = Needs::of(stack, types)?;
    let volume = needs.volume();
    let terms = needs.terms(volume);
    let (limit_mibs, bottleneck) = least(terms);
    let mut sizing = Sizing {
        volume,
        lines: needs.lines(volume, terms),
        limit_mibs,
        target_mibs: limit_mibs * needs.used,
        demand_mibs: needs.peak,
        bottleneck,
        warnings: Vec::new(),
    };
    sizing.warnings = warnings::warnings(&needs, &sizing);
    Some(sizing)
}

/// Equation 1 by itself, all rates in one unit: the most that producers of a cluster can send, and what bounds it.
///
/// `t <= min(storage × N / r, ebs_network × N / r, ec2_network × N / (groups + r - 1))`: each volume, and each link to
/// EBS, carries r copies; each network link sends to every consumer group and to r - 1 followers. Of equal terms, the
/// one named is the one that is harder to raise. Source: AWS Big Data Blog, "Best practices for right-sizing your
/// Apache Kafka clusters to optimize performance and cost".
pub fn equation_one(
    storage: f64,
    ebs_network: f64,
    ec2_network: f64,
    brokers: f64,
    replication: f64,
    consumer_groups: f64,
) -> (f64, Bottleneck) {
    least(equation_one_terms(storage, ebs_network, ec2_network, brokers, replication, consumer_groups))
}

/// The terms of Equation 1: volume, EBS bandwidth, network.
fn equation_one_terms(storage: f64, ebs: f64, network: f64, brokers: f64, replication: f64, groups: f64) -> [f64; 3] {
    [storage * brokers / replication, ebs * brokers / replication, network * brokers / (groups + replication - 1.0)]
}

/// The least of the terms of Equation 1, and its name.
fn least([volume, ebs, network]: [f64; 3]) -> (f64, Bottleneck) {
    if network <= ebs && network <= volume {
        (network, Bottleneck::Network)
    } else if ebs <= volume {
        (ebs, Bottleneck::EbsBandwidth)
    } else {
        (volume, Bottleneck::Volume)
    }
}

/// What the workload asks of each broker, and what its instance type offers.
struct Needs<'a> {
    stack: &'a Stack,
    ec2: &'a Ec2,
    limits: &'a InstanceLimits,
    demand: Demand<'a>,
    /// Baseline bandwidth of the instance type to EBS and to the network, in MiB/s.
    ebs: f64,
    network: f64,
}

impl<'a> std::ops::Deref for Needs<'a> {
    type Target = Demand<'a>;
    fn deref(&self) -> &Demand<'a> {
        &self.demand
    }
}

impl<'a> Needs<'a> {
    fn of(stack: &'a Stack, types: &'a InstanceTypes) -> Option<Self> {
        let ec2 = stack.cluster.ec2.as_ref()?;
        let limits = types.get(&ec2.brokers.instance_type)?;
        let load = &stack.workload;
        let demand = Demand::of(load, ec2.brokers.count, load.replication_factor, segment_gib(&ec2.config));
        Some(Needs {
            stack,
            ec2,
            limits,
            demand,
            ebs: limits.ebs_mbs * 1e6 / 1_048_576.0,
            network: limits.network_gbps * 1e9 / 8.0 / 1_048_576.0,
        })
    }

    /// The volume: what is given, and for the rest what the workload asks for, within the limits of gp3.
    /// A throughput or IOPS that the instance can't use all the time is never derived.
    fn volume(&self) -> Volume {
        let given = &self.ec2.brokers.storage;
        let throughput = match given.throughput {
            // EBS takes whole MiB/s.
            Some(rate) => rate.mib().floor(),
            None => whole(self.throughput).min(self.most_throughput()).max(GP3_MIBS.0),
        };
        let iops = given.iops.unwrap_or_else(|| iops_for(throughput).min(self.most_iops()));
        let size_gib = match given.size {
            Some(size) => size.gib_ceil(),
            None => (whole(self.gib()) as u64).max(gib_for(iops)).clamp(GP3_GIB.0, GP3_GIB.1),
        };
        let iops = u64::from(iops).min((size_gib * GP3_IOPS_PER_GIB).max(GP3_IOPS.0.into())) as u32;
        let throughput_mibs = throughput.min(f64::from(iops) * GP3_MIBS_PER_IOPS) as u32;
        Volume { size_gib, iops, throughput_mibs }
    }

    /// The most throughput that a volume can be used with, in whole MiB/s: gp3's, or all of the EBS bandwidth.
    fn most_throughput(&self) -> f64 {
        self.ebs.ceil().clamp(GP3_MIBS.0, GP3_MIBS.1)
    }

    /// The most IOPS that a volume can be used with: gp3's, or the instance type's.
    fn most_iops(&self) -> u32 {
        self.limits.ebs_iops.clamp(GP3_IOPS.0, GP3_IOPS.1)
    }

    /// The terms of Equation 1 with `volume`. Without consumers, links carry more in, r copies, than out.
    fn terms(&self, volume: Volume) -> [f64; 3] {
        let groups = f64::from(self.stack.workload.consumers.max(1));
        equation_one_terms(volume.throughput_mibs.into(), self.ebs, self.network, self.brokers, self.copies, groups)
    }

    /// The heap that a broker's host gives Kafka, in MiB.
    fn heap_mib(&self) -> u64 {
        cloud_init::heap_mib(self.limits.memory_mib, Role::Broker)
    }

    /// Memory that is left for the page cache, in MiB.
    fn cache_mib(&self) -> u64 {
        self.limits.memory_mib.saturating_sub(self.heap_mib() + SYSTEM_MIB)
    }
}

/// The bytes of `log.segment.bytes` in the file's settings, or its text when Kafka could not use it.
fn given_segment(config: &BTreeMap<String, String>) -> Option<Result<u64, &str>> {
    let text = config.get("log.segment.bytes")?;
    let usable = |bytes: &u64| (1..=i32::MAX as u64).contains(bytes);
    Some(text.trim().parse().ok().filter(usable).ok_or(text))
}

/// GiB of a segment with these settings; Kafka's default where they have none that Kafka could use.
pub(crate) fn segment_gib(config: &BTreeMap<String, String>) -> f64 {
    given_segment(config).and_then(Result::ok).unwrap_or(SEGMENT_BYTES) as f64 / (1u64 << 30) as f64
}

/// IOPS that gp3 must have for a throughput in MiB/s.
fn iops_for(throughput: f64) -> u32 {
    (whole(throughput / GP3_MIBS_PER_IOPS) as u32).clamp(GP3_IOPS.0, GP3_IOPS.1)
}

/// GiB that gp3 must have for its IOPS.
fn gib_for(iops: u32) -> u64 {
    if iops > GP3_IOPS.0 { u64::from(iops).div_ceil(GP3_IOPS_PER_GIB) } else { GP3_GIB.0 }
}

/// `value` rounded up, but for what floating point adds to a whole number.
fn whole(value: f64) -> f64 {
    (value * (1.0 - 1e-12)).ceil()
}
