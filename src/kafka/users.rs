//! Users who prove themselves by SCRAM-SHA-512: Kafka keeps what their passwords verify against, and never a password.

use std::time::Duration;

use aws_lc_rs::pbkdf2;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kafka_protocol::messages::alter_user_scram_credentials_request::ScramCredentialUpsertion;
use kafka_protocol::messages::describe_user_scram_credentials_request::UserName;
use kafka_protocol::messages::{AlterUserScramCredentialsRequest, DescribeUserScramCredentialsRequest};
use kafka_protocol::protocol::StrBytes;
use tokio::time::timeout;

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
const ANSWER: Duration = Duration::from_secs(20);

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
    let request = DescribeUserScramCredentialsRequest::default().with_users(Some(vec![name]));
    let mut broker = first(brokers, link).await?;
    let answer = broker.call(&request, 0, shape::DESCRIBE_USER_SCRAM_CREDENTIALS_0);
    let answer = timeout(ANSWER, answer).await.map_err(|_| silent())??;
    check("DescribeUserScramCredentials", answer.error_code)?;
    let result = answer.results.first().ok_or_else(|| format!("the broker says nothing of the user {user}"))?;
    if result.error_code == RESOURCE_NOT_FOUND {
        return Ok(false);
    }
    check("DescribeUserScramCredentials", result.error_code)?;
    Ok(result.credential_infos.iter().any(|one| one.mechanism == SCRAM_SHA_512))
}

/// Gives `user` this password, in the place of an earlier one. It may run again.
///
/// # Errors
/// What the broker said, or that none answers.
pub async fn set_password(brokers: &[Server], link: &Link, user: &str, password: &str) -> Result<(), String> {
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
    let one = ScramCredentialUpsertion::default()
        .with_name(StrBytes::from_string(user.to_owned()))
        .with_mechanism(SCRAM_SHA_512)
        .with_iterations(i32::from(ITERATIONS))
        .with_salt(salt.to_vec().into())
        .with_salted_password(salted.to_vec().into());
    let request = AlterUserScramCredentialsRequest::default().with_upsertions(vec![one]);
    let mut broker = first(brokers, link).await?;
    let answer = broker.call(&request, 0, shape::ALTER_USER_SCRAM_CREDENTIALS_0);
    let answer = timeout(ANSWER, answer).await.map_err(|_| silent())??;
    let result = answer.results.first().ok_or_else(|| format!("the broker says nothing of the user {user}"))?;
    check("AlterUserScramCredentials", result.error_code)
}

fn silent() -> String {
    format!("no answer within {} s", ANSWER.as_secs())
}

/// A connection to the first broker that lets kstack in.
async fn first(brokers: &[Server], link: &Link) -> Result<Connection, String> {
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
