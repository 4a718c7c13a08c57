//! What a user of an MSK cluster is configured with.

use super::{Failure, msk};
use crate::aws::kinds::msk_status;
use crate::session::Session;
use kstack_core::client_files::{Format, Identity, client_file};
use kstack_core::engines::msk::client_properties::AuthMethod;
use kstack_core::kinds::user_secret::secret_name;
use kstack_core::stack::{Mechanism, Stack};

/// The settings of the user `name` of `stack`, with what is secret in them.
///
/// # Errors
/// That the file has no such user, or the cluster no listener for it; AWS's answer.
pub async fn settings(session: &Session, stack: &Stack, name: &str, format: Format) -> Result<String, Failure> {
    let Some((_, mechanism, user)) = stack.users().find(|(user, ..)| *user == name) else {
        return Err(Failure::new(format!("the stack file has no user {name}")).hint("add it below `access.users`"));
    };
    let cluster = msk_status(&session.aws).await?;
    match (mechanism, format) {
        (Mechanism::Iam, Format::Librdkafka) => {
            let failure = Failure::new("librdkafka has no settings for IAM: its clients make their tokens in code");
            Err(failure.hint("use AWS's aws-msk-iam-sasl-signer with OAUTHBEARER there; for Java, leave --format out"))
        }
        (Mechanism::Iam, Format::Java) => msk::properties(AuthMethod::Iam, cluster.as_ref()),
        (Mechanism::Scram, _) => {
            let servers = msk::servers(AuthMethod::Scram, cluster.as_ref())?;
            let secret = user.secret.clone().unwrap_or_else(|| secret_name(&stack.name, name));
            let password = session.aws.secret_password(&secret, name).await?;
            let identity = Identity::Scram { user: name, password: password.expose() };
            Ok(client_file(format, &servers, None, identity))
        }
        // A checked file has none.
        (Mechanism::Mtls, _) => Err(Failure::new("kstack makes no certificates for clients of MSK")),
    }
}
