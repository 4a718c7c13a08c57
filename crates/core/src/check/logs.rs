//! Rules of logs in CloudWatch.

use crate::engines::ec2::check_listeners::reaches;
use crate::file::{Checker, FlowLogs, LogGroupChoice, Network, OwnLogGroup, Region};

const FLOW: &str = "network.flow_logs";
const BROKERS: &str = "cluster.msk.logs.cloudwatch";
const HOSTS: &str = "cluster.ec2.logs.cloudwatch";

/// Checks them wherever the file has some.
pub fn check(checker: &mut Checker<'_>) {
    if let Some(FlowLogs::Own(own)) = checker.part::<Option<FlowLogs>>(FLOW).flatten() {
        check_key(FLOW, &own, checker);
    }
    for path in [BROKERS, HOSTS] {
        match checker.part::<Option<LogGroupChoice>>(path).flatten() {
            Some(LogGroupChoice::Own(own)) => check_key(path, &own, checker),
            Some(LogGroupChoice::Others(name)) => check_name(path, &name, checker),
            None => {}
        }
    }
    if checker.part::<Option<LogGroupChoice>>(HOSTS).flatten().is_some() {
        check_hosts(checker);
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

/// What a name may have: CloudWatch Logs API reference, CreateLogGroup.
fn check_name(path: &str, name: &str, checker: &mut Checker<'_>) {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-/.#".contains(c);
    if !(1..=512).contains(&name.len()) || !name.chars().all(fits) {
        let help = "write its name, such as `/kafka/orders`, not its ARN; or `{}` for a log group of the stack's own";
        checker.error(path, format!("`{name}` is not the name of a log group"), help);
    }
}

/// Hosts send their logs by themselves, with the rights of their role.
fn check_hosts(checker: &mut Checker<'_>) {
    if checker.part::<Network>("network").is_some_and(|net| !reaches(&net, "logs")) {
        checker.error(
            checker.written(&["network.endpoints", "network.nat", "network"]),
            "hosts send their logs to CloudWatch Logs, which they can't reach with `nat: none`",
            "add the endpoint `logs`, or NAT gateways",
        );
    }
    let profile = "cluster.ec2.iam.instance_profile";
    if checker.given(profile).is_some() {
        checker.warning(
            profile,
            "hosts send their logs with this profile's role, which must allow `logs:CreateLogStream` and `logs:PutLogEvents` on the log group",
            "see that it does; or leave the profile out, and kstack makes a role that may",
        );
    }
}
