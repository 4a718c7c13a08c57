//! What a key of the stack file means, out of the schema: its type, its default, what a change of it does, and an example.

use serde_json::{Map, Value};

use crate::file::problem::nearest;
use crate::stack::schema;

/// A key of the stack file.
#[derive(Debug)]
pub struct Key {
    /// Its path, with `*` for a name.
    pub path: String,
    schema: Value,
    required: bool,
}

/// How wide a text of an explanation is.
const WIDTH: usize = 96;

/// Examples of texts for which no rule says what they look like: by the key's path, or by its last part.
const EXAMPLES: &[(&str, &str)] = &[
    ("name", "orders"),
    ("account", "\"123456789012\""),
    ("tags", "{team: data-platform}"),
    ("network.ipam_pool", "ipam-pool-0123456789abcdef0"),
    ("vpc", "vpc-0123456789abcdef0"),
    ("subnets", "[subnet-0123456789abcdef0, subnet-0123456789abcdef1, subnet-0123456789abcdef2]"),
    ("security_groups", "[sg-0123456789abcdef0]"),
    ("network.zones", "[ap-northeast-2a, ap-northeast-2c, ap-northeast-2d]"),
    ("network.routes.via", "tgw-0123456789abcdef0"),
    ("description", "Reporting"),
    ("image", "ami-0123456789abcdef0"),
    ("cluster.ec2.brokers.instance_type", "m7g.large"),
    ("cluster.ec2.controllers.instance_type", "t4g.medium"),
    ("cluster.msk.brokers.instance_type", "kafka.m7g.large"),
    ("cluster.ec2.config", "{message.max.bytes: 2000000}"),
    ("cluster.msk.config", "{auto.create.topics.enable: false}"),
    ("topics.*.config", "{retention.ms: 604800000}"),
    ("cluster.ec2.ignore_drift", "[log.retention.ms]"),
    ("prune", "{topics: [\"team-a.*\"]}"),
    ("topics.*.ignore_drift", "[retention.ms]"),
    ("secret", "\"arn:aws:secretsmanager:us-east-1:123456789012:secret:AmazonMSK_orders-Ab1Cd2\""),
    ("cluster.ec2.brokers.storage.volumes", "2"),
    ("cluster.ec2.brokers.storage.iops", "6000"),
    ("workload.partitions", "600"),
    ("topics.*.partitions", "12"),
    ("url", "https://artifacts.example.net/kafka_2.13-4.1.1.tgz"),
    ("sha512", "eb2433e5330e49..."),
    ("client.iam_auth.url", "https://artifacts.example.net/aws-msk-iam-auth-2.3.4-all.jar"),
    ("cluster.ec2.monitoring.agent.url", "https://artifacts.example.net/jmx_prometheus_javaagent.jar"),
    ("cluster.ec2.monitoring.node.url", "https://artifacts.example.net/node_exporter.tar.gz"),
    ("package_mirror", "http://packages.example.net:8080"),
    ("proxy", "http://proxy.example.net:3128"),
    ("templates", "templates"),
    ("kms_key", "alias/kafka"),
    ("issuer", "https://id.example.net"),
    ("audience", "kafka"),
    ("jwks", "https://id.example.net/keys"),
    ("claim", "sub"),
    ("port", "9200"),
    ("secrets", "[\"arn:aws:secretsmanager:us-east-1:123456789012:secret:AmazonMSK_orders-Ab1Cd2\"]"),
    ("certificate_authorities", "[\"arn:aws:acm-pca:us-east-1:123456789012:certificate-authority/0a1b2c3d\"]"),
    ("cloudwatch", "kafka"),
    ("bucket", "kafka-logs"),
    ("prefix", "orders/"),
    ("firehose", "kafka-logs"),
    ("cluster.msk.configuration.arn", "\"arn:aws:kafka:us-east-1:123456789012:configuration/orders/0a1b2c3d\""),
    ("cluster.msk.policy", "policy.json"),
];

