//! Log groups of CloudWatch: the stack's own, or one of others.

use serde_json::{Value, json};

use super::keys::BucketArn;
use super::node::{Content, Node};
use super::problem::Problem;
use super::read::{Read, Scalar, fields, text};
use crate::text::quoted_list;
use crate::units::TimeSpan;

fields! {
    /// A log group of CloudWatch that the stack has for itself: `/aws/vendedlogs/kstack/STACK/...`.
    pub struct OwnLogGroup {
        /// How long CloudWatch keeps what is logged: one of its own numbers of days, such as `7d`, `30d`, `90d` or `365d`.
        retention: LogRetention = LogRetention(30),
        /// The ARN of the KMS key that encrypts it, whose policy lets CloudWatch Logs of the region use it. CloudWatch's own key when absent.
        kms_key: Option<KmsKeyArn>,
    }
}

text!(
    /// The ARN of a KMS key.
    KmsKeyArn, "the ARN of a KMS key",
    json!({"type": "string", "pattern": "^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", "examples": ["arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012"]}),
    |text| parts(text).is_some(),
    "is not the ARN of a KMS key such as `arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012`; CloudWatch Logs takes neither an id nor an alias"
);

/// The region in the ARN of a key, which CloudWatch Logs asks for: CloudWatch Logs API reference, AssociateKmsKey.
fn parts(text: &str) -> Option<&str> {
    let [arn, partition, service, region, account, key] = text.split(':').collect::<Vec<_>>()[..] else { return None };
    let id = key.strip_prefix("key/")?;
    let id_fits = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let place_fits = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()) && !region.is_empty();
    let fits = arn == "arn" && partition.starts_with("aws") && service == "kms" && id_fits && place_fits;
    fits.then_some(region)
}

impl KmsKeyArn {
    /// The region that the key is in.
    pub fn region(&self) -> &str {
        parts(&self.0).unwrap_or_default()
    }
}

/// How many days CloudWatch keeps what is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogRetention(pub u32);

/// The numbers of days for which CloudWatch keeps logs. Source: CloudWatch Logs API reference, PutRetentionPolicy, 2026.
const DAYS: [u32; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

impl serde::Serialize for LogRetention {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}d", self.0))
    }
}

impl Scalar for LogRetention {
    const WHAT: &'static str = "a duration";
    fn parse(text: &str) -> Result<Self, String> {
        let seconds = TimeSpan::parse(text)?.0;
        let days = DAYS.into_iter().find(|days| u64::from(*days) * 86_400 == seconds);
        days.map(LogRetention).ok_or_else(|| {
            let after = DAYS.into_iter().find(|days| u64::from(*days) * 86_400 > seconds);
            let before = DAYS.into_iter().rev().find(|days| u64::from(*days) * 86_400 < seconds);
            let near: Vec<String> = before.into_iter().chain(after).map(|days| format!("{days}d")).collect();
            let near: Vec<&str> = near.iter().map(String::as_str).collect();
            format!("CloudWatch has no retention of `{text}`; the nearest that it has: {}", quoted_list(&near))
        })
    }
    fn schema() -> Value {
        json!({"type": "string", "pattern": r"^[0-9.]+ ?[smhdw]$", "examples": ["30d"]})
    }
}

/// Where logs go in CloudWatch: the name of a log group of others, or a mapping for one of the stack's own.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(untagged)]
pub enum LogGroupChoice {
    Others(String),
    Own(OwnLogGroup),
}

impl LogGroupChoice {
    /// The stack's own.
    pub fn own(&self) -> Option<&OwnLogGroup> {
        match self {
            LogGroupChoice::Own(own) => Some(own),
            LogGroupChoice::Others(_) => None,
        }
    }

    /// The name of one of others.
    pub fn others(&self) -> Option<&str> {
        match self {
            LogGroupChoice::Own(_) => None,
            LogGroupChoice::Others(name) => Some(name),
        }
    }
}

impl Read for LogGroupChoice {
    fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match node.content {
            Content::Map(_) => OwnLogGroup::read(node, problems).map(LogGroupChoice::Own),
            _ => String::read(node, problems).map(LogGroupChoice::Others),
        }
    }
    fn schema() -> Value {
        json!({"oneOf": [<String as Read>::schema(), OwnLogGroup::schema()]})
    }
}

/// Where VPC flow logs go: the ARN of an S3 bucket of others, or a mapping for a log group of the stack's own.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(untagged)]
pub enum FlowLogs {
    Bucket(BucketArn),
    Own(OwnLogGroup),
}

impl FlowLogs {
    /// The stack's own log group.
    pub fn own(&self) -> Option<&OwnLogGroup> {
        match self {
            FlowLogs::Own(own) => Some(own),
            FlowLogs::Bucket(_) => None,
        }
    }
}

impl Read for FlowLogs {
    fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match node.content {
            Content::Map(_) => OwnLogGroup::read(node, problems).map(FlowLogs::Own),
            _ => BucketArn::read(node, problems).map(FlowLogs::Bucket),
        }
    }
    fn schema() -> Value {
        json!({"oneOf": [<BucketArn as Read>::schema(), OwnLogGroup::schema()]})
    }
}

/// What a stack may have for its logs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Logs {
    /// Nothing of its own.
    #[default]
    None,
    /// Log groups.
    Groups,
    /// One of them for VPC flow logs, and the role by which these get there.
    FlowLogs,
}

impl Logs {
    /// Whether there is nothing.
    pub const fn is_none(&self) -> bool {
        matches!(self, Logs::None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retention_is_one_that_cloudwatch_has() {
        assert_eq!(LogRetention::parse("2w"), Ok(LogRetention(14)));
        assert_eq!(LogRetention::parse("3653d"), Ok(LogRetention(3653)));
        let says = |text: &str| LogRetention::parse(text).expect_err("CloudWatch has none");
        assert_eq!(says("45d"), "CloudWatch has no retention of `45d`; the nearest that it has: `30d` and `60d`");
        assert_eq!(says("1h"), "CloudWatch has no retention of `1h`; the nearest that it has: `1d`");
        assert_eq!(says("5000d"), "CloudWatch has no retention of `5000d`; the nearest that it has: `3653d`");
        assert!(says("30").contains("is not a duration"));
    }
}
