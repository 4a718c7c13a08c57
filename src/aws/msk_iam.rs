//! A caller's proof for MSK's brokers: the URL of `kafka-cluster:Connect`, signed with the caller's credentials, as JSON. The format
//! is that of AWS's library aws-msk-iam-auth ("Details" in its README), version 2020_10_22.

use std::fmt;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4;
use serde_json::{Map, Value};

use super::Clients;

/// How long a proof may be used.
const LIFE: Duration = Duration::from_secs(900);
const ACTION: &str = "kafka-cluster:Connect";

/// The credentials with which brokers of MSK in one region are asked.
#[derive(Clone)]
pub struct MskIam {
    credentials: SharedCredentialsProvider,
    region: String,
}

impl fmt::Debug for MskIam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MskIam of {}", self.region)
    }
}

impl Clients {
    /// The caller, for the brokers of MSK; `None` without credentials.
    pub fn msk_iam(&self) -> Option<MskIam> {
        let credentials = self.config.credentials_provider()?;
        Some(MskIam { credentials, region: self.region.clone() })
    }
}

impl MskIam {
    /// The proof for the broker `host`, good for a quarter of an hour.
    ///
    /// # Errors
    /// That there are no credentials, or that they can't sign.
    pub async fn payload(&self, host: &str) -> Result<Vec<u8>, String> {
        let credentials = self.credentials.provide_credentials().await;
        let credentials = credentials.map_err(|error| format!("there are no credentials for IAM: {error}"))?;
        payload(credentials, &self.region, host, SystemTime::now())
    }
}

fn payload(credentials: Credentials, region: &str, host: &str, now: SystemTime) -> Result<Vec<u8>, String> {
    let unsigned = |error: &dyn fmt::Display| format!("the proof for IAM can't be signed: {error}");
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(LIFE);
    let identity = credentials.into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("kafka-cluster")
        .time(now)
        .settings(settings)
        .build()
        .map_err(|error| unsigned(&error))?;
    let url = format!("https://{host}/?Action={}", ACTION.replace(':', "%3A"));
    let headers = std::iter::once(("host", host));
    let request = SignableRequest::new("GET", url, headers, SignableBody::Bytes(&[]));
    let request = request.map_err(|error| unsigned(&error))?;
    let (instructions, _) = sign(request, &parameters.into()).map_err(|error| unsigned(&error))?.into_parts();
    let fixed = [("version", "2020_10_22"), ("host", host), ("user-agent", "kstack"), ("action", ACTION)];
    let mut all: Map<String, Value> = fixed.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
    let signed = instructions.params().iter();
    all.extend(signed.map(|(key, value)| (key.to_lowercase(), Value::from(value.as_ref()))));
    serde_json::to_vec(&all).map_err(|error| unsigned(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The signatures are botocore's (`SigV4QueryAuth`), made for the same moment.
    #[test]
    fn the_payload_is_that_of_the_documented_format() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_785_589_200);
        let host = "b-1.prod.abcdef.c2.kafka.us-east-1.amazonaws.com";
        let cases = [
            (None, "126383cc68c9e2b9aa0388aece0a2db7cbeecfa7f47522e132f69748c95cd081"),
            (Some("a/session+token="), "2a9e1ea0adb5ff48ae4d6d28f7312cf9e2279e137d79039f9de22850ed21e68f"),
        ];
        for (token, signature) in cases {
            let credentials =
                Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG", token.map(str::to_owned), None, "test");
            let payload: Value = serde_json::from_slice(&payload(credentials, "us-east-1", host, at).unwrap()).unwrap();
            let mut expected = serde_json::json!({
                "version": "2020_10_22",
                "host": host,
                "user-agent": "kstack",
                "action": "kafka-cluster:Connect",
                "x-amz-algorithm": "AWS4-HMAC-SHA256",
                "x-amz-credential": "AKIDEXAMPLE/20260801/us-east-1/kafka-cluster/aws4_request",
                "x-amz-date": "20260801T130000Z",
                "x-amz-expires": "900",
                "x-amz-signedheaders": "host",
                "x-amz-signature": signature,
            });
            if let Some(token) = token {
                expected["x-amz-security-token"] = token.into();
            }
            assert_eq!(payload, expected);
        }
    }
}
