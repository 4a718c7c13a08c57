//! Kafka's own definitions of its brokers' and controllers' settings: name, type, what each takes, default, and whether a running
//! Kafka changes it. For every version that hosts run, and for the releases that MSK runs.
//!
//! The tables are made from Kafka's `ConfigDef`, `DynamicBrokerConfig` and `ServerTopicConfigSynonyms` by `tests/kafka/definitions`;
//! `tests/hosts` compares them with the Kafka that it boots.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::takes::{Kind, Takes};
use crate::tables::Table;

const SETTINGS: Table = Table { file: "tables/kafka_settings.csv", text: include_str!("../tables/kafka_settings.csv") };
const TOPIC_SETTINGS: Table =
    Table { file: "tables/kafka_topic_settings.csv", text: include_str!("../tables/kafka_topic_settings.csv") };

/// Settings of a server.properties that are in no `ConfigDef`, in the same form. Source: the constants of `StandardAuthorizer`,
/// `JmxReporter`, and `AbstractConfig`, which read them by themselves.
const UNDEFINED: Table = Table {
    file: "settings/definitions.rs",
    text: "name,type,takes,default,update,internal,from,before\n\
           allow.everyone.if.no.acl.found,boolean,,false,read-only,,,\n\
           config.providers,list,,,read-only,,,4.2.0\n\
           metrics.jmx.exclude,string,,,read-only,,,\n\
           metrics.jmx.include,string,,.*,read-only,,,\n\
           super.users,string,,,read-only,,,\n",
};

/// Beginnings of names that Kafka hands on to what the file chooses: configuration providers, and the managers of remote logs.
/// Source: `AbstractConfig`, and the defaults of `remote.log.storage.manager.impl.prefix` and
/// `remote.log.metadata.manager.impl.prefix`.
const HANDED_ON: [&str; 3] = ["config.providers.", "rsm.config.", "rlmm.config."];

/// A version of Kafka, such as 4.1.1.
pub type KafkaVersion = (u32, u32, u32);

/// The versions from the first that has something on, and before the first that has it no more; `None` for no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub from: Option<KafkaVersion>,
    pub before: Option<KafkaVersion>,
}

impl Span {
    /// Whether it has `version`.
    pub fn contains(self, version: KafkaVersion) -> bool {
        self.from.is_none_or(|from| from <= version) && self.before.is_none_or(|before| version < before)
    }
}

/// How a running Kafka can change a setting. Source: the update modes of `DynamicBrokerConfig`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Update {
    /// Only by a restart.
    ReadOnly,
    /// Broker by broker.
    PerBroker,
    /// For all brokers at once.
    ClusterWide,
}

/// One setting, as the versions of its span define it.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    pub name: &'static str,
    pub takes: Takes,
    /// As text; items of a list have `|` between them, and so has what had commas. `None` where Kafka has none.
    pub default: Option<&'static str>,
    pub update: Update,
    /// Whether Kafka keeps it for its own tests, and may drop it at any time.
    pub internal: bool,
    pub span: Span,
}

impl Definition {
    /// The default as a whole number.
    pub fn default_number(&self) -> Option<i64> {
        self.default?.parse().ok()
    }
}

/// What a version of Kafka makes of a name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Found {
    Known(&'static Definition),
    /// Kafka hands it on to what the file chooses, which has names of its own.
    HandedOn,
    /// Kafka has it no more, from this version on.
    Gone(KafkaVersion),
    /// Kafka has it from this version on.
    Later(KafkaVersion),
    /// It is a setting of topics, which overrides these of brokers; none for one that only topics have.
    Topic(&'static [&'static str]),
    Unknown,
}

/// The definitions of each name, from the oldest to the newest.
static BY_NAME: LazyLock<BTreeMap<&'static str, Vec<Definition>>> = LazyLock::new(|| {
    let mut all: BTreeMap<&'static str, Vec<Definition>> = BTreeMap::new();
    for one in SETTINGS.rows(row).into_iter().chain(UNDEFINED.rows(row)) {
        all.entry(one.name).or_default().push(one);
    }
    all.values_mut().for_each(|all| all.sort_by_key(|one| one.span.from));
    all
});

