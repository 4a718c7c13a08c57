//! Network interfaces with fixed private addresses: the place of a broker or controller in the cluster. They outlive instances.

use super::subnet;
use super::{no_call_for, no_id};
use crate::aws::{Aws, Done, READY_TIMEOUT, failed, tags_of};
use crate::driver::{Calls, Ctx, Driver, EC2_TAGS};
use crate::error::StepError;
use aws_sdk_ec2::types::{InstanceIpv6Address, NetworkInterface as Sdk, NetworkInterfaceStatus, ResourceType};
use kstack_core::kinds::NetworkInterface;
use kstack_core::model::Tags;
use kstack_core::model::{FieldChange, Ref};
use kstack_core::network::{ipv6_address, is_ipv6_of};
use kstack_core::observed::Found;
use kstack_core::permissions::call;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

/// How long an interface takes at most to be free after its instance has ended.
const FREED: Duration = Duration::from_secs(30);

impl Driver<Aws> for NetworkInterface {
    const CALLS: Calls = Calls {
        discover: &[call("DescribeNetworkInterfaces")],
        create: &[call("CreateNetworkInterface"), call("DescribeSubnets")],
        update: &[
            call("ModifyNetworkInterfaceAttribute"),
            call("DescribeSubnets"),
            call("DescribeNetworkInterfaces"),
            call("AssignIpv6Addresses"),
        ],
        delete: &[call("DeleteNetworkInterface")],
        retag: EC2_TAGS,
    };

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        let all = aws.interfaces.since(aws.round(), || fetch(aws)).await?;
        Ok(all
            .iter()
            .map(|interface| {
                let groups = interface.groups().iter().filter_map(|group| group.group_id());
                let spec = NetworkInterface {
                    subnet: Ref::live(interface.subnet_id()),
                    address: interface.private_ip_address().unwrap_or_default().to_owned(),
                    ipv6: own_ipv6(interface).is_some(),
                    security_groups: groups.map(|id| Ref::live(Some(id))).collect(),
                    attached_to: interface.attachment().and_then(|one| one.instance_id()).map(str::to_owned),
                };
                let id = interface.network_interface_id().unwrap_or_default().to_owned();
                Found { id, tags: tags_of(Some(interface.tag_set())), spec, terminated: false }
            })
            .collect())
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        let call = ctx.system.clients.ec2_no_retry.create_network_interface().subnet_id(ctx.id(&self.subnet)?);
        let call = call.private_ip_address(&self.address).set_groups(Some(ctx.all_ids(&self.security_groups)?));
        let ipv6 = match self.ipv6 {
            true => Some(wanted_ipv6(self, ctx).await?.to_string()),
            false => None,
        };
        let addresses = ipv6.map(|address| vec![InstanceIpv6Address::builder().ipv6_address(address).build()]);
        let call = call.set_ipv6_addresses(addresses);
        let call = call.description(format!("{} of the Kafka stack {}", ctx.address.name, ctx.system.stack()));
        let call = call.client_token(ctx.token).tag_specifications(ctx.tag_spec(ResourceType::NetworkInterface));
        // In a subnet of others, somebody was faster: waiting does not help, and the next plan has another address.
        let taken = |error: StepError| match (error.code(), self.subnet.id()) {
            (Some("InvalidIPAddress.InUse"), Some(subnet)) => StepError::Ended {
                what: format!("the address {} of {subnet} was taken meanwhile", self.address),
                why: error.to_string(),
                remedy: Some("run the command again: another free address is chosen"),
            },
            _ => error,
        };
        let answer = call.send().await.map_err(failed("CreateNetworkInterface")).map_err(taken)?;
        answer.network_interface.and_then(|one| one.network_interface_id).ok_or_else(|| no_id("CreateNetworkInterface"))
    }

    async fn update(&self, ctx: &Ctx<'_, Aws>, id: &str, changes: &[FieldChange]) -> Result<(), StepError> {
        for change in changes {
            match change.field.as_str() {
                "security_groups" => {
                    let call = ctx.system.clients.ec2.modify_network_interface_attribute().network_interface_id(id);
                    let call = call.set_groups(Some(ctx.all_ids(&self.security_groups)?));
                    call.send().await.map_err(failed("ModifyNetworkInterfaceAttribute"))?;
                }
                "ipv6" if self.ipv6 => assign_ipv6(self, ctx, id).await?,
                _ => return Err(no_call_for(change)),
            }
        }
        Ok(())
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        let call = ctx.system.clients.ec2.delete_network_interface().network_interface_id(id);
        call.send().await.map_err(failed("DeleteNetworkInterface")).or_gone()
    }

    async fn retag(ctx: &Ctx<'_, Aws>, id: &str, set: &Tags, unset: &[String]) -> Result<(), StepError> {
        ctx.retag_ec2(&[id], set, unset).await
    }
}

