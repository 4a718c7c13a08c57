//! The VPC, with DNS on.

use super::security_group::{self, is_default};
use super::security_group_rules::look_again;
use super::{no_call_for, no_id};
use crate::aws::{Aws, Done, READY_TIMEOUT, failed, tags_of};
use crate::driver::{Calls, Ctx, Driver, EC2_TAGS};
use crate::error::StepError;
use crate::wait::{Backoff, Look, VISIBLE_LIMIT, poll};
use aws_sdk_ec2::types::{
    AttributeBooleanValue, Filter, ResourceType, SecurityGroup, Vpc as Described, VpcAttributeName,
    VpcCidrBlockAssociation, VpcCidrBlockStateCode, VpcIpv6CidrBlockAssociation,
};
use ipnet::Ipv6Net;
use kstack_core::engines::Engine;
use kstack_core::kinds::Vpc;
use kstack_core::kinds::vpc::DefaultGroup;
use kstack_core::model::{FieldChange, Tags, tag};
use kstack_core::network::ipv6_part;
use kstack_core::observed::Found;
use kstack_core::permissions::{call, call_of};

impl Driver<Aws> for Vpc {
    const CALLS: Calls = Calls {
        discover: &[call("DescribeVpcs"), call("DescribeVpcAttribute"), call("DescribeSecurityGroups")],
        create: &[
            call("CreateVpc"),
            call("ModifyVpcAttribute"),
            call("DescribeVpcs"),
            call("AssociateVpcCidrBlock"),
            call("DescribeSecurityGroups"),
            call_of("RevokeSecurityGroupIngress", "default group"),
            call_of("RevokeSecurityGroupEgress", "default group"),
            call_of("CreateTags", "default group"),
        ],
        update: &[
            call("ModifyVpcAttribute"),
            call("DescribeVpcs"),
            call("AssociateVpcCidrBlock"),
            call("DescribeSecurityGroups"),
            call_of("RevokeSecurityGroupIngress", "default group"),
            call_of("RevokeSecurityGroupEgress", "default group"),
            call_of("CreateTags", "default group"),
        ],
        delete: &[call("DeleteVpc")],
        retag: EC2_TAGS,
    };

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        let list = |filter| async {
            let call = aws.clients.ec2.describe_vpcs().filters(filter).max_results(1000);
            let pages = call.into_paginator().items().send();
            pages.collect::<Result<Vec<_>, _>>().await.map_err(failed("DescribeVpcs"))
        };
        let vpcs = aws.listed(|one| one.tags(), list).await?;
        // The attributes are the one second round of a discovery: DescribeVpcs does not tell them.
        let found = vpcs.into_iter().map(|vpc| async move {
            let id = vpc.vpc_id.clone().unwrap_or_default();
            // Nothing is planned from a discovery of every stack: it goes without them.
            let (dns_support, dns_hostnames, default_group) = if aws.all() {
                (true, true, DefaultGroup::Closed)
            } else {
                tokio::try_join!(
                    attribute(aws, &id, VpcAttributeName::EnableDnsSupport),
                    attribute(aws, &id, VpcAttributeName::EnableDnsHostnames),
                    default_group(aws, &id),
                )?
            };
            let secondary_cidrs = more_blocks(&vpc, false);
            let ipv6 = !ipv6_blocks(&vpc, false).is_empty();
            let cidr = vpc.cidr_block.unwrap_or_default();
            let tags = tags_of(vpc.tags.as_deref());
            let ipam_pool = tags.get(tag::IPAM_POOL).cloned();
            let engine = Engine::Ec2;
            let spec =
                Vpc { cidr, secondary_cidrs, ipv6, ipam_pool, dns_support, dns_hostnames, default_group, engine };
            Ok(Found { id, tags, spec, terminated: false })
        });
        futures::future::try_join_all(found).await
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        // With a pool and a block, EC2 allocates that block from the pool, and refuses it where the pool has given it away.
        let call = ctx.system.clients.ec2_no_retry.create_vpc().cidr_block(&self.cidr);
        let call = call.set_ipv4_ipam_pool_id(self.ipam_pool.clone());
        let call = call.set_amazon_provided_ipv6_cidr_block(self.ipv6.then_some(true));
        let answer =
            call.tag_specifications(ctx.tag_spec(ResourceType::Vpc)).send().await.map_err(failed("CreateVpc"))?;
        answer.vpc.and_then(|vpc| vpc.vpc_id).ok_or_else(|| no_id("CreateVpc"))
    }

    async fn finish(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        // A new VPC has DNS support, and no host names. The call takes one attribute.
        hostnames(self, ctx, id).await?;
        add_blocks(self, ctx, id).await?;
        // It is asked for with the VPC. AWS gives the default group a rule for it.
        if self.ipv6 {
            ipv6_block(ctx, id).await?;
        }
        Ok(())
    }

    /// Nothing of the stack uses the default group.
    async fn tidy(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        close_default_group(ctx, id).await
    }

    async fn update(&self, ctx: &Ctx<'_, Aws>, id: &str, changes: &[FieldChange]) -> Result<(), StepError> {
        for change in changes {
            match change.field.as_str() {
                "dns_support" => {
                    let value = AttributeBooleanValue::builder().value(self.dns_support).build();
                    let call = ctx.system.clients.ec2.modify_vpc_attribute().vpc_id(id).enable_dns_support(value);
                    call.send().await.map_err(failed("ModifyVpcAttribute"))?;
                }
                "ipv6" => add_ipv6(ctx, id).await?,
                // By the two below.
                "dns_hostnames" | "default_group" | "secondary_cidrs" => {}
                _ => return Err(no_call_for(change)),
            }
        }
        self.finish(ctx, id).await?;
        self.tidy(ctx, id).await
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        ctx.system.clients.ec2.delete_vpc().vpc_id(id).send().await.map_err(failed("DeleteVpc")).or_gone()
    }

    async fn retag(ctx: &Ctx<'_, Aws>, id: &str, set: &Tags, unset: &[String]) -> Result<(), StepError> {
        ctx.retag_ec2(&[id], set, unset).await
    }
}

