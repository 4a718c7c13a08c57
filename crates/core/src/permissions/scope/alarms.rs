//! The stack's alarms and its dashboard, and what grows by alarms of AWS's own.

use serde_json::{Value, json};

use super::Subject;
use crate::kinds::{alarm, dashboard};

impl Subject<'_> {
    pub(super) fn scalable_targets(&self) -> (Vec<String>, Value) {
        let of_kafka = json!({"StringEquals": {"application-autoscaling:service-namespace": "kafka"}});
        (vec![self.arn("application-autoscaling", "scalable-target/*")], of_kafka)
    }

    pub(super) fn own_alarms(&self) -> String {
        self.arn("cloudwatch", &format!("alarm:{}*", alarm::prefix(&self.stack.name)))
    }

    /// It is in no region, but for its name.
    pub(super) fn own_dashboard(&self) -> String {
        let name = dashboard::name(&self.stack.region, &self.stack.name);
        format!("arn:{}:cloudwatch::{}:dashboard/{name}", self.partition(), self.account())
    }
}
