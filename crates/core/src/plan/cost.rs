//! What a plan changes in the monthly cost, by step. Only what is paid by the hour or by the month of being there:
//! traffic follows the workload, not a resource, and so does what Express, tiered and serverless storage hold; they are in
//! `kstack cost`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Meanwhile, Plan, Step, Work};
use crate::kinds::{self, Resource};
use crate::model::{Address, StepId};
use crate::observed::Observed;
use crate::pricing::{Bill, Costs, Market, Prices, money, signed, without};

/// The monthly cost of a stack's resources before and after a plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CostDelta {
    /// USD a month of everything that is live, without traffic.
    pub now: f64,
    /// USD a month that the plan adds; negative when it saves.
    pub change: f64,
    /// The same by step; steps that change nothing are left out.
    pub steps: BTreeMap<StepId, f64>,
    /// What is paid only until it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meanwhile: Option<Meanwhile>,
    /// Prices that are not known: what the sums are without.
    pub gaps: Vec<String>,
}

/// What everything that is `live` in `region` costs in a month, without traffic.
pub fn running_cost(live: &Observed, region: &str, prices: &Prices) -> Bill {
    let mut bill = Bill::default();
    for (address, live) in &live.live {
        price(&mut bill, Market { prices, region }, address, &live.spec);
    }
    bill
}

/// What `plan` changes in the cost of what is `live`.
pub fn cost_delta(plan: &Plan, live: &Observed, prices: &Prices) -> CostDelta {
    let market = Market { prices, region: &plan.region };
    let bill = running_cost(live, &plan.region, prices);
    let now = bill.total();
    let mut gaps = bill.gaps;
    let mut of = |address: &Address, resource: &Resource| {
        let mut bill = Bill::default();
        price(&mut bill, market, address, resource);
        gaps.extend(bill.gaps.iter().filter(|gap| !gaps.contains(gap)).cloned().collect::<Vec<_>>());
        bill.total()
    };
    let mut steps = BTreeMap::new();
    // What a resource is after the operations before.
    let mut specs: BTreeMap<Address, Option<Resource>> = BTreeMap::new();
    for step in plan.stages().flat_map(|stage| &stage.steps) {
        let live = || step.live().map(|live| live.spec.clone());
        let spec = specs.entry(step.address.clone()).or_insert_with(live);
        let before = spec.as_ref().map_or(0.0, |spec| of(&step.address, spec));
        *spec = after(step, spec.take());
        let after = spec.as_ref().map_or(0.0, |spec| of(&step.address, spec));
        if (after - before).abs() > 1e-9 {
            let sum = steps.entry(step.id()).or_insert(0.0);
            *sum = exact(*sum + after - before);
        }
    }
    let change = exact(steps.values().fold(0.0, |sum, usd| sum + usd));
    let cost = |step: &StepId| steps.get(step).copied().unwrap_or_default();
    let meanwhile = Meanwhile::of(plan, market, now, cost, &mut gaps);
    gaps.sort();
    CostDelta { now: exact(now), change, steps, meanwhile, gaps }
}

fn price(bill: &mut Bill, market: Market<'_>, address: &Address, resource: &Resource) {
    resource.price(&mut Costs { bill, market, name: &address.to_string() });
}

/// `usd` without what floating point adds: to a ten-thousandth.
pub(super) fn exact(usd: f64) -> f64 {
    (usd * 1e4).round() / 1e4
}

/// The resource after `step`: as it was `before` with the step's changes, as a plan may leave some fields as they are.
fn after(step: &Step, before: Option<Resource>) -> Option<Resource> {
    match (&step.work, before) {
        (Work::Delete { .. }, _) => None,
        (Work::Create(_), _) | (_, None) => step.wanted().cloned(),
        (_, Some(before)) => {
            let mut spec = before.spec();
            for change in step.changes().iter().filter(|change| change.tag().is_none()) {
                spec[change.field.as_str()] = change.after.clone();
            }
            kinds::from_json(&step.address.kind, &spec).or(Some(before))
        }
    }
}

