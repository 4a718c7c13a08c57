//! The server properties of an MSK cluster: one configuration for each stack, and a revision for each change.
//!
//! It names no Kafka versions, so it suits each that the cluster is brought to, and an upgrade never needs another one in
//! its place. A new revision does nothing until the cluster uses it: that is an operation of the cluster.

use super::prelude::*;

spec! {
    pub struct MskConfiguration {
        /// `key=value`, of the newest revision.
        pub properties: Vec<String> => Rule::in_place(),
    }
}

impl Kind for MskConfiguration {
    const NAME: &'static str = "msk_configuration";
    const ENGINE: Option<Engine> = Some(Engine::Msk);
    const TAGGED: bool = false;
    const NAMED: bool = true;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let provisioned = design.msk.as_ref().filter(|msk| msk.provisioned.is_some());
        let configuration = |properties: &Vec<String>| MskConfiguration { properties: properties.clone() };
        provisioned.map(|msk| ("main".to_owned(), configuration(&msk.properties))).into_iter().collect()
    }

    fn price(&self, _: &mut Costs<'_>) {}
}
