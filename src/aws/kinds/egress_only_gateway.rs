//! The egress-only internet gateway, by which hosts in private subnets reach the internet over IPv6, and nobody there reaches them.

use super::{no_call_for, no_id};
use crate::aws::{Aws, Done, failed, tags_of};
use crate::driver::{Calls, Ctx, Driver, EC2_TAGS};
use crate::error::StepError;
use aws_sdk_ec2::types::{AttachmentStatus, InternetGatewayAttachment, ResourceType};
use kstack_core::kinds::EgressOnlyGateway;
use kstack_core::model::{FieldChange, Ref, Tags};
use kstack_core::observed::Found;
use kstack_core::permissions::call;

impl Driver<Aws> for EgressOnlyGateway {
    const CALLS: Calls = Calls {
        discover: &[call("DescribeEgressOnlyInternetGateways")],
        create: &[call("CreateEgressOnlyInternetGateway")],
        update: &[],
        delete: &[call("DeleteEgressOnlyInternetGateway")],
        retag: EC2_TAGS,
    };

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        let list = |filter| async {
            let call = aws.clients.ec2.describe_egress_only_internet_gateways().filters(filter).max_results(255);
            let pages = call.into_paginator().items().send();
            pages.collect::<Result<Vec<_>, _>>().await.map_err(failed("DescribeEgressOnlyInternetGateways"))
        };
        let all = aws.listed(|one| one.tags(), list).await?;
        Ok(all
            .into_iter()
            .map(|gateway| {
                let detached = |one: &InternetGatewayAttachment| {
                    matches!(one.state(), Some(AttachmentStatus::Detached | AttachmentStatus::Detaching))
                };
                let terminated = !gateway.attachments().is_empty() && gateway.attachments().iter().all(detached);
                let spec =
                    EgressOnlyGateway { vpc: Ref::live(gateway.attachments().first().and_then(|one| one.vpc_id())) };
                let tags = tags_of(gateway.tags.as_deref());
                let id = gateway.egress_only_internet_gateway_id.unwrap_or_default();
                Found { id, tags, spec, terminated }
            })
            .collect())
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        let call = ctx.system.clients.ec2_no_retry.create_egress_only_internet_gateway().vpc_id(ctx.id(&self.vpc)?);
        let call = call.client_token(ctx.token);
        let call = call.tag_specifications(ctx.tag_spec(ResourceType::EgressOnlyInternetGateway));
        let answer = call.send().await.map_err(failed("CreateEgressOnlyInternetGateway"))?;
        let id = answer.egress_only_internet_gateway.and_then(|gateway| gateway.egress_only_internet_gateway_id);
        id.ok_or_else(|| no_id("CreateEgressOnlyInternetGateway"))
    }

    async fn update(&self, _: &Ctx<'_, Aws>, _: &str, changes: &[FieldChange]) -> Result<(), StepError> {
        changes.first().map_or(Ok(()), |change| Err(no_call_for(change)))
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        let call = ctx.system.clients.ec2.delete_egress_only_internet_gateway().egress_only_internet_gateway_id(id);
        call.send().await.map_err(failed("DeleteEgressOnlyInternetGateway")).or_gone()
    }

    async fn retag(ctx: &Ctx<'_, Aws>, id: &str, set: &Tags, unset: &[String]) -> Result<(), StepError> {
        ctx.retag_ec2(&[id], set, unset).await
    }
}
