//! Instances: brokers and controllers as machines that can be thrown away. Volume and interface stay when one goes.

use std::time::{Duration, Instant as Clock};

use aws_sdk_ec2::types::{
    BlockDeviceMapping, EbsBlockDevice, HttpTokensState, IamInstanceProfileSpecification, Instance as Sdk,
    InstanceMetadataOptionsRequest, InstanceNetworkInterfaceSpecification, InstanceStateName, InstanceType, Placement,
    ResourceType, SummaryStatus, VolumeAttachmentState, VolumeState, VolumeType,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::{network_interface, no_id, volume};
use crate::aws::{Aws, CloudError, Ctx, Done, PATIENCE, cloud, jitter, tags_of};
use crate::cloud_init::{self, CLIENT_PORT, VOLUME_ID_PLACEHOLDER};
use crate::design::{Design, HostDesign, os_word};
use crate::resource::{Address, Effect, Engine, FieldChange, Found, Kind, Ref, Tags, tag};
use crate::stack::TimeSpan;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    pub instance_type: String,
    pub image: String,
    /// The interface's own; named here for the route table that goes with it.
    pub subnet: Ref,
    pub interface: Ref,
    /// Empty while it is not attached.
    pub data_volume: Ref,
    pub profile: Ref,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placement_group: Option<Ref>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
    /// `required`: IMDSv2 only.
    pub http_tokens: String,
    pub state: String,
    // What the host runs is known by tags: user data can't be listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kafka: Option<String>,
    /// Fingerprint of the host's configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_insync_replicas: Option<String>,
    /// For creation only; its fingerprint is `config`.
    #[serde(skip)]
    pub user_data: String,
}

/// The device name by which the data volume is attached. On Nitro hosts it shows as an NVMe device instead.
const DATA_DEVICE: &str = "/dev/sdf";
/// How long a new instance profile may take to reach EC2: IAM gives no way to ask.
const PROFILE_LAG: Duration = Duration::from_secs(30);

