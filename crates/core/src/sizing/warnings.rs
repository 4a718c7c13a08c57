//! What does not fit: each a full sentence with the number, the limit and a way out.

use std::collections::BTreeMap;

use super::show::{count, gib, mibs, number};
use super::{Bottleneck, CACHE_SECONDS, GP3_IOPS_PER_GIB, GP3_MIBS_PER_IOPS, Needs, SYSTEM_MIB, Sizing};
use super::{gib_for, given_segment, iops_for, whole};
use crate::stack::{GP3_GIB, GP3_MIBS, Span};

/// The least useful heap in MiB: Kafka's own default, in `kafka-server-start.sh`.
const LEAST_HEAP_MIB: u64 = 1024;
/// The most brokers that a stack file may have.
const MOST_BROKERS: f64 = 1000.0;

/// Every warning for `sizing`, which follows from `needs`.
pub(super) fn warnings(needs: &Needs<'_>, sizing: &Sizing) -> Vec<String> {
    let mut all = Vec::new();
    all.extend(given_segment_warning(&needs.ec2.config));
    all.extend(needs.warn_size(sizing));
    all.extend(needs.warn_target(sizing));
    all.extend(needs.warn_given(sizing));
    all.extend(needs.warn_replicas());
    all.extend(needs.warn_memory());
    all
}

/// What Kafka could not use of `log.segment.bytes`.
pub(super) fn given_segment_warning(config: &BTreeMap<String, String>) -> Option<String> {
    let text = given_segment(config)?.err()?;
    Some(format!(
        "`log.segment.bytes` is `{text}`, which is not a number of bytes from 1 to {}, so segments of 1 GiB are assumed; \
         write a whole number, such as 1073741824.",
        i32::MAX
    ))
}

