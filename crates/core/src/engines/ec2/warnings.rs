//! What does not fit: each a full sentence with the number, the limit and a remedy.

use super::ebs::{MIBS_PER_IOPS, MOST_VOLUMES};
use super::keys::VolumeType;
use super::sizing::{Ec2Sizing, Needs, SYSTEM_MIB};
use crate::sizing::{Bottleneck, Misfit, Subject, any_way, ceil, gib, mibs, spread_over_zones, whole_retention};
use crate::text::{many, number};

/// Seconds of writes that the page cache should hold, so that consumers near the end never wait for the volume.
/// Source: Kafka's documentation, "Hardware and OS": memory = write throughput × 30.
pub(super) const CACHE_SECONDS: f64 = 30.0;

/// The least useful heap in MiB: Kafka's own default, in `kafka-server-start.sh`.
const LEAST_HEAP_MIB: u64 = 1024;
/// The most brokers that a stack file may have.
pub(super) const MOST_BROKERS: u32 = 1000;

/// Every warning for `sizing`, which follows from `needs`.
pub(super) fn warnings(needs: &Needs<'_>, sizing: &Ec2Sizing) -> Vec<Misfit> {
    let mut all = Vec::new();
    all.extend(needs.warn_size(sizing));
    // More than any volume writes is above every target.
    all.extend(needs.refuse_writes().or_else(|| needs.warn_target(sizing)));
    all.extend(needs.warn_given(sizing));
    all.extend(needs.warn_replicas());
    all.extend(needs.warn_memory());
    all.extend(needs.warn_tls());
    all
}

