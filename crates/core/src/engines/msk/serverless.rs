//! A serverless cluster: the workload beside its quotas, and its bill.

use super::limits::serverless::{IN_MIBS, OUT_MIBS, PARTITION_IN_MIBS, PARTITION_OUT_MIBS, PARTITIONS};
use super::sizing::{LimitTerm, MskSizing, limit_steps, one_copy_step};
use crate::engines::CommonKeys;
use crate::pricing::{Bill, HOURS_PER_MONTH, Market};
use crate::sizing::{BrokerDemand, Capacity, Demand, MIBS, SizingStep, ceil, mibs};
use crate::text::{five_digits, many, number};

/// The workload beside the quotas.
pub(super) fn size(common: CommonKeys<'_>, demand: Demand) -> MskSizing {
    let CommonKeys { workload, settings, .. } = common;
    let (groups, partitions) = (demand.consumer_groups, demand.partitions);
    let to_each_group = |mibs: f64| if groups > 0.0 { mibs / groups } else { f64::INFINITY };
    let of_partition = PARTITION_IN_MIBS.min(to_each_group(PARTITION_OUT_MIBS));
    let (by_partitions, by_egress) = (partitions * of_partition, to_each_group(OUT_MIBS));
    let limit =
        LimitTerm::smallest([("partitions", by_partitions), ("egress quota", by_egress), ("ingress quota", IN_MIBS)]);
    let capacity = Capacity::new(limit.mibs, &demand);
    let shown = BrokerDemand { workload, cluster: demand, brokers: 1.0, settings };
    let groups_text = many(groups, "group");
    let mut lines = shown.rate_steps();
    let readers = format!("{} × {groups_text}", mibs(demand.peak_mibs));
    lines.push(SizingStep::new("peak to consumers", readers, demand.peak_out_mibs(), MIBS));
    lines.push(one_copy_step("stored data", "one copy is paid for", &shown));
    lines.push(SizingStep::new("partitions", format!("of {PARTITIONS} at most"), partitions, "partitions"));
    lines.push(SizingStep::new("limit by ingress", "quota of a serverless cluster", IN_MIBS, MIBS));
    let rates = if groups > 0.0 {
        let formula = format!("quota of {} ÷ {groups_text}", mibs(OUT_MIBS));
        lines.push(SizingStep::new("limit by egress", formula, by_egress, MIBS));
        format!("the less of {} in and {} out ÷ {groups_text}", mibs(PARTITION_IN_MIBS), mibs(PARTITION_OUT_MIBS))
    } else {
        mibs(PARTITION_IN_MIBS)
    };
    let formula = format!("{} × {rates}", many(partitions, "partition"));
    lines.push(SizingStep::new("limit by partitions", formula, by_partitions, MIBS));
    lines.extend(limit_steps(limit.mibs, "the least of these", &shown));
    let mut warnings = Vec::new();
    if capacity.is_exceeded() {
        let (by, remedy) = match limit.name {
            "partitions" => {
                let needed = ceil(demand.planned_mibs() / of_partition);
                ("the partitions allow".to_owned(), format!("use {} partitions", number(needed)))
            }
            name => (
                format!("the {name} allows"),
                "use brokers of your own, or divide the workload among several stacks".to_owned(),
            ),
        };
        warnings.push(capacity.excess(workload.headroom, &by, remedy));
    }
    MskSizing {
        what: "1 serverless cluster".to_owned(),
        size_gib: None,
        brokers_needed: None,
        lines,
        capacity,
        bottleneck: limit.name,
        outages: Vec::new(),
        warnings,
    }
}

/// Why a serverless cluster does not carry `demand`, when it doesn't.
pub(super) fn above_quota(demand: &Demand) -> Option<String> {
    let quotas = [
        (demand.peak_mibs, IN_MIBS, "MiB/s in"),
        (demand.peak_out_mibs(), OUT_MIBS, "MiB/s out"),
        (demand.partitions, f64::from(PARTITIONS), "partitions"),
    ];
    let (asked, most, what) = quotas.into_iter().find(|(asked, most, _)| asked > most)?;
    Some(format!("{} {what} exceed the quota of {most} of a cluster", five_digits(asked)))
}

/// The bill, whether or not the workload fits the quotas.
pub(super) fn bill(market: Market<'_>, demand: &Demand) -> Bill {
    let mut bill = Bill::default();
    let (partitions, groups, month_gib) = (demand.partitions, demand.consumer_groups, demand.month_gib());
    bill.charge(market, "cluster", "serverless cluster", HOURS_PER_MONTH, format!("{HOURS_PER_MONTH} h"));
    let formula = format!("{partitions} × {HOURS_PER_MONTH} h");
    bill.charge(market, "partitions", "serverless partition", partitions * HOURS_PER_MONTH, formula);
    let sent = format!("{} GiB", five_digits(month_gib));
    bill.charge(market, "data in", "serverless data in", month_gib, sent.clone());
    let formula = format!("{sent} × {groups} groups");
    bill.charge(market, "data out", "serverless data out", month_gib * groups, formula);
    let formula = format!("{} GiB, one copy counted", five_digits(demand.one_copy_gib()));
    bill.charge(market, "storage", "serverless storage", demand.one_copy_gib(), formula);
    bill
}
