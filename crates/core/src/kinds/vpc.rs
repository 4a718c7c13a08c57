//! The VPC, with DNS on.

use serde_json::Value;

use super::prelude::*;

spec! {
    pub struct Vpc {
        pub cidr: String => Rule::fixed("the VPC's address block", NEW_STACK),
        /// Blocks beside the first. Others may add some too: only those that are wanted are compared.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        pub secondary_cidrs: Vec<String> => Rule::by(add_blocks),
        /// Whether it has an IPv6 block, which Amazon provides.
        #[serde(default)]
        pub ipv6: bool => Rule::by(add_ipv6),
        /// The IPAM pool that the first block was allocated from, known by a tag: DescribeVpcs does not show it.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        pub ipam_pool: Option<String> => Rule::fixed("the IPAM pool of a VPC", NEW_STACK),
        pub dns_support: bool => Rule::in_place(),
        pub dns_hostnames: bool => Rule::in_place(),
        /// Whether the VPC's default security group has rules: AWS gives it some, and whatever is started without a group of its own
        /// gets it.
        #[serde(default)]
        pub default_group: DefaultGroup => Rule::in_place().hidden(),
        /// What runs Kafka in it, for the VPC's tag.
        #[serde(skip, default = "ec2")]
        pub engine: Engine => Rule::creation_only(),
    }
}

/// The VPC's default security group, which goes with the VPC and can't be deleted (VPC user guide, "Default security groups"). Nothing
/// of a stack uses it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DefaultGroup {
    /// It has no rules, and so lets nothing in or out.
    #[default]
    Closed,
    /// It has rules.
    Open,
}

/// A live VPC gets more blocks, and loses none: subnets may be in them.
fn add_blocks(change: &FieldChange, _: bool) -> Effect {
    let blocks = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let (before, after) = (blocks(&change.before), blocks(&change.after));
    if after.iter().any(|block| !before.contains(block)) {
        return Effect::InPlace;
    }
    let more = before.iter().filter(|block| !after.contains(block)).filter_map(Value::as_str).collect::<Vec<_>>();
    Effect::Keep(format!("a VPC keeps its address blocks: {} stays, which the file does not have", more.join(", ")))
}

/// A live VPC gets an IPv6 block, and keeps it: another one would have other addresses.
fn add_ipv6(change: &FieldChange, _: bool) -> Effect {
    match change.after == true {
        true => Effect::InPlace,
        false => Effect::Keep(
            "the VPC, its subnets and interfaces keep their IPv6 addresses, which the file does not ask for; the stack's routes, names and \
             rules for IPv6 go, and brokers no longer listen on it"
                .to_owned(),
        ),
    }
}

/// The engine of a VPC whose tag says none.
fn ec2() -> Engine {
    Engine::Ec2
}

impl Kind for Vpc {
    const NAME: &'static str = "vpc";
    const UNIQUE: bool = false;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let own = design.stack.network.cidr.filter(|_| design.existing.is_none());
        let engine = Engine::of(&design.stack);
        let vpc = |cidr: ipnet::Ipv4Net| Vpc {
            cidr: cidr.to_string(),
            secondary_cidrs: design.stack.network.secondary_cidrs.iter().map(ToString::to_string).collect(),
            ipv6: design.stack.network.ipv6,
            ipam_pool: design.stack.network.ipam_pool.as_ref().map(|pool| pool.0.clone()),
            dns_support: true,
            dns_hostnames: true,
            default_group: DefaultGroup::Closed,
            engine,
        };
        own.map(|cidr| ("main".to_owned(), vpc(cidr))).into_iter().collect()
    }

    /// Brokers on EC2 are the rule, and have no tag: stacks from before there was MSK are theirs.
    fn tags(&self) -> Tags {
        let engine = self.engine.tag().map(|engine| (tag::ENGINE.to_owned(), engine.to_owned()));
        let pool = self.ipam_pool.as_ref().map(|pool| (tag::IPAM_POOL.to_owned(), pool.clone()));
        engine.into_iter().chain(pool).collect()
    }

    fn price(&self, _: &mut Costs<'_>) {}
}

references!(Engine);
references!(DefaultGroup);