/// The blocks of a VPC beside its first, by what it has or gets; those alone that can be used, where `usable`.
fn more_blocks(vpc: &Described, usable: bool) -> Vec<String> {
    let there = |one: &&VpcCidrBlockAssociation| {
        let state = one.cidr_block_state().and_then(|state| state.state());
        match state {
            Some(VpcCidrBlockStateCode::Associating) => !usable,
            state => state == Some(&VpcCidrBlockStateCode::Associated),
        }
    };
    let all = vpc.cidr_block_association_set().iter().filter(there).filter_map(|one| one.cidr_block());
    all.filter(|block| Some(*block) != vpc.cidr_block()).map(str::to_owned).collect()
}

/// Adds the blocks that the VPC lacks, and waits until subnets can be made in them. The call takes no token: it looks first.
async fn add_blocks(vpc: &Vpc, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
    if vpc.secondary_cidrs.is_empty() {
        return Ok(());
    }
    let clients = &ctx.system.clients;
    let missing = async |usable: bool| {
        let answer = clients.ec2.describe_vpcs().vpc_ids(id).send().await.map_err(failed("DescribeVpcs"))?;
        let live: Vec<String> = answer.vpcs().iter().flat_map(|vpc| more_blocks(vpc, usable)).collect();
        Ok::<_, StepError>(vpc.secondary_cidrs.iter().filter(|block| !live.contains(block)).collect::<Vec<_>>())
    };
    for block in missing(false).await? {
        let call = clients.ec2_no_retry.associate_vpc_cidr_block().vpc_id(id).cidr_block(block);
        call.send().await.map_err(failed("AssociateVpcCidrBlock"))?;
    }
    poll(&format!("adding address blocks to {id}"), READY_TIMEOUT, Backoff::STATE, async || {
        Ok(match missing(true).await?.first() {
            None => Look::Ready(()),
            Some(block) => Look::Missing(format!("{block} can't be used yet")),
        })
    })
    .await
}

/// The IPv6 blocks that a VPC has or gets, of a size that has a part for each subnet; those alone that can be used, where `usable`.
fn ipv6_blocks(vpc: &Described, usable: bool) -> Vec<Ipv6Net> {
    let there = |one: &&VpcIpv6CidrBlockAssociation| {
        let state = one.ipv6_cidr_block_state().and_then(|state| state.state());
        match state {
            Some(VpcCidrBlockStateCode::Associating) => !usable,
            state => state == Some(&VpcCidrBlockStateCode::Associated),
        }
    };
    let all = vpc.ipv6_cidr_block_association_set().iter().filter(there);
    let blocks = all.filter_map(|one| one.ipv6_cidr_block()?.parse().ok());
    let mut blocks: Vec<Ipv6Net> = blocks.filter(|block| ipv6_part(*block, 0).is_some()).collect();
    blocks.sort();
    blocks
}

