//! What a host that speaks TLS proves itself with: its key, its certificate and those of the authorities that it trusts, in one
//! parameter, which that host alone reads. Each roll of the host makes a new key and certificate.

use super::prelude::*;
use crate::certificates::{Authority, Facts};

spec! {
    pub struct HostCertificate {
        /// By RFC 2253.
        pub subject: String => Rule::in_place(),
        /// The host's private address; the parameter's name has it.
        pub address: String => Rule::replace(),
        /// The names by which clients may verify the host.
        pub names: Vec<String> => Rule::in_place().hidden(),
        /// Who signed it, and whom the host trusts for clients; nobody here where these have a CA of the user's.
        pub authority: Ref => Rule::in_place().hidden().saying("another authority signs it"),
        pub clients: Ref => Rule::in_place().hidden().saying("the host trusts another authority for clients"),
        /// What encrypts the parameter.
        pub key: Ref => Rule::in_place().hidden().saying("another KMS key encrypts it"),
    }
}

impl HostCertificate {
    /// What its certificate says.
    pub fn facts(&self, stack: &str, host: &str) -> Option<Facts> {
        let facts = Facts::host(stack, host, self.address.parse().ok()?);
        Some(Facts { names: self.names.clone(), ..facts })
    }
}

impl Kind for HostCertificate {
    const NAME: &'static str = "host_certificate";
    const ENGINE: Option<Engine> = Some(Engine::Ec2);
    // As with the authorities.
    const TAGGED: bool = false;
    const OF_PAPERS: bool = true;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        if !design.stack.secured() {
            return Vec::new();
        }
        let of = |host: &HostDesign| {
            let facts = Facts::host(&design.stack.name, &host.name, host.address);
            let (subject, mut names) = (facts.subject(), facts.names);
            names.extend(host.cloud.security.iter().flat_map(|security| security.names.clone()));
            names.sort();
            let authority = |one: Authority| Ref::to(super::CertificateAuthority::NAME, one.word());
            HostCertificate {
                subject,
                address: host.address.to_string(),
                names,
                authority: authority(Authority::Hosts),
                clients: match design.stack.has_own_clients_ca() {
                    true => Ref::None,
                    false => authority(Authority::Clients),
                },
                key: super::kms_key::of(design),
            }
        };
        design.hosts.iter().map(|host| (host.name.clone(), of(host))).collect()
    }

    fn missing(_: &str, siblings: &Siblings<'_>) -> Missing {
        match (siblings.is_live)(super::Instance::NAME) {
            true => Missing::Gone("its parameter is gone: the host reads the new one when it starts"),
            false => Missing::New,
        }
    }

    fn price(&self, _: &mut Costs<'_>) {}
}
