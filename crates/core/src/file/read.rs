//! From the located tree to typed values, collecting every problem on the way; and, from the same declarations, the JSON Schema.
//!
//! A type is declared once, with `fields!` or `choices!`: its keys, defaults and doc comments make the reader and
//! the schema, so the two cannot differ.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::{Ipv4Net, Ipv6Net};
use serde_json::{Value, json};

use super::node::{Content, Node};
use super::problem::{At, Problem, nearest};
use crate::text::quoted_list;
use crate::units::{Percent, Rate, Size, TimeSpan};

/// Reads a value of this type from the tree.
pub trait Read: Sized {
    /// The value at `node`, or `None` after the problems have been noted.
    fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self>;
    /// The value when its key is absent, where that is allowed without a declared default.
    fn absent() -> Option<Self> {
        None
    }
    /// The JSON Schema of this type.
    fn schema() -> Value;
}

/// A value written as one scalar.
pub trait Scalar: Sized {
    /// What the scalar is, for a message: "a whole number".
    const WHAT: &'static str;
    /// The value of `text`.
    ///
    /// # Errors
    /// A sentence that says what is wrong and what would be right.
    fn parse(text: &str) -> Result<Self, String>;
    /// The JSON Schema of the scalar.
    fn schema() -> Value {
        json!({"type": "string"})
    }
}

impl<T: Scalar> Read for T {
    fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let Content::Scalar(text) = &node.content else {
            problems.push(Problem::new(node.at, format!("expected {}, found {}", T::WHAT, node.what())));
            return None;
        };
        T::parse(text).map_err(|message| problems.push(Problem::new(node.at, message))).ok()
    }
    fn schema() -> Value {
        <T as Scalar>::schema()
    }
}

macro_rules! scalar {
    ($type:ty, $what:literal, $schema:expr, $parse:expr) => {
        impl Scalar for $type {
            const WHAT: &'static str = $what;
            fn parse(text: &str) -> Result<Self, String> {
                let parse: fn(&str) -> Result<$type, String> = $parse;
                parse(text)
            }
            fn schema() -> Value {
                $schema
            }
        }
    };
}

scalar!(u32, "a whole number", json!({"type": "integer", "minimum": 0}), |text| text
    .parse()
    .map_err(|_| format!("`{text}` is not a whole number from 0 to 4 294 967 295")));
scalar!(f64, "a number", json!({"type": "number"}), |text| text
    .parse::<f64>()
    .ok()
    .filter(|number| number.is_finite())
    .ok_or_else(|| format!("`{text}` is not a number")));
scalar!(bool, "true or false", json!({"type": "boolean"}), |text| match text {
    "true" => Ok(true),
    "false" => Ok(false),
    _ => Err(format!("`{text}` is neither `true` nor `false`")),
});
// A setting such as `num.io.threads: 8` is text to Kafka, whatever YAML takes it for.
scalar!(String, "a text", json!({"type": ["string", "number", "boolean"]}), |text| Ok(text.to_owned()));
scalar!(
    Size,
    "a size",
    json!({"type": "string", "pattern": r"^[0-9.]+ ?([KMGT]i?)?B$", "examples": ["500 GiB"]}),
    Size::parse
);
scalar!(
    Rate,
    "a rate",
    json!({"type": "string", "pattern": r"^[0-9.]+ ?([KMGT]i?)?B/s$", "examples": ["40 MiB/s"]}),
    Rate::parse
);
scalar!(
    TimeSpan,
    "a duration",
    json!({"type": "string", "pattern": r"^[0-9.]+ ?[smhdw]$", "examples": ["7d"]}),
    TimeSpan::parse
);
scalar!(
    Percent,
    "a percentage",
    json!({"type": "string", "pattern": r"^[0-9.]+ ?%$", "examples": ["20%"]}),
    Percent::parse
);
scalar!(Ipv4Net, "a CIDR block", json!({"type": "string", "examples": ["10.40.0.0/16"]}), |text| {
    let net: Ipv4Net =
        text.parse().map_err(|_| format!("`{text}` is not an IPv4 CIDR block such as `10.40.0.0/16`"))?;
    match net.trunc() {
        trunc if trunc == net => Ok(net),
        trunc => Err(format!("`{text}` has address bits beyond its prefix; the block that holds it is `{trunc}`")),
    }
});
scalar!(Ipv6Net, "an IPv6 CIDR block", json!({"type": "string", "examples": ["2001:db8:40::/56"]}), |text| {
    let net: Ipv6Net =
        text.parse().map_err(|_| format!("`{text}` is not an IPv6 CIDR block such as `2001:db8:40::/56`"))?;
    match net.trunc() {
        trunc if trunc == net => Ok(net),
        trunc => Err(format!("`{text}` has address bits beyond its prefix; the block that holds it is `{trunc}`")),
    }
});
scalar!(Ipv4Addr, "an IPv4 address", json!({"type": "string", "format": "ipv4"}), |text| text
    .parse()
    .map_err(|_| format!("`{text}` is not an IPv4 address")));