/// A type in few words.
pub fn kind(schema: &Value) -> String {
    let code = |value: &Value| format!("`{}`", text(value));
    if let Some(word) = schema.get("const") {
        return code(word);
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().map(code).collect::<Vec<_>>().join(", ");
    }
    if let Some(either) = schema["oneOf"].as_array() {
        return either.iter().map(kind).collect::<Vec<_>>().join(", or ");
    }
    if let Some(example) = schema["examples"].as_array().and_then(|examples| examples.first()) {
        return format!("such as {}", code(example));
    }
    match schema["type"].as_str() {
        Some("array") => format!("list: {}", kind(&schema["items"])),
        Some("object") if schema["additionalProperties"]["properties"].is_object() => {
            "mapping of names to mappings".to_owned()
        }
        Some("object") if schema["additionalProperties"].is_object() => "mapping of texts to texts".to_owned(),
        Some("object") => "mapping".to_owned(),
        Some("integer") => "whole number".to_owned(),
        Some("boolean") => "`true`, `false`".to_owned(),
        Some("number") => "number".to_owned(),
        _ => "text".to_owned(),
    }
}

/// What stands for an absent key, in few words.
pub fn default(schema: &Value, required: bool) -> String {
    match &schema["default"] {
        _ if required => "required".to_owned(),
        Value::Null => "optional".to_owned(),
        Value::Object(_) => "its own defaults".to_owned(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}

/// Whether the mapping `schema` needs `key`.
pub fn requires(schema: &Value, key: &str) -> bool {
    schema["required"].as_array().is_some_and(|keys| keys.iter().any(|one| one == key))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The schema of what a value holds: of a list's items, of a mapping's values, or of the mapping among several forms.
fn inside(schema: &Value) -> &Value {
    let forms = || schema["oneOf"].as_array().into_iter().flatten();
    match () {
        () if schema["properties"].is_object() => schema,
        () if schema["items"].is_object() => inside(&schema["items"]),
        () => forms().map(inside).find(|form| form["properties"].is_object()).unwrap_or(schema),
    }
}

fn keys(schema: &Value) -> Option<&Map<String, Value>> {
    inside(schema)["properties"].as_object().filter(|keys| !keys.is_empty())
}

/// The key at a dotted `path`. For a name that the user chooses, as that of a topic, any name may stand.
///
/// # Errors
/// A sentence that says which part is not known, and a hint.
pub fn find(path: &str) -> Result<Key, (String, String)> {
    let whole = schema();
    let (mut at, mut walked, mut required) = (&whole, Vec::new(), true);
    for part in path.split('.') {
        // An item of a list: `rules[0].from` is `rules.from`.
        let part = part.split('[').next().unwrap_or(part);
        let each = &at["additionalProperties"];
        if each.is_object() {
            walked.push("*".to_owned());
            (at, required) = (each, false);
            // The keys of Kafka's settings have dots of their own.
            if !each["properties"].is_object() {
                break;
            }
            continue;
        }
        let known = inside(at);
        let found = keys(known).and_then(|keys| keys.get_key_value(part));
        let Some((name, value)) = found else { return Err(unknown(&walked, part, path, &whole, keys(known))) };
        required = requires(known, name);
        walked.push(name.clone());
        at = value;
    }
    Ok(Key { path: walked.join("."), schema: at.clone(), required })
}

fn unknown(
    walked: &[String],
    part: &str,
    path: &str,
    whole: &Value,
    here: Option<&Map<String, Value>>,
) -> (String, String) {
    let above = walked.join(".");
    let full = |key: &str| if above.is_empty() { key.to_owned() } else { format!("{above}.{key}") };
    let place = if above.is_empty() { "a stack file".to_owned() } else { format!("`{above}`") };
    let message = format!("{place} has no key `{part}`");
    let mut all = Vec::new();
    paths("", whole, &mut all);
    let last = path.rsplit('.').next().unwrap_or(path);
    // A key of that name elsewhere, where the way to it was left out: the shortest way.
    let same = all.iter().filter(|one| one.rsplit('.').next() == Some(last) || one.ends_with(&format!(".{path}")));
    let same = same.min_by_key(|one| one.matches('.').count());
    let near = here.and_then(|keys| nearest(part, keys.keys().map(String::as_str))).map(full);
    let near =
        near.or_else(|| same.cloned()).or_else(|| nearest(path, all.iter().map(String::as_str)).map(str::to_owned));
    let hint = match (near, here) {
        (_, None) if !above.is_empty() => format!("`{above}` has a value, and no keys below it"),
        (Some(near), _) => format!("the nearest key is `{near}`"),
        (None, Some(_)) if !above.is_empty() => format!("`kstack explain {above}` lists the keys there"),
        _ => "`kstack explain` lists the keys".to_owned(),
    };
    (message, hint)
}

/// The path of every key.
fn paths(path: &str, schema: &Value, out: &mut Vec<String>) {
    let under = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    for (key, value) in keys(schema).into_iter().flatten() {
        out.push(under(key));
        paths(&under(key), value, out);
        let each = &value["additionalProperties"];
        if each["properties"].is_object() {
            paths(&format!("{}.*", under(key)), each, out);
        }
    }
}

impl Key {
    /// The explanation, for people.
    pub fn text(&self) -> String {
        let schema = &self.schema;
        let mut out = format!("{}\n\n{}\n\n", self.path, wrapped(text(&schema["description"]), WIDTH));
        let mut line = |name: &str, value: &str| {
            let value = wrapped(&value.replace('`', ""), WIDTH - 9).replace('\n', "\n         ");
            out.push_str(&format!("{name:9}{value}\n"));
        };
        line("Type", &kind(schema));
        line("Default", &default(schema, self.required));
        if let Some(effect) = schema["x-effect"].as_str() {
            line("Change", effect);
        }
        out.push_str(&format!("Example\n{}", indented(&self.example())));
        if let Some(list) = listed(schema) {
            let heading = if schema["additionalProperties"].is_object() { "Keys of each" } else { "Keys" };
            out.push_str(&format!("\n{heading}\n{}", indented(&list)));
        }
        out
    }

    /// The key as it stands in a file.
    fn example(&self) -> String {
        let mut out = String::new();
        let parts: Vec<&str> = self.path.split('.').collect();
        for (depth, part) in parts.iter().enumerate() {
            let part = if *part == "*" { "NAME" } else { part };
            let last = depth + 1 == parts.len();
            let value = if last { format!(" {}", value(&self.path, &self.schema)) } else { String::new() };
            out.push_str(&format!("{}{part}:{value}\n", "  ".repeat(depth)));
        }
        out
    }
}

/// The keys of a stack file's top level.
pub fn top() -> String {
    listed(&schema()).unwrap_or_default()
}

/// The keys of the mapping, each with its first sentence.
fn listed(schema: &Value) -> Option<String> {
    let each = &schema["additionalProperties"];
    let keys = keys(if each.is_object() { each } else { schema })?;
    let width = keys.keys().map(String::len).max().unwrap_or(0);
    let line = |(key, value): (&String, &Value)| {
        let about = text(&value["description"]).replace('`', "");
        let first = about.split_once(". ").map_or(about.trim_end_matches('.'), |(first, _)| first).to_owned();
        let about = wrapped(&first, WIDTH - width - 4).replace('\n', &format!("\n{}", " ".repeat(width + 2)));
        format!("{key:width$}  {about}\n")
    };
    Some(keys.iter().map(line).collect())
}

/// A value that the schema allows, in YAML's flow form.
fn value(path: &str, schema: &Value) -> String {
    let last = path.rsplit('.').next().unwrap_or(path);
    let known = |name: &str| EXAMPLES.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    if let Some(value) = known(path).or_else(|| known(last)) {
        return value;
    }
    let first = |list: &Value| list.as_array().and_then(|list| list.first()).cloned();
    if let Some(value) = schema.get("const").cloned().or_else(|| first(&schema["examples"])) {
        return scalar(&value);
    }
    match &schema["default"] {
        Value::Null | Value::Object(_) | Value::Array(_) => {}
        Value::Bool(value) => return (!value).to_string(),
        other => return scalar(other),
    }
    if let Some(value) = first(&schema["enum"]) {
        return scalar(&value);
    }
    if let Some(form) = first(&schema["oneOf"]) {
        return value(path, &form);
    }
    match schema["type"].as_str() {
        Some("array") => format!("[{}]", value(path, &schema["items"])),
        Some("object") if keys(schema).is_some() => {
            let keys = keys(schema).into_iter().flatten();
            let needed: Vec<String> = keys
                .filter(|(key, _)| requires(schema, key))
                .map(|(key, one)| format!("{key}: {}", value(&format!("{path}.{key}"), one)))
                .collect();
            format!("{{{}}}", needed.join(", "))
        }
        Some("object") => "{}".to_owned(),
        Some("integer") => schema["minimum"].as_u64().unwrap_or(1).max(3).to_string(),
        Some("boolean") => "true".to_owned(),
        Some("number") => "2".to_owned(),
        _ => "...".to_owned(),
    }
}

fn scalar(value: &Value) -> String {
    match value.as_str() {
        // A text that YAML takes for something else.
        Some(text) if text.contains([':', '{', '*', '#']) => format!("\"{text}\""),
        Some(text) => text.to_owned(),
        None => value.to_string(),
    }
}

/// The text in lines of at most `width` characters, where its words allow it.
fn wrapped(text: &str, width: usize) -> String {
    let mut out = String::new();
    let mut length = 0;
    for word in text.split_whitespace() {
        let size = word.chars().count();
        let (before, at) = match length {
            0 => ("", size),
            length if length + 1 + size > width => ("\n", size),
            length => (" ", length + 1 + size),
        };
        out.push_str(before);
        out.push_str(word);
        length = at;
    }
    out
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(of: &str) -> String {
        find(of).expect("a key").path
    }

    #[test]
    fn a_name_of_the_users_stands_for_any() {
        assert_eq!(path("cluster.ec2.brokers.count"), "cluster.ec2.brokers.count");
        assert_eq!(path("topics.*.partitions"), "topics.*.partitions");
        assert_eq!(path("topics.orders.partitions"), "topics.*.partitions");
        assert_eq!(path("topics.orders.config.retention.ms"), "topics.*.config.*");
        assert_eq!(path("network.rules[0].from"), "network.rules.from");
        assert_eq!(path("alarms.notify"), "alarms.notify");
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        let (message, hint) = find("cluster.ec2.broker.count").expect_err("no such key");
        assert_eq!(message, "`cluster.ec2` has no key `broker`");
        assert_eq!(hint, "the nearest key is `cluster.ec2.brokers`");
        let (message, hint) = find("retention").expect_err("no such key");
        assert_eq!(message, "a stack file has no key `retention`");
        assert_eq!(hint, "the nearest key is `workload.retention`");
        let (_, hint) = find("workload.retention.days").expect_err("no such key");
        assert_eq!(hint, "`workload.retention` has a value, and no keys below it");
    }

    #[test]
    fn every_key_can_be_explained() {
        let mut all = Vec::new();
        paths("", &schema(), &mut all);
        assert!(all.len() > 180, "{}", all.len());
        for path in all {
            let key = find(&path).unwrap_or_else(|error| panic!("{path}: {error:?}"));
            assert_eq!(key.path, path);
            let example = key.example();
            let unsaid = example.contains(" ...") || example.contains("[...") || example.contains("{...");
            assert!(!unsaid && !key.text().contains("\n\n\n"), "{example}");
        }
    }
}
