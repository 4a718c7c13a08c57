//! Prices in the answers of the AWS Price List API: which to ask for, and how they read. Pure; `aws/price_list.rs` asks.
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceQuery {
    pub service: &'static str,
    /// Attribute and value; the region's `regionCode` is added by who asks.
    pub filters: &'static [(&'static str, &'static str)],
}

/// Everything that is asked.
pub fn price_queries() -> Vec<PriceQuery> {
    let ask = |service, filters| PriceQuery { service, filters };
    vec![
        ask(
            "AmazonEC2",
            &[
                ("productFamily", "Compute Instance"),
                ("operatingSystem", "Linux"),
                ("preInstalledSw", "NA"),
                ("tenancy", "Shared"),
                ("capacitystatus", "Used"),
            ],
        ),
        ask("AmazonEC2", &[("productFamily", "Storage"), ("volumeApiName", "gp3")]),
        ask("AmazonEC2", &[("productFamily", "System Operation"), ("volumeApiName", "gp3")]),
        ask("AmazonEC2", &[("productFamily", "Provisioned Throughput"), ("volumeApiName", "gp3")]),
        ask("AmazonEC2", &[("productFamily", "NAT Gateway")]),
        ask("AmazonVPC", &[]),
        ask("AmazonMSK", &[]),
        ask("AmazonCloudWatch", &[("productFamily", "Data Payload")]),
    ]
}

/// The items of the table that a product's usage type ends with, without the region's prefix.
const USAGE: [(&str, &str, &str); 18] = [
    ("EBS:VolumeUsage.gp3", "gp3 size", "GiB-month"),
    ("EBS:VolumeP-IOPS.gp3", "gp3 iops", "IOPS-month"),
    ("EBS:VolumeP-Throughput.gp3", "gp3 throughput", "MiB/s-month"),
    ("NatGateway-Hours", "nat gateway", "hour"),
    ("NatGateway-Bytes", "nat data", "GiB"),
    ("VpcEndpoint-Hours", "endpoint", "hour"),
    ("VpcEndpoint-Bytes", "endpoint data", "GiB"),
    ("PublicIPv4:InUseAddress", "public address", "hour"),
    ("VendedLog-Bytes", "logs", "GiB"),
    ("Kafka.Storage.GP2", "msk storage", "GiB-month"),
    ("Kafka.Storage.ProvisionedThroughput", "msk storage throughput", "MiB/s-month"),
    ("Kafka.Storage.Tiered", "msk tiered storage", "GiB-month"),
    ("Kafka.Storage.Express", "express storage", "GiB-month"),
    ("Kafka.Serverless.ClusterHours", "serverless cluster", "hour"),
    ("Kafka.Serverless.PartitionHours", "serverless partition", "hour"),
    ("Kafka.Serverless.In-Bytes", "serverless data in", "GiB"),
    ("Kafka.Serverless.Out-Bytes", "serverless data out", "GiB"),
    ("Kafka.Serverless.Storage", "serverless storage", "GiB-month"),
];

/// Adds the price in one product of an answer to `prices`. Products of other kinds and regions, and those without a price on
/// demand above zero, are passed over; says whether it was one.
pub fn read_answer(product: &str, region: &str, prices: &mut Prices) -> bool {
    let Ok(product) = serde_json::from_str::<Value>(product) else { return false };
    let attributes = &product["product"]["attributes"];
    if attributes["regionCode"] != region {
        return false;
    }
    let Some((item, unit)) = item(attributes) else { return false };
    let Some((mut usd, per)) = on_demand(&product["terms"]["OnDemand"]) else { return false };
    if per.starts_with("GiBps") {
        // Provisioned throughput is quoted for 1,024 MiB/s.
        usd /= 1024.0;
    }
    let source = format!("AWS Price List, {}", product["publicationDate"].as_str().unwrap_or("no date"));
    prices.set(region, &item, Price { unit: unit.to_owned(), usd, how: PriceOrigin::Listed, source });
    true
}

