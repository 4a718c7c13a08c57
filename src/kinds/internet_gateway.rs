//! The internet gateway, by which the public subnets' NAT gateways reach the internet.

use aws_sdk_ec2::types::ResourceType;
use serde::{Deserialize, Serialize};

use super::no_id;
use crate::aws::{Aws, Class, CloudError, Ctx, Done, cloud, tags_of};
use crate::design::Design;
use crate::resource::{Effect, FieldChange, Found, Kind, Ref};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InternetGateway {
    /// The VPC that it is attached to; empty when it is attached to none.
    pub vpc: Ref,
}

impl Kind for InternetGateway {
    const NAME: &'static str = "internet_gateway";
    const UNIQUE: bool = false;
    const FREE: bool = true;

    fn desired(_: &Design) -> Vec<(String, Self)> {
        vec![("main".to_owned(), InternetGateway { vpc: Ref::to("vpc", "main") })]
    }

    fn effect(_: &FieldChange, _: bool) -> Effect {
        Effect::InPlace
    }

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, CloudError> {
        let call = aws.clients.ec2.describe_internet_gateways().filters(aws.mine()).max_results(1000);
        let pages = call.into_paginator().items().send();
        let all = pages.collect::<Result<Vec<_>, _>>().await.map_err(cloud("DescribeInternetGateways"))?;
        Ok(all
            .into_iter()
            .map(|gateway| {
                let vpc = gateway.attachments().first().and_then(|attachment| attachment.vpc_id());
                let spec = InternetGateway { vpc: Ref::live(vpc) };
                let tags = tags_of(gateway.tags.as_deref());
                Found { id: gateway.internet_gateway_id.unwrap_or_default(), tags, spec, ended: false }
            })
            .collect())
    }

    async fn create(&self, ctx: &Ctx<'_>) -> Result<String, CloudError> {
        let call = ctx.aws.clients.ec2_once.create_internet_gateway();
        let call = call.tag_specifications(ctx.tag_spec(ResourceType::InternetGateway));
        let answer = call.send().await.map_err(cloud("CreateInternetGateway"))?;
        let id = answer.internet_gateway.and_then(|gateway| gateway.internet_gateway_id);
        id.ok_or_else(|| no_id("CreateInternetGateway"))
    }

    async fn settle(&self, ctx: &Ctx<'_>, id: &str) -> Result<(), CloudError> {
        let (ec2, vpc) = (&ctx.aws.clients.ec2, ctx.id(&self.vpc)?);
        let attach = ec2.attach_internet_gateway().internet_gateway_id(id).vpc_id(&vpc);
        let error = match attach.clone().send().await.map_err(cloud("AttachInternetGateway")) {
            Err(error) if error.class == Class::AlreadyDone => error,
            answer => return answer.map(drop),
        };
        // It is attached, by a first try whose answer was lost, or to another VPC by hand.
        let answer = ec2.describe_internet_gateways().internet_gateway_ids(id).send().await;
        let answer = answer.map_err(cloud("DescribeInternetGateways"))?;
        let mut places = answer.internet_gateways().iter().flat_map(|gateway| gateway.attachments());
        match places.find_map(|place| place.vpc_id()) {
            Some(place) if place == vpc => Ok(()),
            Some(other) => {
                let call = ec2.detach_internet_gateway().internet_gateway_id(id).vpc_id(other);
                call.send().await.map_err(cloud("DetachInternetGateway")).or_gone()?;
                attach.send().await.map_err(cloud("AttachInternetGateway")).map(drop)
            }
            // Not listed yet: another look tells.
            None => Err(error),
        }
    }

    async fn update(&self, ctx: &Ctx<'_>, id: &str, _: &[FieldChange]) -> Result<(), CloudError> {
        self.settle(ctx, id).await
    }

    async fn delete(&self, ctx: &Ctx<'_>, id: &str) -> Result<(), CloudError> {
        let ec2 = &ctx.aws.clients.ec2;
        if let Ok(vpc) = ctx.id(&self.vpc)
            && !vpc.is_empty()
        {
            let call = ec2.detach_internet_gateway().internet_gateway_id(id).vpc_id(vpc);
            call.send().await.map_err(cloud("DetachInternetGateway")).or_gone()?;
        }
        let call = ec2.delete_internet_gateway().internet_gateway_id(id);
        call.send().await.map_err(cloud("DeleteInternetGateway")).or_gone()
    }
}