/// The settings of topics, with those of brokers that each overrides.
static TOPICS: LazyLock<BTreeMap<&'static str, Vec<&'static str>>> =
    LazyLock::new(|| TOPIC_SETTINGS.rows(topic_row).into_iter().collect());

/// The versions that have each setting of topics.
static TOPIC_SPANS: LazyLock<BTreeMap<&'static str, Vec<Span>>> = LazyLock::new(|| {
    let mut all: BTreeMap<&'static str, Vec<Span>> = BTreeMap::new();
    for (name, span) in
        TOPIC_SETTINGS.rows(|[name, _, from, before]: [&'static str; 4]| Some((name, span(from, before)?)))
    {
        all.entry(name).or_default().push(span);
    }
    all
});

/// Settings of topics whose definitions are not those of the brokers' settings that they override, or that override none. Source: Kafka's
/// `LogConfig` and `TopicConfig`.
const OF_TOPICS_ALONE: [(&str, Kind, &str); 7] = [
    ("errors.deadletterqueue.group.enable", Kind::Boolean, ""),
    ("remote.log.copy.disable", Kind::Boolean, ""),
    ("remote.log.delete.on.disable", Kind::Boolean, ""),
    ("remote.storage.enable", Kind::Boolean, ""),
    ("retention.ms", Kind::Long, "-1.."),
    ("segment.jitter.ms", Kind::Long, "0.."),
    ("segment.ms", Kind::Long, "1.."),
];

