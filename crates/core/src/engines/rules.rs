//! Rules of a file that several engines have in common.

use std::collections::BTreeMap;

use crate::file::node::Content;
use crate::file::problem::At;
use crate::file::{Account, Checker, Region, Topic, Workload};
use crate::settings::{Setting, Settings};
use crate::text::many;

/// The number of zones that a network can have.
pub const POSSIBLE_ZONES: std::ops::RangeInclusive<usize> = 1..=6;
/// The replication factors that a workload can have.
const POSSIBLE_FACTORS: std::ops::RangeInclusive<u32> = 1..=10;

/// The file's workload, when it reads.
pub fn workload(checker: &Checker<'_>) -> Option<Workload> {
    let mut load = checker.part::<Option<Workload>>("workload").map(Option::unwrap_or_default)?;
    if checker.given("workload.partitions").is_none()
        && let Some(topics) = checker.part::<Option<BTreeMap<String, Topic>>>("topics").flatten()
    {
        load.count(&topics);
    }
    Some(load)
}

/// What counts of Kafka's settings with those in the mapping at `config` that nobody has refused, when the workload reads.
pub fn settings(config: &str, checker: &Checker<'_>) -> Option<Settings> {
    let text = |content: &Content| match content {
        Content::Scalar(text) => Some(text.clone()),
        Content::Null | Content::List(_) | Content::Map(_) => None,
    };
    let entries = checker.entries(config).iter().filter(|(key, _)| !checker.is_refused(key.at));
    let all: BTreeMap<String, String> =
        entries.filter_map(|(key, value)| Some((key.name.clone(), text(&value.content)?))).collect();
    Some(Settings::of(&workload(checker)?, &all))
}

/// The place of the value of `setting` in the mapping at `config`, when the file has one that Kafka can read and nobody
/// has refused.
pub fn given(setting: Setting, config: &str, checker: &Checker<'_>) -> Option<At> {
    let mut entries = checker.entries(config).iter();
    let (key, value) = entries.find(|(key, _)| key.name == setting.word())?;
    (setting.takes(checker.text_of(config, setting.word())) && !checker.is_refused(key.at)).then_some(value.at)
}

/// Every copy of a partition is on a broker of its own. `count_path` is where the file has the `count` of brokers, and `config`
/// where it has Kafka's settings.
pub fn check_factor(count: u32, count_path: &str, config: &str, checker: &mut Checker<'_>) {
    let Some(factor) = settings(config, checker).map(|settings| settings.copies) else { return };
    let there = if count == 1 { "there is 1".to_owned() } else { format!("there are {count}") };
    let needs =
        |factor: u32| format!("a replication factor of {factor} needs {} or more, and {there}", many(factor, "broker"));
    for setting in Setting::COPIES {
        let own = given(setting, config, checker);
        let factor = match (own, setting) {
            (Some(_), _) => {
                setting.number(checker.text_of(config, setting.word())).and_then(|own| u32::try_from(own).ok())
            }
            (None, Setting::Copies) => Some(factor),
            // It follows from the factor of all topics.
            (None, _) => None,
        };
        let Some(factor) = factor.filter(|factor| POSSIBLE_FACTORS.contains(factor) && *factor > count) else {
            continue;
        };
        match own {
            Some(at) => {
                let help = format!("use {factor} brokers or more, or write `{}: {count}`", setting.word());
                checker.error_at(at, needs(factor), help);
            }
            None => checker.error(
                checker.written(&["workload.replication_factor", count_path]),
                needs(factor),
                format!("use {factor} brokers or more, or write `replication_factor: {count}` below `workload`"),
            ),
        }
    }
}

/// Each zone has as many brokers as every other.
pub fn check_spread(count: u32, zones: usize, count_path: &str, checker: &mut Checker<'_>) {
    let count = count as usize;
    if !count.is_multiple_of(zones) {
        let up = count.div_ceil(zones) * zones;
        let such = if up == zones { format!("`{up}`") } else { format!("`{}` or `{up}`", up - zones) };
        let message = format!("{} can't be spread evenly over {zones} zones", many(count, "broker"));
        checker.error(count_path, message, format!("use a multiple of {zones}, such as {such}"));
    }
}

/// A type that is slowed down once its credits are used.
pub fn warn_burstable(instance_type: &str, type_path: &str, better: &str, checker: &mut Checker<'_>) {
    let message = format!("`{instance_type}` drops to its baseline performance once its burst credits are used up");
    checker.warning(type_path, message, format!("use {better} for brokers that carry a production load"));
}

/// The parts of an ARN: partition, service, region, account, resource.
pub fn arn(text: &str) -> Option<[&str; 5]> {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    match parts[..] {
        ["arn", partition, service, region, account, resource] => Some([partition, service, region, account, resource]),
        _ => None,
    }
}

/// Notes an ARN of another region or account than the file's.
pub fn check_home(path: &str, parts: [&str; 5], what: &str, user: &str, checker: &mut Checker<'_>) {
    check_home_at(checker.tree.nearest(path).at, parts, what, user, checker);
}

/// The same of one at this place.
pub fn check_home_at(
    at: At,
    [partition, _, region, account, _]: [&str; 5],
    what: &str,
    user: &str,
    checker: &mut Checker<'_>,
) {
    let own = checker.part::<Region>("region");
    if let Some(own) = own.as_ref().filter(|own| own.0 != region) {
        checker.error_at(
            at,
            format!("this {what} is in `{region}`, but the stack is in `{own}`"),
            "use one in the stack's region",
        );
    } else if let Some(own) = own.filter(|own| own.partition() != partition) {
        let message = format!("the ARN of a {what} in `{own}` begins with `arn:{}:`", own.partition());
        checker.error_at(at, message, "write the ARN as AWS shows it");
    }
    if account.len() != 12 || !account.chars().all(|c| c.is_ascii_digit()) {
        checker.error_at(
            at,
            format!("`{account}` is not an AWS account id"),
            "an ARN has the account's 12 digits after the region",
        );
    } else if let Some(own) = checker.part::<Option<Account>>("account").flatten().filter(|own| own.0 != account) {
        let message = format!("this {what} belongs to the account {account}, but the stack to {own}");
        checker.warning_at(at, message, format!("make sure that its policy allows {user} to use it from there"));
    }
}

/// A KMS key by id, alias, or the ARN of either.
pub fn check_key(path: &str, key: &str, user: &str, checker: &mut Checker<'_>) {
    let hex = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    let id = |text: &str| (text.len() == 36 && hex(text)) || text.strip_prefix("mrk-").is_some_and(hex);
    // Source: the API reference of KMS, `AliasName`.
    let word = |c: char| c.is_ascii_alphanumeric() || "/_-".contains(c);
    let alias = |text: &str| text.strip_prefix("alias/").is_some_and(|name| !name.is_empty() && name.chars().all(word));
    if let Some(parts) = arn(key).filter(|parts| parts[1] == "kms") {
        if parts[4].strip_prefix("key/").is_some_and(id) || alias(parts[4]) {
            return check_home(path, parts, "key", user, checker);
        }
    } else if id(key) || alias(key) {
        return;
    }
    let help = "such as `alias/kafka`, `1234abcd-12ab-34cd-56ef-1234567890ab`, or `arn:aws:kms:us-east-1:123456789012:key/...`";
    checker.error(path, format!("`{}` is not the id, the alias or the ARN of a KMS key", key.escape_debug()), help);
}