impl Kind for Instance {
    const NAME: &'static str = "instance";
    const ENGINE: Option<Engine> = Some(Engine::Ec2);

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let instance = |host: &HostDesign| Instance {
            instance_type: host.instance_type.clone(),
            image: host.image.clone(),
            subnet: Ref::to(super::Subnet::NAME, &format!("private-{}", design.zones[host.zone].key)),
            interface: Ref::to(super::NetworkInterface::NAME, &host.name),
            data_volume: Ref::to(super::Volume::NAME, &host.name),
            profile: Ref::to(super::InstanceProfile::NAME, "hosts"),
            placement_group: host.placement.as_ref().map(|(name, _)| Ref::to(super::PlacementGroup::NAME, name)),
            partition: host.placement.as_ref().and_then(|(_, partition)| *partition),
            http_tokens: "required".to_owned(),
            state: "running".to_owned(),
            os: Some(os_word(host.cloud.os).to_owned()),
            kafka: Some(host.cloud.kafka_version.clone()),
            config: Some(host.config.clone()),
            retention: host.broker().then(|| design.stack.workload.retention.to_string()),
            min_insync_replicas: Some(design.stack.workload.min_insync_replicas.to_string()),
            user_data: host.user_data.clone(),
        };
        design.hosts.iter().map(|host| (host.name.clone(), instance(host))).collect()
    }

    /// A host fetches packages and Kafka when it starts: its way out comes first. So do the rules of its group.
    fn after(&self, name: &str) -> Vec<Address> {
        let group = if name.starts_with("broker") { "brokers" } else { "controllers" };
        let table = self.subnet.0.replacen(super::Subnet::NAME, super::RouteTable::NAME, 1);
        let before = [Address::new(super::SecurityGroupRules::NAME, group), Address::new(super::Role::NAME, "hosts")];
        before.into_iter().chain(Address::parse(&table)).collect()
    }

    fn effect(change: &FieldChange, anew: bool) -> Effect {
        let empty = change.before.as_str().is_none_or(str::is_empty);
        match change.field.as_str() {
            // A host that lost its volume has nothing to go on with; one that never got it can still get it.
            "data_volume" if empty && !anew => Effect::InPlace,
            "http_tokens" | "state" | "profile" => Effect::InPlace,
            "retention" => Effect::KeepUntilRoll(kept("log.retention.ms", change)),
            // From Kafka 4.1 on the cluster's own value wins over every host's file, so a roll would change nothing.
            "min_insync_replicas" => Effect::Keep(kept("min.insync.replicas", change)),
            _ => Effect::Roll,
        }
    }

    fn tags(&self) -> Tags {
        let pairs = [
            (tag::OS, &self.os),
            (tag::KAFKA, &self.kafka),
            (tag::CONFIG, &self.config),
            (tag::RETENTION, &self.retention),
            (tag::MIN_INSYNC, &self.min_insync_replicas),
        ];
        pairs.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.clone()?))).collect()
    }

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, CloudError> {
        let all = aws.instances.since(aws.round(), || fetch(aws)).await?;
        Ok(all.iter().map(found).collect())
    }

    async fn create(&self, ctx: &Ctx<'_>) -> Result<String, CloudError> {
        let (interface, data_volume) = (ctx.id(&self.interface)?, ctx.id(&self.data_volume)?);
        network_interface::free(ctx, &interface).await?;
        let text = self.user_data.replace(VOLUME_ID_PLACEHOLDER, &data_volume);
        let user_data = cloud_init::encode(&text).map_err(|error| CloudError::own("RunInstances", error.to_string()))?;
        let nic = InstanceNetworkInterfaceSpecification::builder().device_index(0).network_interface_id(interface);
        let root = EbsBlockDevice::builder().encrypted(true).delete_on_termination(true).volume_type(VolumeType::Gp3);
        let root = BlockDeviceMapping::builder().device_name(self.root_device()).ebs(root.build()).build();
        let profile = IamInstanceProfileSpecification::builder().name(ctx.id(&self.profile)?).build();
        let metadata = InstanceMetadataOptionsRequest::builder().http_tokens(HttpTokensState::Required).build();
        let placement = match &self.placement_group {
            Some(group) => Some(
                Placement::builder()
                    .group_name(ctx.id(group)?)
                    .set_partition_number(self.partition.and_then(|number| i32::try_from(number).ok()))
                    .build(),
            ),
            None => None,
        };
        let call = ctx.aws.clients.ec2_once.run_instances().min_count(1).max_count(1).image_id(&self.image);
        let call = call
            .instance_type(InstanceType::from(self.instance_type.as_str()))
            .network_interfaces(nic.build())
            .block_device_mappings(root)
            .iam_instance_profile(profile)
            .metadata_options(metadata)
            .set_placement(placement)
            .user_data(STANDARD.encode(user_data))
            .client_token(ctx.token)
            .tag_specifications(ctx.tag_spec(ResourceType::Instance))
            .tag_specifications(ctx.tag_spec(ResourceType::Volume));
        let start = Clock::now();
        loop {
            let answer = call.clone().send().await.map_err(cloud("RunInstances"));
            let lag = |error: &CloudError| error.code.as_deref() == Some("InvalidParameterValue");
            match answer {
                Err(error) if lag(&error) && start.elapsed() < PROFILE_LAG => {
                    tokio::time::sleep(jitter(Duration::from_secs(2))).await;
                }
                Err(error) => return Err(error),
                Ok(answer) => {
                    let id = answer.instances().first().and_then(|instance| instance.instance_id());
                    return id.map(str::to_owned).ok_or_else(|| no_id("RunInstances"));
                }
            }
        }
    }

    async fn settle(&self, ctx: &Ctx<'_>, id: &str) -> Result<(), CloudError> {
        let what = format!("the instance {id} coming up");
        let running = |all: &[Sdk]| {
            let Some(instance) = all.iter().find(|instance| instance.instance_id() == Some(id)) else { return Ok(None) };
            match state(instance) {
                Some(InstanceStateName::Running) => Ok(Some(())),
                Some(InstanceStateName::Terminated | InstanceStateName::ShuttingDown) => {
                    let why = instance.state_reason().and_then(|reason| reason.message()).unwrap_or("AWS gives no reason");
                    Err(CloudError::own("RunInstances", format!("the instance {id} ended by itself: {why}")))
                }
                _ => Ok(None),
            }
        };
        ctx.aws.instances.wait(&what, PATIENCE, || fetch(ctx.aws), running).await?;
        self.attach(ctx, id).await?;
        if ctx.check_instance { healthy(ctx, id).await } else { Ok(()) }
    }

    async fn update(&self, ctx: &Ctx<'_>, id: &str, changes: &[FieldChange]) -> Result<(), CloudError> {
        let ec2 = &ctx.aws.clients.ec2;
        for change in changes {
            match change.field.as_str() {
                "http_tokens" => {
                    let call = ec2.modify_instance_metadata_options().instance_id(id).http_tokens(HttpTokensState::Required);
                    let call = call.http_endpoint(aws_sdk_ec2::types::InstanceMetadataEndpointState::Enabled);
                    call.send().await.map_err(cloud("ModifyInstanceMetadataOptions"))?;
                }
                "state" if change.before.as_str().is_some_and(|state| state.starts_with("stop")) => {
                    let stopped = |all: &[Sdk]| {
                        let instance = all.iter().find(|instance| instance.instance_id() == Some(id));
                        Ok((instance.and_then(state) == Some(&InstanceStateName::Stopped)).then_some(()))
                    };
                    if change.before.as_str() == Some("stopping") {
                        let what = format!("the instance {id} stopping");
                        ctx.aws.instances.wait(&what, PATIENCE, || fetch(ctx.aws), stopped).await?;
                    }
                    ec2.start_instances().instance_ids(id).send().await.map_err(cloud("StartInstances"))?;
                }
                "profile" => self.give_profile(ctx, id).await?,
                _ => {}
            }
        }
        if changes.iter().any(|change| ["state", "data_volume"].contains(&change.field.as_str())) {
            self.settle(ctx, id).await?;
        }
        Ok(())
    }

    async fn delete(&self, ctx: &Ctx<'_>, id: &str) -> Result<(), CloudError> {
        let call = ctx.aws.clients.ec2.terminate_instances().instance_ids(id);
        call.send().await.map_err(cloud("TerminateInstances")).or_gone()?;
        let gone = |all: &[Sdk]| {
            let mut left = all.iter().filter(|instance| instance.instance_id() == Some(id));
            Ok(left.all(|instance| state(instance) == Some(&InstanceStateName::Terminated)).then_some(()))
        };
        let what = format!("the instance {id} ending");
        ctx.aws.instances.wait(&what, PATIENCE, || fetch(ctx.aws), gone).await
    }

    /// The root volume goes with its instance, in tags too.
    async fn retag(ctx: &Ctx<'_>, id: &str, set: &Tags, unset: &[String]) -> Result<(), CloudError> {
        let all = ctx.aws.instances.since(ctx.aws.round(), || fetch(ctx.aws)).await?;
        let mappings = all.iter().filter(|one| one.instance_id() == Some(id)).flat_map(|one| one.block_device_mappings());
        let root = mappings.filter(|mapping| mapping.device_name() != Some(DATA_DEVICE));
        let root = root.filter_map(|mapping| mapping.ebs().and_then(|ebs| ebs.volume_id()));
        ctx.retag_ec2(&std::iter::once(id).chain(root).collect::<Vec<_>>(), set, unset).await
    }
}

