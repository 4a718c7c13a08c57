//! The list of engines, and the Price List's products.

mod unknown_types;

use super::*;
use crate::file::read::Read as _;
use crate::pricing::{PriceOrigin, read_answer};

#[test]
fn the_words_on_the_cluster_name_every_engine() {
    let schema = Cluster::schema();
    let keys: Vec<&str> = ENGINES.iter().map(|engine| engine.key).collect();
    let properties = schema["properties"].as_object().expect("keys");
    assert_eq!(properties.keys().map(String::as_str).collect::<Vec<_>>(), keys);
    for key in keys {
        let words = schema["description"].as_str().expect("words");
        assert!(words.contains(&format!("`{key}`")), "{key} in {words}");
    }
}

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
    read_answer(&price_list(), &product(&attributes, unit, usd), "ap-northeast-2", &mut prices);
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
    assert!(!read_answer(&price_list(), "no JSON", "ap-northeast-2", &mut Prices::default()));
    assert!(!read_answer(&price_list(), "{}", "ap-northeast-2", &mut Prices::default()));
}
