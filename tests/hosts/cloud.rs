//! What AWS is to a host that boots: instance metadata with the credentials of its role, and Systems Manager by TLS, which knows by whom
//! a request is signed and what the role's policies let that host read; and CloudWatch Logs, by the same rules. What is read and written is
//! LocalStack's, which asks for neither.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::client::PATIENCE;
use crate::machine::DISK;
use crate::network::Network;
use crate::support::aws::wait;
use crate::support::proxy::{forward, header, read_request};
use crate::support::signature::verified;
use crate::support::{Account, poll};

/// Where every instance asks for its metadata.
const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// What operations of CloudWatch Logs begin with.
const LOGS: &str = "Logs_20140328.";

/// A curl that notes its arguments first, which every process of a host can see.
const CURL: &str = "#!/bin/sh\nprintf '%s\\n' \"$@\" >> /var/log/curl-arguments\nexec /usr/bin/curl \"$@\"\n";

/// The credentials that the instance at an address has of its role, all of them secret, and the token by which it asks for them.
#[derive(Debug, Clone)]
struct Session {
    secret: String,
    token: String,
    metadata: String,
}

impl Session {
    fn new(address: Ipv4Addr) -> Session {
        let random = || (0..32).map(|_| fastrand::alphanumeric()).collect::<String>();
        Session { secret: random(), token: format!("{address}={}", random()), metadata: random() }
    }
}

/// A request for a parameter: by the instance at which address, for what, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub by: Ipv4Addr,
    pub parameter: String,
    pub outcome: &'static str,
}

/// What the servers share.
struct Shared {
    account: String,
    region: String,
    role: String,
    /// The statements of all inline policies of the role.
    statements: Vec<Value>,
    vpc: String,
    sessions: Mutex<BTreeMap<Ipv4Addr, Session>>,
    asked: Mutex<Vec<Asked>>,
}

/// Its ports are free again when it is dropped: another test's stands at the same addresses.
pub struct Cloud {
    shared: Arc<Shared>,
    _serving: [Serving; 2],
}

impl Cloud {
    /// Starts both for the hosts of the applied stack on `network`, and has the disks of machines below `running` trust them.
    pub fn start(account: &Account, region: &str, network: &Network, running: &Path) -> Cloud {
        let iam = account.iam();
        let roles = wait(iam.list_roles().send()).roles;
        let [role] = roles.as_slice() else { panic!("one role: {roles:?}") };
        let policies = wait(iam.list_role_policies().role_name(&role.role_name).send()).policy_names;
        let document = |name: &String| {
            let text = wait(iam.get_role_policy().role_name(&role.role_name).policy_name(name).send()).policy_document;
            let text = percent_encoding::percent_decode_str(&text).decode_utf8().expect("text").into_owned();
            let document: Value = serde_json::from_str(&text).expect("a policy");
            document["Statement"].as_array().expect("statements").clone()
        };
        let statements: Vec<Value> = policies.iter().flat_map(document).collect();
        let vpcs = account.look(region).vpcs;
        let vpc = vpcs.iter().find(|vpc| vpc.is_default() != Some(true)).and_then(|vpc| vpc.vpc_id()).expect("a VPC");
        let shared = Arc::new(Shared {
            account: account.id.clone(),
            region: region.to_owned(),
            role: role.role_name.clone(),
            statements,
            vpc: vpc.to_owned(),
            sessions: Mutex::default(),
            asked: Mutex::default(),
        });
        network.also_at(METADATA).expect("an address");
        let of_metadata = Arc::clone(&shared);
        let metadata = serve(METADATA, 80, move |mut stream| {
            let IpAddr::V4(by) = stream.peer_addr().ok()?.ip() else { return None };
            let (head, _) = read_request(&mut stream).ok()??;
            stream.write_all(&of_metadata.metadata(by, &head)).ok()
        });
        let names = ["ssm", "logs"].map(|service| format!("{service}.{region}.amazonaws.com"));
        let made = rcgen::generate_simple_self_signed(names.clone()).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(made.signing_key.serialize_pem().as_bytes()).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
        let config = config.with_safe_default_protocol_versions().expect("versions").with_no_client_auth();
        let config = Arc::new(config.with_single_cert(vec![made.cert.der().clone()], key).expect("its key"));
        let of_parameters = Arc::clone(&shared);
        let services = serve(network.router(), 443, move |stream| {
            let mut tls = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).ok()?, stream);
            let (head, body) = read_request(&mut tls).ok()??;
            let to_logs = header(&head, "x-amz-target").is_some_and(|target| target.starts_with(LOGS));
            let answer = if to_logs { of_parameters.log(&head, &body) } else { of_parameters.parameter(&head, &body) };
            tls.write_all(&answer).ok()?;
            tls.conn.send_close_notify();
            tls.flush().ok()
        });
        write(&running.join(DISK), &names, network.router(), &made.cert.pem());
        Cloud { shared, _serving: [metadata, services] }
    }

    /// What no process, no log and no file of a host may show.
    pub fn secrets(&self) -> Vec<String> {
        let sessions = self.shared.sessions.lock().expect("no panic");
        sessions.values().flat_map(|one| [one.secret.clone(), one.token.clone(), one.metadata.clone()]).collect()
    }

    /// The requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().expect("no panic").clone()
    }
}

