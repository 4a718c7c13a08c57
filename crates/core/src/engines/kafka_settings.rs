//! Rules of Kafka's settings that every engine has: what Kafka's own definitions say of a name and a value.

use crate::file::Checker;
use crate::file::node::{Content, Key, Node};
use crate::file::problem::{Problem, nearest};
use crate::settings::definitions::{self, definition, definitions, newest};
use crate::settings::{Definition, Found, KafkaVersion, Kind, Takes, pairs};
use crate::text::quoted_list;

/// Edits that a name may be away from one that is meant.
const MISSPELT: usize = 2;

/// `4.1.1`; `3.9` where any of a release is meant.
pub fn shown((major, minor, patch): KafkaVersion) -> String {
    if patch == u32::MAX { format!("{major}.{minor}") } else { format!("{major}.{minor}.{patch}") }
}

/// The known name that is meant by `name`: but for a letter or two, or capitals, it is the same.
pub fn misspelt<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_ascii_lowercase();
    let distances = known.into_iter().map(|known| (strsim::osa_distance(&lower, known), known));
    distances.filter(|(distance, _)| *distance <= MISSPELT).min().map(|(_, known)| known)
}

/// The names that `version` has.
pub fn names(version: KafkaVersion) -> impl Iterator<Item = &'static str> {
    definitions(version).map(|one| one.name)
}

/// What is wrong with a name that `version` does not have, and what would be right; `None` for one that it has, or that nobody knows.
pub fn wrong_name(name: &str, found: Found, version: KafkaVersion) -> Option<(String, String)> {
    Some(match found {
        Found::Known(_) | Found::HandedOn => return None,
        Found::Gone(before) => {
            (format!("Kafka has no `{name}` any more, from {} on", shown(before)), instead(name).to_owned())
        }
        Found::Later(from) => {
            let message = format!("Kafka has `{name}` from {} on, and the stack has {}", shown(from), shown(version));
            (message, "remove it, or use that version".to_owned())
        }
        Found::Topic(overrides) => {
            let help = match overrides {
                [] => "set it on the topics that need it".to_owned(),
                [one] => format!("write `{one}`, the brokers' default for it, or set it on topics"),
                [first, ..] => {
                    format!(
                        "write `{first}`, the brokers' default for it, or set it on topics; of {}, the first counts",
                        quoted_list(overrides)
                    )
                }
            };
            (format!("`{name}` is a setting of topics, and brokers do not read it"), help)
        }
        Found::Unknown => {
            let near = misspelt(name, names(version))?;
            (
                format!("Kafka {} has no setting `{name}`", shown(version.min(newest()))),
                format!("the nearest one is `{near}`"),
            )
        }
    })
}

/// What to do about a setting that Kafka dropped.
fn instead(name: &str) -> &'static str {
    match name {
        "inter.broker.protocol.version" | "log.message.format.version" => {
            "remove it: features are finalized after an upgrade, on EC2 by `kstack finalize`"
        }
        "log.message.timestamp.difference.max.ms" => {
            "write `log.message.timestamp.before.max.ms` and `log.message.timestamp.after.max.ms`"
        }
        _ if name.starts_with("zookeeper.") => "remove it: controllers keep the metadata, and there is no ZooKeeper",
        _ => "remove it",
    }
}

/// Whether the first word of `name` is that of a setting of `version`.
pub fn begins_as_kafkas(name: &str, version: KafkaVersion) -> bool {
    let word = |name: &str| name.split('.').next().map(str::to_owned);
    names(version).any(|known| word(known) == word(name))
}

/// The nearest name that `version` has, where one is similar enough to be helpful.
pub fn similar(name: &str, version: KafkaVersion) -> Option<&'static str> {
    nearest(name, names(version))
}

/// Notes a value that `definition` does not take, and a setting that Kafka keeps for itself. `resolves` says whether Kafka puts
/// something else in the place of a reference.
pub fn check_value(key: &Key, value: &Node, definition: &Definition, resolves: bool, checker: &mut Checker<'_>) {
    let Content::Scalar(text) = &value.content else { return };
    let name = &key.name;
    if definition.internal {
        let message =
            format!("`{name}` is for Kafka's own tests, and may be gone or mean something else in the next version");
        checker.problems.push(Problem::warning(key.at, message).help("remove it"));
    }
    if resolves && text.contains("${") {
        return;
    }
    if !definition.takes.accepts(definition.name, text) {
        let help = definition.takes.help(definition.name, text);
        checker.error_at(value.at, format!("`{name}` can't be `{text}`"), help);
    }
}

