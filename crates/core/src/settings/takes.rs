//! What a setting takes, as Kafka reads it.

use crate::text::quoted_list;
use crate::units::{Bounds, Size, TimeSpan};

/// The type of a setting. Source: Kafka's `ConfigDef.Type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Boolean,
    String,
    Int,
    Short,
    Long,
    Double,
    List,
    Class,
    Password,
}

impl Kind {
    /// Reads the word that the tables have for it.
    pub fn parse(word: &str) -> Option<Kind> {
        Some(match word {
            "boolean" => Kind::Boolean,
            "string" => Kind::String,
            "int" => Kind::Int,
            "short" => Kind::Short,
            "long" => Kind::Long,
            "double" => Kind::Double,
            "list" => Kind::List,
            "class" => Kind::Class,
            "password" => Kind::Password,
            _ => return None,
        })
    }

    /// The whole numbers that the type has.
    fn whole(self) -> Option<Bounds<i64>> {
        let bounds = |least: i64, most: i64| Some(Bounds { least, most });
        match self {
            Kind::Short => bounds(i16::MIN.into(), i16::MAX.into()),
            Kind::Int => bounds(i32::MIN.into(), i32::MAX.into()),
            Kind::Long => bounds(i64::MIN, i64::MAX),
            Kind::Boolean | Kind::String | Kind::Double | Kind::List | Kind::Class | Kind::Password => None,
        }
    }
}

/// Settings that may not be 0, and that mean for ever with any negative number. Source: `KafkaConfig.logRetentionTimeMillis`, and
/// `validateValues` of the same class, which runs after the definitions have passed.
const NOT_ZERO: [&str; 3] = ["log.retention.ms", "log.retention.minutes", "log.retention.hours"];

/// The ends of settings whose definitions have none. Source: `validateValues` of `KafkaConfig`, `CompressionType.forId`, and
/// `CleanerConfig`; with fewer copies than one Kafka starts, and can't make a topic.
const ENDS: [(&str, Option<f64>, Option<f64>); 6] = [
    ("default.replication.factor", Some(1.0), None),
    ("log.cleaner.threads", Some(1.0), None),
    ("log.roll.jitter.ms", Some(0.0), None),
    ("log.roll.ms", Some(1.0), None),
    ("offsets.topic.compression.codec", Some(0.0), Some(4.0)),
    ("share.coordinator.state.topic.compression.codec", Some(0.0), Some(4.0)),
];

/// A list that lacks this word is refused. Source: `KafkaConfig.groupCoordinatorRebalanceProtocols`.
const NEEDED: (&str, &str) = ("group.coordinator.rebalance.protocols", "classic");

/// A list of hosts, each with a number behind a colon. Source: `SocketServerConfigs` and `KafkaConfig.getMap`.
const NUMBERS_OF_HOSTS: &str = "max.connections.per.ip.overrides";

/// What a setting takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Takes {
    pub kind: Kind,
    /// The least and the most of a number, where it has ends of its own.
    least: Option<f64>,
    most: Option<f64>,
    /// A number outside of them that has a meaning of its own.
    also: Option<f64>,
    /// The words that it, or each item of a list, may be; any, where there are none.
    words: Vec<&'static str>,
    any_case: bool,
    nonempty: bool,
    /// Whether no item of a list may be there twice, or be empty. Source: `ConfigDef.ValidList` since Kafka 4.2.
    distinct: bool,
}

