//! EC2's own checks of instances.

use std::collections::BTreeMap;
use std::time::Instant;

use aws_sdk_ec2::types::{InstanceStateName, InstanceStatus, SummaryStatus};

use super::{Class, Clients, READY_TIMEOUT, failed};
use crate::error::StepError;
use crate::wait::{Backoff, Look, VISIBLE_LIMIT, may_pass, poll};

/// The most ids that one call takes.
const IDS: usize = 100;

/// EC2's check of one instance, and of its host.
fn checks(status: &InstanceStatus) -> [Option<&SummaryStatus>; 2] {
    [status.instance_status(), status.system_status()].map(|summary| summary?.status())
}

/// How a host is, as EC2 tells.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    /// It runs, and both checks are passed.
    Well,
    /// It may become well by itself; what it is now.
    Coming(String),
    /// It stays as it is until somebody does something; what it is.
    Down(String),
}

/// How the host is whose status EC2 lists; nothing is listed of an instance that EC2 does not know, or not yet.
fn host(status: Option<&InstanceStatus>) -> Host {
    let Some(status) = status else { return Host::Coming("is not known to EC2".to_owned()) };
    match status.instance_state().and_then(|state| state.name()) {
        Some(InstanceStateName::Running) => {}
        Some(InstanceStateName::Pending) => return Host::Coming("is pending".to_owned()),
        Some(other) => return Host::Down(format!("is {}", other.as_str())),
        None => return Host::Coming("has no state yet".to_owned()),
    }
    let all = checks(status);
    if all == [Some(&SummaryStatus::Ok); 2] {
        return Host::Well;
    }
    let words = all.map(|check| check.map_or("unknown", SummaryStatus::as_str));
    Host::Coming(format!("runs, and EC2's checks are not passed: instance {}, system {}", words[0], words[1]))
}

/// The running instance whose check is failed, and how; a check that has no result yet is not.
fn impairment(status: &InstanceStatus) -> Option<(String, String)> {
    let runs = status.instance_state().and_then(|state| state.name()) == Some(&InstanceStateName::Running);
    let failed = |check: Option<&SummaryStatus>| check == Some(&SummaryStatus::Impaired);
    let how = match checks(status).map(failed) {
        [_, true] => "runs, and fails EC2's check of the system that it is on",
        [true, _] => "runs, and fails EC2's check of the instance",
        _ => return None,
    };
    Some((status.instance_id()?.to_owned(), how.to_owned())).filter(|_| runs)
}

impl Clients {
    /// EC2's checks of `instances`, whatever their state.
    async fn statuses(&self, instances: &[String]) -> Result<Vec<InstanceStatus>, StepError> {
        let asked = instances.chunks(IDS).map(|ids| async move {
            let call = self.ec2.describe_instance_status().set_instance_ids(Some(ids.to_vec()));
            let call = call.include_all_instances(true);
            let answer = call.send().await.map_err(failed("DescribeInstanceStatus"))?;
            Ok::<_, StepError>(answer.instance_statuses.unwrap_or_default())
        });
        Ok(futures::future::try_join_all(asked).await?.into_iter().flatten().collect())
    }

