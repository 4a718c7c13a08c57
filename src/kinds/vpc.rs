//! The VPC, with DNS on.

use aws_sdk_ec2::types::{AttributeBooleanValue, ResourceType, VpcAttributeName};
use serde::{Deserialize, Serialize};

use super::{NEW_STACK, fixed, no_id};
use crate::aws::{Aws, CloudError, Ctx, Done, cloud, tags_of};
use crate::design::Design;
use crate::resource::{Effect, Engine, FieldChange, Found, Kind, Tags, tag};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Vpc {
    pub cidr: String,
    pub dns_support: bool,
    pub dns_hostnames: bool,
    /// What runs Kafka in it, for the VPC's tag.
    #[serde(skip, default = "ec2")]
    pub engine: Engine,
}

/// The engine of a VPC whose tag says none.
fn ec2() -> Engine {
    Engine::Ec2
}

impl Kind for Vpc {
    const NAME: &'static str = "vpc";
    const UNIQUE: bool = false;
    const FREE: bool = true;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let cidr = design.stack.network.cidr.to_string();
        vec![("main".to_owned(), Vpc { cidr, dns_support: true, dns_hostnames: true, engine: Engine::of(&design.stack) })]
    }

    fn effect(change: &FieldChange, _: bool) -> Effect {
        match change.field.as_str() {
            "cidr" => fixed("the VPC's address block", NEW_STACK),
            _ => Effect::InPlace,
        }
    }

    /// Brokers on EC2 are the rule, and have no tag: stacks from before there was MSK are theirs.
    fn tags(&self) -> Tags {
        let msk = (self.engine == Engine::Msk).then(|| (tag::ENGINE.to_owned(), "msk".to_owned()));
        msk.into_iter().collect()
    }

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, CloudError> {
        let pages = aws.clients.ec2.describe_vpcs().filters(aws.mine()).max_results(1000).into_paginator().items();
        let vpcs = pages.send().collect::<Result<Vec<_>, _>>().await.map_err(cloud("DescribeVpcs"))?;
        // The attributes are the one second round of a discovery: DescribeVpcs does not tell them.
        let found = vpcs.into_iter().map(|vpc| async move {
            let id = vpc.vpc_id.unwrap_or_default();
            // Nothing is planned from a discovery of every stack: it goes without them.
            let (dns_support, dns_hostnames) = if aws.all() { (true, true) } else { tokio::try_join!(
                attribute(aws, &id, VpcAttributeName::EnableDnsSupport),
                attribute(aws, &id, VpcAttributeName::EnableDnsHostnames),
            )? };
            let spec =
                Vpc { cidr: vpc.cidr_block.unwrap_or_default(), dns_support, dns_hostnames, engine: Engine::Ec2 };
            Ok(Found { id, tags: tags_of(vpc.tags.as_deref()), spec, ended: false })
        });
        futures::future::try_join_all(found).await
    }

    async fn create(&self, ctx: &Ctx<'_>) -> Result<String, CloudError> {
        let call = ctx.aws.clients.ec2_once.create_vpc().cidr_block(&self.cidr);
        let answer = call.tag_specifications(ctx.tag_spec(ResourceType::Vpc)).send().await.map_err(cloud("CreateVpc"))?;
        answer.vpc.and_then(|vpc| vpc.vpc_id).ok_or_else(|| no_id("CreateVpc"))
    }

    async fn settle(&self, ctx: &Ctx<'_>, id: &str) -> Result<(), CloudError> {
        // A new VPC has DNS support, and no host names. The call takes one attribute.
        self.hostnames(ctx, id).await
    }

    async fn update(&self, ctx: &Ctx<'_>, id: &str, changes: &[FieldChange]) -> Result<(), CloudError> {
        if changes.iter().any(|change| change.field == "dns_support") {
            let value = AttributeBooleanValue::builder().value(self.dns_support).build();
            let call = ctx.aws.clients.ec2.modify_vpc_attribute().vpc_id(id).enable_dns_support(value);
            call.send().await.map_err(cloud("ModifyVpcAttribute"))?;
        }
        self.hostnames(ctx, id).await
    }

    async fn delete(&self, ctx: &Ctx<'_>, id: &str) -> Result<(), CloudError> {
        ctx.aws.clients.ec2.delete_vpc().vpc_id(id).send().await.map_err(cloud("DeleteVpc")).or_gone()
    }
}

impl Vpc {
    async fn hostnames(&self, ctx: &Ctx<'_>, id: &str) -> Result<(), CloudError> {
        let value = AttributeBooleanValue::builder().value(self.dns_hostnames).build();
        let call = ctx.aws.clients.ec2.modify_vpc_attribute().vpc_id(id).enable_dns_hostnames(value);
        call.send().await.map_err(cloud("ModifyVpcAttribute")).map(|_| ())
    }
}

async fn attribute(aws: &Aws, id: &str, name: VpcAttributeName) -> Result<bool, CloudError> {
    let call = aws.clients.ec2.describe_vpc_attribute().vpc_id(id).attribute(name);
    let answer = call.send().await.map_err(cloud("DescribeVpcAttribute"))?;
    let value = answer.enable_dns_support().or(answer.enable_dns_hostnames());
    Ok(value.and_then(AttributeBooleanValue::value).unwrap_or_default())
}
