//! The public addresses of NAT gateways.

use super::no_id;
use crate::aws::{Aws, Done, failed, tags_of};
use crate::driver::{Calls, Ctx, Driver, EC2_TAGS};
use crate::error::StepError;
use aws_sdk_ec2::types::{DomainType, ResourceType};
use kstack_core::kinds::ElasticIp;
use kstack_core::model::FieldChange;
use kstack_core::model::Tags;
use kstack_core::observed::Found;
use kstack_core::permissions::call;

impl Driver<Aws> for ElasticIp {
    const CALLS: Calls = Calls {
        discover: &[call("DescribeAddresses")],
        create: &[call("AllocateAddress")],
        update: &[],
        delete: &[call("ReleaseAddress")],
        retag: EC2_TAGS,
    };

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        let list = |filter| async {
            let call = aws.clients.ec2.describe_addresses().filters(filter);
            Ok(call.send().await.map_err(failed("DescribeAddresses"))?.addresses.unwrap_or_default())
        };
        let all = aws.listed(|one| one.tags(), list).await?;
        Ok(all
            .into_iter()
            .map(|address| {
                let tags = tags_of(address.tags.as_deref());
                let spec = ElasticIp { attached_to: address.network_interface_id.or(address.association_id) };
                Found { id: address.allocation_id.unwrap_or_default(), tags, spec, terminated: false }
            })
            .collect())
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        let call = ctx.system.clients.ec2_no_retry.allocate_address().domain(DomainType::Vpc);
        let call = call.tag_specifications(ctx.tag_spec(ResourceType::ElasticIp));
        let answer = call.send().await.map_err(failed("AllocateAddress"))?;
        answer.allocation_id.ok_or_else(|| no_id("AllocateAddress"))
    }

    async fn update(&self, _: &Ctx<'_, Aws>, _: &str, _: &[FieldChange]) -> Result<(), StepError> {
        Ok(()) // There is no field that could differ.
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        ctx.system
            .clients
            .ec2
            .release_address()
            .allocation_id(id)
            .send()
            .await
            .map_err(failed("ReleaseAddress"))
            .or_gone()
    }

    async fn retag(ctx: &Ctx<'_, Aws>, id: &str, set: &Tags, unset: &[String]) -> Result<(), StepError> {
        ctx.retag_ec2(&[id], set, unset).await
    }
}
