//! The instance profile, by which instances take the hosts' role.

use super::prelude::*;

spec! {
    pub struct InstanceProfile {
        /// The role in it; empty when there is none.
        pub role: Ref => Rule::in_place(),
    }
}

impl Kind for InstanceProfile {
    const NAME: &'static str = "instance_profile";
    const ENGINE: Option<Engine> = Some(Engine::Ec2);
    const NAMED: bool = true;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let profile = ("hosts".to_owned(), InstanceProfile { role: Ref::to("role", "hosts") });
        if Engine::of(&design.stack) == Engine::Ec2 { vec![profile] } else { Vec::new() }
    }

    fn price(&self, _: &mut Costs<'_>) {}
}
