//! What Kafka verifies a user's password against (SCRAM-SHA-512). Kafka tells nobody a password: whether it has the one that is kept is
//! known by trying it.

use super::prelude::*;
use crate::stack::Mechanism;

spec! {
    pub struct ScramCredential {
        /// [`KEPT`] or [`ANOTHER`].
        pub password: String => Rule::in_place().hidden().saying("Kafka has another password than the one that is kept"),
    }
}

/// Kafka has the password that is kept, or may have it.
pub const KEPT: &str = "kept";
/// It has another one.
pub const ANOTHER: &str = "another";

impl Kind for ScramCredential {
    const NAME: &'static str = "scram_credential";
    const ENGINE: Option<Engine> = Some(Engine::Ec2);
    const TAGGED: bool = false;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        // MSK takes passwords from Secrets Manager by itself.
        let here = design.stack.cluster.ec2.is_some();
        let scram = design.stack.users().filter(|(_, mechanism, _)| here && *mechanism == Mechanism::Scram);
        scram.map(|(name, ..)| (name.to_owned(), ScramCredential { password: KEPT.to_owned() })).collect()
    }

    fn after(&self, name: &str) -> Vec<Address> {
        vec![Address::new(super::KafkaUser::NAME, name)]
    }

    fn update_reason(_: &[FieldChange]) -> String {
        "the user gets the password that is kept; clients with another one are refused from then on".to_owned()
    }

    fn price(&self, _: &mut Costs<'_>) {}
}
