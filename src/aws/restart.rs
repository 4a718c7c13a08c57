//! Instances that start again, all at once: stopped and started, or rebooted where a stop would lose what is on their own disks.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{Instance, InstanceStateName, Tag};

use super::declared::{RESTART, during};
use super::kinds::fetch_instances;
use super::{Aws, READY_TIMEOUT, failed};
use crate::clock;
use crate::error::StepError;
use crate::wait::retry;
use kstack_core::model::tag;

/// Has instances stop, all at once. Those that have stopped stay so.
///
/// # Errors
/// AWS's answer.
pub async fn stop_all(aws: &Aws, ids: &BTreeSet<String>) -> Result<(), StepError> {
    let call = aws.clients.ec2.stop_instances().set_instance_ids(Some(ids.iter().cloned().collect()));
    let stop = || async { call.clone().send().await.map_err(failed("StopInstances")).map(drop) };
    during([RESTART, &[]], retry(stop)).await
}

/// Waits until instances have stopped.
///
/// # Errors
/// AWS's answer, or that it took too long.
pub async fn stopped(aws: &Aws, ids: &BTreeSet<String>) -> Result<(), StepError> {
    until(aws, ids, "the stop of the instances", &InstanceStateName::Stopped).await
}

/// Has instances start, all at once.
///
/// # Errors
/// AWS's answer.
pub async fn start_all(aws: &Aws, ids: &BTreeSet<String>) -> Result<(), StepError> {
    let call = aws.clients.ec2.start_instances().set_instance_ids(Some(ids.iter().cloned().collect()));
    let start = || async { call.clone().send().await.map_err(failed("StartInstances")).map(drop) };
    during([RESTART, &[]], retry(start)).await
}

/// Waits until instances run.
///
/// # Errors
/// AWS's answer, or that it took too long.
pub async fn running(aws: &Aws, ids: &BTreeSet<String>) -> Result<(), StepError> {
    until(aws, ids, "the start of the instances", &InstanceStateName::Running).await
}

/// Reboots running instances, all at once, and notes on them when that was: EC2 tells when an instance was launched, and a reboot is no
/// launch. The note comes after EC2 has taken the reboot, which it then makes sure of: a run that dies between the two reboots them again.
///
/// # Errors
/// AWS's answer.
pub async fn reboot_all(aws: &Aws, ids: &BTreeSet<String>) -> Result<(), StepError> {
    let ids: Vec<String> = ids.iter().cloned().collect();
    let call = aws.clients.ec2.reboot_instances().set_instance_ids(Some(ids.clone()));
    let reboot = || async { call.clone().send().await.map_err(failed("RebootInstances")).map(drop) };
    during([RESTART, &[]], async {
        retry(reboot).await?;
        let note = Tag::builder().key(tag::REBOOTED).value(clock::now().to_string()).build();
        let call = aws.clients.ec2.create_tags().set_resources(Some(ids)).tags(note);
        retry(|| async { call.clone().send().await.map_err(failed("CreateTags")).map(drop) }).await
    })
    .await
}

/// What EC2 says of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// It runs, or is about to.
    Runs,
    Stopped,
    /// There is none, or it is terminated.
    Gone,
}

/// The same of the instance with this id. One that stops is waited for.
///
/// # Errors
/// AWS's answer.
pub async fn instance_state(aws: &Aws, id: &str) -> Result<Host, StepError> {
    aws.begin_round();
    let all = during([RESTART, &[]], aws.instances.since(aws.round(), || fetch_instances(aws))).await?;
    let instance = all.iter().find(|one| one.instance_id() == Some(id));
    Ok(match instance.and_then(|one| one.state()).and_then(|state| state.name()) {
        None | Some(InstanceStateName::Terminated | InstanceStateName::ShuttingDown) => Host::Gone,
        Some(InstanceStateName::Stopped) => Host::Stopped,
        Some(InstanceStateName::Stopping) => {
            stopped(aws, &BTreeSet::from([id.to_owned()])).await?;
            Host::Stopped
        }
        Some(_) => Host::Runs,
    })
}

async fn until(aws: &Aws, ids: &BTreeSet<String>, what: &str, wanted: &InstanceStateName) -> Result<(), StepError> {
    let ready = |all: &[Instance]| {
        let there = all.iter().filter(|one| one.instance_id().is_some_and(|id| ids.contains(id)));
        Ok((there.filter(|one| one.state().and_then(|state| state.name()) == Some(wanted)).count() == ids.len())
            .then_some(()))
    };
    let wait = async { aws.instances.wait(what, READY_TIMEOUT, || fetch_instances(aws), ready).await };
    during([RESTART, &[]], wait).await
}
