//! Instances: brokers and controllers as replaceable machines. Volume and interface stay when one is terminated.

use super::client_instance::is_client;
use super::running::{await_gone, await_running, await_stopped, require_tokens, retag_with_root};
use super::{host_certificate, network_interface, no_call_for, no_id, volume};
use crate::aws::declared::during;
use crate::aws::{Aws, Class, Done, Papers, READY_TIMEOUT, by_id, failed, jitter, sorted, tags_of};
use crate::driver::{Calls, Ctx, Driver};
use crate::error::StepError;
use crate::wait::may_pass;
use aws_sdk_ec2::operation::run_instances::builders::RunInstancesFluentBuilder;
use aws_sdk_ec2::types::{
    AttributeBooleanValue, BlockDeviceMapping, EbsBlockDevice, HttpTokensState, IamInstanceProfileSpecification,
    Instance as Sdk, InstanceAttributeName, InstanceMetadataOptionsRequest, InstanceNetworkInterfaceSpecification,
    InstanceStateName, InstanceType, Placement, ResourceType, Volume, VolumeAttachment, VolumeAttachmentState,
    VolumeState, VolumeType,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::try_join_all;
use jiff::Timestamp;
use kstack_core::certificates::Life;
use kstack_core::cloud_init::{self, UserData};
use kstack_core::kinds::Instance;
use kstack_core::model::{Address, FieldChange, Ref, Tags, tag};
use kstack_core::observed::Found;
use kstack_core::permissions::call;
use std::collections::BTreeSet;
use std::time::{Duration, Instant as Clock};

/// The device names by which data volumes are attached, in their order. On Nitro hosts they show as NVMe devices instead.
pub const DATA_DEVICES: [&str; 11] = [
    "/dev/sdf", "/dev/sdg", "/dev/sdh", "/dev/sdi", "/dev/sdj", "/dev/sdk", "/dev/sdl", "/dev/sdm", "/dev/sdn",
    "/dev/sdo", "/dev/sdp",
];
/// How long a new instance profile may take to reach EC2: IAM gives no way to ask.
const PROFILE_LAG: Duration = Duration::from_secs(30);
/// EC2's code for a profile that it does not know, and for every other parameter that it can't use.
const NOT_A_PARAMETER: &str = "InvalidParameterValue";

impl Driver<Aws> for Instance {
    const CALLS: Calls = Calls {
        discover: &[call("DescribeInstances"), call("DescribeVolumes"), call("DescribeParameters")],
        create: &[
            call("DescribeNetworkInterfaces"),
            call("RunInstances"),
            call("DescribeInstances"),
            call("DescribeVolumes"),
            call("AttachVolume"),
            call("DescribeInstanceStatus"),
        ],
        update: &[
            call("ModifyInstanceAttribute"),
            call("CreateTags"),
            call("DeleteTags"),
            call("ModifyInstanceMetadataOptions"),
            call("StartInstances"),
            call("DescribeIamInstanceProfileAssociations"),
            call("ReplaceIamInstanceProfileAssociation"),
            call("AssociateIamInstanceProfile"),
            call("DescribeInstances"),
            call("DescribeVolumes"),
            call("AttachVolume"),
            call("DescribeInstanceStatus"),
        ],
        delete: &[
            // A broker that leaves is stopped before.
            call("StopInstances"),
            call("TerminateInstances"),
            call("ModifyInstanceAttribute"),
            call("DescribeInstances"),
        ],
        retag: &[call("DescribeInstances"), call("CreateTags"), call("DeleteTags")],
    };

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        let volumes = aws.volumes.since(aws.round(), || volume::fetch(aws));
        let papers = async {
            // A discovery of every stack judges no certificate.
            if aws.papers() == Papers::None || aws.all() { Ok(None) } else { aws.every_paper().await.map(Some) }
        };
        let (all, volumes, papers) =
            tokio::try_join!(aws.instances.since(aws.round(), || fetch(aws)), volumes, papers)?;
        let own: BTreeSet<&str> = volumes.iter().filter_map(|volume| volume.volume_id()).collect();
        let runs_with = |instance: &Sdk| {
            let (papers, started) = (papers.as_ref()?, started(instance)?);
            let address = instance.private_ip_address().unwrap_or_default();
            Some(host_certificate::of_running(papers, aws.stack(), address, started))
        };
        let hosts = all.iter().filter(|instance| !is_client(instance));
        Ok(hosts.map(|instance| found(instance, &own, runs_with(instance))).collect())
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        let call = run(self, ctx)?.client_token(ctx.token);
        let start = async || call.clone().send().await.map_err(failed("RunInstances"));
        let mut answer = known(&self.profile, start).await;
        // Most often it is free, so that is not asked first; the instance before it may have it for a while after its end.
        if answer.as_ref().is_err_and(|error| error.code() == Some("InvalidNetworkInterface.InUse")) {
            network_interface::free(ctx, &ctx.id(&self.interface)?).await?;
            answer = known(&self.profile, start).await;
        }
        let answer = answer.map_err(|error| of_others(&self.profile, ctx, error))?;
        let id = answer.instances().first().and_then(|instance| instance.instance_id());
        id.map(str::to_owned).ok_or_else(|| no_id("RunInstances"))
    }

    async fn finish(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        await_running(ctx, id).await?;
        let volumes = data_volumes(self, ctx)?;
        try_join_all(DATA_DEVICES.iter().zip(&volumes).map(|(device, volume)| attach(ctx, id, volume, device))).await?;
        // The next broker must not be stopped before this one is up.
        if ctx.check_instance { ctx.system.clients.pass_checks(&[id.to_owned()]).await } else { Ok(()) }
    }

    async fn update(&self, ctx: &Ctx<'_, Aws>, id: &str, changes: &[FieldChange]) -> Result<(), StepError> {
        let ec2 = &ctx.system.clients.ec2;
        for change in changes {
            match change.field.as_str() {
                "http_tokens" => {
                    require_tokens(ctx, id).await?;
                }
                "state" if change.before.as_str().is_some_and(|state| state.starts_with("stop")) => {
                    if change.before.as_str() == Some("stopping") {
                        await_stopped(ctx, id).await?;
                    }
                    ec2.start_instances().instance_ids(id).send().await.map_err(failed("StartInstances"))?;
                }
                "profile" => give_profile(&self.profile, ctx, id).await?,
                // The attribute before the tag that tells of it: a run that dies between them is followed by one that does both.
                "termination_protection" => {
                    protect(ctx, id, self.termination_protection).await?;
                    let key = tag::TERMINATION_PROTECTION.to_owned();
                    match self.termination_protection {
                        true => ctx.retag_ec2(&[id], &[(key, "on".to_owned())].into(), &[]).await?,
                        false => ctx.retag_ec2(&[id], &Tags::new(), &[key]).await?,
                    }
                }
                // An instance that starts is waited for, and a volume attached, by `finish` below.
                "state" | "data_volume" | "more_volumes" => {}
                _ => return Err(no_call_for(change)),
            }
        }
        if changes.iter().any(|change| ["state", "data_volume", "more_volumes"].contains(&change.field.as_str())) {
            self.finish(ctx, id).await?;
        }
        Ok(())
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        let call = ctx.system.clients.ec2.terminate_instances().instance_ids(id);
        let mut answer = call.clone().send().await.map_err(failed("TerminateInstances"));
        // What kstack protected it may roll. What somebody else did stays refused.
        if ctx.tags.contains_key(tag::TERMINATION_PROTECTION)
            && answer.as_ref().is_err_and(|error| error.code() == Some("OperationNotPermitted"))
        {
            protect(ctx, id, false).await?;
            answer = call.send().await.map_err(failed("TerminateInstances"));
        }
        answer.or_gone()?;
        await_gone(ctx, id).await
    }

    /// The root volume goes with its instance, in tags too.
    async fn retag(ctx: &Ctx<'_, Aws>, id: &str, set: &Tags, unset: &[String]) -> Result<(), StepError> {
        retag_with_root(ctx, id, set, unset).await
    }
}

