//! What a certificate says.

use std::net::Ipv4Addr;

use jiff::Timestamp;
use rcgen::{KeyPair, PublicKeyData as _};
use x509_parser::extensions::GeneralName;
use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::time::ASN1Time;
use x509_parser::x509::X509Name;

use super::PkiError;

/// A certificate as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The serial number in hexadecimal.
    pub serial: String,
    /// The subject by RFC 2253, as brokers see it.
    pub subject: String,
    pub issuer: String,
    pub begins: Timestamp,
    pub ends: Timestamp,
    pub addresses: Vec<Ipv4Addr>,
    pub names: Vec<String>,
    /// Whether it is an authority's.
    pub authority: bool,
    /// The public key, as DER.
    public_key: Vec<u8>,
}

impl Certificate {
    /// Whether it is the certificate of this key.
    pub(super) fn is_of(&self, key: &KeyPair) -> bool {
        self.public_key == key.subject_public_key_info()
    }
}

/// Reads the first certificate of a PEM text.
///
/// # Errors
/// Why it can't be read.
pub fn read(pem: &str) -> Result<Certificate, PkiError> {
    let unreadable = |why: &str| PkiError::Unreadable(why.to_owned());
    let (_, block) = parse_x509_pem(pem.as_bytes()).map_err(|_| unreadable("this is no PEM text"))?;
    if block.label != "CERTIFICATE" {
        return Err(PkiError::Unreadable(format!("the PEM text has a `{}`", block.label.escape_debug())));
    }
    let (_, parsed) =
        X509Certificate::from_der(&block.contents).map_err(|error| PkiError::Unreadable(error.to_string()))?;
    let time = |time: ASN1Time| {
        Timestamp::from_second(time.timestamp()).map_err(|error| PkiError::Unreadable(error.to_string()))
    };
    let (mut addresses, mut names) = (Vec::new(), Vec::new());
    let alternatives = parsed.subject_alternative_name().map_err(|error| PkiError::Unreadable(error.to_string()))?;
    for name in alternatives.iter().flat_map(|one| &one.value.general_names) {
        match name {
            GeneralName::DNSName(name) => names.push((*name).to_owned()),
            GeneralName::IPAddress(bytes) => {
                addresses.extend(<[u8; 4]>::try_from(*bytes).ok().map(Ipv4Addr::from));
            }
            _ => {}
        }
    }
    Ok(Certificate {
        serial: parsed.raw_serial().iter().map(|byte| format!("{byte:02x}")).collect(),
        subject: rfc2253(parsed.subject()),
        issuer: rfc2253(parsed.issuer()),
        begins: time(parsed.validity().not_before)?,
        ends: time(parsed.validity().not_after)?,
        addresses,
        names,
        authority: parsed.is_ca(),
        public_key: parsed.public_key().raw.to_vec(),
    })
}

/// When a certificate ends, of which this is the DER; `None` where it is none.
pub fn ends(der: &[u8]) -> Option<Timestamp> {
    let (_, parsed) = X509Certificate::from_der(der).ok()?;
    Timestamp::from_second(parsed.validity().not_after.timestamp()).ok()
}

/// A name by RFC 2253: its last part first.
fn rfc2253(name: &X509Name<'_>) -> String {
    let mut parts: Vec<String> = name
        .iter_attributes()
        .map(|part| {
            let oid = part.attr_type().to_id_string();
            let word = match oid.as_str() {
                "2.5.4.3" => "CN",
                "2.5.4.6" => "C",
                "2.5.4.7" => "L",
                "2.5.4.8" => "ST",
                "2.5.4.10" => "O",
                "2.5.4.11" => "OU",
                other => other,
            };
            format!("{word}={}", escaped(part.as_str().unwrap_or_default()))
        })
        .collect();
    parts.reverse();
    parts.join(",")
}

/// A value with a backslash before what has a meaning in a name.
fn escaped(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let special =
        |at: usize, c: char| ",+\"\\<>;".contains(c) || (at == 0 && (c == '#' || c == ' ')) || (at == last && c == ' ');
    value.chars().enumerate().flat_map(|(at, c)| special(at, c).then_some('\\').into_iter().chain([c])).collect()
}
