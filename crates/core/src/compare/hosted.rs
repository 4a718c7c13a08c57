//! Services that are no engine of a stack: the public tiers of Confluent Cloud.

use crate::engines::ComparisonRequest;
use crate::pricing::{Bill, Choice, HOURS_PER_MONTH, Market, Purpose, Terms, Unfit};
use crate::sizing::Demand;
use crate::text::five_digits;
use crate::units::mbs_of_mibs;

/// A public tier of Confluent Cloud. Prices: confluent.io/pricing of 2026, for us-east-1. Capacity of one elastic unit
/// (eCKU) and how many a cluster has at most: docs.confluent.io, "cluster types", as confluentinc/kcp quotes it in 2026.
/// The Enterprise tier has a range of prices by region and network, and Dedicated is by contract: no single figure, so neither is here.
struct Tier {
    name: &'static str,
    item: &'static str,
    unit: ElasticUnit,
    most_units: u32,
    /// Units without charge.
    free_units: u32,
    purpose: Purpose,
    note: &'static str,
}

/// What one eCKU carries. Rates are MB/s (10^6 bytes).
struct ElasticUnit {
    in_mbs: f64,
    out_mbs: f64,
    partitions: f64,
}

const TIERS: [Tier; 2] = [
    Tier {
        name: "Confluent Cloud Basic",
        item: "confluent basic",
        unit: ElasticUnit { in_mbs: 5.0, out_mbs: 15.0, partitions: 30.0 },
        most_units: 50,
        free_units: 1,
        purpose: Purpose::Test,
        note: "for development: 99.5 % promised, public endpoint only",
    },
    Tier {
        name: "Confluent Cloud Standard",
        item: "confluent standard",
        unit: ElasticUnit { in_mbs: 25.0, out_mbs: 75.0, partitions: 250.0 },
        most_units: 10,
        free_units: 0,
        purpose: Purpose::Managed,
        note: "public endpoint only",
    },
];

/// Every tier.
pub(super) fn candidates(request: &ComparisonRequest<'_>) -> Vec<Result<Choice, Unfit>> {
    let demand = request.common.demand();
    let candidate = |tier: &Tier| {
        choice(request.market, tier, &demand).map_err(|reason| Unfit { name: tier.name.to_owned(), reason })
    };
    TIERS.iter().map(candidate).collect()
}

/// A tier with its bill, or why it does not fit.
fn choice(market: Market<'_>, tier: &Tier, demand: &Demand) -> Result<Choice, String> {
    let units = |mibs: f64| {
        let (by_in, by_out) =
            (mbs_of_mibs(mibs) / tier.unit.in_mbs, mbs_of_mibs(mibs * demand.consumer_groups) / tier.unit.out_mbs);
        by_in.max(by_out).max(demand.partitions / tier.unit.partitions).max(1.0).ceil()
    };
    let (at_peak, on_average) = (units(demand.peak_mibs), units(demand.average_mibs));
    if at_peak > f64::from(tier.most_units) {
        return Err(format!("{at_peak} eCKU at the peak exceed the {} of a cluster", tier.most_units));
    }
    let mut bill = Bill::default();
    let Tier { item, free_units, .. } = tier;
    let paid = (on_average - f64::from(*free_units)).max(0.0);
    let formula = format!("({on_average} eCKU on average − {free_units} free) × {HOURS_PER_MONTH} h");
    bill.charge(market, "eCKU", &format!("{item} ecku"), paid * HOURS_PER_MONTH, formula);
    let moved_gib = demand.month_gib() * (1.0 + demand.consumer_groups);
    let formula = format!("{} GiB in and out to {} groups", five_digits(moved_gib), demand.consumer_groups);
    bill.charge(market, "data in and out", &format!("{item} data"), moved_gib, formula);
    let kept_gib = demand.one_copy_gib();
    let formula = format!("{} GiB, one copy counted, assumed", five_digits(kept_gib));
    bill.charge(market, "storage", &format!("{item} storage"), kept_gib, formula);
    if bill.lines.iter().all(|line| line.usd.is_none_or(|usd| usd == 0.0)) {
        return Err(format!("no price is known in {}", market.region));
    }
    Ok(Choice {
        name: tier.name.to_owned(),
        what: format!("{at_peak} eCKU at the peak"),
        brokers: None,
        storage_gib: kept_gib,
        usd: bill.total(),
        estimated: bill.estimated(),
        limit: tier.note.to_owned(),
        purpose: tier.purpose,
        terms: Terms {
            patches: "Confluent",
            heals: "Confluent",
            versions: "Confluent's choice",
            reach: "the internet, not the VPC",
        },
        bill,
    })
}
