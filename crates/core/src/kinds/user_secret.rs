//! The password of a user of MSK, as MSK takes it: a secret in Secrets Manager with the user's name and the password in it. MSK asks for the
//! beginning of its name, and for a KMS key that is not AWS's own. It also tells that the user is the stack's, when the file has it no longer.
//!
//! MSK puts a resource policy of its own on a secret, which is not looked at.

use super::prelude::*;
use crate::stack::Mechanism;

/// What the names of all stacks' secrets begin with.
pub use crate::stack::OWN_SECRETS as PREFIX;

spec! {
    pub struct UserSecret {
        /// What encrypts it.
        pub key: Ref => Rule::fixed("the KMS key that encrypts a user's password", NEW_STACK).hidden(),
    }
}

/// The name of the secret of `user`; of all users of `stack` its beginning, for no user.
pub fn secret_name(stack: &str, user: &str) -> String {
    format!("{PREFIX}{stack}/{user}")
}

/// The stack and the user of the secret with this name, where it is one of kstack's.
pub fn stack_and_user(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix(PREFIX)?.split_once('/')
}

impl Kind for UserSecret {
    const NAME: &'static str = "user_secret";
    const ENGINE: Option<Engine> = Some(Engine::Msk);
    const OF_PAPERS: bool = true;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let here = design.stack.cluster.msk.is_some();
        let scram = design.stack.users().filter(|(_, mechanism, _)| here && *mechanism == Mechanism::Scram);
        // One that the file names is others'.
        let scram = scram.filter(|(.., user)| user.secret.is_none());
        scram.map(|(name, ..)| (name.to_owned(), UserSecret { key: super::kms_key::of(design) })).collect()
    }

    fn price(&self, costs: &mut Costs<'_>) {
        costs.charge("secret", 1.0);
    }
}
