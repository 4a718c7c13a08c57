//! The user's own CAs of clients, as a file has them: what is wrong with it, and what brokers get of it.

use jiff::{SignedDuration, Timestamp};
use kstack_core::check::{At, Problem};

use super::read;

/// How long before the end of a CA it is told of: whoever makes one anew has clients to give new certificates.
const SOON: SignedDuration = SignedDuration::from_hours(90 * 24);

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const TAIL: &str = "-----";

/// The certificates in `bytes`, as PEM without anything else, and what is wrong with them: `at` is where the stack file names `file`.
/// Nothing of a key that is there is told.
pub fn clients_ca(file: &str, bytes: &[u8], at: At, now: Timestamp) -> (String, Vec<Problem>) {
    let (mut pem, mut problems) = (String::new(), Vec::new());
    let text = String::from_utf8_lossy(bytes);
    let blocks = blocks(&text);
    if blocks.is_empty() {
        let message = format!("`{file}` has no certificate in PEM: no line is `{BEGIN}CERTIFICATE{TAIL}`");
        let help = "name a PEM file; from another form, `openssl x509 -inform der -in FILE -out ca.pem` makes one";
        problems.push(Problem::new(at, message).help(help));
    }
    for block in &blocks {
        let place = format!("`{file}`, line {}", block.line);
        let mut wrong =
            |what: String, help: &str| problems.push(Problem::new(at, format!("{place}: {what}")).help(help));
        if block.label.contains("PRIVATE KEY") {
            let help = "leave in it the certificate alone: brokers need no more, and the file's text goes to every broker. Whoever may have \
                read the key can make certificates for any client";
            wrong("here is a private key".to_owned(), help);
            continue;
        }
        if block.label != "CERTIFICATE" && block.label != "TRUSTED CERTIFICATE" {
            let label: String = block.label.escape_debug().take(40).collect();
            wrong(format!("`{label}` is no certificate"), "leave in it the certificates of CAs alone");
            continue;
        }
        let Some(one) = block.pem() else {
            wrong("the certificate has no end, or something else than base64 in it".to_owned(), "copy it again, whole");
            continue;
        };
        let certificate = match read(&one) {
            Ok(certificate) => certificate,
            Err(error) => {
                wrong(error.to_string(), "copy it again, whole");
                continue;
            }
        };
        let (subject, day) = (&certificate.subject, |at: Timestamp| at.strftime("%F %R UTC").to_string());
        if !certificate.authority {
            let help = "name the certificate of the CA that signs for clients, whose basic constraints say `CA:TRUE`: \
                `openssl x509 -noout -ext basicConstraints -in FILE` shows them";
            wrong(format!("the certificate of `{subject}` is not one of a CA"), help);
        }
        if certificate.ends <= now {
            let what = format!("the CA `{subject}` ended at {}, and so did what it signed", day(certificate.ends));
            wrong(what, "take it out, and name one that is valid");
        } else if certificate.begins > now {
            wrong(
                format!("the CA `{subject}` begins at {} only", day(certificate.begins)),
                "name one that is valid now",
            );
        } else if certificate.ends < now + SOON {
            let what =
                format!("{place}: the CA `{subject}` ends at {}: no client comes in by it then", day(certificate.ends));
            let help = "add the one that takes its place to the file before, and take this one out when every client has a new certificate";
            problems.push(Problem::warning(at, what).help(help));
        }
        if !pem.contains(&one) {
            pem.push_str(&one);
        }
    }
    (pem, problems)
}

/// A block of PEM as it was found.
struct Block<'a> {
    /// The number of its first line.
    line: usize,
    label: &'a str,
    lines: Vec<&'a str>,
    ended: bool,
}

impl Block<'_> {
    /// The certificate with its own lines alone; `None` where they are none.
    fn pem(&self) -> Option<String> {
        let base64 = |line: &&str| line.chars().all(|c| c.is_ascii_alphanumeric() || "+/=".contains(c));
        let whole = self.ended && !self.lines.is_empty() && self.lines.iter().all(base64);
        whole.then(|| format!("{BEGIN}CERTIFICATE{TAIL}\n{}\n{END}CERTIFICATE{TAIL}\n", self.lines.join("\n")))
    }
}

