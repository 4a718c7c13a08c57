//! CloudWatch Logs, for a stack's log groups, and the role of its flow logs. Source: the Service Authorization Reference, "Amazon CloudWatch
//! Logs".
//!
//! A log group is known by its name, which is in its ARN, and has its tags from the call that makes it.

use super::call;
use crate::permissions::Call;
use crate::permissions::OfLogs::{Boundary, BoundedRole, Groups, Role};
use crate::permissions::Scope::{OfLogs, Region};

pub const CALLS: &[Call] = &[
    // A list by a prefix of names is of all log groups.
    call!("logs" "DescribeLogGroups", Region),
    call!("logs" "ListTagsForResource" of "log groups", OfLogs(Groups)),
    call!("logs" "CreateLogGroup", OfLogs(Groups); with "logs:TagResource" OfLogs(Groups)),
    call!("logs" "PutRetentionPolicy", OfLogs(Groups)),
    call!("logs" "AssociateKmsKey", OfLogs(Groups)),
    call!("logs" "DisassociateKmsKey", OfLogs(Groups)),
    call!("logs" "DeleteLogGroup", OfLogs(Groups)),
    call!("logs" "TagResource" of "log groups", OfLogs(Groups)),
    call!("logs" "UntagResource" of "log groups", OfLogs(Groups)),
    call!("iam" "GetRole" of "flow logs", OfLogs(Role)),
    call!("iam" "GetRolePolicy" of "flow logs", OfLogs(Role)),
    call!("iam" "ListAttachedRolePolicies" of "flow logs", OfLogs(Role)),
    call!("iam" "ListRolePolicies" of "flow logs", OfLogs(Role)),
    call!("iam" "CreateRole" of "flow logs", OfLogs(BoundedRole); with "iam:TagRole" OfLogs(Role)),
    call!("iam" "PutRolePolicy" of "flow logs", OfLogs(BoundedRole)),
    call!("iam" "PutRolePermissionsBoundary" of "flow logs", OfLogs(Boundary)),
    call!("iam" "UpdateAssumeRolePolicy" of "flow logs", OfLogs(Role)),
    call!("iam" "DetachRolePolicy" of "flow logs", OfLogs(Role)),
    call!("iam" "DeleteRolePolicy" of "flow logs", OfLogs(Role)),
    call!("iam" "DeleteRole" of "flow logs", OfLogs(Role)),
    call!("iam" "TagRole" of "flow logs", OfLogs(Role)),
    call!("iam" "UntagRole" of "flow logs", OfLogs(Role)),
];
