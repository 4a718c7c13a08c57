//! Kafka settings whose values are secrets: a stack file has a reference to where such a value is kept, never the value. Secrets in a
//! faulty file are masked in messages.

use std::borrow::Cow;
use std::ops::Range;

/// Ends of the names of Kafka's settings of type `password`, with any prefix of a listener, a mechanism or a client before them,
/// and those that plug-ins use.
const ENDS: [&str; 13] = [
    "password",
    "passphrase",
    "secret",
    "jaas.config",
    "keystore.key",
    "private.key",
    "secret.key",
    "master.key",
    "api.key",
    "access.key",
    "encoder.secret",
    "old.secret",
    "token",
];

/// Whether the setting `name` has a secret as its value.
pub fn is_secret(name: &str) -> bool {
    let name = name.trim_matches(['"', '\'']).to_ascii_lowercase();
    ENDS.iter()
        .any(|end| name.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with(['.', '-', '_'])))
}

/// Whether `value` only names where a secret is kept, in the words of Kafka's configuration providers: `${file:/PATH:KEY}`.
pub fn is_reference(value: &str) -> bool {
    let inner = value.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    inner.is_some_and(|inner| {
        !inner.contains(['{', '}', '$'])
            && inner.split_once(':').is_some_and(|(provider, at)| !provider.is_empty() && !at.is_empty())
    })
}

/// The file's text with every secret as asterisks, byte for byte as long as before. It reads lines, not YAML: a file that is not
/// YAML has secrets, too.
pub fn masked(text: &str) -> Cow<'_, str> {
    let lower = text.to_ascii_lowercase();
    if !ENDS.iter().any(|end| lower.contains(end)) && !text.contains("://") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    // The indentation of the line with the secret's key, while what follows may be its value.
    let mut below: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        let blank = line.trim().is_empty();
        if below.is_some_and(|key| blank || indent > key) {
            hide(line, &mut out);
            continue;
        }
        below = None;
        let at = line.match_indices(':').find(|(at, _)| key_before(&line[..*at]).is_some_and(is_secret));
        match at {
            Some((at, _)) => {
                out.push_str(&line[..=at]);
                hide(&line[at + 1..], &mut out);
                below = Some(indent);
            }
            None => hide_url(line, &mut out),
        }
    }
    Cow::Owned(out)
}

/// The last word of `text`, which is a key when a colon follows.
fn key_before(text: &str) -> Option<&str> {
    text.trim_end().rsplit([' ', '\t', '{', ',', '[']).next()
}

fn hide(text: &str, out: &mut String) {
    for c in text.chars() {
        if c.is_whitespace() {
            out.push(c);
        } else {
            out.extend(std::iter::repeat_n('*', c.len_utf8()));
        }
    }
}

/// Whether `url` has a secret: who may fetch it, before the host, or a token in its query, as in URLs that AWS has signed.
pub fn is_in_url(url: &str) -> bool {
    !secrets_of_url(url).is_empty()
}

/// Where secrets stand in the URLs of `line`.
fn secrets_of_url(line: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for start in line.match_indices("://").map(|(at, separator)| at + separator.len()) {
        let rest = &line[start..];
        let length = |ends: &[char]| rest.find(ends).unwrap_or(rest.len());
        let authority = &rest[..length(&['/', '?', '#', ' ', '"', '\'', '\n'])];
        found.extend(authority.rfind('@').map(|at| start..start + at));
        let url = &rest[..length(&[' ', '"', '\'', '\n', ',', '}'])];
        let query = url.find('?').unwrap_or(url.len());
        for (at, _) in url.match_indices(['?', '&', ';']).filter(|(at, _)| *at >= query) {
            let parameter = url[at + 1..].split(['&', ';']).next().unwrap_or_default();
            if let Some((name, value)) = parameter.split_once('=').filter(|(name, _)| is_token(name)) {
                let from = start + at + 1 + name.len() + 1;
                found.push(from..from + value.len());
            }
        }
    }
    found
}

/// Whether a URL's parameter is a secret by its name. Source: the parameters of URLs that AWS, Google and Azure sign.
fn is_token(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    is_secret(&name) || ["signature", "sig", "credential", "key"].iter().any(|end| name.ends_with(end))
}

fn hide_url(line: &str, out: &mut String) {
    let secrets = secrets_of_url(line);
    for (at, c) in line.char_indices() {
        let hidden = secrets.iter().any(|secret| secret.contains(&at)) && !c.is_whitespace();
        if hidden { out.extend(std::iter::repeat_n('*', c.len_utf8())) } else { out.push(c) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn secrets_are_known_by_their_names() {
        for name in [
            "ssl.keystore.password",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config",
            "ssl.keystore.key",
            "SSL.Key.Password",
            "password.encoder.secret",
            "delegation.token.secret.key",
            "sasl.oauthbearer.client.credentials.client.secret",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "ssl.keystore.location",
            "log.retention.ms",
            "sasl.oauthbearer.token.endpoint.url",
            "password.encoder.iterations",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn a_reference_is_not_the_secret_itself() {
        assert!(is_reference("${file:/etc/kafka/secrets.properties:keystore}"));
        for value in
            ["hunter2", "${}", "${file}", "${file:}", "a${file:/x:y}", "${file:/x:y}b", "${a:b}hunter${c:d}", ""]
        {
            assert!(!is_reference(value), "{value}");
        }
    }

    #[test]
    fn what_a_file_has_of_secrets_is_hidden() {
        let text = "config:\n  ssl.key.password: hunter2 é\n  sasl.jaas.config: |\n    a b=\"hunter2\"\n\n    c\n  x: 1\n  \"a.password\" : hunter2\nflow: {x: 1, b.secret: hunter2, y: 2}\nurl: https://me:hunter2@host/x@y\nsigned: {url: https://host/x?a=b&X-Amz-Signature=hunter2&sig=hunter2, c: d}\ntwo: [https://a;sig=b@h, \"https://h?key=hunter2\", https://h?u=https://x:hunter2@y]\n";
        let masked = masked(text);
        assert_eq!(masked.len(), text.len());
        assert!(!masked.contains("hunter2"), "{masked}");
        for kept in [
            "  ssl.key.password: *******",
            "  x: 1\n",
            "flow: {x: 1, b.secret:",
            "@host/x@y\n",
            "x?a=b&X-Amz-Signature=*******&sig=*******, c: d}",
        ] {
            assert!(masked.contains(kept), "{kept} in {masked}");
        }
    }

    proptest! {
        #[test]
        fn a_masked_text_has_the_same_places(text in "[ -~é\\n]{0,200}(token:|password:|https://h/\\\\?sig=)[ -~é\\n]{0,60}") {
            let masked = masked(&text);
            prop_assert_eq!(masked.len(), text.len());
            let places = |text: &str| text.char_indices().filter(|(_, c)| *c == '\n').map(|(at, _)| at).collect::<Vec<_>>();
            prop_assert_eq!(places(&masked), places(&text));
        }
    }
}