/// What a version of Kafka makes of a name as a setting of a topic.
#[derive(Debug, Clone, PartialEq)]
pub enum FoundOfTopic {
    /// What it takes, where that is known, and the name that the message of a refusal goes by.
    Known(Option<(&'static str, Takes)>),
    Gone(KafkaVersion),
    Later(KafkaVersion),
    Unknown,
}

/// What `version` makes of `name` as a setting of a topic.
pub fn find_of_topic(name: &str, version: KafkaVersion) -> FoundOfTopic {
    let Some((name, spans)) = TOPIC_SPANS.get_key_value(name) else { return FoundOfTopic::Unknown };
    if !spans.iter().any(|span| span.contains(version)) {
        let later = spans.iter().filter_map(|span| span.from).find(|from| *from > version);
        let gone = spans.iter().filter_map(|span| span.before).max();
        return later.map(FoundOfTopic::Later).or(gone.map(FoundOfTopic::Gone)).unwrap_or(FoundOfTopic::Unknown);
    }
    let own = OF_TOPICS_ALONE.iter().find(|(one, ..)| one == name);
    FoundOfTopic::Known(match own {
        Some((_, kind, takes)) => Takes::parse(*kind, takes).map(|takes| (*name, takes)),
        None => {
            let broker = TOPICS.get(name).and_then(|names| names.first());
            broker.and_then(|broker| definition(broker, version)).map(|one| (one.name, one.takes.clone()))
        }
    })
}

/// The names of all settings of topics.
pub fn topic_settings() -> impl Iterator<Item = &'static str> {
    TOPIC_SPANS.keys().copied()
}

fn row([name, kind, takes, default, update, internal, from, before]: [&'static str; 8]) -> Option<Definition> {
    Some(Definition {
        name,
        takes: Takes::parse(Kind::parse(kind)?, takes)?,
        default: (default != "null").then_some(default),
        update: match update {
            "read-only" => Update::ReadOnly,
            "per-broker" => Update::PerBroker,
            "cluster-wide" => Update::ClusterWide,
            _ => return None,
        },
        internal: match internal {
            "internal" => true,
            "" => false,
            _ => return None,
        },
        span: span(from, before)?,
    })
}

fn topic_row([name, overrides, from, before]: [&'static str; 4]) -> Option<(&'static str, Vec<&'static str>)> {
    span(from, before)?;
    Some((name, overrides.split('|').filter(|name| !name.is_empty()).collect()))
}

/// The span between two cells of a table, each of which may be empty; `None` for what is no version.
pub fn span(from: &str, before: &str) -> Option<Span> {
    let end = |text: &str| match text {
        "" => Some(None),
        text => version(text).map(Some),
    };
    Some(Span { from: end(from)?, before: end(before)? })
}

fn version(text: &str) -> Option<KafkaVersion> {
    let mut parts = text.split('.').map(|part| part.parse().ok());
    let version = (parts.next()??, parts.next()??, parts.next()??);
    parts.next().is_none().then_some(version)
}

/// The newest version that the tables were made from. A newer Kafka is taken to have the same settings.
pub fn newest() -> KafkaVersion {
    let ends = BY_NAME.values().flatten().flat_map(|one| [one.span.from, one.span.before]);
    ends.flatten().max().unwrap_or_default()
}

/// What `version` makes of `name`. A listener's own settings, `listener.name.LISTENER.NAME`, are for the caller to take apart.
pub fn find(name: &str, version: KafkaVersion) -> Found {
    let own = BY_NAME.get(name).map_or(&[][..], Vec::as_slice);
    if let Some(one) = own.iter().find(|one| one.span.contains(version)) {
        return Found::Known(one);
    }
    if HANDED_ON.iter().any(|beginning| name.starts_with(beginning)) {
        return Found::HandedOn;
    }
    if let Some(from) = own.iter().filter_map(|one| one.span.from).find(|from| *from > version) {
        return Found::Later(from);
    }
    if let Some(before) = own.last().and_then(|one| one.span.before) {
        return Found::Gone(before);
    }
    TOPICS.get(name).map_or(Found::Unknown, |overrides| Found::Topic(overrides))
}

/// The definition of `name` in `version`, where it has one.
pub fn definition(name: &str, version: KafkaVersion) -> Option<&'static Definition> {
    match find(name, version) {
        Found::Known(one) => Some(one),
        Found::HandedOn | Found::Gone(_) | Found::Later(_) | Found::Topic(_) | Found::Unknown => None,
    }
}

/// Every definition of `version`, by name.
pub fn definitions(version: KafkaVersion) -> impl Iterator<Item = &'static Definition> {
    BY_NAME.values().flatten().filter(move |one| one.span.contains(version))
}

/// Whether some version takes `text` as the value of `name`.
pub fn some_version_takes(name: &str, text: &str) -> bool {
    BY_NAME.get(name).is_some_and(|all| all.iter().any(|one| one.takes.accepts(one.name, text)))
}

/// Whether a running Kafka can change `name`, in every version that has it.
pub fn changes_while_running(name: &str) -> bool {
    BY_NAME.get(name).is_some_and(|all| all.iter().all(|one| one.update != Update::ReadOnly))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSIONS: [KafkaVersion; 8] =
        [(2, 6, 3), (3, 3, 2), (3, 9, u32::MAX), (4, 0, 0), (4, 1, 1), (4, 2, 2), (4, 4, 0), (5, 0, 0)];

    #[test]
    fn every_line_of_the_tables_is_read() {
        assert_eq!(SETTINGS.bad_row(row), None);
        assert_eq!(UNDEFINED.bad_row(row), None);
        assert_eq!(TOPIC_SETTINGS.bad_row(topic_row), None);
        assert!(newest() >= (4, 4, 0), "{:?}", newest());
    }

    #[test]
    fn a_version_has_one_definition_of_a_name() {
        for version in VERSIONS {
            let mut names: Vec<_> = definitions(version).map(|one| one.name).collect();
            assert!(names.len() > 200, "{version:?}: {}", names.len());
            names.dedup();
            assert_eq!(names.len(), definitions(version).count(), "{version:?}");
        }
    }

    #[test]
    fn names_come_and_go() {
        let known = |name, version| matches!(find(name, version), Found::Known(_));
        assert!(known("log.retention.ms", (4, 1, 1)) && known("zookeeper.connect", (3, 9, 1)));
        assert_eq!(find("zookeeper.connect", (4, 1, 1)), Found::Gone((4, 0, 0)));
        assert_eq!(find("inter.broker.protocol.version", (4, 4, 0)), Found::Gone((4, 0, 0)));
        assert_eq!(find("log.message.format.version", (4, 0, 0)), Found::Gone((4, 0, 0)));
        assert_eq!(find("log.dir.failure.timeout.ms", (3, 7, 0)), Found::Later((3, 8, 0)));
        // A correction that went into one release and not at once into the next.
        assert!(known("max.decompressed.message.bytes", (4, 2, 2)));
        assert_eq!(find("max.decompressed.message.bytes", (4, 3, 1)), Found::Later((4, 4, 0)));
        assert_eq!(find("auto.create.topic.enable", (4, 1, 1)), Found::Unknown);
        assert_eq!(find("config.providers.file.class", (4, 1, 1)), Found::HandedOn);
        for version in VERSIONS {
            assert!(known("super.users", version) && known("config.providers", version), "{version:?}");
        }
    }

    #[test]
    fn settings_of_topics_name_those_that_they_override() {
        const ALL: [&str; 3] = ["log.retention.ms", "log.retention.minutes", "log.retention.hours"];
        assert_eq!(find("retention.ms", (4, 1, 1)), Found::Topic(&ALL));
        assert_eq!(find("remote.storage.enable", (4, 1, 1)), Found::Topic(&[]));
        // Brokers and topics have it under one name.
        assert!(definition("min.insync.replicas", (4, 1, 1)).is_some());
        for overrides in TOPICS.values().flatten() {
            assert!(BY_NAME.contains_key(overrides), "{overrides}");
        }
    }

    #[test]
    fn settings_of_topics_take_what_their_brokers_settings_take() {
        let takes = |name: &str, text: &str, version| match find_of_topic(name, version) {
            FoundOfTopic::Known(Some((by, takes))) => Some(takes.accepts(by, text)),
            _ => None,
        };
        for (name, good, bad) in [
            ("cleanup.policy", "compact,delete", "compct"),
            ("min.insync.replicas", "2", "0"),
            ("retention.ms", "0", "7d"),
            ("retention.ms", "-1", "-2"),
            ("compression.type", "zstd", "rar"),
            ("segment.ms", "1", "0"),
            ("remote.storage.enable", "true", "yes"),
            ("unclean.leader.election.enable", "false", "1"),
        ] {
            assert_eq!(takes(name, good, (4, 1, 1)), Some(true), "{name}: {good}");
            assert_eq!(takes(name, bad, (4, 1, 1)), Some(false), "{name}: {bad}");
        }
        assert_eq!(find_of_topic("message.format.version", (4, 1, 1)), FoundOfTopic::Gone((4, 0, 0)));
        assert_eq!(find_of_topic("compression.gzip.level", (3, 7, 0)), FoundOfTopic::Later((3, 8, 0)));
        assert_eq!(find_of_topic("num.io.threads", (4, 1, 1)), FoundOfTopic::Unknown);
    }

    #[test]
    fn what_a_running_kafka_changes() {
        let update = |name| definition(name, (4, 1, 1)).map(|one| one.update);
        assert_eq!(update("log.retention.ms"), Some(Update::ClusterWide));
        assert_eq!(update("log.retention.hours"), Some(Update::ReadOnly));
        assert_eq!(update("ssl.keystore.location"), Some(Update::PerBroker));
    }

    /// Each default is a value that Kafka takes, and what is out of range or of another type is not.
    #[test]
    fn every_definition_takes_its_default_and_nothing_of_another_type() {
        for version in VERSIONS {
            for one in definitions(version) {
                let takes = |text: &str| one.takes.accepts(one.name, text);
                if let Some(default) = one.default.filter(|text| !(text.is_empty() && one.takes.kind == Kind::Password))
                {
                    let text =
                        if one.takes.kind == Kind::List { default.replace('|', ",") } else { default.to_owned() };
                    assert!(takes(&text), "{}: {text}", one.name);
                }
                for text in one.takes.samples_of_refused() {
                    assert!(!takes(&text), "{}: {text}", one.name);
                }
            }
        }
    }
}
