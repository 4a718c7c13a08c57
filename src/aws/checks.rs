//! EC2's own checks of instances.

use std::time::{Duration, Instant};

use aws_sdk_ec2::types::SummaryStatus;

use super::{Class, Clients, CloudError, PATIENCE, cloud, jitter};

/// The call takes so many ids.
const IDS: usize = 100;

impl Clients {
    /// Waits until every one of `instances` has passed both checks of EC2.
    ///
    /// # Errors
    /// AWS's answer, or that it took too long.
    pub async fn pass_checks(&self, instances: &[String]) -> Result<(), CloudError> {
        let start = Instant::now();
        let mut pause = Duration::from_millis(200);
        let mut waiting = instances.to_vec();
        while start.elapsed() < PATIENCE {
            let asked = waiting.chunks(IDS).map(|ids| async move {
                let call = self.ec2.describe_instance_status().set_instance_ids(Some(ids.to_vec()));
                let answer = call.send().await.map_err(cloud("DescribeInstanceStatus"))?;
                let ok = |status: Option<&SummaryStatus>| status == Some(&SummaryStatus::Ok);
                let passed = answer.instance_statuses.unwrap_or_default().into_iter().filter(|status| {
                    ok(status.instance_status().and_then(|one| one.status()))
                        && ok(status.system_status().and_then(|one| one.status()))
                });
                Ok(passed.filter_map(|status| status.instance_id).collect::<Vec<_>>())
            });
            match futures::future::try_join_all(asked).await {
                Ok(passed) => waiting.retain(|id| !passed.iter().flatten().any(|one| one == id)),
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
