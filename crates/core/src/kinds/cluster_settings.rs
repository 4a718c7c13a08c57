//! The settings that all brokers have while they run: what Kafka changes without a restart. There is one set of them, and a cluster has it
//! from its start: what its hosts' files say.

use std::collections::BTreeMap;

use super::prelude::*;

/// The one name.
pub const BROKERS: &str = "brokers";

spec! {
    pub struct ClusterSettings {
        /// As brokers run with it, wherever they have it from: each by Kafka's name.
        pub config: BTreeMap<String, String> => Rule::in_place().keyed(),
    }
}

impl Kind for ClusterSettings {
    const NAME: &'static str = "cluster_settings";
    const TAGGED: bool = false;
    const ENGINE: Option<Engine> = Some(Engine::Ec2);

    fn desired(design: &Design) -> Vec<(String, Self)> {
        design.running.clone().map(|config| (BROKERS.to_owned(), ClusterSettings { config })).into_iter().collect()
    }

    fn update_reason(_: &[FieldChange]) -> String {
        "brokers change it while they run: no host is rolled for it".to_owned()
    }

    fn price(&self, _: &mut Costs<'_>) {}
}
