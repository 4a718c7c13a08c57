//! The client host: its user data, and where the brokers' names go in that are not known before a cluster of MSK is there.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{CLIENT, Checksum, Os, Overrides, SCHEMES, TemplateError, is_url, of_overrides, render_error};
use crate::certificates::CLIENT_HOST;

/// Everything that the user data of the client host is made from.
#[derive(Debug, Clone, Serialize)]
pub struct ClientHost {
    /// The stack's name.
    pub stack: String,
    pub os: Os,
    /// The version of Kafka's tools.
    pub kafka_version: String,
    pub archive_url: String,
    pub archive_checksum: Checksum,
    /// aws-msk-iam-auth, where a listener needs it.
    pub iam_auth: Option<IamAuth>,
    pub package_mirror: Option<String>,
    pub proxy: Option<String>,
    /// The client properties of each listener, by its name. Brokers without fixed addresses stand in it as [`brokers_placeholder`].
    pub properties: BTreeMap<String, String>,
    /// The listener whose properties are those of the shell's environment.
    pub listener: String,
    /// Where its certificate is, beside brokers that speak TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub papers: Option<ClientPapers>,
}

/// From where the client host fetches its key and certificates, by the script of the hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClientPapers {
    /// The name of the parameter.
    pub parameter: String,
    pub region: String,
    /// The URL of Systems Manager there, without a path.
    pub ssm: String,
}

/// Reads variables of the environment into the properties that name them; in Kafka's clients from 3.5 on.
pub const FROM_ENVIRONMENT: &str = "\
config.providers=env
config.providers.env.class=org.apache.kafka.common.config.provider.EnvVarConfigProvider
";

/// The properties of a client on the client host that comes in by the listener of this name, of hosts that speak TLS: `mtls`, as the host
/// itself; `scram`, as a user whom the environment names; or `plaintext`.
pub fn secured_properties(listener: &str, servers: &str) -> String {
    const TRUST: &str = "ssl.truststore.type=PEM\nssl.truststore.location=/etc/kafka/tls/hosts-ca.pem\n";
    let own = match listener {
        "mtls" => format!(
            "# The client host itself is the user {CLIENT_HOST}, who may do what ACLs allow him.\n\
             security.protocol=SSL\nssl.keystore.type=PEM\nssl.keystore.location=/etc/kafka/tls/host.pem\n{TRUST}"
        ),
        "scram" => format!(
            "# KAFKA_USERNAME and KAFKA_PASSWORD are variables of the client's environment.\n\
             security.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\n\
             sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required \
             username=\"${{env:KAFKA_USERNAME}}\" password=\"${{env:KAFKA_PASSWORD}}\";\n\
             {FROM_ENVIRONMENT}{TRUST}"
        ),
        _ => "security.protocol=PLAINTEXT\n".to_owned(),
    };
    format!("bootstrap.servers={servers}\n{own}")
}

/// A .jar file with aws-msk-iam-auth, and its SHA-512.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IamAuth {
    pub url: String,
    pub sha512: String,
}

/// What the templates see.
#[derive(Serialize)]
struct View<'a> {
    #[serde(flatten)]
    client: &'a ClientHost,
    checksum_sha512: Option<String>,
    checksum_url: Option<&'a str>,
    // As the script of the hosts has them.
    tls: Option<&'a ClientPapers>,
    security: Option<&'a ClientPapers>,
    papers_owner: &'static str,
    papers_mode: &'static str,
}

/// How many brokers a client host is told of to begin with: others may come and go without a new client host.
pub const FIRST_BROKERS: usize = 3;

/// What stands for the brokers at `port`, until their names are known.
pub fn brokers_placeholder(port: u16) -> String {
    format!("{BEFORE}{port}@")
}

const BEFORE: &str = "@brokers:";

