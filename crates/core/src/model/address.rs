//! Addresses: the names of resources inside their stack, and of the steps that change them.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest name of a resource, in characters.
const LONGEST_NAME: usize = 64;
/// The same of what Kafka has: a topic's name has at most 249 characters, and a principal's has no limit of Kafka's.
const LONGEST_IN_KAFKA: usize = 1024;

/// The kinds of Kafka's own resources, which are inside of the cluster: their names are Kafka's, and may have any character. They are
/// written with `%` and two digits for each byte that is neither a letter, a digit, `.`, `_` nor `-`.
pub const KAFKA_KINDS: &[&str] =
    &["cluster_settings", "topic", "scram_credential", "user_quota", "user_rights", "partitions", "broker", "voter"];

/// Whether resources of `kind` are Kafka's own.
pub fn is_of_kafka(kind: &str) -> bool {
    KAFKA_KINDS.contains(&kind)
}

/// Whether names of `kind` are such ones: also of what is kept of a user outside of the cluster.
fn has_kafkas_names(kind: &str) -> bool {
    is_of_kafka(kind) || ["kafka_user", "user_secret", "user_policy"].contains(&kind)
}

/// Whether the byte stands for itself in the address of what Kafka has.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-".contains(&byte)
}

/// The name as addresses of Kafka's kinds have it, which any text can show.
pub fn shown_in_kafka(name: &str) -> String {
    let each =
        name.bytes().map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") });
    each.collect()
}

/// The name that is written as `text`; `None` where [`shown_in_kafka`] writes no name so.
fn unescaped(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte == b'%' {
            let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &rest[2..];
        } else {
            bytes.push(*byte);
        }
    }
    String::from_utf8(bytes).ok().filter(|name| shown_in_kafka(name) == text)
}

/// A resource's name inside its stack: `subnet/private-a`. It is also the tag `kstack:address`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    pub kind: String,
    pub name: String,
}

impl Address {
    /// The address of the resource `name` of `kind`.
    pub fn new(kind: &str, name: &str) -> Self {
        Address { kind: kind.to_owned(), name: name.to_owned() }
    }

    /// Reads `kind/name`: a kind of lower-case letters and underscores, a name of lower-case letters, digits and hyphens; or a
    /// name of Kafka's. Whether there is such a kind is not asked.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, name) = text.split_once('/')?;
        if has_kafkas_names(kind) {
            let name = unescaped(name).filter(|name| !name.is_empty() && name.len() <= LONGEST_IN_KAFKA)?;
            return Some(Address::new(kind, &name));
        }
        let kind_char = |c: char| c.is_ascii_lowercase() || c == '_';
        let name_char = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let reads = |part: &str, fits: &dyn Fn(char) -> bool| {
            !part.is_empty() && part.len() <= LONGEST_NAME && part.chars().all(fits)
        };
        (reads(kind, &kind_char) && reads(name, &name_char)).then(|| Address::new(kind, name))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match has_kafkas_names(&self.kind) {
            true => write!(out, "{}/{}", self.kind, shown_in_kafka(&self.name)),
            false => write!(out, "{}/{}", self.kind, self.name),
        }
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Address::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not an address")))
    }
}

/// A step's identity: its resource, and the operation where each of the resource's changes is a step of its own. Shown as
/// `msk_cluster/main:broker-type`, and as the address alone where there is one step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId {
    pub address: Address,
    pub operation: Option<&'static str>,
}

impl From<Address> for StepId {
    fn from(address: Address) -> Self {
        StepId { address, operation: None }
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.address)?;
        self.operation.map_or(Ok(()), |operation| write!(out, ":{operation}"))
    }
}

impl Serialize for StepId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_name_of_kafkas_is_written_in_one_way_and_read_back(one in ".{1,40}", other in "[a-zA-Z0-9._%:/ -]{1,20}") {
            for name in [&one, &other] {
                let address = Address::new("topic", name);
                prop_assert_eq!(Address::parse(&address.to_string()), Some(address));
            }
            let text = |name: &str| Address::new("topic", name).to_string();
            prop_assert_eq!(text(&one) == text(&other), one == other);
            prop_assert!(text(&one).is_ascii() && !text(&one).contains(':'));
            // Whatever reads as an address is written like that.
            let other = format!("topic/{other}");
            let read = Address::parse(&other);
            prop_assert!(read.is_none_or(|read| read.to_string() == other));
        }
    }

    #[test]
    fn only_names_of_kafkas_may_have_every_character() {
        assert_eq!(Address::new("topic", "Orders_v1.dead").to_string(), "topic/Orders_v1.dead");
        assert_eq!(Address::new("topic", "a b:/\u{e4}").to_string(), "topic/a%20b%3A%2F%C3%A4");
        for text in
            ["volume/Broker-1", "volume/broker_1", "volume/broker%2D1", "topic/", "topic/%2d", "topic/%", "topic/a b"]
        {
            assert_eq!(Address::parse(text), None, "{text}");
        }
    }
}
