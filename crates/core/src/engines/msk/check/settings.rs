//! Rules of Kafka's settings and of where logs go.

use crate::engines::msk::keys::MskLogs;
use crate::engines::msk::limits::is_express;
use crate::engines::msk::settings::{Standing, known, standing};
use crate::file::node::Content;
use crate::file::problem::{Problem, nearest};
use crate::file::{Checker, secret};
use crate::units::TimeSpan;

const CONFIG: &str = "cluster.msk.config";

/// Checks Kafka settings and logs.
pub fn check(checker: &mut Checker<'_>) {
    let express = checker.part::<String>("cluster.msk.brokers.instance_type").is_some_and(|kind| is_express(&kind));
    for (key, value) in checker.entries(CONFIG) {
        let (name, brokers) = (key.name.as_str(), if express { "Express" } else { "standard" });
        if name.is_empty() || name.contains(char::is_whitespace) || name.contains(['=', ':', '#']) {
            let message = format!("`{}` is not the name of a Kafka setting", name.escape_debug());
            checker.error_at(key.at, message, "a name has letters, digits, dots and hyphens, and no spaces");
            continue;
        }
        if secret::is_secret(name) {
            let message = format!("the value of `{name}` is a secret, and secrets do not belong in a stack file");
            checker.error_at(
                key.at,
                message,
                "remove it: MSK manages its own keys, and clients' secrets are in Secrets Manager",
            );
            continue;
        }
        match standing(name, express) {
            Standing::Owned => {
                checker.error_at(key.at, format!("MSK sets `{name}` itself for {brokers} brokers"), "remove it");
            }
            Standing::Unknown => {
                let help = match nearest(name, known(express)) {
                    Some(near) => format!("the nearest documented one is `{near}`"),
                    None => "AWS rejects unknown settings; set it on topics, or dynamically in the running cluster"
                        .to_owned(),
                };
                let message = format!("`{name}` is not among the settings that AWS documents for {brokers} brokers");
                checker.problems.push(Problem::warning(key.at, message).help(help));
            }
            Standing::Allowed => {}
        }
        if let Content::Scalar(text) = &value.content
            && text.contains(['\n', '\r'])
        {
            checker.error_at(value.at, format!("the value of `{name}` has several lines"), "write it on one line");
        }
    }
    if let Some(logs) = checker.part::<MskLogs>("cluster.msk.logs") {
        check_logs(&logs, checker);
    }
    let written = checker.entries("cluster.msk.logs").iter().any(|(_, value)| value.content != Content::Null);
    if !written && matches!(checker.part::<Option<TimeSpan>>("ttl"), Some(None)) {
        checker.warning(
            "cluster.msk",
            "the brokers' logs go nowhere, and MSK keeps none: after a fault there is nothing to read",
            "write `logs: {cloudwatch: LOG-GROUP}` below `msk`, or `s3: {bucket: BUCKET}`; both cost by the GiB",
        );
    }
}

/// Names that AWS's other services would refuse.
fn check_logs(logs: &MskLogs, checker: &mut Checker<'_>) {
    let part = |c: char, more: &str| c.is_ascii_alphanumeric() || more.contains(c);
    let group = |name: &str| (1..=512).contains(&name.len()) && name.chars().all(|c| part(c, "_-/.#"));
    if let Some(name) = logs.cloudwatch.as_ref().filter(|name| !group(name)) {
        let help = "write its name, such as `/kstack/prod`; not its ARN";
        checker.error("cluster.msk.logs.cloudwatch", format!("`{name}` is not the name of a log group"), help);
    }
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-';
    let bucket = |name: &str| {
        let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        (3..=63).contains(&name.len()) && name.chars().all(lower) && name.starts_with(ends) && name.ends_with(ends)
    };
    if let Some(name) = logs.s3.as_ref().map(|s3| &s3.bucket).filter(|name| !bucket(name)) {
        let help = "write its name alone: 3 to 63 lower-case letters, digits, dots and hyphens";
        checker.error("cluster.msk.logs.s3.bucket", format!("`{name}` is not the name of a bucket"), help);
    }
    let stream = |name: &str| (1..=64).contains(&name.len()) && name.chars().all(|c| part(c, "_-."));
    if let Some(name) = logs.firehose.as_ref().filter(|name| !stream(name)) {
        let help = "write its name, not its ARN";
        checker.error("cluster.msk.logs.firehose", format!("`{name}` is not the name of a Firehose stream"), help);
    }
}
