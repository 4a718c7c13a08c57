//! The client host's instance. EC2 makes its interface and its root volume with it, and deletes them with it.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{
    BlockDeviceMapping, EbsBlockDevice, HttpTokensState, IamInstanceProfileSpecification, Instance as Sdk,
    InstanceMetadataOptionsRequest, InstanceNetworkInterfaceSpecification, InstanceStateName, InstanceType,
    ResourceType, VolumeType,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kstack_core::cloud_init;
use kstack_core::kinds::{ClientInstance, Kind as _};
use kstack_core::model::{Address, FieldChange, Ref, Tags, tag};
use kstack_core::observed::Found;
use kstack_core::permissions::call;

use super::instance::{fetch, give_profile, known, of_others, root_device};
use super::running::{await_gone, await_running, await_stopped, require_tokens, retag_with_root};
use super::{msk, no_call_for, no_id};
use crate::aws::{Aws, Done, failed, tags_of};
use crate::driver::{Calls, Ctx, Driver};
use crate::error::StepError;

impl Driver<Aws> for ClientInstance {
    const CALLS: Calls = Calls {
        discover: &[call("DescribeInstances")],
        create: &[call("ListNodes"), call("GetBootstrapBrokers"), call("RunInstances"), call("DescribeInstances")],
        update: &[
            call("ModifyInstanceMetadataOptions"),
            call("StartInstances"),
            call("DescribeIamInstanceProfileAssociations"),
            call("ReplaceIamInstanceProfileAssociation"),
            call("AssociateIamInstanceProfile"),
            call("DescribeInstances"),
        ],
        delete: &[call("TerminateInstances"), call("DescribeInstances")],
        retag: &[call("DescribeInstances"), call("CreateTags"), call("DeleteTags")],
    };

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        let all = aws.instances.since(aws.round(), || fetch(aws)).await?;
        Ok(all.iter().filter(|instance| is_client(instance)).map(found).collect())
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        let text = text(self, ctx).await?;
        let user_data = cloud_init::encode(&text).map_err(|error| StepError::Internal(error.to_string()))?;
        let interface = InstanceNetworkInterfaceSpecification::builder()
            .device_index(0)
            .delete_on_termination(true)
            .associate_public_ip_address(false)
            .subnet_id(ctx.id(&self.subnet)?)
            .set_private_ip_address(self.address.clone())
            .set_groups(Some(ctx.all_ids(&self.security_groups)?));
        let root = EbsBlockDevice::builder().encrypted(true).delete_on_termination(true).volume_type(VolumeType::Gp3);
        let device = root_device(self.os.as_deref());
        let root = BlockDeviceMapping::builder().device_name(device).ebs(root.build()).build();
        let profile = IamInstanceProfileSpecification::builder().name(ctx.id(&self.profile)?).build();
        let metadata = InstanceMetadataOptionsRequest::builder().http_tokens(HttpTokensState::Required).build();
        let call = ctx.system.clients.ec2_no_retry.run_instances().min_count(1).max_count(1).image_id(&self.image);
        let call = call
            .instance_type(InstanceType::from(self.instance_type.as_str()))
            .network_interfaces(interface.build())
            .block_device_mappings(root)
            .iam_instance_profile(profile)
            .metadata_options(metadata)
            .user_data(STANDARD.encode(user_data))
            .tag_specifications(ctx.tag_spec(ResourceType::Instance))
            .tag_specifications(ctx.tag_spec(ResourceType::Volume))
            .client_token(ctx.token);
        let answer = known(&self.profile, async || call.clone().send().await.map_err(failed("RunInstances"))).await;
        let answer = answer.map_err(|error| of_others(&self.profile, ctx, error))?;
        let id = answer.instances().first().and_then(|instance| instance.instance_id());
        id.map(str::to_owned).ok_or_else(|| no_id("RunInstances"))
    }

    async fn finish(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        await_running(ctx, id).await
    }

    async fn update(&self, ctx: &Ctx<'_, Aws>, id: &str, changes: &[FieldChange]) -> Result<(), StepError> {
        for change in changes {
            match change.field.as_str() {
                "http_tokens" => require_tokens(ctx, id).await?,
                "state" => {
                    let before = change.before.as_str().unwrap_or_default();
                    if before == "stopping" {
                        await_stopped(ctx, id).await?;
                    }
                    if before.starts_with("stop") {
                        let call = ctx.system.clients.ec2.start_instances().instance_ids(id);
                        call.send().await.map_err(failed("StartInstances"))?;
                    }
                    await_running(ctx, id).await?;
                }
                "profile" => give_profile(&self.profile, ctx, id).await?,
                _ => return Err(no_call_for(change)),
            }
        }
        Ok(())
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        let call = ctx.system.clients.ec2.terminate_instances().instance_ids(id);
        call.send().await.map_err(failed("TerminateInstances")).or_gone()?;
        await_gone(ctx, id).await
    }

    async fn retag(ctx: &Ctx<'_, Aws>, id: &str, set: &Tags, unset: &[String]) -> Result<(), StepError> {
        retag_with_root(ctx, id, set, unset).await
    }
}

