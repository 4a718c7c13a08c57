//! EC2's own checks of instances.

use std::time::{Duration, Instant};

use aws_sdk_ec2::types::{InstanceStatus, SummaryStatus};

use super::{Class, Clients, CloudError, PATIENCE, cloud, jitter};

/// The call takes so many ids.
const IDS: usize = 100;

/// What EC2 says of one instance's own check and of its host's.
fn checks(status: &InstanceStatus) -> [Option<&SummaryStatus>; 2] {
    [status.instance_status(), status.system_status()].map(|summary| summary?.status())
}

impl Clients {
    /// What EC2 says of those of `instances` that run.
    async fn statuses(&self, instances: &[String]) -> Result<Vec<InstanceStatus>, CloudError> {
        let asked = instances.chunks(IDS).map(|ids| async move {
            let call = self.ec2.describe_instance_status().set_instance_ids(Some(ids.to_vec()));
            let answer = call.send().await.map_err(cloud("DescribeInstanceStatus"))?;
            Ok::<_, CloudError>(answer.instance_statuses.unwrap_or_default())
        });
        Ok(futures::future::try_join_all(asked).await?.into_iter().flatten().collect())
    }

    /// Waits until none of `instances` is so new that EC2 has not checked it yet: a run that died may have left one that is
    /// not back, and to stop another then would be one too many. `tell` hears of whom it waits for.
    ///
    /// # Errors
    /// AWS's answer, or that it took too long.
    pub async fn started(&self, instances: &[String], tell: impl Fn(String)) -> Result<(), CloudError> {
        let start = Instant::now();
        let mut pause = Duration::from_millis(200);
        let mut names = String::new();
        while start.elapsed() < PATIENCE {
            match self.statuses(instances).await {
                Ok(all) => {
                    let new = all.iter().filter(|one| checks(one).contains(&Some(&SummaryStatus::Initializing)));
                    let new: Vec<&str> = new.filter_map(InstanceStatus::instance_id).collect();
                    if new.is_empty() {
                        return Ok(());
                    }
                    if names != new.join(", ") {
                        names = new.join(", ");
                        tell(format!("it can't be stopped yet: EC2 still checks {names}"));
                    }
                }
                Err(CloudError { class: Class::Throttled | Class::Unknown | Class::NotFound, .. }) => {}
                Err(error) => return Err(error),
            }
            tokio::time::sleep(jitter(pause)).await;
            pause = (pause * 3 / 2).min(Duration::from_secs(10));
        }
        let seconds = PATIENCE.as_secs();
        Err(CloudError::own("DescribeInstanceStatus", format!("EC2 did not end its checks of {names} in {seconds} s")))
    }

    /// Waits until every one of `instances` has passed both checks of EC2.
    ///
    /// # Errors
    /// AWS's answer, or that it took too long.
    pub async fn pass_checks(&self, instances: &[String]) -> Result<(), CloudError> {
        let start = Instant::now();
        let mut pause = Duration::from_millis(200);
        let mut waiting = instances.to_vec();
        while start.elapsed() < PATIENCE {
            match self.statuses(&waiting).await {
                Ok(all) => {
                    let passed = |one: &&InstanceStatus| checks(one) == [Some(&SummaryStatus::Ok); 2];
                    let passed: Vec<&str> = all.iter().filter(passed).filter_map(InstanceStatus::instance_id).collect();
                    waiting.retain(|id| !passed.contains(&id.as_str()));
                }
                Err(CloudError { class: Class::Throttled | Class::Unknown | Class::NotFound, .. }) => {}
                Err(error) => return Err(error),
            }
            if waiting.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(jitter(pause)).await;
            pause = (pause * 3 / 2).min(Duration::from_secs(10));
        }
        let (names, seconds) = (waiting.join(", "), PATIENCE.as_secs());
        Err(CloudError::own("DescribeInstanceStatus", format!("{names} did not pass EC2's checks in {seconds} s")))
    }
}
