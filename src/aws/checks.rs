//! EC2's own checks of instances.

use std::time::Instant;

use aws_sdk_ec2::types::{InstanceStatus, SummaryStatus};

use super::{Class, Clients, READY_TIMEOUT, failed};
use crate::error::StepError;
use crate::wait::{Backoff, Look, VISIBLE_LIMIT, may_pass, poll};

/// The most ids that one call takes.
const IDS: usize = 100;

/// EC2's check of one instance, and of its host.
fn checks(status: &InstanceStatus) -> [Option<&SummaryStatus>; 2] {
    [status.instance_status(), status.system_status()].map(|summary| summary?.status())
}

impl Clients {
    /// EC2's checks of those of `instances` that are running.
    async fn statuses(&self, instances: &[String]) -> Result<Vec<InstanceStatus>, StepError> {
        let asked = instances.chunks(IDS).map(|ids| async move {
            let call = self.ec2.describe_instance_status().set_instance_ids(Some(ids.to_vec()));
            let answer = call.send().await.map_err(failed("DescribeInstanceStatus"))?;
            Ok::<_, StepError>(answer.instance_statuses.unwrap_or_default())
        });
        Ok(futures::future::try_join_all(asked).await?.into_iter().flatten().collect())
    }

    /// Waits until EC2's first checks of all `instances` have ended: an interrupted run may have left one that is not up yet,
    /// and stopping another one would then be one too many. `tell` receives what is waited for.
    ///
    /// # Errors
    /// AWS's answer, or that it took too long.
    pub async fn started(&self, instances: &[String], tell: impl Fn(String)) -> Result<(), StepError> {
        let (mut told, start) = (String::new(), Instant::now());
        poll("EC2's first checks of the other instances", READY_TIMEOUT, Backoff::STATE, async || {
            let Some(all) = passing(self.statuses(instances).await, start)? else {
                return Ok(Look::Missing(told.clone()));
            };
            let new = all.iter().filter(|one| checks(one).contains(&Some(&SummaryStatus::Initializing)));
            let new: Vec<&str> = new.filter_map(InstanceStatus::instance_id).collect();
            if new.is_empty() {
                return Ok(Look::Ready(()));
            }
            let text = format!("EC2 is still checking {}", new.join(", "));
            if told != text {
                told.clone_from(&text);
                tell(format!("it can't be stopped yet: {text}"));
            }
            Ok(Look::Missing(text))
        })
        .await
    }

    /// Waits until all `instances` have passed both checks of EC2.
    ///
    /// # Errors
    /// AWS's answer, or that it took too long.
    pub async fn pass_checks(&self, instances: &[String]) -> Result<(), StepError> {
        let (mut waiting, start) = (instances.to_vec(), Instant::now());
        poll("EC2's status checks", READY_TIMEOUT, Backoff::STATE, async || {
            if let Some(all) = passing(self.statuses(&waiting).await, start)? {
                let passed = |one: &&InstanceStatus| checks(one) == [Some(&SummaryStatus::Ok); 2];
                let passed: Vec<&str> = all.iter().filter(passed).filter_map(InstanceStatus::instance_id).collect();
                waiting.retain(|id| !passed.contains(&id.as_str()));
            }
            Ok(if waiting.is_empty() { Look::Ready(()) } else { Look::Missing(waiting.join(", ")) })
        })
        .await
    }
}

/// The answer; nothing after an error that may pass, or while an instance need not be visible yet: one that is still not there
/// a while after `start` was terminated.
fn passing<T>(answer: Result<T, StepError>, start: Instant) -> Result<Option<T>, StepError> {
    let invisible = start.elapsed() < VISIBLE_LIMIT;
    match answer {
        Err(error) if may_pass(error.class()) || (error.class() == Class::NotFound && invisible) => Ok(None),
        answer => Ok(Some(answer?)),
    }
}
