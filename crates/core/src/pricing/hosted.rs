//! Services without brokers of one's own: MSK Serverless, and the public tiers of Confluent Cloud.

use super::traffic::Load;
use super::{Bill, HOURS, Market, plain};
use crate::msk::brokers::serverless::{IN, OUT, PARTITIONS};

/// A public tier of Confluent Cloud. Prices: confluent.io/pricing of 2026, for us-east-1. Capacity of one elastic unit
/// (eCKU) and how many a cluster has at most: docs.confluent.io, "cluster types", as confluentinc/kcp quotes it in 2026.
/// The Enterprise tier has a range of prices by region and network, and Dedicated is by contract: no single figure, so neither is here.
pub(super) struct Tier {
    pub name: &'static str,
    item: &'static str,
    /// MB/s in and out, and partitions, of one unit.
    unit: (f64, f64, f64),
    most: u32,
    /// Units without charge.
    free: u32,
    pub note: &'static str,
}

pub(super) const TIERS: [Tier; 2] = [
    Tier {
        name: "Confluent Cloud Basic",
        item: "confluent basic",
        unit: (5.0, 15.0, 30.0),
        most: 50,
        free: 1,
        note: "for development: 99.5 % promised, public endpoint only",
    },
    Tier {
        name: "Confluent Cloud Standard",
        item: "confluent standard",
        unit: (25.0, 75.0, 250.0),
        most: 10,
        free: 0,
        note: "public endpoint only",
    },
];

/// The bill of MSK Serverless and what limits it, or why it does not fit.
pub(super) fn serverless(market: Market<'_>, load: &Load) -> Result<(Bill, String), String> {
    let peak_out = load.peak * load.groups;
    for (demand, most, what) in [
        (load.peak, IN, "MiB/s in"),
        (peak_out, OUT, "MiB/s out"),
        (load.partitions, f64::from(PARTITIONS), "partitions"),
    ] {
        if demand > most {
            return Err(format!("{} {what}, and a cluster takes {most}", plain(demand)));
        }
    }
    Ok((serverless_bill(market, load), format!("{IN} MiB/s in and {OUT} out a cluster")))
}

/// The bill of MSK Serverless, whether or not the workload fits its quotas.
pub(super) fn serverless_bill(market: Market<'_>, load: &Load) -> Bill {
    let mut bill = Bill::default();
    let partitions = load.partitions;
    bill.charge(market, "cluster", "serverless cluster", HOURS, format!("{HOURS} h"));
    let formula = format!("{partitions} × {HOURS} h");
    bill.charge(market, "partitions", "serverless partition", partitions * HOURS, formula);
    let sent = format!("{} GiB", plain(load.month()));
    bill.charge(market, "data in", "serverless data in", load.month(), sent.clone());
    let formula = format!("{sent} × {} groups", load.groups);
    bill.charge(market, "data out", "serverless data out", load.month() * load.groups, formula);
    let formula = format!("{} GiB, one copy counted", plain(load.kept()));
    bill.charge(market, "storage", "serverless storage", load.kept(), formula);
    bill
}

/// The bill of a tier of Confluent Cloud and how many units it takes, or why it does not fit.
pub(super) fn confluent(market: Market<'_>, tier: &Tier, load: &Load) -> Result<(Bill, u32), String> {
    let mb = 1_048_576.0 / 1e6;
    let (unit_in, unit_out, unit_partitions) = tier.unit;
    let units = |peak: f64| {
        let of = [peak * mb / unit_in, peak * load.groups * mb / unit_out, load.partitions / unit_partitions];
        of.into_iter().fold(1.0_f64, f64::max).ceil()
    };
    let (at_peak, on_average) = (units(load.peak), units(load.average));
    if at_peak > f64::from(tier.most) {
        return Err(format!("{at_peak} eCKU at the peak, and a cluster has {} at most", tier.most));
    }
    let mut bill = Bill::default();
    let Tier { item, free, .. } = tier;
    let paid = (on_average - f64::from(*free)).max(0.0);
    let formula = format!("({on_average} eCKU on average − {free} free) × {HOURS} h");
    bill.charge(market, "eCKU", &format!("{item} ecku"), paid * HOURS, formula);
    let gib = load.month() * (1.0 + load.groups);
    let formula = format!("{} GiB in and out to {} groups", plain(gib), load.groups);
    bill.charge(market, "data in and out", &format!("{item} data"), gib, formula);
    let formula = format!("{} GiB, one copy counted, assumed", plain(load.kept()));
    bill.charge(market, "storage", &format!("{item} storage"), load.kept(), formula);
    Ok((bill, at_peak as u32))
}