/// The IPv6 address of the interface that follows from its IPv4 address.
pub fn own_ipv6(interface: &Sdk) -> Option<Ipv6Addr> {
    let address: Ipv4Addr = interface.private_ip_address()?.parse().ok()?;
    let mut all = interface.ipv6_addresses().iter().filter_map(|one| one.ipv6_address()?.parse().ok());
    all.find(|one| is_ipv6_of(*one, address))
}

/// The same of one that is to be, in the block of its subnet, which is waited for.
async fn wanted_ipv6(interface: &NetworkInterface, ctx: &Ctx<'_, Aws>) -> Result<Ipv6Addr, StepError> {
    let address: Ipv4Addr = interface
        .address
        .parse()
        .map_err(|_| StepError::Internal(format!("`{}` is no IPv4 address", interface.address)))?;
    Ok(ipv6_address(subnet::ipv6_block(ctx, &ctx.id(&interface.subnet)?).await?, address))
}

/// Gives a live interface its IPv6 address; an instance that has it goes on running. The call takes no token: it looks first.
async fn assign_ipv6(interface: &NetworkInterface, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
    let wanted = wanted_ipv6(interface, ctx).await?;
    let all = ctx.system.interfaces.since(Instant::now(), || fetch(ctx.system)).await?;
    let live = all.iter().find(|one| one.network_interface_id() == Some(id));
    if live.and_then(own_ipv6) == Some(wanted) {
        return Ok(());
    }
    let call = ctx.system.clients.ec2_no_retry.assign_ipv6_addresses().network_interface_id(id);
    call.ipv6_addresses(wanted.to_string()).send().await.map_err(failed("AssignIpv6Addresses")).map(drop)
}

/// Waits until no instance has the interface any more, though not for ever: it may be the very instance that is to be made, whose
/// creation was not heard of, and which is given again by its token. Another's is refused by AWS.
pub async fn free(ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
    let start = Instant::now();
    let ready = |all: &[Sdk]| {
        let interface = all.iter().find(|interface| interface.network_interface_id() == Some(id));
        let available = |one: &Sdk| one.status() == Some(&NetworkInterfaceStatus::Available);
        Ok((interface.is_some_and(available) || start.elapsed() >= FREED).then_some(()))
    };
    let what = format!("the interface {id} becoming free");
    ctx.system.interfaces.wait(&what, READY_TIMEOUT, || fetch(ctx.system), ready).await
}

/// Every interface of the stack.
///
/// # Errors
/// AWS's answer.
pub async fn fetch(aws: &Aws) -> Result<Vec<Sdk>, StepError> {
    let list = |filter| async {
        let call = aws.clients.ec2.describe_network_interfaces().filters(filter).max_results(1000);
        let pages = call.into_paginator().items().send();
        pages.collect::<Result<Vec<_>, _>>().await.map_err(failed("DescribeNetworkInterfaces"))
    };
    aws.listed(|one| one.tag_set(), list).await
}
