//! The names of a stack's brokers in DNS: one for each, and one for all.
//!
//! They are one resource, so that one call makes them all or none. Records have no tags: in a zone of the stack's own they are the
//! stack's, and in one of others a text record beside them says whose they are.

use super::prelude::*;
use crate::file::bootstrap_name;

/// The resource's name in the stack.
pub const MAIN: &str = "main";

/// How a stack's names, or those of a PrivateLink service, come to another domain: never all at once, while brokers tell the old ones.
pub const MOVE: &str = "remove `dns`, or `domain` below `privatelink`, from the file and apply it, then write it with the other one and apply again";

spec! {
    pub struct DnsRecords {
        pub zone: Ref => Rule::fixed("the zone of the stack's names", MOVE).hidden(),
        /// The domain right below which the names are.
        pub domain: String => Rule::fixed("the domain of the stack's names", MOVE).hidden(),
        /// Each a name and an address, with a space between. A name may have several addresses.
        pub records: Vec<String> => Rule::in_place(),
        /// In seconds; of records that differ, one that is not what is wanted.
        pub ttl: u64 => Rule::in_place(),
    }
}

/// What stands beside records in a zone of others, of the stack `stack` of `region`.
pub fn marker(region: &str, stack: &str) -> String {
    format!("kstack stack {stack} in {region}")
}

/// The name of that.
pub fn marker_name(domain: &str) -> String {
    format!("_kstack.{domain}")
}

/// Whether `name` is one that kstack gives in `domain`: of a broker, of all of them, or of what says whose they are.
pub fn is_given(name: &str, domain: &str) -> bool {
    let Some(label) = name.strip_suffix(domain).and_then(|label| label.strip_suffix('.')) else { return false };
    let number = label.strip_prefix("broker-");
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    ["bootstrap", "_kstack"].contains(&label) || number.is_some_and(is_number)
}

impl DnsRecords {
    /// The name that stands for all brokers, where any has one.
    pub fn bootstrap(&self) -> Option<String> {
        let name = bootstrap_name(&self.domain);
        let has = |record: &String| record.split_once(' ').is_some_and(|(one, _)| one == name);
        self.records.iter().any(has).then_some(name)
    }
}

impl Kind for DnsRecords {
    const NAME: &'static str = "dns_records";
    const ENGINE: Option<Engine> = Some(Engine::Ec2);
    const TAGGED: bool = false;
    const OF_NAMES: bool = true;
    const ACCESS: bool = true;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let Some(dns) = &design.stack.network.dns else { return Vec::new() };
        let zone = match &dns.existing {
            Some(id) => Ref::Id(id.to_string()),
            None => Ref::to(super::HostedZone::NAME, super::hosted_zone::MAIN),
        };
        let domain = dns.domain(&design.stack.name);
        let brokers = || design.hosts.iter().filter(|host| host.broker());
        let all = brokers().map(|host| format!("{} {}", bootstrap_name(&domain), host.address));
        let records = all.chain(brokers().map(|host| format!("{}.{domain} {}", host.name, host.address))).collect();
        vec![(MAIN.to_owned(), DnsRecords { zone, domain, records, ttl: dns.ttl.0 })]
    }

    fn operations(&self, _: &Self, changes: &[FieldChange]) -> Vec<Operation> {
        super::access::operations(changes, |_| &[])
    }

    fn price(&self, _: &mut Costs<'_>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others_are_not_taken_for_the_stacks() {
        let domain = "orders.kafka.internal";
        for name in ["broker-1", "broker-12", "bootstrap", "_kstack"] {
            assert!(is_given(&format!("{name}.{domain}"), domain), "{name}");
        }
        for name in ["broker-", "broker-a", "broker-1.x", "xbootstrap", "registry", "x.bootstrap", ""] {
            assert!(!is_given(&format!("{name}.{domain}"), domain), "{name}");
        }
        assert!(!is_given(domain, domain));
        assert!(!is_given("broker-1.other-orders.kafka.internal", domain));
        assert!(!is_given("broker-1-orders.kafka.internal", domain));
    }
}