impl Takes {
    /// Reads what the tables say: see tests/kafka/Definitions.java.
    pub fn parse(kind: Kind, text: &'static str) -> Option<Takes> {
        let mut takes = Takes {
            kind,
            least: None,
            most: None,
            also: None,
            words: Vec::new(),
            any_case: false,
            nonempty: false,
            distinct: false,
        };
        let mut words = text.split(' ').filter(|word| !word.is_empty());
        while let Some(word) = words.next() {
            match word {
                "nocase" => takes.any_case = true,
                "nonempty" => takes.nonempty = true,
                "distinct" => takes.distinct = true,
                "or" => takes.also = Some(words.next()?.parse().ok()?),
                _ => match word.split_once("..") {
                    Some((least, most)) => {
                        let end = |text: &str| if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) };
                        (takes.least, takes.most) = (end(least)?, end(most)?);
                    }
                    None => takes.words = word.split('|').collect(),
                },
            }
        }
        Some(takes)
    }

    /// Whether Kafka takes `text` as the value of `name`. Source: `ConfigDef.parseType` and the validators.
    pub fn accepts(&self, name: &str, text: &str) -> bool {
        let text = text.trim();
        if let Some(type_bounds) = self.kind.whole() {
            let number = text.parse::<i64>().ok().filter(|number| type_bounds.contains(*number));
            let has = |number: i64| {
                let (least, most) = self.ends(name);
                let within =
                    least.is_none_or(|least| least <= number as f64) && most.is_none_or(|most| number as f64 <= most);
                (within || self.also == Some(number as f64)) && !(number == 0 && NOT_ZERO.contains(&name))
            };
            return number.is_some_and(has);
        }
        match self.kind {
            Kind::Boolean => text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false"),
            Kind::Double => text.parse().is_ok_and(|number: f64| {
                number.is_finite()
                    && self.least.is_none_or(|least| least <= number)
                    && self.most.is_none_or(|most| number <= most)
            }),
            Kind::List => {
                self.accepts_list(text) && (name != NEEDED.0 || text.split(',').any(|word| word.trim() == NEEDED.1))
            }
            // A class that is not on the host can't be known here.
            Kind::Class => text.split('.').all(is_java_name),
            Kind::Password => true,
            Kind::String if name == NUMBERS_OF_HOSTS => text.is_empty() || text.split(',').all(is_number_of_host),
            Kind::String | Kind::Int | Kind::Short | Kind::Long => {
                self.has_word(text) && !(self.nonempty && text.is_empty())
            }
        }
    }

    fn accepts_list(&self, text: &str) -> bool {
        if text.is_empty() {
            return !self.nonempty;
        }
        let items: Vec<&str> = text.split(',').map(str::trim).collect();
        let twice = |at: usize| items[..at].contains(&items[at]);
        let whole = !self.distinct || (0..items.len()).all(|at| !items[at].is_empty() && !twice(at));
        whole && items.iter().all(|item| self.has_word(item))
    }

    /// The least and the most of a number.
    fn ends(&self, name: &str) -> (Option<f64>, Option<f64>) {
        let own = ENDS.iter().find(|(one, _, _)| *one == name);
        own.map_or((self.least, self.most), |(_, least, most)| (*least, *most))
    }

    fn has_word(&self, text: &str) -> bool {
        let is = |word: &str| if self.any_case { word.eq_ignore_ascii_case(text) } else { word == text };
        self.words.is_empty() || self.words.iter().any(|word| is(word))
    }

    /// What Kafka takes for `name` instead of `refused`, for a message.
    pub fn help(&self, name: &str, refused: &str) -> String {
        let what = self.what(name);
        let number = self.kind.whole().and_then(|_| in_numbers(name, refused));
        match number.filter(|number| self.accepts(name, &number.to_string())) {
            Some(number) => format!("Kafka takes {what}, without a unit: `{refused}` is `{number}`"),
            None => format!("Kafka takes {what}"),
        }
    }

    fn what(&self, name: &str) -> String {
        let words = quoted_list(&self.words);
        match self.kind {
            Kind::Boolean => "`true` or `false`".to_owned(),
            Kind::Short | Kind::Int | Kind::Long if NOT_ZERO.contains(&name) => {
                format!("a whole number {}, or -1 to keep records for ever", self.range((Some(1.0), None)))
            }
            Kind::Short | Kind::Int | Kind::Long => {
                let range = self.range(self.ends(name));
                format!("a whole number {range}").trim_end().to_owned() + &self.also_text()
            }
            Kind::Double => format!("a number {}", self.range((self.least, self.most))).trim_end().to_owned(),
            Kind::List if name == NEEDED.0 => {
                format!("{words} with a comma between them, and `{}` among them", NEEDED.1)
            }
            Kind::List if self.words.is_empty() && self.distinct => {
                "words with a comma between them, none empty and none twice".to_owned()
            }
            Kind::List if self.words.is_empty() => "words with a comma between them".to_owned(),
            Kind::List if self.distinct => format!("{words}, each once, with a comma between them"),
            Kind::List => format!("{words}, with a comma between them"),
            Kind::Class => "the full name of a Java class".to_owned(),
            Kind::String if name == NUMBERS_OF_HOSTS => "`HOST:NUMBER` with a comma between them".to_owned(),
            Kind::String if !self.words.is_empty() => format!("one of {words}"),
            Kind::String | Kind::Password => "a text that is not empty".to_owned(),
        }
    }

    /// `from 1 to 2147483647`; nothing, where the type's own ends are no limit that anybody meets.
    fn range(&self, (least, most): (Option<f64>, Option<f64>)) -> String {
        let whole = self.kind.whole();
        let most = most.map(|most| most.to_string());
        let most =
            most.or_else(|| Some(whole?.most.to_string()).filter(|_| self.kind != Kind::Long || least.is_some()));
        match (least, most) {
            (Some(least), Some(most)) => format!("from {least} to {most}"),
            (Some(least), None) => format!("of at least {least}"),
            (None, Some(most)) => format!("of at most {most}"),
            (None, None) => String::new(),
        }
    }

    fn also_text(&self) -> String {
        self.also.map_or_else(String::new, |also| format!(", or {also}"))
    }

    /// Texts that are of another type, out of range, or none of the words: none, where anything is taken.
    #[cfg(test)]
    pub fn samples_of_refused(&self) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        let mut add = |texts: &[&str]| all.extend(texts.iter().map(|text| (*text).to_owned()));
        match self.kind {
            Kind::Boolean => add(&["yes", "on", "1", ""]),
            Kind::Short | Kind::Int | Kind::Long => add(&["1GB", "30d", "one", "1.5", "", "9223372036854775808"]),
            Kind::Double => add(&["half", "", "50%"]),
            Kind::Class => add(&["", "no class", "a..b", "1.b"]),
            Kind::String | Kind::List | Kind::Password => {}
        }
        if self.nonempty {
            add(&[""]);
        }
        if !self.words.is_empty() {
            add(&["no-such-word", "no-such-word,no-such-word"]);
        }
        if self.distinct {
            add(&["a,a", "a,,b"]);
        }
        if let Some(whole) = self.kind.whole() {
            all.extend(whole.most.checked_add(1).map(|more| more.to_string()));
            all.extend(self.least.map(|least| (least as i64 - 1).to_string()).filter(|_| self.also.is_none()));
            all.extend(self.most.map(|most| (most as i64 + 1).to_string()));
        }
        if self.kind == Kind::Double {
            all.extend(self.least.map(|least| (least - 0.1).to_string()));
            all.extend(self.most.map(|most| (most + 0.1).to_string()));
        }
        all
    }
}

