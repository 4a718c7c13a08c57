//! The stack's alarms, and its dashboard.

use super::Subject;
use crate::kinds::{alarm, dashboard};

impl Subject<'_> {
    pub(super) fn own_alarms(&self) -> String {
        self.arn("cloudwatch", &format!("alarm:{}*", alarm::prefix(&self.stack.name)))
    }

    /// It is in no region, but for its name.
    pub(super) fn own_dashboard(&self) -> String {
        let name = dashboard::name(&self.stack.region, &self.stack.name);
        format!("arn:{}:cloudwatch::{}:dashboard/{name}", self.partition(), self.account())
    }
}
