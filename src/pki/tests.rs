//! Certificates as others see them: OpenSSL, rustls on both ends of a connection, and brokers' rules by their subjects.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};

use super::*;
use kstack_core::certificates::{CLIENT_RULES, HOST_RULES, renew_at};

const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 40, 0, 11);

/// Now, to the second, as certificates have it.
fn now() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second()).expect("a time")
}

fn signer(authority: Authority) -> Signer {
    Signer::make(authority, 1, "prod", now()).expect("an authority")
}

fn day(facts: &str) -> Facts {
    Facts::client(facts, SignedDuration::from_hours(24)).expect("a user")
}

#[test]
fn a_certificate_says_the_facts_that_it_was_made_from() {
    let (hosts, now) = (signer(Authority::Hosts), now());
    let facts = Facts::host("prod", "broker-1", ADDRESS);
    let made = read(&hosts.sign(&facts, now).expect("a certificate").certificate).expect("it reads");
    assert_eq!((made.subject.as_str(), made.issuer.as_str()), ("OU=kstack-hosts,CN=broker-1", "CN=kstack prod hosts"));
    assert_eq!(made.subject, facts.subject());
    assert_eq!((made.addresses, made.names), (vec![ADDRESS], vec!["broker-1.prod.kstack.internal".to_owned()]));
    assert_eq!((made.begins, made.ends, made.authority), (now - EARLIER, now + facts.life, false));
    assert!(renew_at(made.begins, made.ends) < made.ends);
    let other = read(&hosts.sign(&facts, now).expect("a certificate").certificate).expect("it reads");
    assert_ne!(made.serial, other.serial);
    assert!(hosts.certificate().authority);
}

#[test]
fn a_certificate_ends_with_its_authority() {
    let hosts = signer(Authority::Hosts);
    let late = hosts.certificate().ends - SignedDuration::from_hours(48);
    let made = hosts.sign(&Facts::host("prod", "broker-1", ADDRESS), late).expect("a certificate");
    assert_eq!(read(&made.certificate).expect("it reads").ends, hosts.certificate().ends);
    let ended = Signer::of(hosts.pair().clone(), hosts.certificate().ends).expect_err("it has ended").to_string();
    assert!(ended.starts_with("the authority `CN=kstack prod hosts` ended at 20"), "{ended}");
}

#[test]
fn what_is_no_authority_signs_nothing() {
    let (hosts, clients) = (signer(Authority::Hosts), signer(Authority::Clients));
    let refused = |pair: Pair| Signer::of(pair, now()).expect_err("refused").to_string();
    let host = hosts.sign(&Facts::host("prod", "broker-1", ADDRESS), now()).expect("a certificate");
    assert_eq!(refused(host), "the certificate of `OU=kstack-hosts,CN=broker-1` is not one of an authority");
    let mixed = Pair { key: clients.pair().key.clone(), certificate: hosts.pair().certificate.clone() };
    assert_eq!(refused(mixed), "the key is not that of the certificate of `CN=kstack prod hosts`");
    let swapped = Pair { key: hosts.pair().certificate.clone().into(), certificate: hosts.pair().key.expose().into() };
    assert_eq!(refused(swapped), "no certificate can be read: the PEM text has a `PRIVATE KEY`");
    for text in ["", "kstack", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        assert!(matches!(read(text), Err(PkiError::Unreadable(_))), "{text}");
    }
    let again = Signer::of(hosts.pair().clone(), now()).expect("the same authority");
    assert_eq!(again.certificate(), hosts.certificate());
}

#[test]
fn a_key_shows_nothing_of_itself() {
    let pair = signer(Authority::Hosts).pair().clone();
    let secret = pair.key.expose().lines().nth(1).expect("a line");
    let shown = format!("{pair:?} {:?} {:#?}", pair.keystore(), Signer::of(pair.clone(), now()).expect("an authority"));
    assert!(!shown.contains(secret) && shown.contains("PrivateKey(..)"), "{shown}");
    // A parameter of the standard tier takes 4,096 bytes.
    let two = format!("{0}{0}", pair.certificate);
    let all = papers(&pair, &two, &two);
    assert!(all.expose().len() < 4096, "also while an authority takes another's place: {}", all.expose().len());
    // Also with the longest names that a stack file can give, while one of the authorities does.
    let (stack, zone) = ("s".repeat(30), "z".repeat(200));
    let mut facts = Facts::host(&stack, "broker-1000", ADDRESS);
    facts.names.extend(["broker-1000", "bootstrap"].map(|name| format!("{name}.{stack}.{zone}")));
    let hosts = Signer::make(Authority::Hosts, 1, &stack, now()).expect("an authority");
    let long = hosts.sign(&facts, now()).expect("a certificate");
    let two = format!("{0}{0}", hosts.pair().certificate);
    let all = papers(&long, &two, &hosts.pair().certificate).expose().len();
    assert!(all < 4096, "{all}");
    assert!(pair.key.expose().starts_with("-----BEGIN PRIVATE KEY-----\n"));
}

