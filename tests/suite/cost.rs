//! `kstack cost`, `compare` and `prices`: the real binary, offline.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::stack;

/// Runs kstack in the project's folder with the cache folder `cache`, and without a network to speak to.
fn kstack(cache: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kstack"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("KSTACK_CACHE_DIR", cache)
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        .output()
        .expect("kstack runs")
}

/// What a run that succeeds writes, with no prices from AWS in the cache.
fn out(arguments: &[&str]) -> String {
    let cache = tempfile::tempdir().expect("a folder");
    let output = kstack(cache.path(), arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Compares `text` with the file, or writes the file when `KSTACK_UPDATE` is set.
fn compare_with(file: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("KSTACK_UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, text).expect("it can be written");
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(known, text, "{file} is not what kstack writes; KSTACK_UPDATE=1 rewrites it");
}

#[test]
fn a_bill_with_its_formulas() {
    compare_with("tests/cost/prod.txt", &out(&["cost", "stacks/prod.yaml", "--explain"]));
}

#[test]
fn msk_stacks_are_sized_and_priced() {
    for name in ["msk", "msk-express", "msk-serverless"] {
        let file = format!("stacks/{name}.yaml");
        compare_with(&format!("tests/cost/{name}-size.txt"), &out(&["size", &file]));
        compare_with(&format!("tests/cost/{name}.txt"), &out(&["cost", &file, "--explain"]));
        let bill: serde_json::Value = serde_json::from_str(&out(&["cost", &file, "--json"])).expect("JSON");
        assert!(bill["usd"].as_f64().expect("a sum") > 0.0);
        let sizing: serde_json::Value = serde_json::from_str(&out(&["size", &file, "--json"])).expect("JSON");
        assert_eq!(sizing["size_gib"].as_u64().is_some(), name == "msk", "only standard brokers have volumes to size");
    }
    compare_with("tests/cost/msk-compare.txt", &out(&["compare", "stacks/msk.yaml"]));
}

#[test]
fn a_bill_with_gaps() {
    let text = out(&["cost", "stacks/dev.yaml"]);
    // The sum is never read without what it lacks.
    let first = text.lines().next().unwrap_or_default();
    assert!(first.starts_with("USD a month, without gp3 size in eu-west-1"), "{text}");
    compare_with("tests/cost/dev.txt", &text);
}

#[test]
fn a_bill_as_json_has_the_sum_of_its_lines() {
    let bill: serde_json::Value = serde_json::from_str(&out(&["cost", "stacks/prod.yaml", "--json"])).expect("JSON");
    let lines = bill["lines"].as_array().expect("lines");
    let sum: f64 = lines.iter().filter(|line| line["counted"] == true).filter_map(|line| line["usd"].as_f64()).sum();
    assert!((bill["usd"].as_f64().expect("a sum") - sum).abs() < 1e-6);
    assert_eq!(bill["region"], "ap-northeast-2");
}

#[test]
fn a_comparison_in_every_form() {
    compare_with("tests/cost/compare.txt", &out(&["compare", "stacks/compare.yaml"]));
    compare_with("tests/cost/compare.md", &out(&["compare", "stacks/compare.yaml", "--markdown"]));
    compare_with("tests/cost/prod-aws-msk.txt", &out(&["compare", "stacks/prod.yaml", "--method", "aws-msk"]));
    // The README shows this one.
    compare_with("docs/compare.svg", &out(&["compare", "stacks/compare.yaml", "--svg"]));
    let json: serde_json::Value =
        serde_json::from_str(&out(&["compare", "stacks/compare.yaml", "--json"])).expect("JSON");
    assert!((json["same"]["msk_brokers"].as_f64().expect("money") - 919.80).abs() < 0.005);
}

#[test]
fn prices_from_aws_are_taken_while_they_are_fresh() {
    let cache = tempfile::tempdir().expect("a folder");
    let folder = cache.path().join("prices");
    std::fs::create_dir_all(&folder).expect("a folder");
    let total = || {
        let output = kstack(cache.path(), &["cost", "stacks/compare.yaml", "--json"]);
        let bill: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        bill["usd"].as_f64().expect("a sum")
    };
    let embedded = total();
    let write = |asked: &str| {
        let answer = format!(
            r#"{{"asked":"{asked}","region":"us-east-1","prices":{{"regions":{{"us-east-1":{{"ec2 m5.xlarge":
            {{"unit":"hour","usd":1.192,"how":"listed","source":"AWS Price List"}}}}}}}}}}"#
        );
        std::fs::write(folder.join("us-east-1.json"), answer).expect("it can be written");
    };
    // A dollar an hour more for each of three brokers.
    write(&jiff::Timestamp::now().to_string());
    assert!((total() - embedded - 3.0 * 730.0).abs() < 1e-6);
    write("2020-01-01T00:00:00Z");
    assert!((total() - embedded).abs() < 1e-6);
    std::fs::write(folder.join("us-east-1.json"), "no JSON").expect("it can be written");
    assert!((total() - embedded).abs() < 1e-6);
}

