//! Rules of `access`: who the users are, by which listener they come, and that each may do what it is meant to.

use std::collections::BTreeSet;

use super::{msk_users, named_of_users};
use crate::certificates::is_user;
use crate::engines::Engine;
use crate::engines::ec2::check_listeners::listeners;
use crate::engines::ec2::listeners::Mtls;
use crate::file::node::{Content, Key, Node};
use crate::file::{Acl, Checker, Mechanism, Operation, Pattern, Scalar as _, User};
use crate::rights::{ResourceType, resources};
use crate::text::any_of;
use crate::units::Rate;

const USERS: &str = "access.users";

/// Names that are not for users of the file: Kafka's for a client that proves nothing, and kstack's for its own.
const RESERVED: [&str; 3] = ["ANONYMOUS", "kstack-host", "kstack-admin"];

pub(super) fn check(checker: &mut Checker<'_>) {
    let users = checker.entries(USERS);
    // Which engine it is, where that is known.
    let [ec2, msk] =
        [Engine::Ec2, Engine::Msk].map(|engine| checker.given(&format!("cluster.{}", engine.key())).is_some());
    if msk {
        msk_users::check(users, checker);
    }
    let Some((first, _)) = users.first() else { return };
    let ways = ec2.then(|| listeners(checker));
    named_of_users::check(users, msk, checker);
    if ways.as_ref().is_some_and(|ways| !ways.secured()) {
        let message = "brokers that speak plaintext ask nobody who it is, so users have no rights there";
        let help = "add `listeners: {scram: true}` below `cluster.ec2`, or `mtls: true`";
        checker.error_at(first.at, message, help);
    }
    for (key, node) in users {
        check_name(key, checker);
        if let (Some(ways), Some(user)) = (ways.as_ref().filter(|ways| ways.secured()), part::<User>(node)) {
            let default = if ways.scram() { Mechanism::Scram } else { Mechanism::Mtls };
            let at = node.get("mechanism").map_or(key.at, |node| node.at);
            let (mechanism, has) = match user.mechanism.unwrap_or(default) {
                Mechanism::Scram => ("scram", ways.scram()),
                Mechanism::Mtls => ("mtls", ways.mtls != Mtls::Off),
                Mechanism::Iam => {
                    let message = "brokers on EC2 know nothing of IAM";
                    checker.error_at(at, message, "choose `scram` or `mtls`; users of MSK may come with `iam`");
                    ("iam", true)
                }
            };
            if !has {
                let message = format!("brokers have no listener for the user `{}`", key.name);
                let help =
                    format!("add `{mechanism}: true` below `cluster.ec2.listeners`, or choose another `mechanism`");
                checker.error_at(at, message, help);
            }
        }
        check_grants(key, node, checker);
        check_acls(node, checker);
    }
}

/// The part of the file that this is, where it reads: what does not has been noted.
pub(super) fn part<T: crate::file::read::Read>(node: &Node) -> Option<T> {
    T::read(node, &mut Vec::new())
}

fn check_name(key: &Key, checker: &mut Checker<'_>) {
    let name = &key.name;
    if RESERVED.contains(&name.as_str()) {
        let message = match name.as_str() {
            "ANONYMOUS" => "`ANONYMOUS` is Kafka's user for clients that prove nothing".to_owned(),
            _ => format!("`{name}` is too near to the names of kstack's own users"),
        };
        checker.error_at(key.at, message, "name the user after the program or the people that it is for");
    } else if !is_user(name) {
        let shown: String = name.escape_debug().take(80).collect();
        let message = format!("`{shown}` can't be the name of a user");
        let help = match name.strip_prefix("User:") {
            Some(_) => "write the name alone, without `User:`",
            None => {
                "use letters, digits, `.`, `_` and `-`, 64 at most: a certificate, a password and an ACL then mean the same user"
            }
        };
        checker.error_at(key.at, message, help);
    }
}

/// The lists of patterns of a user, by their path below it.
const LISTS: [(&str, &str); 4] = [
    ("produce", "topic"),
    ("consume.topics", "topic"),
    ("consume.groups", "group"),
    ("transactions", "transactional id"),
];

