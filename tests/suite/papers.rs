//! A host fetches its key and certificates: the script of its user data beside an instance metadata service and LocalStack, which a
//! verifier of signatures stands in front of, since LocalStack takes any.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use aws_sdk_ssm::types::ParameterType;
use jiff::Timestamp;
use kstack::pki::{Pair, Signer, papers};
use kstack_core::certificates::{Authority, Facts};
use kstack_core::cloud_init::{self, Host, HostRole, Os, Overrides, papers_parameter};
use serde_json::Value;

use crate::support::aws::{DEV, wait};
use crate::support::proxy::{Call, Fault, OfCall, Proxy, Weather, forward, header, read_request};
use crate::support::running::{Running, through_with};
use crate::support::signature::verified;
use crate::support::{Account, Run, poll};
use crate::user_data::{host, security};

const REGION: &str = "us-east-1";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const SESSION: &str = "FwoGZXIvYXdzEPT//////////wEaDGV4YW1wbGUtc2Vzc2lvbg==";

/// Answers each request at an address of this machine.
fn serve(answer: impl Fn(&str, &[u8]) -> Vec<u8> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let (answer, client): (_, &mut TcpStream) = (&answer, &mut client);
            if let Ok(Some((head, body))) = read_request(client) {
                let _ = client.write_all(&answer(&head, &body));
            }
        }
    });
    endpoint
}

fn response(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).into_bytes()
}

/// An instance's metadata, for who has a token, as IMDSv2 has it; the role's key is the account.
fn metadata(account: String) -> String {
    const TOKEN: &str = "AQAEAExampleToken==";
    serve(move |head, _| {
        let mut words = head.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let allowed = header(head, "x-aws-ec2-metadata-token") == Some(TOKEN);
        match (method, path) {
            ("PUT", "/latest/api/token") if header(head, "x-aws-ec2-metadata-token-ttl-seconds").is_some() => {
                response("200 OK", TOKEN)
            }
            (_, _) if !allowed => response("401 Unauthorized", ""),
            ("GET", "/latest/meta-data/iam/security-credentials/") => response("200 OK", "kstack-prod-role"),
            ("GET", "/latest/meta-data/iam/security-credentials/kstack-prod-role") => {
                let lines = format!(
                    "{{\n  \"Code\" : \"Success\",\n  \"AccessKeyId\" : \"{account}\",\n  \"SecretAccessKey\" : \"{SECRET}\",\n  \
                     \"Token\" : \"{SESSION}\",\n  \"Expiration\" : \"2030-01-01T00:00:00Z\"\n}}"
                );
                response("200 OK", &lines)
            }
            _ => response("404 Not Found", ""),
        }
    })
}

/// The script of a host, which runs on this machine.
struct Script {
    account: Account,
    host: Host,
    /// What was wrong with the requests for parameters.
    wrong: Arc<Mutex<Vec<String>>>,
}

impl Script {
    fn new() -> Script {
        let account = Account::new();
        let host = Host { security: Some(security()), ..host(HostRole::Broker, Os::Debian12) };
        let wrong = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&wrong);
        let ssm = serve(move |head, body| {
            if let Err(why) = verified(head, body, SECRET, (REGION, "ssm")) {
                noted.lock().expect("no panic").push(why);
                return response("400 Bad Request", r#"{"__type":"InvalidSignatureException","message":"no"}"#);
            }
            forward(head, body).unwrap_or_else(|error| response("502 Bad Gateway", &error.to_string()))
        });
        let data = cloud_init::render(&host, &Overrides::new()).expect("it renders");
        let data: Value = serde_yaml::from_str(&data).expect("YAML");
        let files = data["write_files"].as_array().expect("files");
        let script =
            files.iter().find(|file| file["path"] == "/usr/local/lib/kstack/fetch-papers").expect("the script");
        let mut text = script["content"].as_str().expect("text").to_owned();
        let folder = account.path("tls").display().to_string();
        // What differs from a host: where things are, and who owns them.
        let group = String::from_utf8(Command::new("id").arg("-g").output().expect("id runs").stdout).expect("text");
        for (from, to) in [
            ("http://169.254.169.254", metadata(account.id.clone()).as_str()),
            ("https://ssm.us-east-1.amazonaws.com", &ssm),
            ("folder=/etc/kafka/tls", &format!("folder={folder}")),
            ("owner=kafka:kafka", &format!("owner=:{}", group.trim())),
        ] {
            assert_eq!(text.matches(from).count(), 1, "{from}");
            text = text.replace(from, to);
        }
        fs::write(account.path("fetch-papers"), text).expect("a file");
        // A curl that notes its arguments first.
        fs::create_dir(account.path("bin")).expect("a folder");
        let curl = account.path("bin/curl");
        let noting = format!(
            "#!/bin/sh\nprintf '%s\\n' \"$@\" >> '{}'\nexec /usr/bin/curl \"$@\"\n",
            account.path("arguments").display()
        );
        fs::write(&curl, noting).expect("a file");
        fs::set_permissions(&curl, fs::Permissions::from_mode(0o755)).expect("it is ours");
        Script { account, host, wrong }
    }

