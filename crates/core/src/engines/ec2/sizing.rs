//! The volumes of each broker, from the workload and the instance type.

use serde::Serialize;

use super::ebs::{EbsLimits, EbsVolume};
use super::keys::{Ec2, VolumeType};
use super::warnings;
use crate::cloud_init::{self, HostRole};
use crate::engines::CommonKeys;
use crate::engines::rules::POSSIBLE_ZONES;
use crate::instance_types::{InstanceLimits, InstanceTypes, embedded};
use crate::sizing::{
    Bottleneck, BrokerDemand, BrokerRates, Capacity, EquationOne, Left, Misfit, OutageModel, Quorum, SizingStep, ceil,
    outages_text, render,
};
use crate::units::Rate;

/// Memory that is left to the operating system besides heap and page cache.
pub(super) const SYSTEM_MIB: u64 = 1024;

/// The volumes of each broker, what the cluster can take with it, and how both come about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ec2Sizing {
    /// Each of them.
    pub volume: EbsVolume,
    /// How many each broker has.
    pub volumes: u32,
    pub lines: Vec<SizingStep>,
    #[serde(flatten)]
    pub capacity: Capacity,
    pub bottleneck: Bottleneck,
    /// What is left while one broker, or one zone, is gone.
    pub outages: Vec<Left<Bottleneck>>,
    /// Full sentences: what does not fit, by how much, and how to fix it.
    pub warnings: Vec<Misfit>,
}

impl Ec2Sizing {
    /// The arithmetic in aligned columns, then the limit, the bottleneck, the volume, and the warnings. Plain text without
    /// colour; ends with a newline.
    pub fn render(&self) -> String {
        let volume = match self.volumes {
            1 => format!("volume      {} for each broker", self.volume.text()),
            count => format!("volumes     {count} of {} each, for each broker", self.volume.text()),
        };
        let outages = outages_text(&self.outages, Some(self.volume.size_gib as f64 * f64::from(self.volumes)));
        render(&self.lines, &self.capacity, self.bottleneck.name(), &volume, &outages, &self.warnings)
    }
}

/// The sizes for the brokers of `ec2`, with the limits of its instance types as AWS (or the embedded table) gives them. `None`
/// when `types` does not have the brokers' type.
pub fn size(ec2: &Ec2, common: CommonKeys<'_>, types: &InstanceTypes) -> Option<Ec2Sizing> {
    let needs = Needs::of(ec2, common, types)?;
    let volume = needs.volume();
    let rates = needs.rates(volume);
    let terms = EquationOne::of(rates, &needs.demand);
    let (limit_mibs, bottleneck) = terms.limit();
    let model = OutageModel {
        demand: &needs.demand,
        limit: &|remaining| EquationOne::of_remaining(rates, &needs.demand.cluster, remaining).limit(),
        quorum: Some(Quorum { voters: ec2.voters(), on_brokers: ec2.combined }),
        volume_gib: Some(volume.size_gib as f64 * needs.volumes()),
        most_brokers: warnings::MOST_BROKERS,
        most_zones: *POSSIBLE_ZONES.end() as u32,
    };
    let outages = model.left();
    let mut lines = needs.steps(volume, terms);
    let remaining_text = |remaining| {
        let text = needs.demand.remaining_text(rates.network, remaining);
        // Nothing else bounds what brokers on disks of their own send.
        if needs.on_own_disks() { text.split(", at most").next().unwrap_or_default().to_owned() } else { text }
    };
    lines.extend(model.steps(&outages, remaining_text));
    let capacity = Capacity::new(limit_mibs, &needs.demand.cluster);
    let of_outages = model.misfits(&outages, &capacity, "use a type with more network bandwidth");
    let volumes = needs.count();
    let mut sizing = Ec2Sizing { volume, volumes, lines, capacity, bottleneck, outages, warnings: Vec::new() };
    sizing.warnings = warnings::warnings(&needs, &sizing);
    sizing.warnings.extend(of_outages);
    Some(sizing)
}

/// What each broker has left over the workload's peak, in MiB/s: of its volumes and its link to EBS, which write all copies, and of its
/// network, which sends to consumers and followers. Negative where the peak is more than it can do; `None` as for [`size`].
pub fn spare_mibs(ec2: &Ec2, common: CommonKeys<'_>, types: &InstanceTypes) -> Option<f64> {
    let needs = Needs::of(ec2, common, types)?;
    let (rates, demand) = (needs.rates(needs.volume()), needs.demand);
    let sent_mibs = demand.cluster.peak_mibs * demand.cluster.sends_per_byte() / demand.brokers;
    Some((rates.volume.min(rates.ebs) - demand.written_mibs()).min(rates.network - sent_mibs))
}

/// What moves get at least, in MiB/s, where nothing is left over the peak: without it they would never end.
const LEAST_MIBS: f64 = 5.0;
/// What they get where the limits of the brokers' instance type are not known.
const UNKNOWN_MIBS: f64 = 20.0;

/// How many bytes a second moves may use of each broker, at first and at most: half of what it has left over the workload's peak, and all of
/// it where half is not enough; or what the file says. `None` as for [`size`].
pub fn known_rates_of_moves(ec2: &Ec2, common: CommonKeys<'_>, types: &InstanceTypes) -> Option<(u64, u64)> {
    if let Some(Rate(rate)) = ec2.changes.throttle {
        return Some((rate, rate));
    }
    let spare = spare_mibs(ec2, common, types)?;
    let rate = |mibs: f64| Rate::from_mibs(mibs.max(LEAST_MIBS)).0;
    Some((rate(spare / 2.0), rate(spare)))
}

