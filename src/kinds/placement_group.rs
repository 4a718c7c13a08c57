//! Placement groups, which keep brokers of a zone on different hardware.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{PlacementStrategy, ResourceType};
use serde::{Deserialize, Serialize};

use crate::aws::{Aws, Class, CloudError, Ctx, Done, cloud, tags_of};
use crate::design::Design;
use crate::resource::{Effect, Engine, FieldChange, Found, Kind, Tags};
use crate::stack::Placement;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlacementGroup {
    pub strategy: String,
    /// Partitions in each zone, of a partition group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partitions: Option<i32>,
}

impl Kind for PlacementGroup {
    const NAME: &'static str = "placement_group";
    const ENGINE: Option<Engine> = Some(Engine::Ec2);
    const FREE: bool = true;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let placement = design.stack.cluster.ec2.as_ref().map_or(Placement::None, |ec2| ec2.placement);
        let partitions = (placement == Placement::Partition).then_some(7);
        let names = design.hosts.iter().filter_map(|host| host.placement.as_ref()).map(|(name, _)| name.clone());
        let groups: BTreeMap<String, Self> =
            names.map(|name| (name, PlacementGroup { strategy: placement.word().to_owned(), partitions })).collect();
        groups.into_iter().collect()
    }

    fn effect(_: &FieldChange, _: bool) -> Effect {
        Effect::Replace // The strategy is part of the name, so this is only met where a group was made by hand.
    }

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, CloudError> {
        let call = aws.clients.ec2.describe_placement_groups().filters(aws.mine());
        let answer = call.send().await.map_err(cloud("DescribePlacementGroups"))?;
        Ok(answer
            .placement_groups
            .unwrap_or_default()
            .into_iter()
            .map(|group| {
                let spec = PlacementGroup {
                    strategy: group.strategy().map(PlacementStrategy::as_str).unwrap_or_default().to_owned(),
                    partitions: group.partition_count().filter(|count| *count > 0),
                };
                let ended = group.state().is_some_and(|state| state.as_str().starts_with("delet"));
                // Calls and instances know a group by its name, which is unique in the region.
                Found { id: group.group_name.unwrap_or_default(), tags: tags_of(group.tags.as_deref()), spec, ended }
            })
            .collect())
    }

    async fn create(&self, ctx: &Ctx<'_>) -> Result<String, CloudError> {
        let name = format!("kstack-{}-{}", ctx.aws.stack, ctx.address.name);
        let call = ctx.aws.clients.ec2_once.create_placement_group().group_name(&name);
        let call = call.strategy(PlacementStrategy::from(self.strategy.as_str())).set_partition_count(self.partitions);
        match call.tag_specifications(ctx.tag_spec(ResourceType::PlacementGroup)).send().await {
            Ok(_) => Ok(name),
            Err(error) => match cloud("CreatePlacementGroup")(error) {
                // The name is this stack's own: a group that is there already came from a call whose answer was lost.
                error if error.class == Class::Conflict => Ok(name),
                error => Err(error),
            },
        }
    }

    async fn update(&self, _: &Ctx<'_>, _: &str, _: &[FieldChange]) -> Result<(), CloudError> {
        Ok(()) // Every change is a replacement.
    }

    async fn delete(&self, ctx: &Ctx<'_>, id: &str) -> Result<(), CloudError> {
        let call = ctx.aws.clients.ec2.delete_placement_group().group_name(id);
        call.send().await.map_err(cloud("DeletePlacementGroup")).or_gone()
    }

    async fn retag(ctx: &Ctx<'_>, id: &str, set: &Tags, unset: &[String]) -> Result<(), CloudError> {
        // Tags are set by the group's id, all else goes by its name.
        let call = ctx.aws.clients.ec2.describe_placement_groups().group_names(id);
        let answer = call.send().await.map_err(cloud("DescribePlacementGroups"))?;
        let group = answer.placement_groups().first().and_then(|group| group.group_id());
        match group {
            Some(group) => ctx.retag_ec2(&[group], set, unset).await,
            None => Err(CloudError::own("CreateTags", format!("the placement group {id} is not there"))),
        }
    }
}
