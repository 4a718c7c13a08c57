//! Log groups of CloudWatch that are the stack's own: of MSK's brokers, and of VPC flow logs.
//!
//! Their names begin as AWS's own services ask for: what delivers logs for others has one policy for all groups with that beginning, where
//! each other group takes a part of the 5,120 characters that it may have (CloudWatch Logs user guide, "Enable logging from AWS services").

use super::prelude::*;
use crate::text::many;

spec! {
    pub struct LogGroup {
        /// How many days CloudWatch keeps what is logged; 0 where it keeps it for ever.
        pub retention_days: u32 => Rule::in_place(),
        /// The ARN of the KMS key that encrypts it; empty for CloudWatch's own key.
        pub kms_key: String => Rule::in_place().hidden(),
    }
}

/// What the names of all log groups of all stacks begin with.
pub const PREFIX: &str = "/aws/vendedlogs/kstack/";

/// What the names of all log groups of `stack` begin with; no other stack's do, since no stack's name has a slash.
pub fn prefix(stack: &str) -> String {
    format!("{PREFIX}{stack}/")
}

/// What stands in the ARN of a log group before its name.
const IN_ARN: &str = ":log-group:";

/// The ARN of the log group `name`, by which references know it.
pub fn arn(partition: &str, region: &str, account: &str, name: &str) -> String {
    format!("arn:{partition}:logs:{region}:{account}{IN_ARN}{name}")
}

/// The name of the log group with this ARN.
pub fn name_of(arn: &str) -> Option<&str> {
    arn.split_once(IN_ARN).map(|(_, name)| name)
}

/// The log group `name` of `region`, in the partition and account of `other`, the ARN of something there; none where there is no name.
pub fn beside(other: &str, region: &str, name: Option<&str>) -> Ref {
    let parts: Vec<&str> = other.splitn(6, ':').collect();
    match (parts.get(1), parts.get(4), name.filter(|name| !name.is_empty())) {
        (Some(partition), Some(account), Some(name)) => Ref::Id(arn(partition, region, account, name)),
        _ => Ref::None,
    }
}

impl Kind for LogGroup {
    const NAME: &'static str = "log_group";
    const OF_LOGS: Logs = Logs::Groups;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let groups = design.stack.log_groups().into_iter();
        let spec = |own: &crate::stack::OwnLogGroup| LogGroup {
            retention_days: own.retention.0,
            kms_key: own.kms_key.as_ref().map(ToString::to_string).unwrap_or_default(),
        };
        groups.map(|(name, _, own)| (name.to_owned(), spec(own))).collect()
    }

    fn deletion(&self) -> Deletion {
        Deletion::Data(match self.retention_days {
            0 => "all that was ever logged there".to_owned(),
            days => format!("the logs of {}", many(days, "day")),
        })
    }

    /// What it costs follows from what is logged alone.
    fn price(&self, _: &mut Costs<'_>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_group_is_known_by_its_arn() {
        let arn = arn("aws", "eu-west-1", "123456789012", "/aws/vendedlogs/kstack/orders/brokers");
        assert_eq!(arn, "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/vendedlogs/kstack/orders/brokers");
        assert_eq!(name_of(&arn), Some("/aws/vendedlogs/kstack/orders/brokers"));
        let role = "arn:aws:iam::123456789012:role/flow";
        assert_eq!(beside(role, "eu-west-1", name_of(&arn)), Ref::Id(arn));
        assert_eq!(beside(role, "eu-west-1", None), Ref::None);
        assert!(!"/aws/vendedlogs/kstack/orders-eu/brokers".starts_with(&prefix("orders")));
    }
}
