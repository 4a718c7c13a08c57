//! Security groups, without their rules: rules name other groups, so they are a kind of their own that comes after all groups.

use super::no_id;
use crate::aws::{Aws, Done, failed, tags_of};
use crate::driver::{Calls, Ctx, Driver, EC2_TAGS};
use crate::error::StepError;
use aws_sdk_ec2::types::{ResourceType, SecurityGroup as Sdk};
use kstack_core::kinds::SecurityGroup;
use kstack_core::model::Tags;
use kstack_core::model::{FieldChange, Ref};
use kstack_core::observed::Found;
use kstack_core::permissions::call;

impl Driver<Aws> for SecurityGroup {
    const CALLS: Calls = Calls {
        discover: &[call("DescribeSecurityGroups")],
        create: &[call("CreateSecurityGroup")],
        update: &[],
        delete: &[call("DeleteSecurityGroup")],
        retag: EC2_TAGS,
    };

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        let all = aws.groups.since(aws.round(), || fetch(aws)).await?;
        Ok(all.iter().filter(|group| !is_default(group)).map(found).collect())
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        let call = ctx.system.clients.ec2_no_retry.create_security_group().vpc_id(ctx.id(&self.vpc)?);
        let call = call.group_name(&self.group_name).description(&self.description);
        let call = call.tag_specifications(ctx.tag_spec(ResourceType::SecurityGroup));
        let answer = call.send().await.map_err(failed("CreateSecurityGroup"))?;
        answer.group_id.ok_or_else(|| no_id("CreateSecurityGroup"))
    }

    async fn update(&self, _: &Ctx<'_, Aws>, _: &str, _: &[FieldChange]) -> Result<(), StepError> {
        Ok(()) // Every change is refused while planning.
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        let call = ctx.system.clients.ec2.delete_security_group().group_id(id);
        call.send().await.map_err(failed("DeleteSecurityGroup")).or_gone()
    }

    async fn retag(ctx: &Ctx<'_, Aws>, id: &str, set: &Tags, unset: &[String]) -> Result<(), StepError> {
        ctx.retag_ec2(&[id], set, unset).await
    }
}

/// Whether it is the group that AWS makes with each VPC: a part of the VPC, and no resource of its own.
pub fn is_default(group: &Sdk) -> bool {
    group.group_name() == Some("default")
}

/// The group as a discovery finds it.
pub fn found(group: &Sdk) -> Found<SecurityGroup> {
    let spec = SecurityGroup {
        vpc: Ref::live(group.vpc_id()),
        group_name: group.group_name().unwrap_or_default().to_owned(),
        description: group.description().unwrap_or_default().to_owned(),
        engine: None,
    };
    let id = group.group_id().unwrap_or_default().to_owned();
    Found { id, tags: tags_of(Some(group.tags())), spec, terminated: false }
}

/// The stack's groups with their rules: one describe for both kinds.
pub async fn fetch(aws: &Aws) -> Result<Vec<Sdk>, StepError> {
    let list = |filter| async {
        let call = aws.clients.ec2.describe_security_groups().filters(filter).max_results(1000);
        let pages = call.into_paginator().items().send();
        pages.collect::<Result<Vec<_>, _>>().await.map_err(failed("DescribeSecurityGroups"))
    };
    aws.listed(|one| one.tags(), list).await
}
