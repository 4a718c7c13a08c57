//! What EC2's prices are in the AWS Price List.

use serde_json::Value;

use crate::pricing::{PriceListItems, PriceQuery, UsagePrice};

/// Instances by their type, and volumes.
pub const ITEMS: PriceListItems = PriceListItems {
    queries: &[
        PriceQuery {
            service: "AmazonEC2",
            filters: &[
                ("productFamily", "Compute Instance"),
                ("operatingSystem", "Linux"),
                ("preInstalledSw", "NA"),
                ("tenancy", "Shared"),
                ("capacitystatus", "Used"),
            ],
        },
        PriceQuery { service: "AmazonEC2", filters: &[("productFamily", "Storage"), ("volumeApiName", "gp3")] },
        PriceQuery {
            service: "AmazonEC2",
            filters: &[("productFamily", "System Operation"), ("volumeApiName", "gp3")],
        },
        PriceQuery {
            service: "AmazonEC2",
            filters: &[("productFamily", "Provisioned Throughput"), ("volumeApiName", "gp3")],
        },
        PriceQuery { service: "AmazonEC2", filters: &[("productFamily", "Storage"), ("volumeApiName", "io2")] },
        PriceQuery {
            service: "AmazonEC2",
            filters: &[("productFamily", "System Operation"), ("volumeApiName", "io2")],
        },
        PriceQuery { service: "AmazonEC2", filters: &[("productFamily", "Storage"), ("volumeApiName", "st1")] },
    ],
    usages: &[
        UsagePrice { usage: "EBS:VolumeUsage.gp3", item: "gp3 size", unit: "GiB-month" },
        UsagePrice { usage: "EBS:VolumeP-IOPS.gp3", item: "gp3 iops", unit: "IOPS-month" },
        UsagePrice { usage: "EBS:VolumeP-Throughput.gp3", item: "gp3 throughput", unit: "MiB/s-month" },
        UsagePrice { usage: "EBS:VolumeUsage.io2", item: "io2 size", unit: "GiB-month" },
        UsagePrice { usage: "EBS:VolumeP-IOPS.io2", item: "io2 iops", unit: "IOPS-month" },
        UsagePrice { usage: "EBS:VolumeP-IOPS.io2.tier2", item: "io2 iops above 32000", unit: "IOPS-month" },
        UsagePrice { usage: "EBS:VolumeP-IOPS.io2.tier3", item: "io2 iops above 64000", unit: "IOPS-month" },
        UsagePrice { usage: "EBS:VolumeUsage.st1", item: "st1 size", unit: "GiB-month" },
    ],
    hourly,
};

/// `ec2 m5.xlarge` for `APN2-BoxUsage:m5.xlarge`.
fn hourly(usage: &str, attributes: &Value) -> Option<String> {
    let instance_type = usage.split_once("BoxUsage:").map(|(_, kind)| kind)?;
    let plain = attributes["operatingSystem"] == "Linux" && attributes["operation"] == "RunInstances";
    let whole = usage.starts_with("BoxUsage") || usage.contains("-BoxUsage");
    (plain && whole).then(|| format!("ec2 {instance_type}"))
}