/// User data with what `names` gives for each port in place of the placeholders.
pub fn with_brokers(user_data: &str, names: impl Fn(u16) -> String) -> String {
    let mut parts = user_data.split(BEFORE);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let found = part.split_once('@').and_then(|(port, rest)| Some((port.parse().ok()?, rest)));
        match found {
            Some((port, rest)) => text.extend([names(port).as_str(), rest]),
            None => text.extend([BEFORE, part]),
        }
    }
    text
}

/// The user data of the client host, as text.
///
/// # Errors
/// What could not come out as itself, or what is wrong with a template.
pub fn render_client(client: &ClientHost, overrides: &Overrides) -> Result<String, TemplateError> {
    check(client)?;
    let (checksum_sha512, checksum_url) = match &client.archive_checksum {
        Checksum::Sha512(digits) => (Some(digits.to_ascii_lowercase()), None),
        Checksum::Published(url) => (None, Some(url.as_str())),
    };
    // Whoever has a shell on the host is its user to brokers: each of them reads the key.
    let (papers_owner, papers_mode) = ("root:root", "0444");
    let (tls, security) = (client.papers.as_ref(), client.papers.as_ref());
    let view = View { client, checksum_sha512, checksum_url, tls, security, papers_owner, papers_mode };
    of_overrides(overrides, |registry| registry.render(CLIENT, &view).map_err(|error| render_error(CLIENT, &error)))
}

/// Most values stand unquoted in a comment or a path.
fn check(client: &ClientHost) -> Result<(), TemplateError> {
    let ensure = |holds: bool, field, value: &str, expected| match holds {
        true => Ok(()),
        false => Err(TemplateError::Value { host: "client".to_owned(), field, value: value.to_owned(), expected }),
    };
    let plain = |text: &str| {
        let word = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        !text.is_empty() && !text.contains("..") && text.chars().all(word)
    };
    let listeners = client.properties.keys().map(|name| ("a listener's name", name));
    let words = [
        ("the stack name", &client.stack),
        ("the Kafka version", &client.kafka_version),
        ("the listener", &client.listener),
    ];
    for (field, value) in words.into_iter().chain(listeners) {
        ensure(plain(value), field, value, "made of ASCII letters, digits, `.`, `_` and `-`")?;
    }
    let schemes = match &client.archive_checksum {
        Checksum::Sha512(_) => &SCHEMES[..],
        Checksum::Published(_) => &SCHEMES[..1],
    };
    ensure(is_url(&client.archive_url, schemes), "the archive's address", &client.archive_url, "a URL to fetch from")?;
    let jar = client.iam_auth.iter().map(|jar| ("the address of aws-msk-iam-auth", &jar.url));
    let mirror = client.package_mirror.iter().map(|url| ("the package mirror", url));
    let proxy = client.proxy.iter().map(|url| ("the proxy", url));
    for (field, url) in jar.chain(mirror).chain(proxy) {
        ensure(is_url(url, &SCHEMES), field, url, "an https or http URL")?;
    }
    let sums =
        [Some(&client.archive_checksum).and_then(sha512), client.iam_auth.as_ref().map(|jar| jar.sha512.as_str())];
    for digits in sums.into_iter().flatten() {
        let hex = digits.len() == 128 && digits.chars().all(|c| c.is_ascii_hexdigit());
        ensure(hex, "a checksum", digits, "a SHA-512 of 128 hexadecimal digits")?;
    }
    Ok(())
}

