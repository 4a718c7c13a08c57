//! Data volumes: a broker's or controller's identity. They outlive instances, only grow, and are never deleted unasked.

use super::{no_call_for, no_id};
use crate::aws::{Aws, Class, Done, READY_TIMEOUT, by_id, failed, sorted, tags_of};
use crate::driver::{Calls, Ctx, Driver, EC2_TAGS};
use crate::error::StepError;
use crate::wait::{Backoff, Look, poll};
use aws_sdk_ec2::types::{
    ResourceType, Volume as Sdk, VolumeModification, VolumeModificationState, VolumeState, VolumeType,
};
use jiff::Timestamp;
use kstack_core::kinds::volume::modifiable_again;
use kstack_core::kinds::{Kind as _, Volume};
use kstack_core::model::{Address, FieldChange, Tags, tag};
use kstack_core::observed::Found;
use kstack_core::permissions::call;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// EC2's code for a modification of a volume that is being modified or optimised.
const UNDER_WAY: &str = "IncorrectModificationState";
/// EC2's code for more modifications of a volume than it takes within a day.
const TOO_MANY: &str = "VolumeModificationRateExceeded";
/// How long a new volume may be in no list before it counts as gone.
const UNSEEN: Duration = Duration::from_secs(60);

impl Driver<Aws> for Volume {
    const CALLS: Calls = Calls {
        discover: &[call("DescribeVolumes")],
        create: &[call("CreateVolume"), call("DescribeVolumes")],
        update: &[call("DescribeVolumesModifications"), call("ModifyVolume")],
        delete: &[call("DeleteVolume")],
        retag: EC2_TAGS,
    };

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        let all = aws.volumes.since(aws.round(), || fetch(aws)).await?;
        let data = all.iter().filter_map(|volume| {
            let tags = tags_of(Some(volume.tags()));
            // The instances' root volumes carry the stack's tag too; they live and die with their instance.
            let root = tags.get(tag::ADDRESS).and_then(|text| Address::parse(text));
            if root.is_some_and(|address| has_root(&address)) {
                return None;
            }
            let number = |value: Option<i32>| value.and_then(|value| u32::try_from(value).ok());
            // Only what can be set: what follows from the type and the size is no wish of anybody's.
            let kind = volume.volume_type().cloned();
            let iops = volume
                .iops()
                .filter(|_| !matches!(kind, Some(VolumeType::St1 | VolumeType::Sc1 | VolumeType::Standard)));
            let throughput = volume.throughput().filter(|_| kind == Some(VolumeType::Gp3));
            let spec = Volume {
                zone: volume.availability_zone().unwrap_or_default().to_owned(),
                kind: kind.as_ref().map(VolumeType::as_str).unwrap_or_default().to_owned(),
                size_gib: u64::from(number(volume.size()).unwrap_or_default()),
                iops: number(iops),
                throughput_mibs: number(throughput),
                encrypted: volume.encrypted().unwrap_or_default(),
                kms_key: tags.get(tag::KMS_KEY).cloned(),
                voters: tags.get(tag::VOTERS).cloned(),
                joins: tags.get(tag::JOINS).cloned(),
                attached_to: volume.attachments().iter().find_map(|one| one.instance_id()).map(str::to_owned),
                cluster_id: String::new(),
            };
            let terminated = matches!(volume.state(), Some(VolumeState::Deleting | VolumeState::Deleted));
            Some(Found { id: volume.volume_id().unwrap_or_default().to_owned(), tags, spec, terminated })
        });
        Ok(data.collect())
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        let call = ctx.system.clients.ec2_no_retry.create_volume().availability_zone(&self.zone);
        let call = call.volume_type(VolumeType::from(self.kind.as_str()));
        let call = call.size(i32::try_from(self.size_gib).unwrap_or(i32::MAX)).set_iops(settable(self.iops));
        let call =
            call.set_throughput(settable(self.throughput_mibs)).encrypted(true).set_kms_key_id(self.kms_key.clone());
        let call = call.client_token(ctx.token).tag_specifications(ctx.tag_spec(ResourceType::Volume));
        let answer = call.send().await.map_err(failed("CreateVolume"))?;
        answer.volume_id.ok_or_else(|| no_id("CreateVolume"))
    }

    async fn finish(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        // A KMS key that can't be used fails the volume after the call has succeeded: AWS deletes it without an error.
        // It may be gone before the first look.
        let (mut seen, start) = (false, Instant::now());
        let ready = |all: &[Sdk]| match by_id(all, Sdk::volume_id, id).map(Sdk::state) {
            Some(Some(VolumeState::Available | VolumeState::InUse)) => Ok(Some(())),
            Some(Some(VolumeState::Error)) => Err(StepError::ended(format!("the volume {id} failed"), "")),
            Some(_) => {
                seen = true;
                Ok(None)
            }
            None if seen || start.elapsed() > UNSEEN => Err(StepError::Ended {
                what: format!("AWS deleted the volume {id} right after its creation"),
                why: String::new(),
                remedy: Some("check that the caller may use the KMS key"),
            }),
            None => Ok(None),
        };
        ctx.system
            .volumes
            .wait(&format!("the creation of the volume {id}"), READY_TIMEOUT, || fetch(ctx.system), ready)
            .await
    }

    async fn update(&self, ctx: &Ctx<'_, Aws>, id: &str, changes: &[FieldChange]) -> Result<(), StepError> {
        let modifiable = ["size_gib", "iops", "throughput_mibs", "kind"];
        if let Some(change) = changes.iter().find(|change| !modifiable.contains(&change.field.as_str())) {
            return Err(no_call_for(change));
        }
        let grows = changes.iter().any(|change| change.field == "size_gib");
        // The call has no token: where its answer was lost, or a dead run's call comes late, the modification under way is the same one.
        if modifying(self, ctx, id, grows).await? {
            return modified(self, ctx, id, grows).await;
        }
        let call = ctx.system.clients.ec2_no_retry.modify_volume().volume_id(id);
        let call = call.volume_type(VolumeType::from(self.kind.as_str()));
        let call = call.set_iops(settable(self.iops)).set_throughput(settable(self.throughput_mibs));
        let call = call.set_size(grows.then_some(i32::try_from(self.size_gib).unwrap_or(i32::MAX)));
        match call.send().await.map_err(failed("ModifyVolume")) {
            Err(error)
                if (error.class() == Class::Unknown || error.code() == Some(UNDER_WAY))
                    && modifying(self, ctx, id, grows).await? => {}
            Err(error) if error.code() == Some(TOO_MANY) => return Err(when(error, modification(ctx, id).await)),
            other => {
                other?;
            }
        }
        modified(self, ctx, id, grows).await
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        ctx.system.clients.ec2.delete_volume().volume_id(id).send().await.map_err(failed("DeleteVolume")).or_gone()
    }

    async fn retag(ctx: &Ctx<'_, Aws>, id: &str, set: &Tags, unset: &[String]) -> Result<(), StepError> {
        ctx.retag_ec2(&[id], set, unset).await
    }
}

