//! Public and private subnets, a pair in each zone. Private ones hold brokers and controllers; public ones hold NAT gateways
//! and the interfaces of endpoints, whose addresses AWS picks and which must not take a broker's.

use aws_sdk_ec2::types::ResourceType;
use serde::{Deserialize, Serialize};

use super::{NEW_STACK, fixed, no_id};
use crate::aws::{Aws, CloudError, Ctx, Done, cloud, tags_of};
use crate::design::Design;
use crate::resource::{Deletion, Effect, FieldChange, Found, Kind, Ref};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subnet {
    pub vpc: Ref,
    pub cidr: String,
    pub zone: String,
}

impl Kind for Subnet {
    const NAME: &'static str = "subnet";
    const FREE: bool = true;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let subnet = |zone: &str, cidr: ipnet::Ipv4Net| Subnet {
            vpc: Ref::to("vpc", "main"),
            cidr: cidr.to_string(),
            zone: zone.to_owned(),
        };
        let zones = design.zones.iter();
        zones
            .flat_map(|zone| {
                [
                    (format!("private-{}", zone.key), subnet(&zone.name, zone.private)),
                    (format!("public-{}", zone.key), subnet(&zone.name, zone.public)),
                ]
            })
            .collect()
    }

    fn effect(change: &FieldChange, _: bool) -> Effect {
        match change.field.as_str() {
            "cidr" => fixed("a subnet's address block", NEW_STACK),
            "zone" => fixed("a subnet's zone", NEW_STACK),
            _ => fixed("a subnet's VPC", NEW_STACK),
        }
    }

    fn deletion(&self) -> Deletion {
        Deletion::Refuse(
            format!("the zone {} can't be removed: brokers' volumes and addresses are bound to their zone", self.zone),
            format!("keep the zone in the file, or {NEW_STACK}"),
        )
    }

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, CloudError> {
        let pages = aws.clients.ec2.describe_subnets().filters(aws.mine()).max_results(1000).into_paginator().items();
        let all = pages.send().collect::<Result<Vec<_>, _>>().await.map_err(cloud("DescribeSubnets"))?;
        Ok(all
            .into_iter()
            .map(|subnet| {
                let spec = Subnet {
                    vpc: Ref::live(subnet.vpc_id()),
                    cidr: subnet.cidr_block().unwrap_or_default().to_owned(),
                    zone: subnet.availability_zone().unwrap_or_default().to_owned(),
                };
                let tags = tags_of(subnet.tags.as_deref());
                Found { id: subnet.subnet_id.unwrap_or_default(), tags, spec, ended: false }
            })
            .collect())
    }

    async fn create(&self, ctx: &Ctx<'_>) -> Result<String, CloudError> {
        let call = ctx.aws.clients.ec2_once.create_subnet().vpc_id(ctx.id(&self.vpc)?).cidr_block(&self.cidr);
        let call = call.availability_zone(&self.zone).tag_specifications(ctx.tag_spec(ResourceType::Subnet));
        let answer = call.send().await.map_err(cloud("CreateSubnet"))?;
        answer.subnet.and_then(|subnet| subnet.subnet_id).ok_or_else(|| no_id("CreateSubnet"))
    }

    async fn update(&self, _: &Ctx<'_>, _: &str, _: &[FieldChange]) -> Result<(), CloudError> {
        Ok(()) // Every change is refused while planning.
    }

    async fn delete(&self, ctx: &Ctx<'_>, id: &str) -> Result<(), CloudError> {
        ctx.aws.clients.ec2.delete_subnet().subnet_id(id).send().await.map_err(cloud("DeleteSubnet")).or_gone()
    }
}
