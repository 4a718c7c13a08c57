//! The MSK cluster, and the operations that its changes take: MSK makes one at a time.

use aws_sdk_kafka::types::{
    BrokerNodeGroupInfo, Cluster, EbsStorageInfo, Iam, ProvisionedRequest, Rebalancing, RebalancingStatus,
    ServerlessClientAuthentication, ServerlessRequest, ServerlessSasl, StorageInfo, StorageMode, VpcConfig,
};
use serde::{Deserialize, Serialize};

use super::msk::{self, fetch, live, update, wait};
use super::{NEW_STACK, fixed, no_id};
use crate::aws::{Aws, Class, CloudError, Ctx, cloud};
use crate::design::Design;
use crate::resource::{Address, Deletion, Effect, Engine, FieldChange, Found, Kind, Operation, Ref, Tags, tag};

/// The state of a cluster that is there: what AWS does with it meanwhile is no difference.
pub const ACTIVE: &str = "active";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MskCluster {
    pub state: String,
    /// `provisioned` or `serverless`.
    pub form: String,
    pub subnets: Vec<Ref>,
    pub security_groups: Vec<Ref>,
    #[serde(flatten)]
    pub provisioned: Option<Provisioned>,
}

/// What a serverless cluster does not have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provisioned {
    pub kafka: String,
    pub instance_type: String,
    pub brokers: u32,
    /// Of each standard broker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_gib: Option<u64>,
    /// Provisioned throughput of each standard broker's volume; 0 for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throughput_mibs: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tiered: Option<bool>,
    pub configuration: Ref,
    /// Stands for the properties in the configuration's revision that the cluster uses.
    pub server_properties: String,
    pub iam: bool,
    pub scram: bool,
    /// ARNs of the authorities for client certificates; none where there is no mutual TLS.
    pub certificate_authorities: Vec<String>,
    pub unauthenticated: bool,
    pub in_transit: String,
    pub in_cluster: bool,
    /// The KMS key as the file names it, known by a tag since AWS answers with an ARN; absent for AWS's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_key: Option<String>,
    pub monitoring: String,
    pub jmx_exporter: bool,
    pub node_exporter: bool,
    pub log_group: String,
    /// The bucket, and after a slash the prefix.
    pub log_bucket: String,
    pub log_stream: String,
    pub public_access: bool,
    /// Of Express brokers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rebalancing: Option<bool>,
    /// Of a live cluster: the versions that it can be brought to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub upgrades: Option<Vec<String>>,
}

/// The operations, in an order that always works:
/// what needs the least of the others first, what a later one needs before it, and brokers that roll before brokers that are added.
///
/// * Public access goes before anything that it forbids (open access, plaintext) is turned on, and comes after what it needs:
///   authentication, TLS, and `allow.everyone.if.no.acl.found=false` in the configuration.
/// * Storage that grows, or throughput that falls, comes early: full volumes stop brokers, and a smaller type allows less
///   throughput. Throughput that rises waits for the larger type. Size and throughput are one call, since the next may
///   only come 6 hours later.
/// * The version comes before the type, which may need it, and takes a new configuration with it. A type that is too small
///   for its partitions refuses configurations, so the type comes before a configuration alone.
/// * Tiered storage needs the version and the type.
/// * Brokers are added after what restarts brokers: they need no restart.
const ORDER: [&str; 12] = [
    "creation",
    "public-access-off",
    "storage",
    "kafka-version",
    "broker-type",
    "throughput",
    "tiered-storage",
    "configuration",
    "security",
    "rebalancing",
    "broker-count",
    "monitoring",
];
/// The last of all.
const PUBLIC: &str = "public-access";

/// The operation that makes `change`, one of `all`.
fn operation(change: &FieldChange, all: &[FieldChange]) -> &'static str {
    let changes = |field: &str| all.iter().find(|change| change.field == field);
    let rises = |change: &FieldChange| change.after.as_u64() > change.before.as_u64();
    match change.field.as_str() {
        "state" => "creation",
        "public_access" if change.after == false => "public-access-off",
        "public_access" => PUBLIC,
        "volume_gib" | "throughput_mibs" if changes("throughput_mibs").is_some_and(rises) => "throughput",
        "volume_gib" | "throughput_mibs" => "storage",
        "kafka" => "kafka-version",
        "configuration" | "server_properties" if changes("kafka").is_some() => "kafka-version",
        "configuration" | "server_properties" => "configuration",
        "instance_type" => "broker-type",
        "tiered" => "tiered-storage",
        "brokers" => "broker-count",
        "rebalancing" => "rebalancing",
        "iam" | "scram" | "certificate_authorities" | "unauthenticated" | "in_transit" => "security",
        _ => "monitoring",
    }
}

