//! From workload to brokers, as far as it is the same for every engine, with each step of the arithmetic shown. Pure.

mod demand;
mod misfit;
mod outage;
mod steps;

use std::fmt;

use serde::Serialize;

pub use demand::{Demand, HOURS_PER_MONTH, spread_over_zones};
pub use misfit::{Fit, Misfit, Subject};
pub use outage::{Left, Outage, OutageModel, Quorum, Remaining, outages_text};
pub use steps::{BrokerDemand, Capacity, SizingStep, gib, mibs, render};

use crate::text::any_of;
use crate::units::TimeSpan;

/// The unit of rates.
pub const MIBS: &str = "MiB/s";
/// The unit of sizes.
pub const GIB: &str = "GiB";

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

impl Bottleneck {
    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Bottleneck::Volume => "volume",
            Bottleneck::EbsBandwidth => "EBS bandwidth",
            Bottleneck::Network => "network",
        }
    }
}

impl fmt::Display for Bottleneck {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// What each broker can do, in one unit of rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BrokerRates {
    /// Throughput of its volume.
    pub volume: f64,
    /// Bandwidth of its link to EBS.
    pub ebs: f64,
    /// Bandwidth of its network link.
    pub network: f64,
}

/// The terms of Equation 1, in the unit of the rates: the most that producers can send, as each part of a broker allows.
///
/// `t <= min(volume × N / r, ebs × N / r, network × N / (groups + r - 1))`: each volume, and each link to EBS, carries r copies;
/// each network link sends to every consumer group and to r - 1 followers. Source: AWS Big Data Blog, "Best practices for
/// right-sizing your Apache Kafka clusters to optimize performance and cost".
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EquationOne {
    pub by_volume: f64,
    pub by_ebs: f64,
    pub by_network: f64,
}

impl EquationOne {
    /// The terms for `brokers` that carry `copies` of each byte and send it out `sends` times.
    pub fn new(rates: BrokerRates, brokers: f64, copies: f64, sends: f64) -> Self {
        EquationOne {
            by_volume: rates.volume * brokers / copies,
            by_ebs: rates.ebs * brokers / copies,
            by_network: rates.network * brokers / sends,
        }
    }

    /// The terms for the brokers of `demand`.
    pub fn of(rates: BrokerRates, demand: &BrokerDemand<'_>) -> Self {
        EquationOne::new(rates, demand.brokers, demand.cluster.copies.into(), demand.cluster.sends_per_byte())
    }

    /// The terms while only the brokers of `remaining` are there: they write what they wrote, and send what all sent.
    pub fn of_remaining(rates: BrokerRates, demand: &Demand, remaining: Remaining) -> Self {
        let whole = EquationOne::new(rates, remaining.all, demand.copies.into(), demand.sends_per_byte());
        let by_network = match remaining.left > 0.0 {
            true => rates.network * remaining.left / demand.sends_per_byte_of(remaining.part()),
            false => 0.0,
        };
        EquationOne { by_network, ..whole }
    }

    /// The smallest term and its name. Of equal terms, the one that is harder to raise.
    pub fn limit(self) -> (f64, Bottleneck) {
        if self.by_network <= self.by_ebs && self.by_network <= self.by_volume {
            (self.by_network, Bottleneck::Network)
        } else if self.by_ebs <= self.by_volume {
            (self.by_ebs, Bottleneck::EbsBandwidth)
        } else {
            (self.by_volume, Bottleneck::Volume)
        }
    }
}

/// `value` rounded up, but for what floating point adds to a whole number.
pub fn ceil(value: f64) -> f64 {
    (value * (1.0 - 1e-12)).ceil()
}

/// A retention of `seconds` in whole days, or in whole hours below two days; `None` below an hour.
pub fn whole_retention(seconds: f64) -> Option<TimeSpan> {
    let unit = if seconds >= 2.0 * 86_400.0 { 86_400.0 } else { 3_600.0 };
    (seconds >= unit).then(|| TimeSpan((seconds / unit).floor() as u64 * unit as u64))
}

/// The ways to fix what a warning is about; what always helps when there is none of them.
pub fn any_way(ways: &[String]) -> String {
    if ways.is_empty() { "divide the workload among several stacks".to_owned() } else { any_of(ways) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(volume: f64, ebs: f64, network: f64, copies: f64, groups: f64) -> (f64, Bottleneck) {
        EquationOne::new(BrokerRates { volume, ebs, network }, 3.0, copies, groups + copies - 1.0).limit()
    }

    /// AWS Big Data Blog, "Best practices for right-sizing your Apache Kafka clusters": 3 m5.12xlarge with volumes of
    /// 1,000 MB/s.
    #[test]
    fn equation_one_gives_what_the_aws_blog_gives() {
        let (limit, bottleneck) = limit(1000.0, 1187.5, 1500.0, 3.0, 2.0);
        assert_eq!((limit, limit * 0.8, bottleneck), (1000.0, 800.0, Bottleneck::Volume));
    }

    #[test]
    fn of_equal_terms_the_one_harder_to_raise_is_named() {
        assert_eq!(limit(10.0, 10.0, 10.0, 3.0, 1.0), (10.0, Bottleneck::Network));
        assert_eq!(limit(10.0, 10.0, 11.0, 3.0, 1.0), (10.0, Bottleneck::EbsBandwidth));
        assert_eq!(limit(10.0, 10.0, 10.0, 1.0, 0.0), (30.0, Bottleneck::EbsBandwidth));
    }
}
