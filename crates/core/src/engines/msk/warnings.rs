//! What does not fit an MSK cluster: each a full sentence with the number, the limit and a remedy.

use super::limits::{UNPROVISIONED_MIBS, VOLUME_GIB, most_brokers, most_throughput_mibs};
use super::sizing::{LimitTerm, ProvisionedNeeds};
use crate::sizing::{Bottleneck, Capacity, any_way, ceil, gib, spread_over_zones, whole_retention};
use crate::text::number;

impl ProvisionedNeeds<'_> {
    /// More brokers as a remedy, where MSK has them.
    fn more_brokers(&self, brokers: f64) -> Option<String> {
        let count = spread_over_zones(brokers, self.demand.cluster.zones);
        (count <= most_brokers(true)).then(|| format!("use {count} brokers"))
    }

    pub(super) fn warn_size(&self, size_gib: f64, needed_gib: f64) -> Option<String> {
        let (demand, storage) = (&self.demand, &self.own.storage);
        let (cluster, segment_gib, retention) = (&demand.cluster, demand.segment_gib, demand.workload.retention);
        let most_gib = storage.max.map_or(size_gib, |max| max.gib_ceil() as f64).max(size_gib);
        let held = |volume_gib| whole_retention(cluster.retention_of_volumes(demand.brokers, volume_gib, segment_gib));
        if storage.tiered && size_gib < needed_gib {
            // What is not on volumes is in tiered storage, when topics say so.
            let size = gib(size_gib);
            return Some(match held(size_gib) {
                Some(span) => format!(
                    "Volumes of {size} hold the last {span} of {retention}: set `local.retention.ms` of topics with tiered \
                     storage to {} or less.",
                    span.millis()
                ),
                None => format!("Volumes of {size} have room only for open segments; raise `storage.size`."),
            });
        }
        if most_gib >= needed_gib {
            return None;
        }
        let mut ways = Vec::new();
        if needed_gib <= VOLUME_GIB.most as f64 {
            let key = if storage.max.is_some() { "max" } else { "size" };
            ways.push(format!("raise `storage.{key}` to {}", gib(needed_gib)));
        }
        ways.extend(cluster.brokers_for_volumes(most_gib, segment_gib).and_then(|brokers| self.more_brokers(brokers)));
        if let Some(span) = held(most_gib) {
            ways.push(format!("keep records for {span} at most"));
        }
        Some(format!(
            "Volumes of at most {} are {} smaller than the {} that each broker needs to keep records for {retention}; {}.",
            gib(most_gib),
            gib(needed_gib - most_gib),
            gib(needed_gib),
            any_way(&ways)
        ))
    }

    /// `volume_mibs` is the throughput of each broker's volume, where it has one to choose.
    pub(super) fn warn_target(&self, limit: LimitTerm, volume_mibs: Option<f64>) -> Option<String> {
        let (demand, capacity) = (&self.demand, Capacity::new(limit.mibs, &self.demand.cluster));
        if !capacity.is_exceeded() {
            return None;
        }
        let mut ways = Vec::new();
        let wanted = ceil(demand.throughput_mibs()).max(UNPROVISIONED_MIBS);
        let provisioned = volume_mibs.filter(|_| limit.name == Bottleneck::Volume.name());
        let most = most_throughput_mibs(&self.own.instance_type);
        if provisioned.is_some_and(|mibs| mibs < wanted) && most.is_some_and(|most| wanted <= most) {
            ways.push(format!("provision `storage.throughput: {wanted} MiB/s`"));
        }
        ways.push("use a larger type".to_owned());
        ways.extend(self.more_brokers(self.brokers_for(limit)));
        let by = format!("the {} of {} allows", limit.name, self.what());
        Some(capacity.excess(demand.workload.headroom, &by, &any_way(&ways)))
    }

    pub(super) fn warn_replicas(&self) -> Option<String> {
        let (demand, limits) = (&self.demand, self.limits);
        if demand.replicas() <= limits.recommended_replicas {
            return None;
        }
        let mut ways = vec!["use a larger type".to_owned()];
        ways.extend(self.more_brokers(demand.cluster.replicas() / limits.recommended_replicas));
        ways.push("use fewer partitions".to_owned());
        Some(format!(
            "Each broker has {} partition replicas, {} more than the {} that AWS recommends for {}, and above {} MSK refuses \
             updates; {}.",
            number(demand.replicas()),
            number(demand.replicas() - limits.recommended_replicas),
            number(limits.recommended_replicas),
            self.own.instance_type,
            number(limits.most_replicas),
            any_way(&ways)
        ))
    }
}
