//! What MirrorMaker 2 of Kafka's own distribution is told, so that it copies a cluster into another one: topics under their own names,
//! settings, read rights, and the positions of consumer groups. Pure: settings in, two files out.

mod cutover;
mod settings;

use std::collections::BTreeMap;

pub use cutover::{MARKS, Mark, mark_key, mark_of, missing};
pub use settings::{Access, ClientSettings, Mechanism, Pem, Tls, User};

use crate::cloud_init::quote::properties_escape;

/// The name of the file with everything but secrets, and of the one with these, which the first refers to.
pub const MAIN_FILE: &str = "mm2.properties";
pub const SECRETS_FILE: &str = "secrets.properties";

/// Settings of clients that are no secret, and say in the main file what is spoken.
const OPEN: [&str; 4] = ["bootstrap.servers", "security.protocol", "sasl.mechanism", "client.id"];

/// Topics, by their names or beginnings of names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics(Vec<Pattern>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Name(String),
    Beginning(String),
}

impl Topics {
    /// Reads names, and beginnings of names with `*` after them, with commas between.
    ///
    /// # Errors
    /// Which of them is neither.
    pub fn parse(text: &str) -> Result<Topics, String> {
        let fits = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        let one = |word: &str| match word.strip_suffix('*') {
            Some(beginning) if fits(beginning) => Ok(Pattern::Beginning(beginning.to_owned())),
            None if fits(word) && !word.is_empty() => Ok(Pattern::Name(word.to_owned())),
            _ => Err(format!("`{word}` is neither a topic's name nor the beginning of one with `*` after it")),
        };
        text.split(',').map(|word| one(word.trim())).collect::<Result<_, _>>().map(Topics)
    }

    /// Those of `names` that are among them.
    #[must_use]
    pub fn among<'a>(&self, names: impl Iterator<Item = &'a str>) -> Topics {
        Topics(names.filter(|name| self.has(name)).map(|name| Pattern::Name(name.to_owned())).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the topic is one of them, and one of users': those of Kafka and of MirrorMaker itself are not copied.
    pub fn has(&self, name: &str) -> bool {
        let of_a_mirror =
            name.starts_with("mm2") && name.ends_with(".internal") || name.ends_with(".checkpoints.internal");
        let own = name.starts_with("__") || of_a_mirror || name == "heartbeats";
        let any = |pattern: &Pattern| match pattern {
            Pattern::Name(one) => one == name,
            Pattern::Beginning(one) => name.starts_with(one.as_str()),
        };
        !own && self.0.iter().any(any)
    }

    /// The same as MirrorMaker takes them: regular expressions. A dot of a name is that dot alone.
    fn expressions(&self) -> String {
        let one = |pattern: &Pattern| match pattern {
            Pattern::Name(name) => name.replace('.', "[.]"),
            Pattern::Beginning(name) => name.replace('.', "[.]") + ".*",
        };
        self.0.iter().map(one).collect::<Vec<_>>().join(",")
    }
}

/// One of the two clusters: its id, which stands for it in the names of MirrorMaker's topics, and how its brokers are reached.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    pub id: &'a str,
    pub settings: &'a ClientSettings,
}

/// What is copied, from where and to where.
#[derive(Debug, Clone, Copy)]
pub struct Mirror<'a> {
    pub from: Side<'a>,
    pub to: Side<'a>,
    pub topics: &'a Topics,
    /// Whether both clusters ask who may do what, so that rights can be copied.
    pub rights: bool,
}

/// The topic in the target in which Connect keeps how far the cluster with this id is copied.
pub fn offsets_topic(from: &str) -> String {
    format!("mm2-offsets.{from}.internal")
}

/// The group of Connect's workers that copy from the cluster with this id, in the target.
pub fn workers(from: &str) -> String {
    format!("{from}-mm2")
}

