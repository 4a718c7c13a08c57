//! What does not fit an MSK cluster: each a full sentence with the number, the limit and a remedy.

use super::keys::MskStorage;
use super::limits::{UNPROVISIONED_MIBS, VOLUME_GIB, most_brokers, most_throughput_mibs};
use super::sizing::{FirstVolume, LimitTerm, ProvisionedNeeds};
use crate::sizing::{
    Bottleneck, BrokerDemand, Capacity, Misfit, Subject, any_way, ceil, gib, spread_over_zones, whole_retention,
};
use crate::text::number;

/// More brokers as a remedy, where MSK has them.
fn more_brokers(brokers: f64, demand: &BrokerDemand<'_>) -> Option<String> {
    let count = spread_over_zones(brokers, demand.cluster.zones);
    (count <= most_brokers(true)).then(|| format!("use {count} brokers"))
}

/// Volumes smaller than what has to be kept. What is larger than any volume is refused, whatever size the file gives.
/// Of any broker type: its limits are not in it.
pub(super) fn size_misfit(
    storage: &MskStorage,
    demand: &BrokerDemand<'_>,
    FirstVolume { size_gib, needed_gib }: FirstVolume,
) -> Option<Misfit> {
    let (cluster, segment_gib) = (&demand.cluster, demand.segment_gib());
    let most_gib = storage.max.map_or(size_gib, |max| max.gib_ceil() as f64).max(size_gib);
    let held = |volume_gib| whole_retention(cluster.retention_of_volumes(demand.brokers, volume_gib, segment_gib));
    if storage.tiered && size_gib < needed_gib {
        // What is not on volumes is in tiered storage, when topics say so.
        let size = gib(size_gib);
        let subject = if storage.size.is_some() { Subject::GivenSize } else { Subject::Data };
        return Some(match held(size_gib) {
            Some(span) => {
                let what = format!("Volumes of {size} hold the last {span} of {}", demand.settings.retention);
                let millis = span.millis();
                let remedy = format!("set `local.retention.ms` of topics with tiered storage to {millis} or less");
                Misfit::tight(subject, what, remedy)
            }
            None => {
                let what = format!("Volumes of {size} have room only for open segments");
                Misfit::tight(subject, what, "raise `storage.size`".to_owned())
            }
        });
    }
    if most_gib >= needed_gib {
        return None;
    }
    let mut ways = Vec::new();
    let (possible, key) = (VOLUME_GIB.most as f64, if storage.max.is_some() { "max" } else { "size" });
    let most_gib = if needed_gib > possible { possible } else { most_gib };
    if needed_gib <= possible {
        ways.push(format!("raise `storage.{key}` to {}", gib(needed_gib)));
    }
    ways.extend(cluster.brokers_for_volumes(most_gib, segment_gib).and_then(|brokers| more_brokers(brokers, demand)));
    if let Some(span) = held(most_gib) {
        ways.push(format!("keep records for {span} at most"));
    }
    let what = format!(
        "Volumes of at most {} are {} smaller than the {} that each broker needs to {}",
        gib(most_gib),
        gib(needed_gib - most_gib),
        gib(needed_gib),
        demand.keeping_text()
    );
    let ways = any_way(&ways);
    Some(match (needed_gib <= possible, storage.max) {
        (false, _) => Misfit::impossible(Subject::Data, what, ways),
        (true, Some(_)) => Misfit::tight(Subject::GivenMost, what, ways),
        (true, None) => Misfit::tight(Subject::GivenSize, what, ways),
    })
}

impl ProvisionedNeeds<'_> {
    /// `volume_mibs` is the throughput of each broker's volume, where it has one to choose.
    pub(super) fn warn_target(&self, limit: LimitTerm, volume_mibs: Option<f64>) -> Option<Misfit> {
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
        ways.extend(more_brokers(self.brokers_for(limit), demand));
        let by = format!("the {} of {} allows", limit.name, self.what());
        Some(capacity.excess(demand.workload.headroom, &by, any_way(&ways)))
    }

    pub(super) fn warn_replicas(&self) -> Option<Misfit> {
        let (demand, limits) = (&self.demand, self.limits);
        if demand.replicas() <= limits.recommended_replicas {
            return None;
        }
        let mut ways = vec!["use a larger type".to_owned()];
        ways.extend(more_brokers(demand.cluster.replicas() / limits.recommended_replicas, demand));
        ways.push("use fewer partitions".to_owned());
        let what = format!(
            "Each broker has {} partition replicas, {} more than the {} that AWS recommends for {}, and above {} MSK refuses \
             updates",
            number(demand.replicas()),
            number(demand.replicas() - limits.recommended_replicas),
            number(limits.recommended_replicas),
            self.own.instance_type,
            number(limits.most_replicas)
        );
        Some(Misfit::tight(Subject::Partitions, what, any_way(&ways)))
    }
}
