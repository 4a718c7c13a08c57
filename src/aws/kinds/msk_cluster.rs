//! The MSK cluster, and the operations that its changes take: MSK makes one at a time.

use super::msk::{self, fetch, live, update, wait};
use super::no_id;
use crate::aws::{Aws, Class, failed};
use crate::driver::{Calls, Ctx, Driver};
use crate::error::StepError;
use aws_sdk_kafka::types::{
    BrokerNodeGroupInfo, Cluster, EbsStorageInfo, Iam, ProvisionedRequest, Rebalancing, RebalancingStatus,
    ServerlessClientAuthentication, ServerlessRequest, ServerlessSasl, StorageInfo, StorageMode, VpcConfig,
};
use kstack_core::design::Provisioned;
use kstack_core::kinds::MskCluster;
use kstack_core::model::{FieldChange, Tags, tag};
use kstack_core::observed::Found;
use kstack_core::permissions::call;

impl Driver<Aws> for MskCluster {
    const CALLS: Calls = Calls {
        discover: &[call("ListClustersV2"), call("DescribeConfigurationRevision"), call("GetCompatibleKafkaVersions")],
        create: &[
            call("ListClustersV2"),
            call("DescribeConfiguration"),
            call("DescribeConfigurationRevision"),
            call("CreateClusterV2"),
            call("DescribeClusterV2"),
            call("DescribeClusterOperationV2"),
            call("UpdateConnectivity"),
        ],
        update: &[
            call("DescribeClusterV2"),
            call("DescribeClusterOperationV2"),
            call("DescribeConfiguration"),
            call("DescribeConfigurationRevision"),
            call("UpdateStorage"),
            call("ListClusterOperationsV2"),
            call("UpdateClusterKafkaVersion"),
            call("UpdateClusterConfiguration"),
            call("UpdateBrokerType"),
            call("UpdateBrokerCount"),
            call("UpdateRebalancing"),
            call("UpdateConnectivity"),
            call("UpdateMonitoring"),
            call("UpdateSecurity"),
        ],
        delete: &[call("DescribeClusterV2"), call("DeleteCluster")],
        retag: &[call("TagResource"), call("UntagResource")],
    };

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        let all = aws.clusters.since(aws.round(), || fetch(aws)).await?;
        let found = all.iter().map(|cluster| async move {
            let arn = cluster.cluster_arn().unwrap_or_default();
            // Nothing is planned from a discovery of every stack: it goes without them.
            let (revision, upgrades) = match aws.all() {
                true => (String::new(), None),
                false => tokio::try_join!(update::revision(aws, cluster), upgrades(aws, cluster))?,
            };
            let spec = live::spec(cluster, revision, upgrades);
            Ok(Found { id: arn.to_owned(), tags: msk::tags(cluster), spec, terminated: false })
        });
        futures::future::try_join_all(found).await
    }

    /// MSK takes no client token. The name is unique, so what has it already is the stack's own from a call whose answer
    /// was lost, or somebody else's.
    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        if let Some(mine) = mine(ctx, &fetch(ctx.system).await?)? {
            return Ok(mine);
        }
        let groups = ctx.all_ids(&self.security_groups)?;
        let subnets = ctx.all_ids(&self.subnets)?;
        let call = ctx.system.clients.msk_no_retry.create_cluster_v2().cluster_name(ctx.system.stack());
        let call = call.set_tags(Some(ctx.tags.clone().into_iter().collect()));
        let call = match &self.provisioned {
            Some(one) => call.provisioned(request(one, ctx, subnets, groups).await?),
            None => call.serverless(serverless(subnets, groups)),
        };
        match call.send().await.map_err(failed("CreateClusterV2")) {
            Err(error) if error.class() == Class::Conflict => mine(ctx, &fetch(ctx.system).await?)?.ok_or(error),
            answer => answer?.cluster_arn.ok_or_else(|| no_id("CreateClusterV2")),
        }
    }

    /// A new cluster can't be public, nor be reached from other VPCs, nor have IPv6: that follows once it is there, one after the other, as
    /// MSK takes one of them a call.
    async fn finish(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        wait::idle(ctx, id).await?;
        let one = self.provisioned.as_ref();
        let has = |field: fn(&Provisioned) -> bool| one.is_some_and(field);
        let later: [&[(&str, bool)]; 3] = [
            &[("public_access", has(|one| one.public_access))],
            &[
                ("vpc_iam", has(|one| one.vpc_iam)),
                ("vpc_scram", has(|one| one.vpc_scram)),
                ("vpc_tls", has(|one| one.vpc_tls)),
            ],
            &[("ipv6", self.ipv6)],
        ];
        for fields in later {
            let on = fields.iter().filter(|(_, on)| *on);
            let change = |(field, _): &(&str, bool)| FieldChange {
                field: (*field).to_owned(),
                before: false.into(),
                after: true.into(),
            };
            let changes: Vec<FieldChange> = on.map(change).collect();
            if !changes.is_empty() {
                update::bring(self, ctx, id, &changes).await?;
            }
        }
        Ok(())
    }

    async fn update(&self, ctx: &Ctx<'_, Aws>, id: &str, changes: &[FieldChange]) -> Result<(), StepError> {
        let changes: Vec<FieldChange> = changes.iter().filter(|change| change.field != "state").cloned().collect();
        if changes.is_empty() { self.finish(ctx, id).await } else { update::bring(self, ctx, id, &changes).await }
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        wait::delete(ctx, id).await
    }

    async fn retag(ctx: &Ctx<'_, Aws>, id: &str, set: &Tags, unset: &[String]) -> Result<(), StepError> {
        retag(ctx, id, set, unset).await
    }
}

