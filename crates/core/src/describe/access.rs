//! The block `access` of a live cluster's users: what they may do, and their quotas. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::scalar;
use crate::certificates::{ADMIN_USER, HOST_USER, is_user};
use crate::file::{Acl, Mechanism, Operation, ThreadShare};
use crate::rights::{Right, Written, written};
use crate::units::{GIB, KIB, MIB};

/// A user as Kafka has it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LiveUser {
    /// Whether it has a password (SCRAM-SHA-512).
    pub password: bool,
    pub rights: BTreeSet<Right>,
    /// Its quotas, by Kafka's names of them.
    pub quotas: BTreeMap<String, f64>,
}

/// The block for `users`, by name; and as comments what the file has no words for. Empty where there is nothing to say.
pub fn access_block(users: &BTreeMap<String, LiveUser>) -> String {
    let own = [HOST_USER, ADMIN_USER];
    let (mut said, mut comments) = (String::new(), String::new());
    for (name, user) in users.iter().filter(|(name, _)| !own.contains(&name.as_str())) {
        if !is_user(name) {
            let count = user.rights.len();
            let _ = writeln!(
                comments,
                "# The user {} is left out, with {count} ACLs: the file can't have such a name.",
                shown(name)
            );
            continue;
        }
        let written = written(&user.rights);
        for right in &written.unsaid {
            let _ = writeln!(
                comments,
                "# Left out of {name}, as the file has no words for it: {}",
                shown(&right.to_string())
            );
        }
        said += &one(name, user, &written, &mut comments);
    }
    let head = if said.is_empty() { "" } else { "access:\n  users:\n" };
    format!("{comments}{head}{said}")
}

/// A text of others in a comment: in quotes, so that it ends with its line.
fn shown(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn one(name: &str, user: &LiveUser, written: &Written, comments: &mut String) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        let _ = writeln!(out, "      {text}");
    };
    if !user.password {
        line(format!("mechanism: {}", Mechanism::Mtls.word()));
    }
    if !written.produce.is_empty() {
        line(format!("produce: {}", list(written.produce.iter().map(|one| &**one))));
    }
    let topics: Vec<&str> = written.consume.topics.iter().map(|one| &**one).collect();
    let groups: Vec<&str> = written.consume.groups.iter().map(|one| &**one).collect();
    let mut parts = Vec::new();
    for (key, names) in [("topics", topics), ("groups", groups)] {
        if !names.is_empty() {
            parts.push(format!("{key}: {}", list(names.into_iter())));
        }
    }
    if !parts.is_empty() {
        line(format!("consume: {{{}}}", parts.join(", ")));
    }
    if !written.transactions.is_empty() {
        line(format!("transactions: {}", list(written.transactions.iter().map(|one| &**one))));
    }
    if !written.acls.is_empty() {
        line("acls:".to_owned());
        for one in &written.acls {
            line(format!("  - {{{}}}", acl(one)));
        }
    }
    let mut quota = Vec::new();
    for (key, value) in &user.quotas {
        match said_quota(key, *value) {
            Some(text) => quota.push(text),
            None => {
                let _ = writeln!(
                    comments,
                    "# Left out of {name}, as the file has no words for it: the quota {} {value}",
                    shown(key)
                );
            }
        }
    }
    if !quota.is_empty() {
        line(format!("quota: {{{}}}", quota.join(", ")));
    }
    match out.is_empty() {
        true => format!("    {}: {{}}\n", scalar(name)),
        false => format!("    {}:\n{out}", scalar(name)),
    }
}

fn list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    format!("[{}]", items.map(scalar).collect::<Vec<_>>().join(", "))
}

fn acl(acl: &Acl) -> String {
    let mut parts = Vec::new();
    let topic = acl.topic.as_deref();
    let group = acl.group.as_deref();
    let id = acl.transactional_id.as_deref();
    for (key, name) in [("topic", topic), ("group", group), ("transactional_id", id)] {
        parts.extend(name.map(|name| format!("{key}: {}", scalar(name))));
    }
    if acl.cluster {
        parts.push("cluster: true".to_owned());
    }
    for (key, operations) in [("allow", &acl.allow), ("deny", &acl.deny)] {
        if !operations.is_empty() {
            parts.push(format!("{key}: {}", list(operations.iter().map(|one: &Operation| one.word()))));
        }
    }
    parts.extend(acl.host.as_ref().map(|host| format!("host: {}", scalar(host))));
    parts.join(", ")
}

/// A quota in the file's words; `None` where it has none for it.
fn said_quota(key: &str, value: f64) -> Option<String> {
    // As whole numbers, which a quota of bytes is.
    let whole = (1.0..9e15).contains(&value) && value.fract() == 0.0;
    match key {
        "producer_byte_rate" if whole => Some(format!("produce: {}", rate(value as u64))),
        "consumer_byte_rate" if whole => Some(format!("consume: {}", rate(value as u64))),
        "request_percentage" => {
            let share = ThreadShare(value / 100.0).to_string();
            let same = share.trim_end_matches('%').parse::<f64>().ok() == Some(value);
            (same && value > 0.0 && value <= 100_000.0).then(|| format!("request: {share}"))
        }
        _ => None,
    }
}

/// A rate to the byte.
fn rate(bytes: u64) -> String {
    let units = [("GiB", GIB), ("MiB", MIB), ("KiB", KIB)];
    let unit = units.into_iter().find(|(_, size)| bytes.is_multiple_of(*size));
    let (unit, size) = unit.unwrap_or(("B", 1));
    format!("{} {unit}/s", bytes / size)
}

#[cfg(test)]
mod tests;
