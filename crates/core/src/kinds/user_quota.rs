//! The most that each broker takes from a user and gives to it.

use super::prelude::*;

spec! {
    pub struct UserQuota {
        /// How much per second the user may write, such as `1048576 B`, or [`UNLIMITED`].
        pub produce: String => Rule::in_place(),
        /// How much it may read.
        pub consume: String => Rule::in_place(),
        /// The part of the time of a thread that its requests may take, such as `50%`, or [`UNLIMITED`].
        pub request: String => Rule::in_place(),
    }
}

/// What stands for no limit.
pub const UNLIMITED: &str = "unlimited";

impl UserQuota {
    /// Limits in bytes per second, and in percent of a thread's time; `None` where there is none at all.
    pub fn of(produce: Option<f64>, consume: Option<f64>, request: Option<f64>) -> Option<UserQuota> {
        let text = |value: Option<f64>, unit: &str| {
            value.map_or_else(|| UNLIMITED.to_owned(), |value| format!("{value}{unit}"))
        };
        let any = produce.or(consume).or(request).is_some();
        let spec = || UserQuota {
            produce: text(produce, " B/s"),
            consume: text(consume, " B/s"),
            request: text(request, "%"),
        };
        any.then(spec)
    }

    /// The same three, as numbers.
    pub fn limits(&self) -> [Option<f64>; 3] {
        let number = |text: &String| text.trim_end_matches(" B/s").trim_end_matches('%').parse().ok();
        [number(&self.produce), number(&self.consume), number(&self.request)]
    }
}

impl Kind for UserQuota {
    const NAME: &'static str = "user_quota";
    const TAGGED: bool = false;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let one = |(name, _, user): (&str, _, &crate::stack::User)| {
            let quota = &user.quota;
            let rate = |rate: Option<crate::stack::Rate>| rate.map(|rate| rate.0 as f64);
            let request = quota.request.map(crate::file::ThreadShare::percent);
            Some((name.to_owned(), UserQuota::of(rate(quota.produce), rate(quota.consume), request)?))
        };
        design.stack.named_users().filter_map(one).collect()
    }

    fn after(&self, name: &str) -> Vec<Address> {
        [super::KafkaUser::NAME, super::UserSecret::NAME].map(|kind| Address::new(kind, name)).into()
    }

    fn price(&self, _: &mut Costs<'_>) {}
}