/// The refusal `error` with the time when it ends, as far as the `last` modification tells: that it can't be asked hides nothing.
fn when(error: StepError, last: Result<Option<VolumeModification>, StepError>) -> StepError {
    let begun = last.ok().flatten().and_then(|last| Timestamp::from_second(last.start_time()?.secs()).ok());
    match (error, modifiable_again(begun.as_slice())) {
        (StepError::Cloud(error), Some((at, remedy))) => StepError::Later { error: Box::new(error), at, remedy },
        (error, _) => error,
    }
}

/// What EC2 is told of IOPS and throughput: nothing where the type has none to set.
fn settable(value: Option<u32>) -> Option<i32> {
    value.map(|value| i32::try_from(value).unwrap_or(i32::MAX))
}

/// Whether a modification is to this very type, IOPS and throughput, and to this size where it `grows`. A volume's last one is shown
/// for long, and may be shown for a while when there is a newer one.
fn is_aim(volume: &Volume, modification: &VolumeModification, grows: bool) -> bool {
    let same = |target: Option<i32>, wanted: u64| target.and_then(|target| u64::try_from(target).ok()) == Some(wanted);
    // EC2 tells figures that follow from the size too, such as the IOPS of st1.
    let set = |target: Option<i32>, wanted: Option<u32>| wanted.is_none_or(|wanted| same(target, u64::from(wanted)));
    modification.target_volume_type().is_some_and(|target| target.as_str() == volume.kind)
        && (!grows || same(modification.target_size(), volume.size_gib))
        && set(modification.target_iops(), volume.iops)
        && set(modification.target_throughput(), volume.throughput_mibs)
}

