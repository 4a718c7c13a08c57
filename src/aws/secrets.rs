//! Passwords in Secrets Manager. They are read only where a client is given its own.

use serde_json::Value;

use super::{Aws, Class, failed};
use crate::error::StepError;
use crate::pki::PrivateKey;

impl Aws {
    /// The password of `user` in the secret with this name or ARN.
    ///
    /// # Errors
    /// AWS's answer; that there is no such secret, or that it is another user's.
    pub async fn secret_password(&self, secret: &str, user: &str) -> Result<PrivateKey, StepError> {
        let unusable = |why: &str| StepError::ended(format!("the secret {secret} gives no password of {user}"), why);
        let call = self.clients.secrets.get_secret_value().secret_id(secret);
        let value = match call.send().await.map_err(failed("GetSecretValue")) {
            Err(error) if error.class() == Class::NotFound => {
                return Err(unusable("it is not there; apply the file first"));
            }
            answer => answer?.secret_string,
        };
        let value: Value = value.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        match (value["username"].as_str(), value["password"].as_str()) {
            (Some(name), Some(password)) if name == user => Ok(PrivateKey::from(password.to_owned())),
            (Some(_), Some(_)) => Err(unusable("its `username` is another")),
            _ => Err(unusable("it is no JSON object with `username` and `password`")),
        }
    }
}
