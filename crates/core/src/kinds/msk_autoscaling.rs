//! Storage that MSK's brokers grow by themselves: a target and a policy of Application Auto Scaling.
//!
//! Both calls put one setting in place of another, so they may run again. The policy goes before the cluster.

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
        };
        let max = design.msk.as_ref().and_then(|msk| msk.max_gib);
        max.map(|max| ("main".to_owned(), scaling(max))).into_iter().collect()
    }

    fn price(&self, _: &mut Costs<'_>) {}
}
