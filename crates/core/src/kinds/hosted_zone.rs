//! The private hosted zones of a stack's own: that of its brokers' names, and that of a PrivateLink service's.

use super::prelude::*;
use crate::file::ZoneName;

/// The name in the stack of the zone of its brokers' names.
pub const MAIN: &str = "main";
/// That of the zone of a PrivateLink service's names.
pub const PRIVATELINK: &str = super::vpc_endpoint::PRIVATELINK;

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
    const OF_NAMES: bool = true;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let network = &design.stack.network;
        let own = network.dns.as_ref().filter(|dns| dns.existing.is_none()).map(|dns| (MAIN, &dns.zone));
        let link = network.privatelink.as_ref().and_then(|link| Some((PRIVATELINK, link.domain.as_ref()?)));
        let zone = |(name, domain): (&str, &ZoneName)| {
            let zone = HostedZone { domain: domain.to_string(), vpc: design.vpc(), put_by_others: None };
            (name.to_owned(), zone)
        };
        own.into_iter().chain(link).map(zone).collect()
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