/// What an operation does to a cluster with so many brokers. The 15 minutes are AWS's upper figure for a change of type;
/// the other rolls are taken to be no slower.
fn meaning(operation: &str, brokers: u32) -> String {
    let minutes = brokers * 15;
    match operation {
        "creation" => "AWS still makes the cluster: it is waited for, 15 to 35 minutes as a rule".to_owned(),
        "kafka-version" | "broker-type" | "configuration" | "security" => {
            format!("the {brokers} brokers restart one after another, up to {minutes} minutes in all")
        }
        "storage" | "throughput" => {
            "nothing restarts; AWS optimises the volumes for 6 hours or more, and until then they can't change again".to_owned()
        }
        "broker-count" => "nothing restarts; partitions stay where they are until they are reassigned".to_owned(),
        "public-access" | "public-access-off" => "brokers get or lose public addresses, which may take an hour".to_owned(),
        _ => "nothing restarts".to_owned(),
    }
}

impl Kind for MskCluster {
    const NAME: &'static str = "msk_cluster";
    const ENGINE: Option<Engine> = Some(Engine::Msk);

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let Some(cluster) = design.msk.as_ref() else { return Vec::new() };
        let reach = if cluster.in_public_subnets { "public" } else { "private" };
        let subnets = design.zones.iter().map(|zone| Ref::to("subnet", &format!("{reach}-{}", zone.key))).collect();
        let cluster = MskCluster {
            state: ACTIVE.to_owned(),
            form: if cluster.provisioned.is_some() { "provisioned" } else { "serverless" }.to_owned(),
            subnets,
            security_groups: vec![Ref::to("security_group", "brokers")],
            provisioned: cluster.provisioned.clone(),
        };
        vec![("main".to_owned(), cluster)]
    }

    /// Public access needs the route to the internet.
    fn after(&self, _: &str) -> Vec<Address> {
        let public = self.provisioned.as_ref().is_some_and(|one| one.public_access);
        public.then(|| Address::new(super::RouteTable::NAME, "public")).into_iter().collect()
    }

    fn effect(change: &FieldChange, _: bool) -> Effect {
        let before = change.before.as_str().unwrap_or_default();
        let express = |value: &serde_json::Value| value.as_str().is_some_and(|text| text.starts_with("express."));
        match change.field.as_str() {
            "state" if before == "deleting" => Effect::Replace,
            "state" => match before.strip_prefix("failed: ") {
                None => Effect::InPlace,
                Some(why) => Effect::Refuse(
                    format!("AWS could not make the cluster, and does not mend it: {why}"),
                    "mend the cause, delete the cluster with `kstack destroy`, and apply again".to_owned(),
                ),
            },
            "form" => fixed("whether a cluster is provisioned or serverless", NEW_STACK),
            "subnets" => fixed("the subnets of an MSK cluster, and with them its zones and whether it can be public,", NEW_STACK),
            "security_groups" => fixed(
                "the list of an MSK cluster's security groups",
                "change the rules of the group instead; with another group only a second stack can be made",
            ),
            "instance_type" if express(&change.before) != express(&change.after) => {
                fixed("whether brokers are standard or Express", NEW_STACK)
            }
            "volume_gib" if change.after.as_u64() < change.before.as_u64() => Effect::Keep(format!(
                "volumes never shrink: they keep {} GiB, and the file asks for {} GiB",
                change.before, change.after
            )),
            "tiered" if change.after == false => {
                fixed("tiered storage, once it is on,", "write `tiered: true`; topics can have `remote.storage.enable=false` one by one")
            }
            "brokers" if change.after.as_u64() < change.before.as_u64() => Effect::Lossy(
                format!("{} brokers would be removed, with the partitions that are left on them", less(change)),
                "move the partitions away with kafka-reassign-partitions.sh, then run again with --allow-data-loss".to_owned(),
            ),
            "in_cluster" => fixed("encryption between brokers", NEW_STACK),
            "kms_key" => fixed("the key that the volumes are encrypted with", NEW_STACK),
            _ => Effect::InPlace,
        }
    }

    fn operations(&self, live: &Self, changes: &[FieldChange]) -> Vec<Operation> {
        let brokers = live.provisioned.as_ref().map_or(0, |live| live.brokers);
        let mut operations = Vec::new();
        for name in ORDER.into_iter().chain([PUBLIC]) {
            let mine: Vec<FieldChange> =
                changes.iter().filter(|change| operation(change, changes) == name).cloned().collect();
            if !mine.is_empty() {
                operations.push(Operation { name, why: meaning(name, brokers), changes: mine });
            }
        }
        operations
    }

    fn tags(&self) -> Tags {
        let key = self.provisioned.as_ref().and_then(|one| one.kms_key.clone());
        key.map(|key| (tag::KMS_KEY.to_owned(), key)).into_iter().collect()
    }

    fn deletion(&self) -> Deletion {
        Deletion::Data(match &self.provisioned {
            Some(one) => format!("the data of {} brokers", one.brokers),
            None => "its data".to_owned(),
        })
    }

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, CloudError> {
        let all = aws.clusters.since(aws.round(), || fetch(aws)).await?;
        let found = all.iter().map(|cluster| async move {
            let arn = cluster.cluster_arn().unwrap_or_default();
            // Nothing is planned from a discovery of every stack: it goes without them.
            let (revision, upgrades) = match aws.all() {
                true => (String::new(), None),
                false => tokio::try_join!(update::revision(aws, cluster), upgrades(aws, cluster))?,
            };
            let spec = live::spec(cluster, revision, upgrades);
            Ok(Found { id: arn.to_owned(), tags: msk::tags(cluster), spec, ended: false })
        });
        futures::future::try_join_all(found).await
    }

    /// MSK takes no client token. The name is unique, so what has it already is the stack's own from a call whose answer
    /// was lost, or somebody else's.
    async fn create(&self, ctx: &Ctx<'_>) -> Result<String, CloudError> {
        if let Some(mine) = mine(ctx, &fetch(ctx.aws).await?)? {
            return Ok(mine);
        }
        let groups = ctx.all_ids(&self.security_groups)?;
        let subnets = ctx.all_ids(&self.subnets)?;
        let call = ctx.aws.clients.kafka_once.create_cluster_v2().cluster_name(&ctx.aws.stack);
        let call = call.set_tags(Some(ctx.tags.clone().into_iter().collect()));
        let call = match &self.provisioned {
            Some(one) => call.provisioned(one.request(ctx, subnets, groups).await?),
            None => call.serverless(serverless(subnets, groups)),
        };
        match call.send().await.map_err(cloud("CreateClusterV2")) {
            Err(error) if error.class == Class::Conflict => mine(ctx, &fetch(ctx.aws).await?)?.ok_or(error),
            answer => answer?.cluster_arn.ok_or_else(|| no_id("CreateClusterV2")),
        }
    }

    /// A new cluster can't be public: that follows once it is there.
    async fn settle(&self, ctx: &Ctx<'_>, id: &str) -> Result<(), CloudError> {
        wait::idle(ctx, id).await?;
        if self.provisioned.as_ref().is_some_and(|one| one.public_access) {
            let field = "public_access".to_owned();
            let change = FieldChange { field, before: false.into(), after: true.into() };
            update::bring(self, ctx, id, &[change]).await?;
        }
        Ok(())
    }

    async fn update(&self, ctx: &Ctx<'_>, id: &str, changes: &[FieldChange]) -> Result<(), CloudError> {
        let changes: Vec<FieldChange> = changes.iter().filter(|change| change.field != "state").cloned().collect();
        if changes.is_empty() { self.settle(ctx, id).await } else { update::bring(self, ctx, id, &changes).await }
    }

    async fn delete(&self, ctx: &Ctx<'_>, id: &str) -> Result<(), CloudError> {
        wait::delete(ctx, id).await
    }

    async fn retag(ctx: &Ctx<'_>, id: &str, set: &Tags, unset: &[String]) -> Result<(), CloudError> {
        retag(ctx, id, set, unset).await
    }
}

