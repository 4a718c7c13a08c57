//! The names of a PrivateLink service in the stack's own zone of its domain: what leads clients to the endpoint.
//!
//! They are one resource, so that one call makes them all or none. Every name of the domain leads to the endpoint as a whole; one below the
//! id of a zone, as Confluent gives brokers, to its interface in that zone. AWS puts the zone's name into the name of that interface, and
//! the same name is another zone in another account.

use serde::{Deserialize, Serialize};

use super::prelude::*;
use super::vpc_endpoint::PRIVATELINK;

/// How long an answer is kept, in seconds: what Confluent's guide has.
const TTL: u64 = 60;

spec! {
    pub struct PrivatelinkRecords {
        pub zone: Ref => Rule::replace().hidden(),
        pub domain: String => Rule::replace().hidden(),
        pub names: Vec<Alias> => Rule::in_place(),
        /// In seconds; of records that differ, one that is not what is wanted.
        pub ttl: u64 => Rule::in_place(),
    }
}

/// A name, and what it leads to. Of a live one, a target that no endpoint of the stack has stands for itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Alias {
    pub name: String,
    pub endpoint: Ref,
    /// The name of the zone whose interface it leads to; to that of whichever zone, when absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub zone: Option<String>,
}

/// Whether `name` is one that kstack gives in `domain`: of every name, or of those below a zone's id.
pub fn is_given(name: &str, domain: &str) -> bool {
    let label = name.strip_prefix("*.").and_then(|name| name.strip_suffix(domain));
    label.is_some_and(|label| {
        label.is_empty() || label.strip_suffix('.').is_some_and(|id| !id.is_empty() && !id.contains(['.', '*']))
    })
}

impl Kind for PrivatelinkRecords {
    const NAME: &'static str = "privatelink_records";
    const TAGGED: bool = false;
    const OF_NAMES: bool = true;
    const ACCESS: bool = true;
    const FOLLOWS: Option<&'static str> = Some("names");

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let link = design.stack.network.privatelink.as_ref();
        let (Some(domain), Some(chosen)) = (link.and_then(|link| link.domain.as_ref()), &design.privatelink) else {
            return Vec::new();
        };
        let endpoint = || Ref::to(super::VpcEndpoint::NAME, PRIVATELINK);
        let every = Alias { name: format!("*.{domain}"), endpoint: endpoint(), zone: None };
        let zonal = chosen.zones.iter().map(|zone| Alias {
            name: format!("*.{}.{domain}", zone.id),
            endpoint: endpoint(),
            zone: Some(zone.name.clone()),
        });
        let names = std::iter::once(every).chain(zonal).collect();
        let zone = Ref::to(super::HostedZone::NAME, PRIVATELINK);
        vec![(PRIVATELINK.to_owned(), PrivatelinkRecords { zone, domain: domain.to_string(), names, ttl: TTL })]
    }

    /// A name has one target.
    fn operations(&self, _: &Self, changes: &[FieldChange]) -> Vec<Operation> {
        super::access::operations(changes, |field| if field == "names" { &["name"] } else { &[] })
    }

    fn price(&self, _: &mut Costs<'_>) {}
}

references!(Alias { endpoint });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others_are_not_taken_for_the_stacks() {
        let domain = "abc123.eu-west-1.aws.confluent.cloud";
        for name in ["*", "*.euw1-az1"] {
            assert!(is_given(&format!("{name}.{domain}"), domain), "{name}");
        }
        for name in ["lkc-1", "*.a.b", "euw1-az1", "*.x*", "*x", "*."] {
            assert!(!is_given(&format!("{name}.{domain}"), domain), "{name}");
        }
        assert!(!is_given(domain, domain) && !is_given("*.other.cloud", domain));
    }
}
