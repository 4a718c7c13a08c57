//! CloudWatch, for a stack's alarms. Source: the Service Authorization Reference, "Amazon CloudWatch".
//!
//! An alarm is known by its name, which is in its ARN. Its tags are given in the call that makes it.

use super::call;
use crate::permissions::Call;
use crate::permissions::Scope::{OwnAlarms, Region};

pub const CALLS: &[Call] = &[
    // A list by a prefix of names is of all alarms.
    call!("cloudwatch" "DescribeAlarms", Region),
    call!("cloudwatch" "PutMetricAlarm", OwnAlarms; with "cloudwatch:TagResource" OwnAlarms),
    call!("cloudwatch" "DeleteAlarms", OwnAlarms),
];