impl Needs<'_> {
    /// Volumes smaller than what has to be kept. What is larger than any volume is refused, whatever size the file gives.
    fn warn_size(&self, sizing: &Ec2Sizing) -> Option<Misfit> {
        let (demand, volumes) = (&self.demand, self.volumes());
        let volume_gib = sizing.volume.size_gib as f64 * volumes;
        let needed = ceil(demand.volume_gib());
        if volume_gib >= needed {
            return None;
        }
        if self.on_own_disks() {
            return Some(self.refuse_disks(volume_gib, needed));
        }
        let given = self.ec2.brokers.storage.size.is_some();
        let most = self.volume_limits().size_gib.most as f64 * volumes;
        let volume_gib = if needed > most { most } else { volume_gib };
        let mut ways = Vec::new();
        if given && needed <= most {
            ways.push(format!("raise `storage.size` to {}", gib(ceil(self.gib_of_each()))));
        }
        ways.extend(self.more_volumes(volumes * needed / volume_gib));
        let (cluster, segment_gib) = (&demand.cluster, demand.segment_gib());
        ways.extend(
            cluster.brokers_for_volumes(volume_gib, segment_gib).and_then(|brokers| self.more_brokers(brokers)),
        );
        let held = whole_retention(cluster.retention_of_volumes(demand.brokers, volume_gib, segment_gib));
        ways.extend(held.map(|retention| format!("keep records for {retention} at most")));
        if demand.replicas() * segment_gib >= volume_gib {
            ways.push("lower `log.segment.bytes` or the number of partitions".to_owned());
        }
        let ways = any_way(&ways);
        let needs = format!("the {} that each broker needs to {}", gib(needed), demand.keeping_text());
        Some(if needed > most {
            let (who, has) = (self.who().replacen('a', "A", 1), self.has());
            let what = format!("{who} {has} {} at most, {} less than {needs}", gib(most), gib(needed - most));
            Misfit::impossible(Subject::Data, what, ways)
        } else {
            let missing = gib(needed - volume_gib);
            let what = match self.ec2.brokers.storage.volumes {
                1 => format!("The given volumes of {} are {missing} smaller than {needs}", gib(volume_gib)),
                count => format!(
                    "The given {count} volumes of {} each are {missing} smaller than {needs}",
                    gib(volume_gib / volumes)
                ),
            };
            Misfit::tight(Subject::GivenSize, what, ways)
        })
    }

    /// Disks of the instance's own that are too small.
    fn refuse_disks(&self, disks_gib: f64, needed: f64) -> Misfit {
        let (demand, instance_type) = (&self.demand, &self.ec2.brokers.instance_type);
        let mut ways = vec!["use a type with larger disks".to_owned()];
        let brokers = demand.cluster.brokers_for_volumes(disks_gib, demand.segment_gib());
        ways.extend(brokers.and_then(|brokers| self.more_brokers(brokers)));
        ways.push("use EBS volumes".to_owned());
        let what = format!(
            "The disks of {instance_type} have {}, {} less than the {} that each broker needs to {}",
            gib(disks_gib),
            gib(needed - disks_gib),
            gib(needed),
            demand.keeping_text()
        );
        Misfit::impossible(Subject::InstanceType, what, any_way(&ways))
    }

    /// More at the peak than any volume writes.
    fn refuse_writes(&self) -> Option<Misfit> {
        let (written, most) = (self.demand.written_mibs(), self.volume_limits().most_mibs * self.volumes());
        if written <= most {
            return None;
        }
        let what = format!(
            "Each broker writes {} at the peak, {} more than the {} that {} {} at most",
            mibs(written),
            mibs(written - most),
            mibs(most),
            self.who(),
            self.has()
        );
        let times = self.demand.throughput_mibs() / most;
        let more = [self.more_volumes(self.volumes() * times), self.more_brokers(self.demand.brokers * times)];
        let ways: Vec<String> = more.into_iter().flatten().collect();
        Some(Misfit::impossible(Subject::Rate, what, any_way(&ways)))
    }

    fn warn_target(&self, sizing: &Ec2Sizing) -> Option<Misfit> {
        let (capacity, volume) = (sizing.capacity, sizing.volume);
        if !capacity.is_exceeded() {
            return None;
        }
        let mut ways = Vec::new();
        let instance_type = &self.ec2.brokers.instance_type;
        let (subject, way) = match sizing.bottleneck {
            Bottleneck::Volume => {
                let limits = self.volume_limits();
                let throughput = ceil(self.throughput_of_each());
                let iops = limits.iops_for(throughput);
                let gib = limits.gib_for(iops).max(limits.gib_for_throughput(throughput));
                let given = &self.ec2.brokers.storage;
                let mut raised = Vec::new();
                if throughput <= limits.most_mibs {
                    if given.throughput.is_some_and(|rate| rate.mibs().floor() < throughput) {
                        raised.push(format!("`storage.throughput` to {}", mibs(throughput)));
                    }
                    if volume.iops < iops && given.iops.is_some() {
                        raised.push(format!("`storage.iops` to {iops}"));
                    }
                    if volume.size_gib < gib && given.size.is_some() {
                        raised.push(format!("`storage.size` to {gib} GiB"));
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
        ways.extend(self.more_brokers(self.demand.brokers * capacity.demand_mibs / capacity.target_mibs));
        Some(capacity.excess(self.demand.workload.headroom, &subject, any_way(&ways)))
    }

    /// Given throughput and IOPS: too small behind another bottleneck, or more than the instance or gp3 has.
    fn warn_given(&self, sizing: &Ec2Sizing) -> Vec<Misfit> {
        let mut all = Vec::new();
        let (volume, storage) = (sizing.volume, &self.ec2.brokers.storage);
        let instance_type = &self.ec2.brokers.instance_type;
        let (limits, kind) = (self.volume_limits(), storage.kind.word());
        let iops_per_gib = limits.iops_per_gib();
        if let Some(given) =
            storage.throughput.filter(|_| kind == VolumeType::Gp3.word()).map(|rate| rate.mibs().floor())
        {
            let used = f64::from(volume.throughput_mibs);
            let short = ceil(self.throughput_of_each()) - given;
            // With the volume as the bottleneck, the warning about the target says it.
            if short > 0.0 && sizing.bottleneck != Bottleneck::Volume {
                let what = format!(
                    "The given throughput of {} is {} less than the {} that each volume needs at the peak",
                    mibs(given),
                    mibs(short),
                    mibs(given + short)
                );
                let remedy = "raise `storage.throughput`, or leave it out to have it derived".to_owned();
                all.push(Misfit::tight(Subject::GivenThroughput, what, remedy));
            }
            if given > used {
                let what = format!(
                    "The given throughput of {} is lowered to {}, as gp3 has at most {MIBS_PER_IOPS} MiB/s per \
                     IOPS and {iops_per_gib} IOPS per GiB",
                    mibs(given),
                    mibs(used)
                );
                let remedy = format!(
                    "raise `storage.iops` to {} and `storage.size` to at least {} GiB",
                    limits.iops_for(given),
                    limits.gib_for(limits.iops_for(given))
                );
                all.push(Misfit::tight(Subject::GivenThroughput, what, remedy));
            }
            if given > self.most_throughput_mibs() && self.most_throughput_mibs() < limits.most_mibs {
                let part = self.limits.ebs_mibs() / self.volumes();
                let what = format!(
                    "The given throughput of {} is {} above the {} of EBS bandwidth that {instance_type} always has{}",
                    mibs(given),
                    mibs(given - part),
                    mibs(part),
                    self.for_each()
                );
                let remedy = format!(
                    "lower `storage.throughput` to {}, or use a type with more EBS bandwidth",
                    mibs(self.most_throughput_mibs())
                );
                all.push(Misfit::tight(Subject::GivenThroughput, what, remedy));
            }
        }
        if let Some(given) = storage.iops.filter(|_| limits.iops.is_some()) {
            if given > volume.iops {
                let what = format!(
                    "The given {given} IOPS are lowered to {}, as {kind} has at most {iops_per_gib} IOPS per GiB",
                    volume.iops
                );
                let remedy = format!("raise `storage.size` to at least {} GiB", limits.gib_for(given));
                all.push(Misfit::tight(Subject::GivenIops, what, remedy));
            }
            if given > self.most_iops() {
                let part = self.limits.ebs_iops / self.volumes() as u32;
                let what = format!(
                    "The given {given} IOPS are {} above the {part} that {instance_type} always has{}",
                    given.saturating_sub(part),
                    self.for_each()
                );
                let remedy = format!("lower `storage.iops` to {}, or use a type with more EBS IOPS", self.most_iops());
                all.push(Misfit::tight(Subject::GivenIops, what, remedy));
            }
        }
        all
    }

    fn warn_replicas(&self) -> Option<Misfit> {
        let instance_type = &self.ec2.brokers.instance_type;
        let recommended = recommended_replicas(instance_type);
        if self.demand.replicas() <= recommended {
            return None;
        }
        let mut ways = vec!["use a larger type".to_owned()];
        ways.extend(self.more_brokers(self.demand.cluster.replicas() / recommended));
        ways.push("use fewer partitions".to_owned());
        let what = format!(
            "Each broker has {} partition replicas, {} more than the {} that are recommended for the size of \
             {instance_type}",
            number(self.demand.replicas()),
            number(self.demand.replicas() - recommended),
            number(recommended)
        );
        Some(Misfit::tight(Subject::Partitions, what, any_way(&ways)))
    }

    fn warn_memory(&self) -> Vec<Misfit> {
        let mut all = Vec::new();
        let (instance_type, memory) = (&self.ec2.brokers.instance_type, self.limits.memory_mib);
        let heap = self.heap_mib();
        if heap < LEAST_HEAP_MIB {
            let what = format!(
                "The {memory} MiB of memory of {instance_type} leave a heap of {heap} MiB, {} MiB less than \
                 Kafka's own default of {LEAST_HEAP_MIB} MiB",
                LEAST_HEAP_MIB - heap,
            );
            let remedy = "use a type with 4 GiB of memory or more".to_owned();
            all.push(Misfit::tight(Subject::InstanceType, what, remedy));
        }
        let (wanted, left) = (self.demand.written_mibs() * CACHE_SECONDS, self.cache_mib() as f64);
        if wanted > left {
            let mut ways = vec!["use a type with more memory".to_owned()];
            if left > 0.0 {
                ways.extend(self.more_brokers(self.demand.brokers * wanted / left));
            }
            let what = format!(
                "After a heap of {heap} MiB and {SYSTEM_MIB} MiB for the system, {instance_type} has {} MiB left for \
                 the page cache, and {} of the peak's writes take {} MiB",
                number(left),
                many(number(CACHE_SECONDS), "second"),
                number(ceil(wanted))
            );
            all.push(Misfit::tight(Subject::InstanceType, what, any_way(&ways)));
        }
        all
    }

    /// The volumes of a broker: `a gp3 volume`, `2 gp3 volumes`.
    fn who(&self) -> String {
        let storage = &self.ec2.brokers.storage;
        match storage.volumes {
            1 => self.volume_limits().name.to_owned(),
            count => format!("{count} {} volumes", storage.kind.word()),
        }
    }

    fn has(&self) -> &'static str {
        if self.volumes() > 1.0 { "have" } else { "has" }
    }

    fn for_each(&self) -> String {
        match self.ec2.brokers.storage.volumes {
            1 => String::new(),
            count => format!(" for each of {count} volumes"),
        }
    }

    /// More volumes as a remedy, where there are several: one is what most have.
    fn more_volumes(&self, volumes: f64) -> Option<String> {
        let most = self.volumes() > 1.0 && ceil(volumes) <= f64::from(MOST_VOLUMES);
        most.then(|| format!("raise `storage.volumes` to {}", number(ceil(volumes))))
    }

    /// More brokers as a remedy: at least `brokers`, spread evenly over the zones.
    pub(super) fn more_brokers(&self, brokers: f64) -> Option<String> {
        let brokers = spread_over_zones(brokers, self.demand.cluster.zones);
        (brokers <= MOST_BROKERS).then(|| format!("use {brokers} brokers"))
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
