//! The price table: USD by region and item, each marked as quoted or estimated.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::tables::Table;

/// When the embedded table was captured. EC2 prices are public price data; MSK's are of the AWS Price List; each row of
/// `tables/prices.csv` names its source.
pub const CAPTURED: &str = "2026-08 to 2026-11";

/// A row for every region.
const EVERYWHERE: &str = "*";

/// Where a price comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PriceOrigin {
    /// Quoted by a price list.
    Listed,
    /// Derived from other prices, or from memory and not checked: an estimate, never a quote.
    Derived,
}

/// The price of one unit of an item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Price {
    /// Such as `hour`, `GiB-month`, `GiB`.
    pub unit: String,
    pub usd: f64,
    pub how: PriceOrigin,
    pub source: String,
}

/// Prices by region and item, such as `us-east-1` and `ec2 m5.xlarge`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Prices {
    regions: BTreeMap<String, BTreeMap<String, Price>>,
}

impl Prices {
    /// The price of `item` in `region`; `None` when no figure is known.
    pub fn get(&self, region: &str, item: &str) -> Option<&Price> {
        let of = |region: &str| self.regions.get(region)?.get(item);
        of(region).or_else(|| of(EVERYWHERE))
    }

    /// Sets one price.
    pub fn set(&mut self, region: &str, item: &str, price: Price) {
        self.regions.entry(region.to_owned()).or_default().insert(item.to_owned(), price);
    }

    /// Replaces its prices with those of `newer`.
    pub fn prefer(&mut self, newer: Prices) {
        for (region, items) in newer.regions {
            self.regions.entry(region).or_default().extend(items);
        }
    }

    /// PriceOrigin many prices there are.
    pub fn len(&self) -> usize {
        self.regions.values().map(BTreeMap::len).sum()
    }

    /// Whether there is no price.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

const PRICES: Table = Table { file: "tables/prices.csv", text: include_str!("../tables/prices.csv") };

static TABLE: LazyLock<Prices> = LazyLock::new(|| {
    let mut prices = Prices::default();
    for (region, item, price) in PRICES.rows(row) {
        prices.set(region, item, price);
    }
    prices
});

fn row([region, item, unit, usd, origin, source]: [&'static str; 6]) -> Option<(&'static str, &'static str, Price)> {
    let how = match origin {
        "listed" => PriceOrigin::Listed,
        "derived" => PriceOrigin::Derived,
        _ => return None,
    };
    Some((region, item, Price { unit: unit.to_owned(), usd: usd.parse().ok()?, how, source: source.to_owned() }))
}

/// The embedded table.
pub fn embedded() -> &'static Prices {
    &TABLE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_read() {
        assert_eq!(PRICES.bad_row(row), None);
        assert_eq!(embedded().len(), PRICES.rows(row).len(), "no price is there twice");
    }

    #[test]
    fn a_row_says_whether_it_is_quoted() {
        let price = |region, item| embedded().get(region, item).map(|price| (price.usd, price.how));
        assert_eq!(price("us-east-1", "msk kafka.m5.xlarge"), Some((0.42, PriceOrigin::Listed)));
        assert_eq!(price("ap-northeast-2", "msk kafka.m5.xlarge"), Some((0.5162, PriceOrigin::Derived)));
        assert_eq!(price("eu-west-1", "public address"), Some((0.005, PriceOrigin::Derived)));
        assert_eq!(price("eu-west-1", "gp3 size"), None);
    }
}
