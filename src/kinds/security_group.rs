//! Security groups, without their rules: rules name other groups, so they are a kind of their own that comes after all groups.

use aws_sdk_ec2::types::{ResourceType, SecurityGroup as Sdk};
use serde::{Deserialize, Serialize};

use super::{NEW_STACK, fixed, no_id};
use crate::aws::{Aws, CloudError, Ctx, Done, cloud, tags_of};
use crate::design::Design;
use crate::resource::{Effect, FieldChange, Found, Kind, Ref};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SecurityGroup {
    pub vpc: Ref,
    pub group_name: String,
    pub description: String,
}

/// The groups of a stack and what they are for. The description can't be changed later.
pub fn groups(design: &Design) -> Vec<(&'static str, &'static str)> {
    let mut groups = vec![("brokers", "Kafka brokers"), ("clients", "Kafka clients: attach it to hosts that use the cluster")];
    if design.dedicated() {
        groups.push(("controllers", "Kafka controllers"));
    }
    if design.stack.network.endpoints.iter().any(|endpoint| **endpoint != *"s3") {
        groups.push(("endpoints", "Interfaces of VPC endpoints"));
    }
    groups
}

impl Kind for SecurityGroup {
    const NAME: &'static str = "security_group";
    const FREE: bool = true;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let group = |(name, description): (&str, &str)| {
            let spec = SecurityGroup {
                vpc: Ref::to("vpc", "main"),
                group_name: format!("{}-{name}", design.prefix()),
                description: description.to_owned(),
            };
            (name.to_owned(), spec)
        };
        groups(design).into_iter().map(group).collect()
    }

    fn effect(_: &FieldChange, _: bool) -> Effect {
        fixed("a security group's VPC, name or description", NEW_STACK)
    }

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, CloudError> {
        let all = aws.groups.since(aws.round(), || fetch(aws)).await?;
        Ok(all
            .iter()
            .map(|group| {
                let spec = SecurityGroup {
                    vpc: Ref::live(group.vpc_id()),
                    group_name: group.group_name().unwrap_or_default().to_owned(),
                    description: group.description().unwrap_or_default().to_owned(),
                };
                let id = group.group_id().unwrap_or_default().to_owned();
                Found { id, tags: tags_of(Some(group.tags())), spec, ended: false }
            })
            .collect())
    }

    async fn create(&self, ctx: &Ctx<'_>) -> Result<String, CloudError> {
        let call = ctx.aws.clients.ec2_once.create_security_group().vpc_id(ctx.id(&self.vpc)?);
        let call = call.group_name(&self.group_name).description(&self.description);
        let call = call.tag_specifications(ctx.tag_spec(ResourceType::SecurityGroup));
        let answer = call.send().await.map_err(cloud("CreateSecurityGroup"))?;
        answer.group_id.ok_or_else(|| no_id("CreateSecurityGroup"))
    }

    async fn update(&self, _: &Ctx<'_>, _: &str, _: &[FieldChange]) -> Result<(), CloudError> {
        Ok(()) // Every change is refused while planning.
    }

    async fn delete(&self, ctx: &Ctx<'_>, id: &str) -> Result<(), CloudError> {
        let call = ctx.aws.clients.ec2.delete_security_group().group_id(id);
        call.send().await.map_err(cloud("DeleteSecurityGroup")).or_gone()
    }
}

/// The stack's groups with their rules: one describe for both kinds.
pub async fn fetch(aws: &Aws) -> Result<Vec<Sdk>, CloudError> {
    let call = aws.clients.ec2.describe_security_groups().filters(aws.mine()).max_results(1000);
    call.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.map_err(cloud("DescribeSecurityGroups"))
}
