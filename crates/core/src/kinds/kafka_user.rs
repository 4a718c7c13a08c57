//! What is kept of a user outside of the cluster: one parameter, with its password where it has one. It also tells that the user is the
//! stack's, when the file has it no longer. Only who runs kstack reads it.

use super::prelude::*;

spec! {
    pub struct KafkaUser {
        /// How the user proves who it is. Another one gets it another password.
        pub mechanism: String => Rule::in_place(),
        /// What encrypts the parameter.
        pub key: Ref => Rule::fixed("the KMS key that encrypts a user's password", NEW_STACK).hidden(),
    }
}

impl Kind for KafkaUser {
    const NAME: &'static str = "kafka_user";
    const ENGINE: Option<Engine> = Some(Engine::Ec2);
    // Its parameter is listed without its tags, and its name says whose it is.
    const TAGGED: bool = false;
    const OF_PAPERS: bool = true;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let key = || super::kms_key::of(design);
        let one = |(name, mechanism, _): (&str, crate::stack::Mechanism, _)| {
            (name.to_owned(), KafkaUser { mechanism: mechanism.word().to_owned(), key: key() })
        };
        // MSK's are in Secrets Manager.
        let here = design.stack.cluster.ec2.is_some();
        design.stack.users().filter(|_| here).map(one).collect()
    }

    fn price(&self, _: &mut Costs<'_>) {}
}
