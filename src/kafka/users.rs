//! Users who prove themselves by SCRAM-SHA-512: Kafka keeps what their passwords verify against, and never a password.

use std::collections::BTreeSet;

use aws_lc_rs::pbkdf2;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use kafka_protocol::messages::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use kafka_protocol::messages::describe_user_scram_credentials_request::UserName;
use kafka_protocol::messages::{AlterUserScramCredentialsRequest, DescribeUserScramCredentialsRequest};
use kafka_protocol::protocol::StrBytes;

use super::{Brokers, BrokersError, ConnectError, Connection, Link, Server, refused, sasl, shape, text};

/// Kafka's number of SCRAM-SHA-512 (KIP-554).
const SCRAM_SHA_512: i8 = 2;
/// Kafka takes from 4,096 to 16,384; a generated password needs no more.
const ITERATIONS: u16 = 8192;
/// Bytes of what makes one password's verifier differ from another's.
const SALT: usize = 32;
/// Kafka's code for a user that has no credentials.
const RESOURCE_NOT_FOUND: i16 = 91;

/// Those of `users`, or of all, that have a password.
///
/// # Errors
/// What the broker said, or that none answers.
pub async fn with_passwords(brokers: &Brokers<'_>, users: Option<&[&str]>) -> Result<BTreeSet<String>, BrokersError> {
    let users = users.map(|users| users.iter().map(|user| UserName::default().with_name(text(user))).collect());
    let request = DescribeUserScramCredentialsRequest::default().with_users(users);
    let answer = brokers.ask(&request, &[(0, shape::DESCRIBE_USER_SCRAM_CREDENTIALS_0)]).await?;
    refused("DescribeUserScramCredentials", answer.error_code, answer.error_message.as_ref())?;
    let mut with = BTreeSet::new();
    for result in answer.results.iter().filter(|result| result.error_code != RESOURCE_NOT_FOUND) {
        refused("DescribeUserScramCredentials", result.error_code, result.error_message.as_ref())?;
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
/// That there is no answer.
pub async fn alter_passwords(
    brokers: &Brokers<'_>,
    users: &[(&str, Option<&str>)],
) -> Result<Vec<Result<(), String>>, BrokersError> {
    let mut request = AlterUserScramCredentialsRequest::default();
    for (user, password) in users {
        let name = text(user);
        match password {
            Some(password) => request.upsertions.push(verifier(name, password).map_err(BrokersError::Unasked)?),
            None => {
                request.deletions.push(ScramCredentialDeletion::default().with_name(name).with_mechanism(SCRAM_SHA_512))
            }
        }
    }
    let answer = brokers.change(&request, &[(0, shape::ALTER_USER_SCRAM_CREDENTIALS_0)]).await?;
    let of = |(user, password): &(&str, Option<&str>)| {
        let result = answer.results.iter().find(|result| result.user.as_str() == *user);
        let result = result.ok_or_else(|| format!("the broker says nothing of the user {user}"))?;
        match (password, result.error_code) {
            // It has none already.
            (None, RESOURCE_NOT_FOUND) => Ok(()),
            (_, code) => {
                let what = "AlterUserScramCredentials";
                refused(what, code, result.error_message.as_ref()).map_err(|error| error.to_string())
            }
        }
    };
    Ok(users.iter().map(of).collect())
}

/// Whether one of `servers` takes this password of the user; `None` where that can't be known from here. `link` is without a user.
pub async fn takes(servers: &[Server], link: Link, user: &str, password: &str) -> Option<bool> {
    let sasl = sasl::Sasl::Scram { user: user.to_owned(), password: password.to_owned() };
    let link = Link { security: link.security.with_sasl(sasl), way: link.way };
    link.way.find(servers).await;
    for server in servers {
        match Box::pin(Connection::open(server, &link)).await {
            Ok(_) => return Some(true),
            Err(ConnectError::Refused(why)) if sasl::is_denied(&why) => return Some(false),
            Err(_) => {}
        }
    }
    None
}

/// What Kafka keeps of a password.
fn verifier(name: StrBytes, password: &str) -> Result<ScramCredentialUpsertion, String> {
    let mut salt = [0; SALT];
    SystemRandom::new().fill(&mut salt).map_err(|_| "this machine gives no random numbers".to_owned())?;
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
