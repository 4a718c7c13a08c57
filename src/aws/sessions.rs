//! Session Manager's port forwarding: which instance of a stack has which address, and sessions that lead to a port. A session changes
//! nothing of a stack, so the fence does not hold it back.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::json;

use super::{Clients, failed};
use crate::error::StepError;
use kstack_core::model::tag;

/// Forwards a port to any host that the instance reaches: Kafka listens on the private address only, not on the instance's loopback.
const DOCUMENT: &str = "AWS-StartPortForwardingSessionToRemoteHost";

/// A session that was started, as the Session Manager plugin takes it.
pub struct PortSession {
    pub id: String,
    /// The answer, with the token by which the session is joined.
    pub response: String,
    /// What the token is, so that it can be kept out of what is said.
    pub token: String,
    /// What was asked for.
    pub request: String,
}

impl fmt::Debug for PortSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PortSession {}", self.id)
    }
}

impl Clients {
    /// The running instances of `stack`, by their private addresses.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn instances_by_address(&self, stack: &str) -> Result<BTreeMap<String, String>, StepError> {
        let filter = |name: String, value: &str| aws_sdk_ec2::types::Filter::builder().name(name).values(value).build();
        let call = self.ec2.describe_instances().filters(filter(format!("tag:{}", tag::STACK), stack));
        let pages = call.filters(filter("instance-state-name".to_owned(), "running")).into_paginator().items().send();
        let all = pages.collect::<Result<Vec<_>, _>>().await.map_err(failed("DescribeInstances"))?;
        let instances = all.into_iter().flat_map(|reservation| reservation.instances.unwrap_or_default());
        Ok(instances.filter_map(|instance| Some((instance.private_ip_address?, instance.instance_id?))).collect())
    }

    /// A session through `instance` to `port` of `host`.
    ///
    /// # Errors
    /// AWS's answer, such as that the instance is not connected to Session Manager.
    pub async fn start_session(&self, instance: &str, host: &str, port: u16) -> Result<PortSession, StepError> {
        let one = |value: &str| vec![value.to_owned()];
        let call = self.sessions.start_session().target(instance).document_name(DOCUMENT);
        let call = call.parameters("host", one(host)).parameters("portNumber", one(&port.to_string()));
        let answer = call.reason("kstack asks Kafka").send().await.map_err(failed("StartSession"))?;
        let (id, token) = (answer.session_id.unwrap_or_default(), answer.token_value.unwrap_or_default());
        let url = answer.stream_url.unwrap_or_default();
        Ok(PortSession {
            response: json!({"SessionId": id, "TokenValue": token, "StreamUrl": url}).to_string(),
            request: json!({
                "Target": instance,
                "DocumentName": DOCUMENT,
                "Parameters": {"host": [host], "portNumber": [port.to_string()]},
            })
            .to_string(),
            id,
            token,
        })
    }

    /// Ends a session.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn terminate_session(&self, id: &str) -> Result<(), StepError> {
        self.sessions.terminate_session().session_id(id).send().await.map_err(failed("TerminateSession"))?;
        Ok(())
    }

    /// The URL of Systems Manager, as the plugin takes it.
    pub fn sessions_url(&self) -> String {
        let suffix = if self.region.starts_with("cn-") { ".cn" } else { "" };
        let own = self.config.endpoint_url().map(str::to_owned);
        own.unwrap_or_else(|| format!("https://ssm.{}.amazonaws.com{suffix}", self.region))
    }
}
