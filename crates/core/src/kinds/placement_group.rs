//! Placement groups, which keep brokers of a zone on different hardware.

use std::collections::BTreeMap;

use super::prelude::*;
use crate::stack::Placement;

spec! {
    pub struct PlacementGroup {
        pub strategy: String => Rule::replace(),
        /// Partitions in each zone, of a partition group.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub partitions: Option<i32> => Rule::replace(),
    }
}

impl Kind for PlacementGroup {
    const NAME: &'static str = "placement_group";
    const ENGINE: Option<Engine> = Some(Engine::Ec2);

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let placement = design.stack.cluster.ec2.as_ref().map_or(Placement::None, |ec2| ec2.placement);
        let partitions = (placement == Placement::Partition).then_some(7);
        let names = design.hosts.iter().filter_map(|host| host.placement.as_ref()).map(|seat| seat.group.clone());
        let groups: BTreeMap<String, Self> =
            names.map(|name| (name, PlacementGroup { strategy: placement.word().to_owned(), partitions })).collect();
        groups.into_iter().collect()
    }

    fn price(&self, _: &mut Costs<'_>) {}
}
