//! The private hosted zone of a stack's own, in which its names are.

use super::prelude::*;

/// The zone's name in the stack.
pub const MAIN: &str = "main";

spec! {
    pub struct HostedZone {
        /// The domain, without a dot at its end.
        pub domain: String => Rule::fixed("the domain of the stack's names", super::dns_records::MOVE),
        /// For creation only: Route 53's list of zones does not say which VPCs see them.
        #[serde(skip, default = "none")]
        pub vpc: Ref => Rule::creation_only(),
        /// Of a live one: the names and types of what is in it that is not the stack's. It goes with the zone.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        pub put_by_others: Option<Vec<String>> => Rule::in_place().hidden(),
    }
}

fn none() -> Ref {
    Ref::None
}

impl Kind for HostedZone {
    const NAME: &'static str = "hosted_zone";
    const ENGINE: Option<Engine> = Some(Engine::Ec2);
    const OF_NAMES: bool = true;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let own = design.stack.network.dns.as_ref().filter(|dns| dns.existing.is_none());
        let zone = own.map(|dns| HostedZone { domain: dns.zone.to_string(), vpc: design.vpc(), put_by_others: None });
        zone.map(|zone| (MAIN.to_owned(), zone)).into_iter().collect()
    }

    /// A zone goes before the VPC that sees it.
    fn after(&self, _: &str) -> Vec<Address> {
        vec![Address::new(super::Vpc::NAME, "main")]
    }

    fn others(&self) -> Vec<String> {
        self.put_by_others.iter().flatten().map(|record| format!("the record {record}")).collect()
    }

    fn price(&self, costs: &mut Costs<'_>) {
        costs.charge("hosted zone", 1.0);
    }
}
