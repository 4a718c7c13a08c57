//! What a workload asks of a cluster, whatever the cluster runs on. Sizing, prices and checks all ask this one place.
//!
//! Rates are MiB/s (2^20 bytes), sizes GiB (2^30 bytes). "On the wire" means after compression and at the end of the planned
//! growth: what producers send, brokers copy and volumes store. The average fills volumes; the peak sets throughput.

use super::ceil;
use crate::file::Workload;
use crate::settings::Settings;
use crate::units::gib_of;

/// Hours of a month, as AWS's own calculator counts.
pub const HOURS_PER_MONTH: f64 = 730.0;

/// What a workload asks of a whole cluster.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Demand {
    /// Average rate from producers on the wire.
    pub average_mibs: f64,
    /// Peak rate from producers on the wire.
    pub peak_mibs: f64,
    /// Consumer groups that read everything.
    pub consumer_groups: f64,
    /// Copies of each partition.
    pub copies: u32,
    pub zones: u32,
    /// Partitions without their copies.
    pub partitions: f64,
    /// How long records are kept; infinite for ever.
    pub retention_seconds: f64,
    /// GiB of a partition above which its oldest records go earlier; infinite without a limit.
    pub partition_gib: f64,
    /// The part of a limit that may be used: one less the headroom.
    pub usable: f64,
}

impl Demand {
    /// The demand of `workload` in this many zones, with what counts of `settings`.
    pub fn of(workload: &Workload, settings: Settings, zones: usize) -> Demand {
        let average_mibs = workload.ingress.mibs() / workload.compression * workload.growth;
        Demand {
            average_mibs,
            peak_mibs: average_mibs * workload.peak,
            consumer_groups: workload.consumers.into(),
            copies: settings.copies.max(1),
            zones: u32::try_from(zones).unwrap_or(u32::MAX).max(1),
            partitions: workload.partitions.into(),
            retention_seconds: settings.retention.seconds(),
            partition_gib: settings.partition_gib(),
            usable: 1.0 - workload.headroom.0,
        }
    }

    /// Peak rate to all consumers.
    pub fn peak_out_mibs(&self) -> f64 {
        self.peak_mibs * self.consumer_groups
    }

    /// The peak with the headroom on top.
    pub fn planned_mibs(&self) -> f64 {
        self.peak_mibs / self.usable
    }

    /// What all volumes together write at the peak, with the headroom on top: each copy once.
    pub fn planned_writes_mibs(&self) -> f64 {
        self.planned_mibs() * f64::from(self.copies)
    }

    /// What all brokers together send at the peak, with the headroom on top.
    pub fn planned_sends_mibs(&self) -> f64 {
        self.planned_mibs() * self.sends_per_byte()
    }

    /// What leaves the brokers for each byte from producers: to every consumer group, and to the other copies. Without
    /// consumers, links carry more in, all copies, than out.
    pub fn sends_per_byte(&self) -> f64 {
        self.sends_per_byte_of(1.0)
    }

    /// The same while only this part of the brokers is there: the rest of the copies is fetched by nobody.
    pub fn sends_per_byte_of(&self, part: f64) -> f64 {
        self.consumer_groups.max(1.0) + f64::from(self.copies) * part - 1.0
    }

    /// Partitions with their copies.
    pub fn replicas(&self) -> f64 {
        self.partitions * f64::from(self.copies)
    }

    /// Partition replicas of each of `brokers`, rounded up.
    pub fn replicas_per_broker(&self, brokers: f64) -> f64 {
        (self.replicas() / brokers).ceil()
    }

    /// One copy of what is kept during the whole retention.
    pub fn one_copy_gib(&self) -> f64 {
        self.one_copy_of_gib(self.retention_seconds)
    }

    /// One copy of what is kept of the records that producers send in `seconds`. However producers spread their records over
    /// the partitions, it is not more.
    pub fn one_copy_of_gib(&self, seconds: f64) -> f64 {
        gib_of(self.average_mibs, seconds).min(self.partitions * self.partition_gib)
    }

    /// Whether records go before the retention has passed, as partitions reach their most bytes.
    pub fn is_cut(&self) -> bool {
        self.partitions * self.partition_gib < gib_of(self.average_mibs, self.retention_seconds)
    }

    /// For how long records are kept at the average rate, in seconds, where all partitions get the same.
    pub fn kept_seconds(&self) -> f64 {
        self.one_copy_gib() / gib_of(self.average_mibs, 1.0)
    }

    /// All copies of what is kept.
    pub fn stored_gib(&self) -> f64 {
        self.one_copy_gib() * f64::from(self.copies)
    }

    /// All copies with the headroom on top, without open segments.
    pub fn planned_data_gib(&self) -> f64 {
        self.stored_gib() / self.usable
    }

    /// What each of `brokers` has to hold. Only closed segments are deleted, so each replica keeps one of `segment_gib` more
    /// than its data.
    pub fn volume_gib(&self, brokers: f64, segment_gib: f64) -> f64 {
        self.planned_data_gib() / brokers + self.replicas_per_broker(brokers) * segment_gib
    }