    fn run(&self) -> Output {
        let path = format!("{}:/usr/bin:/bin", self.account.path("bin").display());
        let mut command = Command::new("bash");
        command.arg(self.account.path("fetch-papers")).env_clear().env("PATH", path);
        command.output().expect("bash runs")
    }

    fn put(&self, value: &str) {
        let call = self.account.ssm(REGION).put_parameter().name(papers_parameter("prod", self.host.address));
        wait(call.value(value).r#type(ParameterType::SecureString).overwrite(true).send());
    }

    /// The files that the host has now.
    fn files(&self) -> BTreeMap<String, String> {
        let entries = fs::read_dir(self.account.path("tls")).into_iter().flatten().flatten();
        entries
            .map(|entry| {
                let mode = entry.metadata().expect("a file").permissions().mode() & 0o777;
                assert_eq!(mode, 0o400, "{entry:?}");
                (entry.file_name().display().to_string(), fs::read_to_string(entry.path()).expect("a file"))
            })
            .collect()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[test]
fn a_host_fetches_its_papers_with_its_roles_credentials_and_shows_none_of_them() {
    let script = Script::new();
    let now = Timestamp::now();
    let signer = |authority| Signer::make(authority, 1, "prod", now).expect("an authority");
    let (hosts, clients) = (signer(Authority::Hosts), signer(Authority::Clients));
    let sign = || hosts.sign(&Facts::host("prod", "broker-1", script.host.address), now).expect("a certificate");
    let text = |pair: &Pair| papers(pair, &hosts.pair().certificate, &clients.pair().certificate);
    let of = |pair: &Pair| {
        let files = [
            ("clients-ca.pem", clients.pair().certificate.clone()),
            ("host.pem", pair.keystore().expose().to_owned()),
            ("hosts-ca.pem", hosts.pair().certificate.clone()),
        ];
        BTreeMap::from(files.map(|(name, text)| (name.to_owned(), text)))
    };

    // It may be early: the unit starts it again.
    let early = script.run();
    assert_eq!(early.status.code(), Some(1), "{}", said(&early));
    assert!(said(&early).contains("/hosts/10.40.0.5/tls can't be read: ParameterNotFound"), "{}", said(&early));
    assert_eq!(script.files(), BTreeMap::new());

    let first = sign();
    script.put(text(&first).expose());
    let run = script.run();
    assert!(run.status.success(), "{} {:?}", said(&run), script.wrong.lock());
    assert_eq!(script.files(), of(&first));

    // The next boot finds newer ones; what is none of a host's leaves those that are there.
    let second = sign();
    script.put(text(&second).expose());
    assert!(script.run().status.success());
    assert_eq!(script.files(), of(&second));
    for wrong in ["nothing", "# host.pem\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        script.put(wrong);
        let run = script.run();
        assert!(said(&run).contains("does not have a host's key and certificates"), "{}", said(&run));
        assert_eq!((run.status.code(), script.files()), (Some(1), of(&second)));
    }

    assert_eq!(*script.wrong.lock().expect("no panic"), Vec::<String>::new());
    let seen = fs::read_to_string(script.account.path("arguments")).expect("arguments") + &said(&run) + &said(&early);
    let keys = [&first, &second].map(|pair| pair.key.expose().lines().nth(1).expect("a line").to_owned());
    for secret in [SECRET, SESSION, "AQAEAExampleToken"].into_iter().chain(keys.iter().map(String::as_str)) {
        assert!(!seen.contains(secret), "{secret} in {seen}");
    }
    assert!(seen.contains("--config"), "curl was seen");
}

#[test]
fn a_host_warns_in_the_last_thirty_days_of_its_certificate_and_says_nothing_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = Host { security: Some(security()), ..host(HostRole::Broker, Os::Debian12) };
    let data = cloud_init::render(&host, &Overrides::new()).expect("it renders");
    let data: Value = serde_yaml::from_str(&data).expect("YAML");
    let mut files = data["write_files"].as_array().expect("files").iter();
    let script = files.find(|file| file["path"] == "/usr/local/lib/kstack/warn-of-end").expect("the script");
    let pem = folder.path().join("host.pem");
    let text = script["content"].as_str().expect("text");
    assert_eq!(text.matches("/etc/kafka/tls/host.pem").count(), 1);
    let path = folder.path().join("warn-of-end");
    fs::write(&path, text.replace("/etc/kafka/tls/host.pem", &pem.display().to_string())).expect("a file");
    let run = || {
        let output = Command::new("sh").arg(&path).env_clear().env("PATH", "/usr/bin:/bin").output().expect("sh runs");
        (output.status.code(), said(&output))
    };
    assert_eq!(run(), (Some(0), String::new()), "there is none yet");
    let now = Timestamp::now();
    let day = jiff::SignedDuration::from_hours(24);
    let signer = Signer::make(Authority::Hosts, 1, "prod", now - 400 * day).expect("an authority");
    let facts = Facts::host("prod", "broker-1", host.address);
    for (left, warns) in [(364, false), (31, false), (29, true), (1, true), (-1, true)] {
        let pair = signer.sign(&facts, now + (left - 365) * day).expect("a certificate");
        fs::write(&pem, pair.keystore().expose()).expect("a file");
        let (code, said) = run();
        let one = said.starts_with("<4>kstack: the certificate of this host ends at ") && said.lines().count() == 1;
        assert_eq!((code, one, said.is_empty()), (Some(0), warns, !warns), "{left} days: {said}");
    }
    fs::write(&pem, "nothing").expect("a file");
    assert_ne!(run().0, Some(0), "a file that can't be read is a failure of the unit");
}

const FILE: &str = "dev.yaml";
const LONG: Duration = Duration::from_secs(120);
/// LocalStack's hosts run nothing that could be asked.
const NOBODY: (&str, &str) = ("KSTACK_TEST_NOBODY", "1");

/// Three brokers with disks of their own, and three controllers with volumes, whose certificates end within seconds.
fn ending() -> Account {
    let account = Account::new();
    let brokers = "instance_type: m6gd.xlarge\n      storage: {type: instance-store}";
    let edits = [
        ("instance_type: t4g.medium", brokers),
        ("combined: true", "controllers: {count: 3, instance_type: t4g.medium}"),
        ("    kafka: 4.1.1", "    kafka: 4.1.1\n    listeners: {scram: true}"),
    ];
    account.write("dev", &edits);
    let mut apply = account.command(&["apply", FILE, "--yes"]);
    Run::of(apply.env("KSTACK_TEST_CERTIFICATE_LIFE", "5")).expect(0);
    account
}

/// How many of the hosts with these names have certificates that have ended.
fn ended(account: &Account, role: &str) -> usize {
    let (host, refused) = (format!("instance/{role}"), "so it can't be rolled while the others run");
    account.plan(FILE).refusals().iter().filter(|one| one.starts_with(&host) && one.contains(refused)).count()
}

/// `kstack recover` with what goes wrong, and the calls that it made.
fn recover(account: &mut Account, fault: Option<(&'static str, Fault)>) -> (Run, Vec<Call>) {
    let fault = fault.map(|(operation, fault)| -> OfCall<Option<Fault>> {
        Box::new(move |call: &Call| (call.operation == operation).then_some(fault))
    });
    let proxy = Proxy::with(Weather { fault, ..Weather::default() });
    let run = through_with(account, &proxy, &["recover", FILE, "--yes"], &[NOBODY]);
    (run, proxy.take())
}

#[test]
fn hosts_with_disks_of_their_own_are_rebooted_with_new_certificates_wherever_a_run_dies() {
    let mut account = ending();
    let hosts = account.instances(DEV);
    poll("the end of the certificates", LONG, || (ended(&account, "") == 6).then_some(()));
    // A host that has a new certificate and has not been rebooted, or nobody has noted that, counts as one that has the old one.
    for (operation, fault, brokers, controllers) in [
        ("StopInstances", Fault::KillBefore, 3, 3),
        ("StopInstances", Fault::KillAfter, 3, 3),
        ("RebootInstances", Fault::KillBefore, 3, 3),
        ("RebootInstances", Fault::KillAfter, 3, 3),
        ("CreateTags", Fault::KillBefore, 3, 3),
        ("CreateTags", Fault::KillAfter, 0, 3),
        ("StartInstances", Fault::KillBefore, 0, 3),
    ] {
        let (run, calls) = recover(&mut account, Some((operation, fault)));
        assert!(run.code != 0 && calls.iter().any(|call| call.operation == operation), "{operation} {fault:?}: {run}");
        account.run(&["unlock", FILE, "--yes"]).expect(0);
        assert_eq!((ended(&account, "broker-"), ended(&account, "controller-")), (brokers, controllers), "{operation}");
    }
    let (run, calls) = recover(&mut account, None);
    let run = run.expect(0);
    assert!(run.out.ends_with("controller-1, controller-2, controller-3 run with new certificates.\n"), "{run}");
    assert!(calls.iter().all(|call| call.operation != "RebootInstances"), "the brokers have been: {calls:?}");
    account.assert_converged(FILE);
    assert_eq!(account.instances(DEV), hosts);
    account.destroy(FILE);
}

#[test]
fn a_recovery_goes_on_after_a_signal_and_says_how_hosts_are() {
    let mut account = ending();
    poll("the end of the certificates", LONG, || (ended(&account, "") == 6).then_some(()));
    account.choose(&serde_json::json!({"times": {"instance_stop": 20}}));
    let direct = account.endpoint.clone();
    let proxy = Proxy::counting();
    account.endpoint.clone_from(&proxy.endpoint);
    let mut command = account.command(&["recover", FILE, "--yes"]);
    command.env(NOBODY.0, NOBODY.1);
    let recovery = Running::of(command);
    account.endpoint = direct;
    let mut calls: Vec<Call> = Vec::new();
    poll("the stop", LONG, || {
        calls.extend(proxy.take());
        calls.iter().any(|call| call.operation == "StopInstances").then_some(())
    });
    recovery.signal(rustix::process::Signal::INT);
    let run = recovery.end(LONG).expect(130);
    assert!(run.err.contains("they have new certificates, and nothing starts them but the same command"), "{run}");
    let stops = calls.iter().filter(|call| call.operation == "StopInstances").count();
    assert_eq!((stops, ended(&account, "")), (1, 6), "{calls:?}");
    let (run, calls) = recover(&mut account, None);
    let run = run.expect(0);
    assert!(
        run.out.ends_with("controller-3 run with new certificates.\n") && run.out.contains("are rebooted"),
        "{run}"
    );
    for operation in ["StopInstances", "RebootInstances", "StartInstances"] {
        assert_eq!(calls.iter().filter(|call| call.operation == operation).count(), 1, "{operation}: {calls:?}");
    }
    account.assert_converged(FILE);
    account.destroy(FILE);
}
