//! The instance profile, by which instances take the hosts' role.

use super::prelude::*;
use super::role::{NEW_PATH, PATH, no_path, path_of};

spec! {
    pub struct InstanceProfile {
        /// The role in it; empty when there is none.
        pub role: Ref => Rule::in_place(),
        #[serde(default = "no_path")]
        pub path: String => Rule::fixed(PATH, NEW_PATH).hidden(),
    }
}

/// The instance profile that the stack's hosts take.
pub(super) fn profile_of(design: &Design) -> Ref {
    match design.stack.instance_profile() {
        Some(profile) => Ref::Id(profile.name().to_owned()),
        None => Ref::to(InstanceProfile::NAME, "hosts"),
    }
}

impl InstanceProfile {
    /// The end of its name in the account.
    pub const SUFFIX: &str = "profile";
}

impl Kind for InstanceProfile {
    const NAME: &'static str = "instance_profile";
    const NAMED: bool = true;
    const IN_IAM: bool = true;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let profile = || InstanceProfile { role: Ref::to("role", "hosts"), path: path_of(design) };
        design.stack.has_own_role().then(|| ("hosts".to_owned(), profile())).into_iter().collect()
    }

    fn price(&self, _: &mut Costs<'_>) {}
}
