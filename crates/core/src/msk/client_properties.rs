//! What a client writes down to connect: Kafka's properties for each way of proving who it is, ready to paste. No secret is in
//! them: names and passwords come from the client's environment, by Kafka's own configuration provider.

use crate::stack::read::choices;
use crate::stack::{InTransit, Msk};

choices! {
    /// A way for clients to connect.
    pub enum Method {
        /// IAM access control, over TLS.
        Iam = "iam",
        /// A name and a password (SASL/SCRAM), over TLS.
        Scram = "scram",
        /// A client certificate (mutual TLS).
        Tls = "tls",
        /// TLS, and the client proves nothing.
        Unauthenticated = "unauthenticated",
        /// Neither TLS nor proof.
        Plaintext = "plaintext",
    }
}

impl Method {
    /// Every way, in the order in which a cluster's are shown.
    pub const ALL: [Method; 5] = [Method::Iam, Method::Scram, Method::Tls, Method::Unauthenticated, Method::Plaintext];

    /// The ways that the cluster `msk` of the file opens.
    pub fn of(msk: &Msk) -> Vec<Method> {
        let access = msk.access();
        let transit = if msk.serverless { InTransit::Tls } else { msk.encryption.in_transit };
        Method::ALL
            .into_iter()
            .filter(|method| match method {
                Method::Iam => access.iam,
                Method::Scram => access.scram,
                Method::Tls => access.tls,
                Method::Unauthenticated => access.unauthenticated && transit != InTransit::Plaintext,
                Method::Plaintext => access.unauthenticated && transit != InTransit::Tls,
            })
            .collect()
    }
}

/// Reads variables of the environment into the properties that name them; in Kafka's clients from 3.5 on.
const FROM_ENVIRONMENT: &str = "\
config.providers=env
config.providers.env.class=org.apache.kafka.common.config.provider.EnvVarConfigProvider
";

/// The properties of a client that connects by `method` to the brokers in `bootstrap`, such as `b-1.….amazonaws.com:9098,…`.
/// A text that Kafka's tools take with `--command-config`; ends with a newline.
pub fn client_properties(method: Method, bootstrap: &str) -> String {
    let own = match method {
        Method::Iam => "\
# Needs software.amazon.msk:aws-msk-iam-auth on the class path. Credentials come from where AWS's tools take them.
security.protocol=SASL_SSL
sasl.mechanism=AWS_MSK_IAM
sasl.jaas.config=software.amazon.msk.auth.iam.IAMLoginModule required;
sasl.client.callback.handler.class=software.amazon.msk.auth.iam.IAMClientCallbackHandler
"
        .to_owned(),
        Method::Scram => format!(
            "\
# KAFKA_USERNAME and KAFKA_PASSWORD are variables of the client's environment: the secret's `username` and `password`.
security.protocol=SASL_SSL
sasl.mechanism=SCRAM-SHA-512
sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required \
username=\"${{env:KAFKA_USERNAME}}\" password=\"${{env:KAFKA_PASSWORD}}\";
{FROM_ENVIRONMENT}"
        ),
        Method::Tls => format!(
            "\
# The key store has the client's certificate and key. Its place and password are variables of the client's environment.
security.protocol=SSL
ssl.keystore.type=PKCS12
ssl.keystore.location=${{env:KAFKA_KEYSTORE}}
ssl.keystore.password=${{env:KAFKA_KEYSTORE_PASSWORD}}
ssl.key.password=${{env:KAFKA_KEYSTORE_PASSWORD}}
{FROM_ENVIRONMENT}"
        ),
        Method::Unauthenticated => "security.protocol=SSL\n".to_owned(),
        Method::Plaintext => "security.protocol=PLAINTEXT\n".to_owned(),
    };
    format!("bootstrap.servers={bootstrap}\n{own}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::parse;

    #[test]
    fn each_method_is_complete_and_without_secrets() {
        let bootstrap = "b-1.kstack-prod.abc123.c4.kafka.us-east-1.amazonaws.com:9098";
        let expected = [
            (Method::Iam, "SASL_SSL"),
            (Method::Scram, "SASL_SSL"),
            (Method::Tls, "SSL"),
            (Method::Unauthenticated, "SSL"),
            (Method::Plaintext, "PLAINTEXT"),
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
            Method::of(&parse("t.yaml", &text).expect("it reads").stack.cluster.msk.expect("msk"))
        };
        assert_eq!(methods(""), [Method::Iam]);
        assert_eq!(methods("    auth: {}\n"), [Method::Iam]);
        assert_eq!(methods("    auth: {scram: {}}\n"), [Method::Scram]);
        assert_eq!(
            methods("    auth: {iam: true, unauthenticated: true}\n    encryption: {in_transit: tls-or-plaintext}\n"),
            [Method::Iam, Method::Unauthenticated, Method::Plaintext]
        );
        assert_eq!(
            methods("    auth: {unauthenticated: true}\n    encryption: {in_transit: plaintext}\n"),
            [Method::Plaintext]
        );
    }
}
