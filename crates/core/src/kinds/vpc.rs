//! The VPC, with DNS on.

use super::prelude::*;

spec! {
    pub struct Vpc {
        pub cidr: String => Rule::fixed("the VPC's address block", NEW_STACK),
        pub dns_support: bool => Rule::in_place(),
        pub dns_hostnames: bool => Rule::in_place(),
        /// What runs Kafka in it, for the VPC's tag.
        #[serde(skip, default = "ec2")]
        pub engine: Engine => Rule::creation_only(),
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
        let cidr = design.stack.network.cidr.to_string();
        vec![(
            "main".to_owned(),
            Vpc { cidr, dns_support: true, dns_hostnames: true, engine: Engine::of(&design.stack) },
        )]
    }

    /// Brokers on EC2 are the rule, and have no tag: stacks from before there was MSK are theirs.
    fn tags(&self) -> Tags {
        self.engine.tag().map(|engine| (tag::ENGINE.to_owned(), engine.to_owned())).into_iter().collect()
    }

    fn price(&self, _: &mut Costs<'_>) {}
}

references!(Engine);
