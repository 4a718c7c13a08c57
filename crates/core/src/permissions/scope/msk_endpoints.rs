//! Where permissions for the endpoints hold that MSK makes.

use serde_json::{Value, json};

use super::{Scope, Subject};

impl Subject<'_> {
    /// The condition of `scope`; `None` where it holds nowhere.
    pub(super) fn of_msk_endpoint(&self, scope: Scope) -> Option<Value> {
        Some(match scope {
            Scope::NewMskEndpoint => json!({"StringEquals": {"aws:RequestTag/AWSMSKManaged": "true"}}),
            Scope::MskEndpointTags => json!({"StringEquals": {"ec2:CreateAction": ["CreateVpcEndpoint"]}}),
            Scope::MskEndpointIpv6 if !self.msk().is_some_and(|msk| msk.serverless && self.stack.network.ipv6) => {
                return None;
            }
            _ => json!({"StringEquals": {"aws:ResourceTag/AWSMSKManaged": "true"}}),
        })
    }
}