/// Answers every question of the Price List API in its documented shape, on a port of its own: brokers' prices to a question
/// about MSK, in two pages, and nothing to others.
fn price_list() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let product = |usage: &str, usd: &str| {
        let price =
            serde_json::json!({"unit": "hours", "beginRange": "0", "endRange": "Inf", "pricePerUnit": {"USD": usd}});
        let terms =
            serde_json::json!({"OnDemand": {"S.T": {"priceDimensions": {"S.T.R": price}, "termAttributes": {}}}});
        let attributes =
            serde_json::json!({"regionCode": "us-east-1", "usagetype": usage, "locationType": "AWS Region"});
        let product = serde_json::json!({"productFamily": "x", "attributes": attributes, "sku": "S"});
        serde_json::json!({"product": product, "terms": terms, "publicationDate": "2026-10-01T00:00:00Z"}).to_string()
    };
    let first =
        vec![product("USE1-Kafka.m5.xlarge", "0.5000000000"), product("USE1-Kafka.Storage.GP2", "0.2000000000")];
    let second = vec![product("USE1-Kafka.m7g.large", "0.3000000000"), product("EU-Kafka.m7g.large", "0.0000000000")];
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let (mut request, mut part) = (String::new(), [0; 4096]);
            let complete = |request: &str| {
                let (head, body) = request.split_once("\r\n\r\n")?;
                let head = head.to_lowercase();
                let length = head.split("content-length: ").nth(1)?.split_whitespace().next()?.parse::<usize>().ok()?;
                (body.len() >= length).then(|| body.to_owned())
            };
            while complete(&request).is_none() {
                let Ok(count @ 1..) = stream.read(&mut part) else { break };
                request.push_str(&String::from_utf8_lossy(&part[..count]));
            }
            let question: serde_json::Value =
                serde_json::from_str(&complete(&request).unwrap_or_default()).unwrap_or_default();
            let (list, next) = match (question["ServiceCode"] == "AmazonMSK", question["NextToken"].as_str()) {
                (false, _) => (Vec::new(), None),
                (true, None) => (first.clone(), Some("more")),
                (true, Some(_)) => (second.clone(), None),
            };
            let body = serde_json::json!({"FormatVersion": "aws_v1", "PriceList": list, "NextToken": next}).to_string();
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nConnection: close";
            let _ = write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        }
    });
    endpoint
}

#[test]
fn prices_are_read_from_the_price_list_into_the_cache() {
    let cache = tempfile::tempdir().expect("a folder");
    let endpoint = price_list();
    let refresh = |region: &str| {
        Command::new(env!("CARGO_BIN_EXE_kstack"))
            .args(["prices", "refresh", "--region", region])
            .env("KSTACK_CACHE_DIR", cache.path())
            .envs([("AWS_ENDPOINT_URL", endpoint.as_str()), ("AWS_ACCESS_KEY_ID", "test")])
            .envs([("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_EC2_METADATA_DISABLED", "true")])
            .output()
            .expect("kstack runs")
    };
    let output = refresh("us-east-1");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("3 prices of us-east-1 are in "));
    let output = kstack(cache.path(), &["compare", "stacks/compare.yaml", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!((json["same"]["msk_brokers"].as_f64().expect("money") - 3.0 * 0.5 * 730.0).abs() < 1e-6);
    let output = kstack(cache.path(), &["prices", "show", "--region", "us-east-1"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("3 from the AWS Price List, read 20"));
    // What AWS has no price for leaves the embedded table in use.
    let output = refresh("eu-west-9");
    assert_eq!(output.status.code(), Some(1));
    assert!(!cache.path().join("prices/eu-west-9.json").exists());
}

/// A file with a thousand topics says nothing of how many partitions there are: they are counted, and `size` shows what each broker has.
#[test]
fn a_thousand_topics_are_counted_and_spread_over_the_brokers() {
    let line = "  partitions: 600            # replicas are counted from the replication factor\n";
    let mut text = stack("prod", &[(line, "")]);
    for number in 0..1_000 {
        let _ = writeln!(text, "  topic-{number}: {{partitions: {}}}", 1 + number % 10);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("thousand.yaml");
    std::fs::write(&file, text).expect("a file");
    compare_with("tests/cost/thousand-topics-size.txt", &out(&["size", &file.display().to_string()]));
}
