//! What the file names of others for a user: the secret with its password, and the role that gets its rights.

use std::collections::BTreeMap;

use super::users::{part, scalar};
use crate::engines::ec2::check_listeners::listeners;
use crate::engines::secret_arn::check_secret;
use crate::file::node::{Content, Key, Node};
use crate::file::{Account, Checker, Mechanism, Region, User};
use crate::stack::Msk;

pub(super) fn check(users: &[(Key, Node)], on_msk: bool, checker: &mut Checker<'_>) {
    let scram = match on_msk {
        true => checker.part::<Option<Msk>>("cluster.msk").flatten().is_some_and(|msk| msk.access().scram),
        false => checker.given("cluster.ec2").is_some() && listeners(checker).scram(),
    };
    let mut named: BTreeMap<&str, String> = BTreeMap::new();
    if let Some(Content::List(items)) = checker.given("cluster.msk.auth.scram.secrets").map(|node| &node.content) {
        named.extend(items.iter().filter_map(|item| Some((scalar(item)?, "`cluster.msk.auth.scram`".to_owned()))));
    }
    for (key, node) in users {
        let Some(user) = part::<User>(node) else { continue };
        let default = if scram { Mechanism::Scram } else { Mechanism::Iam };
        let mechanism = user.mechanism.unwrap_or(default);
        if let Some((secret, node)) = user.secret.as_deref().zip(node.get("secret")) {
            if mechanism != Mechanism::Scram {
                let message = format!("the user `{}` comes without a password", key.name);
                checker.error_at(node.at, message, "remove `secret`, or give the user `mechanism: scram`");
            }
            check_secret(secret, node.at, on_msk, checker);
            let text = scalar(node).unwrap_or_default();
            if let Some(other) = named.insert(text, format!("the user `{}`", key.name)) {
                let message = format!("{other} has this secret too, and a secret has one user's name and password");
                checker.error_at(
                    node.at,
                    message,
                    "name another secret, or leave it out: kstack then makes a password",
                );
            }
        }
        if let Some((role, node)) = user.role.as_ref().zip(node.get("role")) {
            if mechanism != Mechanism::Iam {
                let message = format!("the user `{}` does not come with IAM, and has its rights in Kafka", key.name);
                checker.error_at(node.at, message, "remove `role`; on MSK, a user may have `mechanism: iam`");
            }
            let [partition, account] = role.home().map_or([None, None], |home| home.map(Some));
            let region = checker.part::<Region>("region");
            if let Some(own) = region.filter(|own| partition.is_some_and(|one| one != own.partition())) {
                let message = format!("the ARN of a role in `{own}` begins with `arn:{}:`", own.partition());
                checker.error_at(node.at, message, "name a role of the stack's account");
            }
            let own = checker.part::<Option<Account>>("account").flatten();
            if let Some((own, account)) = own.zip(account).filter(|(own, account)| own.0 != *account) {
                let message = format!("this role belongs to the account {account}, and the stack to {own}");
                let help = "leave `role` out, and give that role what `kstack policy --client` prints";
                checker.error_at(node.at, message, help);
            }
        }
    }
}
