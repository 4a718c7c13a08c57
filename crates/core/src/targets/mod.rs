//! A stack file's cluster elsewhere: as a compose file for one machine, or as manifests for Kubernetes. Text alone: what runs it keeps
//! it. Pure.

pub mod compose;
mod local;
pub mod strimzi;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};

use crate::file::Operation;
use crate::rights::{ResourceType, Right};

/// The lines of a comment.
fn comment(lines: &[String]) -> String {
    lines.iter().map(|line| if line.is_empty() { "#\n".to_owned() } else { format!("# {line}\n") }).collect()
}

/// Kafka's own word for an operation, such as `DescribeConfigs`.
fn kafka_name(operation: Operation) -> String {
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    operation.word().split('-').map(capital).collect()
}

/// What rights are for, but for the operation.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Of<'a> {
    resource: ResourceType,
    name: &'a str,
    prefixed: bool,
    host: &'a str,
    allows: bool,
}

/// Rights on the same thing together, with all their operations.
fn of_same(rights: &BTreeSet<Right>) -> BTreeMap<Of<'_>, Vec<Operation>> {
    let mut all: BTreeMap<Of<'_>, Vec<Operation>> = BTreeMap::new();
    for right in rights {
        let Right { resource, name, prefixed, host, operation, allows } = right;
        let of = Of { resource: *resource, name, prefixed: *prefixed, host, allows: *allows };
        all.entry(of).or_default().push(*operation);
    }
    all
}