/// When it started last: by EC2, which counts no reboot, or by a reboot of kstack's since then.
pub fn started(instance: &Sdk) -> Option<Timestamp> {
    let launched = Timestamp::from_nanosecond(instance.launch_time()?.as_nanos()).ok()?;
    let note = instance.tags().iter().find(|one| one.key() == Some(tag::REBOOTED)).and_then(|one| one.value());
    Some(note.and_then(|note| note.parse().ok()).map_or(launched, |rebooted| launched.max(rebooted)))
}

/// EC2's word on whether it runs.
pub fn state(instance: &Sdk) -> Option<&InstanceStateName> {
    instance.state().and_then(|state| state.name())
}

/// The ids of the data volumes, in the order of their devices.
fn data_volumes(instance: &Instance, ctx: &Ctx<'_, Aws>) -> Result<Vec<String>, StepError> {
    let all = std::iter::once(&instance.data_volume).chain(&instance.more_volumes);
    all.filter(|volume| **volume != Ref::None).map(|volume| ctx.id(volume)).collect()
}

/// `own` are the ids of the stack's volumes: what others attach is none of its data volumes.
/// `runs_with` is what is known of the certificate and the authorities with which it runs, where that was asked.
fn found(instance: &Sdk, own: &BTreeSet<&str>, runs_with: Option<Option<Life>>) -> Found<Instance> {
    let tags = tags_of(Some(instance.tags()));
    let tagged = |key: &str| tags.get(key).cloned();
    let interface = instance
        .network_interfaces()
        .iter()
        .find(|one| one.attachment().and_then(|attachment| attachment.device_index()).unwrap_or_default() == 0);
    let attached = |device: &&str| {
        let mut mappings = instance.block_device_mappings().iter();
        mappings.find(|mapping| mapping.device_name() == Some(device))?.ebs()?.volume_id()
    };
    let profile =
        instance.iam_instance_profile().and_then(|profile| profile.arn()).and_then(|arn| arn.rsplit('/').next());
    let placement = instance.placement();
    let group = placement.and_then(|placement| placement.group_name()).filter(|name| !name.is_empty());
    let tokens = instance.metadata_options().and_then(|options| options.http_tokens()).map(HttpTokensState::as_str);
    let name = tags.get(tag::ADDRESS).and_then(|address| Address::parse(address)).map(|address| address.name);
    let trust = |life: Option<Life>| match life {
        Some(life) => life.trust.of_host(&name.unwrap_or_default()).to_string(),
        None => "unknown".to_owned(),
    };
    let certificate_ends = runs_with.as_ref().and_then(|life| Some(life.as_ref()?.ends));
    let state = state(instance).map(InstanceStateName::as_str).unwrap_or_default();
    let spec = Instance {
        instance_type: instance.instance_type().map(InstanceType::as_str).unwrap_or_default().to_owned(),
        image: instance.image_id().unwrap_or_default().to_owned(),
        subnet: Ref::live(instance.subnet_id()),
        interface: Ref::live(interface.and_then(|one| one.network_interface_id())),
        data_volume: Ref::live(attached(&DATA_DEVICES[0])),
        more_volumes: DATA_DEVICES[1..]
            .iter()
            .filter_map(attached)
            .filter(|id| own.contains(id))
            .map(|id| Ref::live(Some(id)))
            .collect(),
        profile: Ref::live(profile),
        placement_group: group.map(|name| Ref::live(Some(name))),
        partition: placement
            .and_then(Placement::partition_number)
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| *number > 0),
        http_tokens: tokens.unwrap_or("optional").to_owned(),
        state: state.to_owned(),
        termination_protection: tags.contains_key(tag::TERMINATION_PROTECTION),
        os: tagged(tag::OS),
        kafka: tagged(tag::KAFKA),
        volumes: tagged(tag::VOLUMES).and_then(|count| count.parse().ok()),
        monitoring: tagged(tag::MONITORING),
        storage: tagged(tag::STORAGE),
        listeners: tagged(tag::LISTENERS),
        // Of one that speaks plaintext there is none.
        certificate: tagged(tag::LISTENERS)
            .and(runs_with.as_ref().map(|life| host_certificate::certificate_of(life.as_ref()))),
        certificate_ends: tagged(tag::LISTENERS).and(certificate_ends),
        launched: instance.launch_time().and_then(|at| Timestamp::from_nanosecond(at.as_nanos()).ok()),
        trust: tagged(tag::LISTENERS).and(runs_with.map(trust)),
        config: tagged(tag::CONFIG),
        controllers: tagged(tag::CONTROLLERS),
        retention: tagged(tag::RETENTION),
        min_insync_replicas: tagged(tag::MIN_INSYNC),
        settings: tagged(tag::SETTINGS),
        user_data: UserData::default(),
        voters: Vec::new(),
        running: std::collections::BTreeMap::new(),
    };
    let terminated = matches!(state, "shutting-down" | "terminated");
    Found { id: instance.instance_id().unwrap_or_default().to_owned(), tags, spec, terminated }
}

