//! YAML text to a tree in which every value knows where it stands.
//!
//! serde alone stops at the first problem of a file. This tree keeps what was written, so that
//! `read` and `check` can go on and report all problems at once, each with its place.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::Spanned;

use super::problem::{At, Problem};
use super::syntax;

/// The largest stack file that is read, in bytes.
const MAX_BYTES: usize = 1024 * 1024;

/// A value of the file and its place. What has many lines, or nothing to show, has the place of its key.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub at: At,
    pub content: Content,
}

/// What was written, before it has a meaning. A scalar is kept as its text: `kafka: 4.10` must not become 4.1.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    Null,
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    pub at: At,
    pub name: String,
}

impl Node {
    fn child(&self, part: &str) -> Option<&Node> {
        match &self.content {
            Content::Map(entries) => entries.iter().find(|(key, _)| key.name == part).map(|(_, value)| value),
            Content::List(items) => part.parse::<usize>().ok().and_then(|index| items.get(index)),
            _ => None,
        }
    }

    /// The node under dotted `path`, such as `network.clients.0`.
    pub fn get(&self, path: &str) -> Option<&Node> {
        path.split('.').try_fold(self, |node, part| node.child(part))
    }

    /// The node under dotted `path`, as far down as it exists.
    pub fn nearest(&self, path: &str) -> &Node {
        let mut node = self;
        for part in path.split('.') {
            let Some(next) = node.child(part) else { break };
            node = next;
        }
        node
    }

    /// What this node is, in words for a message.
    pub fn what(&self) -> &'static str {
        match self.content {
            Content::Null => "nothing",
            Content::Scalar(_) => "a single value",
            Content::List(_) => "a list",
            Content::Map(_) => "a mapping",
        }
    }
}

/// Parses `text` into a tree.
///
/// # Errors
/// One problem, at the place where the text stops being YAML, or is larger or deeper than any stack file.
pub fn parse(text: &str) -> Result<Node, Problem> {
    if text.len() > MAX_BYTES {
        return Err(Problem::new(
            At::START,
            format!("the file has {} bytes; a stack file has at most {MAX_BYTES}", text.len()),
        ));
    }
    let mut options = serde_yaml::Options::default();
    options.with_snippet = false;
    options.emit_comments = false;
    options.non_finite_float_policy = serde_yaml::options::NonFiniteFloatPolicy::PassThrough;
    if let Some(budget) = options.budget.as_mut() {
        budget.max_nodes = 20_000;
        budget.max_depth = 32;
        budget.max_documents = 1;
        budget.max_aliases = 1_000;
    }
    let raw: Spanned<Raw> = serde_yaml::from_str_with_options(text, options).map_err(|error| {
        let at = error.location().map_or(At::START, |location| place(&location, text));
        let (message, help) = syntax::explain(error.without_snippet());
        let problem = Problem::new(at, message);
        if help.is_empty() { problem } else { problem.help(help) }
    })?;
    Ok(node(raw, text))
}

/// The place of `location`. Errors of syntax have a line and a column only.
fn place(location: &serde_yaml::Location, text: &str) -> At {
    let number = |value: u64| usize::try_from(value).unwrap_or_default();
    let span = location.span();
    let start = span.byte_offset().map(number).unwrap_or_else(|| {
        let (line, column) = (number(location.line()).max(1), number(location.column()).max(1));
        let before: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
        let rest = &text[before..];
        before + rest.char_indices().nth(column - 1).map_or(rest.len(), |(index, _)| index)
    });
    At { start, end: start + span.byte_len().map(number).unwrap_or_default() }
}

fn node(raw: Spanned<Raw>, text: &str) -> Node {
    let at = place(&raw.referenced, text);
    let content = match raw.value {
        Raw::Null => Content::Null,
        Raw::Text(value) => Content::Scalar(value),
        Raw::Inferred => {
            let defined = place(&raw.defined, text);
            Content::Scalar(text.get(defined.start..defined.end).unwrap_or_default().trim().to_owned())
        }
        Raw::List(items) => Content::List(items.into_iter().map(|item| node(item, text)).collect()),
        Raw::Map(entries) => Content::Map(
            entries
                .into_iter()
                .map(|(key, value)| {
                    let key = Key { at: place(&key.referenced, text), name: key.value };
                    let mut value = node(value, text);
                    if !matches!(value.content, Content::Scalar(_)) {
                        value.at = key.at;
                    }
                    (key, value)
                })
                .collect(),
        ),
    };
    Node { at, content }
}

/// What the deserializer says of a value; `Inferred` stands for a number or a boolean, whose text is taken from the source.
enum Raw {
    Null,
    Text(String),
    Inferred,
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a YAML value")
    }
    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }
    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }
    fn visit_bool<E>(self, _: bool) -> Result<Raw, E> {
        Ok(Raw::Inferred)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
        Ok(Raw::Inferred)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
        Ok(Raw::Inferred)
    }
    fn visit_i128<E>(self, _: i128) -> Result<Raw, E> {
        Ok(Raw::Inferred)
    }
    fn visit_u128<E>(self, _: u128) -> Result<Raw, E> {
        Ok(Raw::Inferred)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Inferred)
    }
    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_keeps_its_text() {
        let tree = parse("kafka: 4.10\nbig: 010\nyes: yes\nanchor: &a 2.50\nalias: *a\n").unwrap();
        let text = |path: &str| match &tree.nearest(path).content {
            Content::Scalar(text) => text.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(text("kafka"), "4.10");
        assert_eq!(text("big"), "010");
        assert_eq!(text("yes"), "yes");
        assert_eq!(text("alias"), "2.50");
    }
}
