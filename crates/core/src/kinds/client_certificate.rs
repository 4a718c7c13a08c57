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
        /// Who signed it, and by whom brokers' certificates are that the host trusts.
        pub authority: Ref => Rule::in_place().hidden().saying("another authority signs it"),
        pub hosts: Ref => Rule::in_place().hidden().saying("brokers have certificates of another authority"),
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
        if !design.stack.secured() {
            return Vec::new();
        }
        let authority = |one: Authority| Ref::to(super::CertificateAuthority::NAME, one.word());
        let certificate = ClientCertificate {
            subject: Facts::client_host().subject(),
            address: address.to_string(),
            authority: authority(Authority::Clients),
            hosts: authority(Authority::Hosts),
            key: Ref::to(super::KmsKey::NAME, super::kms_key::PAPERS),
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
