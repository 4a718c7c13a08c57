//! Waiting for a cluster and its operations, as long as AWS says that it works on them: there is no time after which a
//! slow creation or a roll over many brokers would be given up.

use aws_sdk_kafka::types::{Cluster, ClusterState};

use super::reason;
use crate::aws::{Aws, Class, READY_TIMEOUT, failed};
use crate::driver::Ctx;
use crate::error::{DELETE_FAILED_CLUSTER, StepError};
use crate::wait::{Backoff, Look, follow};

/// The cluster as it is now.
pub async fn describe(ctx: &Ctx<'_, Aws>, arn: &str) -> Result<Cluster, StepError> {
    let call = ctx.system.clients.msk.describe_cluster_v2().cluster_arn(arn);
    let answer = call.send().await.map_err(failed("DescribeClusterV2"))?;
    answer.cluster_info.ok_or_else(|| StepError::Internal("the answer to DescribeClusterV2 has no cluster".to_owned()))
}

/// Not yet: what is waited for is told as progress.
fn missing<T>() -> Look<T> {
    Look::Missing(String::new())
}

/// Says each thing once, until it changes.
struct Once<'a>(&'a dyn Fn(String), String);

impl Once<'_> {
    fn say(&mut self, text: &str) {
        if self.1 != text {
            text.clone_into(&mut self.1);
            (self.0)(text.to_owned());
        }
    }
}

/// Waits until the cluster can take an operation. Creating, updating, healing, maintenance and reboots are waited out,
/// and so is a state that this kstack does not know.
///
/// # Errors
/// That it failed, with AWS's reason, or is being deleted; AWS's answer.
pub async fn idle(ctx: &Ctx<'_, Aws>, arn: &str) -> Result<Cluster, StepError> {
    let mut once = Once(ctx.progress, String::new());
    follow(READY_TIMEOUT, Backoff::LONG, async || {
        let cluster = describe(ctx, arn).await?;
        match cluster.state() {
            Some(ClusterState::Active) => Ok(Look::Ready(cluster)),
            Some(ClusterState::Failed) => Err(StepError::Ended {
                what: "the cluster failed".to_owned(),
                why: reason(&cluster),
                remedy: Some(DELETE_FAILED_CLUSTER),
            }),
            Some(ClusterState::Deleting) => Err(StepError::ended("the cluster is being deleted", "")),
            state => {
                let state = state.map_or("UNKNOWN", ClusterState::as_str);
                once.say(&format!("the cluster is {state}"));
                Ok(missing())
            }
        }
    })
    .await
}

/// Waits until the operation is done, and the cluster can take the next.
///
/// # Errors
/// That it failed, with AWS's reason; AWS's answer.
pub async fn operation(ctx: &Ctx<'_, Aws>, arn: &str, operation: &str) -> Result<(), StepError> {
    let mut once = Once(ctx.progress, String::new());
    follow(READY_TIMEOUT, Backoff::LONG, async || {
        let call = ctx.system.clients.msk.describe_cluster_operation_v2().cluster_operation_arn(operation);
        let answer = match call.send().await.map_err(failed("DescribeClusterOperationV2")) {
            // Not visible yet, or forgotten: the cluster's state tells.
            Err(error) if error.class() == Class::NotFound => return Ok(Look::Ready(())),
            answer => answer?,
        };
        let info = answer.cluster_operation_info();
        let kind = info.and_then(|info| info.operation_type()).unwrap_or("the operation");
        // States are plain words: one that is not known is not an end.
        match info.and_then(|info| info.operation_state()).unwrap_or_default() {
            state if state.ends_with("_COMPLETE") => Ok(Look::Ready(())),
            state if state.ends_with("_FAILED") => {
                let error = info.and_then(|info| info.error_info());
                let parts = [error.and_then(|error| error.error_code()), error.and_then(|error| error.error_string())];
                let why = parts.into_iter().flatten().collect::<Vec<_>>().join(": ");
                let why = if why.is_empty() { "AWS gives no reason".to_owned() } else { why };
                Err(StepError::ended(format!("the operation {kind} ended as {state}"), why))
            }
            state => {
                let steps =
                    info.and_then(|info| info.provisioned()).map(|info| info.operation_steps()).unwrap_or_default();
                let status = |step: &aws_sdk_kafka::types::ClusterOperationStep| {
                    step.step_info().and_then(|info| info.step_status()).map(str::to_owned)
                };
                let at = steps.iter().find(|step| status(step).as_deref() == Some("IN_PROGRESS"));
                let at = at.and_then(|step| step.step_name()).map(|name| format!(", {name}")).unwrap_or_default();
                once.say(&format!("{kind} is {state}{at}"));
                Ok(missing())
            }
        }
    })
    .await?;
    idle(ctx, arn).await.map(drop)
}

/// Deletes the cluster and waits until it is gone. AWS refuses while it creates or updates the cluster: that is waited out.
///
/// # Errors
/// AWS's answer.
pub async fn delete(ctx: &Ctx<'_, Aws>, arn: &str) -> Result<(), StepError> {
    let mut once = Once(ctx.progress, String::new());
    follow(READY_TIMEOUT, Backoff::LONG, async || {
        let cluster = match describe(ctx, arn).await {
            Err(error) if error.class() == Class::NotFound => return Ok(Look::Ready(())),
            cluster => cluster?,
        };
        let state = cluster.state().cloned().unwrap_or(ClusterState::Updating);
        let busy =
            [ClusterState::Creating, ClusterState::Updating, ClusterState::RebootingBroker, ClusterState::Deleting];
        if busy.contains(&state) {
            once.say(&format!("the cluster is {}", state.as_str()));
            return Ok(missing());
        }
        let call = ctx.system.clients.msk_no_retry.delete_cluster().cluster_arn(arn);
        match call.send().await.map_err(failed("DeleteCluster")) {
            Ok(_) => Ok(missing()),
            Err(error) if error.class() == Class::NotFound => Ok(Look::Ready(())),
            // An operation may have begun since the look.
            Err(error) if error.class() == Class::Other => match describe(ctx, arn).await {
                Ok(now) if now.state() != Some(&state) => Ok(missing()),
                _ if [ClusterState::Active, ClusterState::Failed].contains(&state) => Err(error),
                _ => Ok(missing()),
            },
            Err(error) => Err(error),
        }
    })
    .await
}