/// The names that Connect's connector has for a partition of the cluster with this id, as bytes of [`offsets_topic`]: the key of a record. Its
/// value is [`copied_value`]. Both are as MirrorMaker's own, which finds them by the same bytes.
pub fn copied_key(from: &str, topic: &str, partition: i32) -> String {
    format!(r#"["MirrorSourceConnector",{{"cluster":"{from}","partition":{partition},"topic":"{topic}"}}]"#)
}

/// The value that says that the record at `offset` is the last one that is copied.
pub fn copied_value(offset: i64) -> String {
    format!(r#"{{"offset":{offset}}}"#)
}

/// The partition that a key is for, when it is one of [`copied_key`].
pub fn partition_of(key: &str, from: &str) -> Option<(String, i32)> {
    let (connector, of): (String, serde_json::Value) = serde_json::from_str(key).ok()?;
    if connector != "MirrorSourceConnector" || of["cluster"] != from {
        return None;
    }
    Some((of["topic"].as_str()?.to_owned(), i32::try_from(of["partition"].as_i64()?).ok()?))
}

/// The offset in a value.
pub fn offset_of(value: &str) -> Option<i64> {
    serde_json::from_str::<serde_json::Value>(value).ok()?["offset"].as_i64()
}

/// What MirrorMaker reads.
#[derive(Clone, PartialEq, Eq)]
pub struct Files {
    pub main: String,
    pub secrets: String,
}

/// What holds for every mirror, each with its reason.
const FIXED: &[(&str, &str)] = &[
    // Topics keep their names.
    ("replication.policy.class", "org.apache.kafka.connect.mirror.IdentityReplicationPolicy"),
    // As many copies as the target gives by itself.
    ("replication.factor", "-1"),
    ("offset-syncs.topic.replication.factor", "-1"),
    ("checkpoints.topic.replication.factor", "-1"),
    ("heartbeats.topic.replication.factor", "-1"),
    // Nothing is written to the source: neither heartbeats, nor how offsets of both clusters belong together.
    ("emit.heartbeats.enabled", "false"),
    ("offset-syncs.topic.location", "target"),
    // Each batch, so that a group that has read everything goes on just there.
    ("offset.lag.max", "0"),
    ("sync.group.offsets.enabled", "true"),
    ("sync.group.offsets.interval.seconds", "5"),
    ("emit.checkpoints.interval.seconds", "5"),
    ("refresh.topics.interval.seconds", "30"),
    ("refresh.groups.interval.seconds", "30"),
    ("sync.topic.configs.interval.seconds", "60"),
    ("sync.topic.acls.interval.seconds", "60"),
    ("topics.exclude", "mm2.*[.]internal,.*[.]checkpoints[.]internal,heartbeats,__.*"),
    ("groups.exclude", "console-consumer-.*,__.*"),
    // MirrorMaker's own list, and what Kafka 4 does not know: one such setting keeps all others of its topic from being copied.
    (
        "config.properties.exclude",
        "follower[.]replication[.]throttled[.]replicas,leader[.]replication[.]throttled[.]replicas,message[.]timestamp[.]difference[.]max[.]ms,\
         message[.]timestamp[.]type,unclean[.]leader[.]election[.]enable,min[.]insync[.]replicas,message[.]format[.]version,\
         message[.]downconversion[.]enable",
    ),
    ("tasks.max", "4"),
    // Connectors' settings are kept in a topic of the target: secrets are there as names of this file's only.
    ("config.providers", "file"),
    ("config.providers.file.class", "org.apache.kafka.common.config.provider.FileConfigProvider"),
];

/// What holds for every target. Short segments keep the topic of what is copied small, since it is read as a whole.
const OF_TARGET: &[(&str, &str)] = &[
    ("config.storage.replication.factor", "-1"),
    ("offset.storage.replication.factor", "-1"),
    ("status.storage.replication.factor", "-1"),
    ("offset.storage.partitions", "1"),
    ("status.storage.partitions", "1"),
    ("offset.storage.segment.bytes", "1048576"),
    ("offset.flush.interval.ms", "5000"),
    // There is one worker. One that comes before Kafka has missed the last gets its work at once, and not after Connect's five minutes.
    ("scheduled.rebalance.max.delay.ms", "0"),
    ("producer.compression.type", "lz4"),
    ("producer.max.request.size", "33554432"),
    ("producer.buffer.memory", "67108864"),
];

/// The files for a mirror. The one with secrets is for the folder that MirrorMaker runs in.
pub fn files(mirror: &Mirror<'_>) -> Files {
    let (from, to) = (mirror.from.id, mirror.to.id);
    let mut main = vec![
        ("clusters".to_owned(), format!("{from},{to}")),
        (format!("{from}->{to}.enabled"), "true".to_owned()),
        (format!("{to}->{from}.enabled"), "false".to_owned()),
        ("topics".to_owned(), mirror.topics.expressions()),
        ("sync.topic.acls.enabled".to_owned(), mirror.rights.to_string()),
        // What a producer has taken back is not copied.
        (format!("{from}.consumer.isolation.level"), "read_committed".to_owned()),
    ];
    main.extend(FIXED.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    main.extend(OF_TARGET.iter().map(|(key, value)| (format!("{to}.{key}"), (*value).to_owned())));
    let mut secrets = BTreeMap::new();
    for side in [&mirror.from, &mirror.to] {
        for (key, value) in side.settings.iter() {
            let name = format!("{}.{key}", side.id);
            if OPEN.contains(&key) {
                main.push((name, value.to_owned()));
            } else {
                main.push((name.clone(), format!("${{file:{SECRETS_FILE}:{name}}}")));
                secrets.insert(name, value.to_owned());
            }
        }
    }
    let text = |all: &mut dyn Iterator<Item = (String, String)>| {
        all.map(|(key, value)| format!("{}={}\n", properties_escape(&key, true), properties_escape(&value, false)))
            .collect()
    };
    Files { main: text(&mut main.into_iter()), secrets: text(&mut secrets.into_iter()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_names_and_beginnings_and_never_kafkas_own() {
        let topics = Topics::parse("orders, pay.ments*,__x*").expect("topics");
        for (name, has) in [
            ("orders", true),
            ("orders2", false),
            ("pay.ments", true),
            ("pay.ments-eu", true),
            ("payxments", false),
            ("__x", false),
        ] {
            assert_eq!(topics.has(name), has, "{name}");
        }
        assert_eq!(topics.expressions(), "orders,pay[.]ments.*,__x.*");
        let all = Topics::parse("*").expect("topics");
        for own in ["__consumer_offsets", "mm2-offsets.a.internal", "a.checkpoints.internal", "heartbeats"] {
            assert!(!all.has(own), "{own}");
        }
        assert!(all.has("app.internal") && all.expressions() == ".*");
        assert_eq!(topics.among(["orders", "other", "pay.ments"].into_iter()).expressions(), "orders,pay[.]ments");
        for bad in ["", "a b", "a*b", "orders,", "a/b"] {
            assert!(Topics::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_copied_is_written_as_it_is_read() {
        let key = copied_key("a-b", "orders", 7);
        assert_eq!(key, r#"["MirrorSourceConnector",{"cluster":"a-b","partition":7,"topic":"orders"}]"#);
        assert_eq!(partition_of(&key, "a-b"), Some(("orders".to_owned(), 7)));
        assert_eq!(partition_of(&key, "c"), None);
        assert_eq!(
            partition_of(r#"["MirrorCheckpointConnector",{"cluster":"a-b","partition":7,"topic":"orders"}]"#, "a-b"),
            None
        );
        assert_eq!((offset_of(&copied_value(41)), offset_of("null"), offset_of("{")), (Some(41), None, None));
    }

    #[test]
    fn no_secret_is_in_the_main_file_and_every_reference_leads_to_one() {
        let from = "bootstrap.servers=old:9093\nsecurity.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\n\
                    sasl.jaas.config=M required username=\"a\" password=\"canary-1\";\n";
        let to = "bootstrap.servers=new:9094\nsecurity.protocol=SSL\nssl.keystore.key=canary-2\\nBB\n";
        let read = |text: &str| ClientSettings::read(text).expect("properties");
        let (from, to, topics) = (read(from), read(to), Topics::parse("*").expect("topics"));
        let mirror = Mirror {
            from: Side { id: "Old_1", settings: &from },
            to: Side { id: "4L6g--X", settings: &to },
            topics: &topics,
            rights: true,
        };
        let files = files(&mirror);
        assert!(!files.main.contains("canary"), "{}", files.main);
        let (main, secrets) = (read(&files.main.replace("config.providers", "p")), read(&files.secrets));
        assert_eq!(main.get("Old_1->4L6g--X.enabled"), Some("true"));
        assert_eq!(main.get("4L6g--X->Old_1.enabled"), Some("false"));
        assert_eq!(main.get("Old_1.bootstrap.servers"), Some("old:9093"));
        assert_eq!(secrets.get("4L6g--X.ssl.keystore.key"), Some("canary-2\nBB"));
        assert_eq!(secrets.get("Old_1.sasl.jaas.config"), from.get("sasl.jaas.config"));
        for (key, value) in main.iter() {
            if let Some(name) = value.strip_prefix("${file:secrets.properties:").and_then(|rest| rest.strip_suffix('}'))
            {
                assert!(name == key && secrets.get(name).is_some(), "{key}={value}");
            }
        }
    }
}
