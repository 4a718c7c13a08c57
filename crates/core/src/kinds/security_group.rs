//! Security groups, without their rules: rules name other groups, so they are a kind of their own that comes after all groups.

use super::prelude::*;

spec! {
    pub struct SecurityGroup {
        pub vpc: Ref => Rule::fixed("a security group's VPC, name or description", NEW_STACK).hidden(),
        pub group_name: String => Rule::fixed("a security group's VPC, name or description", NEW_STACK),
        pub description: String => Rule::fixed("a security group's VPC, name or description", NEW_STACK).hidden(),
    }
}

/// The groups of a stack and what they are for. The description can't be changed later.
pub fn groups(design: &Design) -> Vec<(&'static str, &'static str)> {
    let mut groups =
        vec![("brokers", "Kafka brokers"), ("clients", "Kafka clients: attach it to hosts that use the cluster")];
    if design.dedicated() {
        groups.push(("controllers", "Kafka controllers"));
    }
    if design.stack.network.endpoints.iter().any(|endpoint| **endpoint != *"s3") {
        groups.push(("endpoints", "Interfaces of VPC endpoints"));
    }
    groups
}

impl Kind for SecurityGroup {
    const NAME: &'static str = "security_group";

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let group = |(name, description): (&str, &str)| {
            let spec = SecurityGroup {
                vpc: Ref::to("vpc", "main"),
                group_name: format!("{}-{name}", design.prefix()),
                description: description.to_owned(),
            };
            (name.to_owned(), spec)
        };
        groups(design).into_iter().map(group).collect()
    }

    fn home(&self) -> Vec<&str> {
        self.vpc.id().into_iter().collect()
    }

    fn price(&self, _: &mut Costs<'_>) {}
}