/// What answers at a port, until this is dropped.
pub struct Serving {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Answers connections to `address` one after the other.
pub fn serve(address: Ipv4Addr, port: u16, answer: impl Fn(TcpStream) -> Option<()> + Send + 'static) -> Serving {
    // A process that another test starts at this moment has what is open here until it becomes its own program.
    let listener = poll("a port", PATIENCE, || TcpListener::bind((address, port)).ok());
    listener.set_nonblocking(true).expect("a socket");
    let ends = Arc::new(AtomicBool::new(false));
    let end = Arc::clone(&ends);
    let thread = thread::spawn(move || {
        while !end.load(Ordering::SeqCst) {
            let Ok((stream, _)) = listener.accept() else {
                thread::sleep(Duration::from_millis(10));
                continue;
            };
            let _ = stream.set_nonblocking(false);
            let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
            answer(stream);
        }
    });
    Serving { ends, thread: Some(thread) }
}

fn response(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).into_bytes()
}

/// The names of both, their certificate beside those that the system trusts, and [`CURL`].
fn write(disk: &Path, names: &[String], router: Ipv4Addr, certificate: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let image = disk.parent().and_then(Path::parent).expect("a folder").join("debian-12");
    let trusted = fs::read_to_string(image.join("etc/ssl/certs/ca-certificates.crt")).expect("certificates");
    let files = [
        ("etc/hosts", format!("127.0.0.1 localhost\n{router} {}\n", names.join(" ")), 0o644),
        ("etc/ssl/certs/ca-certificates.crt", trusted + certificate, 0o644),
        ("usr/local/bin/curl", CURL.to_owned(), 0o755),
    ];
    for (path, text, mode) in files {
        let path = disk.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, text).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("it is ours");
    }
}

impl Shared {
    /// As IMDSv2 answers the instance at this address.
    fn metadata(&self, by: Ipv4Addr, head: &str) -> Vec<u8> {
        let session = self.sessions.lock().expect("no panic").entry(by).or_insert_with(|| Session::new(by)).clone();
        let mut words = head.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let allowed = header(head, "x-aws-ec2-metadata-token") == Some(session.metadata.as_str());
        let roles = "/latest/meta-data/iam/security-credentials/";
        match (method, path.strip_prefix(roles)) {
            ("PUT", None) if header(head, "x-aws-ec2-metadata-token-ttl-seconds").is_some() => {
                response("200 OK", &session.metadata)
            }
            _ if !allowed => response("401 Unauthorized", ""),
            ("GET", Some("")) => response("200 OK", &self.role),
            ("GET", Some(role)) if role == self.role => {
                let Session { secret, token, .. } = session;
                let credentials = json!({
                    "Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": self.account, "SecretAccessKey": secret, "Token": token,
                    "Expiration": "2030-01-01T00:00:00Z",
                });
                response("200 OK", &format!("{credentials:#}"))
            }
            _ => response("404 Not Found", ""),
        }
    }