/// Sets and removes tags of a cluster.
pub async fn retag(ctx: &Ctx<'_>, arn: &str, set: &Tags, unset: &[String]) -> Result<(), CloudError> {
    let kafka = &ctx.aws.clients.kafka;
    if !set.is_empty() {
        let call = kafka.tag_resource().resource_arn(arn).set_tags(Some(set.clone().into_iter().collect()));
        call.send().await.map_err(cloud("TagResource"))?;
    }
    if !unset.is_empty() {
        let call = kafka.untag_resource().resource_arn(arn).set_tag_keys(Some(unset.to_vec()));
        call.send().await.map_err(cloud("UntagResource"))?;
    }
    Ok(())
}

/// How many fewer a change of a number asks for.
fn less(change: &FieldChange) -> u64 {
    change.before.as_u64().unwrap_or_default().saturating_sub(change.after.as_u64().unwrap_or_default())
}

/// The ARN of the cluster that has the stack's name and is the stack's own.
fn mine(ctx: &Ctx<'_>, all: &[Cluster]) -> Result<Option<String>, CloudError> {
    let Some(cluster) = all.first() else { return Ok(None) };
    if msk::tags(cluster).get(tag::STACK) == Some(&ctx.aws.stack) {
        return Ok(cluster.cluster_arn().map(str::to_owned));
    }
    Err(CloudError::own("CreateClusterV2", format!("there is a cluster named {} that is not the stack's", ctx.aws.stack)))
}

