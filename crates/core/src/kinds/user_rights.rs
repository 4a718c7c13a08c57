//! What a user may do: all of Kafka's access control lists for it, which are the stack's as the user is.

use super::prelude::*;
use crate::rights::rights;

spec! {
    pub struct UserRights {
        /// In the words of [`Right`](crate::rights::Right).
        pub rights: Vec<String> => Rule::in_place(),
    }
}

impl Kind for UserRights {
    const NAME: &'static str = "user_rights";
    const TAGGED: bool = false;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let one = |(name, _, user): (&str, _, &crate::stack::User)| {
            let mut rights: Vec<String> = rights(user).iter().map(ToString::to_string).collect();
            rights.sort();
            (!rights.is_empty()).then(|| (name.to_owned(), UserRights { rights }))
        };
        design.stack.named_users().filter_map(one).collect()
    }

    /// A user has its limits before it may do anything, and loses its rights before it goes.
    fn after(&self, name: &str) -> Vec<Address> {
        [super::KafkaUser::NAME, super::UserSecret::NAME, super::ScramCredential::NAME, super::UserQuota::NAME]
            .map(|kind| Address::new(kind, name))
            .into()
    }

    fn price(&self, _: &mut Costs<'_>) {}
}
