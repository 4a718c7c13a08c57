//! The public addresses of NAT gateways.

use super::prelude::*;
use crate::stack::Nat;

spec! {
    /// An address has no settings of its own.
    #[derive(Default)]
    pub struct ElasticIp {
        /// Of a live one: the id of the network interface, or of the association, that has it.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        pub attached_to: Option<String> => Rule::in_place().hidden(),
    }
}

/// The zones that have a NAT gateway, by key.
pub fn nat_zones(design: &Design) -> Vec<String> {
    let keys = design.zones.iter().map(|zone| zone.key.clone());
    match design.stack.network.nat_gateways() {
        Nat::OnePerZone => keys.collect(),
        Nat::Single => keys.take(1).collect(),
        Nat::None => Vec::new(),
    }
}

impl Kind for ElasticIp {
    const NAME: &'static str = "elastic_ip";
    const UNIQUE: bool = false;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        nat_zones(design).into_iter().map(|key| (format!("nat-{key}"), ElasticIp::default())).collect()
    }

    fn holders(&self) -> Vec<&str> {
        self.attached_to.as_deref().into_iter().collect()
    }

    fn price(&self, costs: &mut Costs<'_>) {
        costs.charge("public address", HOURS_PER_MONTH);
    }
}