impl Needs<'_> {
    fn warn_size(&self, sizing: &Sizing) -> Option<String> {
        let (size, needed) = (sizing.volume.size_gib as f64, whole(self.gib()));
        if size >= needed {
            return None;
        }
        let given = self.ec2.brokers.storage.size.is_some();
        let mut ways = Vec::new();
        if given && needed <= GP3_GIB.1 as f64 {
            ways.push(format!("raise `storage.size` to {}", gib(needed)));
        }
        // Whole replicas may put one segment more on a broker than the division says.
        let replicas = f64::from(self.stack.workload.partitions) * self.copies;
        let total = self.data * self.brokers + replicas * self.segment;
        if size > self.segment {
            ways.extend(self.brokers(total / (size - self.segment)));
        }
        let retention = (size - self.replicas * self.segment) * self.used * self.brokers * 1024.0;
        let retention = retention / self.average / self.copies;
        let unit = if retention >= 2.0 * 86_400.0 { 86_400.0 } else { 3_600.0 };
        if retention >= unit {
            let retention = Span((retention / unit).floor() as u64 * unit as u64);
            ways.push(format!("keep records for {retention} at most"));
        }
        if self.replicas * self.segment >= size {
            ways.push("lower `log.segment.bytes` or the number of partitions".to_owned());
        }
        let kept = self.stack.workload.retention;
        let what = if given {
            format!("The given volumes of {} are {} smaller than", gib(size), gib(needed - size))
        } else {
            format!("A gp3 volume has {} at most, {} less than", gib(size), gib(needed - size))
        };
        Some(format!("{what} the {} that each broker needs to keep records for {kept}; {}.", gib(needed), any_of(ways)))
    }

    fn warn_target(&self, sizing: &Sizing) -> Option<String> {
        let Sizing { limit_mibs: limit, target_mibs: target, demand_mibs: demand, bottleneck, volume, .. } = sizing;
        // Sizes that are derived meet the target exactly: a rounding error is no reason to warn.
        if *demand <= target * (1.0 + 1e-9) {
            return None;
        }
        let mut ways = Vec::new();
        let instance_type = &self.ec2.brokers.instance_type;
        let (subject, way) = match bottleneck {
            Bottleneck::Volume => {
                let (throughput, iops) = (whole(self.throughput), iops_for(self.throughput));
                let given = &self.ec2.brokers.storage;
                let mut raised = Vec::new();
                if throughput <= GP3_MIBS.1 {
                    if given.throughput.is_some_and(|rate| rate.mib().floor() < throughput) {
                        raised.push(format!("`storage.throughput` to {}", mibs(throughput)));
                    }
                    if volume.iops < iops && given.iops.is_some() {
                        raised.push(format!("`storage.iops` to {iops}"));
                    }
                    if volume.size_gib < gib_for(iops) && given.size.is_some() {
                        raised.push(format!("`storage.size` to {} GiB", gib_for(iops)));
                    }
                }
                let way = (!raised.is_empty()).then(|| format!("raise {}", raised.join(" and ")));
                ("the volumes allow".to_owned(), way)
            }
            Bottleneck::EbsBandwidth => (
                format!("the EBS bandwidth of {instance_type} allows"),
                Some("use a type with more EBS bandwidth".to_owned()),
            ),
            Bottleneck::Network => (
                format!("the network of {instance_type} allows"),
                Some("use a type with more network bandwidth".to_owned()),
            ),
        };
        ways.extend(way);
        ways.extend(self.brokers(self.brokers * demand / target));
        Some(format!(
            "The peak of {} is {} above the target of {}, which keeps {} free of the {} that {subject}; {}.",
            mibs(*demand),
            mibs(demand - target),
            mibs(*target),
            self.stack.workload.headroom,
            mibs(*limit),
            any_of(ways)
        ))
    }

    /// Given throughput and IOPS: too small behind another bottleneck, or more than the instance or gp3 has.
    fn warn_given(&self, sizing: &Sizing) -> Vec<String> {
        let mut all = Vec::new();
        let (volume, storage) = (sizing.volume, &self.ec2.brokers.storage);
        let instance_type = &self.ec2.brokers.instance_type;
        if let Some(given) = storage.throughput.map(|rate| rate.mib().floor()) {
            let used = f64::from(volume.throughput_mibs);
            let short = whole(self.throughput) - given;
            // With the volume as the bottleneck, the warning about the target says it.
            if short > 0.0 && sizing.bottleneck != Bottleneck::Volume {
                all.push(format!(
                    "The given throughput of {} is {} less than the {} that each volume needs at the peak; raise \
                     `storage.throughput`, or leave it out to have it derived.",
                    mibs(given),
                    mibs(short),
                    mibs(given + short)
                ));
            }
            if given > used {
                all.push(format!(
                    "The given throughput of {} is lowered to {}, as gp3 has at most {GP3_MIBS_PER_IOPS} MiB/s per \
                     IOPS and {GP3_IOPS_PER_GIB} IOPS per GiB; raise `storage.iops` to {} and `storage.size` to at \
                     least {} GiB.",
                    mibs(given),
                    mibs(used),
                    iops_for(given),
                    gib_for(iops_for(given))
                ));
            }
            if given > self.most_throughput() && self.most_throughput() < GP3_MIBS.1 {
                all.push(format!(
                    "The given throughput of {} is {} above the {} of EBS bandwidth that {instance_type} always has; \
                     lower `storage.throughput` to {}, or use a type with more EBS bandwidth.",
                    mibs(given),
                    mibs(given - self.ebs),
                    mibs(self.ebs),
                    mibs(self.most_throughput())
                ));
            }
        }
        if let Some(given) = storage.iops {
            if given > volume.iops {
                all.push(format!(
                    "The given {given} IOPS are lowered to {}, as gp3 has at most {GP3_IOPS_PER_GIB} IOPS per GiB; \
                     raise `storage.size` to at least {} GiB.",
                    volume.iops,
                    gib_for(given)
                ));
            }
            if given > self.most_iops() {
                all.push(format!(
                    "The given {given} IOPS are {} above the {} that {instance_type} always has; lower `storage.iops` \
                     to {}, or use a type with more EBS IOPS.",
                    given.saturating_sub(self.limits.ebs_iops),
                    self.limits.ebs_iops,
                    self.most_iops()
                ));
            }
        }
        all
    }

    fn warn_replicas(&self) -> Option<String> {
        let instance_type = &self.ec2.brokers.instance_type;
        let recommended = recommended_replicas(instance_type);
        if self.replicas <= recommended {
            return None;
        }
        let total = f64::from(self.stack.workload.partitions) * self.copies;
        let mut ways = vec!["use a larger type".to_owned()];
        ways.extend(self.brokers(total / recommended));
        ways.push("use fewer partitions".to_owned());
        Some(format!(
            "Each broker has {} partition replicas, {} more than the {} that are recommended for the size of \
             {instance_type}; {}.",
            number(self.replicas),
            number(self.replicas - recommended),
            number(recommended),
            any_of(ways)
        ))
    }

    fn warn_memory(&self) -> Vec<String> {
        let mut all = Vec::new();
        let (instance_type, memory) = (&self.ec2.brokers.instance_type, self.limits.memory_mib);
        let heap = self.heap_mib();
        if heap < LEAST_HEAP_MIB {
            all.push(format!(
                "The {memory} MiB of memory of {instance_type} leave a heap of {heap} MiB, {} MiB less than \
                 Kafka's own default of {LEAST_HEAP_MIB} MiB; use a type with 4 GiB of memory or more.",
                LEAST_HEAP_MIB - heap,
            ));
        }
        let (wanted, left) = (self.written * CACHE_SECONDS, self.cache_mib() as f64);
        if wanted > left {
            let mut ways = vec!["use a type with more memory".to_owned()];
            if left > 0.0 {
                ways.extend(self.brokers(self.brokers * wanted / left));
            }
            all.push(format!(
                "After a heap of {heap} MiB and {SYSTEM_MIB} MiB for the system, {instance_type} has {} MiB left for \
                 the page cache, and {} of the peak's writes take {} MiB; {}.",
                number(left),
                count(CACHE_SECONDS, "second", "seconds"),
                number(whole(wanted)),
                any_of(ways)
            ));
        }
        all
    }

    /// The way out that is more brokers: at least `least`, spread evenly over the zones.
    fn brokers(&self, least: f64) -> Option<String> {
        let zones = self.stack.network.zones.count().max(1) as f64;
        let brokers = (whole(least) / zones).ceil() * zones;
        (brokers <= MOST_BROKERS).then(|| format!("use {} brokers", number(brokers)))
    }
}

/// Partition replicas that a broker of this size should have at most. Source: the recommendation of MSK for brokers of
/// the same sizes (Amazon MSK best practices, 2026), taken as orientation for EC2.
pub(super) fn recommended_replicas(instance_type: &str) -> f64 {
    let size = instance_type.split_once('.').map_or("", |(_, size)| size);
    match size.strip_suffix("xlarge").map(|times| times.parse().unwrap_or(1)) {
        Some(..=1) => 1000.0,
        Some(2..=3) => 2000.0,
        Some(4..) => 4000.0,
        None if size == "large" => 1000.0,
        None if size.starts_with("metal") => 4000.0,
        None => 300.0,
    }
}

/// `a, b or c`; what always helps when there is none of them.
pub(super) fn any_of(mut ways: Vec<String>) -> String {
    match ways.pop() {
        None => "divide the workload among several stacks".to_owned(),
        Some(only) if ways.is_empty() => only,
        Some(last) => format!("{} or {last}", ways.join(", ")),
    }
}
