//! The internet gateway, by which the public subnets' NAT gateways reach the internet.

use super::no_id;
use crate::aws::{Aws, Class, Done, failed, tags_of};
use crate::driver::{Calls, Ctx, Driver, EC2_TAGS};
use crate::error::StepError;
use aws_sdk_ec2::types::ResourceType;
use kstack_core::kinds::InternetGateway;
use kstack_core::model::Tags;
use kstack_core::model::{FieldChange, Ref};
use kstack_core::observed::Found;
use kstack_core::permissions::call;

impl Driver<Aws> for InternetGateway {
    const CALLS: Calls = Calls {
        discover: &[call("DescribeInternetGateways")],
        create: &[
            call("CreateInternetGateway"),
            call("AttachInternetGateway"),
            call("DescribeInternetGateways"),
            call("DetachInternetGateway"),
        ],
        update: &[call("AttachInternetGateway"), call("DescribeInternetGateways"), call("DetachInternetGateway")],
        delete: &[call("DetachInternetGateway"), call("DeleteInternetGateway")],
        retag: EC2_TAGS,
    };

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        let list = |filter| async {
            let call = aws.clients.ec2.describe_internet_gateways().filters(filter).max_results(1000);
            let pages = call.into_paginator().items().send();
            pages.collect::<Result<Vec<_>, _>>().await.map_err(failed("DescribeInternetGateways"))
        };
        let all = aws.listed(|one| one.tags(), list).await?;
        Ok(all
            .into_iter()
            .map(|gateway| {
                let vpc = gateway.attachments().first().and_then(|attachment| attachment.vpc_id());
                let spec = InternetGateway { vpc: Ref::live(vpc) };
                let tags = tags_of(gateway.tags.as_deref());
                Found { id: gateway.internet_gateway_id.unwrap_or_default(), tags, spec, terminated: false }
            })
            .collect())
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        let call = ctx.system.clients.ec2_no_retry.create_internet_gateway();
        let call = call.tag_specifications(ctx.tag_spec(ResourceType::InternetGateway));
        let answer = call.send().await.map_err(failed("CreateInternetGateway"))?;
        let id = answer.internet_gateway.and_then(|gateway| gateway.internet_gateway_id);
        id.ok_or_else(|| no_id("CreateInternetGateway"))
    }

    async fn finish(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        let (ec2, vpc) = (&ctx.system.clients.ec2, ctx.id(&self.vpc)?);
        let attach = ec2.attach_internet_gateway().internet_gateway_id(id).vpc_id(&vpc);
        let error = match attach.clone().send().await.map_err(failed("AttachInternetGateway")) {
            Err(error) if error.class() == Class::AlreadyDone => error,
            answer => return answer.map(drop),
        };
        // It is attached, by a first try whose answer was lost; or since the plan, by hand, to another VPC: then that is the answer.
        let answer = ec2.describe_internet_gateways().internet_gateway_ids(id).send().await;
        let answer = answer.map_err(failed("DescribeInternetGateways"))?;
        let mut places = answer.internet_gateways().iter().flat_map(|gateway| gateway.attachments());
        match places.find_map(|place| place.vpc_id()) {
            Some(place) if place == vpc => Ok(()),
            Some(other) => Err(StepError::ended(format!("the internet gateway {id} is attached to {other}"), "")),
            // Not listed yet: another look tells.
            None => Err(error),
        }
    }

    async fn update(&self, ctx: &Ctx<'_, Aws>, id: &str, _: &[FieldChange]) -> Result<(), StepError> {
        self.finish(ctx, id).await
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        let ec2 = &ctx.system.clients.ec2;
        if let Ok(vpc) = ctx.id(&self.vpc)
            && !vpc.is_empty()
        {
            let call = ec2.detach_internet_gateway().internet_gateway_id(id).vpc_id(vpc);
            call.send().await.map_err(failed("DetachInternetGateway")).or_gone()?;
        }
        let call = ec2.delete_internet_gateway().internet_gateway_id(id);
        call.send().await.map_err(failed("DeleteInternetGateway")).or_gone()
    }

    async fn retag(ctx: &Ctx<'_, Aws>, id: &str, set: &Tags, unset: &[String]) -> Result<(), StepError> {
        ctx.retag_ec2(&[id], set, unset).await
    }
}
