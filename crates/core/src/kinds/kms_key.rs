//! The KMS key of a stack's secrets: what Parameter Store and Secrets Manager keep of its keys, certificates and passwords is encrypted with it.

use super::prelude::*;

/// Its name in the stack.
pub const PAPERS: &str = "papers";

/// The state of a key that can be used.
pub const ENABLED: &str = "Enabled";

spec! {
    pub struct KmsKey {
        /// The name by which people find it, and kstack too; empty where it has none yet.
        pub alias: String => Rule::in_place(),
        /// KMS's word for whether it can be used.
        pub state: String => Rule::in_place().hidden(),
        /// Whether KMS makes new key material each year.
        pub rotation: bool => Rule::in_place().hidden(),
    }
}

/// What encrypts the papers of `design`: the key that the file names, or the stack's own.
pub fn of(design: &Design) -> Ref {
    match &design.papers_key {
        Some(arn) => Ref::Id(arn.clone()),
        None => Ref::to(KmsKey::NAME, PAPERS),
    }
}

/// The alias of the key of `stack`.
pub fn alias(stack: &str) -> String {
    format!("alias/kstack-{stack}")
}

impl Kind for KmsKey {
    const NAME: &'static str = "kms_key";
    const OF_PAPERS: bool = true;
    // CreateKey takes no token, and a key has no name before its alias is made.
    const UNIQUE: bool = false;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let key = || KmsKey { alias: alias(&design.stack.name), state: ENABLED.to_owned(), rotation: true };
        let own = (design.has_papers() || design.stack.keeps_secrets()) && design.papers_key.is_none();
        own.then(|| (PAPERS.to_owned(), key())).into_iter().collect()
    }

    fn price(&self, costs: &mut Costs<'_>) {
        costs.charge("kms key", 1.0);
    }
}
