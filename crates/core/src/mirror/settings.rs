//! The settings of a client as Kafka's own tools take them: a properties file, as Java reads it.

use std::collections::BTreeMap;
use std::fmt;

/// A client's settings. Passwords and keys are among them, so they are never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ClientSettings(BTreeMap<String, String>);

impl fmt::Debug for ClientSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSettings")
    }
}

/// What only Java reads, and its clients find nowhere else: a class of the user's own is not on the way that kstack knows.
const PROVIDERS: &str = "config.providers";

impl ClientSettings {
    /// Reads a properties file by the rules of Java's `Properties.load`.
    ///
    /// # Errors
    /// What is wrong, and in which line. No value is in it.
    pub fn read(text: &str) -> Result<ClientSettings, String> {
        let mut all = BTreeMap::new();
        let mut lines = text.lines().enumerate();
        while let Some((index, line)) = lines.next() {
            let mut whole = line.trim_start().to_owned();
            if whole.is_empty() || whole.starts_with(['#', '!']) {
                continue;
            }
            // A line goes on in the next one where it ends with an odd number of backslashes.
            while whole.chars().rev().take_while(|c| *c == '\\').count() % 2 == 1 {
                whole.pop();
                let Some((_, next)) = lines.next() else { break };
                whole.push_str(next.trim_start());
            }
            let (key, value) = entry(&whole).map_err(|why| format!("line {}: {why}", index + 1))?;
            if key == PROVIDERS || key.starts_with("config.providers.") {
                return Err(format!(
                    "line {}: `{PROVIDERS}` has no effect here: write the values themselves",
                    index + 1
                ));
            }
            all.insert(key, value);
        }
        Ok(ClientSettings(all))
    }

    /// The value of a setting, when it has one.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The same settings with this one.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> ClientSettings {
        self.0.insert(key.to_owned(), value.to_owned());
        self
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// How a client with these settings comes to its brokers, as far as kstack knows how to.
    ///
    /// # Errors
    /// What kstack can't do of it, or what is missing.
    pub fn access(&self) -> Result<Access, String> {
        let protocol = self.get("security.protocol").unwrap_or("PLAINTEXT");
        let (tls, sasl) = match protocol.to_ascii_uppercase().as_str() {
            "PLAINTEXT" => (false, false),
            "SSL" => (true, false),
            "SASL_PLAINTEXT" => (false, true),
            "SASL_SSL" => (true, true),
            _ => return Err("`security.protocol` is PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL".to_owned()),
        };
        Ok(Access {
            tls: if tls { Some(self.tls()?) } else { None },
            user: if sasl { Some(self.user()?) } else { None },
        })
    }

    fn tls(&self) -> Result<Tls, String> {
        let pem = |inline: &str, store: &str| -> Result<Option<Pem>, String> {
            if let Some(text) = self.get(inline) {
                return Ok(Some(Pem::Text(text.to_owned())));
            }
            let Some(path) = self.get(&format!("{store}.location")) else { return Ok(None) };
            match self.get(&format!("{store}.type")) {
                Some(kind) if kind.eq_ignore_ascii_case("PEM") => Ok(Some(Pem::File(path.to_owned()))),
                _ => Err(format!(
                    "kstack reads certificates and keys in PEM: write `{store}.type=PEM`, and `{store}.location` of a PEM file \
                     (keytool and openssl turn JKS and PKCS12 into one)"
                )),
            }
        };
        if self.get("ssl.key.password").is_some() {
            return Err("kstack reads no key that has a password of its own: write the key without `ssl.key.password`"
                .to_owned());
        }
        let roots = pem("ssl.truststore.certificates", "ssl.truststore")?;
        let key = pem("ssl.keystore.key", "ssl.keystore")?;
        let chain = pem("ssl.keystore.certificate.chain", "ssl.keystore")?;
        Ok(Tls { roots, identity: chain.zip(key) })
    }

    fn user(&self) -> Result<User, String> {
        let mechanism = match self.get("sasl.mechanism").unwrap_or("GSSAPI") {
            "SCRAM-SHA-512" => Mechanism::Scram512,
            "SCRAM-SHA-256" => Mechanism::Scram256,
            "PLAIN" => Mechanism::Plain,
            other => {
                return Err(format!(
                    "kstack speaks SCRAM-SHA-512, SCRAM-SHA-256 and PLAIN, and not {other}: `sasl.mechanism`"
                ));
            }
        };
        let jaas =
            self.get("sasl.jaas.config").ok_or("`sasl.jaas.config` with the user's name and password is missing")?;
        let option = |name| jaas_option(jaas, name).ok_or_else(|| format!("`sasl.jaas.config` has no `{name}`"));
        Ok(User { mechanism, name: option("username")?, password: option("password")? })
    }
}

/// How a client comes to brokers.
#[derive(Clone, PartialEq, Eq)]
pub struct Access {
    pub tls: Option<Tls>,
    pub user: Option<User>,
}

/// What a client trusts, and its certificate with its key.
#[derive(Clone, PartialEq, Eq)]
pub struct Tls {
    pub roots: Option<Pem>,
    pub identity: Option<(Pem, Pem)>,
}

/// PEM, or the file that has it.
#[derive(Clone, PartialEq, Eq)]
pub enum Pem {
    Text(String),
    File(String),
}

/// Who a client is by name and password.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    pub mechanism: Mechanism,
    pub name: String,
    pub password: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    Scram512,
    Scram256,
    Plain,
}

