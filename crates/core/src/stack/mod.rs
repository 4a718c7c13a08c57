//! The stack file: YAML to [`Stack`], with every problem at its line and column. Pure: no clock, network or environment.

mod check;
mod msk;
mod node;
mod problem;
pub mod read;
mod secret;
mod syntax;
mod types;
mod units;

pub use check::{GP3_GIB, GP3_IOPS, GP3_MIBS, lasts};
pub use msk::*;
pub use problem::{Problem, Report, Severity};
pub use read::Scalar;
pub use types::*;
pub use units::{Percent, Rate, Size, Span};

use read::Read as _;
use serde_json::{Value, json};

/// A stack file that can be worked with, and what is worth knowing about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    pub stack: Stack,
    /// Warnings only; may be empty.
    pub warnings: Report,
}

/// Reads, checks and completes the stack file `text`; `file` is its name for messages.
///
/// # Errors
/// A report with every problem of the file, warnings among them.
pub fn parse(file: &str, text: &str) -> Result<Parsed, Report> {
    let report = |problems| Report { file: file.to_owned(), text: text.to_owned(), problems };
    let mut problems = Vec::new();
    let tree = node::parse(text).map_err(|problem| report(vec![problem]))?;
    let message = match tree.content {
        node::Content::Map(_) => None,
        node::Content::Null => Some("the file is empty".to_owned()),
        _ => Some(format!("a stack file is a mapping of keys to values, and this is {}", tree.what())),
    };
    if let Some(message) = message {
        let problem = Problem::new(problem::At::START, message)
            .help("begin with `apiVersion: kstack/v1`; `kstack schema` shows what may follow");
        return Err(report(vec![problem]));
    }
    let stack = Stack::read(&tree, &mut problems);
    check::check(&tree, &mut problems);
    let report = report(problems);
    match stack {
        Some(stack) if report.counts().0 == 0 => Ok(Parsed { stack, warnings: report }),
        _ => Err(report),
    }
}

/// The JSON Schema of the stack file, made from the types.
pub fn schema() -> Value {
    let mut schema = Stack::schema();
    if let Value::Object(map) = &mut schema {
        map.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        map.insert("title".to_owned(), json!("kstack stack file"));
    }
    schema
}