/// The Kafka versions that the cluster can be brought to; not known while it is made, or of what is not the stack's.
async fn upgrades(aws: &Aws, cluster: &Cluster) -> Result<Option<Vec<String>>, CloudError> {
    let usable = msk::usable(aws).await?;
    let arn = cluster.cluster_arn().unwrap_or_default();
    if cluster.provisioned().is_none() || usable.iter().all(|one| one.cluster_arn() != Some(arn)) {
        return Ok(None);
    }
    let call = aws.clients.kafka.get_compatible_kafka_versions().cluster_arn(arn);
    let answer = call.send().await.map_err(cloud("GetCompatibleKafkaVersions"))?;
    Ok(Some(answer.compatible_kafka_versions().iter().flat_map(|one| one.target_versions().to_vec()).collect()))
}

fn serverless(subnets: Vec<String>, groups: Vec<String>) -> ServerlessRequest {
    let network = VpcConfig::builder().set_subnet_ids(Some(subnets)).set_security_group_ids(Some(groups)).build();
    let sasl = ServerlessSasl::builder().iam(Iam::builder().enabled(true).build()).build();
    let auth = ServerlessClientAuthentication::builder().sasl(sasl).build();
    ServerlessRequest::builder().vpc_configs(network).client_authentication(auth).build()
}

impl Provisioned {
    async fn request(
        &self,
        ctx: &Ctx<'_>,
        subnets: Vec<String>,
        groups: Vec<String>,
    ) -> Result<ProvisionedRequest, CloudError> {
        let int = |value: u64| i32::try_from(value).unwrap_or(i32::MAX);
        let ebs = self.volume_gib.map(|size| {
            let throughput = self.throughput_mibs.filter(|mibs| *mibs > 0).map(update::throughput);
            EbsStorageInfo::builder().volume_size(int(size)).set_provisioned_throughput(throughput).build()
        });
        let nodes = BrokerNodeGroupInfo::builder()
            .instance_type(&self.instance_type)
            .set_client_subnets(Some(subnets))
            .set_security_groups(Some(groups))
            .set_storage_info(ebs.map(|ebs| StorageInfo::builder().ebs_storage_info(ebs).build()))
            .build();
        let rebalancing = self.rebalancing.map(|on| {
            let status = if on { RebalancingStatus::Active } else { RebalancingStatus::Paused };
            Rebalancing::builder().status(status).build()
        });
        Ok(ProvisionedRequest::builder()
            .broker_node_group_info(nodes)
            .kafka_version(&self.kafka)
            .number_of_broker_nodes(int(self.brokers.into()))
            .configuration_info(update::newest(ctx, self).await?)
            .client_authentication(self.authentication())
            .encryption_info(self.encryption(true))
            .enhanced_monitoring(update::monitoring(self))
            .open_monitoring(self.exporters())
            .logging_info(self.logging())
            .set_storage_mode((self.tiered == Some(true)).then_some(StorageMode::Tiered))
            .set_rebalancing(rebalancing)
            .build())
    }
}
