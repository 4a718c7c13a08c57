//! Public and private subnets, a pair in each zone. Private ones hold brokers and controllers; public ones hold NAT gateways
//! and the interfaces of endpoints, whose addresses AWS picks and which must not take a broker's.

use super::vpc;
use super::{no_call_for, no_id};
use crate::aws::{Aws, Done, READY_TIMEOUT, failed, tags_of};
use crate::driver::{Calls, Ctx, Driver, EC2_TAGS};
use crate::error::StepError;
use crate::wait::{Backoff, Look, poll};
use aws_sdk_ec2::types::{ResourceType, Subnet as Described, SubnetCidrBlockStateCode, SubnetIpv6CidrBlockAssociation};
use ipnet::Ipv6Net;
use kstack_core::kinds::Subnet;
use kstack_core::model::Tags;
use kstack_core::model::{FieldChange, Ref};
use kstack_core::network::{ipv6_number_of, ipv6_part};
use kstack_core::observed::Found;
use kstack_core::permissions::call;

impl Driver<Aws> for Subnet {
    const CALLS: Calls = Calls {
        discover: &[call("DescribeSubnets")],
        create: &[call("CreateSubnet"), call("DescribeVpcs")],
        update: &[call("DescribeSubnets"), call("DescribeVpcs"), call("AssociateSubnetCidrBlock")],
        delete: &[call("DeleteSubnet")],
        retag: EC2_TAGS,
    };

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        let list = |filter| async {
            let call = aws.clients.ec2.describe_subnets().filters(filter).max_results(1000);
            let pages = call.into_paginator().items().send();
            pages.collect::<Result<Vec<_>, _>>().await.map_err(failed("DescribeSubnets"))
        };
        let all = aws.listed(|one| one.tags(), list).await?;
        Ok(all
            .into_iter()
            .map(|subnet| {
                let spec = Subnet {
                    vpc: Ref::live(subnet.vpc_id()),
                    cidr: subnet.cidr_block().unwrap_or_default().to_owned(),
                    ipv6_part: ipv6_of(&subnet, false).map(ipv6_number_of),
                    zone: subnet.availability_zone().unwrap_or_default().to_owned(),
                };
                let tags = tags_of(subnet.tags.as_deref());
                Found { id: subnet.subnet_id.unwrap_or_default(), tags, spec, terminated: false }
            })
            .collect())
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        let call = ctx.system.clients.ec2_no_retry.create_subnet().vpc_id(ctx.id(&self.vpc)?).cidr_block(&self.cidr);
        let call = call.set_ipv6_cidr_block(part(self, ctx).await?.map(|block| block.to_string()));
        let call = call.availability_zone(&self.zone).tag_specifications(ctx.tag_spec(ResourceType::Subnet));
        let answer = call.send().await.map_err(failed("CreateSubnet"))?;
        answer.subnet.and_then(|subnet| subnet.subnet_id).ok_or_else(|| no_id("CreateSubnet"))
    }

    /// A subnet has one IPv6 block at most. The call takes no token: it looks first.
    async fn update(&self, ctx: &Ctx<'_, Aws>, id: &str, changes: &[FieldChange]) -> Result<(), StepError> {
        for change in changes {
            let (Some(block), "ipv6_part") = (part(self, ctx).await?, change.field.as_str()) else {
                return Err(no_call_for(change));
            };
            if describe(ctx, id).await?.is_some_and(|subnet| ipv6_of(&subnet, false).is_some()) {
                continue;
            }
            let call = ctx.system.clients.ec2_no_retry.associate_subnet_cidr_block().subnet_id(id);
            call.ipv6_cidr_block(block.to_string()).send().await.map_err(failed("AssociateSubnetCidrBlock"))?;
        }
        ipv6_block(ctx, id).await.map(drop)
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        ctx.system.clients.ec2.delete_subnet().subnet_id(id).send().await.map_err(failed("DeleteSubnet")).or_gone()
    }

    async fn retag(ctx: &Ctx<'_, Aws>, id: &str, set: &Tags, unset: &[String]) -> Result<(), StepError> {
        ctx.retag_ec2(&[id], set, unset).await
    }
}

/// The IPv6 block that a subnet has or gets; only one that can be used, where `usable`.
fn ipv6_of(subnet: &Described, usable: bool) -> Option<Ipv6Net> {
    let there = |one: &&SubnetIpv6CidrBlockAssociation| {
        let state = one.ipv6_cidr_block_state().and_then(|state| state.state());
        match state {
            Some(SubnetCidrBlockStateCode::Associating) => !usable,
            state => state == Some(&SubnetCidrBlockStateCode::Associated),
        }
    };
    subnet.ipv6_cidr_block_association_set().iter().find(there)?.ipv6_cidr_block()?.parse().ok()
}

/// The block that `subnet` is to have, of its VPC's, which is waited for; none where it is to have none.
async fn part(subnet: &Subnet, ctx: &Ctx<'_, Aws>) -> Result<Option<Ipv6Net>, StepError> {
    let Some(number) = subnet.ipv6_part else { return Ok(None) };
    Ok(ipv6_part(vpc::ipv6_block(ctx, &ctx.id(&subnet.vpc)?).await?, number))
}

async fn describe(ctx: &Ctx<'_, Aws>, id: &str) -> Result<Option<Described>, StepError> {
    let answer = ctx.system.clients.ec2.describe_subnets().subnet_ids(id).send().await;
    Ok(answer.map_err(failed("DescribeSubnets"))?.subnets.unwrap_or_default().into_iter().next())
}

/// The subnet's IPv6 block, once interfaces can have addresses in it.
pub(super) async fn ipv6_block(ctx: &Ctx<'_, Aws>, id: &str) -> Result<Ipv6Net, StepError> {
    poll(&format!("adding an IPv6 block to {id}"), READY_TIMEOUT, Backoff::STATE, async || {
        let block = describe(ctx, id).await?.and_then(|subnet| ipv6_of(&subnet, true));
        Ok(block.map_or_else(|| Look::Missing("it can't be used yet".to_owned()), Look::Ready))
    })
    .await
}
