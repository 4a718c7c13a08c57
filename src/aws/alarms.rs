//! Alarms of CloudWatch as it lists them, and their end: many are deleted by one call. The names of dashboards.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_cloudwatch::types::{MetricAlarm, StateValue};

use super::{Aws, Done, failed};
use crate::error::StepError;
use kstack_core::kinds::alarm::prefix;
use kstack_core::kinds::dashboard;

/// How many alarms one call deletes. Source: CloudWatch API reference, DeleteAlarms.
const AT_ONCE: usize = 100;
/// How long a deletion waits for others to go with it.
const PAUSE: Duration = Duration::from_millis(50);

/// The names of alarms that are to be deleted, and whose turn it is to do so.
#[derive(Debug, Default)]
pub struct Leaving {
    names: Mutex<BTreeSet<String>>,
    turn: tokio::sync::Mutex<()>,
}

impl Leaving {
    fn names<R>(&self, with: impl FnOnce(&mut BTreeSet<String>) -> R) -> R {
        with(&mut self.names.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Aws {
    /// Says that there may be alarms: from now on they are asked for. Whether that was not known.
    pub fn expect_alarms(&self) -> bool {
        !self.alarms_expected.swap(true, Ordering::Relaxed)
    }

    /// Whether there may be alarms.
    pub fn expects_alarms(&self) -> bool {
        self.alarms_expected.load(Ordering::Relaxed)
    }

    /// The alarms with names of the stack's, or of any stack's.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn every_alarm(&self) -> Result<Arc<Vec<MetricAlarm>>, StepError> {
        let fetch = || async {
            let prefix = if self.all() { "kstack/".to_owned() } else { prefix(self.stack()) };
            let call = self.clients.cloudwatch.describe_alarms().alarm_name_prefix(prefix).max_records(100);
            let pages = call.into_paginator().send().collect::<Result<Vec<_>, _>>().await;
            let pages = pages.map_err(failed("DescribeAlarms"))?;
            Ok(pages.into_iter().flat_map(|page| page.metric_alarms.unwrap_or_default()).collect())
        };
        self.alarms.since(self.round(), fetch).await
    }

    /// The name that the stack's dashboard has, whether there is one or not; or those of all stacks of the region that have one.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn dashboard_names(&self) -> Result<Vec<String>, StepError> {
        let region = &self.clients.region;
        if !self.all() {
            return Ok(vec![dashboard::name(region, self.stack())]);
        }
        let call = self.clients.cloudwatch.list_dashboards().dashboard_name_prefix(dashboard::prefix(region));
        let all = call.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
        let all = all.map_err(failed("ListDashboards"))?;
        Ok(all.into_iter().filter_map(|one| one.dashboard_name).collect())
    }

    /// The names in the stack of its alarms that are on; none, where there is nothing to know of any.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn alarms_on(&self) -> Result<Vec<String>, StepError> {
        if !self.expects_alarms() {
            return Ok(Vec::new());
        }
        let prefix = prefix(self.stack());
        let all = self.every_alarm().await?;
        let on = all.iter().filter(|alarm| alarm.state_value() == Some(&StateValue::Alarm));
        Ok(on.filter_map(|alarm| alarm.alarm_name()?.strip_prefix(&prefix)).map(str::to_owned).collect())
    }

    /// Deletes the alarm with this name, together with others that go at the same time.
    ///
    /// # Errors
    /// AWS's answer to the call that was to delete it; those which went with it try for themselves.
    pub async fn delete_alarm(&self, name: &str) -> Result<(), StepError> {
        self.leaving.names(|names| names.insert(name.to_owned()));
        tokio::time::sleep(PAUSE).await;
        let _turn = self.leaving.turn.lock().await;
        let some: Vec<String> = self.leaving.names(|names| {
            if !names.remove(name) {
                return Vec::new(); // Another's call has deleted it.
            }
            let others = names.iter().take(AT_ONCE - 1).cloned().collect::<Vec<_>>();
            names.retain(|one| !others.contains(one));
            others.into_iter().chain([name.to_owned()]).collect()
        });
        if some.is_empty() {
            return Ok(());
        }
        let call = self.clients.cloudwatch.delete_alarms().set_alarm_names(Some(some.clone()));
        // Names that are there are deleted even where another one is not.
        let done = call.send().await.map(drop).map_err(failed("DeleteAlarms")).or_gone();
        if done.is_err() {
            self.leaving.names(|names| names.extend(some.into_iter().filter(|one| one != name)));
        }
        done
    }
}
