//! NAT gateways: the private subnets' way out.

use aws_sdk_ec2::types::{NatGateway as Sdk, NatGatewayState, ResourceType};
use serde::{Deserialize, Serialize};

use super::elastic_ip::nat_zones;
use super::{NEW_STACK, fixed, no_id};
use crate::aws::{Aws, CloudError, Ctx, Done, PATIENCE, cloud, tags_of};
use crate::design::Design;
use crate::resource::{Effect, FieldChange, Found, Kind, Ref};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NatGateway {
    pub subnet: Ref,
    pub elastic_ip: Ref,
    /// `available`; `pending` while it comes up.
    pub state: String,
}

impl Kind for NatGateway {
    const NAME: &'static str = "nat_gateway";

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let gateway = |key: String| {
            let spec = NatGateway {
                subnet: Ref::to("subnet", &format!("public-{key}")),
                elastic_ip: Ref::to("elastic_ip", &format!("nat-{key}")),
                state: "available".to_owned(),
            };
            (key, spec)
        };
        nat_zones(design).into_iter().map(gateway).collect()
    }

    fn effect(change: &FieldChange, _: bool) -> Effect {
        match change.field.as_str() {
            "state" => Effect::InPlace,
            _ => fixed("a NAT gateway's subnet or address", NEW_STACK),
        }
    }

    fn after(&self, _: &str) -> Vec<crate::resource::Address> {
        // AWS refuses a public NAT gateway in a VPC without an internet gateway.
        vec![crate::resource::Address::new("internet_gateway", "main")]
    }

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, CloudError> {
        let all = aws.nat_gateways.since(aws.round(), || fetch(aws)).await?;
        Ok(all
            .iter()
            .map(|gateway| {
                let address = gateway.nat_gateway_addresses().iter().find_map(|address| address.allocation_id());
                let state = gateway.state().map(NatGatewayState::as_str).unwrap_or_default();
                let spec = NatGateway {
                    subnet: Ref::live(gateway.subnet_id()),
                    elastic_ip: Ref::live(address),
                    state: state.to_owned(),
                };
                // A failed gateway stays visible for about an hour and then goes by itself.
                let ended = matches!(state, "deleting" | "deleted" | "failed");
                let id = gateway.nat_gateway_id().unwrap_or_default().to_owned();
                Found { id, tags: tags_of(Some(gateway.tags())), spec, ended }
            })
            .collect())
    }

    async fn create(&self, ctx: &Ctx<'_>) -> Result<String, CloudError> {
        let call = ctx.aws.clients.ec2_once.create_nat_gateway().subnet_id(ctx.id(&self.subnet)?);
        let call = call.allocation_id(ctx.id(&self.elastic_ip)?).client_token(ctx.token);
        let call = call.tag_specifications(ctx.tag_spec(ResourceType::Natgateway));
        let answer = call.send().await.map_err(cloud("CreateNatGateway"))?;
        answer.nat_gateway.and_then(|gateway| gateway.nat_gateway_id).ok_or_else(|| no_id("CreateNatGateway"))
    }

    async fn settle(&self, ctx: &Ctx<'_>, id: &str) -> Result<(), CloudError> {
        let what = format!("the NAT gateway {id} coming up");
        let ready = |all: &[Sdk]| {
            let Some(gateway) = all.iter().find(|gateway| gateway.nat_gateway_id() == Some(id)) else { return Ok(None) };
            match gateway.state() {
                Some(NatGatewayState::Available) => Ok(Some(())),
                Some(NatGatewayState::Failed) => {
                    let why = gateway.failure_message().unwrap_or("AWS gives no reason");
                    Err(CloudError::own("CreateNatGateway", format!("the NAT gateway {id} failed: {why}")))
                }
                _ => Ok(None),
            }
        };
        ctx.aws.nat_gateways.wait(&what, PATIENCE, || fetch(ctx.aws), ready).await
    }

    async fn update(&self, ctx: &Ctx<'_>, id: &str, _: &[FieldChange]) -> Result<(), CloudError> {
        self.settle(ctx, id).await
    }

    async fn delete(&self, ctx: &Ctx<'_>, id: &str) -> Result<(), CloudError> {
        let call = ctx.aws.clients.ec2.delete_nat_gateway().nat_gateway_id(id);
        call.send().await.map_err(cloud("DeleteNatGateway")).or_gone()?;
        // Its address can be released only when it is gone.
        let what = format!("the NAT gateway {id} going");
        let gone = |all: &[Sdk]| {
            let mut left = all.iter().filter(|gateway| gateway.nat_gateway_id() == Some(id));
            Ok(left.all(|gateway| gateway.state() == Some(&NatGatewayState::Deleted)).then_some(()))
        };
        ctx.aws.nat_gateways.wait(&what, PATIENCE, || fetch(ctx.aws), gone).await
    }
}

async fn fetch(aws: &Aws) -> Result<Vec<Sdk>, CloudError> {
    let pages = aws.clients.ec2.describe_nat_gateways().filter(aws.mine()).max_results(1000).into_paginator().items();
    pages.send().collect::<Result<Vec<_>, _>>().await.map_err(cloud("DescribeNatGateways"))
}
