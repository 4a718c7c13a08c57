//! What alarms of CloudWatch watch: plain data, which each engine gives for what it has.

use crate::pricing::{Bill, Market};

/// A condition that is watched of one thing.
#[derive(Debug, Clone, PartialEq)]
pub struct Watch {
    /// The last part of the alarm's name.
    pub name: &'static str,
    pub of: Watched,
    /// Its namespace and name, or several of them, with ` + ` between, whose sum is watched.
    pub metric: &'static str,
    /// The statistic, the comparison and the threshold: `Maximum >= 1`.
    pub condition: &'static str,
    /// How many of how many periods, and how long each is: `3 of 3 x 300 s`.
    pub periods: &'static str,
    /// CloudWatch's word for what it takes a period without data for.
    pub missing: &'static str,
    /// What the alarm means, and what to look at, as sentences.
    pub says: &'static str,
}

/// What a metric is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched {
    /// The instance of a host, or a broker of MSK.
    Host,
    /// Each data volume of a host.
    Volume,
    /// The whole cluster.
    Cluster,
}

impl Watch {
    /// How many metrics it watches, by which it is paid.
    pub fn metrics(&self) -> usize {
        metrics(self.metric)
    }
}

/// How many metrics `metric` names.
pub fn metrics(metric: &str) -> usize {
    metric.split(" + ").count()
}

/// Adds what alarms on so many metrics cost, where there are any.
pub(super) fn charge(bill: &mut Bill, market: Market<'_>, metrics: usize) {
    if metrics > 0 {
        let formula = format!("{metrics} metrics, watched by alarms");
        bill.charge(market, "alarms", "alarm", metrics as f64, formula);
    }
}

/// CloudWatch's words for a period without data.
pub(crate) const AS_BREACHING: &str = "breaching";
pub(crate) const AS_WELL: &str = "notBreaching";
pub(crate) const AS_UNKNOWN: &str = "missing";