/// The table's name and unit for what a product's attributes say.
fn item(attributes: &Value) -> Option<(String, &'static str)> {
    let usage = attributes["usagetype"].as_str()?;
    // `APN2-BoxUsage:m5.xlarge`; the first region's have no prefix, and MSK's always have one.
    let ends = |end: &str| usage == end || usage.strip_suffix(end).is_some_and(|prefix| prefix.ends_with('-'));
    if let Some((_, item, unit)) = USAGE.iter().find(|(end, _, _)| ends(end)) {
        return Some(((*item).to_owned(), unit));
    }
    if let Some(kind) = usage.split_once("BoxUsage:").map(|(_, kind)| kind) {
        let plain = attributes["operatingSystem"] == "Linux" && attributes["operation"] == "RunInstances";
        return (plain && (usage.starts_with("BoxUsage") || usage.contains("-BoxUsage")))
            .then(|| (format!("ec2 {kind}"), "hour"));
    }
    let kind = usage.split_once("Kafka.").map(|(_, kind)| kind)?;
    let brokers = ["t3.", "m5.", "m7g."];
    if brokers.iter().any(|family| kind.starts_with(family)) {
        return Some((format!("msk kafka.{kind}"), "hour"));
    }
    let express = kind.strip_prefix("express.").or_else(|| kind.strip_prefix("Express."))?;
    express.starts_with("m7g.").then(|| (format!("msk express.{express}"), "hour"))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A product in the documented shape.
    fn product(attributes: &str, unit: &str, usd: &str) -> String {
        format!(
            r#"{{"product":{{"productFamily":"x","attributes":{{{attributes},"locationType":"AWS Region"}},"sku":"4V6W"}},
            "serviceCode":"AmazonEC2","version":"20260801012600","publicationDate":"2026-08-01T01:26:00Z",
            "terms":{{"OnDemand":{{"4V6W.JRTC":{{"sku":"4V6W","effectiveDate":"2026-08-01T00:00:00Z","offerTermCode":"JRTC",
            "termAttributes":{{}},"priceDimensions":{{"4V6W.JRTC.6YS6":{{"unit":"{unit}","endRange":"Inf","beginRange":"0",
            "description":"on demand","appliesTo":[],"rateCode":"4V6W.JRTC.6YS6","pricePerUnit":{{"USD":"{usd}"}}}}}}}}}}}}}}"#
        )
    }

    fn read(region: &str, usage: &str, more: &str, unit: &str, usd: &str) -> Prices {
        let attributes = format!(r#""regionCode":"{region}","usagetype":"{usage}"{more}"#);
        let mut prices = Prices::default();
        read_answer(&product(&attributes, unit, usd), "ap-northeast-2", &mut prices);
        prices
    }

    #[test]
    fn products_become_rows_of_the_table() {
        let linux = r#","operatingSystem":"Linux","operation":"RunInstances""#;
        for (usage, more, unit, usd, item, expected) in [
            ("APN2-BoxUsage:m5.xlarge", linux, "Hrs", "0.2360000000", "ec2 m5.xlarge", 0.236),
            ("APN2-EBS:VolumeUsage.gp3", "", "GB-Mo", "0.0912000000", "gp3 size", 0.0912),
            ("APN2-EBS:VolumeP-Throughput.gp3", "", "GiBps-mo", "46.6944000000", "gp3 throughput", 0.0456),
            ("APN2-NatGateway-Hours", "", "Hrs", "0.0590000000", "nat gateway", 0.059),
            ("APN2-Kafka.m5.large", "", "hours", "0.2581000000", "msk kafka.m5.large", 0.2581),
            ("APN2-Kafka.Storage.GP2", "", "GB-Mo", "0.1140000000", "msk storage", 0.114),
        ] {
            let prices = read("ap-northeast-2", usage, more, unit, usd);
            let price = prices.get("ap-northeast-2", item).unwrap_or_else(|| panic!("{usage}"));
            assert!((price.usd - expected).abs() < 1e-9, "{usage}: {}", price.usd);
            assert_eq!(price.how, PriceOrigin::Listed);
            assert_eq!(price.source, "AWS Price List, 2026-08-01T01:26:00Z");
        }
    }

    #[test]
    fn what_is_no_price_is_passed_over() {
        let none = |region, usage, more, usd| assert!(read(region, usage, more, "Hrs", usd).is_empty(), "{usage}");
        none("us-east-1", "APN2-NatGateway-Hours", "", "0.059");
        none("ap-northeast-2", "APN2-NatGateway-Hours", "", "0.0000000000");
        none("ap-northeast-2", "APN2-NatGateway-Hours", "", "many");
        none("ap-northeast-2", "APN2-UnusedBox:m5.xlarge", "", "0.1");
        let windows = r#","operatingSystem":"Windows","operation":"RunInstances:0002""#;
        none("ap-northeast-2", "APN2-BoxUsage:m5.xlarge", windows, "0.4");
        assert!(!read_answer("no JSON", "ap-northeast-2", &mut Prices::default()));
        assert!(!read_answer("{}", "ap-northeast-2", &mut Prices::default()));
    }
}