/// Whether such a modification is under way: EC2 takes no other while it modifies, nor while it optimises.
async fn modifying(volume: &Volume, ctx: &Ctx<'_, Aws>, id: &str, grows: bool) -> Result<bool, StepError> {
    let under_way = |one: &VolumeModification| {
        matches!(
            one.modification_state(),
            Some(VolumeModificationState::Modifying | VolumeModificationState::Optimizing)
        )
    };
    Ok(modification(ctx, id).await?.is_some_and(|one| under_way(&one) && is_aim(volume, &one, grows)))
}

/// Waits until the new size can be used; what AWS optimises afterwards does not concern the host.
async fn modified(volume: &Volume, ctx: &Ctx<'_, Aws>, id: &str, grows: bool) -> Result<(), StepError> {
    poll(&format!("the modification of {id}"), READY_TIMEOUT, Backoff::STATE, async || {
        let modification = modification(ctx, id).await?.filter(|one| is_aim(volume, one, grows));
        match modification.as_ref().and_then(|modification| modification.modification_state()) {
            Some(VolumeModificationState::Optimizing | VolumeModificationState::Completed) => Ok(Look::Ready(())),
            Some(VolumeModificationState::Failed) => {
                let why = modification.as_ref().and_then(|one| one.status_message()).unwrap_or("AWS gives no reason");
                Err(StepError::ended(format!("the modification of {id} failed"), why))
            }
            _ => Ok(Look::Missing(String::new())),
        }
    })
    .await
}

/// The last modification of a volume, if there was any.
async fn modification(ctx: &Ctx<'_, Aws>, id: &str) -> Result<Option<VolumeModification>, StepError> {
    let call = ctx.system.clients.ec2.describe_volumes_modifications().volume_ids(id);
    match call.send().await.map_err(failed("DescribeVolumesModifications")) {
        // A volume that was never modified is "not found".
        Err(error) if error.class() == Class::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(answer) => {
            let mut all = answer.volumes_modifications.unwrap_or_default();
            all.sort_by_key(|one| one.start_time().map(aws_smithy_types::DateTime::as_nanos));
            Ok(all.pop())
        }
    }
}

/// Whether what is at `address` has a root volume with its tags.
fn has_root(address: &Address) -> bool {
    [kstack_core::kinds::Instance::NAME, kstack_core::kinds::ClientInstance::NAME].contains(&address.kind.as_str())
}

/// The ids of the root volumes of the stack's instances, which carry its tags and are no resources of their own.
pub async fn roots(aws: &Aws) -> Result<Vec<String>, StepError> {
    let all = aws.volumes.since(aws.round(), || fetch(aws)).await?;
    let root = |volume: &&Sdk| {
        let address = tags_of(Some(volume.tags())).get(tag::ADDRESS).and_then(|text| Address::parse(text));
        address.is_some_and(|address| has_root(&address))
    };
    Ok(all.iter().filter(root).filter_map(|volume| volume.volume_id().map(str::to_owned)).collect())
}

/// The ids of the stack's volumes whose data EC2 can't read any more.
///
/// # Errors
/// AWS's answer.
pub async fn failed_volumes(aws: &Aws) -> Result<BTreeSet<String>, StepError> {
    let all = aws.volumes.since(aws.round(), || fetch(aws)).await?;
    let failed = all.iter().filter(|volume| volume.state() == Some(&VolumeState::Error));
    Ok(failed.filter_map(|volume| volume.volume_id().map(str::to_owned)).collect())
}

/// The stack's volumes, as of now.
pub async fn fetch(aws: &Aws) -> Result<Vec<Sdk>, StepError> {
    let list = |filter| async {
        let call = aws.clients.ec2.describe_volumes().filters(filter).max_results(500);
        let pages = call.into_paginator().items().send();
        pages.collect::<Result<Vec<_>, _>>().await.map_err(failed("DescribeVolumes"))
    };
    Ok(sorted(aws.listed(|one| one.tags(), list).await?, Sdk::volume_id))
}
