//! The two authorities that sign a stack's certificates: of its hosts, and of its clients. Key and certificate of each are one
//! parameter, which only who runs kstack reads.

use super::Resource;
use super::prelude::*;
use crate::certificates::Authority;
use crate::trust::Trust;

spec! {
    pub struct CertificateAuthority {
        /// By RFC 2253.
        pub subject: String => Rule::fixed("the subject of an authority", NEW_STACK),
        /// What encrypts the parameter.
        pub key: Ref => Rule::fixed("the KMS key that encrypts an authority's key", SAME_KEY).hidden(),
        /// Of a live one that ends within two years: what to do about it.
        #[serde(skip)]
        pub ends_soon: Option<String> => Rule::creation_only(),
    }
}

/// What to do to keep the key that a live stack has.
const SAME_KEY: &str = "write the ARN of the live one as `kms_key` below `cluster.ec2.listeners`, or leave that out where the stack has a key \
    of its own; with another key, create a second stack with another name";

/// What an authority's certificate is good for when nothing tells that it will end soon, in days.
pub const SOON: i64 = 2 * 365;

/// The authorities that a host with this `trust` has to do with.
pub fn all_of(trust: &Trust) -> impl Iterator<Item = (Authority, u32)> {
    let hosts: std::collections::BTreeSet<u32> = trust.hosts.iter().copied().chain([trust.signer]).collect();
    let clients = trust.clients.clone().into_iter().map(|one| (Authority::Clients, one));
    hosts.into_iter().map(|one| (Authority::Hosts, one)).chain(clients)
}

/// What is said of the live authority with this number that ends soon, on the day `ends`.
pub fn ends_soon(authority: Authority, number: u32, ends: &str) -> String {
    let (word, next) = (authority.word(), number + 1);
    format!(
        "it ends on {ends}, and every certificate that it has signed with it: write `{word}: [{number}, {next}]` below `cluster.ec2.authorities` for another beside it, and `[{next}]` once clients have new settings"
    )
}

impl Kind for CertificateAuthority {
    const NAME: &'static str = "certificate_authority";
    const ENGINE: Option<Engine> = Some(Engine::Ec2);
    // Its parameter is listed without its tags, and its name says whose it is.
    const TAGGED: bool = false;
    const OF_PAPERS: bool = true;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        if !design.has_papers() {
            return Vec::new();
        }
        let one = |(authority, number): (Authority, u32)| {
            let subject = format!("CN={}", authority.common_name(&design.stack.name, number));
            let key = super::kms_key::of(design);
            (authority.name(number), CertificateAuthority { subject, key, ends_soon: None })
        };
        all_of(&design.authorities.trust).map(one).collect()
    }

    fn missing(name: &str, siblings: &Siblings<'_>) -> Missing {
        // Of one of which nothing is known, it may be what is not live.
        let trusts = |one: &Resource| match one {
            Resource::Instance(host) if host.speaks_tls() => {
                let known = Trust::parse(host.trust.as_deref().unwrap_or_default());
                known.is_none_or(|trust| all_of(&trust).any(|(authority, number)| authority.name(number) == name))
            }
            _ => false,
        };
        if !(siblings.all)(super::Instance::NAME).into_iter().any(trusts) {
            return Missing::New;
        }
        Missing::Lost {
            reason: "its key is gone, and another takes its place".to_owned(),
            refusal: match Authority::of(name) {
                Some((one, number)) if number > 1 => {
                    format!(
                        "the key of the authority {number} of the {} is gone, and hosts run that trust it",
                        one.word()
                    )
                }
                _ => format!("the key of the authority of the {name} is gone, and hosts run that trust it"),
            },
            remedy: "put its parameter back, where a copy of it is kept",
        }
    }

    fn warning(&self) -> Option<String> {
        self.ends_soon.clone()
    }

    fn price(&self, _: &mut Costs<'_>) {}
}
