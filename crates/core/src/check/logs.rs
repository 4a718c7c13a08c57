//! Rules of the log groups that the stack has for itself.

use crate::file::{Checker, FlowLogs, LogGroupChoice, OwnLogGroup, Region};

/// Checks them wherever the file has one.
pub fn check(checker: &mut Checker<'_>) {
    let flow = checker.part::<Option<FlowLogs>>("network.flow_logs").flatten();
    let brokers = checker.part::<Option<LogGroupChoice>>("cluster.msk.logs.cloudwatch").flatten();
    let flow = flow.as_ref().and_then(FlowLogs::own).map(|own| ("network.flow_logs", own));
    let brokers = brokers.as_ref().and_then(LogGroupChoice::own).map(|own| ("cluster.msk.logs.cloudwatch", own));
    for (path, own) in flow.into_iter().chain(brokers) {
        check_key(path, own, checker);
    }
}

/// CloudWatch Logs encrypts with keys of its own region only.
fn check_key(path: &str, own: &OwnLogGroup, checker: &mut Checker<'_>) {
    let (Some(key), Some(region)) = (&own.kms_key, checker.part::<Region>("region")) else { return };
    if *region != *key.region() {
        checker.error(
            &format!("{path}.kms_key"),
            format!("the key is in {}, and the log group in {region}", key.region()),
            "name a key of the stack's region",
        );
    }
}