impl CostDelta {
    /// One line for people, with what is not in it.
    pub fn text(&self) -> String {
        let (now, change) = (money(self.now), signed(self.change));
        let meanwhile = self.meanwhile.map(|one| one.text()).filter(|text| !text.is_empty());
        let meanwhile = meanwhile.map(|text| text + "\n").unwrap_or_default();
        format!(
            "Monthly cost: {now} USD now, {change} USD with this plan, {}.\n{meanwhile}",
            without("traffic", &self.gaps)
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::model::{FieldChange, Tags};
    use crate::observed::Live;
    use crate::plan::{Creation, LiveTarget};
    use crate::pricing::embedded;

    fn volume(gib: u64, iops: u32) -> Value {
        json!({"zone": "us-east-1a", "kind": "gp3", "size_gib": gib, "iops": iops, "throughput_mibs": 125, "encrypted": true})
    }

    fn resource(kind: &str, spec: &Value) -> Resource {
        kinds::from_json(kind, spec).unwrap_or_else(|| panic!("{spec} is no {kind}"))
    }

    fn step(kind: &str, name: &str, work: Work) -> Step {
        let (address, reason) = (Address::new(kind, name), String::new());
        Step { address, operation: None, reason, work, after: Vec::new(), after_all: None }
    }

    fn made(kind: &str, name: &str, spec: &Value) -> Step {
        let creation = Creation { spec: resource(kind, spec), tags: Tags::new(), generation: String::new() };
        step(kind, name, Work::Create(creation))
    }

    fn target(kind: &str, spec: &Value) -> LiveTarget {
        LiveTarget { id: "id".to_owned(), spec: resource(kind, spec), tags: Tags::new() }
    }

    fn updated(kind: &str, name: &str, live: &Value, wanted: &Value, field: &str) -> Step {
        let changes =
            vec![FieldChange { field: field.to_owned(), before: live[field].clone(), after: wanted[field].clone() }];
        let (live, wanted) = (target(kind, live), resource(kind, wanted));
        step(kind, name, Work::Update { live, wanted, tags: Tags::new(), changes })
    }

    fn changed(region: &str, steps: Vec<Step>) -> CostDelta {
        let mut live = Observed::default();
        for step in &steps {
            if let Some(target) = step.live() {
                let one = Live { id: target.id.clone(), spec: target.spec.clone(), tags: Tags::new() };
                live.live.insert(step.address.clone(), one);
            }
        }
        let plan = Plan { steps, ..Plan::empty("test", region, "1", false) };
        cost_delta(&plan, &live, embedded())
    }

    #[test]
    fn every_step_has_its_change() {
        // The size is kept, so it is no change of the step, although the file wants less.
        let grown = updated("volume", "broker-1", &volume(100, 4000), &volume(50, 5000), "iops");
        let new = made("volume", "broker-2", &volume(100, 3000));
        let gone = step("elastic_ip", "nat-a", Work::Delete { live: target("elastic_ip", &json!({})) });
        let free = made("vpc", "main", &json!({"cidr": "10.0.0.0/16", "dns_support": true, "dns_hostnames": true}));
        let change = changed("us-east-1", vec![grown, new, gone, free]);
        let of = |kind: &str, name: &str| {
            change.steps.get(&Address::new(kind, name).into()).map(|usd| (usd * 100.0).round())
        };
        assert_eq!(of("volume", "broker-1"), Some(500.0));
        assert_eq!(of("volume", "broker-2"), Some(800.0));
        assert_eq!(of("elastic_ip", "nat-a"), Some(-365.0));
        assert_eq!(of("vpc", "main"), None);
        assert_eq!(change.text(), "Monthly cost: 16.65 USD now, +9.35 USD with this plan, without traffic.\n");
    }

    fn msk(kind: &str, brokers: u64, gib: u64) -> Value {
        json!({"state": "active", "form": "provisioned", "subnets": [], "security_groups": [], "kafka": "3.9.x",
            "instance_type": kind, "brokers": brokers, "volume_gib": gib, "throughput_mibs": 0, "tiered": false,
            "configuration": "msk_configuration/main", "server_properties": "", "iam": true, "scram": false,
            "certificate_authorities": [], "unauthenticated": false, "in_transit": "tls", "in_cluster": true,
            "monitoring": "default", "jmx_exporter": false, "node_exporter": false, "log_group": "", "log_bucket": "",
            "log_stream": "", "public_access": false, "vpc_iam": false, "vpc_scram": false, "vpc_tls": false})
    }

    #[test]
    fn an_msk_cluster_of_each_form() {
        let of = |spec: Value| {
            let change = changed("us-east-1", vec![made("msk_cluster", "main", &spec)]);
            assert_eq!(change.gaps, Vec::<String>::new());
            change.change
        };
        assert_eq!(of(msk("kafka.m7g.large", 3, 100)), 476.76, "brokers 446.76 and volumes 30");
        let mut express = msk("express.m7g.large", 3, 0);
        express["volume_gib"] = Value::Null;
        assert_eq!(of(express), 893.52);
        assert_eq!(of(json!({"state": "active", "form": "serverless", "subnets": [], "security_groups": []})), 547.5);
        let mut public = msk("kafka.m5.4xlarge", 3, 1000);
        (public["public_access"], public["throughput_mibs"]) = (json!(true), json!(300));
        // Brokers 3,679.20, volumes 300, throughput 72, and addresses 10.95.
        assert_eq!(of(public), 4062.15);
    }

    /// Each operation has its own change, which begins where the one before it ended.
    #[test]
    fn operations_of_an_msk_cluster_add_up() {
        let (live, wanted) = (msk("kafka.m7g.large", 3, 100), msk("kafka.m7g.xlarge", 6, 100));
        let operation = |name: &'static str, field: &str| Step {
            operation: Some(name),
            ..updated("msk_cluster", "main", &live, &wanted, field)
        };
        let steps = vec![operation("broker-type", "instance_type"), operation("broker-count", "brokers")];
        let change = changed("us-east-1", steps);
        assert_eq!(change.now, 476.76);
        let by_step: Vec<(String, f64)> = change.steps.iter().map(|(id, usd)| (id.to_string(), *usd)).collect();
        let named = |name: &str, usd| (format!("msk_cluster/main:{name}"), usd);
        // Three more brokers, of the larger type by then.
        assert_eq!(by_step, [named("broker-count", 923.52), named("broker-type", 446.76)]);
        assert_eq!(change.change, 1370.28);
    }

    #[test]
    fn what_has_no_price_is_named() {
        let change = changed("eu-west-1", vec![made("volume", "broker-1", &volume(100, 3000))]);
        assert_eq!(change.gaps, ["gp3 size in eu-west-1"]);
        let line = "Monthly cost: 0.00 USD now, +0.00 USD with this plan, without traffic, and without gp3 size in eu-west-1, \
                    whose price is unknown.\n";
        assert_eq!(change.text(), line);
    }
}