/// Sets and removes tags of a cluster.
pub async fn retag(ctx: &Ctx<'_, Aws>, arn: &str, set: &Tags, unset: &[String]) -> Result<(), StepError> {
    let kafka = &ctx.system.clients.msk;
    if !set.is_empty() {
        let call = kafka.tag_resource().resource_arn(arn).set_tags(Some(set.clone().into_iter().collect()));
        call.send().await.map_err(failed("TagResource"))?;
    }
    if !unset.is_empty() {
        let call = kafka.untag_resource().resource_arn(arn).set_tag_keys(Some(unset.to_vec()));
        call.send().await.map_err(failed("UntagResource"))?;
    }
    Ok(())
}

/// The ARN of the cluster that has the stack's name and is the stack's own.
fn mine(ctx: &Ctx<'_, Aws>, all: &[Cluster]) -> Result<Option<String>, StepError> {
    let Some(cluster) = all.first() else { return Ok(None) };
    if msk::is_own(ctx.system, cluster) {
        return Ok(cluster.cluster_arn().map(str::to_owned));
    }
    let what = format!("the cluster named {} is not the stack's", ctx.system.stack());
    Err(StepError::ended(what, format!("it has no tag `{}` of the stack", tag::STACK)))
}

/// The Kafka versions that the cluster can be brought to; not known while it is made, of what is not the stack's, and where an upgrade ended
/// between its description and this look: the list is of another version then.
async fn upgrades(aws: &Aws, cluster: &Cluster) -> Result<Option<Vec<String>>, StepError> {
    let usable = msk::usable(aws).await?;
    let arn = cluster.cluster_arn().unwrap_or_default();
    if cluster.provisioned().is_none() || usable.iter().all(|one| one.cluster_arn() != Some(arn)) {
        return Ok(None);
    }
    let call = aws.clients.msk.get_compatible_kafka_versions().cluster_arn(arn);
    let answer = call.send().await.map_err(failed("GetCompatibleKafkaVersions"))?;
    let software = cluster.provisioned().and_then(|info| info.current_broker_software_info());
    let version = software.and_then(|info| info.kafka_version());
    let mut listed = answer.compatible_kafka_versions().iter();
    Ok(listed.find(|one| one.source_version() == version).map(|one| one.target_versions().to_vec()))
}

fn serverless(subnets: Vec<String>, groups: Vec<String>) -> ServerlessRequest {
    let network = VpcConfig::builder().set_subnet_ids(Some(subnets)).set_security_group_ids(Some(groups)).build();
    let sasl = ServerlessSasl::builder().iam(Iam::builder().enabled(true).build()).build();
    let auth = ServerlessClientAuthentication::builder().sasl(sasl).build();
    ServerlessRequest::builder().vpc_configs(network).client_authentication(auth).build()
}

async fn request(
    cluster: &Provisioned,
    ctx: &Ctx<'_, Aws>,
    subnets: Vec<String>,
    groups: Vec<String>,
) -> Result<ProvisionedRequest, StepError> {
    let int = |value: u64| i32::try_from(value).unwrap_or(i32::MAX);
    let ebs = cluster.volume_gib.map(|size| {
        let throughput = cluster.throughput_mibs.filter(|mibs| *mibs > 0).map(update::throughput);
        EbsStorageInfo::builder().volume_size(int(size)).set_provisioned_throughput(throughput).build()
    });
    let nodes = BrokerNodeGroupInfo::builder()
        .instance_type(&cluster.instance_type)
        .set_client_subnets(Some(subnets))
        .set_security_groups(Some(groups))
        .set_storage_info(ebs.map(|ebs| StorageInfo::builder().ebs_storage_info(ebs).build()))
        .build();
    let rebalancing = cluster.rebalancing.map(|on| {
        let status = if on { RebalancingStatus::Active } else { RebalancingStatus::Paused };
        Rebalancing::builder().status(status).build()
    });
    Ok(ProvisionedRequest::builder()
        .broker_node_group_info(nodes)
        .kafka_version(&cluster.kafka)
        .number_of_broker_nodes(int(cluster.brokers.into()))
        .set_configuration_info(update::configuration(ctx, cluster).await?)
        .client_authentication(live::authentication(cluster))
        .encryption_info(live::encryption(cluster, true))
        .enhanced_monitoring(update::monitoring(cluster))
        .open_monitoring(live::exporters(cluster))
        .logging_info(live::logging(cluster, &ctx.id(&cluster.log_group)?))
        .set_storage_mode((cluster.tiered == Some(true)).then_some(StorageMode::Tiered))
        .set_rebalancing(rebalancing)
        .build())
}
