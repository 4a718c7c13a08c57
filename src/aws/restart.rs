//! Instances that are stopped and started again, all at once.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{Instance, InstanceStateName};

use super::kinds::fetch_instances;
use super::{Aws, READY_TIMEOUT, failed};
use crate::error::StepError;

/// Stops instances, all at once, and waits until they have stopped.
///
/// # Errors
/// AWS's answer, or that it took too long.
pub async fn stop_all(aws: &Aws, ids: &BTreeSet<String>) -> Result<(), StepError> {
    let call = aws.clients.ec2.stop_instances().set_instance_ids(Some(ids.iter().cloned().collect()));
    call.send().await.map_err(failed("StopInstances"))?;
    until(aws, ids, "the stop of the instances", &InstanceStateName::Stopped).await
}

/// Starts instances, all at once, and waits until they run.
///
/// # Errors
/// AWS's answer, or that it took too long.
pub async fn start_all(aws: &Aws, ids: &BTreeSet<String>) -> Result<(), StepError> {
    let call = aws.clients.ec2.start_instances().set_instance_ids(Some(ids.iter().cloned().collect()));
    call.send().await.map_err(failed("StartInstances"))?;
    until(aws, ids, "the start of the instances", &InstanceStateName::Running).await
}

async fn until(aws: &Aws, ids: &BTreeSet<String>, what: &str, wanted: &InstanceStateName) -> Result<(), StepError> {
    let ready = |all: &[Instance]| {
        let there = all.iter().filter(|one| one.instance_id().is_some_and(|id| ids.contains(id)));
        Ok((there.filter(|one| one.state().and_then(|state| state.name()) == Some(wanted)).count() == ids.len())
            .then_some(()))
    };
    aws.instances.wait(what, READY_TIMEOUT, || fetch_instances(aws), ready).await
}
