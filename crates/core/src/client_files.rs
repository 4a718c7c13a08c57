//! What a client of a secured stack is configured with: for Java a properties file, for librdkafka an object of its settings. Keys and
//! certificates are in it, so both are secret.

use serde_json::{Map, Value, json};

/// Whose settings they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Kafka's own clients and tools: a properties file.
    Java,
    /// librdkafka and what stands on it, such as the clients of Confluent: its settings as a JSON object.
    Librdkafka,
}

/// As whom a client comes.
#[derive(Debug, Clone, Copy)]
pub enum Identity<'a> {
    /// By a certificate and its key, each PEM.
    Certificate { certificate: &'a str, key: &'a str },
    /// By a certificate of a CA of the user's own: the client's settings name it and its key.
    OwnCertificate,
    /// By tokens of an issuer that kstack knows nothing of but its name: who the client is to that is still to be added.
    Token,
    /// By a user name and a password (SCRAM-SHA-512).
    Scram { user: &'a str, password: &'a str },
}

/// What stands where the issuer's part of a client's settings is to be put in.
pub const TOKEN_URL: &str = "TOKEN-ENDPOINT-URL";
pub const CLIENT_ID: &str = "CLIENT-ID";
pub const CLIENT_SECRET: &str = "CLIENT-SECRET";

/// The settings of a client that reaches a stack at `bootstrap`, whose brokers have certificates of the authority `ca` (PEM); without one,
/// of an authority that every client trusts.
pub fn client_file(format: Format, bootstrap: &str, ca: Option<&str>, identity: Identity<'_>) -> String {
    match format {
        Format::Java => java(bootstrap, ca, identity),
        Format::Librdkafka => librdkafka(bootstrap, ca, identity),
    }
}

fn java(bootstrap: &str, ca: Option<&str>, identity: Identity<'_>) -> String {
    let mut lines = vec![format!("bootstrap.servers={bootstrap}")];
    match identity {
        Identity::Certificate { certificate, key } => lines.extend([
            "security.protocol=SSL".to_owned(),
            "ssl.keystore.type=PEM".to_owned(),
            format!("ssl.keystore.key={}", pem(key)),
            format!("ssl.keystore.certificate.chain={}", pem(certificate)),
        ]),
        Identity::OwnCertificate => lines.extend([
            "security.protocol=SSL".to_owned(),
            "# The client's own, by your CA: a file with its key (PKCS#8) and its certificate.".to_owned(),
            "# ssl.keystore.type=PEM".to_owned(),
            "# ssl.keystore.location=/path/to/client.pem".to_owned(),
        ]),
        Identity::Token => lines.extend([
            "security.protocol=SASL_SSL".to_owned(),
            "sasl.mechanism=OAUTHBEARER".to_owned(),
            "sasl.login.callback.handler.class=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler"
                .to_owned(),
            "# Where your issuer gives tokens, and who the client is to it. Java asks that URL where it is started with".to_owned(),
            "# -Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=URL (in KAFKA_OPTS of Kafka's tools).".to_owned(),
            format!("sasl.oauthbearer.token.endpoint.url={TOKEN_URL}"),
            format!(
                "sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required clientId=\"{CLIENT_ID}\" clientSecret=\"{CLIENT_SECRET}\";"
            ),
        ]),
        Identity::Scram { user, password } => lines.extend([
            "security.protocol=SASL_SSL".to_owned(),
            "sasl.mechanism=SCRAM-SHA-512".to_owned(),
            format!(
                "sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username={} password={};",
                quoted(user),
                quoted(password)
            ),
        ]),
    }
    if let Some(ca) = ca {
        lines.extend(["ssl.truststore.type=PEM".to_owned(), format!("ssl.truststore.certificates={}", pem(ca))]);
    }
    lines.join("\n") + "\n"
}

/// A text of several lines as the value of a property: each line break is written, and the value goes on in the next line.
fn pem(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    format!("\\\n  {}", lines.join("\\n\\\n  "))
}

