//! SASL: how a user proves to a broker who he is. A secret is in the connection and nowhere else: in no error, no log.

use std::fmt;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{SaslAuthenticateRequest, SaslHandshakeRequest};
use kafka_protocol::protocol::StrBytes;

use super::scram::{SHA_256, SHA_512, Scram};
use super::{Connection, Server, shape};
use crate::aws::MskIam;

/// A user and his proof.
#[derive(Clone)]
pub enum Sasl {
    /// A name and a password: SCRAM-SHA-512.
    Scram { user: String, password: String },
    /// The same by SCRAM-SHA-256, which kstack's own brokers do not have.
    Scram256 { user: String, password: String },
    /// The password as it is: PLAIN.
    Plain { user: String, password: String },
    /// A token of an identity provider: OAUTHBEARER.
    OAuth { token: String },
    /// AWS's credentials: AWS_MSK_IAM, which MSK has.
    Iam(MskIam),
}

impl fmt::Debug for Sasl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.mechanism())
    }
}

impl Sasl {
    fn mechanism(&self) -> &'static str {
        match self {
            Sasl::Scram { .. } => "SCRAM-SHA-512",
            Sasl::Scram256 { .. } => "SCRAM-SHA-256",
            Sasl::Plain { .. } => "PLAIN",
            Sasl::OAuth { .. } => "OAUTHBEARER",
            Sasl::Iam(_) => "AWS_MSK_IAM",
        }
    }

    /// Proves on `connection` who the user is.
    ///
    /// # Errors
    /// Why the broker does not believe it.
    pub(super) async fn prove(&self, connection: &mut Connection, broker: &Server) -> Result<(), String> {
        let mechanism = self.mechanism();
        let request = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(mechanism));
        let answer = connection.call(&request, 1, shape::SASL_HANDSHAKE_1).await.map_err(no_sasl)?;
        match ResponseError::try_from_code(answer.error_code) {
            None => {}
            Some(ResponseError::UnsupportedSaslMechanism) => {
                let offered: Vec<&str> = answer.mechanisms.iter().map(|one| one.as_str()).collect();
                return Err(format!("it does not take {mechanism}, but {}", offered.join(", ")));
            }
            Some(ResponseError::IllegalSaslState) => return Err("it asks for no user there".to_owned()),
            Some(error) => return Err(format!("SaslHandshake failed with {error:?}")),
        }
        match self {
            Sasl::Scram { user, password } | Sasl::Scram256 { user, password } => {
                let hash = if matches!(self, Sasl::Scram256 { .. }) { &SHA_256 } else { &SHA_512 };
                let scram = Scram::new(hash, user)?;
                let answer = self.send(connection, scram.first().into_bytes()).await?;
                let (last, expected) = scram.last(&text(&answer)?, password)?;
                let answer = self.send(connection, last.into_bytes()).await?;
                expected.verify(&text(&answer)?)
            }
            Sasl::Plain { user, password } => {
                self.send(connection, format!("\0{user}\0{password}").into_bytes()).await.map(drop)
            }
            Sasl::OAuth { token } => {
                if token.is_empty() || token.contains(|c: char| c.is_control() || c.is_whitespace()) {
                    return Err("kstack's token is none: it is empty, or has spaces".to_owned());
                }
                let first = format!("n,,\x01auth=Bearer {token}\x01\x01");
                let answer = self.send(connection, first.into_bytes()).await?;
                if answer.is_empty() {
                    return Ok(());
                }
                // A refusal says why, and the broker then waits for one byte before it ends the exchange.
                let refused = self.send(connection, vec![1]).await;
                let why = text(&answer).unwrap_or_default();
                Err(refused.err().map_or_else(|| why.clone(), |error| format!("{error} {why}")))
            }
            Sasl::Iam(iam) => {
                let payload = iam.payload(&broker.host).await?;
                let answer = self.send(connection, payload).await?;
                match answer.is_empty() {
                    true => Err("its answer to AWS_MSK_IAM is empty".to_owned()),
                    false => Ok(()),
                }
            }
        }
    }

    /// Sends bytes of the mechanism, and gives the broker's.
    async fn send(&self, connection: &mut Connection, bytes: Vec<u8>) -> Result<Bytes, String> {
        let request = SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from(bytes));
        let answer = connection.call(&request, 2, shape::SASL_AUTHENTICATE_2).await?;
        match ResponseError::try_from_code(answer.error_code) {
            None => Ok(answer.auth_bytes),
            Some(ResponseError::SaslAuthenticationFailed) => {
                Err(self.denied(answer.error_message.as_ref().map(StrBytes::as_str)))
            }
            Some(error) => Err(format!("SaslAuthenticate failed with {error:?}")),
        }
    }

    fn denied(&self, why: Option<&str>) -> String {
        let why = why.map(|why| format!("; the broker says: {why}")).unwrap_or_default();
        match self {
            Sasl::Scram { user, .. } | Sasl::Scram256 { user, .. } | Sasl::Plain { user, .. } => {
                format!("{UNKNOWN} {user}, or his password is another one{why}")
            }
            Sasl::OAuth { .. } => format!("it does not take the token{why}"),
            Sasl::Iam(_) => format!(
                "IAM denies the connection: the policy of these credentials must allow `kafka-cluster:Connect` on the cluster{why}"
            ),
        }
    }
}

/// How the refusal of a user or his password begins.
const UNKNOWN: &str = "it does not know the user";

/// Whether `error` says that a user is not known, or has another password.
pub(super) fn is_denied(error: &str) -> bool {
    error.starts_with(UNKNOWN)
}

/// A broker closes the connection where its listener has no SASL.
fn no_sasl(error: String) -> String {
    format!("it does not answer SaslHandshake, as a listener without users: {error}")
}

fn text(bytes: &Bytes) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "its answer is no text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown() {
        let scram = Sasl::Scram { user: "orders".to_owned(), password: "canary-1".to_owned() };
        let plain = Sasl::Plain { user: "orders".to_owned(), password: "canary-3".to_owned() };
        let all = [scram, Sasl::OAuth { token: "canary-2".to_owned() }, plain];
        for sasl in all {
            let shown = format!("{sasl:?} {} {}", sasl.denied(None), sasl.denied(Some("why")));
            assert!(!shown.contains("canary"), "{shown}");
        }
    }
}