/// The user data with the names of the brokers.
async fn text(client: &ClientInstance, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
    let Some(cluster) = &client.cluster else { return Ok(client.user_data.clone()) };
    let arn = ctx.id(cluster)?;
    if client.serverless {
        let servers = msk::status::serverless(ctx.system, &arn).await?.join(",");
        return Ok(cloud_init::with_brokers(&client.user_data, |_| servers.clone()));
    }
    let names = msk::status::names(ctx.system, &arn).await?;
    // The same ones each time, so that a repeated call is the same.
    let first = &names[..names.len().min(cloud_init::FIRST_BROKERS)];
    if first.is_empty() {
        return Err(StepError::Internal(format!("AWS names no broker of {arn}")));
    }
    let at = |port: u16| first.iter().map(|name| format!("{name}:{port}")).collect::<Vec<_>>().join(",");
    Ok(cloud_init::with_brokers(&client.user_data, at))
}

/// Whether the instance is the client host's, by its address in the stack.
pub fn is_client(instance: &Sdk) -> bool {
    let address = tags_of(Some(instance.tags())).get(tag::ADDRESS).and_then(|text| Address::parse(text));
    address.is_some_and(|address| address.kind == ClientInstance::NAME)
}

fn found(instance: &Sdk) -> Found<ClientInstance> {
    let tags: BTreeMap<String, String> = tags_of(Some(instance.tags()));
    let tagged = |key: &str| tags.get(key).cloned();
    let first = instance
        .network_interfaces()
        .iter()
        .find(|one| one.attachment().is_some_and(|attachment| attachment.device_index().unwrap_or_default() == 0));
    let goes = first
        .filter(|one| one.attachment().and_then(|attachment| attachment.delete_on_termination()).unwrap_or_default());
    let groups = first.into_iter().flat_map(|one| one.groups());
    let profile =
        instance.iam_instance_profile().and_then(|profile| profile.arn()).and_then(|arn| arn.rsplit('/').next());
    let tokens = instance.metadata_options().and_then(|options| options.http_tokens()).map(HttpTokensState::as_str);
    let state = instance.state().and_then(|state| state.name()).map(InstanceStateName::as_str).unwrap_or_default();
    let spec = ClientInstance {
        instance_type: instance.instance_type().map(InstanceType::as_str).unwrap_or_default().to_owned(),
        image: instance.image_id().unwrap_or_default().to_owned(),
        subnet: Ref::live(instance.subnet_id()),
        security_groups: groups.map(|group| Ref::live(group.group_id())).collect(),
        profile: Ref::live(profile),
        http_tokens: tokens.unwrap_or("optional").to_owned(),
        state: if state == "pending" { "running" } else { state }.to_owned(),
        os: tagged(tag::OS),
        kafka: tagged(tag::KAFKA),
        config: tagged(tag::CONFIG),
        interface: goes.and_then(|one| one.network_interface_id()).map(str::to_owned),
        user_data: String::new(),
        address: None,
        brokers: Vec::new(),
        cluster: None,
        serverless: false,
    };
    let terminated = matches!(state, "shutting-down" | "terminated");
    Found { id: instance.instance_id().unwrap_or_default().to_owned(), tags, spec, terminated }
}
