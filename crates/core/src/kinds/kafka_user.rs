//! What is kept of a user outside of the cluster: one parameter, with its password where kstack made it. It also tells that the user is the
//! stack's, when the file has it no longer. Only who runs kstack reads it.

use super::prelude::*;
use crate::stack::{Mechanism, User};

spec! {
    pub struct KafkaUser {
        /// How the user proves who it is, or [`SECRET`]. Another one gets it another password.
        pub mechanism: String => Rule::in_place(),
        /// What encrypts the parameter; nothing, where there is no password in it.
        pub key: Ref => Rule::fixed("the KMS key that encrypts a user's password", NEW_STACK).hidden(),
    }
}

/// In the place of a mechanism: a password that is in a secret of others.
pub const SECRET: &str = "secret";

impl Kind for KafkaUser {
    const NAME: &'static str = "kafka_user";
    // Its parameter is listed without its tags, and its name says whose it is.
    const TAGGED: bool = false;
    const OF_PAPERS: bool = true;

    /// All users on EC2; of MSK's those with secrets of others. What kstack makes for MSK is in Secrets Manager, and says it itself.
    fn desired(design: &Design) -> Vec<(String, Self)> {
        let on_ec2 = design.stack.cluster.ec2.is_some();
        let here = |(.., user): &(&str, Mechanism, &User)| on_ec2 || user.secret.is_some();
        let one = |(name, mechanism, user): (&str, Mechanism, &User)| {
            let mechanism = if user.secret.is_some() { SECRET } else { mechanism.word() };
            let key = if on_ec2 { super::kms_key::of(design) } else { Ref::None };
            (name.to_owned(), KafkaUser { mechanism: mechanism.to_owned(), key })
        };
        design.stack.users().filter(here).map(one).collect()
    }

    fn price(&self, _: &mut Costs<'_>) {}
}
