//! The most that each broker takes from a user and gives to it.

use super::prelude::*;

spec! {
    #[derive(Default)]
    pub struct UserQuota {
        /// Bytes per second that the user may write.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        pub produce: Option<u64> => Rule::in_place(),
        /// Bytes per second that it may read.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        pub consume: Option<u64> => Rule::in_place(),
        /// The part of the time of a thread that its requests may take, such as `50%`.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        pub request: Option<String> => Rule::in_place(),
    }
}

impl Kind for UserQuota {
    const NAME: &'static str = "user_quota";
    const ENGINE: Option<Engine> = Some(Engine::Ec2);
    const TAGGED: bool = false;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let one = |(name, _, user): (&str, _, &crate::stack::User)| {
            let quota = &user.quota;
            let request = quota.request.map(|share| share.to_string());
            let spec = UserQuota { produce: quota.produce.map(|rate| rate.0), consume: quota.consume.map(|rate| rate.0), request };
            (spec != UserQuota::default()).then(|| (name.to_owned(), spec))
        };
        design.stack.users().filter_map(one).collect()
    }

    fn after(&self, name: &str) -> Vec<Address> {
        vec![Address::new(super::KafkaUser::NAME, name)]
    }

    fn price(&self, _: &mut Costs<'_>) {}
}
