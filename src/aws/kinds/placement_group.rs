//! Placement groups, which keep brokers of a zone on different hardware.

use crate::aws::{Aws, Class, Done, failed, tags_of};
use crate::driver::{Calls, Ctx, Driver};
use crate::error::StepError;
use aws_sdk_ec2::types::{PlacementStrategy, ResourceType};
use kstack_core::kinds::PlacementGroup;
use kstack_core::model::{FieldChange, Tags};
use kstack_core::observed::Found;
use kstack_core::permissions::call;

impl Driver<Aws> for PlacementGroup {
    const CALLS: Calls = Calls {
        discover: &[call("DescribePlacementGroups")],
        create: &[call("CreatePlacementGroup")],
        update: &[],
        delete: &[call("DeletePlacementGroup")],
        retag: &[call("DescribePlacementGroups"), call("CreateTags"), call("DeleteTags")],
    };

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        let list = |filter| async {
            let call = aws.clients.ec2.describe_placement_groups().filters(filter);
            let answer = call.send().await.map_err(failed("DescribePlacementGroups"))?;
            Ok(answer.placement_groups.unwrap_or_default())
        };
        let all = aws.listed(|one| one.tags(), list).await?;
        Ok(all
            .into_iter()
            .map(|group| {
                let spec = PlacementGroup {
                    strategy: group.strategy().map(PlacementStrategy::as_str).unwrap_or_default().to_owned(),
                    partitions: group.partition_count().filter(|count| *count > 0),
                };
                let terminated = group.state().is_some_and(|state| state.as_str().starts_with("delet"));
                // Calls and instances know a group by its name, which is unique in the region.
                Found {
                    id: group.group_name.unwrap_or_default(),
                    tags: tags_of(group.tags.as_deref()),
                    spec,
                    terminated,
                }
            })
            .collect())
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        let name = format!("kstack-{}-{}", ctx.system.stack(), ctx.address.name);
        let call = ctx.system.clients.ec2_no_retry.create_placement_group().group_name(&name);
        let call = call.strategy(PlacementStrategy::from(self.strategy.as_str())).set_partition_count(self.partitions);
        match call.tag_specifications(ctx.tag_spec(ResourceType::PlacementGroup)).send().await {
            Ok(_) => Ok(name),
            Err(error) => match failed("CreatePlacementGroup")(error) {
                // The name is this stack's own: a group that is there already came from a call whose answer was lost.
                error if error.class() == Class::Conflict => Ok(name),
                error => Err(error),
            },
        }
    }

    async fn update(&self, _: &Ctx<'_, Aws>, _: &str, _: &[FieldChange]) -> Result<(), StepError> {
        Ok(()) // Every change is a replacement.
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        let call = ctx.system.clients.ec2.delete_placement_group().group_name(id);
        call.send().await.map_err(failed("DeletePlacementGroup")).or_gone()
    }

    async fn retag(ctx: &Ctx<'_, Aws>, id: &str, set: &Tags, unset: &[String]) -> Result<(), StepError> {
        // Tags are set by the group's id, all else goes by its name.
        let call = ctx.system.clients.ec2.describe_placement_groups().group_names(id);
        let answer = call.send().await.map_err(failed("DescribePlacementGroups"))?;
        let group = answer.placement_groups().first().and_then(|group| group.group_id());
        match group {
            Some(group) => ctx.retag_ec2(&[group], set, unset).await,
            None => Err(StepError::ended(format!("the placement group {id} does not exist"), "")),
        }
    }
}
