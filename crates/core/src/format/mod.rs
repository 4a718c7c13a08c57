//! A stack file in its canonical form, as `kstack fmt` writes it: keys in the order of the schema, two spaces for each level, comments where
//! they were. Values, quotes and what is in braces and brackets stay as they are written.
//!
//! Only lines are moved and indented anew. Whether the file means the same afterwards, and has every comment, is checked each time.

mod lines;
mod tree;

use serde_json::Value;

use crate::file::node::{self, Content, Node};
use crate::file::problem::{At, Problem};
use crate::file::{ApiVersion, Report, Scalar as _};
use crate::stack::schema;
use lines::Writer;
use tree::Source;

/// The newest version of the format, and at present the only one.
pub const NEWEST: &str = "kstack/v1";

/// The canonical form of the stack file `text`; `file` is its name for messages.
///
/// # Errors
/// That it is no YAML, or of another version of the format; or that it can't be written anew without a change of its meaning.
pub fn format(file: &str, text: &str) -> Result<String, Report> {
    formatted(text, &schema()).map_err(|problem| Report {
        file: file.to_owned(),
        text: text.to_owned(),
        problems: vec![problem],
    })
}

fn formatted(text: &str, schema: &Value) -> Result<String, Problem> {
    let meaning = node::parse(text)?;
    version(&meaning)?;
    let cannot = |why: String| {
        Problem::new(At::START, format!("kstack can't format this file: {why}"))
            .help("write the place in a plainer form of YAML; the file stays as it is")
    };
    let source = Source::read(text).map_err(cannot)?;
    let out = Writer::new(&source).write(schema).map_err(cannot)?;
    let same = node::parse(&out).is_ok_and(|after| is_same(&meaning, &after));
    let after = Source::read(&out).map_err(cannot)?;
    match same && sorted(source.comments()) == sorted(after.comments()) {
        true => Ok(out),
        false => Err(cannot("it would not mean the same, or lose a comment".to_owned())),
    }
}

fn sorted(mut all: Vec<&str>) -> Vec<&str> {
    all.sort_unstable();
    all
}

/// That the file is of the version that this kstack reads.
fn version(tree: &Node) -> Result<(), Problem> {
    let found = tree.get("apiVersion").ok_or_else(|| {
        Problem::new(At::START, "the file has no `apiVersion`")
            .help(format!("a stack file begins with `apiVersion: {NEWEST}`"))
    })?;
    match &found.content {
        Content::Scalar(text) => ApiVersion::parse(text).map(drop).map_err(|why| Problem::new(found.at, why)),
        _ => Err(Problem::new(found.at, format!("`apiVersion` is {}; write `{NEWEST}`", found.what()))),
    }
}

/// Whether both say the same, in whichever order of keys.
fn is_same(one: &Node, other: &Node) -> bool {
    match (&one.content, &other.content) {
        (Content::Null, Content::Null) => true,
        (Content::Scalar(one), Content::Scalar(other)) => one == other,
        (Content::List(one), Content::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        (Content::Map(one), Content::Map(other)) => {
            let found = |name: &str| other.iter().find(|(key, _)| key.name == name);
            one.len() == other.len()
                && one.iter().all(|(key, value)| found(&key.name).is_some_and(|(_, there)| is_same(value, there)))
        }
        _ => false,
    }
}

/// Both texts line by line, with what is taken away and added; secrets are not shown.
pub fn difference(file: &str, before: &str, after: &str) -> String {
    use crate::file::secret::masked;
    let (before, after) = (masked(before), masked(after));
    let diff = similar::TextDiff::from_lines(&*before, &*after);
    let mut unified = diff.unified_diff();
    unified.header(file, &format!("{file} (formatted)")).to_string()
}

#[cfg(test)]
mod tests;
