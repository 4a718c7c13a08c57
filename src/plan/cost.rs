//! What a plan changes in the monthly cost, by step. Only what is paid by the hour or by the month of being there:
//! traffic follows the workload, not a resource, and so does what Express, tiered and serverless storage hold; they are in
//! `kstack cost`.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::engines::ec2::{ROOT_GIB, gp3};
use crate::kinds::Resource;
use crate::plan::{Action, Plan, Step};
use crate::pricing::{Bill, HOURS_PER_MONTH as HOURS, Market, Prices, money, signed};
use crate::resource::{Address, Observed, StepId};
use crate::text::five_digits;

/// The monthly cost of a stack's resources before and after a plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// USD a month of everything that is live, without traffic.
    pub now: f64,
    /// USD a month that the plan adds; negative when it saves.
    pub change: f64,
    /// The same by step; steps that change nothing are left out.
    pub steps: BTreeMap<StepId, f64>,
    /// Prices that are not known: what the sums are without.
    pub gaps: Vec<String>,
}

/// What everything that is `live` in `region` costs in a month, without traffic.
pub fn running(live: &Observed, region: &str, prices: &Prices) -> Bill {
    let mut bill = Bill::default();
    for (address, live) in &live.live {
        resource(&mut bill, Market { prices, region }, address, &live.spec);
    }
    bill
}

/// What `plan` changes in the cost of what is `live`.
pub fn change(plan: &Plan, live: &Observed, prices: &Prices) -> Change {
    let market = Market { prices, region: &plan.region };
    let bill = running(live, &plan.region, prices);
    let now = bill.total();
    let mut gaps = bill.gaps;
    let mut of = |address: &Address, spec: &Value| {
        let mut bill = Bill::default();
        resource(&mut bill, market, address, spec);
        gaps.extend(bill.gaps.iter().filter(|gap| !gaps.contains(gap)).cloned().collect::<Vec<_>>());
        bill.total()
    };
    let mut steps = BTreeMap::new();
    // What a resource is after the operations before.
    let mut specs: BTreeMap<Address, Option<Value>> = BTreeMap::new();
    for step in &plan.steps {
        let live = || step.live.as_ref().map(Resource::spec);
        let spec = specs.entry(step.address.clone()).or_insert_with(live);
        let before = spec.as_ref().map_or(0.0, |spec| of(&step.address, spec));
        *spec = after(step, spec.take());
        let after = spec.as_ref().map_or(0.0, |spec| of(&step.address, spec));
        if (after - before).abs() > 1e-9 {
            steps.insert(step.id(), exact(after - before));
        }
    }
    gaps.sort();
    let change = exact(steps.values().fold(0.0, |sum, usd| sum + usd));
    Change { now: exact(now), change, steps, gaps }
}

/// `usd` without what floating point adds: to a ten-thousandth.
fn exact(usd: f64) -> f64 {
    (usd * 1e4).round() / 1e4
}

/// The spec that a resource has after `step`: that `before` it with the step's changes, as a plan may leave some fields as they are.
fn after(step: &Step, before: Option<Value>) -> Option<Value> {
    match (step.action, before) {
        (Action::Delete, _) => None,
        (Action::Create, _) | (_, None) => step.spec.clone(),
        (_, Some(mut spec)) => {
            for change in step.changes.iter().filter(|change| !change.field.starts_with("tags.")) {
                spec[change.field.as_str()] = change.after.clone();
            }
            Some(spec)
        }
    }
}

/// What the resource at `address` costs as `spec` has it.
fn resource(bill: &mut Bill, market: Market<'_>, address: &Address, spec: &Value) {
    let name = address.to_string();
    let number = |key: &str| spec[key].as_f64().unwrap_or_default();
    let mut charge = |item: &str, quantity: f64| {
        if quantity > 0.0 {
            bill.charge(market, &name, item, quantity, five_digits(quantity));
        }
    };
    match address.kind.as_str() {
        "instance" => {
            charge(&format!("ec2 {}", spec["instance_type"].as_str().unwrap_or_default()), HOURS);
            charge("gp3 size", ROOT_GIB);
        }
        "volume" => {
            charge("gp3 size", number("size_gib"));
            charge("gp3 iops", number("iops") - f64::from(gp3::IOPS.least));
            charge("gp3 throughput", number("throughput_mibs") - gp3::THROUGHPUT_MIBS.least);
        }
        "nat_gateway" => charge("nat gateway", HOURS),
        "elastic_ip" => charge("public address", HOURS),
        "vpc_endpoint" if spec["kind"] == "Gateway" => {}
        "vpc_endpoint" => charge("endpoint", spec["subnets"].as_array().map_or(0, Vec::len) as f64 * HOURS),
        "msk_cluster" if spec["form"] == "serverless" => charge("serverless cluster", HOURS),
        "msk_cluster" => {
            let brokers = number("brokers");
            charge(&format!("msk {}", spec["instance_type"].as_str().unwrap_or_default()), brokers * HOURS);
            charge("msk storage", brokers * number("volume_gib"));
            charge("msk storage throughput", brokers * number("throughput_mibs"));
            if spec["public_access"] == true {
                charge("public address", brokers * HOURS);
            }
        }
        kind if crate::kinds::is_free(kind) => {}
        kind => bill.gaps.push(format!("{kind} in {}", market.region)),
    }
}

