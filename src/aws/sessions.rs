//! Session Manager: which instance of a stack has which address, sessions that lead to a port, and sessions of a shell. A session changes
//! nothing of a stack, so the fence does not hold it back.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde_json::json;

use super::{Clients, failed};
use crate::error::StepError;
use kstack_core::model::tag;

/// Forwards a port to any host that the instance reaches: Kafka listens on the private address only, not on the instance's loopback.
const DOCUMENT: &str = "AWS-StartPortForwardingSessionToRemoteHost";

/// Runs a command with a terminal, and without one: that tells of the command's exit code.
const INTERACTIVE: &str = "AWS-StartInteractiveCommand";
const NOT_INTERACTIVE: &str = "AWS-StartNonInteractiveCommand";

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
        let parameters = [("host", host.to_owned()), ("portNumber", port.to_string())];
        self.start(instance, DOCUMENT, &parameters, "kstack asks Kafka").await
    }

    /// A session on `instance` that runs `command` in a shell, with a terminal or without.
    ///
    /// # Errors
    /// AWS's answer, such as that the instance is not connected to Session Manager.
    pub async fn start_command(&self, instance: &str, command: &str, terminal: bool) -> Result<PortSession, StepError> {
        let document = if terminal { INTERACTIVE } else { NOT_INTERACTIVE };
        self.start(instance, document, &[("command", command.to_owned())], "kstack shell").await
    }

    async fn start(
        &self,
        instance: &str,
        document: &str,
        parameters: &[(&str, String)],
        reason: &str,
    ) -> Result<PortSession, StepError> {
        let parameters: HashMap<String, Vec<String>> =
            parameters.iter().map(|(name, value)| ((*name).to_owned(), vec![value.clone()])).collect();
        let call = self.sessions.start_session().target(instance).document_name(document);
        let call = call.set_parameters(Some(parameters.clone())).reason(reason);
        let answer = call.send().await.map_err(failed("StartSession"))?;
        let (id, token) = (answer.session_id.unwrap_or_default(), answer.token_value.unwrap_or_default());
        let url = answer.stream_url.unwrap_or_default();
        Ok(PortSession {
            response: json!({"SessionId": id, "TokenValue": token, "StreamUrl": url}).to_string(),
            request: json!({
                "Target": instance,
                "DocumentName": document,
                "Parameters": parameters,
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
