//! The client properties of each authentication method, ready to paste. They have no secrets: user names and passwords come from
//! the client's environment, through Kafka's own configuration provider.

use super::keys::{InTransit, Msk};
use crate::cloud_init::FROM_ENVIRONMENT;
use crate::file::read::choices;

choices! {
    /// An authentication method of clients.
    pub enum AuthMethod {
        /// IAM access control, over TLS.
        Iam = "iam",
        /// A user name and a password (SASL/SCRAM), over TLS.
        Scram = "scram",
        /// A client certificate (mutual TLS).
        Tls = "tls",
        /// TLS without authentication.
        Unauthenticated = "unauthenticated",
        /// Plaintext without authentication.
        Plaintext = "plaintext",
    }
}

impl AuthMethod {
    /// Every method, in the order in which a cluster's are shown.
    pub const ALL: [AuthMethod; 5] =
        [AuthMethod::Iam, AuthMethod::Scram, AuthMethod::Tls, AuthMethod::Unauthenticated, AuthMethod::Plaintext];

    /// The methods that the file's cluster allows.
    pub fn of(msk: &Msk) -> Vec<AuthMethod> {
        let access = msk.access();
        let transit = if msk.serverless { InTransit::Tls } else { msk.encryption.in_transit };
        AuthMethod::ALL
            .into_iter()
            .filter(|method| match method {
                AuthMethod::Iam => access.iam,
                AuthMethod::Scram => access.scram,
                AuthMethod::Tls => access.tls,
                AuthMethod::Unauthenticated => access.unauthenticated && transit != InTransit::Plaintext,
                AuthMethod::Plaintext => access.unauthenticated && transit != InTransit::Tls,
            })
            .collect()
    }
}

/// The properties of a client that connects by `method` to the brokers in `bootstrap`, such as `b-1.….amazonaws.com:9098,…`.
/// A text that Kafka's tools take with `--command-config`; ends with a newline.
pub fn client_properties(method: AuthMethod, bootstrap: &str) -> String {
    let own = match method {
        AuthMethod::Iam => "\
# Needs software.amazon.msk:aws-msk-iam-auth on the class path. Credentials come from where AWS's tools take them.
security.protocol=SASL_SSL
sasl.mechanism=AWS_MSK_IAM
sasl.jaas.config=software.amazon.msk.auth.iam.IAMLoginModule required;
sasl.client.callback.handler.class=software.amazon.msk.auth.iam.IAMClientCallbackHandler
"
        .to_owned(),
        AuthMethod::Scram => format!(
            "\
# KAFKA_USERNAME and KAFKA_PASSWORD are variables of the client's environment: the secret's `username` and `password`.
security.protocol=SASL_SSL
sasl.mechanism=SCRAM-SHA-512
sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required \
username=\"${{env:KAFKA_USERNAME}}\" password=\"${{env:KAFKA_PASSWORD}}\";
{FROM_ENVIRONMENT}"
        ),
        AuthMethod::Tls => format!(
            "\
# The key store has the client's certificate and key. Its place and password are variables of the client's environment.
security.protocol=SSL
ssl.keystore.type=PKCS12
ssl.keystore.location=${{env:KAFKA_KEYSTORE}}
ssl.keystore.password=${{env:KAFKA_KEYSTORE_PASSWORD}}
ssl.key.password=${{env:KAFKA_KEYSTORE_PASSWORD}}
{FROM_ENVIRONMENT}"
        ),
        AuthMethod::Unauthenticated => "security.protocol=SSL\n".to_owned(),
        AuthMethod::Plaintext => "security.protocol=PLAINTEXT\n".to_owned(),
    };
    format!("bootstrap.servers={bootstrap}\n{own}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::parse;

    #[test]
    fn each_method_is_complete_and_without_secrets() {
        let bootstrap = "b-1.kstack-prod.abc123.c4.kafka.us-east-1.amazonaws.com:9098";
        let expected = [
            (AuthMethod::Iam, "SASL_SSL"),
            (AuthMethod::Scram, "SASL_SSL"),
            (AuthMethod::Tls, "SSL"),
            (AuthMethod::Unauthenticated, "SSL"),
            (AuthMethod::Plaintext, "PLAINTEXT"),
        ];
        for (method, protocol) in expected {
            let text = client_properties(method, bootstrap);
            assert!(text.starts_with(&format!("bootstrap.servers={bootstrap}\n")), "{text}");
            let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
            assert!(lines.contains(&format!("security.protocol={protocol}").as_str()), "{text}");
            assert!(lines.iter().all(|line| line.contains('=') && line.trim() == *line), "{text}");
            // A password is a reference, and a reference has its provider.
            for line in lines.iter().filter(|line| line.contains("password")) {
                assert!(line.contains("${env:"), "{line}");
            }
            assert_eq!(text.contains("${env:"), text.contains("EnvVarConfigProvider"), "{text}");
        }
    }

    #[test]
    fn a_cluster_offers_what_its_file_opens() {
        let methods = |keys: &str| {
            let text = format!(
                "apiVersion: kstack/v1\nname: t\nregion: us-east-1\nnetwork: {{cidr: 10.0.0.0/16, nat: none}}\n\
                 cluster:\n  msk:\n    kafka: 3.9.x\n    brokers: {{count: 3, instance_type: kafka.m7g.large}}\n{keys}"
            );
            AuthMethod::of(&parse("t.yaml", &text).expect("it reads").stack.cluster.msk.expect("msk"))
        };
        assert_eq!(methods(""), [AuthMethod::Iam]);
        assert_eq!(methods("    auth: {}\n"), [AuthMethod::Iam]);
        assert_eq!(methods("    auth: {scram: {}}\n"), [AuthMethod::Scram]);
        assert_eq!(
            methods("    auth: {iam: true, unauthenticated: true}\n    encryption: {in_transit: tls-or-plaintext}\n"),
            [AuthMethod::Iam, AuthMethod::Unauthenticated, AuthMethod::Plaintext]
        );
        assert_eq!(
            methods("    auth: {unauthenticated: true}\n    encryption: {in_transit: plaintext}\n"),
            [AuthMethod::Plaintext]
        );
    }
}
