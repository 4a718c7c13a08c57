//! The role by which VPC flow logs get into the stack's log group.

use serde_json::{Value, json};

use super::LogGroup;
use super::prelude::*;
use super::role::{NEW_PATH, PATH, path_of};
use crate::stack::FLOW_LOGS;

spec! {
    pub struct FlowLogRole {
        /// The AWS service that may take the role, for this account alone; of a live role, the whole document where it is another than
        /// kstack writes.
        pub trusts: String => Rule::in_place().hidden(),
        /// The log group that it writes to; of a live role, the whole policy where it is another than kstack writes.
        pub writes_to: Ref => Rule::in_place().hidden().saying("which log group flow logs may be written to differs"),
        /// The ARN of the managed policy that limits the role; without one in the file, whatever limits it stays.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        pub permissions_boundary: Option<String> => Rule::in_place().hidden(),
        pub path: String => Rule::fixed(PATH, NEW_PATH).hidden(),
    }
}

/// Who delivers flow logs.
pub const SERVICE: &str = "vpc-flow-logs.amazonaws.com";

/// The name of the role's inline policy.
pub const POLICY: &str = "kstack-flow-logs";

impl FlowLogRole {
    /// The end of its name in the account.
    pub const SUFFIX: &'static str = "flow-logs";
}

/// What lets flow logs of `account` take the role. Source: VPC user guide, "IAM role for publishing flow logs to CloudWatch Logs", with its
/// condition against a confused deputy.
pub fn trust(account: &str) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": {"Service": SERVICE},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": account}},
        }],
    })
}

/// What lets it write to the log group with the ARN `group`, and make none: the same guide, without logs:CreateLogGroup, so that a group
/// that was deleted stays so.
pub fn policy(group: &str) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"],
                "Resource": [group, format!("{group}:*")],
            },
            {"Effect": "Allow", "Action": "logs:DescribeLogGroups", "Resource": "*"},
        ],
    })
}

impl Kind for FlowLogRole {
    const NAME: &'static str = "flow_log_role";
    const NAMED: bool = true;
    const OF_LOGS: Logs = Logs::FlowLogs;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let boundary = design.stack.iam().and_then(|iam| iam.permissions_boundary.as_ref());
        let role = || FlowLogRole {
            trusts: SERVICE.to_owned(),
            writes_to: Ref::to(LogGroup::NAME, FLOW_LOGS),
            permissions_boundary: boundary.map(ToString::to_string),
            path: path_of(design),
        };
        (design.stack.logs() == Logs::FlowLogs).then(|| ("main".to_owned(), role())).into_iter().collect()
    }

    fn price(&self, _: &mut Costs<'_>) {}
}
