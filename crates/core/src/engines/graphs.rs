//! What a dashboard of CloudWatch shows: plain data, which each engine gives for what it has.

use super::alarms::Watched;
use crate::pricing::{Bill, Market};

/// Metrics of the same kind of thing, drawn into one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    pub title: &'static str,
    /// There is a line for each of these.
    pub of: Watched,
    /// A namespace and a name, or several of them, with ` + ` between, whose sum is drawn.
    pub metric: &'static str,
    pub statistic: &'static str,
    pub seconds: u32,
}

/// Adds what a dashboard costs, where there is one.
pub(super) fn charge(bill: &mut Bill, market: Market<'_>, dashboard: bool) {
    if dashboard {
        let formula = "1 dashboard; the first three of an account cost nothing while they are small".to_owned();
        bill.charge(market, "dashboard", "dashboard", 1.0, formula);
    }
}
