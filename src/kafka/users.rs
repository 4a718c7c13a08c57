//! Users who prove themselves by SCRAM-SHA-512: Kafka keeps what their passwords verify against, and never a password.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_lc_rs::pbkdf2;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kafka_protocol::messages::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use kafka_protocol::messages::describe_user_scram_credentials_request::UserName;
use kafka_protocol::messages::{AlterUserScramCredentialsRequest, DescribeUserScramCredentialsRequest};
use kafka_protocol::protocol::StrBytes;
use tokio::time::timeout;

use super::connection::said;
use super::{Connection, Link, Server, check, shape};

/// Kafka's number of SCRAM-SHA-512 (KIP-554).
const SCRAM_SHA_512: i8 = 2;
/// Kafka takes from 4,096 to 16,384; a generated password needs no more.
const ITERATIONS: u16 = 8192;
/// Bytes of what makes one password's verifier differ from another's.
const SALT: usize = 32;
/// Bytes of a generated password: as many as nobody guesses.
const PASSWORD: usize = 24;
/// Kafka's code for a user that has no credentials.
const RESOURCE_NOT_FOUND: i16 = 91;
/// How long a broker may take for an answer.
pub(super) const ANSWER: Duration = Duration::from_secs(20);

/// A password that nobody has had: 32 letters, digits, `-` and `_`.
///
/// # Errors
/// That this machine gives no random numbers.
pub fn new_password() -> Result<String, String> {
    let mut bytes = [0; PASSWORD];
    random(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn random(bytes: &mut [u8]) -> Result<(), String> {
    SystemRandom::new().fill(bytes).map_err(|_| "this machine gives no random numbers".to_owned())
}

/// Whether `user` has a password already.
///
/// # Errors
/// What the broker said, or that none answers.
pub async fn has_password(brokers: &[Server], link: &Link, user: &str) -> Result<bool, String> {
    let name = UserName::default().with_name(StrBytes::from_string(user.to_owned()));
    let asked = described(&mut first(brokers, link).await?, Some(vec![name])).await?;
    Ok(asked.contains(user))
}

/// Gives `user` this password, in the place of an earlier one. It may run again.
///
/// # Errors
/// What the broker said, or that none answers.
pub async fn set_password(brokers: &[Server], link: &Link, user: &str, password: &str) -> Result<(), String> {
    let mut broker = first(brokers, link).await?;
    alter_passwords(&mut broker, &[(user, Some(password))]).await?.pop().unwrap_or(Ok(()))
}

/// Every user that has a password.
///
/// # Errors
/// What the broker said.
pub async fn with_passwords(broker: &mut Connection) -> Result<BTreeSet<String>, String> {
    described(broker, None).await
}

/// Those of `users`, or of all, that have a password.
async fn described(broker: &mut Connection, users: Option<Vec<UserName>>) -> Result<BTreeSet<String>, String> {
    let request = DescribeUserScramCredentialsRequest::default().with_users(users);
    let answer = broker.call(&request, 0, shape::DESCRIBE_USER_SCRAM_CREDENTIALS_0);
    let answer = timeout(ANSWER, answer).await.map_err(|_| silent())??;
    check("DescribeUserScramCredentials", answer.error_code)?;
    let mut with = BTreeSet::new();
    for result in answer.results.iter().filter(|result| result.error_code != RESOURCE_NOT_FOUND) {
        said("DescribeUserScramCredentials", result.error_code, result.error_message.as_ref())?;
        if result.credential_infos.iter().any(|one| one.mechanism == SCRAM_SHA_512) {
            with.insert(result.user.to_string());
        }
    }
    Ok(with)
}

/// Gives each user this password, in the place of an earlier one, or takes it away: one request for all. It may run again. What became
/// of each is in the same order.
///
/// # Errors
/// That there is no answer, or not for all.
pub async fn alter_passwords(
    broker: &mut Connection,
    users: &[(&str, Option<&str>)],
) -> Result<Vec<Result<(), String>>, String> {
    let mut request = AlterUserScramCredentialsRequest::default();
    for (user, password) in users {
        let name = StrBytes::from_string((*user).to_owned());
        match password {
            Some(password) => request.upsertions.push(verifier(name, password)?),
            None => {
                request.deletions.push(ScramCredentialDeletion::default().with_name(name).with_mechanism(SCRAM_SHA_512))
            }
        }
    }
    let answer = broker.call(&request, 0, shape::ALTER_USER_SCRAM_CREDENTIALS_0);
    let answer = timeout(ANSWER, answer).await.map_err(|_| silent())??;
    let of = |(user, password): &(&str, Option<&str>)| {
        let result = answer.results.iter().find(|result| result.user.as_str() == *user);
        let result = result.ok_or_else(|| format!("the broker says nothing of the user {user}"))?;
        match (password, result.error_code) {
            // It has none already.
            (None, RESOURCE_NOT_FOUND) => Ok(()),
            (_, code) => said("AlterUserScramCredentials", code, result.error_message.as_ref()),
        }
    };
    Ok(users.iter().map(of).collect())
}

/// What Kafka keeps of a password.
fn verifier(name: StrBytes, password: &str) -> Result<ScramCredentialUpsertion, String> {
    let mut salt = [0; SALT];
    random(&mut salt)?;
    let mut salted = [0; 64];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA512,
        u32::from(ITERATIONS).try_into().map_err(|_| "no iterations".to_owned())?,
        &salt,
        password.as_bytes(),
        &mut salted,
    );
    let one = ScramCredentialUpsertion::default().with_name(name).with_mechanism(SCRAM_SHA_512);
    let one = one.with_iterations(i32::from(ITERATIONS)).with_salt(salt.to_vec().into());
    Ok(one.with_salted_password(salted.to_vec().into()))
}

pub(super) fn silent() -> String {
    format!("no answer within {} s", ANSWER.as_secs())
}

/// A connection to the first broker that lets kstack in.
///
/// # Errors
/// Why there is none.
pub async fn first(brokers: &[Server], link: &Link) -> Result<Connection, String> {
    link.way.find(brokers).await;
    let mut last = "no broker is reachable from here".to_owned();
    for broker in brokers {
        match Box::pin(Connection::open(broker, link)).await {
            Ok((connection, _)) => return Ok(connection),
            Err(error) => last = format!("{broker}: {error}"),
        }
    }
    Err(last)
}
