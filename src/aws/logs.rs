//! What a stack may have for its logs.

use std::sync::PoisonError;

use super::Aws;
use kstack_core::stack::Logs;

impl Aws {
    /// Says what there may be: from now on it is asked for. Whether that was less.
    pub fn expect_logs(&self, known: Logs) -> bool {
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        let more = *logs < known;
        *logs = known.max(*logs);
        more
    }

    /// Whether there may be what a stack with `logs` has.
    pub fn expects_logs(&self, logs: Logs) -> bool {
        *self.logs.lock().unwrap_or_else(PoisonError::into_inner) >= logs
    }
}
