//! Data volumes: a broker's or controller's identity. They outlive instances, only grow, and are never deleted unasked.

use std::time::{Duration, Instant};

use aws_sdk_ec2::types::{ResourceType, Volume as Sdk, VolumeModification, VolumeModificationState, VolumeState, VolumeType};
use serde::{Deserialize, Serialize};

use super::{NEW_STACK, fixed, no_id};
use crate::aws::{Aws, Class, CloudError, Ctx, Done, PATIENCE, cloud, jitter, tags_of};
use crate::design::Design;
use crate::resource::{Address, Deletion, Effect, Engine, FieldChange, Found, Kind, Tags, tag};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Volume {
    pub zone: String,
    pub kind: String,
    pub size_gib: u64,
    pub iops: u32,
    pub throughput_mibs: u32,
    pub encrypted: bool,
    /// The KMS key as the file names it, known by a tag since AWS answers with an ARN; absent for the account's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_key: Option<String>,
    /// Node ids of the controllers' quorum, known by a tag, on the volumes of those who vote in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voters: Option<String>,
    /// Kafka's cluster id, for the volume's tag: the choice of it is found there again.
    #[serde(skip)]
    pub cluster_id: String,
}

/// How long a new volume may be in no list before it counts as gone.
const UNSEEN: Duration = Duration::from_secs(60);