fn sha512(checksum: &Checksum) -> Option<&str> {
    match checksum {
        Checksum::Sha512(digits) => Some(digits),
        Checksum::Published(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(os: Os, closed: bool) -> ClientHost {
        let url = |text: &str| closed.then(|| text.to_owned());
        ClientHost {
            stack: "orders".to_owned(),
            os,
            kafka_version: "4.1.1".to_owned(),
            archive_url: "https://archive.apache.org/dist/kafka/4.1.1/kafka_2.13-4.1.1.tgz".to_owned(),
            archive_checksum: Checksum::Sha512("A".repeat(128)),
            iam_auth: Some(IamAuth { url: "https://files.example.net/iam.jar".to_owned(), sha512: "b".repeat(128) }),
            package_mirror: url("http://10.40.0.2:8080/mirror"),
            proxy: url("http://proxy.example.net:3128"),
            properties: [9098, 9096]
                .map(|port| (format!("p{port}"), format!("bootstrap.servers={}\n", brokers_placeholder(port))))
                .into(),
            listener: "p9098".to_owned(),
            papers: closed.then(|| ClientPapers {
                parameter: "/kstack-papers/orders/hosts/10.40.0.250/client".to_owned(),
                region: "us-east-1".to_owned(),
                ssm: "https://ssm.us-east-1.amazonaws.com".to_owned(),
            }),
        }
    }

    #[test]
    fn every_system_renders_to_files_with_the_brokers_in_them() {
        for os in [Os::Al2023, Os::Debian12, Os::Ubuntu2404] {
            for closed in [false, true] {
                let text = render_client(&client(os, closed), &Overrides::new()).expect("it renders");
                let text = with_brokers(&text, |port| format!("b-1.x:{port},b-2.x:{port}"));
                assert!(!text.contains('@') || !text.contains(BEFORE), "{text}");
                let document: serde_json::Value = serde_yaml::from_str(&text).expect("the user data is YAML");
                let files = document["write_files"].as_array().expect("files");
                let content = |path: &str| {
                    let file = files.iter().find(|file| file["path"] == path).unwrap_or_else(|| panic!("no {path}"));
                    file["content"].as_str().expect("text")
                };
                assert_eq!(content("/etc/kafka/p9096.properties"), "bootstrap.servers=b-1.x:9096,b-2.x:9096\n");
                assert!(
                    content("/etc/profile.d/kstack.sh")
                        .contains("KSTACK_CLIENT_PROPERTIES=/etc/kafka/p9098.properties\n")
                );
                let install = content("/usr/local/lib/kstack/install-iam-auth");
                assert!(
                    install.contains(&"b".repeat(128)) && install.contains("proxy.example.net") == closed,
                    "{install}"
                );
                assert!(content("/usr/local/lib/kstack/install-kafka").contains(&"a".repeat(128)));
                assert_eq!(text.contains("10.40.0.2:8080"), closed);
                assert_eq!(
                    text.contains("parameter='/kstack-papers/orders/hosts/10.40.0.250/client'"),
                    closed,
                    "{text}"
                );
                assert_eq!(text.contains("kstack-papers.timer, kstack-warn.timer]"), closed, "{text}");
                assert!(files.iter().all(|file| !file["content"].as_str().is_some_and(|text| text.contains("{{"))));
            }
        }
    }

    #[test]
    fn without_iam_nothing_of_it_is_installed() {
        let text = render_client(&ClientHost { iam_auth: None, ..client(Os::Al2023, false) }, &Overrides::new());
        assert!(!text.expect("it renders").contains("iam-auth"));
    }

    #[test]
    fn what_can_not_come_out_as_itself_is_refused() {
        let wrong = [
            ClientHost { listener: "a b".to_owned(), ..client(Os::Al2023, false) },
            ClientHost { archive_url: "ftp://x".to_owned(), ..client(Os::Al2023, false) },
            ClientHost { archive_checksum: Checksum::Sha512("no".to_owned()), ..client(Os::Al2023, false) },
            ClientHost { proxy: Some("http://a b".to_owned()), ..client(Os::Al2023, false) },
        ];
        for client in wrong {
            assert!(
                matches!(render_client(&client, &Overrides::new()), Err(TemplateError::Value { .. })),
                "{client:?}"
            );
        }
    }

    #[test]
    fn a_text_without_placeholders_stays() {
        for text in ["", "@brokers:", "@brokers:x@", "a@brokers:99999@b", "brokers:9092@"] {
            assert_eq!(with_brokers(text, |_| "!".to_owned()), text);
        }
        assert_eq!(with_brokers("a@brokers:9092@b@brokers:1@", |port| port.to_string()), "a9092b1");
    }
}
