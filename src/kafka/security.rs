//! As whom kstack speaks to a broker, and how it knows that it is the right one.

use std::fmt;
use std::sync::Arc;

use rustls::ClientConfig;

use super::sasl::Sasl;
use super::tls;

/// By whom a broker's certificate must be signed.
pub enum Roots<'a> {
    /// By one of those that this machine trusts.
    Public,
    /// By one of these: certificates in PEM.
    Pem(&'a str),
}

/// A client's certificate, with those between it and its CA, and its key: both in PEM.
pub struct Identity {
    pub certificate: String,
    pub key: String,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

/// Encryption and identity of connections. By default there is neither.
#[derive(Clone, Default)]
pub struct Security {
    tls: Option<Arc<ClientConfig>>,
    /// Whether a client certificate is shown to who asks for one.
    certificate: bool,
    sasl: Option<Sasl>,
}

impl Security {
    /// TLS with a broker whose certificate is by `roots`, as `identity` if it asks for a certificate.
    ///
    /// # Errors
    /// What is wrong with a certificate or the key. Nothing of the key is in it.
    pub fn tls_by(roots: &Roots<'_>, identity: Option<&Identity>) -> Result<Security, String> {
        let config = tls::config(roots, identity)?;
        Ok(Security { tls: Some(Arc::new(config)), certificate: identity.is_some(), sasl: None })
    }

    /// The same with a user who proves by `sasl` who he is.
    pub fn with_sasl(self, sasl: Sasl) -> Security {
        Security { sasl: Some(sasl), ..self }
    }

    pub(super) fn is_plaintext(&self) -> bool {
        self.tls.is_none() && self.sasl.is_none()
    }

    pub(super) fn tls(&self) -> Option<&Arc<ClientConfig>> {
        self.tls.as_ref()
    }

    pub(super) fn sasl(&self) -> Option<&Sasl> {
        self.sasl.as_ref()
    }

    pub(super) fn has_certificate(&self) -> bool {
        self.certificate
    }
}

impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Security");
        out.field("tls", &self.tls.is_some()).field("certificate", &self.certificate).field("sasl", &self.sasl).finish()
    }
}