    /// Which of these instances run and fail a check of EC2's, each with that as a clause.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn impaired(&self, instances: &[String]) -> Result<BTreeMap<String, String>, StepError> {
        Ok(self.statuses(instances).await?.iter().filter_map(impairment).collect())
    }

    /// Whether the instance does not run, and will not by itself.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn is_down(&self, instance: &str) -> Result<bool, StepError> {
        let statuses = self.statuses(&[instance.to_owned()]).await?;
        Ok(matches!(host(statuses.first()), Host::Down(_)))
    }

    /// Waits until every one of `others`, the ids of hosts by name, runs and has passed both checks of EC2: `stopped` is to be
    /// stopped, and with another one down it would be one too many. `tell` receives what is waited for.
    ///
    /// # Errors
    /// Which host is down, at once where it does not come back by itself; AWS's answer.
    pub async fn others_well(
        &self,
        stopped: &str,
        others: &BTreeMap<String, String>,
        tell: impl Fn(String),
    ) -> Result<(), StepError> {
        let ids: Vec<String> = others.values().cloned().collect();
        let (mut told, start) = (String::new(), Instant::now());
        let what = format!("{stopped} was not stopped: waiting until the other hosts run and pass EC2's checks");
        poll(&what, READY_TIMEOUT, Backoff::STATE, async || {
            let Some(all) = passing(self.statuses(&ids).await, start)? else {
                return Ok(Look::Missing(told.clone()));
            };
            let hosts = others.iter().map(|(name, id)| {
                (format!("{name} ({id})"), host(all.iter().find(|status| status.instance_id() == Some(id))))
            });
            let (mut coming, mut down) = (Vec::new(), Vec::new());
            for (name, host) in hosts {
                match host {
                    Host::Well => {}
                    Host::Coming(how) => coming.push(format!("{name} {how}")),
                    Host::Down(how) => down.push(format!("{name} {how}")),
                }
            }
            if !down.is_empty() {
                return Err(StepError::Ended {
                    what: format!("{stopped} was not stopped, because another host is down"),
                    why: down.join(", "),
                    remedy: Some(RESTORE_FIRST),
                });
            }
            if coming.is_empty() {
                return Ok(Look::Ready(()));
            }
            let text = coming.join(", ");
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

/// What to do where another host is down.
const RESTORE_FIRST: &str = "start its instance, such as with `aws ec2 start-instances`, and run the command again; where the instance is gone, \
    that makes a new one first";

/// The answer; nothing after an error that may pass, or while an instance need not be visible yet: one that is still not there
/// a while after `start` was terminated.
fn passing<T>(answer: Result<T, StepError>, start: Instant) -> Result<Option<T>, StepError> {
    let invisible = start.elapsed() < VISIBLE_LIMIT;
    match answer {
        Err(error) if may_pass(error.class()) || (error.class() == Class::NotFound && invisible) => Ok(None),
        answer => Ok(Some(answer?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ec2::types::{InstanceState, InstanceStatusSummary};

    fn status(state: &str, instance: &str, system: &str) -> InstanceStatus {
        let summary = |text: &str| InstanceStatusSummary::builder().status(SummaryStatus::from(text)).build();
        InstanceStatus::builder()
            .instance_id("i-1")
            .instance_state(InstanceState::builder().name(InstanceStateName::from(state)).build())
            .instance_status(summary(instance))
            .system_status(summary(system))
            .build()
    }

    #[test]
    fn only_a_host_that_runs_with_both_checks_passed_lets_another_one_stop() {
        let checks = ["ok", "impaired", "insufficient-data", "initializing", "not-applicable", "a-new-word"];
        for (instance, system) in checks.iter().flat_map(|one| checks.iter().map(move |other| (*one, *other))) {
            for state in ["pending", "running", "shutting-down", "terminated", "stopping", "stopped", "a-new-state"] {
                let found = host(Some(&status(state, instance, system)));
                let case = format!("{state}, {instance}, {system}: {found:?}");
                match state {
                    "running" if instance == "ok" && system == "ok" => assert_eq!(found, Host::Well, "{case}"),
                    "running" | "pending" => assert!(matches!(found, Host::Coming(_)), "{case}"),
                    _ => assert_eq!(found, Host::Down(format!("is {state}")), "{case}"),
                }
            }
        }
        for (state, instance, system, how) in [
            ("running", "ok", "ok", None),
            ("running", "initializing", "insufficient-data", None),
            ("running", "impaired", "ok", Some("check of the instance")),
            ("running", "impaired", "impaired", Some("check of the system")),
            ("stopped", "impaired", "impaired", None),
        ] {
            let found = impairment(&status(state, instance, system));
            let fits = how.map_or(found.is_none(), |how| found.as_ref().is_some_and(|(_, text)| text.contains(how)));
            assert!(fits, "{state}, {instance}, {system}: {found:?}");
        }
        assert!(matches!(host(None), Host::Coming(_)), "EC2 does not list it");
        let bare = InstanceStatus::builder().instance_id("i-1").build();
        assert!(matches!(host(Some(&bare)), Host::Coming(_)), "EC2 says nothing of it");
    }
}
