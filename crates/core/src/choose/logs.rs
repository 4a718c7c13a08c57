//! Where logs go in CloudWatch: into a log group of the stack's own, or one of others.

use crate::cloud_init::HostLogs;
use crate::kinds::{Kind as _, LogGroup, log_group};
use crate::model::Ref;
use crate::stack::{HOSTS, LogGroupChoice, Stack};

/// The log group of `choice`, of which `own` is the name in the stack where it is the stack's; others' is in the stack's `account`.
pub(super) fn group(stack: &Stack, choice: Option<&LogGroupChoice>, own: &str, account: &str) -> Ref {
    match choice {
        None => Ref::None,
        Some(LogGroupChoice::Own(_)) => Ref::to(LogGroup::NAME, own),
        Some(LogGroupChoice::Others(name)) => {
            Ref::Id(log_group::arn(stack.region.partition(), &stack.region, account, name))
        }
    }
}

/// Where hosts send their logs.
pub(super) fn of_hosts(stack: &Stack) -> Option<HostLogs> {
    let group = match stack.host_logs()? {
        LogGroupChoice::Own(_) => format!("{}{HOSTS}", log_group::prefix(&stack.name)),
        LogGroupChoice::Others(name) => name.clone(),
    };
    let endpoint = format!("https://logs.{}.{}", stack.region, stack.region.domain());
    Some(HostLogs { group, region: stack.region.to_string(), endpoint })
}
