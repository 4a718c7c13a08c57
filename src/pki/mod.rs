//! Keys and certificates: made here, in memory alone, from the facts that the core has of them, and read again. EC P-256, PEM, PKCS#8.

mod clients_ca;
mod read;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use time::OffsetDateTime;

pub use clients_ca::clients_ca;
use kstack_core::certificates::{Authority, EARLIER, Facts};
pub use read::{Certificate, ends, read};

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    #[error("no certificate can be read: {0}")]
    Unreadable(String),
    #[error("the certificate of `{0}` is not one of an authority")]
    NoAuthority(String),
    #[error("the key is not that of the certificate of `{0}`")]
    OtherKey(String),
    #[error("the authority `{subject}` ended at {ends}")]
    Ended { subject: String, ends: Timestamp },
    #[error("no certificate can be made: {0}")]
    Making(String),
}

fn making(error: impl fmt::Display) -> PkiError {
    PkiError::Making(error.to_string())
}

/// A private key: PKCS#8, PEM. It shows nothing of itself by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateKey(String);

impl PrivateKey {
    /// The key's PEM, for where it belongs.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for PrivateKey {
    fn from(pem: String) -> PrivateKey {
        PrivateKey(pem)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("PrivateKey(..)")
    }
}

/// A key and the certificate of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    pub key: PrivateKey,
    /// PEM.
    pub certificate: String,
}

/// What a host fetches, in one text: its own key and certificate, and the certificates of both authorities, each behind the name of
/// its file. All of it is secret, as the key is.
pub fn papers(host: &Pair, hosts: &str, clients: &str) -> PrivateKey {
    let keystore = host.keystore();
    PrivateKey(format!("# host.pem\n{}# hosts-ca.pem\n{hosts}# clients-ca.pem\n{clients}", keystore.expose()))
}

impl Pair {
    /// Reads what [`Pair::keystore`] writes; `None` for another text.
    pub fn read(keystore: &str) -> Option<Pair> {
        let at = keystore.find("-----BEGIN CERTIFICATE-----")?;
        let (key, certificate) = keystore.split_at(at);
        Some(Pair { key: key.to_owned().into(), certificate: certificate.to_owned() })
    }

    /// Both in one text, the key first, as Kafka reads a keystore of the type PEM.
    pub fn keystore(&self) -> PrivateKey {
        PrivateKey(format!("{}{}", self.key.expose(), self.certificate))
    }
}

/// An authority that can sign.
pub struct Signer {
    pair: Pair,
    own: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Signer").field("own", &self.own).finish_non_exhaustive()
    }
}

impl Signer {
    /// A new authority of `stack`, with this number.
    ///
    /// # Errors
    /// That no key could be made.
    pub fn make(authority: Authority, number: u32, stack: &str, now: Timestamp) -> Result<Signer, PkiError> {
        let mut params = dated(now, Authority::LIFE)?;
        params.distinguished_name.push(DnType::CommonName, authority.common_name(stack, number));
        // It signs for hosts and clients, and for no other authority.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = new_key()?;
        let certificate = params.self_signed(&key).map_err(making)?.pem();
        Signer::of(Pair { key: key.serialize_pem().into(), certificate }, now)
    }

    /// The authority that `pair` is of.
    ///
    /// # Errors
    /// That it is none, that the key is another's, or that its life has ended.
    pub fn of(pair: Pair, now: Timestamp) -> Result<Signer, PkiError> {
        let own = read(&pair.certificate)?;
        let key = KeyPair::from_pem(pair.key.expose()).map_err(making)?;
        if !own.authority {
            return Err(PkiError::NoAuthority(own.subject));
        }
        if !own.is_of(&key) {
            return Err(PkiError::OtherKey(own.subject));
        }
        if own.ends <= now {
            return Err(PkiError::Ended { subject: own.subject, ends: own.ends });
        }
        let issuer = Issuer::from_ca_cert_pem(&pair.certificate, key).map_err(making)?;
        Ok(Signer { pair, own, issuer })
    }

    pub fn pair(&self) -> &Pair {
        &self.pair
    }

    /// What its certificate says.
    pub fn certificate(&self) -> &Certificate {
        &self.own
    }

    /// A new key with a certificate that says `facts`. It ends no later than the authority.
    ///
    /// # Errors
    /// That the certificate can't be made.
    pub fn sign(&self, facts: &Facts, now: Timestamp) -> Result<Pair, PkiError> {
        let mut params = dated(now, facts.life.min(now.duration_until(self.own.ends)))?;
        params.distinguished_name.push(DnType::CommonName, facts.common_name.as_str());
        if let Some(unit) = facts.unit {
            params.distinguished_name.push(DnType::OrganizationalUnitName, unit);
        }
        let addresses = facts.addresses.iter().map(|address| SanType::IpAddress(IpAddr::V4(*address)));
        params.subject_alt_names = addresses.collect();
        for name in &facts.names {
            params.subject_alt_names.push(SanType::DnsName(name.as_str().try_into().map_err(making)?));
        }
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let server = facts.server.then_some(ExtendedKeyUsagePurpose::ServerAuth);
        params.extended_key_usages = server.into_iter().chain([ExtendedKeyUsagePurpose::ClientAuth]).collect();
        params.use_authority_key_identifier_extension = true;
        let key = new_key()?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(making)?.pem();
        Ok(Pair { key: key.serialize_pem().into(), certificate })
    }
}

fn new_key() -> Result<KeyPair, PkiError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(making)
}

/// A certificate without a subject that is valid from a little before `now`, for `life` after it.
fn dated(now: Timestamp, life: SignedDuration) -> Result<CertificateParams, PkiError> {
    let date = |at: Timestamp| OffsetDateTime::from_unix_timestamp(at.as_second()).map_err(making);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.not_before = date(now.checked_sub(EARLIER).map_err(making)?)?;
    params.not_after = date(now.checked_add(life).map_err(making)?)?;
    Ok(params)
}
