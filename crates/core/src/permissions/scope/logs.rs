//! Where logs go: those of an MSK cluster's brokers, and VPC flow logs.

use serde_json::{Value, json};

use super::{Scope, Subject, Where};
use crate::kinds::{FlowLogRole, flow_log_role, log_group};
use crate::model::account_name;
use crate::stack::{FlowLogs, Logs, MskLogs};

/// The service whose role delivers logs to Firehose.
pub(super) const DELIVERY: &str = "delivery.logs.amazonaws.com";

/// What a stack has for logs of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OfLogs {
    /// Its log groups, by their names.
    Groups,
    /// The delivery of flow logs to a bucket.
    ToBucket,
    /// The role by which flow logs get into a log group.
    Role,
    /// The same, with the boundary that the file names.
    BoundedRole,
    /// The same, to put that boundary.
    Boundary,
    /// The same, for EC2 to pass on.
    PassRole,
}

impl Subject<'_> {
    /// Where `scope` is, which is one of the logs of an MSK cluster; nowhere, where the file has nothing of it.
    pub(super) fn logs(&self, scope: Scope) -> Option<Where> {
        let logs = &self.msk()?.logs;
        let MskLogs { cloudwatch, s3, firehose } = logs;
        Some(match scope {
            // These actions have no resources.
            Scope::Delivery if cloudwatch.is_none() && s3.is_none() && firehose.is_none() => return None,
            Scope::LogGroup if cloudwatch.is_none() => return None,
            Scope::Delivery | Scope::LogGroup => return self.place(Scope::Region),
            Scope::LogBucket => (vec![format!("arn:{}:s3:::{}", self.partition(), s3.as_ref()?.bucket)], Value::Null),
            Scope::LogStream => {
                (vec![self.arn("firehose", &format!("deliverystream/{}", firehose.as_ref()?))], Value::Null)
            }
            _ => return None,
        })
    }

    /// Where that is.
    pub(super) fn own_logs(&self, of: OfLogs) -> Option<Where> {
        Some(match of {
            OfLogs::Groups => {
                let name = format!("log-group:{}*", log_group::prefix(&self.stack.name));
                (vec![self.arn("logs", &name)], Value::Null)
            }
            OfLogs::ToBucket => {
                self.stack.network.flow_logs.as_ref().filter(|logs| matches!(logs, FlowLogs::Bucket(_)))?;
                return self.place(Scope::Region);
            }
            OfLogs::Role => (self.flow_log_role()?, Value::Null),
            OfLogs::Boundary if self.boundary().is_none() => return None,
            OfLogs::BoundedRole | OfLogs::Boundary => {
                let condition = self.boundary().map(|arn| json!({"StringEquals": {"iam:PermissionsBoundary": &**arn}}));
                (self.flow_log_role()?, condition.unwrap_or_default())
            }
            OfLogs::PassRole => {
                (self.flow_log_role()?, json!({"StringEquals": {"iam:PassedToService": [flow_log_role::SERVICE]}}))
            }
        })
    }

    /// The role of the stack's flow logs; nowhere, where these go to a bucket.
    fn flow_log_role(&self) -> Option<Vec<String>> {
        let path = self.named_iam().and_then(|iam| iam.path.as_ref()).map_or("/", |path| path);
        let name = account_name(&self.stack.name, &self.stack.region, FlowLogRole::SUFFIX);
        (self.stack.logs() == Logs::FlowLogs).then(|| vec![self.iam(&format!("role{path}{name}"))])
    }
}
