//! Rules of the users of an MSK cluster: by which listener they come, and what IAM can say of their rights.

use super::users::{part, scalar};
use crate::engines::rules;
use crate::file::node::{Content, Key, Node};
use crate::file::{Acl, Checker, Mechanism, Operation, Quota, Scalar as _, User};
use crate::rights::iam::{OfCluster, policy, unsaid};
use crate::rights::{Right, granted, rights};
use crate::stack::{ACL, Msk, Region};

/// The most characters of all inline policies of a role.
const MOST_OF_ROLE: usize = 10_240;

pub(super) fn check(users: &[(Key, Node)], checker: &mut Checker<'_>) {
    // What is wrong with the cluster's own keys is said where they are.
    let Some(Some(msk)) = checker.part::<Option<Msk>>("cluster.msk") else { return };
    let access = msk.access();
    let mut by_password = Vec::new();
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
            Mechanism::Scram if !access.scram => {
                let message = format!("brokers have no listener for the user `{}`", key.name);
                let help = "add `scram: {}` below `cluster.msk.auth`, or choose another `mechanism`";
                checker.error_at(at, message, help);
            }
            Mechanism::Scram => by_password.push((key, user)),
            Mechanism::Iam if !access.iam => {
                let message = format!("brokers have no listener for the user `{}`", key.name);
                let help = "add `iam: true` below `cluster.msk.auth`, or choose another `mechanism`";
                checker.error_at(at, message, help);
            }
            Mechanism::Iam => {
                check_iam(key, node, &user, checker);
                check_role(node, &user, checker);
            }
        }
    }
    check_key(&msk, by_password.iter().all(|(_, user)| user.secret.is_some()), checker);
    let inside = by_password.into_iter().filter(|(_, user)| !rights(user).is_empty() || user.quota != Quota::NONE);
    if let Some((first, _)) = inside.into_iter().next() {
        check_rights(first, &msk, checker);
    }
}

/// The key encrypts something, and MSK takes it.
fn check_key(msk: &Msk, unused: bool, checker: &mut Checker<'_>) {
    const KEY: &str = "cluster.msk.auth.scram.kms_key";
    let Some(key) = msk.auth.scram.as_ref().and_then(|scram| scram.kms_key.as_deref()) else { return };
    rules::check_key(KEY, key, "Secrets Manager", checker);
    if key.contains("alias/aws/") {
        let message = format!("`{key}` is a key of AWS's own, and MSK takes no secret that it encrypts");
        checker.error(KEY, message, "name one of your own; or leave it out, and kstack makes one");
    }
    if unused {
        let message = "kstack keeps no password that this key would encrypt";
        checker.error(KEY, message, "remove it, or add users with `mechanism: scram` below `access.users`");
    }
}

/// Rights and quotas of users with passwords are Kafka's: kstack reaches it as an AWS caller, and they bind nobody where the cluster lets
/// everyone in.
fn check_rights(first: &Key, msk: &Msk, checker: &mut Checker<'_>) {
    if !msk.access().iam {
        let message = "kstack gives users their rights as an AWS caller, and the cluster has no listener for IAM";
        checker.error_at(first.at, message, "add `iam: true` below `cluster.msk.auth`, beside `scram`");
    }
    // What a configuration of others says is not known.
    match msk.config.get(ACL).map(String::as_str) {
        _ if msk.configuration.is_some() => {}
        Some("true") => {
            let message = "the rights of users bind nobody yet: whoever signs in may use every topic that has no ACL";
            let help = "write `false`: kstack makes it so once the users of the file have their rights";
            checker.warning(&format!("cluster.msk.config.{ACL}"), message, help);
        }
        Some(_) => {}
        None => {
            let message = format!("MSK lets everyone use what has no ACL, unless `{ACL}` is `false`");
            let help = format!(
                "write `{ACL}: false` below `cluster.msk.config`; a live cluster gets it once the users have their rights. Or `true`, while clients without ACLs work"
            );
            checker.error_at(first.at, message, help);
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

/// What a role is given fits.
fn check_role(node: &Node, user: &User, checker: &mut Checker<'_>) {
    let Some(role) = node.get("role").filter(|_| user.role.is_some()) else { return };
    let cluster = OfCluster {
        partition: checker.part::<Region>("region").map_or("aws", |region| region.partition()),
        region: checker.text("region"),
        account: "123456789012",
        name: checker.text("name"),
    };
    // Source: IAM user guide, "IAM and AWS STS quotas": what a role's inline policies have together, without white space.
    let characters = policy(user, cluster).to_string().chars().count();
    if characters > MOST_OF_ROLE {
        let message = format!(
            "this user's policy has {characters} characters, and IAM gives a role {MOST_OF_ROLE} of inline policies"
        );
        checker.error_at(role.at, message, "write prefixes such as `orders.*` in place of many names");
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