/// The root device's name in the images of each operating system's publisher.
pub fn root_device(os: Option<&str>) -> &'static str {
    if os == Some("ubuntu-24.04") { "/dev/sda1" } else { "/dev/xvda" }
}

/// The call that starts the instance, without its token.
fn run(instance: &Instance, ctx: &Ctx<'_, Aws>) -> Result<RunInstancesFluentBuilder, StepError> {
    let (interface, data_volumes) = (ctx.id(&instance.interface)?, data_volumes(instance, ctx)?);
    let text = instance.user_data.text().map(|text| cloud_init::with_volumes(&text, &data_volumes));
    let user_data = text.and_then(|text| cloud_init::encode(&text));
    let user_data = user_data.map_err(|error| StepError::Internal(error.to_string()))?;
    let nic = InstanceNetworkInterfaceSpecification::builder().device_index(0).network_interface_id(interface);
    let root = EbsBlockDevice::builder().encrypted(true).delete_on_termination(true).volume_type(VolumeType::Gp3);
    let root = BlockDeviceMapping::builder().device_name(root_device(instance.os.as_deref())).ebs(root.build()).build();
    let profile = IamInstanceProfileSpecification::builder().name(ctx.id(&instance.profile)?).build();
    let metadata = InstanceMetadataOptionsRequest::builder().http_tokens(HttpTokensState::Required).build();
    let placement = match &instance.placement_group {
        Some(group) => Some(
            Placement::builder()
                .group_name(ctx.id(group)?)
                .set_partition_number(instance.partition.and_then(|number| i32::try_from(number).ok()))
                .build(),
        ),
        None => None,
    };
    let call = ctx.system.clients.ec2_no_retry.run_instances().min_count(1).max_count(1).image_id(&instance.image);
    Ok(call
        .instance_type(InstanceType::from(instance.instance_type.as_str()))
        .network_interfaces(nic.build())
        .block_device_mappings(root)
        .iam_instance_profile(profile)
        .metadata_options(metadata)
        .disable_api_termination(instance.termination_protection)
        .set_placement(placement)
        .user_data(STANDARD.encode(user_data))
        .tag_specifications(ctx.tag_spec(ResourceType::Instance))
        .tag_specifications(ctx.tag_spec(ResourceType::Volume)))
}

