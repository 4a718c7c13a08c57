//! What a change costs that is over once it is done: two sets of brokers beside each other, and copies between zones.

use serde::Serialize;

use super::cost::exact;
use super::{Action, Plan};
use crate::kinds::{Broker, Instance, Kind as _};
use crate::model::StepId;
use crate::moves::amount;
use crate::pricing::{Bill, HOURS_PER_MONTH, Market, money};

/// What partitions move in a plan, as things are when it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Moved {
    pub partitions: usize,
    /// That are copied in all.
    pub bytes: u64,
    /// Of these, the bytes that go from one zone to another.
    pub between_zones: u64,
    /// About how long that takes.
    pub seconds: u64,
}

/// What is paid only until a plan is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Meanwhile {
    /// USD an hour of all that is live, and of the same with what the plan makes: while brokers that leave are there still. Absent where
    /// none comes beside one that leaves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hourly: Option<Hourly>,
    /// Bytes that are copied from one zone to another, and USD for them, once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copies: Option<Copies>,
}

/// USD an hour.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Hourly {
    pub now: f64,
    pub both: f64,
}

/// Bytes from zone to zone, and USD for them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Copies {
    pub bytes: u64,
    pub usd: f64,
}

impl Meanwhile {
    /// What is paid until `plan` is done. `now` is what all that is live costs a month, `cost` what a step adds. A price that is not known is one
    /// of the `gaps`.
    pub(super) fn of(
        plan: &Plan,
        market: Market<'_>,
        now: f64,
        cost: impl Fn(&StepId) -> f64,
        gaps: &mut Vec<String>,
    ) -> Option<Meanwhile> {
        let leave = |kind: &str, action: Action| {
            plan.steps.iter().any(|step| step.address.kind == kind && step.action() == action)
        };
        let beside = leave(Broker::NAME, Action::Delete) && leave(Instance::NAME, Action::Create);
        let made = plan.steps.iter().filter(|step| step.action() == Action::Create).map(|step| cost(&step.id()));
        let hour = |month: f64| exact(month / HOURS_PER_MONTH);
        let hourly = beside.then(|| Hourly { now: hour(now), both: hour(now + made.sum::<f64>()) });
        let bytes = plan.moved.map(|moved| moved.between_zones).filter(|bytes| *bytes > 0);
        let copies = bytes.and_then(|bytes| {
            let mut bill = Bill::default();
            bill.charge(market, "copies", "zone traffic", bytes as f64 / GIB, String::new());
            let usd = bill.gaps.is_empty().then(|| exact(bill.total()));
            gaps.append(&mut bill.gaps);
            Some(Copies { bytes, usd: usd? })
        });
        (hourly.is_some() || copies.is_some()).then_some(Meanwhile { hourly, copies })
    }

    /// A line for people.
    pub fn text(&self) -> String {
        let hourly = self.hourly.map(|Hourly { now, both }| {
            format!(
                "While both sets of brokers are there: {} USD an hour, {} USD an hour now.",
                money(both),
                money(now)
            )
        });
        let copies = self.copies.filter(|copies| copies.usd >= 0.01).map(|Copies { bytes, usd }| {
            format!("Copies between zones: {} USD once, for {}.", money(usd), amount(bytes))
        });
        hourly.into_iter().chain(copies).collect::<Vec<_>>().join(" ")
    }
}

const GIB: f64 = (1_u64 << 30) as f64;