/// A setting that Kafka changes while it runs, and kstack can't: it says how.
fn kept(setting: &str, change: &FieldChange) -> String {
    let (before, after) = (change.before.as_str().unwrap_or("another value"), change.after.as_str().unwrap_or_default());
    // Kafka has durations in milliseconds.
    let value = TimeSpan::parse(after).map_or_else(|_| after.to_owned(), |span| span.millis().to_string());
    format!(
        "running brokers keep {setting} at {before}; for {after}, run\nkafka-configs.sh --bootstrap-server BROKER:{CLIENT_PORT} --alter \\\n    --entity-type brokers --entity-default --add-config {setting}={value}"
    )
}

fn state(instance: &Sdk) -> Option<&InstanceStateName> {
    instance.state().and_then(|state| state.name())
}

fn found(instance: &Sdk) -> Found<Instance> {
    let tags = tags_of(Some(instance.tags()));
    let tagged = |key: &str| tags.get(key).cloned();
    let interface = instance.network_interfaces().iter().find(|one| {
        one.attachment().and_then(|attachment| attachment.device_index()).unwrap_or_default() == 0
    });
    let data = instance.block_device_mappings().iter().find(|mapping| mapping.device_name() == Some(DATA_DEVICE));
    let profile = instance.iam_instance_profile().and_then(|profile| profile.arn()).and_then(|arn| arn.rsplit('/').next());
    let placement = instance.placement();
    let group = placement.and_then(|placement| placement.group_name()).filter(|name| !name.is_empty());
    let tokens = instance.metadata_options().and_then(|options| options.http_tokens()).map(HttpTokensState::as_str);
    let state = state(instance).map(InstanceStateName::as_str).unwrap_or_default();
    let spec = Instance {
        instance_type: instance.instance_type().map(InstanceType::as_str).unwrap_or_default().to_owned(),
        image: instance.image_id().unwrap_or_default().to_owned(),
        subnet: Ref::live(instance.subnet_id()),
        interface: Ref::live(interface.and_then(|one| one.network_interface_id())),
        data_volume: Ref::live(data.and_then(|mapping| mapping.ebs()).and_then(|ebs| ebs.volume_id())),
        profile: Ref::live(profile),
        placement_group: group.map(|name| Ref::live(Some(name))),
        partition: placement.and_then(Placement::partition_number).and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0),
        http_tokens: tokens.unwrap_or("optional").to_owned(),
        state: state.to_owned(),
        os: tagged(tag::OS),
        kafka: tagged(tag::KAFKA),
        config: tagged(tag::CONFIG),
        retention: tagged(tag::RETENTION),
        min_insync_replicas: tagged(tag::MIN_INSYNC),
        user_data: String::new(),
    };
    let ended = matches!(state, "shutting-down" | "terminated");
    Found { id: instance.instance_id().unwrap_or_default().to_owned(), tags, spec, ended }
}

