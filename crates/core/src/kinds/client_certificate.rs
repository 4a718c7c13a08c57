//! What the client host of a secured stack proves itself with: a key and a certificate of the clients' authority, in a parameter that this
//! host alone reads. Brokers know it as a user that may do nothing until an ACL allows it.

use super::prelude::*;
use crate::certificates::{Authority, Facts};
use crate::kinds::instance::VALID;

spec! {
    pub struct ClientCertificate {
        /// By RFC 2253.
        pub subject: String => Rule::in_place(),
        /// The host's private address; the parameter's name has it.
        pub address: String => Rule::replace(),
        /// Who signed it, and by whom brokers' certificates may be that the host trusts.
        pub authority: Ref => Rule::in_place().hidden().saying("another authority signs it"),
        pub hosts: Vec<Ref> => Rule::in_place().hidden().saying("brokers have certificates of other authorities"),
        /// What encrypts the parameter.
        pub key: Ref => Rule::in_place().hidden().saying("another KMS key encrypts it"),
        /// `valid`; of a live one that is to be renewed, when it ends.
        pub certificate: String => Rule::in_place(),
    }
}

impl Kind for ClientCertificate {
    const NAME: &'static str = "client_certificate";
    const ENGINE: Option<Engine> = Some(Engine::Ec2);
    // As with the authorities.
    const TAGGED: bool = false;
    const OF_PAPERS: bool = true;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let Some(address) = design.client.as_ref().and_then(|client| client.address) else { return Vec::new() };
        let trust = &design.authorities.trust;
        let Some(newest) = trust.clients.last().filter(|_| design.stack.secured()) else { return Vec::new() };
        let authority = |of: Authority, number: u32| Ref::to(super::CertificateAuthority::NAME, &of.name(number));
        let certificate = ClientCertificate {
            subject: Facts::client_host().subject(),
            address: address.to_string(),
            authority: authority(Authority::Clients, *newest),
            hosts: trust.hosts.iter().map(|number| authority(Authority::Hosts, *number)).collect(),
            key: super::kms_key::of(design),
            certificate: VALID.to_owned(),
        };
        vec![(super::ClientInstance::CLIENT.to_owned(), certificate)]
    }

    fn missing(_: &str, siblings: &Siblings<'_>) -> Missing {
        match (siblings.is_live)(super::ClientInstance::NAME) {
            true => Missing::Gone("its parameter is gone: the client host fetches the new one within the hour"),
            false => Missing::New,
        }
    }

    fn price(&self, _: &mut Costs<'_>) {}
}