/// Whether `text` is a host or an address, a colon, and a whole number.
fn is_number_of_host(text: &str) -> bool {
    let host =
        |host: &str| !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || ".:-_%[]".contains(c));
    text.rsplit_once(':').is_some_and(|(name, number)| host(name.trim()) && number.trim().parse::<i32>().is_ok())
}

/// An identifier of Java.
fn is_java_name(text: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    text.starts_with(|c: char| part(c) && !c.is_numeric()) && text.chars().all(part)
}

/// The number that Kafka takes for a size or a time with a unit, by the unit that the end of the name says.
fn in_numbers(name: &str, text: &str) -> Option<u64> {
    let unit = name.rsplit('.').next()?;
    let time = |seconds: u64| {
        let span = TimeSpan::parse(text).ok()?;
        span.0.is_multiple_of(seconds).then(|| span.0 / seconds)
    };
    match unit {
        "bytes" => Size::parse(text).ok().map(|size| size.0),
        "ms" => TimeSpan::parse(text).ok().map(|span| span.millis()),
        "seconds" => time(1),
        "minutes" => time(60),
        "hours" => time(3_600),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(kind: Kind, text: &'static str) -> Takes {
        Takes::parse(kind, text).expect("it reads")
    }

    #[test]
    fn numbers_have_ends() {
        let level = takes(Kind::Int, "1..9 or -1");
        for (text, taken) in
            [("1", true), ("+9", true), (" 5 ", true), ("-1", true), ("0", false), ("10", false), ("1.0", false)]
        {
            assert_eq!(level.accepts("compression.gzip.level", text), taken, "{text}");
        }
        assert_eq!(level.help("compression.gzip.level", "0"), "Kafka takes a whole number from 1 to 9, or -1");
        let ratio = takes(Kind::Double, "0..1");
        assert!(ratio.accepts("x", "0.5") && ratio.accepts("x", "1e-1") && !ratio.accepts("x", "NaN"));
        assert_eq!(ratio.help("x", "2"), "Kafka takes a number from 0 to 1");
        let short = takes(Kind::Short, "1..");
        assert!(short.accepts("x", "32767") && !short.accepts("x", "32768"));
    }

    #[test]
    fn a_value_with_a_unit_is_told_in_numbers() {
        let bytes = takes(Kind::Int, "1048576..");
        assert_eq!(
            bytes.help("log.segment.bytes", "1GB"),
            "Kafka takes a whole number from 1048576 to 2147483647, without a unit: `1GB` is `1000000000`"
        );
        let long = takes(Kind::Long, "");
        assert_eq!(
            long.help("log.retention.ms", "30d"),
            "Kafka takes a whole number from 1 to 9223372036854775807, or -1 to keep records for ever, without a unit: `30d` is `2592000000`"
        );
        assert_eq!(
            takes(Kind::Int, "1..").help("num.io.threads", "8 cores"),
            "Kafka takes a whole number from 1 to 2147483647"
        );
        assert_eq!(long.help("x.bytes", "all"), "Kafka takes a whole number");
    }

    #[test]
    fn retention_is_never_zero() {
        let hours = takes(Kind::Int, "");
        assert!(!hours.accepts("log.retention.hours", "0") && hours.accepts("log.retention.hours", "-5"));
        assert!(hours.accepts("log.roll.jitter.hours", "0"));
    }

    #[test]
    fn what_kafka_asks_beyond_its_definitions() {
        let (int, long) = (takes(Kind::Int, ""), takes(Kind::Long, ""));
        for (takes, name, taken, refused) in [
            (&int, "log.cleaner.threads", "1", "0"),
            (&int, "offsets.topic.compression.codec", "4", "5"),
            (&long, "log.roll.ms", "1", "0"),
            (&long, "log.roll.jitter.ms", "0", "-1"),
        ] {
            assert!(takes.accepts(name, taken) && !takes.accepts(name, refused), "{name}");
        }
        assert_eq!(int.help("offsets.topic.compression.codec", "5"), "Kafka takes a whole number from 0 to 4");
        let hosts = takes(Kind::String, "");
        for (text, taken) in [("", true), ("a.b:1,10.0.0.7:20", true), ("fe80::1:5", true), ("a", false), (":1", false)]
        {
            assert_eq!(hosts.accepts(NUMBERS_OF_HOSTS, text), taken, "{text}");
        }
        let protocols = takes(Kind::List, "classic|consumer|share");
        assert!(protocols.accepts(NEEDED.0, "consumer, classic") && !protocols.accepts(NEEDED.0, "consumer"));
    }

    #[test]
    fn lists_and_words() {
        let old = takes(Kind::List, "compact|delete");
        assert!(old.accepts("x", "compact, delete") && old.accepts("x", "compact,compact") && old.accepts("x", ""));
        assert!(!old.accepts("x", "compact;delete") && !old.accepts("x", "compact,"));
        let new = takes(Kind::List, "nonempty distinct compact|delete");
        assert!(new.accepts("x", "compact,delete") && !new.accepts("x", "compact,compact") && !new.accepts("x", ""));
        let any_case = takes(Kind::String, "nocase UPGRADE|DISABLED");
        assert!(any_case.accepts("x", "upgrade") && !any_case.accepts("x", "down"));
        assert_eq!(any_case.help("x", "down"), "Kafka takes one of `UPGRADE` and `DISABLED`");
        let class = takes(Kind::Class, "");
        assert!(class.accepts("x", "org.example.Reporter$Inner") && !class.accepts("x", "/opt/x.jar"));
    }

    #[test]
    fn what_a_table_can_t_say_is_no_row() {
        assert_eq!(Takes::parse(Kind::Int, "1..x"), None);
        assert_eq!(Takes::parse(Kind::Int, "1..9 or"), None);
        assert_eq!(Kind::parse("map"), None);
    }
}
