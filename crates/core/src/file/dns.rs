//! The keys of a stack's names in DNS.

use serde_json::json;

use super::read::{fields, text};
use crate::units::TimeSpan;

fields! {
    /// Names for brokers, in a private hosted zone of Route 53. Brokers on EC2 alone have them: MSK's have names of AWS's own.
    pub struct Dns {
        /// The zone's domain, such as `kafka.example.internal`. In a zone of the stack's own brokers are `broker-1.ZONE`, and all together `bootstrap.ZONE`; in an existing one `broker-1.STACK.ZONE` and `bootstrap.STACK.ZONE`, so that stacks share it.
        zone: ZoneName,
        /// The id of a private hosted zone that is there already, and is associated with the stack's VPC. Without it kstack makes one for the VPC.
        existing: Option<HostedZoneId>,
        /// Whether brokers tell clients and each other their names instead of their addresses. A change rolls every broker.
        advertise: bool = false,
        /// How long a name's answer may be kept.
        ttl: TimeSpan = TimeSpan(60),
    }
}

impl Dns {
    /// The domain right below which the names of the stack `stack` are.
    pub fn domain(&self, stack: &str) -> String {
        match self.existing {
            Some(_) => format!("{stack}.{}", self.zone),
            None => self.zone.to_string(),
        }
    }
}

/// The name, in `domain`, that stands for all brokers.
pub fn bootstrap_name(domain: &str) -> String {
    format!("bootstrap.{domain}")
}

// Source of the ids: Route 53's API model, ResourceId, of at most 32 characters; AWS's all begin with Z.
// Source of the domains: RFC 1123, 2.1, for the letters, and RFC 1035, 2.3.4, for the lengths, of which this leaves the names of brokers their part.
text!(
    /// A domain, without a dot at its end.
    ZoneName, "a domain", json!({"type": "string", "pattern": r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", "maxLength": 200, "examples": ["kafka.example.internal"]}),
    is_domain,
    "is not a domain such as `kafka.example.internal`: write two labels or more with dots between, each of 1 to 63 lower-case letters, digits and hyphens, and at most 200 characters"
);
text!(
    /// A hosted zone's id.
    HostedZoneId, "a hosted zone's id", json!({"type": "string", "pattern": "^[A-Z0-9]{1,32}$", "examples": ["Z0123456789ABCDEFGHIJ"]}),
    |text| (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()),
    "is not a hosted zone's id such as `Z0123456789ABCDEFGHIJ`"
);

fn is_domain(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    text.len() <= 200 && text.contains('.') && text.split('.').all(label)
}
