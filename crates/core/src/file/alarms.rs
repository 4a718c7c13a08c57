//! Alarms: whom CloudWatch tells when the stack is ill.

use serde_json::{Value, json};

use super::node::{Content, Node};
use super::problem::Problem;
use super::read::{Read, fields, text};

fields! {
    /// Alarms of CloudWatch.
    pub struct Alarms {
        /// The ARN of the SNS topic that is told when an alarm begins, and when it ends. It must be in the stack's region. Without it, alarms are seen in CloudWatch and by `kstack status` alone.
        notify: Option<TopicArn>,
        /// Whether a stack with a lifetime has them, too.
        with_ttl: bool = false,
    }
}

text!(
    /// The ARN of an SNS topic.
    TopicArn, "the ARN of an SNS topic", json!({"type": "string", "pattern": "^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}$", "examples": ["arn:aws:sns:us-east-1:123456789012:oncall"]}),
    |text| parts(text).is_some(),
    "is not the ARN of an SNS topic such as `arn:aws:sns:us-east-1:123456789012:oncall`"
);

/// The region, the account and the name in the ARN of a topic. Its name has 1 to 256 letters, digits, hyphens and underscores (SNS API
/// reference, CreateTopic); one that is first in, first out ends in `.fifo`, and CloudWatch publishes to none of these.
fn parts(text: &str) -> Option<(&str, &str, &str)> {
    let [arn, partition, service, region, account, name] = text.split(':').collect::<Vec<_>>()[..] else { return None };
    let name_fits = (1..=256).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let place_fits = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()) && !region.is_empty();
    let fits = arn == "arn" && partition.starts_with("aws") && service == "sns" && name_fits && place_fits;
    fits.then_some((region, account, name))
}

impl TopicArn {
    /// The region that the topic is in.
    pub fn region(&self) -> &str {
        parts(&self.0).map_or("", |(region, ..)| region)
    }

    /// The account that it is in.
    pub fn account(&self) -> &str {
        parts(&self.0).map_or("", |(_, account, _)| account)
    }
}

/// Whether there are alarms, and how: `true` for those that tell nobody, or their keys.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(transparent)]
pub struct AlarmsChoice(pub Option<Alarms>);

impl Read for AlarmsChoice {
    fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match node.content {
            Content::Map(_) => Alarms::read(node, problems).map(Some).map(AlarmsChoice),
            _ => {
                let on = bool::read(node, problems)?;
                Some(AlarmsChoice(on.then_some(Alarms { notify: None, with_ttl: false })))
            }
        }
    }
    fn schema() -> Value {
        json!({"oneOf": [<bool as Read>::schema(), Alarms::schema()]})
    }
}
