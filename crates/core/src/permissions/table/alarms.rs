//! CloudWatch, for a stack's alarms and its dashboard. Source: the Service Authorization Reference, "Amazon CloudWatch".
//!
//! Both are known by their names, which are in their ARNs. Their tags are given in the call that makes them.

use super::call;
use crate::permissions::Call;
use crate::permissions::Scope::{OwnAlarms, OwnDashboard, Region};

pub const CALLS: &[Call] = &[
    // A list by a prefix of names is of all alarms.
    call!("cloudwatch" "DescribeAlarms", Region),
    call!("cloudwatch" "PutMetricAlarm", OwnAlarms; with "cloudwatch:TagResource" OwnAlarms),
    call!("cloudwatch" "DeleteAlarms", OwnAlarms),
    call!("cloudwatch" "GetDashboard", OwnDashboard),
    call!("cloudwatch" "ListDashboards", Region),
    call!("cloudwatch" "PutDashboard", OwnDashboard; with "cloudwatch:TagResource" OwnDashboard),
    call!("cloudwatch" "DeleteDashboards", OwnDashboard),
];
