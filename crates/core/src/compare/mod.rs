//! The same workload on every engine, on Kubernetes and on hosted services: sized, priced, and sorted by cost. Pure.

mod advice;
mod chart;
mod crossing;
mod hosted;
mod same;
#[cfg(test)]
mod tests;
mod text;

use serde::Serialize;

use crate::engines::ec2::eks;
use crate::engines::{CommonKeys, ComparisonRequest, ENGINES};
use crate::file::Workload;
use crate::pricing::{Choice, CountingMethod, Market, Prices, Purpose, Reads, Unfit};
use crate::stack::Stack;
use crate::units::Rate;
use advice::advice;
pub use crossing::Crossing;
use crossing::crossings;
pub use same::{CostPoint, SameBrokers};

/// Every choice, side by side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    pub stack: String,
    pub region: String,
    pub method: CountingMethod,
    /// The file's average ingress, before compression and growth, in MiB/s.
    pub ingress_mibs: f64,
    /// The cheapest first; choices with missing prices come last.
    pub choices: Vec<Choice>,
    pub unfit: Vec<Unfit>,
    /// Where the cheapest for production changes, all else in the file being equal.
    pub crossings: Vec<Crossing>,
    pub same: Option<SameBrokers>,
    /// What is assumed beyond the file, in one sentence.
    pub assumed: Option<String>,
    /// What to take, and why, in one sentence.
    pub advice: Option<String>,
}

/// Compares `stack` on every engine, with Strimzi on EKS, and on hosted services. Traffic from the VPC to Confluent Cloud is not included. `None` when the
/// stack has no cluster.
pub fn compare(stack: &Stack, prices: &Prices, method: CountingMethod, reads: Reads) -> Option<Comparison> {
    stack.cluster.engine()?;
    let market = Market { prices, region: &stack.region };
    let request = ComparisonRequest { common: stack.common(), cluster: &stack.cluster, market, method, reads };
    let (choices, unfit) = choices(&request);
    let cheapest = |ingress_mibs: f64| {
        let workload = with_ingress(&stack.workload, ingress_mibs);
        let common = CommonKeys { workload: &workload, ..stack.common() };
        let (choices, _) = self::choices(&ComparisonRequest { common, ..request });
        let mut choices = choices.into_iter();
        choices.find(|choice| choice.complete() && choice.purpose != Purpose::Test).map(|choice| choice.name)
    };
    let assumptions: Vec<String> = ENGINES.iter().filter_map(|engine| (engine.assumption)(&request)).collect();
    Some(Comparison {
        stack: stack.name.to_string(),
        region: stack.region.to_string(),
        method,
        ingress_mibs: stack.workload.ingress.mibs(),
        advice: advice(&choices, stack.ttl),
        crossings: crossings(cheapest),
        same: same::same(stack, market),
        assumed: (!assumptions.is_empty()).then(|| assumptions.join(" ")),
        choices,
        unfit,
    })
}

/// The same workload with another ingress.
fn with_ingress(workload: &Workload, ingress_mibs: f64) -> Workload {
    Workload { ingress: Rate::from_mibs(ingress_mibs), ..workload.clone() }
}

/// What can carry the workload, the cheapest first, and what can't.
fn choices(request: &ComparisonRequest<'_>) -> (Vec<Choice>, Vec<Unfit>) {
    let (mut fit, mut unfit) = (Vec::new(), Vec::new());
    let offered = ENGINES.iter().flat_map(|engine| (engine.candidates)(request));
    for candidate in offered.chain([eks::candidate(request)]).chain(hosted::candidates(request)) {
        match candidate {
            Ok(choice) => fit.push(choice),
            Err(reason) => unfit.push(reason),
        }
    }
    fit.sort_by(|left, right| right.complete().cmp(&left.complete()).then(left.usd.total_cmp(&right.usd)));
    (fit, unfit)
}