impl Kind for Volume {
    const NAME: &'static str = "volume";
    const ENGINE: Option<Engine> = Some(Engine::Ec2);

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let kms_key = design.stack.cluster.ec2.as_ref().and_then(|ec2| ec2.kms_key.clone());
        let volume = |host: &crate::design::HostDesign| Volume {
            zone: design.zones[host.zone].name.clone(),
            kind: "gp3".to_owned(),
            size_gib: host.volume.size_gib,
            iops: host.volume.iops,
            throughput_mibs: host.volume.throughput_mibs,
            encrypted: true,
            kms_key: kms_key.clone(),
            voters: host.votes().then(|| voters(host)),
            cluster_id: design.cluster_id.clone(),
        };
        design.hosts.iter().map(|host| (host.name.clone(), volume(host))).collect()
    }

    fn effect(change: &FieldChange, _: bool) -> Effect {
        let shrinks = change.after.as_u64() < change.before.as_u64();
        match change.field.as_str() {
            "size_gib" if shrinks => Effect::Keep(format!(
                "a volume never shrinks: it keeps {} GiB, and the file asks for {} GiB",
                change.before, change.after
            )),
            "size_gib" | "iops" | "throughput_mibs" | "kind" => Effect::InPlace,
            "kms_key" => Effect::Keep("an existing volume keeps the key that it was made with".to_owned()),
            // A node that was formatted as a voter of another quorum must not start in this one.
            "voters" => fixed(
                "the controllers' quorum",
                "keep the number of controllers, and `combined`, as they are; change the quorum itself with kafka-metadata-quorum.sh",
            ),
            "zone" => fixed("a volume's zone", "keep the zones as they are: the data is in the volume's zone"),
            _ => fixed("a volume's encryption", NEW_STACK),
        }
    }

    fn tags(&self) -> Tags {
        let key = self.kms_key.iter().map(|key| (tag::KMS_KEY.to_owned(), key.clone()));
        let voters = self.voters.iter().map(|voters| (tag::VOTERS.to_owned(), voters.clone()));
        key.chain(voters).chain([(tag::CLUSTER_ID.to_owned(), self.cluster_id.clone())]).collect()
    }

    fn deletion(&self) -> Deletion {
        Deletion::Data(format!("{} GiB of data in {}", self.size_gib, self.zone))
    }

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, CloudError> {
        let all = aws.volumes.since(aws.round(), || fetch(aws)).await?;
        let data = all.iter().filter_map(|volume| {
            let tags = tags_of(Some(volume.tags()));
            // The instances' root volumes carry the stack's tag too; they live and die with their instance.
            let root = tags.get(tag::ADDRESS).and_then(|text| Address::parse(text));
            if root.is_some_and(|address| address.kind == super::Instance::NAME) {
                return None;
            }
            let number = |value: Option<i32>| value.and_then(|value| u32::try_from(value).ok()).unwrap_or_default();
            let spec = Volume {
                zone: volume.availability_zone().unwrap_or_default().to_owned(),
                kind: volume.volume_type().map(VolumeType::as_str).unwrap_or_default().to_owned(),
                size_gib: u64::from(number(volume.size())),
                iops: number(volume.iops()),
                throughput_mibs: number(volume.throughput()),
                encrypted: volume.encrypted().unwrap_or_default(),
                kms_key: tags.get(tag::KMS_KEY).cloned(),
                voters: tags.get(tag::VOTERS).cloned(),
                cluster_id: String::new(),
            };
            let ended = matches!(volume.state(), Some(VolumeState::Deleting | VolumeState::Deleted));
            Some(Found { id: volume.volume_id().unwrap_or_default().to_owned(), tags, spec, ended })
        });
        Ok(data.collect())
    }

    async fn create(&self, ctx: &Ctx<'_>) -> Result<String, CloudError> {
        let int = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
        let call = ctx.aws.clients.ec2_once.create_volume().availability_zone(&self.zone).volume_type(VolumeType::Gp3);
        let call = call.size(i32::try_from(self.size_gib).unwrap_or(i32::MAX)).iops(int(self.iops));
        let call = call.throughput(int(self.throughput_mibs)).encrypted(true).set_kms_key_id(self.kms_key.clone());
        let call = call.client_token(ctx.token).tag_specifications(ctx.tag_spec(ResourceType::Volume));
        let answer = call.send().await.map_err(cloud("CreateVolume"))?;
        answer.volume_id.ok_or_else(|| no_id("CreateVolume"))
    }

    async fn settle(&self, ctx: &Ctx<'_>, id: &str) -> Result<(), CloudError> {
        // A KMS key that can't be used fails the volume after the call has succeeded: it goes, without a word.
        // It may be gone before the first look.
        let (mut seen, start) = (false, Instant::now());
        let ready = |all: &[Sdk]| match all.iter().find(|volume| volume.volume_id() == Some(id)).map(|volume| volume.state()) {
            Some(Some(VolumeState::Available | VolumeState::InUse)) => Ok(Some(())),
            Some(Some(VolumeState::Error)) => Err(CloudError::own("CreateVolume", format!("the volume {id} failed"))),
            Some(_) => {
                seen = true;
                Ok(None)
            }
            None if seen || start.elapsed() > UNSEEN => Err(CloudError::own(
                "CreateVolume",
                format!("the volume {id} is gone again; can the KMS key be used by this caller?"),
            )),
            None => Ok(None),
        };
        ctx.aws.volumes.wait(&format!("the volume {id} coming up"), PATIENCE, || fetch(ctx.aws), ready).await
    }

    async fn update(&self, ctx: &Ctx<'_>, id: &str, changes: &[FieldChange]) -> Result<(), CloudError> {
        if !changes.iter().any(|change| ["size_gib", "iops", "throughput_mibs", "kind"].contains(&change.field.as_str())) {
            return Ok(());
        }
        let int = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
        let grows = changes.iter().any(|change| change.field == "size_gib");
        // The call has no token: where its answer was lost, the modification under way is the same one.
        if self.modifying(ctx, id, grows).await? {
            return self.modified(ctx, id, grows).await;
        }
        let call = ctx.aws.clients.ec2_once.modify_volume().volume_id(id).volume_type(VolumeType::Gp3);
        let call = call.iops(int(self.iops)).throughput(int(self.throughput_mibs));
        let call = call.set_size(grows.then_some(i32::try_from(self.size_gib).unwrap_or(i32::MAX)));
        match call.send().await.map_err(cloud("ModifyVolume")) {
            Err(error) if error.class == Class::Unknown && self.modifying(ctx, id, grows).await? => {}
            other => {
                other?;
            }
        }
        self.modified(ctx, id, grows).await
    }

    async fn delete(&self, ctx: &Ctx<'_>, id: &str) -> Result<(), CloudError> {
        ctx.aws.clients.ec2.delete_volume().volume_id(id).send().await.map_err(cloud("DeleteVolume")).or_gone()
    }
}

