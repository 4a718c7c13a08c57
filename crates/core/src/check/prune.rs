//! Rules of `prune`: what is the file's alone is in a cluster of which kstack can ask for it, and is not Kafka's own.

use super::users::{check_overlaps, scalar};
use crate::engines::ec2::check_listeners::listeners;
use crate::file::node::Content;
use crate::file::{Checker, INTERNAL};
use crate::stack::{Msk, Prune};

pub(super) fn check(checker: &mut Checker<'_>) {
    let Some(node) = checker.given("prune") else { return };
    // What is no beginning has been said.
    if checker.part::<Prune>("prune").is_some() {
        check_overlaps(node, "topics", "beginning", checker);
        check_overlaps(node, "users", "beginning", checker);
    }
    if let Some(Content::List(items)) = node.get("topics").map(|node| &node.content) {
        for item in items.iter().filter(|item| scalar(item).is_some_and(|text| text.starts_with(INTERNAL))) {
            let message = format!("topics that begin with `{INTERNAL}` are those that Kafka makes for itself");
            checker.error_at(item.at, message, "remove it: they are never deleted");
        }
    }
    let has =
        |list: &Content| !matches!(list, Content::Null) && !matches!(list, Content::List(items) if items.is_empty());
    let Some(users) = node.get("users").filter(|node| has(&node.content)) else { return };
    let ec2 = checker.given("cluster.ec2").is_some();
    if ec2 && !listeners(checker).secured() {
        let message = "brokers that speak plaintext ask nobody who it is, so there are no users to delete";
        checker.error_at(users.at, message, "remove it; or add `listeners: {scram: true}` below `cluster.ec2`");
    }
    let msk = checker.part::<Option<Msk>>("cluster.msk").flatten();
    if let Some(msk) = msk.filter(|msk| msk.serverless || !msk.access().iam) {
        let (message, help) = match msk.serverless {
            true => ("a serverless cluster has no users of Kafka's: who comes is IAM's", "remove it"),
            false => (
                "kstack takes rights from users as an AWS caller, and the cluster has no listener for IAM",
                "remove it; or add `iam: true` below `cluster.msk.auth`",
            ),
        };
        checker.error_at(users.at, message, help);
    }
}
