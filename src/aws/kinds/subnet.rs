//! Public and private subnets, a pair in each zone. Private ones hold brokers and controllers; public ones hold NAT gateways
//! and the interfaces of endpoints, whose addresses AWS picks and which must not take a broker's.

use super::no_id;
use crate::aws::{Aws, Done, failed, tags_of};
use crate::driver::{Calls, Ctx, Driver, EC2_TAGS};
use crate::error::StepError;
use aws_sdk_ec2::types::ResourceType;
use kstack_core::kinds::Subnet;
use kstack_core::model::Tags;
use kstack_core::model::{FieldChange, Ref};
use kstack_core::observed::Found;
use kstack_core::permissions::call;

impl Driver<Aws> for Subnet {
    const CALLS: Calls = Calls {
        discover: &[call("DescribeSubnets")],
        create: &[call("CreateSubnet")],
        update: &[],
        delete: &[call("DeleteSubnet")],
        retag: EC2_TAGS,
    };

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        let pages = aws.clients.ec2.describe_subnets().filters(aws.mine()).max_results(1000).into_paginator().items();
        let all = pages.send().collect::<Result<Vec<_>, _>>().await.map_err(failed("DescribeSubnets"))?;
        Ok(all
            .into_iter()
            .map(|subnet| {
                let spec = Subnet {
                    vpc: Ref::live(subnet.vpc_id()),
                    cidr: subnet.cidr_block().unwrap_or_default().to_owned(),
                    zone: subnet.availability_zone().unwrap_or_default().to_owned(),
                };
                let tags = tags_of(subnet.tags.as_deref());
                Found { id: subnet.subnet_id.unwrap_or_default(), tags, spec, terminated: false }
            })
            .collect())
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        let call = ctx.system.clients.ec2_no_retry.create_subnet().vpc_id(ctx.id(&self.vpc)?).cidr_block(&self.cidr);
        let call = call.availability_zone(&self.zone).tag_specifications(ctx.tag_spec(ResourceType::Subnet));
        let answer = call.send().await.map_err(failed("CreateSubnet"))?;
        answer.subnet.and_then(|subnet| subnet.subnet_id).ok_or_else(|| no_id("CreateSubnet"))
    }

    async fn update(&self, _: &Ctx<'_, Aws>, _: &str, _: &[FieldChange]) -> Result<(), StepError> {
        Ok(()) // Every change is refused while planning.
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        ctx.system.clients.ec2.delete_subnet().subnet_id(id).send().await.map_err(failed("DeleteSubnet")).or_gone()
    }

    async fn retag(ctx: &Ctx<'_, Aws>, id: &str, set: &Tags, unset: &[String]) -> Result<(), StepError> {
        ctx.retag_ec2(&[id], set, unset).await
    }
}