    /// As Systems Manager answers who may read a parameter, or may not.
    fn parameter(&self, head: &str, body: &[u8]) -> Vec<u8> {
        let refused =
            |code: &str, why: &str| response("400 Bad Request", &json!({"__type": code, "Message": why}).to_string());
        let token = header(head, "x-amz-security-token").unwrap_or_default();
        let sessions = self.sessions.lock().expect("no panic").clone();
        let Some((by, session)) = sessions.iter().find(|(_, one)| one.token == token) else {
            return refused("UnrecognizedClientException", "the security token included in the request is invalid");
        };
        let request: Value = serde_json::from_slice(body).unwrap_or_default();
        let parameter = request["Name"].as_str().unwrap_or_default().to_owned();
        let (outcome, answer) = match verified(head, body, &session.secret, (&self.region, "ssm")) {
            Err(why) => ("badly signed", refused("InvalidSignatureException", &why)),
            Ok(()) if !self.lets(*by, header(head, "x-amz-target").unwrap_or_default(), &parameter) => {
                let why = format!("not authorized to perform: ssm:GetParameter on resource: {parameter}");
                ("denied", refused("AccessDeniedException", &why))
            }
            Ok(()) => match forward(head, body) {
                Ok(answer) => ("read", answer),
                Err(error) => ("failed", response("502 Bad Gateway", &error.to_string())),
            },
        };
        self.asked.lock().expect("no panic").push(Asked { by: *by, parameter, outcome });
        answer
    }

    /// As CloudWatch Logs answers who may write to a log group, or may not.
    fn log(&self, head: &str, body: &[u8]) -> Vec<u8> {
        let refused =
            |code: &str, why: &str| response("400 Bad Request", &json!({"__type": code, "message": why}).to_string());
        let token = header(head, "x-amz-security-token").unwrap_or_default();
        let sessions = self.sessions.lock().expect("no panic").clone();
        let Some((_, session)) = sessions.iter().find(|(_, one)| one.token == token) else {
            return refused("UnrecognizedClientException", "the security token included in the request is invalid");
        };
        if let Err(why) = verified(head, body, &session.secret, (&self.region, "logs")) {
            return refused("InvalidSignatureException", &why);
        }
        let request: Value = serde_json::from_slice(body).unwrap_or_default();
        let (account, region) = (&self.account, &self.region);
        let group = request["logGroupName"].as_str().unwrap_or_default();
        let resource = json!(format!("arn:aws:logs:{region}:{account}:log-group:{group}:*"));
        let operation = header(head, "x-amz-target").unwrap_or_default().trim_start_matches(LOGS);
        let action = json!(format!("logs:{operation}"));
        let has = |list: &Value, one: &Value| list.as_array().is_some_and(|all| all.contains(one));
        let allows = |one: &Value| has(&one["Action"], &action) && has(&one["Resource"], &resource);
        match self.statements.iter().any(|one| one["Effect"] == "Allow" && allows(one)) {
            false => refused("AccessDeniedException", &format!("not authorized to perform: {action} on {resource}")),
            true => forward(head, body).unwrap_or_else(|error| response("502 Bad Gateway", &error.to_string())),
        }
    }

    /// Whether a policy of the role lets the instance at `by` read `parameter`: its statements allow, or nothing does.
    fn lets(&self, by: Ipv4Addr, target: &str, parameter: &str) -> bool {
        let (account, region) = (&self.account, &self.region);
        let resource = format!("arn:aws:ssm:{region}:{account}:parameter{parameter}");
        let here = json!({"StringEquals": {"aws:Ec2InstanceSourceVpc": self.vpc}});
        let allows = |statement: &&Value| {
            let action = statement["Action"] == "ssm:GetParameter" && target == "AmazonSSM.GetParameter";
            let pattern = statement["Resource"].as_str().unwrap_or_default();
            let pattern = pattern.replace("${aws:Ec2InstanceSourcePrivateIPv4}", &by.to_string());
            let fits = match pattern.split_once('*') {
                None => pattern == resource,
                Some((begin, "")) => resource.starts_with(begin),
                Some(_) => panic!("{pattern} is not understood here"),
            };
            statement["Effect"] == "Allow" && action && fits && statement["Condition"] == here
        };
        self.statements.iter().any(|statement| allows(&statement))
    }
}

#[test]
fn a_port_is_free_again_once_nobody_serves_there() {
    // An address that no other test has: a connection of another one may take any port of 127.0.0.1.
    let own = Ipv4Addr::new(127, 99, 0, 1);
    let free = TcpListener::bind((own, 0)).expect("a port");
    let address = free.local_addr().expect("an address");
    drop(free);
    for _ in 0..2 {
        let serving = serve(own, address.port(), |mut stream| stream.write_all(b"here").ok());
        let mut said = String::new();
        TcpStream::connect(address).expect("it answers").read_to_string(&mut said).expect("text");
        assert_eq!(said, "here");
        drop(serving);
        poll("nobody serves there", PATIENCE, || TcpStream::connect(address).is_err().then_some(()));
    }
}
