//! Prices in the answers of the AWS Price List API: which to ask for, and how they read. Each engine has its own items.
//!
//! An answer of `GetProducts` is a list of JSON texts, each a product with its attributes and terms. The shape is that of the
//! API's documentation, "Finding services and products using Amazon Price List Query API". Not exercised here
//! against AWS.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::table::{Price, PriceOrigin, Prices};

/// Prices of one region as AWS gave them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PriceAnswer {
    /// When AWS was asked.
    pub asked: String,
    pub region: String,
    pub prices: Prices,
}

/// One question: a service and the attributes that its products must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PriceQuery {
    pub service: &'static str,
    /// Attribute and value; the caller adds the region's `regionCode`.
    pub filters: &'static [(&'static str, &'static str)],
}

/// A product that is known by the end of its usage type, without the region's prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsagePrice {
    pub usage: &'static str,
    /// The item and the unit in the table of prices.
    pub item: &'static str,
    pub unit: &'static str,
}

/// What an engine's prices are in the Price List.
#[derive(Debug, Clone, Copy)]
pub struct PriceListItems {
    pub queries: &'static [PriceQuery],
    pub usages: &'static [UsagePrice],
    /// The item that is paid for by the hour of a type, from a product's usage type and its attributes.
    pub hourly: fn(&str, &Value) -> Option<String>,
}

/// What every engine pays for.
pub const COMMON_ITEMS: PriceListItems = PriceListItems {
    queries: &[
        PriceQuery { service: "AmazonEC2", filters: &[("productFamily", "NAT Gateway")] },
        PriceQuery { service: "AmazonVPC", filters: &[] },
        PriceQuery { service: "AmazonCloudWatch", filters: &[("productFamily", "Data Payload")] },
        PriceQuery { service: "AmazonCloudWatch", filters: &[("productFamily", "Alarm")] },
    ],
    usages: &[
        UsagePrice { usage: "NatGateway-Hours", item: "nat gateway", unit: "hour" },
        UsagePrice { usage: "NatGateway-Bytes", item: "nat data", unit: "GiB" },
        UsagePrice { usage: "VpcEndpoint-Hours", item: "endpoint", unit: "hour" },
        UsagePrice { usage: "VpcEndpoint-Bytes", item: "endpoint data", unit: "GiB" },
        UsagePrice { usage: "PublicIPv4:InUseAddress", item: "public address", unit: "hour" },
        UsagePrice { usage: "VendedLog-Bytes", item: "logs", unit: "GiB" },
        UsagePrice { usage: "CW:AlarmMonitorUsage", item: "alarm", unit: "month" },
    ],
    hourly: |_, _| None,
};

/// Adds the price in one product of an answer to `prices`. Products that are not among `items`, of other regions, or without a
/// price on demand above zero are passed over; says whether it was one.
pub fn read_answer(items: &[PriceListItems], product: &str, region: &str, prices: &mut Prices) -> bool {
    let Ok(product) = serde_json::from_str::<Value>(product) else { return false };
    let attributes = &product["product"]["attributes"];
    if attributes["regionCode"] != region {
        return false;
    }
    let Some((item, unit)) = item(items, attributes) else { return false };
    let Some((mut usd, per)) = on_demand(&product["terms"]["OnDemand"]) else { return false };
    if per.starts_with("GiBps") {
        // Provisioned throughput is quoted for 1,024 MiB/s.
        usd /= 1024.0;
    }
    let source = format!("AWS Price List, {}", product["publicationDate"].as_str().unwrap_or("no date"));
    prices.set(region, &item, Price { unit: unit.to_owned(), usd, how: PriceOrigin::Listed, source });
    true
}

/// The table's item and unit for a product's attributes.
fn item(items: &[PriceListItems], attributes: &Value) -> Option<(String, &'static str)> {
    let usage = attributes["usagetype"].as_str()?;
    // `APN2-BoxUsage:m5.xlarge`; the first region's have no prefix, and MSK's always have one.
    let ends = |end: &str| usage == end || usage.strip_suffix(end).is_some_and(|prefix| prefix.ends_with('-'));
    if let Some(known) = items.iter().flat_map(|items| items.usages).find(|known| ends(known.usage)) {
        return Some((known.item.to_owned(), known.unit));
    }
    items.iter().find_map(|items| (items.hourly)(usage, attributes)).map(|item| (item, "hour"))
}

/// The highest price on demand in USD and its unit; a first free tier, or a discount for quantity, is lower.
fn on_demand(terms: &Value) -> Option<(f64, String)> {
    let dimensions = terms.as_object()?.values().filter_map(|term| term["priceDimensions"].as_object());
    let prices = dimensions.flat_map(|dimensions| dimensions.values()).filter_map(|dimension| {
        let usd = dimension["pricePerUnit"]["USD"].as_str()?.parse::<f64>().ok()?;
        Some((usd, dimension["unit"].as_str().unwrap_or_default().to_owned()))
    });
    prices.filter(|(usd, _)| usd.is_finite() && *usd > 0.0).max_by(|left, right| left.0.total_cmp(&right.0))
}