async fn ipv6_blocks_of(ctx: &Ctx<'_, Aws>, id: &str, usable: bool) -> Result<Vec<Ipv6Net>, StepError> {
    let answer = ctx.system.clients.ec2.describe_vpcs().vpc_ids(id).send().await.map_err(failed("DescribeVpcs"))?;
    Ok(answer.vpcs().iter().flat_map(|vpc| ipv6_blocks(vpc, usable)).collect())
}

/// Gives a live VPC an IPv6 block of Amazon's. The call takes no token, and a VPC may have several blocks: it looks first.
async fn add_ipv6(ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
    if ipv6_blocks_of(ctx, id, false).await?.is_empty() {
        let call = ctx.system.clients.ec2_no_retry.associate_vpc_cidr_block().vpc_id(id);
        let call = call.amazon_provided_ipv6_cidr_block(true);
        call.send().await.map_err(failed("AssociateVpcCidrBlock"))?;
    }
    Ok(())
}

/// The VPC's IPv6 block, once subnets can be made in it: of several, the first.
pub(super) async fn ipv6_block(ctx: &Ctx<'_, Aws>, id: &str) -> Result<Ipv6Net, StepError> {
    poll(&format!("adding an IPv6 block to {id}"), READY_TIMEOUT, Backoff::STATE, async || {
        let block = ipv6_blocks_of(ctx, id, true).await?.into_iter().next();
        Ok(block.map_or_else(|| Look::Missing("it can't be used yet".to_owned()), Look::Ready))
    })
    .await
}

async fn hostnames(vpc: &Vpc, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
    let value = AttributeBooleanValue::builder().value(vpc.dns_hostnames).build();
    let call = ctx.system.clients.ec2.modify_vpc_attribute().vpc_id(id).enable_dns_hostnames(value);
    call.send().await.map_err(failed("ModifyVpcAttribute")).map(|_| ())
}

/// Whether the VPC's default group is closed. kstack tags it once it has closed it, so that the one describe of the stack's groups shows
/// it from then on.
async fn default_group(aws: &Aws, id: &str) -> Result<DefaultGroup, StepError> {
    let all = aws.groups.since(aws.round(), || security_group::fetch(aws)).await?;
    let closed = |group: &SecurityGroup| group.ip_permissions().is_empty() && group.ip_permissions_egress().is_empty();
    let mut groups = all.iter().filter(|group| is_default(group) && group.vpc_id() == Some(id));
    Ok(if groups.any(closed) { DefaultGroup::Closed } else { DefaultGroup::Open })
}

/// Takes all rules from the VPC's default group, which AWS makes with the VPC, and then tags it. It looks first, so that it may run
/// again.
async fn close_default_group(ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
    let ec2 = &ctx.system.clients.ec2;
    let filter = |name: &str, value: &str| Filter::builder().name(name).values(value).build();
    let call = ec2.describe_security_groups().filters(filter("vpc-id", id)).filters(filter("group-name", "default"));
    let what = format!("the default security group of {id}");
    let group = poll(&what, VISIBLE_LIMIT, Backoff::VISIBLE, async || {
        let answer = call.clone().send().await.map_err(failed("DescribeSecurityGroups"))?;
        let group = answer.security_groups.unwrap_or_default().into_iter().next();
        Ok(group.map_or_else(|| Look::Missing(String::new()), Look::Ready))
    })
    .await?;
    let group_id = group.group_id().unwrap_or_default();
    if !group.ip_permissions().is_empty() {
        let call = ec2.revoke_security_group_ingress().group_id(group_id);
        let call = call.set_ip_permissions(group.ip_permissions.clone());
        call.send().await.map_err(failed("RevokeSecurityGroupIngress")).map_err(look_again)?;
    }
    if !group.ip_permissions_egress().is_empty() {
        let call = ec2.revoke_security_group_egress().group_id(group_id);
        let call = call.set_ip_permissions(group.ip_permissions_egress.clone());
        call.send().await.map_err(failed("RevokeSecurityGroupEgress")).map_err(look_again)?;
    }
    let stack = [(tag::STACK.to_owned(), ctx.system.stack().to_owned())].into();
    ctx.retag_ec2(&[group_id], &stack, &[]).await
}

async fn attribute(aws: &Aws, id: &str, name: VpcAttributeName) -> Result<bool, StepError> {
    let call = aws.clients.ec2.describe_vpc_attribute().vpc_id(id).attribute(name);
    let answer = call.send().await.map_err(failed("DescribeVpcAttribute"))?;
    let value = answer.enable_dns_support().or(answer.enable_dns_hostnames());
    Ok(value.and_then(AttributeBooleanValue::value).unwrap_or_default())
}