/// Name and value of a line without its line breaks.
fn entry(line: &str) -> Result<(String, String), String> {
    let mut escaped = false;
    let end = line.char_indices().find(|(_, c)| {
        let ends = !escaped && (matches!(c, '=' | ':') || c.is_whitespace());
        escaped = !escaped && *c == '\\';
        ends
    });
    let (key, rest) = line.split_at(end.map_or(line.len(), |(at, _)| at));
    let rest = rest.trim_start();
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start();
    Ok((plain(key)?, plain(rest)?))
}

/// A text without its escapes.
fn plain(text: &str) -> Result<String, String> {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut push = |c: char| units.extend(c.encode_utf16(&mut [0; 2]).iter());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            push(c);
            continue;
        }
        match chars.next() {
            Some('n') => push('\n'),
            Some('r') => push('\r'),
            Some('t') => push('\t'),
            Some('f') => push('\u{c}'),
            Some('u') => {
                let digits: String = chars.by_ref().take(4).collect();
                let unit = u16::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4);
                let unit = unit.ok_or("`\\u` needs four hexadecimal digits")?;
                // Surrogates come in pairs, each with an escape of its own.
                match char::from_u32(u32::from(unit)) {
                    Some(c) => push(c),
                    None => return Err("a character beyond the first 65,536 is to be written as it is".to_owned()),
                }
            }
            Some(other) => push(other),
            None => {}
        }
    }
    String::from_utf16(&units).map_err(|_| "a text that is no Unicode".to_owned())
}

/// The value of an option in a JAAS configuration: `Module required username="a" password="b";`.
fn jaas_option(jaas: &str, name: &str) -> Option<String> {
    let mut rest = jaas;
    loop {
        let at = rest.find(name)?;
        let own = rest[..at].chars().next_back().is_none_or(char::is_whitespace);
        let after = rest[at + name.len()..].trim_start();
        match after.strip_prefix('=') {
            Some(value) if own => return quoted(value.trim_start()),
            _ => rest = &rest[at + name.len()..],
        }
    }
}

/// A value in quotes, or up to the next space or semicolon.
fn quoted(text: &str) -> Option<String> {
    let Some(quote @ ('"' | '\'')) = text.chars().next() else {
        return text.split(|c: char| c.is_whitespace() || c == ';').next().map(str::to_owned);
    };
    let mut out = String::new();
    let mut chars = text[1..].chars();
    loop {
        match chars.next()? {
            '\\' => out.push(chars.next()?),
            c if c == quote => return Some(out),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client_files::{Format, Identity, client_file};

    #[test]
    fn properties_are_read_as_java_does() {
        let text = "# a comment\n\n  a = b c \na.b:\\u00e4\\tx\\\n   y\nc\\=d e\n! another\nlast=\\\\\n";
        let read = ClientSettings::read(text).expect("properties");
        let all: Vec<_> = read.iter().collect();
        assert_eq!(all, [("a", "b c "), ("a.b", "\u{e4}\txy"), ("c=d", "e"), ("last", "\\")]);
        for (bad, why) in
            [("a=1\nb=\\u00g0\n", "line 2: `\\u` needs"), ("config.providers=file\n", "line 1: `config.providers`")]
        {
            let error = ClientSettings::read(bad).expect_err(bad);
            assert!(error.starts_with(why), "{error}");
        }
    }

    #[test]
    fn what_kstack_writes_for_clients_is_read_again() {
        let (chain, key) = (
            "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----",
            "-----BEGIN PRIVATE KEY-----\nBB\n-----END PRIVATE KEY-----",
        );
        let tls = client_file(Format::Java, "a:1,b:1", Some(chain), Identity::Certificate { certificate: chain, key });
        let read = ClientSettings::read(&tls).expect("properties");
        assert_eq!(read.get("bootstrap.servers"), Some("a:1,b:1"));
        let access = read.access().expect("access");
        let (text, key) = (|text: &str| Pem::Text(text.to_owned()), key);
        assert!(
            access.user.is_none()
                && access.tls == Some(Tls { roots: Some(text(chain)), identity: Some((text(chain), text(key))) })
        );
        let password = "a\"b\\c d;=";
        let scram = client_file(Format::Java, "a:1", Some(chain), Identity::Scram { user: "orders", password });
        let user = ClientSettings::read(&scram).expect("properties").access().expect("access").user.expect("a user");
        assert_eq!(
            (user.name.as_str(), user.password.as_str(), user.mechanism),
            ("orders", password, Mechanism::Scram512)
        );
    }

    #[test]
    fn what_kstack_can_not_do_is_said_without_a_secret() {
        let cases = [
            ("security.protocol=TLS", "`security.protocol` is PLAINTEXT"),
            ("security.protocol=SSL\nssl.truststore.location=/a.jks\nssl.truststore.password=canary", "in PEM"),
            ("security.protocol=SSL\nssl.key.password=canary", "no key that has a password"),
            ("security.protocol=SASL_SSL\nsasl.mechanism=GSSAPI", "not GSSAPI"),
            ("security.protocol=SASL_SSL\nsasl.mechanism=PLAIN", "`sasl.jaas.config` with"),
            (
                "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.jaas.config=X required password=\"canary\";",
                "no `username`",
            ),
        ];
        for (text, why) in cases {
            let settings = ClientSettings::read(text).expect("properties");
            let error = settings.access().err().expect("no access");
            assert!(error.contains(why) && !error.contains("canary"), "{error}");
            assert_eq!(format!("{settings:?}"), "ClientSettings");
        }
        let file = "security.protocol=SSL\nssl.keystore.type=PEM\nssl.keystore.location=/own.pem\n";
        let tls = ClientSettings::read(file).expect("properties").access().expect("access").tls.expect("TLS");
        let own = || Pem::File("/own.pem".to_owned());
        assert!(tls.roots.is_none() && tls.identity == Some((own(), own())));
    }
}