/// The same for a plan, which has no throttle of the user's.
pub fn rates_of_moves(ec2: Option<&Ec2>, common: CommonKeys<'_>) -> (u64, u64) {
    let unknown = Rate::from_mibs(UNKNOWN_MIBS).0;
    ec2.and_then(|ec2| known_rates_of_moves(ec2, common, embedded())).unwrap_or((unknown, unknown))
}

/// What the workload asks of each broker, and what its instance type offers.
pub(super) struct Needs<'a> {
    pub ec2: &'a Ec2,
    pub limits: &'a InstanceLimits,
    pub demand: BrokerDemand<'a>,
}

impl<'a> Needs<'a> {
    fn of(ec2: &'a Ec2, common: CommonKeys<'a>, types: &'a InstanceTypes) -> Option<Self> {
        let limits = types.get(&ec2.brokers.instance_type)?;
        let demand = BrokerDemand {
            workload: common.workload,
            cluster: common.demand(),
            brokers: ec2.brokers.count.max(1).into(),
            settings: common.settings,
        };
        Some(Needs { ec2, limits, demand })
    }

    /// What volumes of the brokers' type can be.
    pub fn volume_limits(&self) -> &'static EbsLimits {
        self.ec2.brokers.storage.kind.limits()
    }

    /// Whether brokers have no EBS volumes, but the disks of their instances.
    pub fn on_own_disks(&self) -> bool {
        self.ec2.brokers.storage.kind == VolumeType::InstanceStore
    }

    /// How many volumes each broker has.
    pub fn count(&self) -> u32 {
        if self.on_own_disks() { self.limits.disks } else { self.ec2.brokers.storage.volumes }
    }

    /// The same, at least one, to divide by.
    pub fn volumes(&self) -> f64 {
        self.count().max(1).into()
    }

    /// What each volume of a broker has to hold. Kafka gives each the same number of partitions, which are taken to be alike.
    pub fn gib_of_each(&self) -> f64 {
        self.demand.volume_gib() / self.volumes()
    }

    /// What each volume of a broker has to write, with the headroom on top.
    pub fn throughput_of_each(&self) -> f64 {
        self.demand.throughput_mibs() / self.volumes()
    }

    /// The volume: what is given, and for the rest what the workload asks for, within the limits of the type. A throughput or
    /// IOPS that the instance can't use all the time is never derived.
    fn volume(&self) -> EbsVolume {
        if self.on_own_disks() {
            return EbsVolume::near(VolumeType::InstanceStore, self.limits.disk_gib(), 0, 0.0);
        }
        let (given, limits) = (&self.ec2.brokers.storage, self.volume_limits());
        let throughput = match given.throughput {
            // EBS takes whole MiB/s.
            Some(rate) => rate.mibs().floor(),
            None => ceil(self.throughput_of_each()).min(self.most_throughput_mibs()).max(limits.least_mibs()),
        };
        let iops = given.iops.unwrap_or_else(|| limits.iops_for(throughput).min(self.most_iops()));
        let size_gib = match given.size {
            Some(size) => size.gib_ceil(),
            None => (ceil(self.gib_of_each()) as u64)
                .max(limits.gib_for(iops))
                .max(limits.gib_for_throughput(throughput))
                .clamp(limits.size_gib.least, limits.size_gib.most),
        };
        EbsVolume::near(given.kind, size_gib, iops, throughput)
    }

    /// The most throughput that a volume can be used with, in whole MiB/s: its type's, or its part of the EBS bandwidth.
    pub fn most_throughput_mibs(&self) -> f64 {
        let limits = self.volume_limits();
        (self.limits.ebs_mibs() / self.volumes()).ceil().clamp(limits.least_mibs(), limits.most_mibs)
    }

    /// The most IOPS that a volume can be used with: its type's, or its part of the instance type's.
    pub fn most_iops(&self) -> u32 {
        let bounds = self.volume_limits().iops.as_ref().map(|iops| iops.bounds);
        bounds.map_or(0, |bounds| (self.limits.ebs_iops / self.volumes() as u32).clamp(bounds.least, bounds.most))
    }

    /// What each broker can do with `volume`, in MiB/s.
    fn rates(&self, volume: EbsVolume) -> BrokerRates {
        if self.on_own_disks() {
            // AWS gives no figures of an instance's disks, which are faster than its network, and EBS has no part in it.
            let network = self.limits.network_mibs();
            return BrokerRates { volume: f64::INFINITY, ebs: f64::INFINITY, network };
        }
        BrokerRates {
            volume: f64::from(volume.throughput_mibs) * self.volumes(),
            ebs: self.limits.ebs_mibs(),
            network: self.limits.network_mibs(),
        }
    }

    /// The heap that a broker's host gives Kafka, in MiB.
    pub fn heap_mib(&self) -> u64 {
        cloud_init::heap_mib(self.limits.memory_mib, HostRole::Broker)
    }

    /// Memory that is left for the page cache, in MiB.
    pub fn cache_mib(&self) -> u64 {
        self.limits.memory_mib.saturating_sub(self.heap_mib() + SYSTEM_MIB)
    }
}