/// Notes a value of a topic's setting `name` that Kafka does not take; `by` is the setting whose definition says so.
pub fn check_value_of(name: &str, by: &str, value: &Node, takes: &Takes, checker: &mut Checker<'_>) {
    let Content::Scalar(text) = &value.content else { return };
    if !takes.accepts(by, text) {
        checker.error_at(value.at, format!("`{name}` can't be `{}`", text.escape_debug()), takes.help(by, text));
    }
}

/// Notes settings of the mapping at `config` that contradict each other, or the number that `otherwise` has for one that is not
/// there.
pub fn check_pairs(
    config: &str,
    version: KafkaVersion,
    otherwise: impl Fn(&str) -> Option<i64>,
    checker: &mut Checker<'_>,
) {
    let written = |name: &str| {
        let (key, value) = checker.entries(config).iter().find(|(key, _)| key.name == name)?;
        let fine = !checker.is_refused(key.at) && !checker.is_refused(value.at);
        checker.text_of(config, name).trim().parse::<i64>().ok().filter(|_| fine).map(|number| (number, key.at))
    };
    let value = |name: &str| written(name).map(|(number, _)| number).or_else(|| otherwise(name));
    let shown = |name: &str| value(name).unwrap_or_default();
    let mut problems = Vec::new();
    for pair in pairs::broken(version, value) {
        let (lower, upper) = (written(pair.lower), written(pair.upper));
        let Some((_, at)) = lower.or(upper) else { continue };
        let rule = if pair.strictly { "below" } else { "at most" };
        let rule = if pair.times > 1 { format!("{rule} one in {} of", pair.times) } else { rule.to_owned() };
        let other = |name: &str, (_, at): (i64, _)| format!("`{name}` ({})", checker.line(at));
        let upper_name = match upper.filter(|_| lower.is_some()) {
            Some(upper) => other(pair.upper, upper),
            None => format!("`{}`", pair.upper),
        };
        let message = format!(
            "`{}` is {}, and has to be {rule} {upper_name}, which is {}",
            pair.lower,
            shown(pair.lower),
            shown(pair.upper)
        );
        let names = if lower.is_some() { (pair.lower, "lower") } else { (pair.upper, "raise") };
        problems.push(Problem::new(at, message).help(format!("{} `{}`", names.1, names.0)));
    }
    checker.problems.extend(problems);
}

/// Leaders that lack records lose what was acknowledged.
pub fn check_unclean(config: &str, checker: &mut Checker<'_>) {
    let name = "unclean.leader.election.enable";
    if !checker.text_of(config, name).trim().eq_ignore_ascii_case("true") {
        return;
    }
    let Some((_, value)) = checker.entries(config).iter().find(|(key, _)| key.name == name) else { return };
    let message = format!(
        "with `{name}`, a copy that lacks records may become the leader, and records that were acknowledged are lost"
    );
    let help = "remove it; topics that may lose records have a setting of the same name";
    checker.problems.push(Problem::warning(value.at, message).help(help));
}

/// Whether the mapping at `config` names a class that is not Kafka's: it reads settings that Kafka has no definition of.
pub fn has_plugin(config: &str, version: KafkaVersion, checker: &Checker<'_>) -> bool {
    checker.entries(config).iter().any(|(key, value)| {
        let Content::Scalar(text) = &value.content else { return false };
        let names_classes = definition(&key.name, version).is_some_and(|one| one.takes.kind == Kind::Class)
            || key.name.ends_with(".class.name")
            || CLASSES.contains(&key.name.as_str());
        let is_kafkas =
            |class: &str| class.is_empty() || class.starts_with("org.apache.kafka.") || class.starts_with("kafka.");
        names_classes && text.split(',').any(|class| !is_kafkas(class.trim()))
    })
}

/// Settings that are lists of classes. Source: their documentation in Kafka.
const CLASSES: [&str; 4] =
    ["group.consumer.assignors", "kafka.metrics.reporters", "metric.reporters", "security.providers"];

/// What `version` makes of `name`.
pub fn find(name: &str, version: KafkaVersion) -> Found {
    definitions::find(name, version)
}