impl Instance {
    /// The root device's name in the images of each operating system's publisher.
    fn root_device(&self) -> &'static str {
        if self.os.as_deref() == Some("ubuntu-24.04") { "/dev/sda1" } else { "/dev/xvda" }
    }

    /// Attaches the data volume, unless it is attached already. The call takes no token: it looks first.
    async fn attach(&self, ctx: &Ctx<'_>, id: &str) -> Result<(), CloudError> {
        let data_volume = ctx.id(&self.data_volume)?;
        let find = |all: &[aws_sdk_ec2::types::Volume]| all.iter().find(|volume| volume.volume_id() == Some(&data_volume)).cloned();
        let attached = |volume: &aws_sdk_ec2::types::Volume, states: &[VolumeAttachmentState]| {
            let here = |one: &&aws_sdk_ec2::types::VolumeAttachment| one.instance_id() == Some(id);
            volume.attachments().iter().filter(here).any(|one| one.state().is_some_and(|state| states.contains(state)))
        };
        let ours = [VolumeAttachmentState::Attached, VolumeAttachmentState::Attaching];
        let what = format!("the volume {data_volume} becoming free for {id}");
        let free = |all: &[aws_sdk_ec2::types::Volume]| {
            let Some(volume) = find(all) else { return Ok(None) };
            let done = attached(&volume, &ours);
            Ok((done || volume.state() == Some(&VolumeState::Available)).then_some(done))
        };
        if !ctx.aws.volumes.wait(&what, PATIENCE, || volume::fetch(ctx.aws), free).await? {
            let call = ctx.aws.clients.ec2.attach_volume().instance_id(id).volume_id(&data_volume).device(DATA_DEVICE);
            match call.send().await.map_err(cloud("AttachVolume")) {
                // A first try whose answer was lost: the wait below tells whose the volume is. Where the instance or the volume
                // is in another state after all, the call is made again.
                Err(error) if error.code.as_deref() == Some("VolumeInUse") => {}
                other => {
                    other?;
                }
            }
        }
        let what = format!("the volume {data_volume} being attached to {id}");
        let done = |all: &[aws_sdk_ec2::types::Volume]| {
            Ok(find(all).is_some_and(|volume| attached(&volume, &ours[..1])).then_some(()))
        };
        ctx.aws.volumes.wait(&what, PATIENCE, || volume::fetch(ctx.aws), done).await
    }

    async fn give_profile(&self, ctx: &Ctx<'_>, id: &str) -> Result<(), CloudError> {
        let ec2 = &ctx.aws.clients.ec2;
        let filter = aws_sdk_ec2::types::Filter::builder().name("instance-id").values(id).build();
        let call = ec2.describe_iam_instance_profile_associations().filters(filter);
        let answer = call.send().await.map_err(cloud("DescribeIamInstanceProfileAssociations"))?;
        let profile = IamInstanceProfileSpecification::builder().name(ctx.id(&self.profile)?).build();
        let mut live = answer.iam_instance_profile_associations().iter();
        let live = live.find(|one| one.state().is_some_and(|state| state.as_str().starts_with("associat")));
        match live.and_then(|one| one.association_id()) {
            Some(association) => {
                let call = ec2.replace_iam_instance_profile_association().association_id(association);
                let call = call.iam_instance_profile(profile);
                call.send().await.map_err(cloud("ReplaceIamInstanceProfileAssociation")).map(|_| ())
            }
            None => {
                let call = ec2.associate_iam_instance_profile().instance_id(id).iam_instance_profile(profile);
                call.send().await.map_err(cloud("AssociateIamInstanceProfile")).map(|_| ())
            }
        }
    }
}

