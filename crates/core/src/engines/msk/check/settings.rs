//! Rules of Kafka's settings and of where logs go.

use super::version;
use crate::engines::kafka_settings::{check_pairs, check_unclean, check_value, find, misspelt, wrong_name};
use crate::engines::msk::keys::{ConfigurationChoice, MskLogs, OthersConfiguration};
use crate::engines::msk::limits::is_express;
use crate::engines::msk::settings::{Standing, known, narrower, standing};
use crate::engines::rules::{arn, check_home};
use crate::file::node::{Content, Key, Node};
use crate::file::problem::{Problem, nearest};
use crate::file::{Checker, secret};
use crate::settings::definitions::newest;
use crate::settings::{Found, KafkaVersion};

const CONFIG: &str = "cluster.msk.config";

/// Checks every Kafka setting by itself, and those that contradict each other.
pub fn check(checker: &mut Checker<'_>) {
    let express = checker.part::<String>("cluster.msk.brokers.instance_type").is_some_and(|kind| is_express(&kind));
    let version = version(checker).map_or(newest(), |version| version.numbers());
    for (key, value) in checker.entries(CONFIG) {
        if let Content::Scalar(text) = &value.content
            && text.contains(['\n', '\r'])
        {
            checker.error_at(
                value.at,
                format!("the value of `{}` has several lines", key.name),
                "write it on one line",
            );
        }
        check_setting(key, value, express, version, checker);
    }
    check_choice(checker);
    check_unclean(CONFIG, checker);
    // MSK has defaults of its own, so only what is written is known.
    check_pairs(CONFIG, version, |_| None, checker);
    if let Some(logs) = checker.part::<MskLogs>("cluster.msk.logs") {
        check_logs(&logs, checker);
    }
    let written = checker.entries("cluster.msk.logs").iter().any(|(_, value)| value.content != Content::Null);
    if !written && checker.part("protected") == Some(true) {
        checker.warning(
            "cluster.msk",
            "the brokers' logs of a protected cluster go nowhere, and MSK keeps none: after a fault there is nothing to read",
            "write `logs: {cloudwatch: {retention: 30d}}` below `msk`, or `s3: {bucket: BUCKET}`; both cost by the GiB",
        );
    }
}

/// Another configuration in the place of the stack's own.
fn check_choice(checker: &mut Checker<'_>) {
    let path = "cluster.msk.configuration";
    let Some(Some(choice)) = checker.part::<Option<ConfigurationChoice>>(path) else { return };
    if !checker.entries(CONFIG).is_empty() {
        let message = "`config` is for the stack's own configuration, and this cluster uses another";
        checker.error(
            CONFIG,
            message,
            "remove `config`; or remove `configuration`, so that the stack gets its own with `config`",
        );
    }
    let ConfigurationChoice::Others(OthersConfiguration { arn: text, revision }) = choice else { return };
    let own = |parts: &[&str; 5]| parts[1] == "kafka" && parts[4].starts_with("configuration/");
    match arn(&text).filter(own) {
        None => checker.error(
            &format!("{path}.arn"),
            format!("`{text}` is not the ARN of a configuration of MSK"),
            "such as `arn:aws:kafka:us-east-1:123456789012:configuration/orders/6c0e7b1a-0d65-4b8f-9e0a-1f2d3c4b5a69-3`",
        ),
        Some(parts) => check_home(&format!("{path}.arn"), parts, "configuration", "MSK", checker),
    }
    if revision == 0 {
        checker.error(&format!("{path}.revision"), "revisions are counted from 1", "write the number that AWS shows");
    }
}

fn check_setting(key: &Key, value: &Node, express: bool, version: KafkaVersion, checker: &mut Checker<'_>) {
    let (name, brokers) = (key.name.as_str(), if express { "Express" } else { "standard" });
    if name.is_empty() || name.contains(char::is_whitespace) || name.contains(['=', ':', '#']) {
        let message = format!("`{}` is not the name of a Kafka setting", name.escape_debug());
        return checker.error_at(key.at, message, "a name has letters, digits, dots and hyphens, and no spaces");
    }
    if secret::is_secret(name) {
        let message = format!("the value of `{name}` is a secret, and secrets do not belong in a stack file");
        let help = "remove it: MSK manages its own keys, and clients' secrets are in Secrets Manager";
        return checker.error_at(key.at, message, help);
    }
    match standing(name, express) {
        Standing::Owned => {
            checker.error_at(key.at, format!("MSK sets `{name}` itself for {brokers} brokers"), "remove it");
        }
        Standing::Allowed => check_allowed(key, value, express, version, checker),
        Standing::Unknown => {
            // What neither Kafka nor AWS has, and what brokers do not read, can't be right.
            let (message, help) = match (misspelt(name, known(express)), find(name, version)) {
                (Some(near), Found::Unknown) => {
                    (format!("neither Kafka nor MSK has a setting `{name}`"), format!("the nearest one is `{near}`"))
                }
                (_, found @ (Found::Topic(_) | Found::Unknown)) => match wrong_name(name, found, version) {
                    Some(wrong) => wrong,
                    None => return warn_undocumented(key, express, checker),
                },
                _ => return warn_undocumented(key, express, checker),
            };
            checker.error_at(key.at, message, help);
        }
    }
}

/// A setting that AWS may have documented since.
fn warn_undocumented(key: &Key, express: bool, checker: &mut Checker<'_>) {
    let (name, brokers) = (key.name.as_str(), if express { "Express" } else { "standard" });
    let help = match nearest(name, known(express)) {
        Some(near) => format!("MSK rejects a configuration with others; the nearest documented one is `{near}`"),
        None => "MSK rejects a configuration with others; set it on topics, or in the running cluster".to_owned(),
    };
    let message = format!("`{name}` is not among the settings that AWS documents for {brokers} brokers");
    checker.problems.push(Problem::warning(key.at, message).help(help));
}

/// A setting that AWS documents, by Kafka's definition of it.
fn check_allowed(key: &Key, value: &Node, express: bool, version: KafkaVersion, checker: &mut Checker<'_>) {
    let found = find(&key.name, version);
    match found {
        Found::Known(_) if checker.is_refused(value.at) => {}
        Found::Known(definition) => check_value(key, value, definition, false, checker),
        // AWS has one list for all versions, and it is not known whether MSK refuses what one of them does not have.
        Found::Gone(_) | Found::Later(_) => {
            let wrong = wrong_name(&key.name, found, version);
            checker.problems.extend(wrong.map(|(message, help)| Problem::warning(key.at, message).help(help)));
        }
        Found::HandedOn | Found::Topic(_) | Found::Unknown => {}
    }
    let number = checker.text_of(CONFIG, &key.name).trim().parse::<i64>().ok();
    let narrower = narrower(&key.name).filter(|_| !express && !checker.is_refused(value.at));
    if let (Some(number), Some(bounds)) = (number, narrower)
        && !bounds.contains(number)
    {
        let message = format!("MSK is not known to take {number} for `{}`", key.name);
        let help = format!("write a number from {} to {}", bounds.least, bounds.most);
        checker.problems.push(Problem::warning(value.at, message).help(help));
    }
}

/// Names that AWS's other services would refuse.
fn check_logs(logs: &MskLogs, checker: &mut Checker<'_>) {
    let part = |c: char, more: &str| c.is_ascii_alphanumeric() || more.contains(c);
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
