//! What a host that speaks TLS proves itself with: its key, its certificate and those of the authorities that it trusts, in one
//! parameter, which that host alone reads. Each roll of the host makes a new key and certificate.

use super::Resource;
use super::certificate_authority::all_of;
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
        /// Further ones that it trusts, while one takes the place of another.
        #[serde(default)]
        pub trusted: Vec<Ref> => Rule::in_place().hidden().saying("the host trusts other authorities beside it"),
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
        if !design.has_papers() {
            return Vec::new();
        }
        let of = |host: &HostDesign| {
            let facts = Facts::host(&design.stack.name, &host.name, host.address);
            let (subject, mut names) = (facts.subject(), facts.names);
            names.extend(host.cloud.security.iter().flat_map(|security| security.names.clone()));
            names.sort();
            let (trust, kind) = (&design.authorities.trust, super::CertificateAuthority::NAME);
            let authority = Ref::to(kind, &Authority::Hosts.name(trust.signer));
            let clients = trust.clients.last().map(|one| Ref::to(kind, &Authority::Clients.name(*one)));
            let clients = clients.unwrap_or(Ref::None);
            let all = all_of(trust).map(|(of, number)| Ref::to(kind, &of.name(number)));
            let trusted = all.filter(|one| *one != authority && *one != clients).collect();
            HostCertificate {
                subject,
                address: host.address.to_string(),
                names,
                authority,
                clients,
                trusted,
                key: super::kms_key::of(design),
            }
        };
        design.hosts.iter().map(|host| (host.name.clone(), of(host))).collect()
    }

    fn missing(_: &str, siblings: &Siblings<'_>) -> Missing {
        let reads = |one: &Resource| matches!(one, Resource::Instance(host) if host.speaks_tls());
        match (siblings.spec)(super::Instance::NAME).is_some_and(reads) {
            true => Missing::Gone("its parameter is gone: the host reads the new one when it starts"),
            false => Missing::New,
        }
    }

    fn price(&self, _: &mut Costs<'_>) {}
}
