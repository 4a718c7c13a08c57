//! Session Manager of the test: what AWS answers of sessions and instances, and a program in place of AWS's plugin, which forwards a
//! port as the plugin does. No emulator has sessions.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The session's token, which nobody may see.
pub const TOKEN: &str = "canary-of-the-session";

/// Forwards a port by the request of its arguments, and says what it does as AWS's plugin does. `NEWER` is its version.
const PLUGIN: &str = r#"#!/usr/bin/env python3
import json, os, signal, socket, sys, threading
if sys.argv[1:] == ["--version"]:
    print("NEWER"); sys.exit()
response, region, operation, profile, request, endpoint = sys.argv[1:]
if response == "AWS_SSM_START_SESSION_RESPONSE":
    response = os.environ[response]
response, request = json.loads(response), json.loads(request)
assert operation == "StartSession" and region == "us-east-1" and endpoint.startswith("http"), sys.argv
assert request["DocumentName"] == "AWS-StartPortForwardingSessionToRemoteHost", request
if response["TokenValue"] != "TOKEN":
    print("Cannot join with " + response["TokenValue"]); sys.exit(1)
parameters = request["Parameters"]
to = (HOSTS.get(parameters["host"][0], parameters["host"][0]), int(parameters["portNumber"][0]))
listener = socket.create_server(("127.0.0.1", 0))
open(os.path.dirname(os.path.abspath(__file__)) + "/plugin-%d" % os.getpid(), "w").close()
def leave(*_):
    os.remove(os.path.dirname(os.path.abspath(__file__)) + "/plugin-%d" % os.getpid()); os._exit(0)
signal.signal(signal.SIGTERM, leave)
print("\nStarting session with SessionId: " + response["SessionId"])
print("Port %d opened for sessionId %s." % (listener.getsockname()[1], response["SessionId"]))
print("Waiting for connections...\n", flush=True)
def pump(one, other):
    try:
        while data := one.recv(65536):
            other.sendall(data)
    except OSError:
        pass
    for end in (one, other):
        try: end.shutdown(socket.SHUT_RDWR)
        except OSError: pass
while True:
    client, _ = listener.accept()
    try:
        server = socket.create_connection(to)
    except OSError:
        client.close(); continue
    for pair in ((client, server), (server, client)):
        threading.Thread(target=pump, args=pair, daemon=True).start()
"#;

/// Writes the plugin of `version` into `folder`, for sessions with the token `token` through instances that know a name.
pub fn plugin(folder: &Path, version: &str, token: &str, (name, address): (&str, Ipv4Addr)) -> PathBuf {
    let path = folder.join(format!("plugin of {version}"));
    fs::write(
        &path,
        PLUGIN
            .replace("NEWER", version)
            .replace("HOSTS", &json!({name: address}).to_string())
            .replace("\"TOKEN\"", &format!("{token:?}")),
    )
    .expect("a program");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a program");
    path
}

/// The plugins that run in `folder`.
pub fn running(folder: &Path) -> usize {
    let all = fs::read_dir(folder).expect("a folder").flatten();
    all.filter(|entry| entry.file_name().to_string_lossy().starts_with("plugin-")).count()
}

/// AWS, as far as tunnels ask it: running instances with their addresses, and sessions through them.
pub struct Endpoint {
    pub url: String,
    /// The requests that came: operation and parameters.
    pub asked: Arc<Mutex<Vec<(String, Value)>>>,
}

/// Starts the endpoint, which has `instances`, each with its address.
pub async fn start(instances: &[(&str, &str)]) -> Endpoint {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let at: SocketAddr = listener.local_addr().expect("an address");
    let asked: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
    let (seen, instances) = (asked.clone(), answer(instances));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, instances.clone(), seen.clone()));
        }
    });
    Endpoint { url: format!("http://{at}"), asked }
}

async fn serve(mut stream: TcpStream, instances: String, asked: Arc<Mutex<Vec<(String, Value)>>>) -> Option<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).ok()?.to_lowercase();
        let value = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let mut body = vec![0; value("content-length")?.parse().ok()?];
        stream.read_exact(&mut body).await.ok()?;
        let body = String::from_utf8(body).ok()?;
        let (operation, answer) = match value("x-amz-target") {
            Some("amazonssm.startsession") => (
                "StartSession",
                json!({"SessionId": "me-0123", "TokenValue": TOKEN, "StreamUrl": "wss://nowhere"}).to_string(),
            ),
            Some("amazonssm.terminatesession") => ("TerminateSession", json!({"SessionId": "me-0123"}).to_string()),
            _ if body.contains("Action=DescribeInstances") => ("DescribeInstances", instances.clone()),
            _ => return None,
        };
        let parameters = serde_json::from_str(&body).unwrap_or(Value::String(body));
        asked.lock().expect("nobody fails with it").push((operation.to_owned(), parameters));
        let kind = if answer.starts_with('<') { "text/xml" } else { "application/x-amz-json-1.1" };
        let length = answer.len();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{answer}");
        stream.write_all(answer.as_bytes()).await.ok()?;
    }
}

fn answer(instances: &[(&str, &str)]) -> String {
    let one = |(id, address): &(&str, &str)| {
        format!("<item><instanceId>{id}</instanceId><privateIpAddress>{address}</privateIpAddress></item>")
    };
    let all: String = instances.iter().map(one).collect();
    format!(
        "<DescribeInstancesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>1</requestId><reservationSet><item>\
         <reservationId>r-1</reservationId><instancesSet>{all}</instancesSet></item></reservationSet></DescribeInstancesResponse>"
    )
}