fn written(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).expect("a file");
    path
}

/// What OpenSSL says of a certificate, and whether it is content.
fn openssl(arguments: &[&str], files: &[&Path]) -> (bool, String) {
    let output = Command::new("openssl").args(arguments).args(files).output().expect("openssl runs");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (output.status.success(), said)
}

#[test]
fn openssl_takes_each_certificate_for_what_it_is_and_for_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let (hosts, clients) = (signer(Authority::Hosts), signer(Authority::Clients));
    let authority = |name: &str, one: &Signer| written(folder.path(), name, &one.pair().certificate);
    let (of_hosts, of_clients) = (authority("hosts.pem", &hosts), authority("clients.pem", &clients));
    let leaf = |name: &str, signer: &Signer, facts: &Facts| {
        written(folder.path(), name, &signer.sign(facts, now()).expect("a certificate").certificate)
    };
    let host = leaf("host.pem", &hosts, &Facts::host("prod", "controller-3", ADDRESS));
    let admin = leaf("admin.pem", &hosts, &Facts::admin());
    let client = leaf("client.pem", &clients, &day("orders-api"));
    let verified = |authority: &Path, purpose: &str, leaf: &Path| {
        let file = authority.display().to_string();
        openssl(&["verify", "-x509_strict", "-purpose", purpose, "-CAfile", &file], &[leaf])
    };
    let cases = [
        (&of_hosts, "sslserver", &host, true),
        (&of_hosts, "sslclient", &host, true),
        (&of_hosts, "sslclient", &admin, true),
        (&of_hosts, "sslserver", &admin, false),
        (&of_clients, "sslclient", &client, true),
        (&of_clients, "sslserver", &client, false),
        (&of_clients, "sslclient", &admin, false),
        (&of_hosts, "sslclient", &client, false),
    ];
    for (authority, purpose, leaf, expected) in cases {
        let (is, said) = verified(authority, purpose, leaf);
        assert_eq!(is, expected, "{} as {purpose}: {said}", leaf.display());
    }
    let subjects = [
        (&host, "OU=kstack-hosts,CN=controller-3"),
        (&admin, "OU=kstack-admins,CN=kstack"),
        (&client, "CN=orders-api"),
    ];
    for (leaf, subject) in subjects {
        let (_, said) = openssl(&["x509", "-noout", "-subject", "-nameopt", "RFC2253", "-in"], &[leaf]);
        assert_eq!(said.trim(), format!("subject={subject}"));
        assert_eq!(read(&fs::read_to_string(leaf).expect("a file")).expect("it reads").subject, subject);
    }
    let (_, purpose) =
        openssl(&["x509", "-noout", "-ext", "subjectAltName,basicConstraints,keyUsage", "-in"], &[&host]);
    for part in ["IP Address:10.40.0.11", "DNS:controller-3.prod.kstack.internal", "CA:FALSE", "Digital Signature"] {
        assert!(purpose.contains(part), "{part} in {purpose}");
    }
}

/// The user that `rules` make of a subject: each rule is an extended regular expression and what takes its place, as in `sed`.
fn user(rules: &str, subject: &str) -> String {
    for rule in rules.split(",RULE:").map(|rule| rule.trim_start_matches("RULE:")) {
        let parts: Vec<&str> = rule.split('/').collect();
        let [pattern, name, ..] = parts[..] else { panic!("{rule} is no rule") };
        let script = format!("s/{pattern}/{}/p", name.replace('$', "\\"));
        let mut sed = Command::new("sed");
        let mut sed =
            sed.args(["-nE", &script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("sed runs");
        std::io::Write::write_all(&mut sed.stdin.take().expect("a pipe"), subject.as_bytes()).expect("a line");
        let output = sed.wait_with_output().expect("sed ends");
        if !output.stdout.is_empty() {
            return String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned();
        }
    }
    subject.to_owned()
}

#[test]
fn brokers_know_hosts_and_kstack_by_their_subjects_and_no_client_is_either() {
    let (hosts, clients) = (signer(Authority::Hosts), signer(Authority::Clients));
    let subject = |signer: &Signer, facts: &Facts| {
        read(&signer.sign(facts, now()).expect("a certificate").certificate).expect("it reads").subject
    };
    for host in ["broker-1", "broker-12", "controller-3"] {
        assert_eq!(user(HOST_RULES, &subject(&hosts, &Facts::host("prod", host, ADDRESS))), " kstack:host");
    }
    assert_eq!(user(HOST_RULES, &subject(&hosts, &Facts::admin())), " kstack:admin");
    assert_eq!(user(CLIENT_RULES, &subject(&clients, &day("orders-api"))), "orders-api");
    // Whatever certificate a client has, also of an authority of its own.
    let named = |common_name: &str, unit| Facts { common_name: common_name.to_owned(), unit, ..day("a") };
    for facts in [
        named("broker-1", Some("kstack-hosts")),
        named("kstack", Some("kstack-admins")),
        named("kstack:host", None),
        named("kstack:admin", None),
        named("a,OU=kstack-hosts", None),
        named("x\\", None),
        named("broker-1,OU=kstack-hosts", Some("kstack-hosts")),
    ] {
        let (subject, is) = (subject(&clients, &facts), user(CLIENT_RULES, &subject(&clients, &facts)));
        assert!(![" kstack:host", " kstack:admin"].contains(&is.as_str()), "{subject} is {is}");
    }
}

fn chain(pair: &Pair) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes()).expect("a certificate");
    (vec![certificate], PrivateKeyDer::from_pem_slice(pair.key.expose().as_bytes()).expect("a key"))
}

