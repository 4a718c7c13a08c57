//! One operation on a live cluster: looked at before it is begun, so that it may run again, and waited for to its end.

use std::time::Duration;

use aws_sdk_kafka::types::{
    Cluster, ClusterState, ConfigurationInfo, ConnectivityInfo, EnhancedMonitoring, NetworkType, ProvisionedThroughput,
    PublicAccess, Rebalancing, RebalancingStatus, StorageMode, ZookeeperAccess,
};
use jiff::Timestamp;

use super::{live, properties, wait};
use crate::aws::kinds::no_id;
use crate::aws::{Aws, Class, CloudError, failed, jitter};
use crate::driver::Ctx;
use crate::error::StepError;
use kstack_core::choose::configuration_fingerprint;
use kstack_core::design::Provisioned;
use kstack_core::kinds::{MskCluster, MskOperation, Resource, storage_again, to_kraft};
use kstack_core::model::{FieldChange, Ref};

/// How often an operation is begun again because another came first.
const TRIES: u32 = 5;
/// How often, and how far apart, an idle cluster is looked at for what an operation has done.
const LOOKS: u32 = 30;
const PAUSE: Duration = Duration::from_secs(2);

/// Makes `changes`, which are all of one operation, unless the cluster has them already. What is under way, such as the
/// same operation of a run that was cut off, is waited out first; the cluster's version is read again each time.
///
/// # Errors
/// That the cluster or the operation failed, with AWS's reason; AWS's answer.
pub async fn bring(
    wanted: &MskCluster,
    ctx: &Ctx<'_, Aws>,
    arn: &str,
    changes: &[FieldChange],
) -> Result<(), StepError> {
    let provisioned = wanted.provisioned.as_ref();
    let (mut tries, mut closed) = (0, false);
    loop {
        let cluster = wait::idle(ctx, arn).await?;
        let left = left(ctx, &cluster, changes).await?;
        if left.is_empty() {
            return Ok(());
        }
        let version = cluster.current_version().unwrap_or_default();
        tries += 1;
        // AWS asks for it before the way to KRaft, of standard brokers. No description shows whether it is done.
        let standard = provisioned.is_some_and(|one| !one.instance_type.starts_with("express."));
        if !closed && standard && left.iter().any(|field| field == "kafka") {
            closed = true;
            if changes.iter().any(to_kraft) && close_zookeeper(ctx, arn, version).await? {
                continue;
            }
        }
        match start(provisioned, ctx, &cluster, &left).await {
            Ok(operation) => {
                wait::operation(ctx, arn, &operation).await?;
                return shown(ctx, arn, changes).await;
            }
            // Another operation, such as growing storage, may have begun since the look.
            Err(error) if error.class() == Class::Other && tries < TRIES => {
                let now = wait::describe(ctx, arn).await?;
                if now.current_version() == Some(version) && now.state() == Some(&ClusterState::Active) {
                    return Err(refused(error, ctx, arn).await);
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// Waits until the cluster shows what an operation has done: neither the operation nor the cluster's state need be known everywhere
/// at once, and one that seems to be over may have only begun.
async fn shown(ctx: &Ctx<'_, Aws>, arn: &str, changes: &[FieldChange]) -> Result<(), StepError> {
    let mut looks = 0;
    loop {
        let cluster = wait::idle(ctx, arn).await?;
        let left = left(ctx, &cluster, changes).await?;
        if left.is_empty() {
            return Ok(());
        }
        looks += 1;
        if looks == LOOKS {
            let why = format!("its {} is as before", left.join(", "));
            return Err(StepError::ended("the operation is over, and the cluster does not show it", why));
        }
        tokio::time::sleep(jitter(PAUSE)).await;
    }
}

/// Turns the access of clients to ZooKeeper off, and waits for it. Whether it had to be: AWS refuses what changes nothing, and
/// where that is not the reason, it refuses the upgrade too.
async fn close_zookeeper(ctx: &Ctx<'_, Aws>, arn: &str, version: &str) -> Result<bool, StepError> {
    let off = ZookeeperAccess::builder().enabled(false).build();
    let call = ctx.system.clients.msk_no_retry.update_connectivity().cluster_arn(arn).current_version(version);
    match call.zookeeper_access(off).send().await.map_err(failed("UpdateConnectivity")) {
        Ok(answer) => {
            let operation = answer.cluster_operation_arn.ok_or_else(|| no_id("UpdateConnectivity"))?;
            wait::operation(ctx, arn, &operation).await.map(|()| true)
        }
        Err(error) if error.class() == Class::Other => Ok(false),
        Err(error) => Err(error),
    }
}

/// The refusal `error` of an update; of storage with what AWS's code for everything may mean there, and when that ends.
async fn refused(error: StepError, ctx: &Ctx<'_, Aws>, arn: &str) -> StepError {
    let StepError::Cloud(cloud) = error else { return error };
    if cloud.operation != "UpdateStorage" {
        return cloud.into();
    }
    // Newest first. That it can't be asked hides nothing.
    let call = ctx.system.clients.msk.list_cluster_operations_v2().cluster_arn(arn);
    let answer = call.send().await.map_err(failed("ListClusterOperationsV2"));
    let listed = answer.ok().and_then(|answer| answer.cluster_operation_info_list).unwrap_or_default();
    let ended = listed
        .iter()
        .filter(|one| one.operation_type().is_some_and(|kind| kind.contains("STORAGE")))
        .find_map(|one| Timestamp::from_second(one.end_time()?.secs()).ok());
    match ended.map(storage_again) {
        Some((at, remedy)) => StepError::Later { error: Box::new(cloud), at, remedy },
        None => cloud.into(),
    }
}

/// The fields of `changes` that the cluster does not have yet.
async fn left(ctx: &Ctx<'_, Aws>, cluster: &Cluster, changes: &[FieldChange]) -> Result<Vec<String>, StepError> {
    let spec = live::spec(cluster, revision(ctx.system, cluster).await?, None);
    let spec = Resource::from(spec).spec();
    let mut left = Vec::new();
    for change in changes {
        let after = match change.field.as_str() {
            "configuration" | "log_group" => {
                ctx.id(&serde_json::from_value::<Ref>(change.after.clone()).unwrap_or(Ref::None))?.into()
            }
            _ => change.after.clone(),
        };
        if spec[&change.field] != after {
            left.push(change.field.clone());
        }
    }
    Ok(left)
}

/// What stands for the server properties that the cluster uses; nothing where it uses AWS's own.
///
/// # Errors
/// AWS's answer.
pub async fn revision(aws: &crate::aws::Aws, cluster: &Cluster) -> Result<String, StepError> {
    let software = cluster.provisioned().and_then(|info| info.current_broker_software_info());
    match software.and_then(|info| Some((info.configuration_arn()?, info.configuration_revision()?))) {
        Some((arn, revision)) => match properties(aws, arn, revision).await {
            Err(error) if error.class() == Class::NotFound => Ok(String::new()),
            lines => Ok(configuration_fingerprint(&lines?)),
        },
        None => Ok(String::new()),
    }
}

/// The configuration that is wanted: of the stack's own the newest revision, which has the server properties that are wanted. None
/// where AWS's own settings are.
///
/// # Errors
/// That AWS does not show that revision yet; AWS's answer.
pub async fn configuration(ctx: &Ctx<'_, Aws>, wanted: &Provisioned) -> Result<Option<ConfigurationInfo>, StepError> {
    let arn = ctx.id(&wanted.configuration)?;
    if let Some(revision) = wanted.configuration_revision {
        return Ok(Some(ConfigurationInfo::builder().arn(arn).revision(revision.into()).build()));
    }
    if arn.is_empty() {
        return Ok(None);
    }
    let call = ctx.system.clients.msk.describe_configuration().arn(&arn);
    let answer = call.send().await.map_err(failed("DescribeConfiguration"))?;
    let revision = answer.latest_revision().and_then(|revision| revision.revision()).unwrap_or_default();
    if configuration_fingerprint(&properties(ctx.system, &arn, revision).await?)
        != wanted.server_properties.clone().unwrap_or_default()
    {
        let message = format!("revision {revision} of {arn} has other server properties; a newer one is not shown yet");
        let operation = "DescribeConfiguration".to_owned();
        return Err(CloudError { operation, code: None, message, request_id: None, class: Class::NotFound }.into());
    }
    Ok(Some(ConfigurationInfo::builder().arn(arn).revision(revision).build()))
}

/// Begins the operation that changes the fields in `left`, and gives its ARN.
async fn start(
    wanted: Option<&Provisioned>,
    ctx: &Ctx<'_, Aws>,
    cluster: &Cluster,
    left: &[String],
) -> Result<String, StepError> {
    let (arn, version) = (cluster.cluster_arn().unwrap_or_default(), cluster.current_version().unwrap_or_default());
    let kafka = &ctx.system.clients.msk_no_retry;
    let has = |field: &str| left.iter().any(|one| one == field);
    let int = |value: u64| i32::try_from(value).unwrap_or(i32::MAX);
    let Some(operation) = left.iter().filter_map(|field| MskOperation::of_field(field)).min() else {
        return Err(StepError::Internal(format!("no operation of MSK changes {}", left.join(", "))));
    };
    // The one operation that serverless clusters have, too.
    if operation == MskOperation::DualStack {
        let dual = ConnectivityInfo::builder().network_type(NetworkType::Dual).build();
        let call = kafka.update_connectivity().cluster_arn(arn).current_version(version).connectivity_info(dual);
        let answer = call.send().await.map_err(failed("UpdateConnectivity"))?;
        return answer.cluster_operation_arn.ok_or_else(|| no_id("UpdateConnectivity"));
    }
    let Some(wanted) = wanted else {
        return Err(StepError::Internal(format!("a serverless cluster has no operation for {}", left.join(", "))));
    };
    let (operation, begun) = match operation {
        MskOperation::Storage | MskOperation::Throughput => {
            let throughput = wanted.throughput_mibs.filter(|_| has("throughput_mibs")).map(throughput);
            let size = wanted.volume_gib.filter(|_| has("volume_gib")).map(int);
            let call = kafka.update_storage().cluster_arn(arn).current_version(version).set_volume_size_gb(size);
            let answer = call.set_provisioned_throughput(throughput).send().await;
            ("UpdateStorage", answer.map_err(failed("UpdateStorage"))?.cluster_operation_arn)
        }
        MskOperation::TieredStorage => {
            let call =
                kafka.update_storage().cluster_arn(arn).current_version(version).storage_mode(StorageMode::Tiered);
            ("UpdateStorage", call.send().await.map_err(failed("UpdateStorage"))?.cluster_operation_arn)
        }
        MskOperation::KafkaVersion => {
            // The new settings come with the version: neither need suit the other's past.
            let call = kafka.update_cluster_kafka_version().cluster_arn(arn).current_version(version);
            let call = call.target_kafka_version(&wanted.kafka);
            let call = call.set_configuration_info(configuration(ctx, wanted).await?);
            let answer = call.send().await.map_err(failed("UpdateClusterKafkaVersion"))?;
            ("UpdateClusterKafkaVersion", answer.cluster_operation_arn)
        }
        MskOperation::Configuration => {
            let call = kafka.update_cluster_configuration().cluster_arn(arn).current_version(version);
            let call = call.set_configuration_info(configuration(ctx, wanted).await?);
            let answer = call.send().await.map_err(failed("UpdateClusterConfiguration"))?;
            ("UpdateClusterConfiguration", answer.cluster_operation_arn)
        }
        MskOperation::BrokerType => {
            let call = kafka.update_broker_type().cluster_arn(arn).current_version(version);
            let answer = call.target_instance_type(&wanted.instance_type).send().await;
            ("UpdateBrokerType", answer.map_err(failed("UpdateBrokerType"))?.cluster_operation_arn)
        }
        MskOperation::BrokerCount | MskOperation::BrokerRemoval => {
            let call = kafka.update_broker_count().cluster_arn(arn).current_version(version);
            let answer = call.target_number_of_broker_nodes(int(wanted.brokers.into())).send().await;
            ("UpdateBrokerCount", answer.map_err(failed("UpdateBrokerCount"))?.cluster_operation_arn)
        }
        MskOperation::Rebalancing => {
            let status =
                if wanted.rebalancing == Some(true) { RebalancingStatus::Active } else { RebalancingStatus::Paused };
            let call = kafka.update_rebalancing().cluster_arn(arn).current_version(version);
            let answer = call.rebalancing(Rebalancing::builder().status(status).build()).send().await;
            ("UpdateRebalancing", answer.map_err(failed("UpdateRebalancing"))?.cluster_operation_arn)
        }
        MskOperation::PublicAccess | MskOperation::PublicAccessOff => {
            let call = kafka.update_connectivity().cluster_arn(arn).current_version(version);
            let answer = call.connectivity_info(connectivity(wanted.public_access)).send().await;
            ("UpdateConnectivity", answer.map_err(failed("UpdateConnectivity"))?.cluster_operation_arn)
        }
        MskOperation::VpcConnectivity | MskOperation::VpcConnectivityOff => {
            let call = kafka.update_connectivity().cluster_arn(arn).current_version(version);
            let answer = call.connectivity_info(live::from_vpcs(wanted, cluster, &has)).send().await;
            ("UpdateConnectivity", answer.map_err(failed("UpdateConnectivity"))?.cluster_operation_arn)
        }
        MskOperation::Monitoring => {
            let call = kafka.update_monitoring().cluster_arn(arn).current_version(version);
            let call = call.enhanced_monitoring(monitoring(wanted)).open_monitoring(live::exporters(wanted));
            let answer = call
                .logging_info(live::logging(wanted, &ctx.id(&wanted.log_group)?))
                .send()
                .await
                .map_err(failed("UpdateMonitoring"))?;
            ("UpdateMonitoring", answer.cluster_operation_arn)
        }
        MskOperation::Security => {
            let call = kafka.update_security().cluster_arn(arn).current_version(version);
            let encryption = has("in_transit").then(|| live::encryption(wanted, false));
            let auth = left.iter().any(|field| field != "in_transit").then(|| live::authentication(wanted));
            let answer = call.set_encryption_info(encryption).set_client_authentication(auth).send().await;
            ("UpdateSecurity", answer.map_err(failed("UpdateSecurity"))?.cluster_operation_arn)
        }
        // A cluster that is being created is waited for, not changed.
        MskOperation::Creation | MskOperation::DualStack => {
            return Err(StepError::Internal("the creation of a cluster is no update".to_owned()));
        }
    };
    begun.ok_or_else(|| no_id(operation))
}

/// Provisioned throughput for AWS: off for 0 MiB/s.
pub fn throughput(mibs: u32) -> ProvisionedThroughput {
    let value = (mibs > 0).then(|| i32::try_from(mibs).unwrap_or(i32::MAX));
    ProvisionedThroughput::builder().enabled(mibs > 0).set_volume_throughput(value).build()
}

/// The level of monitoring for AWS.
pub fn monitoring(wanted: &Provisioned) -> EnhancedMonitoring {
    EnhancedMonitoring::from(wanted.monitoring.to_uppercase().replace('-', "_").as_str())
}

fn connectivity(public: bool) -> ConnectivityInfo {
    let kind = if public { "SERVICE_PROVIDED_EIPS" } else { "DISABLED" };
    ConnectivityInfo::builder().public_access(PublicAccess::builder().r#type(kind).build()).build()
}