/// Waits for EC2's own checks of a rolled instance: the next broker must not be stopped before this one is up.
async fn healthy(ctx: &Ctx<'_>, id: &str) -> Result<(), CloudError> {
    let start = Clock::now();
    let mut pause = Duration::from_millis(200);
    while start.elapsed() < PATIENCE {
        let call = ctx.aws.clients.ec2.describe_instance_status().instance_ids(id);
        let answer = call.send().await.map_err(cloud("DescribeInstanceStatus"))?;
        let fine = |summary: Option<&SummaryStatus>| summary == Some(&SummaryStatus::Ok);
        let healthy = answer.instance_statuses().iter().any(|status| {
            fine(status.instance_status().and_then(|one| one.status())) && fine(status.system_status().and_then(|one| one.status()))
        });
        if healthy {
            return Ok(());
        }
        tokio::time::sleep(jitter(pause)).await;
        pause = (pause * 3 / 2).min(Duration::from_secs(10));
    }
    Err(CloudError::own("DescribeInstanceStatus", format!("the instance {id} did not pass EC2's checks in {} s", PATIENCE.as_secs())))
}

/// The stack's instances, as of now, terminated ones that still show among them.
pub async fn fetch(aws: &Aws) -> Result<Vec<Sdk>, CloudError> {
    let pages = aws.clients.ec2.describe_instances().filters(aws.mine()).max_results(1000).into_paginator().items();
    let reservations = pages.send().collect::<Result<Vec<_>, _>>().await.map_err(cloud("DescribeInstances"))?;
    Ok(reservations.into_iter().flat_map(|reservation| reservation.instances.unwrap_or_default()).collect())
}
