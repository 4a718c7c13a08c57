//! The arithmetic of a broker on EC2, step by step.

use super::ebs::{EbsVolume, MIBS_PER_IOPS, ST1_MIBS_PER_TIB};
use super::keys::VolumeType;
use super::sizing::{Needs, SYSTEM_MIB};
use super::warnings::CACHE_SECONDS;
use crate::sizing::{EquationOne, GIB, MIBS, SizingStep, ceil, gib, mibs};
use crate::text::{many, number};

impl Needs<'_> {
    /// Every step, each with the numbers that it works on.
    pub(super) fn steps(&self, volume: EbsVolume, terms: EquationOne) -> Vec<SizingStep> {
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
        let by_volumes = match self.count() {
            1 => of_each(throughput, &copies),
            count => format!("{} × {count} volumes × {brokers} ÷ {copies}", mibs(throughput)),
        };
        let (limit, _) = terms.limit();
        let wanted = format!("{} × {} s", mibs(demand.written_mibs()), number(CACHE_SECONDS));
        let left = format!("{} MiB − {heap} MiB heap − {SYSTEM_MIB} MiB for the system", limits.memory_mib);
        let (by_network, sends) = (limits.network_mibs(), demand.sends_text());
        steps.extend([
            SizingStep::new("EBS bandwidth", ebs, limits.ebs_mibs(), MIBS),
            SizingStep::new("volume throughput", self.throughput_formula(volume), throughput, MIBS),
            SizingStep::new("network bandwidth", network, by_network, MIBS),
            SizingStep::new("limit by volumes", by_volumes, terms.by_volume, MIBS),
            SizingStep::new("limit by EBS bandwidth", of_each(limits.ebs_mibs(), &copies), terms.by_ebs, MIBS),
            SizingStep::new("limit by network", of_each(by_network, &sends), terms.by_network, MIBS),
            SizingStep::new("limit", "the least of the three", limit, MIBS),
            SizingStep::new("target", format!("{} × {usable}", mibs(limit)), limit * demand.cluster.usable, MIBS),
            SizingStep::new("page cache wanted", wanted, demand.written_mibs() * CACHE_SECONDS, "MiB"),
            SizingStep::new("page cache left", left, self.cache_mib() as f64, "MiB"),
        ]);
        steps.extend(self.tls_step());
        if self.on_own_disks() {
            let of_ebs = ["EBS bandwidth", "volume throughput", "limit by volumes", "limit by EBS bandwidth"];
            steps.retain(|step| !of_ebs.contains(&step.name.as_str()));
            if let Some(limit) = steps.iter_mut().find(|step| step.name == "limit") {
                "the network's: AWS gives no figures of an instance's own disks".clone_into(&mut limit.formula);
            }
            let held = demand.cluster.stored_gib() / demand.brokers;
            let all = format!("{} ÷ {brokers}", gib(demand.cluster.stored_gib()));
            let time =
                format!("{} × 1024 ÷ {} ÷ 3600 s, with nothing else on the network", gib(held), mibs(by_network));
            steps.push(SizingStep::new("lost with a host", all, held, GIB));
            steps.push(SizingStep::new("fetched again in", time, held * 1024.0 / by_network / 3600.0, "h"));
        }
        if volume.iops > 0 {
            let at = steps.iter().position(|step| step.name == "volume throughput").map_or(steps.len(), |at| at + 1);
            steps.insert(at, SizingStep::new("volume IOPS", self.iops_formula(volume), volume.iops.into(), "IOPS"));
        }
        steps
    }

    fn size_formula(&self, volume: EbsVolume) -> String {
        let limits = self.volume_limits();
        let (needed, size) = (ceil(self.gib_of_each()), volume.size_gib as f64);
        let each = match self.count() {
            1 => gib(self.demand.volume_gib()),
            count => format!("{} ÷ {count} volumes", gib(self.demand.volume_gib())),
        };
        if self.on_own_disks() {
            let (count, gb) = (self.limits.disks, self.limits.disks_gb);
            format!("{gb} GB × 10^9 ÷ 2^30 ÷ {}, of {}", many(count, "disk"), self.ec2.brokers.instance_type)
        } else if self.ec2.brokers.storage.size.is_some() {
            "given".to_owned()
        } else if needed > size {
            format!("the most that {} has, {}", volume.kind.word(), gib(limits.size_gib.most as f64))
        } else if needed < size && volume.iops > 0 && limits.gib_for(volume.iops) == volume.size_gib {
            format!("{} IOPS ÷ {} IOPS per GiB", volume.iops, limits.iops_per_gib())
        } else if needed < size && volume.size_gib == limits.size_gib.least {
            format!("{each}, but at least {}", gib(size))
        } else if needed < size {
            format!("for {} at {ST1_MIBS_PER_TIB} MiB/s per TiB", mibs(f64::from(volume.throughput_mibs)))
        } else {
            format!("{each}, rounded up")
        }
    }

    fn throughput_formula(&self, volume: EbsVolume) -> String {
        let (throughput, needed) = (f64::from(volume.throughput_mibs), self.throughput_of_each());
        let by_iops = || format!("{} IOPS × {MIBS_PER_IOPS} MiB/s per IOPS", volume.iops);
        let most = self.volume_limits().most_mibs;
        match volume.kind {
            VolumeType::InstanceStore => String::new(),
            VolumeType::St1 if throughput >= most => format!("the most that st1 has, of {} GiB", volume.size_gib),
            VolumeType::St1 => format!("{} GiB × {ST1_MIBS_PER_TIB} MiB/s per TiB, without bursts", volume.size_gib),
            VolumeType::Io2 => format!("{}, {} at most", by_iops(), number(most)),
            VolumeType::Gp3 => {
                let given = self.ec2.brokers.storage.throughput.map(|rate| rate.mibs().floor());
                if given == Some(throughput) {
                    "given".to_owned()
                } else if given.is_some() || throughput < ceil(needed).min(self.most_throughput_mibs()) {
                    by_iops()
                } else if throughput >= ceil(needed) {
                    format!("{}, rounded up, at least {}", mibs(needed), number(self.volume_limits().least_mibs()))
                } else if throughput >= most {
                    format!("the most that gp3 has, for {}", mibs(needed))
                } else {
                    let of =
                        if self.volumes() > 1.0 { "a volume's part of the EBS bandwidth" } else { "the EBS bandwidth" };
                    format!("{of}, rounded up, for {}", mibs(needed))
                }
            }
        }
    }

    fn iops_formula(&self, volume: EbsVolume) -> String {
        let limits = self.volume_limits();
        let throughput = f64::from(volume.throughput_mibs);
        let wanted = match volume.kind {
            VolumeType::Io2 => ceil(self.throughput_of_each()).min(self.most_throughput_mibs()),
            VolumeType::Gp3 | VolumeType::St1 | VolumeType::InstanceStore => throughput,
        };
        let least = limits.iops.as_ref().map_or(0, |iops| iops.derived);
        if self.ec2.brokers.storage.iops == Some(volume.iops) {
            "given".to_owned()
        } else if volume.iops == limits.iops_for(wanted) {
            format!("{} ÷ {MIBS_PER_IOPS} MiB/s per IOPS, at least {least}", mibs(wanted))
        } else if u64::from(volume.iops) == limits.most_iops_of(volume.size_gib) {
            format!("{} GiB × {} IOPS per GiB", volume.size_gib, limits.iops_per_gib())
        } else {
            format!("the IOPS that {} always has", self.ec2.brokers.instance_type)
        }
    }
}
