//! What MSK's prices are in the AWS Price List.

use serde_json::Value;

use crate::pricing::{PriceListItems, PriceQuery, UsagePrice};

/// Brokers by their type, storage, and what serverless clusters use.
pub const ITEMS: PriceListItems = PriceListItems {
    queries: &[PriceQuery { service: "AmazonMSK", filters: &[] }],
    usages: &[
        UsagePrice { usage: "Kafka.Storage.GP2", item: "msk storage", unit: "GiB-month" },
        UsagePrice {
            usage: "Kafka.Storage.ProvisionedThroughput",
            item: "msk storage throughput",
            unit: "MiB/s-month",
        },
        UsagePrice { usage: "Kafka.Storage.Tiered", item: "msk tiered storage", unit: "GiB-month" },
        UsagePrice { usage: "Kafka.Storage.Express", item: "express storage", unit: "GiB-month" },
        UsagePrice { usage: "Kafka.Serverless.ClusterHours", item: "serverless cluster", unit: "hour" },
        UsagePrice { usage: "Kafka.Serverless.PartitionHours", item: "serverless partition", unit: "hour" },
        UsagePrice { usage: "Kafka.Serverless.In-Bytes", item: "serverless data in", unit: "GiB" },
        UsagePrice { usage: "Kafka.Serverless.Out-Bytes", item: "serverless data out", unit: "GiB" },
        UsagePrice { usage: "Kafka.Serverless.Storage", item: "serverless storage", unit: "GiB-month" },
    ],
    hourly,
};

/// `msk kafka.m5.large` for `APN2-Kafka.m5.large`, and `msk express.m7g.large` for `APN2-Kafka.express.m7g.large`.
fn hourly(usage: &str, _: &Value) -> Option<String> {
    const FAMILIES: [&str; 3] = ["t3.", "m5.", "m7g."];
    let broker_type = usage.split_once("Kafka.").map(|(_, kind)| kind)?;
    if FAMILIES.iter().any(|family| broker_type.starts_with(family)) {
        return Some(format!("msk kafka.{broker_type}"));
    }
    let express = broker_type.strip_prefix("express.").or_else(|| broker_type.strip_prefix("Express."))?;
    express.starts_with("m7g.").then(|| format!("msk express.{express}"))
}
