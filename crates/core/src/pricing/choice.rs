//! A way of running a workload, with its price: what engines and hosted services offer in a comparison.

use serde::Serialize;

use super::Bill;

/// How brokers of MSK are counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CountingMethod {
    /// AWS's Equation 1 with the file's headroom, as for EC2.
    #[default]
    EquationOne,
    /// The rules of AWS's sizing script for MSK: room for a lost zone, lagging consumers and a rebalance at once.
    AwsMsk,
}

/// Who does the work with a way of running Kafka, and what it is limited to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Terms {
    /// Who patches hosts and Kafka.
    pub patches: &'static str,
    /// Who replaces a broken broker.
    pub heals: &'static str,
    /// Which versions of Kafka there are.
    pub versions: &'static str,
    /// From where it can be reached.
    pub reach: &'static str,
}

/// What a choice is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Production, run by oneself.
    Own,
    /// Production, run by the provider.
    Managed,
    /// Development and tests only.
    Test,
}

/// One way of running the workload.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Choice {
    pub name: String,
    /// Such as `3 × m7g.large`.
    pub what: String,
    /// How many brokers; absent for services without brokers of one's own.
    pub brokers: Option<u32>,
    /// GiB that are paid for, in all.
    pub storage_gib: f64,
    /// USD a month, without what `bill.gaps` names.
    pub usd: f64,
    /// Whether a price in it is an estimate.
    pub estimated: bool,
    /// What stops it from taking more.
    pub limit: String,
    pub purpose: Purpose,
    pub terms: Terms,
    pub bill: Bill,
}

impl Choice {
    /// Whether every price is known.
    pub fn complete(&self) -> bool {
        self.bill.gaps.is_empty()
    }
}

/// What can't carry the workload, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unfit {
    pub name: String,
    pub reason: String,
}