fn check_grants(key: &Key, node: &Node, checker: &mut Checker<'_>) {
    for (path, noun) in LISTS {
        check_overlaps(node, path, noun, checker);
        if noun == "topic" {
            check_topics(node, path, checker);
        }
    }
    for (path, node) in ["quota.produce", "quota.consume"].map(|path| (path, node.get(path))) {
        if let Some((node, Rate(0))) = node.and_then(|node| Some((node, part::<Rate>(node)?))) {
            let message = format!("with the quota 0 B/s the user `{}` can do nothing", key.name);
            let help = format!(
                "write what it may {}, such as `10 MiB/s`; without a quota there is no limit",
                path.trim_start_matches("quota.")
            );
            checker.error_at(node.at, message, help);
        }
    }
    let Some(user) = part::<User>(node) else { return };
    let consume = &user.consume;
    let nothing = [user.produce.is_empty(), consume.topics.is_empty(), consume.groups.is_empty(), user.acls.is_empty()];
    if nothing.into_iter().all(|empty| empty) && user.transactions.is_empty() {
        let message = format!("the user `{}` may do nothing", key.name);
        checker.warning_at(key.at, message, "give it `produce`, `consume` or `acls`");
    }
    if !consume.topics.is_empty() && consume.groups.is_empty() {
        let at = node.get("consume.topics").map_or(key.at, |node| node.at);
        let message = format!("the user `{}` may read, but as a member of no consumer group", key.name);
        checker.warning_at(at, message, "add its groups below `consume.groups`; a consumer without a group needs none");
    }
}

/// Warns of a name that another of the same list has in it.
pub(super) fn check_overlaps(node: &Node, path: &str, noun: &str, checker: &mut Checker<'_>) {
    let Some(Content::List(items)) = node.get(path).map(|node| &node.content) else { return };
    let texts: Vec<(&Node, &str)> = items.iter().filter_map(|item| Some((item, scalar(item)?))).collect();
    let prefixes: BTreeSet<&str> =
        texts.iter().filter(|(_, text)| text.ends_with('*')).map(|(_, text)| &text[..text.len() - 1]).collect();
    let mut seen = BTreeSet::new();
    for (item, text) in texts {
        if !seen.insert(text) {
            checker.warning_at(item.at, format!("the {noun} `{text}` is in the list twice"), "remove one of them");
            continue;
        }
        let name = Pattern::of(text).name;
        let own = text.ends_with('*').then(|| &text[..text.len() - 1]);
        let wider = name.char_indices().map(|(at, _)| &name[..at]).chain([name]).find(|start| prefixes.contains(start));
        if let Some(wider) = wider.filter(|wider| Some(*wider) != own) {
            let message = format!("`{wider}*` has `{text}` in it");
            checker.warning_at(item.at, message, format!("remove `{text}`, or keep it alone if less was meant"));
        }
    }
}

/// Warns of a grant for topics that the file does not have, where it has any: others may make them, or the name is misspelt.
fn check_topics(node: &Node, path: &str, checker: &mut Checker<'_>) {
    let topics = checker.entries("topics");
    let Some(Content::List(items)) = node.get(path).map(|node| &node.content).filter(|_| !topics.is_empty()) else {
        return;
    };
    for (item, text) in items.iter().filter_map(|item| Some((item, scalar(item)?))) {
        if !topics.iter().any(|(topic, _)| Pattern::of(text).covers(&topic.name)) {
            let message = format!("the file has no topic for `{text}`");
            checker.warning_at(item.at, message, "add it below `topics`, unless others make it");
        }
    }
}

pub(super) fn scalar(node: &Node) -> Option<&str> {
    match &node.content {
        Content::Scalar(text) => Some(text),
        _ => None,
    }
}

fn check_acls(user: &Node, checker: &mut Checker<'_>) {
    let Some(Content::List(items)) = user.get("acls").map(|node| &node.content) else { return };
    for item in items {
        let Some(acl) = part::<Acl>(item) else { continue };
        let named = resources(&acl);
        let [(resource, _)] = named[..] else {
            let message = match named.len() {
                0 => "this ACL is for nothing",
                _ => "an ACL is for one resource",
            };
            checker.error_at(item.at, message, "write one of `topic`, `group`, `transactional_id` and `cluster: true`");
            continue;
        };
        if acl.allow.is_empty() && acl.deny.is_empty() {
            let message = "this ACL neither allows nor denies anything";
            checker.error_at(item.at, message, "add `allow` or `deny` with a list of operations");
        }
        check_operations(item, resource, checker);
    }
}

/// What Kafka knows on this type of resource; another operation would be kept and mean nothing.
fn check_operations(item: &Node, resource: ResourceType, checker: &mut Checker<'_>) {
    let fits: Vec<&str> = resource.operations().iter().map(|one| one.word()).chain(["all"]).collect();
    let quoted: Vec<String> = fits.iter().map(|word| format!("`{word}`")).collect();
    for list in ["allow", "deny"] {
        let Some(Content::List(operations)) = item.get(list).map(|node| &node.content) else { continue };
        for node in operations {
            let operation = scalar(node).and_then(|text| Operation::parse(text).ok());
            if let Some(operation) = operation.filter(|one| !fits.contains(&one.word())) {
                let message = format!("`{}` is no operation on {}", operation.word(), resource.what());
                checker.error_at(node.at, message, format!("write {}", any_of(&quoted)));
            }
        }
    }
}