/// Makes a call that names an instance's profile, again for as long as EC2 may not know the stack's own, which may be new.
///
/// # Errors
/// The call's own.
pub async fn known<T>(profile: &Ref, call: impl AsyncFn() -> Result<T, StepError>) -> Result<T, StepError> {
    let start = Clock::now();
    loop {
        match call().await {
            Err(error)
                if error.code() == Some(NOT_A_PARAMETER)
                    && profile.address().is_some()
                    && start.elapsed() < PROFILE_LAG =>
            {
                tokio::time::sleep(jitter(Duration::from_secs(2))).await;
            }
            answer => return answer,
        }
    }
}

/// What `error` means where the profile is others': kstack does not ask IAM whether it is there, and EC2 says so with a code that it has
/// for much else too.
pub fn of_others(profile: &Ref, ctx: &Ctx<'_, Aws>, error: StepError) -> StepError {
    match profile.id() {
        Some(profile) if error.code() == Some(NOT_A_PARAMETER) => StepError::Ended {
            what: format!("EC2 does not give {} the instance profile {profile}", ctx.address.name),
            why: error.to_string(),
            remedy: Some(
                "see that the profile is in this account and has a role, such as with `aws iam get-instance-profile`; or name another with `cluster.ec2.iam.instance_profile`",
            ),
        },
        _ => error,
    }
}

/// Asks EC2 whether it would start the instance, where its profile is others': it may be gone, or not to be passed any longer, and then
/// the host must not be stopped. EC2 looks at permissions and parameters, and refuses for much that a stop ends, such as the interface
/// that is in use: that is no answer.
///
/// # Errors
/// Why it would not.
pub async fn may_start(instance: &Instance, ctx: &Ctx<'_, Aws>) -> Result<(), StepError> {
    if instance.profile.id().is_none() {
        return Ok(());
    }
    let call = run(instance, ctx)?.dry_run(true);
    match during([Instance::CALLS.create, &[]], async { call.send().await.map_err(failed("RunInstances")) }).await {
        Err(error) if error.code() == Some(NOT_A_PARAMETER) => Err(of_others(&instance.profile, ctx, error)),
        Err(error) if error.class() == Class::Denied || may_pass(error.class()) || error.class().ends_all() => {
            Err(error)
        }
        _ => Ok(()),
    }
}

