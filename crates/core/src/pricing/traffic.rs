//! How much of a workload's traffic crosses a zone. AWS charges 0.01 USD per GiB on each side, 0.02 in all.
//!
//! Rates are on the wire: after compression, at the end of the planned growth, as volumes are sized for. Copies are
//! spread over zones as Kafka's rack-aware assignment does it: no zone has two copies more than another. Leaders are spread
//! evenly over the copies; clients are spread evenly over the zones and reach the leader wherever it is.

use super::HOURS;
use crate::stack::Stack;

/// A workload as bytes on the wire.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Average rate from producers, in MiB/s.
    pub average: f64,
    /// Peak rate from producers, in MiB/s.
    pub peak: f64,
    /// Consumer groups that read everything.
    pub groups: f64,
    /// Copies of each partition.
    pub copies: u32,
    pub zones: u32,
    /// Partitions without their copies.
    pub partitions: f64,
    /// How long records are kept, in seconds.
    pub retention: f64,
    /// The part of a broker's limits that may be used.
    pub used: f64,
}

impl Load {
    /// The workload of `stack`.
    pub fn of(stack: &Stack) -> Load {
        let load = &stack.workload;
        let average = load.ingress.mib() / load.compression * load.growth;
        Load {
            average,
            peak: average * load.peak,
            groups: load.consumers.into(),
            copies: load.replication_factor.max(1),
            zones: u32::try_from(stack.network.zones.count()).unwrap_or(u32::MAX).max(1),
            partitions: load.partitions.into(),
            retention: load.retention.0 as f64,
            used: 1.0 - load.headroom.0,
        }
    }

    /// GiB that producers send in a month.
    pub fn month(&self) -> f64 {
        self.average * 3600.0 * HOURS / 1024.0
    }

    /// GiB that are kept, one copy.
    pub fn kept(&self) -> f64 {
        self.average * self.retention / 1024.0
    }

    /// Copies of each byte that followers fetch from a leader in another zone.
    ///
    /// With copies spread as evenly as they can be, a leader's own zone has `Σ n² ÷ copies` of them on average, n being the copies
    /// in a zone; all others cross. With no more copies than zones that is `copies − 1`.
    pub fn copies_across(&self) -> f64 {
        let (each, extra) = (self.copies / self.zones, self.copies % self.zones);
        let squares = extra * (each + 1).pow(2) + (self.zones - extra) * each.pow(2);
        f64::from(self.copies) - f64::from(squares) / f64::from(self.copies)
    }

    /// The part of producers' traffic whose leader is in another zone: `(zones − 1) ÷ zones`.
    pub fn far(&self) -> f64 {
        f64::from(self.zones - 1) / f64::from(self.zones)
    }

    /// The part of consumers' traffic that crosses a zone although they read from the nearest copy: zones without one.
    pub fn far_from_nearest(&self) -> f64 {
        f64::from(self.zones.saturating_sub(self.copies)) / f64::from(self.zones)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(copies: u32, zones: u32) -> Load {
        let (average, peak, groups, partitions) = (1.0, 1.0, 1.0, 1.0);
        Load { average, peak, groups, copies, zones, partitions, retention: 1.0, used: 1.0 }
    }

    #[test]
    fn copies_that_cross_a_zone() {
        let across = |copies, zones| load(copies, zones).copies_across();
        assert_eq!((across(3, 3), across(2, 3), across(1, 3), across(3, 1)), (2.0, 1.0, 0.0, 0.0));
        // Two copies in one zone and one in the other: a leader is beside another copy two times of three.
        assert!((across(3, 2) - 4.0 / 3.0).abs() < 1e-12);
        assert!((across(4, 2) - 2.0).abs() < 1e-12);
    }

    #[test]
    fn clients_that_cross_a_zone() {
        assert_eq!((load(3, 3).far(), load(3, 1).far()), (2.0 / 3.0, 0.0));
        assert_eq!((load(3, 3).far_from_nearest(), load(2, 3).far_from_nearest()), (0.0, 1.0 / 3.0));
    }

    #[test]
    fn a_month_of_one_mebibyte_a_second() {
        assert!((load(3, 3).month() - 2566.40625).abs() < 1e-9);
    }
}