fn roots(signer: &Signer) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(chain(signer.pair()).0.remove(0)).expect("an authority");
    Arc::new(roots)
}

/// A connection of a client to a server that is reached as `name` and asks clients for a certificate of `clients`; why there is none.
fn connect(server: &Pair, clients: &Signer, name: &str, servers: &Signer, client: &Pair) -> Result<(), String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots(clients), Arc::clone(&provider)).build();
    let (certificates, key) = chain(server);
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let config = config.expect("versions").with_client_cert_verifier(verifier.expect("a verifier"));
    let config = config.with_single_cert(certificates, key).map_err(|error| error.to_string())?;
    let mut server = ServerConnection::new(Arc::new(config)).expect("a server");
    let (certificates, key) = chain(client);
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let config = config.with_root_certificates(roots(servers)).with_client_auth_cert(certificates, key);
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let mut client = ClientConnection::new(Arc::new(config.expect("a configuration")), name).expect("a client");
    for _ in 0..10 {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).expect("bytes");
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            server.read_tls(&mut rest).expect("bytes");
        }
        server.process_new_packets().map_err(|error| format!("server: {error}"))?;
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).expect("bytes");
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            client.read_tls(&mut rest).expect("bytes");
        }
        client.process_new_packets().map_err(|error| format!("client: {error}"))?;
    }
    assert!(!client.is_handshaking() && !server.is_handshaking(), "the handshake ended");
    Ok(())
}

#[test]
fn a_client_finds_a_host_by_address_and_name_and_each_trusts_its_authority_alone() {
    let (hosts, clients) = (signer(Authority::Hosts), signer(Authority::Clients));
    let host = hosts.sign(&Facts::host("prod", "broker-1", ADDRESS), now()).expect("a certificate");
    let admin = hosts.sign(&Facts::admin(), now()).expect("a certificate");
    let client = clients.sign(&day("orders-api"), now()).expect("a certificate");
    for name in ["10.40.0.11", "broker-1.prod.kstack.internal"] {
        connect(&host, &hosts, name, &hosts, &admin).expect("kstack comes in");
        connect(&host, &hosts, name, &hosts, &host).expect("another host comes in");
        connect(&host, &clients, name, &hosts, &client).expect("a client comes in");
    }
    let refused = |server: &Pair, of: &Signer, name: &str, servers: &Signer, client: &Pair| {
        connect(server, of, name, servers, client).expect_err("refused")
    };
    let other = refused(&host, &hosts, "10.40.0.12", &hosts, &admin);
    assert!(other.starts_with("client: invalid peer certificate: certificate not valid for name"), "{other}");
    let foreign = refused(&host, &hosts, "10.40.0.11", &clients, &admin);
    assert!(foreign.starts_with("client: invalid peer certificate: "), "{foreign}");
    for (of, client) in [(&hosts, &client), (&clients, &admin)] {
        let refused = refused(&host, of, "10.40.0.11", &hosts, client);
        assert!(refused.starts_with("server: invalid peer certificate: "), "{refused}");
    }
    // A client's certificate serves nobody.
    let posing = refused(&client, &clients, "10.40.0.11", &clients, &client);
    assert!(posing.starts_with("client: invalid peer certificate: "), "{posing}");
    let past = now() - SignedDuration::from_hours(24 * 400);
    let ended = hosts.sign(&Facts::host("prod", "broker-1", ADDRESS), past).expect("a certificate");
    let ended = refused(&ended, &hosts, "10.40.0.11", &hosts, &admin);
    assert!(ended.contains("expired"), "{ended}");
}
