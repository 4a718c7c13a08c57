//! Storage that MSK's brokers grow by themselves: a target and a policy of Application Auto Scaling.
//!
//! Both calls put one setting in place of another, so they may run again. The policy goes before the cluster. Policies of others stay,
//! and with them the target.

use super::prelude::*;

/// Volumes grow once they are fuller than this. AWS advises 50 to 60 %.
pub const TARGET_PERCENT: u32 = 60;

spec! {
    pub struct MskAutoscaling {
        pub cluster: Ref => Rule::in_place(),
        /// How far a volume may grow.
        pub max_gib: u64 => Rule::in_place(),
        /// How full volumes may be; 0 where there is no policy.
        pub target_percent: u32 => Rule::in_place(),
        /// Of a live one: what others have put there for the same storage, in words.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        pub others: Option<Vec<String>> => Rule::in_place().hidden(),
    }
}

impl Kind for MskAutoscaling {
    const NAME: &'static str = "msk_autoscaling";
    const ENGINE: Option<Engine> = Some(Engine::Msk);
    const TAGGED: bool = false;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let scaling = |max_gib: u64| MskAutoscaling {
            cluster: Ref::to(super::MskCluster::NAME, "main"),
            max_gib,
            target_percent: TARGET_PERCENT,
            others: None,
        };
        let max = design.msk.as_ref().and_then(|msk| msk.max_gib);
        max.map(|max| ("main".to_owned(), scaling(max))).into_iter().collect()
    }

    fn others(&self) -> Vec<String> {
        self.others.clone().unwrap_or_default()
    }

    /// Where no policy is the stack's, the storage grows as others want it to.
    fn of_others(&self) -> bool {
        self.target_percent == 0 && self.others.as_ref().is_some_and(|others| !others.is_empty())
    }

    fn price(&self, _: &mut Costs<'_>) {}
}
