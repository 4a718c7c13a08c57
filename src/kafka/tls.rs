//! TLS: what certificates are trusted and shown, and what a failed handshake means, in words.

use std::io;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, ClientConfig, Error, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::security::{Identity, Roots, Security};
use super::{ConnectError, Server};

/// The settings for connections to brokers with a certificate by `roots`, as `identity`.
///
/// # Errors
/// What is wrong with a certificate or the key.
pub fn config(roots: &Roots<'_>, identity: Option<&Identity>) -> Result<ClientConfig, String> {
    let mut store = RootCertStore::empty();
    match roots {
        Roots::Public => {
            let found = rustls_native_certs::load_native_certs();
            if store.add_parsable_certificates(found.certs).0 == 0 {
                return Err("this machine has no certificates of public CAs".to_owned());
            }
        }
        Roots::Pem(text) => {
            for certificate in certificates(text).map_err(|why| format!("the CA's certificate {why}"))? {
                store.add(certificate).map_err(|error| format!("the CA's certificate can't be used: {error}"))?;
            }
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?.with_root_certificates(store);
    let Some(identity) = identity else { return Ok(builder.with_no_client_auth()) };
    let chain = certificates(&identity.certificate).map_err(|why| format!("the client's certificate {why}"))?;
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes());
    let key = key.map_err(|_| "the client's key is no key in PEM".to_owned())?;
    let fits = builder.with_client_auth_cert(chain, key);
    fits.map_err(|error| format!("the client's certificate and key can't be used: {error}"))
}

/// Every certificate in `text`, of which there must be one.
fn certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match all {
        Ok(all) if all.is_empty() => Err("is not there: the text has no certificate in PEM".to_owned()),
        Ok(all) => Ok(all),
        Err(_) => Err("can't be read: it is not in PEM".to_owned()),
    }
}

/// TLS on `stream` with `broker`, whose certificate must be for its name or address.
pub async fn secure(
    stream: TcpStream,
    broker: &Server,
    config: &Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, io::Error> {
    let name = ServerName::try_from(broker.host.clone()).map_err(io::Error::other)?;
    TlsConnector::from(config.clone()).connect(name, stream).await
}

/// What an error on a connection with TLS means, up to the first answer on it.
pub fn refusal(error: &io::Error, broker: &Server, security: &Security, tunnel: bool) -> ConnectError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidMessage(_)) => ConnectError::Refused("what it answers is no TLS".to_owned()),
        Some(error) => ConnectError::Refused(meaning(error, broker, security)),
        // The end of a tunnel takes connections whether anything is at its other end or not.
        None if tunnel => ConnectError::Unreachable(format!("the tunnel to it was closed: {error}")),
        None => ConnectError::Refused(match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                "it closed the connection in the TLS handshake, as a listener does that speaks plaintext".to_owned()
            }
            _ => format!("the TLS handshake failed: {error}"),
        }),
    }
}

fn meaning(error: &Error, broker: &Server, security: &Security) -> String {
    use CertificateError as Bad;
    match error {
        Error::InvalidCertificate(bad) => match bad {
            Bad::UnknownIssuer | Bad::BadSignature => "its certificate is not by a CA that kstack trusts".to_owned(),
            Bad::ExpiredContext { not_after, .. } => format!("its certificate ended at {}", date(*not_after)),
            Bad::Expired => "its certificate has ended".to_owned(),
            Bad::NotValidYetContext { not_before, .. } => {
                format!("its certificate is valid only from {} on; is a clock wrong?", date(*not_before))
            }
            Bad::NotValidForName => format!("its certificate is not for {}", broker.host),
            Bad::NotValidForNameContext { presented, .. } => {
                format!("its certificate is not for {}, but for {}", broker.host, presented.join(", "))
            }
            other => format!("its certificate can't be accepted: {other}"),
        },
        Error::AlertReceived(alert) => client_side(*alert, security.has_certificate()),
        other => format!("the TLS handshake failed: {other}"),
    }
}

/// What a broker's alert means. Java has few of them, and `bad_certificate` for most that is wrong with a client's certificate.
fn client_side(alert: AlertDescription, has_certificate: bool) -> String {
    use AlertDescription as Alert;
    match alert {
        Alert::CertificateExpired => "kstack's client certificate has ended, says the broker".to_owned(),
        Alert::BadCertificate | Alert::CertificateRequired | Alert::HandshakeFailure if !has_certificate => {
            "it asks for a client certificate, and kstack has none for it".to_owned()
        }
        Alert::BadCertificate
        | Alert::CertificateUnknown
        | Alert::UnknownCA
        | Alert::UnsupportedCertificate
        | Alert::AccessDenied => "it does not take kstack's client certificate: by another CA, or ended".to_owned(),
        other => format!("it ended the TLS handshake with the alert {other:?}"),
    }
}

fn date(at: UnixTime) -> String {
    let seconds = i64::try_from(at.as_secs()).ok();
    let at = seconds.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    at.map_or_else(|| "a time that can't be shown".to_owned(), |at| at.strftime("%F %T UTC").to_string())
}
