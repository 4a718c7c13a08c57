//! Network interfaces with fixed private addresses: the place of a broker or controller in the cluster. They outlive instances.

use std::time::{Duration, Instant};

use aws_sdk_ec2::types::{NetworkInterface as Sdk, NetworkInterfaceStatus, ResourceType};
use serde::{Deserialize, Serialize};

use super::{NEW_STACK, fixed, no_id};
use crate::aws::{Aws, CloudError, Ctx, Done, PATIENCE, cloud, tags_of};
use crate::design::Design;
use crate::resource::{Address, Effect, Engine, FieldChange, Found, Kind, Ref};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NetworkInterface {
    pub subnet: Ref,
    pub address: String,
    pub security_groups: Vec<Ref>,
}

impl Kind for NetworkInterface {
    const NAME: &'static str = "network_interface";
    const ENGINE: Option<Engine> = Some(Engine::Ec2);
    const FREE: bool = true;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let interface = |host: &crate::design::HostDesign| NetworkInterface {
            subnet: Ref::to("subnet", &format!("private-{}", design.zones[host.zone].key)),
            address: host.address.to_string(),
            security_groups: vec![Ref::to("security_group", if host.broker() { "brokers" } else { "controllers" })],
        };
        design.hosts.iter().map(|host| (host.name.clone(), interface(host))).collect()
    }

    /// The data volume comes first: an interface without its volume then proves that the volume was lost.
    fn after(&self, name: &str) -> Vec<Address> {
        vec![Address::new(super::Volume::NAME, name)]
    }

    fn effect(change: &FieldChange, _: bool) -> Effect {
        match change.field.as_str() {
            "security_groups" => Effect::InPlace,
            "subnet" => fixed("a host's subnet", "keep the zones as they are: its volume is in that zone"),
            _ => fixed("a host's address", NEW_STACK),
        }
    }

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, CloudError> {
        let all = aws.interfaces.since(aws.round(), || fetch(aws)).await?;
        Ok(all
            .iter()
            .map(|interface| {
                let groups = interface.groups().iter().filter_map(|group| group.group_id());
                let spec = NetworkInterface {
                    subnet: Ref::live(interface.subnet_id()),
                    address: interface.private_ip_address().unwrap_or_default().to_owned(),
                    security_groups: groups.map(|id| Ref::live(Some(id))).collect(),
                };
                let id = interface.network_interface_id().unwrap_or_default().to_owned();
                Found { id, tags: tags_of(Some(interface.tag_set())), spec, ended: false }
            })
            .collect())
    }

    async fn create(&self, ctx: &Ctx<'_>) -> Result<String, CloudError> {
        let call = ctx.aws.clients.ec2_once.create_network_interface().subnet_id(ctx.id(&self.subnet)?);
        let call = call.private_ip_address(&self.address).set_groups(Some(ctx.all_ids(&self.security_groups)?));
        let call = call.description(format!("{} of the Kafka stack {}", ctx.address.name, ctx.aws.stack));
        let call = call.client_token(ctx.token).tag_specifications(ctx.tag_spec(ResourceType::NetworkInterface));
        let answer = call.send().await.map_err(cloud("CreateNetworkInterface"))?;
        answer.network_interface.and_then(|one| one.network_interface_id).ok_or_else(|| no_id("CreateNetworkInterface"))
    }

    async fn update(&self, ctx: &Ctx<'_>, id: &str, _: &[FieldChange]) -> Result<(), CloudError> {
        let call = ctx.aws.clients.ec2.modify_network_interface_attribute().network_interface_id(id);
        let call = call.set_groups(Some(ctx.all_ids(&self.security_groups)?));
        call.send().await.map_err(cloud("ModifyNetworkInterfaceAttribute")).map(|_| ())
    }

    async fn delete(&self, ctx: &Ctx<'_>, id: &str) -> Result<(), CloudError> {
        let call = ctx.aws.clients.ec2.delete_network_interface().network_interface_id(id);
        call.send().await.map_err(cloud("DeleteNetworkInterface")).or_gone()
    }
}

/// How long an interface takes at most to be free after its instance has ended.
const FREED: Duration = Duration::from_secs(30);

/// Waits until no instance has the interface any more, though not for ever: it may be the very instance that is to be made, whose
/// creation was not heard of, and which is given again by its token. Another's is refused by AWS.
pub async fn free(ctx: &Ctx<'_>, id: &str) -> Result<(), CloudError> {
    let start = Instant::now();
    let ready = |all: &[Sdk]| {
        let interface = all.iter().find(|interface| interface.network_interface_id() == Some(id));
        let available = |one: &Sdk| one.status() == Some(&NetworkInterfaceStatus::Available);
        Ok((interface.is_some_and(available) || start.elapsed() >= FREED).then_some(()))
    };
    let what = format!("the interface {id} becoming free");
    ctx.aws.interfaces.wait(&what, PATIENCE, || fetch(ctx.aws), ready).await
}

async fn fetch(aws: &Aws) -> Result<Vec<Sdk>, CloudError> {
    let call = aws.clients.ec2.describe_network_interfaces().filters(aws.mine()).max_results(1000);
    call.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.map_err(cloud("DescribeNetworkInterfaces"))
}
