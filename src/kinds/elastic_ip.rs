//! The public addresses of NAT gateways.

use aws_sdk_ec2::types::{DomainType, ResourceType};
use serde::{Deserialize, Serialize};

use super::no_id;
use crate::aws::{Aws, CloudError, Ctx, Done, cloud, tags_of};
use crate::design::Design;
use crate::resource::{Effect, FieldChange, Found, Kind};
use crate::stack::Nat;

/// An address has no settings of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ElasticIp {}

/// The zones that have a NAT gateway, by key.
pub fn nat_zones(design: &Design) -> Vec<String> {
    let keys = design.zones.iter().map(|zone| zone.key.clone());
    match design.stack.network.nat {
        Nat::OnePerZone => keys.collect(),
        Nat::Single => keys.take(1).collect(),
        Nat::None => Vec::new(),
    }
}

impl Kind for ElasticIp {
    const NAME: &'static str = "elastic_ip";
    const UNIQUE: bool = false;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        nat_zones(design).into_iter().map(|key| (format!("nat-{key}"), ElasticIp {})).collect()
    }

    fn effect(_: &FieldChange, _: bool) -> Effect {
        Effect::InPlace
    }

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, CloudError> {
        let answer =
            aws.clients.ec2.describe_addresses().filters(aws.mine()).send().await.map_err(cloud("DescribeAddresses"))?;
        Ok(answer
            .addresses
            .unwrap_or_default()
            .into_iter()
            .map(|address| {
                let tags = tags_of(address.tags.as_deref());
                Found { id: address.allocation_id.unwrap_or_default(), tags, spec: ElasticIp {}, ended: false }
            })
            .collect())
    }

    async fn create(&self, ctx: &Ctx<'_>) -> Result<String, CloudError> {
        let call = ctx.aws.clients.ec2_once.allocate_address().domain(DomainType::Vpc);
        let call = call.tag_specifications(ctx.tag_spec(ResourceType::ElasticIp));
        let answer = call.send().await.map_err(cloud("AllocateAddress"))?;
        answer.allocation_id.ok_or_else(|| no_id("AllocateAddress"))
    }

    async fn update(&self, _: &Ctx<'_>, _: &str, _: &[FieldChange]) -> Result<(), CloudError> {
        Ok(()) // There is no field that could differ.
    }

    async fn delete(&self, ctx: &Ctx<'_>, id: &str) -> Result<(), CloudError> {
        ctx.aws.clients.ec2.release_address().allocation_id(id).send().await.map_err(cloud("ReleaseAddress")).or_gone()
    }
}
