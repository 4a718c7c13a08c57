//! What every instance has, a host's or the client host's: waiting for its states, its metadata's tokens, and its root volume's tags.

use aws_sdk_ec2::types::{HttpTokensState, Instance as Sdk, InstanceMetadataEndpointState, InstanceStateName};
use kstack_core::model::Tags;

use super::instance::{DATA_DEVICES, fetch, state};
use crate::aws::{Aws, READY_TIMEOUT, by_id, failed};
use crate::driver::Ctx;
use crate::error::StepError;

/// Waits until the instance runs.
///
/// # Errors
/// Why it does not.
pub async fn await_running(ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
    let what = format!("the start of the instance {id}");
    let running = |all: &[Sdk]| {
        let Some(instance) = by_id(all, Sdk::instance_id, id) else { return Ok(None) };
        match state(instance) {
            Some(InstanceStateName::Running) => Ok(Some(())),
            Some(InstanceStateName::Terminated | InstanceStateName::ShuttingDown) => {
                let why = instance.state_reason().and_then(|reason| reason.message()).unwrap_or("AWS gives no reason");
                Err(StepError::ended(format!("the instance {id} was terminated"), why))
            }
            _ => Ok(None),
        }
    };
    ctx.system.instances.wait(&what, READY_TIMEOUT, || fetch(ctx.system), running).await
}

/// Waits until an instance that stops has stopped.
///
/// # Errors
/// That it takes too long.
pub async fn await_stopped(ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
    let stopped = |all: &[Sdk]| {
        let instance = by_id(all, Sdk::instance_id, id);
        Ok((instance.and_then(state) == Some(&InstanceStateName::Stopped)).then_some(()))
    };
    let what = format!("the stop of the instance {id}");
    ctx.system.instances.wait(&what, READY_TIMEOUT, || fetch(ctx.system), stopped).await
}

/// Waits until the instance is terminated.
///
/// # Errors
/// That it takes too long.
pub async fn await_gone(ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
    let gone = |all: &[Sdk]| {
        let left = by_id(all, Sdk::instance_id, id);
        Ok(left.is_none_or(|instance| state(instance) == Some(&InstanceStateName::Terminated)).then_some(()))
    };
    let what = format!("the termination of {id}");
    ctx.system.instances.wait(&what, READY_TIMEOUT, || fetch(ctx.system), gone).await
}

/// Has the instance's metadata answer to IMDSv2 only.
///
/// # Errors
/// AWS's answer.
pub async fn require_tokens(ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
    let call = ctx.system.clients.ec2.modify_instance_metadata_options().instance_id(id);
    let call = call.http_tokens(HttpTokensState::Required);
    let call = call.http_endpoint(InstanceMetadataEndpointState::Enabled);
    call.send().await.map_err(failed("ModifyInstanceMetadataOptions")).map(drop)
}

/// Tags the instance, and its root volume with it.
///
/// # Errors
/// AWS's answer.
pub async fn retag_with_root(ctx: &Ctx<'_, Aws>, id: &str, set: &Tags, unset: &[String]) -> Result<(), StepError> {
    let all = ctx.system.instances.since(ctx.system.round(), || fetch(ctx.system)).await?;
    let mappings = all.iter().filter(|one| one.instance_id() == Some(id)).flat_map(|one| one.block_device_mappings());
    let root = mappings.filter(|mapping| mapping.device_name().is_some_and(|name| !DATA_DEVICES.contains(&name)));
    let root = root.filter_map(|mapping| mapping.ebs().and_then(|ebs| ebs.volume_id()));
    ctx.retag_ec2(&std::iter::once(id).chain(root).collect::<Vec<_>>(), set, unset).await
}
