//! The IPv6 addresses of a stack's brokers in DNS, under the same names as those of IPv4.
//!
//! They are a resource of their own: a broker of a live stack listens on IPv6 once it has rolled, and only then do clients that like IPv6
//! better find it there. Which addresses they are is known once the interfaces have them.

use serde::{Deserialize, Serialize};

use super::dns_records::MOVE;
use super::prelude::*;
use crate::file::bootstrap_name;

pub use super::dns_records::MAIN;

spec! {
    pub struct DnsAaaaRecords {
        pub zone: Ref => Rule::fixed("the zone of the stack's names", MOVE).hidden(),
        /// The domain right below which the names are.
        pub domain: String => Rule::fixed("the domain of the stack's names", MOVE).hidden(),
        pub names: Vec<NameOf> => Rule::in_place(),
        /// In seconds; of records that differ, one that is not what is wanted.
        pub ttl: u64 => Rule::in_place(),
    }
}

/// A name, and the interface whose IPv6 address it has: a name may have several. Of a live one, an address that no interface of the stack
/// has stands for itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NameOf {
    pub name: String,
    pub interface: Ref,
}

impl Kind for DnsAaaaRecords {
    const NAME: &'static str = "dns_aaaa_records";
    const ENGINE: Option<Engine> = Some(Engine::Ec2);
    const TAGGED: bool = false;
    const OF_NAMES: bool = true;
    const ACCESS: bool = true;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let network = &design.stack.network;
        let Some(dns) = network.dns.as_ref().filter(|_| network.ipv6) else { return Vec::new() };
        let zone = match &dns.existing {
            Some(id) => Ref::Id(id.to_string()),
            None => Ref::to(super::HostedZone::NAME, super::hosted_zone::MAIN),
        };
        let domain = dns.domain(&design.stack.name);
        let of = |name: String, host: &HostDesign| NameOf {
            name,
            interface: Ref::to(super::NetworkInterface::NAME, &host.name),
        };
        let brokers = || design.hosts.iter().filter(|host| host.broker());
        let all = brokers().map(|host| of(bootstrap_name(&domain), host));
        let names = all.chain(brokers().map(|host| of(format!("{}.{domain}", host.name), host))).collect();
        vec![(MAIN.to_owned(), DnsAaaaRecords { zone, domain, names, ttl: dns.ttl.0 })]
    }

    /// What says whose the names are in a zone of others is beside those of IPv4; and each broker listens on IPv6 first.
    fn after(&self, _: &str) -> Vec<Address> {
        let hosts = self.names.iter().filter_map(|one| one.interface.address());
        let hosts = hosts.map(|interface| Address::new(super::Instance::NAME, &interface.name));
        std::iter::once(Address::new(super::DnsRecords::NAME, MAIN)).chain(hosts).collect()
    }

    fn operations(&self, _: &Self, changes: &[FieldChange]) -> Vec<Operation> {
        super::access::operations(changes, |_| &[])
    }

    fn price(&self, _: &mut Costs<'_>) {}
}

references!(NameOf { interface });
