//! The internet gateway, by which the public subnets' NAT gateways reach the internet.

use super::prelude::*;

spec! {
    pub struct InternetGateway {
        /// The VPC that it is attached to; empty when it is attached to none.
        pub vpc: Ref => Rule::in_place().hidden(),
    }
}

impl Kind for InternetGateway {
    const NAME: &'static str = "internet_gateway";
    const UNIQUE: bool = false;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let own = design.existing.is_none().then(|| design.vpc());
        own.map(|vpc| ("main".to_owned(), InternetGateway { vpc })).into_iter().collect()
    }

    fn home(&self) -> Vec<&str> {
        self.vpc.id().into_iter().collect()
    }

    fn price(&self, _: &mut Costs<'_>) {}
}
