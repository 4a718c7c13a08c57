//! NAT gateways: the private subnets' outbound internet access.

use super::no_id;
use crate::aws::{Aws, Done, READY_TIMEOUT, failed, tags_of};
use crate::driver::{Calls, Ctx, Driver, EC2_TAGS};
use crate::error::StepError;
use aws_sdk_ec2::types::{NatGateway as Sdk, NatGatewayState, ResourceType};
use kstack_core::kinds::NatGateway;
use kstack_core::model::Tags;
use kstack_core::model::{FieldChange, Ref};
use kstack_core::observed::Found;
use kstack_core::permissions::call;

impl Driver<Aws> for NatGateway {
    const CALLS: Calls = Calls {
        discover: &[call("DescribeNatGateways")],
        create: &[call("CreateNatGateway"), call("DescribeNatGateways")],
        update: &[call("DescribeNatGateways")],
        delete: &[call("DeleteNatGateway"), call("DescribeNatGateways")],
        retag: EC2_TAGS,
    };

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
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
                // A failed gateway stays visible for about an hour and then disappears.
                let terminated = matches!(state, "deleting" | "deleted" | "failed");
                let id = gateway.nat_gateway_id().unwrap_or_default().to_owned();
                Found { id, tags: tags_of(Some(gateway.tags())), spec, terminated }
            })
            .collect())
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        let call = ctx.system.clients.ec2_no_retry.create_nat_gateway().subnet_id(ctx.id(&self.subnet)?);
        let call = call.allocation_id(ctx.id(&self.elastic_ip)?).client_token(ctx.token);
        let call = call.tag_specifications(ctx.tag_spec(ResourceType::Natgateway));
        let answer = call.send().await.map_err(failed("CreateNatGateway"))?;
        answer.nat_gateway.and_then(|gateway| gateway.nat_gateway_id).ok_or_else(|| no_id("CreateNatGateway"))
    }

    async fn finish(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        let what = format!("the creation of the NAT gateway {id}");
        let ready = |all: &[Sdk]| {
            let Some(gateway) = all.iter().find(|gateway| gateway.nat_gateway_id() == Some(id)) else {
                return Ok(None);
            };
            match gateway.state() {
                Some(NatGatewayState::Available) => Ok(Some(())),
                Some(NatGatewayState::Failed) => {
                    let why = gateway.failure_message().unwrap_or("AWS gives no reason");
                    Err(StepError::ended(format!("the NAT gateway {id} failed"), why))
                }
                _ => Ok(None),
            }
        };
        ctx.system.nat_gateways.wait(&what, READY_TIMEOUT, || fetch(ctx.system), ready).await
    }

    async fn update(&self, ctx: &Ctx<'_, Aws>, id: &str, _: &[FieldChange]) -> Result<(), StepError> {
        self.finish(ctx, id).await
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        let call = ctx.system.clients.ec2.delete_nat_gateway().nat_gateway_id(id);
        call.send().await.map_err(failed("DeleteNatGateway")).or_gone()?;
        // Its address can be released only when it is gone.
        let what = format!("the deletion of the NAT gateway {id}");
        let gone = |all: &[Sdk]| {
            let mut left = all.iter().filter(|gateway| gateway.nat_gateway_id() == Some(id));
            Ok(left.all(|gateway| gateway.state() == Some(&NatGatewayState::Deleted)).then_some(()))
        };
        ctx.system.nat_gateways.wait(&what, READY_TIMEOUT, || fetch(ctx.system), gone).await
    }

    async fn retag(ctx: &Ctx<'_, Aws>, id: &str, set: &Tags, unset: &[String]) -> Result<(), StepError> {
        ctx.retag_ec2(&[id], set, unset).await
    }
}

async fn fetch(aws: &Aws) -> Result<Vec<Sdk>, StepError> {
    let list = |filter| async {
        let call = aws.clients.ec2.describe_nat_gateways().filter(filter).max_results(1000);
        let pages = call.into_paginator().items().send();
        pages.collect::<Result<Vec<_>, _>>().await.map_err(failed("DescribeNatGateways"))
    };
    aws.listed(|one| one.tags(), list).await
}