impl Change {
    /// One line for people, and one more with what is not in it.
    pub fn text(&self) -> String {
        let line = format!(
            "Monthly cost: {} USD now, {} USD with this plan (without traffic).\n",
            money(self.now),
            signed(self.change)
        );
        if self.gaps.is_empty() {
            return line;
        }
        format!("{line}Not in it, as no price is known: {}.\n", self.gaps.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kinds::Resource;
    use crate::pricing::embedded;
    use crate::resource::{FieldChange, Live, Tags};

    fn volume(gib: u64, iops: u32) -> Value {
        json!({"zone": "us-east-1a", "kind": "gp3", "size_gib": gib, "iops": iops, "throughput_mibs": 125, "encrypted": true})
    }

    fn step(kind: &str, name: &str, action: Action, live: Option<Value>, spec: Option<Value>) -> Step {
        Step {
            address: Address::new(kind, name),
            operation: None,
            action,
            why: String::new(),
            changes: Vec::new(),
            id: None,
            spec,
            after: Vec::new(),
            generation: String::new(),
            wanted: None,
            live: live.and_then(|live| Resource::from_live(kind, &live)),
            tags: Tags::new(),
        }
    }

    fn changed(region: &str, steps: Vec<Step>) -> Change {
        let mut live = Observed::default();
        for step in &steps {
            if let Some(resource) = &step.live {
                let spec = resource.spec();
                live.live.insert(step.address.clone(), Live { id: "id".into(), spec, tags: Tags::new() });
            }
        }
        let (stack, account) = ("test".to_owned(), "1".to_owned());
        let plan = Plan { stack, region: region.to_owned(), account, steps, notes: Vec::new(), refusals: Vec::new() };
        change(&plan, &live, embedded())
    }

    #[test]
    fn every_step_has_its_change() {
        let mut grown = step("volume", "broker-1", Action::Update, Some(volume(100, 4000)), Some(volume(50, 5000)));
        // The size is kept, so it is no change of the step, although the file wants less.
        grown.changes = vec![FieldChange { field: "iops".into(), before: json!(4000), after: json!(5000) }];
        let made = step("volume", "broker-2", Action::Create, None, Some(volume(100, 3000)));
        let gone = step("elastic_ip", "nat-a", Action::Delete, Some(json!({})), None);
        let free = step("vpc", "main", Action::Create, None, Some(json!({"cidr": "10.0.0.0/16"})));
        let change = changed("us-east-1", vec![grown, made, gone, free]);
        let of = |kind: &str, name: &str| {
            change.steps.get(&Address::new(kind, name).into()).map(|usd| (usd * 100.0).round())
        };
        assert_eq!(of("volume", "broker-1"), Some(500.0));
        assert_eq!(of("volume", "broker-2"), Some(800.0));
        assert_eq!(of("elastic_ip", "nat-a"), Some(-365.0));
        assert_eq!(of("vpc", "main"), None);
        assert_eq!(change.text(), "Monthly cost: 16.65 USD now, +9.35 USD with this plan (without traffic).\n");
    }

    fn msk(kind: &str, brokers: u64, gib: u64) -> Value {
        json!({"state": "active", "form": "provisioned", "subnets": [], "security_groups": [], "kafka": "3.9.x",
            "instance_type": kind, "brokers": brokers, "volume_gib": gib, "throughput_mibs": 0, "tiered": false,
            "configuration": "msk_configuration/main", "server_properties": "", "iam": true, "scram": false,
            "certificate_authorities": [], "unauthenticated": false, "in_transit": "tls", "in_cluster": true,
            "monitoring": "default", "jmx_exporter": false, "node_exporter": false, "log_group": "", "log_bucket": "",
            "log_stream": "", "public_access": false})
    }

    #[test]
    fn an_msk_cluster_of_each_form() {
        let of = |spec: Value| {
            let change = changed("us-east-1", vec![step("msk_cluster", "main", Action::Create, None, Some(spec))]);
            assert_eq!(change.gaps, Vec::<String>::new());
            change.change
        };
        assert_eq!(of(msk("kafka.m7g.large", 3, 100)), 476.76, "brokers 446.76 and volumes 30");
        assert_eq!(of(json!({"form": "provisioned", "instance_type": "express.m7g.large", "brokers": 3})), 893.52);
        assert_eq!(of(json!({"form": "serverless"})), 547.5);
        let mut public = msk("kafka.m5.4xlarge", 3, 1000);
        (public["public_access"], public["throughput_mibs"]) = (json!(true), json!(300));
        // Brokers 3,679.20, volumes 300, throughput 72, and addresses 10.95.
        assert_eq!(of(public), 4062.15);
    }

    /// Each operation has its own change, which begins where the one before it ended.
    #[test]
    fn operations_of_an_msk_cluster_add_up() {
        let (live, wanted) = (msk("kafka.m7g.large", 3, 100), msk("kafka.m7g.xlarge", 6, 100));
        let operation = |name: &'static str, field: &str| {
            let mut step = step("msk_cluster", "main", Action::Update, Some(live.clone()), Some(wanted.clone()));
            step.operation = Some(name);
            let (before, after) = (live[field].clone(), wanted[field].clone());
            step.changes = vec![FieldChange { field: field.into(), before, after }];
            step
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
        let made = step("volume", "broker-1", Action::Create, None, Some(volume(100, 3000)));
        let change = changed("eu-west-1", vec![made]);
        assert_eq!(change.gaps, ["gp3 size in eu-west-1"]);
        assert!(change.text().ends_with("Not in it, as no price is known: gp3 size in eu-west-1.\n"));
    }

    #[test]
    fn every_kind_is_free_or_priced() {
        for kind in crate::kinds::NAMES {
            let mut bill = Bill::default();
            let market = Market { prices: embedded(), region: "us-east-1" };
            resource(
                &mut bill,
                market,
                &Address::new(kind, "x"),
                &json!({"instance_type": "m5.large", "form": "serverless"}),
            );
            assert!(
                bill.gaps.is_empty(),
                "say in `resource` what a {kind} costs, or with `FREE` in its own file that it costs nothing"
            );
        }
    }
}
