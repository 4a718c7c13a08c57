//! The public addresses of NAT gateways.

use super::prelude::*;
use crate::stack::Nat;

spec! {
    /// An address has no settings of its own.
    pub struct ElasticIp {}
}

/// The zones that have a NAT gateway, by key.
pub fn nat_zones(design: &Design) -> Vec<String> {
    let keys = design.zones.iter().map(|zone| zone.key.clone());
    match design.stack.network.nat {
        Nat::OnePerZone => keys.collect(),
        Nat::Single => keys.take(1).collect(),
        Nat::None => Vec::new(),
    }
}

impl Kind for ElasticIp {
    const NAME: &'static str = "elastic_ip";
    const UNIQUE: bool = false;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        nat_zones(design).into_iter().map(|key| (format!("nat-{key}"), ElasticIp {})).collect()
    }

    fn price(&self, costs: &mut Costs<'_>) {
        costs.charge("public address", HOURS_PER_MONTH);
    }
}
