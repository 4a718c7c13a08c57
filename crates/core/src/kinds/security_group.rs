//! Security groups, without their rules: rules name other groups, so they are a kind of their own that comes after all groups.

use super::prelude::*;

spec! {
    pub struct SecurityGroup {
        pub vpc: Ref => Rule::fixed("a security group's VPC, name or description", NEW_STACK).hidden(),
        pub group_name: String => Rule::fixed("a security group's VPC, name or description", NEW_STACK),
        pub description: String => Rule::fixed("a security group's VPC, name or description", NEW_STACK).hidden(),
        /// What runs Kafka, for the tag of the brokers' group in a VPC that is not the stack's: there the VPC can't tell.
        #[serde(skip)]
        pub engine: Option<Engine> => Rule::creation_only(),
    }
}

/// The groups of a stack and what they are for. The description can't be changed later.
pub fn groups(design: &Design) -> Vec<(&'static str, &'static str)> {
    let mut groups = match design.stack.network.own_groups {
        true => {
            vec![("brokers", "Kafka brokers"), ("clients", "Kafka clients: attach it to hosts that use the cluster")]
        }
        false => Vec::new(),
    };
    if design.dedicated() {
        groups.push(("controllers", "Kafka controllers"));
    }
    if design.client.is_some() && design.stack.network.own_groups {
        groups.push((super::ClientInstance::CLIENT, "The client host: what it downloads"));
    }
    if design.stack.network.endpoints.iter().any(|endpoint| super::vpc_endpoint::has_interfaces(design, endpoint)) {
        groups.push(("endpoints", "Interfaces of VPC endpoints"));
    }
    if design.privatelink.is_some() {
        groups.push((super::vpc_endpoint::PRIVATELINK, "Interfaces of the PrivateLink endpoint"));
    }
    groups
}

/// The groups of each interface of the role that `group` is for: the stack's, unless it has none, and the file's beside it.
pub fn attached(design: &Design, group: &str) -> Vec<Ref> {
    let network = &design.stack.network;
    let stacks = network.own_groups.then(|| Ref::to(SecurityGroup::NAME, group));
    stacks.into_iter().chain(network.security_groups.iter().map(|id| Ref::Id(id.to_string()))).collect()
}

impl Kind for SecurityGroup {
    const NAME: &'static str = "security_group";

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let group = |(name, description): (&str, &str)| {
            let spec = SecurityGroup {
                vpc: design.vpc(),
                group_name: format!("{}-{name}", design.prefix()),
                description: description.to_owned(),
                engine: (design.existing.is_some() && name == "brokers").then(|| Engine::of(&design.stack)),
            };
            (name.to_owned(), spec)
        };
        groups(design).into_iter().map(group).collect()
    }

    fn tags(&self) -> Tags {
        self.engine.map(|engine| (tag::ENGINE.to_owned(), engine.key().to_owned())).into_iter().collect()
    }

    fn home(&self) -> Vec<&str> {
        self.vpc.id().into_iter().collect()
    }

    fn price(&self, _: &mut Costs<'_>) {}
}