    /// For how long `brokers` with volumes of `volume_gib` each keep the workload's records, in seconds; negative when open
    /// segments alone fill the volumes.
    pub fn retention_of_volumes(&self, brokers: f64, volume_gib: f64, segment_gib: f64) -> f64 {
        let data_gib = (volume_gib - self.replicas_per_broker(brokers) * segment_gib) * self.usable * brokers;
        data_gib / gib_of(self.average_mibs, 1.0) / f64::from(self.copies)
    }

    /// The least number of brokers whose volumes of `volume_gib` each hold the data; `None` when a segment fills a volume.
    /// Whole replicas may put one segment more on a broker than a division says, so each volume has one less.
    pub fn brokers_for_volumes(&self, volume_gib: f64, segment_gib: f64) -> Option<f64> {
        let total_gib = self.planned_data_gib() + self.replicas() * segment_gib;
        (volume_gib > segment_gib).then(|| total_gib / (volume_gib - segment_gib))
    }

    /// What producers send in a month.
    pub fn month_gib(&self) -> f64 {
        gib_of(self.average_mibs, 3600.0 * HOURS_PER_MONTH)
    }

    /// Copies of each byte that followers fetch from a leader in another zone.
    ///
    /// Copies are spread over zones as Kafka's rack-aware assignment does it, no zone having two more than another. A leader's
    /// own zone then has `Σ n² ÷ copies` of them on average, n being the copies in a zone, and all others cross. With no more
    /// copies than zones that is `copies − 1`.
    pub fn copies_across_zones(&self) -> f64 {
        let (each, extra) = (self.copies / self.zones, self.copies % self.zones);
        let squares = extra * (each + 1).pow(2) + (self.zones - extra) * each.pow(2);
        f64::from(self.copies) - f64::from(squares) / f64::from(self.copies)
    }

    /// The part of clients' traffic whose leader is in another zone: `(zones − 1) ÷ zones`. Leaders and clients are spread
    /// evenly over the zones.
    pub fn far_from_leader(&self) -> f64 {
        f64::from(self.zones - 1) / f64::from(self.zones)
    }

    /// The part of consumers' traffic that crosses a zone although they read from the nearest copy: zones without a copy.
    pub fn far_from_nearest(&self) -> f64 {
        f64::from(self.zones.saturating_sub(self.copies)) / f64::from(self.zones)
    }
}

/// `brokers` in whole ones, spread evenly over `zones`, at least one a zone.
pub fn spread_over_zones(brokers: f64, zones: u32) -> u32 {
    let zones = zones.max(1);
    (ceil(brokers).min(1e6) as u32).div_ceil(zones).max(1) * zones
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(copies: u32, zones: u32) -> Demand {
        Demand {
            average_mibs: 1.0,
            peak_mibs: 1.0,
            consumer_groups: 1.0,
            copies,
            zones,
            partitions: 1.0,
            retention_seconds: 1.0,
            partition_gib: f64::INFINITY,
            usable: 1.0,
        }
    }

    #[test]
    fn copies_that_cross_a_zone() {
        let across = |copies, zones| demand(copies, zones).copies_across_zones();
        assert_eq!((across(3, 3), across(2, 3), across(1, 3), across(3, 1)), (2.0, 1.0, 0.0, 0.0));
        // Two copies in one zone and one in the other: a leader is beside another copy two times of three.
        assert!((across(3, 2) - 4.0 / 3.0).abs() < 1e-12);
        assert!((across(4, 2) - 2.0).abs() < 1e-12);
    }

    #[test]
    fn clients_that_cross_a_zone() {
        assert_eq!((demand(3, 3).far_from_leader(), demand(3, 1).far_from_leader()), (2.0 / 3.0, 0.0));
        assert_eq!((demand(3, 3).far_from_nearest(), demand(2, 3).far_from_nearest()), (0.0, 1.0 / 3.0));
    }

    #[test]
    fn a_month_of_one_mebibyte_a_second() {
        assert!((demand(3, 3).month_gib() - 2566.40625).abs() < 1e-9);
    }

    #[test]
    fn bytes_of_a_partition_bound_what_is_kept() {
        let plain = Demand { partitions: 10.0, retention_seconds: 1024.0 * 100.0, ..demand(3, 3) };
        assert_eq!((plain.one_copy_gib(), plain.stored_gib(), plain.is_cut()), (100.0, 300.0, false));
        let cut = Demand { partition_gib: 2.5, ..plain };
        assert_eq!((cut.one_copy_gib(), cut.stored_gib(), cut.is_cut()), (25.0, 75.0, true));
        assert_eq!(cut.kept_seconds(), 1024.0 * 25.0);
        // A limit that is not reached changes nothing, and bounds records that are kept for ever.
        let far = Demand { partition_gib: 10.0, ..plain };
        assert_eq!((far.one_copy_gib(), far.is_cut()), (100.0, false));
        assert_eq!(Demand { retention_seconds: f64::INFINITY, ..cut }.one_copy_gib(), 25.0);
    }

    #[test]
    fn brokers_are_spread_evenly() {
        let counts = [(0.1, 3), (3.0, 3), (3.000_000_000_000_1, 3), (3.1, 3), (5.0, 2), (1.0, 0)];
        assert_eq!(counts.map(|(brokers, zones)| spread_over_zones(brokers, zones)), [3, 3, 3, 6, 6, 1]);
    }
}
