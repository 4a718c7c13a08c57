//! Where permissions for sessions of Session Manager hold.

use serde_json::{Value, json};

use super::{Scope, Subject};
use crate::model::tag;

impl Subject<'_> {
    /// The resources of `scope`; `None` where it is none of sessions.
    pub(super) fn sessions(&self, scope: Scope) -> Option<Vec<String>> {
        // AWS's own documents belong to no account.
        let document = |name: &str| format!("arn:{}:ssm:{}::document/{name}", self.partition(), &*self.stack.region);
        Some(match scope {
            Scope::SessionInstances => vec![self.arn("ec2", "instance/*")],
            Scope::SessionDocument => vec![document("AWS-StartPortForwardingSessionToRemoteHost")],
            Scope::ShellDocuments => {
                ["AWS-StartInteractiveCommand", "AWS-StartNonInteractiveCommand"].map(document).into()
            }
            Scope::OwnSessions => vec![self.arn("ssm", "session/${aws:userid}-*")],
            _ => return None,
        })
    }

    /// The condition of `scope`.
    pub(super) fn of_sessions(&self, scope: Scope) -> Value {
        match scope {
            Scope::SessionInstances => {
                json!({"StringEquals": {(format!("ssm:resourceTag/{}", tag::STACK)): &*self.stack.name}})
            }
            _ => Value::Null,
        }
    }
}
