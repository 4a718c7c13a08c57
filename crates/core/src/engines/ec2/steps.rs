//! The arithmetic of a broker on EC2, step by step.

use super::gp3::{self, Gp3Volume, gib_for, iops_for};
use super::sizing::{Needs, SYSTEM_MIB};
use super::warnings::CACHE_SECONDS;
use crate::sizing::{EquationOne, GIB, MIBS, SizingStep, ceil, gib, mibs};
use crate::text::number;

impl Needs<'_> {
    /// Every step, each with the numbers that it works on.
    pub(super) fn steps(&self, volume: Gp3Volume, terms: EquationOne) -> Vec<SizingStep> {
        let (limits, demand) = (self.limits, &self.demand);
        let instance_type = &self.ec2.brokers.instance_type;
        let (brokers, copies, usable) = (demand.brokers_text(), demand.copies_text(), demand.usable_text());
        let (heap, throughput) = (self.heap_mib(), f64::from(volume.throughput_mibs));
        let mut steps = demand.rate_steps();
        steps.extend(demand.storage_steps());
        steps.push(SizingStep::new("volume size", self.size_formula(volume), volume.size_gib as f64, GIB));
        steps.extend(demand.write_steps());
        let ebs = format!("{} MB/s × 10^6 ÷ 2^20, baseline of {instance_type}", number(limits.ebs_mbs));
        let gbps = number(limits.network_gbps);
        let network = format!("{gbps} Gbit/s × 10^9 ÷ 8 ÷ 2^20, baseline of {instance_type}");
        let of_each = |rate: f64, by: &str| format!("{} × {brokers} ÷ {by}", mibs(rate));
        let (limit, _) = terms.limit();
        let wanted = format!("{} × {} s", mibs(demand.written_mibs()), number(CACHE_SECONDS));
        let left = format!("{} MiB − {heap} MiB heap − {SYSTEM_MIB} MiB for the system", limits.memory_mib);
        let (by_network, sends) = (limits.network_mibs(), demand.sends_text());
        steps.extend([
            SizingStep::new("EBS bandwidth", ebs, limits.ebs_mibs(), MIBS),
            SizingStep::new("volume throughput", self.throughput_formula(volume), throughput, MIBS),
            SizingStep::new("volume IOPS", self.iops_formula(volume), volume.iops.into(), "IOPS"),
            SizingStep::new("network bandwidth", network, by_network, MIBS),
            SizingStep::new("limit by volumes", of_each(throughput, &copies), terms.by_volume, MIBS),
            SizingStep::new("limit by EBS bandwidth", of_each(limits.ebs_mibs(), &copies), terms.by_ebs, MIBS),
            SizingStep::new("limit by network", of_each(by_network, &sends), terms.by_network, MIBS),
            SizingStep::new("limit", "the least of the three", limit, MIBS),
            SizingStep::new("target", format!("{} × {usable}", mibs(limit)), limit * demand.cluster.usable, MIBS),
            SizingStep::new("page cache wanted", wanted, demand.written_mibs() * CACHE_SECONDS, "MiB"),
            SizingStep::new("page cache left", left, self.cache_mib() as f64, "MiB"),
        ]);
        steps
    }

    fn size_formula(&self, volume: Gp3Volume) -> String {
        let needed = ceil(self.demand.volume_gib());
        if self.ec2.brokers.storage.size.is_some() {
            "given".to_owned()
        } else if needed > volume.size_gib as f64 {
            format!("the most that gp3 has, {}", gib(gp3::SIZE_GIB.most as f64))
        } else if needed < volume.size_gib as f64 && gib_for(volume.iops) == volume.size_gib {
            format!("{} IOPS ÷ {} IOPS per GiB", volume.iops, gp3::IOPS_PER_GIB)
        } else {
            format!("{}, rounded up", gib(self.demand.volume_gib()))
        }
    }

    fn throughput_formula(&self, volume: Gp3Volume) -> String {
        let (throughput, needed) = (f64::from(volume.throughput_mibs), self.demand.throughput_mibs());
        let given = self.ec2.brokers.storage.throughput.map(|rate| rate.mibs().floor());
        if given == Some(throughput) {
            "given".to_owned()
        } else if given.is_some() || throughput < ceil(needed).min(self.most_throughput_mibs()) {
            format!("{} IOPS × {} MiB/s per IOPS", volume.iops, gp3::MIBS_PER_IOPS)
        } else if throughput >= ceil(needed) {
            format!("{}, rounded up, at least {}", mibs(needed), number(gp3::THROUGHPUT_MIBS.least))
        } else if throughput >= gp3::THROUGHPUT_MIBS.most {
            format!("the most that gp3 has, for {}", mibs(needed))
        } else {
            format!("the EBS bandwidth, rounded up, for {}", mibs(needed))
        }
    }

    fn iops_formula(&self, volume: Gp3Volume) -> String {
        let throughput = f64::from(volume.throughput_mibs);
        if self.ec2.brokers.storage.iops == Some(volume.iops) {
            "given".to_owned()
        } else if volume.iops == iops_for(throughput) {
            format!("{} ÷ {} MiB/s per IOPS, at least {}", mibs(throughput), gp3::MIBS_PER_IOPS, gp3::IOPS.least)
        } else {
            format!("{} GiB × {} IOPS per GiB", volume.size_gib, gp3::IOPS_PER_GIB)
        }
    }
}