impl<T: Read> Read for Option<T> {
    fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match node.content {
            Content::Null => Some(None),
            _ => T::read(node, problems).map(Some),
        }
    }
    fn absent() -> Option<Self> {
        Some(None)
    }
    fn schema() -> Value {
        T::schema()
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let Content::List(items) = &node.content else {
            problems.push(Problem::new(node.at, format!("expected a list, found {}", node.what())));
            return None;
        };
        let read: Vec<Option<T>> = items.iter().map(|item| T::read(item, problems)).collect();
        read.into_iter().collect()
    }
    fn schema() -> Value {
        json!({"type": "array", "items": T::schema()})
    }
}

impl<T: Read> Read for BTreeMap<String, T> {
    fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let Content::Map(entries) = &node.content else {
            problems.push(Problem::new(node.at, format!("expected a mapping, found {}", node.what())));
            return None;
        };
        let read: Vec<Option<(String, T)>> = entries
            .iter()
            .map(|(key, value)| T::read(value, problems).map(|value| (key.name.clone(), value)))
            .collect();
        read.into_iter().collect()
    }
    fn schema() -> Value {
        json!({"type": "object", "additionalProperties": T::schema()})
    }
}

/// The entries of the mapping at `node`, after noting a problem for each key that is not in `known`.
pub fn entries<'a>(
    node: &'a Node,
    known: &[&str],
    problems: &mut Vec<Problem>,
) -> Option<&'a [(super::node::Key, Node)]> {
    let Content::Map(entries) = &node.content else {
        let help = format!("the keys here are {}", quoted_list(known));
        problems.push(Problem::new(node.at, format!("expected a mapping, found {}", node.what())).help(help));
        return None;
    };
    for (key, _) in entries {
        if !known.contains(&key.name.as_str()) {
            let help = match nearest(&key.name, known.iter().copied()) {
                Some(near) => format!("the nearest known key is `{near}`"),
                None => format!("the keys here are {}", quoted_list(known)),
            };
            problems.push(Problem::new(key.at, format!("unknown key `{}`", key.name)).help(help));
        }
    }
    Some(entries)
}

/// The value of `key`; its default, when absent; or `None`, with the problem noted or the key put in `missing`.
pub fn field<T: Read>(
    entries: &[(super::node::Key, Node)],
    key: &'static str,
    default: Option<T>,
    missing: &mut Vec<&'static str>,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    match entries.iter().find(|(name, _)| name.name == key) {
        Some((_, value)) => T::read(value, problems),
        None => default.or_else(T::absent).or_else(|| {
            // A key that is not known, and near to this one, has been noted: it is only misspelt.
            let unknown = |at: At| problems.iter().any(|problem| problem.at == at);
            if !entries.iter().any(|(name, _)| unknown(name.at) && nearest(&name.name, [key]).is_some()) {
                missing.push(key);
            }
            None
        }),
    }
}

/// Notes the keys that are missing in the mapping at `node`.
pub fn note_missing(node: &Node, missing: &[&str], problems: &mut Vec<Problem>) {
    match missing {
        [] => {}
        [key] => problems.push(Problem::new(node.at, format!("the key `{key}` is missing here"))),
        keys => problems.push(Problem::new(node.at, format!("the keys {} are missing here", quoted_list(keys)))),
    }
}

/// `a`; or: one of `a`, `b` and `c`.
pub fn one_of(words: &[&str]) -> String {
    if words.len() == 1 { quoted_list(words) } else { format!("one of {}", quoted_list(words)) }
}

