//! Rules of the users of an MSK cluster: by which listener they come, and what IAM can say of their rights.

use super::users::{part, scalar};
use crate::file::node::{Content, Key, Node};
use crate::file::{Acl, Checker, Mechanism, Operation, Scalar as _, User};
use crate::rights::iam::unsaid;
use crate::rights::{Right, granted};
use crate::stack::Msk;

pub(super) fn check(users: &[(Key, Node)], checker: &mut Checker<'_>) {
    // What is wrong with the cluster's own keys is said where they are.
    let Some(Some(msk)) = checker.part::<Option<Msk>>("cluster.msk") else { return };
    let access = msk.access();
    let default = if access.scram { Mechanism::Scram } else { Mechanism::Iam };
    for (key, node) in users {
        let Some(user) = part::<User>(node) else { continue };
        let at = node.get("mechanism").map_or(key.at, |node| node.at);
        let mechanism = user.mechanism.unwrap_or(default);
        match mechanism {
            Mechanism::Mtls => {
                let message = "kstack makes no users with certificates on MSK";
                let help = "choose `iam` or `scram`: certificates for MSK are those of AWS Private CA, and their users are not named by them alone";
                checker.error_at(at, message, help);
            }
            Mechanism::Scram if msk.serverless => {
                checker.error_at(at, "a serverless cluster takes no passwords", "remove `mechanism`, or write `iam`");
            }
            Mechanism::Scram => {
                let message = "kstack makes no users with passwords on MSK";
                let help = "write `mechanism: iam`; or make SCRAM users in Secrets Manager, and name their secrets in `cluster.msk.auth.scram`";
                checker.error_at(at, message, help);
            }
            Mechanism::Iam if !access.iam => {
                let message = format!("brokers have no listener for the user `{}`", key.name);
                let help = "add `iam: true` below `cluster.msk.auth`, or choose another `mechanism`";
                checker.error_at(at, message, help);
            }
            Mechanism::Iam => check_iam(key, node, &user, checker),
        }
    }
}

/// What a user that comes with IAM can't have.
fn check_iam(key: &Key, node: &Node, user: &User, checker: &mut Checker<'_>) {
    if let Some(quota) = node.get("quota").filter(|node| node.content != Content::Null) {
        let message = format!("Kafka has no name for the user `{}`, which comes with IAM, to limit it by", key.name);
        let help =
            "remove `quota`, or give the user `mechanism: scram`; Kafka's own tools limit clients by their `client.id`";
        checker.error_at(quota.at, message, help);
    }
    for path in ["produce", "consume.topics", "consume.groups", "transactions"] {
        let Some(Content::List(items)) = node.get(path).map(|node| &node.content) else { continue };
        for item in items {
            let right = scalar(item).and_then(|text| granted(path, text).into_iter().next());
            tell(right, item, checker);
        }
    }
    let Some(Content::List(items)) = node.get("acls").map(|node| &node.content) else { return };
    for (item, acl) in items.iter().zip(&user.acls) {
        for list in ["allow", "deny"] {
            let Some(Content::List(operations)) = item.get(list).map(|node| &node.content) else { continue };
            for node in operations {
                let operation = scalar(node).and_then(|text| Operation::parse(text).ok());
                tell(operation.and_then(|one| right_of(acl, list == "allow", one)), node, checker);
            }
        }
    }
}

/// The right that `acl` gives or denies with this operation.
fn right_of(acl: &Acl, allows: bool, operation: Operation) -> Option<Right> {
    let of_acl = crate::rights::of_acl(acl);
    of_acl.into_iter().find(|right| right.allows == allows && right.operation == operation)
}

/// Says what IAM has no word for, at its place.
fn tell(right: Option<Right>, node: &Node, checker: &mut Checker<'_>) {
    let known = right
        .filter(|right| right.resource.operations().contains(&right.operation) || right.operation == Operation::All);
    if let Some((message, help)) = known.as_ref().and_then(unsaid) {
        checker.error_at(node.at, message, help);
    }
}