/// Attaches a data volume, unless it is attached already. The call takes no token: what it is refused for tells whether to look. Where
/// the instance or the volume is in another state after all, the call is made again.
async fn attach(ctx: &Ctx<'_, Aws>, id: &str, data_volume: &str, device: &str) -> Result<(), StepError> {
    let call = async || {
        let call = ctx.system.clients.ec2.attach_volume().instance_id(id).volume_id(data_volume).device(device);
        match call.send().await.map_err(failed("AttachVolume")) {
            // A first try whose answer was lost, of this run or of one before; or the instance before it still has it.
            Err(error) if error.code() == Some("VolumeInUse") => Ok(false),
            answer => answer.map(|_| true),
        }
    };
    let attached = |volume: &Volume, states: &[VolumeAttachmentState]| {
        let here = |one: &&VolumeAttachment| one.instance_id() == Some(id);
        volume.attachments().iter().filter(here).any(|one| one.state().is_some_and(|state| states.contains(state)))
    };
    let ours = [VolumeAttachmentState::Attached, VolumeAttachmentState::Attaching];
    let free = |all: &[Volume]| {
        let Some(volume) = by_id(all, Volume::volume_id, data_volume) else { return Ok(None) };
        let done = attached(volume, &ours);
        Ok((done || volume.state() == Some(&VolumeState::Available)).then_some(done))
    };
    let what = format!("the volume {data_volume} becoming free for {id}");
    if !call().await? && !ctx.system.volumes.wait(&what, READY_TIMEOUT, || volume::fetch(ctx.system), free).await? {
        call().await?;
    }
    let what = format!("the attachment of the volume {data_volume} to {id}");
    let done = |all: &[Volume]| {
        let volume = by_id(all, Volume::volume_id, data_volume);
        Ok(volume.is_some_and(|volume| attached(volume, &ours[..1])).then_some(()))
    };
    ctx.system.volumes.wait(&what, READY_TIMEOUT, || volume::fetch(ctx.system), done).await
}

/// Turns EC2's termination protection on or off.
async fn protect(ctx: &Ctx<'_, Aws>, id: &str, on: bool) -> Result<(), StepError> {
    let value = AttributeBooleanValue::builder().value(on).build();
    let call = ctx.system.clients.ec2.modify_instance_attribute().instance_id(id).disable_api_termination(value);
    call.send().await.map_err(failed("ModifyInstanceAttribute")).map(drop)
}

/// Has the instance take `profile`.
///
/// # Errors
/// AWS's answer.
pub async fn give_profile(profile: &Ref, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
    let ec2 = &ctx.system.clients.ec2;
    let filter = aws_sdk_ec2::types::Filter::builder().name("instance-id").values(id).build();
    let call = ec2.describe_iam_instance_profile_associations().filters(filter);
    let answer = call.send().await.map_err(failed("DescribeIamInstanceProfileAssociations"))?;
    let given = IamInstanceProfileSpecification::builder().name(ctx.id(profile)?).build();
    let mut live = answer.iam_instance_profile_associations().iter();
    let live = live.find(|one| one.state().is_some_and(|state| state.as_str().starts_with("associat")));
    let association = live.and_then(|one| one.association_id());
    let give = async || match association {
        Some(association) => {
            let call = ec2.replace_iam_instance_profile_association().association_id(association);
            let call = call.iam_instance_profile(given.clone());
            call.send().await.map_err(failed("ReplaceIamInstanceProfileAssociation")).map(|_| ())
        }
        None => {
            let call = ec2.associate_iam_instance_profile().instance_id(id).iam_instance_profile(given.clone());
            call.send().await.map_err(failed("AssociateIamInstanceProfile")).map(|_| ())
        }
    };
    known(profile, give).await.map_err(|error| of_others(profile, ctx, error))
}

/// The user data of the live instance `id`, as text: the one thing of it that describing it does not tell.
///
/// # Errors
/// AWS's answer, or that it is no text.
pub async fn user_data(aws: &Aws, id: &str) -> Result<String, StepError> {
    let call = aws.clients.ec2.describe_instance_attribute().instance_id(id).attribute(InstanceAttributeName::UserData);
    let answer = call.send().await.map_err(failed("DescribeInstanceAttribute"))?;
    let encoded = answer.user_data().and_then(|data| data.value()).unwrap_or_default();
    let text = STANDARD.decode(encoded).ok().and_then(|bytes| cloud_init::decode(&bytes));
    text.ok_or_else(|| StepError::Internal(format!("the user data of {id} can't be read")))
}

/// The stack's instances, as of now, terminated ones that still show among them.
pub async fn fetch(aws: &Aws) -> Result<Vec<Sdk>, StepError> {
    let list = |filter| async {
        let call = aws.clients.ec2.describe_instances().filters(filter).max_results(1000);
        let pages = call.into_paginator().items().send();
        let reservations = pages.collect::<Result<Vec<_>, _>>().await.map_err(failed("DescribeInstances"))?;
        Ok(reservations.into_iter().flat_map(|reservation| reservation.instances.unwrap_or_default()).collect())
    };
    Ok(sorted(aws.listed(|one: &Sdk| one.tags(), list).await?, Sdk::instance_id))
}