/// Adds a key's description and default to its schema.
pub fn described(mut schema: Value, doc: &[&str], default: Option<Value>) -> Value {
    if let Value::Object(map) = &mut schema {
        let text = doc.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
        if !text.is_empty() {
            map.insert("description".to_owned(), Value::String(text));
        }
        if let Some(default) = default.filter(|default| !default.is_null()) {
            map.insert("default".to_owned(), default);
        }
    }
    schema
}

/// Declares a mapping of the stack file: `key: Type`, or `key: Type = default`, where `key as "name"` is written differently.
macro_rules! fields {
    ($(#[doc = $doc:literal])* pub struct $name:ident {
        $($(#[doc = $field_doc:literal])* $field:ident $(as $key:literal)? : $type:ty $(= $default:expr)?,)*
    }) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize)]
        pub struct $name { $($(#[doc = $field_doc])* $(#[serde(rename = $key)])? pub $field: $type,)* }

        impl $crate::file::read::Read for $name {
            fn read(node: &$crate::file::node::Node, problems: &mut Vec<$crate::file::problem::Problem>) -> Option<Self> {
                use $crate::file::read::{entries, field, key_of, note_missing};
                let known = [$(key_of!($field $($key)?)),*];
                let entries = entries(node, &known, problems)?;
                let mut missing = Vec::new();
                $(let $field: Option<$type> = field(entries, key_of!($field $($key)?), $crate::file::read::default_of!($($default)?), &mut missing, problems);)*
                note_missing(node, &missing, problems);
                Some($name { $($field: $field?,)* })
            }
            fn schema() -> serde_json::Value {
                use $crate::file::read::{default_of, described, key_of};
                let mut properties = serde_json::Map::new();
                let mut required: Vec<&str> = Vec::new();
                $({
                    let default: Option<$type> = default_of!($($default)?);
                    if default.is_none() && <$type as $crate::file::read::Read>::absent().is_none() {
                        required.push(key_of!($field $($key)?));
                    }
                    let default = default.and_then(|value| serde_json::to_value(value).ok());
                    properties.insert(key_of!($field $($key)?).to_owned(), described(<$type as $crate::file::read::Read>::schema(), &[$($field_doc),*], default));
                })*
                serde_json::json!({
                    "type": "object",
                    "description": ([$($doc.trim()),*].join(" ")),
                    "properties": properties,
                    "required": required,
                    "additionalProperties": false,
                })
            }
        }
    };
}

/// Declares a value that is one of a few words.
macro_rules! choices {
    ($(#[doc = $doc:literal])* pub enum $name:ident { $($(#[doc = $item_doc:literal])* $item:ident = $word:literal,)* }) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[doc = $item_doc])* #[serde(rename = $word)] $item,)* }

        impl $name {
            /// The word that the stack file has for this.
            pub const fn word(self) -> &'static str {
                match self { $($name::$item => $word,)* }
            }
        }

        impl $crate::file::read::Scalar for $name {
            const WHAT: &'static str = "a word";
            fn parse(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok($name::$item),)*
                    _ => Err(format!("`{text}` is not known here; write {}", $crate::file::read::one_of(&[$($word),*]))),
                }
            }
            fn schema() -> serde_json::Value {
                serde_json::json!({"type": "string", "enum": [$($word),*]})
            }
        }
    };
}

macro_rules! key_of {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $key:literal) => {
        $key
    };
}

macro_rules! default_of {
    () => {
        None
    };
    ($default:expr) => {
        Some($default)
    };
}

/// A text with a rule of its own.
macro_rules! text {
    ($(#[doc = $doc:literal])* $name:ident, $what:literal, $schema:expr, $test:expr, $wrong:literal) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl std::ops::Deref for $name {
            type Target = str;
            fn deref(&self) -> &str { &self.0 }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { out.write_str(&self.0) }
        }
        impl $crate::file::read::Scalar for $name {
            const WHAT: &'static str = $what;
            fn parse(text: &str) -> Result<Self, String> {
                let test: fn(&str) -> bool = $test;
                if test(text) { Ok($name(text.to_owned())) } else { Err(format!(concat!("`{}` ", $wrong), text)) }
            }
            fn schema() -> serde_json::Value { $schema }
        }
    };
}

pub(crate) use {choices, default_of, fields, key_of, text};