/// Any text as a value of a JAAS configuration, as a properties file has it: Java reads what the file means first, and then what the quotes mean.
fn quoted(text: &str) -> String {
    let mut out = "\"".to_owned();
    for character in text.chars() {
        match character {
            '"' => out += "\\\\\"",
            '\\' => out += "\\\\\\\\",
            _ if character.is_ascii_control() => out += &format!("\\\\{:03o}", u32::from(character)),
            _ if character.is_ascii() => out.push(character),
            _ => character.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out += &format!("\\u{unit:04x}")),
        }
    }
    out + "\""
}

fn librdkafka(bootstrap: &str, ca: Option<&str>, identity: Identity<'_>) -> String {
    let mut all = Map::new();
    let mut set = |name: &str, value: &str| drop(all.insert(name.to_owned(), json!(value)));
    set("bootstrap.servers", bootstrap);
    if let Some(ca) = ca {
        set("ssl.ca.pem", ca);
    }
    match identity {
        Identity::Certificate { certificate, key } => {
            set("security.protocol", "SSL");
            set("ssl.certificate.pem", certificate);
            set("ssl.key.pem", key);
        }
        // JSON has no place for what is still to be added.
        Identity::OwnCertificate => set("security.protocol", "SSL"),
        Identity::Token => {
            set("security.protocol", "SASL_SSL");
            set("sasl.mechanisms", "OAUTHBEARER");
            set("sasl.oauthbearer.method", "oidc");
            set("sasl.oauthbearer.token.endpoint.url", TOKEN_URL);
            set("sasl.oauthbearer.client.id", CLIENT_ID);
            set("sasl.oauthbearer.client.secret", CLIENT_SECRET);
        }
        Identity::Scram { user, password } => {
            set("security.protocol", "SASL_SSL");
            set("sasl.mechanisms", "SCRAM-SHA-512");
            set("sasl.username", user);
            set("sasl.password", password);
        }
    }
    format!("{:#}\n", Value::Object(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CA: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nBBBB\nCC\n-----END PRIVATE KEY-----\n";

    #[test]
    fn java_reads_several_lines_as_one_value() {
        let identity = Identity::Certificate { certificate: CA, key: KEY };
        let text = client_file(Format::Java, "10.0.0.1:9094", Some(CA), identity);
        assert!(text.starts_with("bootstrap.servers=10.0.0.1:9094\nsecurity.protocol=SSL\n"), "{text}");
        let key = "ssl.keystore.key=\\\n  -----BEGIN PRIVATE KEY-----\\n\\\n  BBBB\\n\\\n  CC\\n\\\n  -----END PRIVATE KEY-----\n";
        assert!(text.contains(key), "{text}");
        let own = client_file(Format::Java, "a:1", Some(CA), Identity::OwnCertificate);
        assert!(own.contains("\n# ssl.keystore.location=") && own.contains("\nssl.truststore.certificates="), "{own}");
        let scram = client_file(Format::Java, "a:1", Some(CA), Identity::Scram { user: "orders", password: "s3cret" });
        assert!(scram.contains("required username=\"orders\" password=\"s3cret\";\n"), "{scram}");
        // A quote ends the value for JAAS, and a backslash is one for it and for the properties file.
        let hostile = Identity::Scram { user: "orders", password: "a\"b\\c\nd\u{e4}" };
        let scram = client_file(Format::Java, "a:1", Some(CA), hostile);
        assert!(scram.contains(r#" password="a\\"b\\\\c\\012d\u00e4";"#), "{scram}");
        let public = client_file(Format::Java, "a:1", None, Identity::Scram { user: "orders", password: "s3cret" });
        assert!(!public.contains("truststore"), "{public}");
    }

    #[test]
    fn librdkafka_gets_an_object_of_its_settings() {
        let text =
            client_file(Format::Librdkafka, "a:1", Some(CA), Identity::Certificate { certificate: CA, key: KEY });
        let all: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((&all["ssl.key.pem"], &all["security.protocol"]), (&json!(KEY), &json!("SSL")));
        let text =
            client_file(Format::Librdkafka, "a:1", Some(CA), Identity::Scram { user: "orders", password: "s3cret" });
        let all: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((&all["sasl.username"], &all["sasl.mechanisms"]), (&json!("orders"), &json!("SCRAM-SHA-512")));
    }
}
