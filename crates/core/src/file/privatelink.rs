//! The key of an endpoint to a PrivateLink service of somebody else's.

use serde_json::{Value, json};

use super::dns::ZoneName;
use super::existing::id;
use super::read::{Scalar, fields, text};

fields! {
    /// An interface endpoint in the stack's VPC for a PrivateLink service of somebody else's, such as a cluster of Confluent Cloud.
    pub struct PrivateLink {
        /// The service's name, as its owner tells it. The owner must let this account come.
        service: ServiceName,
        /// The domain that the service's names end with, such as `abc123.ap-northeast-2.aws.confluent.cloud`. kstack makes a private hosted zone of it for the VPC: each name in it leads to the endpoint, and each below a zone's id (`*.apne2-az1.DOMAIN`) to the endpoint's interface in that zone. Without it no name is made.
        domain: Option<ZoneName>,
        /// The ports of the endpoint that are open to the VPC and to `clients`. Confluent's are 9092 for Kafka and 443 for all else.
        ports: Vec<Port> = vec![Port(443), Port(9092)],
    }
}

// Source: the PrivateLink guide, "Create a service powered by AWS PrivateLink", 2026, for the form of a service's name.
text!(
    /// The name of an endpoint service that is not AWS's own.
    ServiceName, "a PrivateLink service's name",
    json!({"type": "string", "pattern": r"^com\.amazonaws\.vpce\.[a-z0-9-]+\.vpce-svc-([0-9a-f]{8}|[0-9a-f]{17})$", "examples": ["com.amazonaws.vpce.ap-northeast-2.vpce-svc-0123456789abcdef0"]}),
    |text| parts(text).is_some_and(|(region, service)| !region.is_empty() && id("vpce-svc-", service)),
    "is not a PrivateLink service's name such as `com.amazonaws.vpce.ap-northeast-2.vpce-svc-0123456789abcdef0`: its owner tells it"
);

/// The region and the id in a service's name.
fn parts(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix("com.amazonaws.vpce.")?.split_once('.')
}

impl ServiceName {
    /// The region that the service is in.
    pub fn region(&self) -> &str {
        parts(&self.0).map_or("", |(region, _)| region)
    }
}

/// A TCP port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct Port(pub u16);

impl Scalar for Port {
    const WHAT: &'static str = "a port";
    fn parse(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(port) if port > 0 => Ok(Port(port)),
            _ => Err(format!("`{text}` is not a port: write a whole number from 1 to 65535")),
        }
    }
    fn schema() -> Value {
        json!({"type": "integer", "minimum": 1, "maximum": 65535})
    }
}