/// The blocks of PEM in `text`. What stands between them is for people.
fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut all: Vec<Block<'_>> = Vec::new();
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if let Some(label) = line.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(TAIL)) {
            all.push(Block { line: number, label, lines: Vec::new(), ended: false });
        } else if let Some(open) = all.last_mut().filter(|block| !block.ended) {
            match line {
                _ if line.starts_with(END) => open.ended = true,
                "" => {}
                _ => open.lines.push(line),
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::Signer;
    use kstack_core::certificates::{Authority, Facts};
    use kstack_core::file::Severity;

    const AT: At = At { start: 1, end: 2 };

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).expect("a time")
    }

    fn ca(name: &str) -> Signer {
        Signer::make(Authority::Clients, 1, name, now()).expect("an authority")
    }

    /// What is taken of `text` at that time, and what is said of it: `error` or `warning`, and the message.
    fn said(text: &[u8], at: Timestamp) -> (String, Vec<String>) {
        let (pem, problems) = clients_ca("ca.pem", text, AT, at);
        let said = problems.into_iter().map(|one| {
            assert!(one.at == AT && one.help.is_some(), "{one:?}");
            let word = if one.severity == Severity::Error { "error" } else { "warning" };
            format!("{word}: {}", one.message)
        });
        (pem, said.collect())
    }

    #[test]
    fn brokers_get_each_certificate_once_and_nothing_of_what_stands_around() {
        let [old, new] = [ca("old"), ca("new")].map(|one| one.pair().certificate.clone());
        let text = format!("Bag Attributes\n# host.pem\n{old}\nsubject=CN=new\r\n{}{old}", new.replace('\n', "\r\n"));
        assert_eq!(said(text.as_bytes(), now()), (format!("{old}{new}"), Vec::new()));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_all_said_and_no_key_is() {
        let authority = ca("company");
        let ends = authority.certificate().ends;
        let facts = Facts::client("orders", SignedDuration::from_hours(24)).expect("a user");
        let client = authority.sign(&facts, now()).expect("a certificate");
        let key = authority.pair().key.expose();
        let text = format!("{}{key}{}", authority.pair().certificate, client.certificate);
        let all = said(text.as_bytes(), ends).1;
        let lines = authority.pair().certificate.lines().count();
        let expected = [
            "error: `ca.pem`, line 1: the CA `CN=kstack company clients` ended at 2037-01-12 08:00 UTC, and so did what it signed".to_owned(),
            format!("error: `ca.pem`, line {}: here is a private key", lines + 1),
            format!("error: `ca.pem`, line {}: the certificate of `CN=orders` is not one of a CA", lines + key.lines().count() + 1),
        ];
        assert_eq!(all[..3], expected, "{all:#?}");
        assert!(!all.join(" ").contains(key.lines().nth(1).expect("a line")), "{all:?}");
        let soon = said(authority.pair().certificate.as_bytes(), ends - SOON + SignedDuration::from_secs(1)).1;
        assert!(
            matches!(&soon[..], [one] if one.starts_with("warning: ") && one.contains("ends at 2037-01-12")),
            "{soon:?}"
        );
        assert_eq!(said(authority.pair().certificate.as_bytes(), ends - SOON).1, Vec::<String>::new());
        let early = said(authority.pair().certificate.as_bytes(), now() - SignedDuration::from_hours(2)).1;
        assert!(matches!(&early[..], [one] if one.contains("begins at 2027-01-15 07:00 UTC only")), "{early:?}");
    }

    #[test]
    fn what_is_no_pem_or_no_certificate_is_refused_and_never_panics() {
        let whole = ca("company").pair().certificate.clone();
        let cut = &whole[..whole.len() / 2];
        let broken = whole.replacen("MII", "MIJ", 1);
        let request = whole.replace("CERTIFICATE", "CERTIFICATE REQUEST");
        for (text, part) in [
            (b"\x30\x82\x01\x0a\xff\x00".as_slice(), "has no certificate in PEM"),
            (b"", "has no certificate in PEM"),
            (cut.as_bytes(), "has no end"),
            (broken.as_bytes(), "no certificate can be read"),
            (whole.replace("\nMI", "\n\"$(reboot)\"\nMI").as_bytes(), "something else than base64"),
            (request.as_bytes(), "`CERTIFICATE REQUEST` is no certificate"),
            (b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "has no end"),
            (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no certificate can be read"),
        ] {
            let (pem, all) = said(text, now());
            assert!(matches!(&all[..], [one] if one.starts_with("error: ") && one.contains(part)), "{part}: {all:?}");
            assert_eq!(pem, "", "{part}");
        }
    }
}
