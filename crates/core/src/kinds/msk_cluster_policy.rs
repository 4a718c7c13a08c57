//! The resource policy of an MSK cluster.

use super::prelude::*;

spec! {
    pub struct MskClusterPolicy {
        pub cluster: Ref => Rule::in_place(),
        /// The document as JSON without spaces, its keys sorted.
        pub policy: String => Rule::in_place(),
    }
}

impl Kind for MskClusterPolicy {
    const NAME: &'static str = "msk_cluster_policy";
    const ENGINE: Option<Engine> = Some(Engine::Msk);
    const TAGGED: bool = false;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let policy = design.stack.cluster.msk.as_ref().and_then(|msk| msk.policy.as_ref());
        let cluster = Ref::to(super::MskCluster::NAME, "main");
        let policy = policy.map(|policy| MskClusterPolicy { cluster, policy: policy.0.to_string() });
        policy.map(|policy| ("main".to_owned(), policy)).into_iter().collect()
    }

    fn price(&self, _: &mut Costs<'_>) {}
}