/// The node ids of the quorum that `host` votes in.
fn voters(host: &crate::design::HostDesign) -> String {
    host.cloud.controllers.iter().map(|voter| voter.node_id.to_string()).collect::<Vec<_>>().join(" ")
}

impl Volume {
    /// Whether a modification is to this very IOPS and throughput, and to this size where it `grows`. A volume's last one is shown
    /// for long, and may be shown for a while when there is a newer one.
    fn is_aim(&self, modification: &VolumeModification, grows: bool) -> bool {
        let same = |target: Option<i32>, wanted: u64| target.and_then(|target| u64::try_from(target).ok()) == Some(wanted);
        (!grows || same(modification.target_size(), self.size_gib))
            && same(modification.target_iops(), u64::from(self.iops))
            && same(modification.target_throughput(), u64::from(self.throughput_mibs))
    }

    /// Whether such a modification is under way.
    async fn modifying(&self, ctx: &Ctx<'_>, id: &str, grows: bool) -> Result<bool, CloudError> {
        let under_way = |one: &VolumeModification| one.modification_state() == Some(&VolumeModificationState::Modifying);
        Ok(modification(ctx, id).await?.is_some_and(|one| under_way(&one) && self.is_aim(&one, grows)))
    }

    /// Waits until the new size can be used; what AWS optimises afterwards does not concern the host.
    async fn modified(&self, ctx: &Ctx<'_>, id: &str, grows: bool) -> Result<(), CloudError> {
        let start = Instant::now();
        let mut pause = Duration::from_millis(200);
        while start.elapsed() < PATIENCE {
            let modification = modification(ctx, id).await?.filter(|one| self.is_aim(one, grows));
            match modification.as_ref().and_then(|modification| modification.modification_state()) {
                Some(VolumeModificationState::Optimizing | VolumeModificationState::Completed) => return Ok(()),
                Some(VolumeModificationState::Failed) => {
                    let why = modification.as_ref().and_then(|one| one.status_message()).unwrap_or("AWS gives no reason");
                    return Err(CloudError::own("ModifyVolume", format!("the modification of {id} failed: {why}")));
                }
                _ => tokio::time::sleep(jitter(pause)).await,
            }
            pause = (pause * 3 / 2).min(Duration::from_secs(10));
        }
        Err(CloudError::own("ModifyVolume", format!("the modification of {id} took longer than {} s", PATIENCE.as_secs())))
    }
}

/// The last modification of a volume, if there was any.
async fn modification(ctx: &Ctx<'_>, id: &str) -> Result<Option<VolumeModification>, CloudError> {
    let call = ctx.aws.clients.ec2.describe_volumes_modifications().volume_ids(id);
    match call.send().await.map_err(cloud("DescribeVolumesModifications")) {
        // A volume that was never modified is "not found".
        Err(error) if error.class == Class::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(answer) => {
            let mut all = answer.volumes_modifications.unwrap_or_default();
            all.sort_by_key(|one| one.start_time().map(aws_smithy_types::DateTime::as_nanos));
            Ok(all.pop())
        }
    }
}

/// The ids of the root volumes of the stack's instances, which carry its tags and are no resources of their own.
pub async fn roots(aws: &Aws) -> Result<Vec<String>, CloudError> {
    let all = aws.volumes.since(aws.round(), || fetch(aws)).await?;
    let root = |volume: &&Sdk| {
        let address = tags_of(Some(volume.tags())).get(tag::ADDRESS).and_then(|text| Address::parse(text));
        address.is_some_and(|address| address.kind == super::Instance::NAME)
    };
    Ok(all.iter().filter(root).filter_map(|volume| volume.volume_id().map(str::to_owned)).collect())
}

/// The stack's volumes, as of now.
pub async fn fetch(aws: &Aws) -> Result<Vec<Sdk>, CloudError> {
    let pages = aws.clients.ec2.describe_volumes().filters(aws.mine()).max_results(500).into_paginator().items();
    pages.send().collect::<Result<Vec<_>, _>>().await.map_err(cloud("DescribeVolumes"))
}
