//! The two authorities that sign a stack's certificates: of its hosts, and of its clients. Key and certificate of each are one
//! parameter, which only who runs kstack reads.

use super::Resource;
use super::prelude::*;
use crate::certificates::Authority;
use crate::kinds::instance::TLS;

spec! {
    pub struct CertificateAuthority {
        /// By RFC 2253.
        pub subject: String => Rule::fixed("the subject of an authority", NEW_STACK),
        /// What encrypts the parameter.
        pub key: Ref => Rule::fixed("the KMS key that encrypts an authority's key", SAME_KEY).hidden(),
        /// Of a live one that ends within two years: the day.
        #[serde(skip)]
        pub ends_soon: Option<String> => Rule::creation_only(),
    }
}

/// What to do to keep the key that a live stack has.
const SAME_KEY: &str = "write the ARN of the live one as `kms_key` below `cluster.ec2.listeners`, or leave that out where the stack has a key \
    of its own; with another key, create a second stack with another name";

/// What an authority's certificate is good for when nothing tells that it will end soon, in days.
pub const SOON: i64 = 2 * 365;

impl Kind for CertificateAuthority {
    const NAME: &'static str = "certificate_authority";
    const ENGINE: Option<Engine> = Some(Engine::Ec2);
    // Its parameter is listed without its tags, and its name says whose it is.
    const TAGGED: bool = false;
    const OF_PAPERS: bool = true;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let one = |authority: Authority| {
            let subject = format!("CN={}", authority.common_name(&design.stack.name));
            let key = super::kms_key::of(design);
            (authority.word().to_owned(), CertificateAuthority { subject, key, ends_soon: None })
        };
        let clients = (!design.stack.has_own_clients_ca()).then_some(Authority::Clients);
        let all = || [Authority::Hosts].into_iter().chain(clients).map(one).collect();
        design.stack.secured().then(all).unwrap_or_default()
    }

    fn missing(name: &str, siblings: &Siblings<'_>) -> Missing {
        let trusts = |one: &Resource| matches!(one, Resource::Instance(host) if host.listeners.as_deref() == Some(TLS));
        // Brokers that trust the user's own CA have been told of no other.
        let told = |one: &Resource| matches!(one, Resource::HostCertificate(host) if host.clients != Ref::None);
        if name == Authority::Clients.word() && !(siblings.all)(super::HostCertificate::NAME).into_iter().any(told) {
            return Missing::New;
        }
        if !(siblings.all)(super::Instance::NAME).into_iter().any(trusts) {
            return Missing::New;
        }
        Missing::Lost {
            reason: "its key is gone, and another takes its place".to_owned(),
            refusal: format!("the key of the authority of the {name} is gone, and hosts run that trust no other"),
            remedy: "put its parameter back, where a copy of it is kept",
        }
    }

    fn warning(&self) -> Option<String> {
        let ends = self.ends_soon.as_ref()?;
        Some(format!("it ends on {ends}, and every certificate that it has signed with it"))
    }

    fn price(&self, _: &mut Costs<'_>) {}
}
