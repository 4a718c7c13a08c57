//! A proxy between the binary and LocalStack that records each call's operation.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::rounds::Rounds;
use super::sandbox;

/// One call that came by.
#[derive(Debug, Clone)]
pub struct Call {
    pub operation: String,
    /// In which round it was let through, from 1; 0 when there are no rounds.
    pub round: usize,
    /// The request's body: a form or JSON.
    pub body: String,
    /// When it came.
    pub began: Instant,
    /// When its answer was sent; nothing until then.
    pub ended: Option<Instant>,
}

/// What goes wrong with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The client is killed before the call reaches AWS.
    KillBefore,
    /// The client is killed after AWS has done the call, and never hears of it.
    KillAfter,
    /// AWS does the call; the connection ends without an answer.
    DropAnswer,
    /// AWS answers that it is not available, and has done nothing.
    Unavailable,
    /// AWS answers that there were too many calls, and has done nothing.
    Throttled,
}

/// A fault for the call with this number, from 1, and whom to kill.
#[derive(Debug)]
pub struct Plot {
    pub call: usize,
    pub fault: Fault,
    /// The client's process id; 0 until it is known.
    pub client: AtomicI32,
}

impl Plot {
    /// Kills the client, once it is known who that is.
    fn kill(&self) {
        let pid = super::poll("the client's process id", Duration::from_secs(5), || {
            rustix::process::Pid::from_raw(self.client.load(Ordering::SeqCst))
        });
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

/// A proxy on a loopback port. It serves until this process ends.
pub struct Proxy {
    pub endpoint: String,
    calls: Arc<Mutex<Vec<Call>>>,
    /// Held by the listener, by this, and by every connection.
    held: Arc<()>,
}

impl Proxy {
    /// Passes every call on at once.
    pub fn counting() -> Proxy {
        Proxy::start(None, None, Duration::ZERO)
    }

    /// Passes every call on after `latency`.
    pub fn slow(latency: Duration) -> Proxy {
        Proxy::start(None, None, latency)
    }

    /// Lets the fault of `plot` happen, and passes every other call on.
    pub fn with_fault(plot: Arc<Plot>) -> Proxy {
        Proxy::start(None, Some(plot), Duration::ZERO)
    }

    /// Holds calls back until no more come, and lets them through together: calls of one round can't depend on each other.
    pub fn in_rounds() -> Proxy {
        Proxy::start(Some(Rounds::start()), None, Duration::ZERO)
    }

    fn start(rounds: Option<Arc<Rounds>>, plot: Option<Arc<Plot>>, latency: Duration) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let calls: Arc<Mutex<Vec<Call>>> = Arc::default();
        let record = Arc::clone(&calls);
        let held = Arc::new(());
        let hold = Arc::clone(&held);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (record, rounds, plot, hold) =
                    (Arc::clone(&record), rounds.clone(), plot.clone(), Arc::clone(&hold));
                // A client that goes away in the middle of a call ends that call only.
                thread::spawn(move || {
                    let _hold = hold;
                    serve(client, &record, rounds.as_deref(), plot.as_deref(), latency)
                });
            }
        });
        Proxy { endpoint, calls, held }
    }

    /// Waits until no call is under way: what a killed client had sent before is then done.
    pub fn wait_until_quiet(&self) {
        super::poll("no call under way", Duration::from_secs(30), || {
            (Arc::strong_count(&self.held) == 2).then_some(())
        });
    }

    /// The calls since this was last asked, in the order in which they came.
    pub fn take(&self) -> Vec<Call> {
        std::mem::take(&mut *self.calls.lock().expect("no panic"))
    }
}

/// One call: one request and one answer to a connection.
fn serve(
    mut client: TcpStream,
    calls: &Mutex<Vec<Call>>,
    rounds: Option<&Rounds>,
    plot: Option<&Plot>,
    latency: Duration,
) -> io::Result<()> {
    let Some((head, body)) = read_request(&mut client)? else { return Ok(()) };
    let index = {
        let mut calls = calls.lock().expect("no panic");
        let (operation, text) = (operation(&head, &body), String::from_utf8_lossy(&body).into_owned());
        calls.push(Call { operation, round: 0, body: text, began: Instant::now(), ended: None });
        calls.len() - 1
    };
    if let Some(rounds) = rounds {
        let round = rounds.enter();
        if let Some(call) = calls.lock().expect("no panic").get_mut(index) {
            call.round = round;
        }
    }
    if let Some(plot) = plot.filter(|plot| plot.call == index + 1) {
        return misfortune(plot, &mut client, &head, &body);
    }
    if !latency.is_zero() {
        thread::sleep(latency);
    }
    let answer = forward(&head, &body);
    let sent = answer.and_then(|answer| client.write_all(&answer));
    if let Some(call) = calls.lock().expect("no panic").get_mut(index) {
        call.ended = Some(Instant::now());
    }
    if let Some(rounds) = rounds {
        rounds.leave();
    }
    sent
}

/// Answers one call as the plot has it.
fn misfortune(plot: &Plot, client: &mut TcpStream, head: &str, body: &[u8]) -> io::Result<()> {
    let refuse = |code: &str| {
        let text = format!(
            "<Response><Errors><Error><Code>{code}</Code><Message>a test</Message></Error></Errors></Response>"
        );
        let json = format!("{{\"__type\":\"{code}\",\"message\":\"a test\"}}");
        let (kind, text) = if header(head, "x-amz-target").is_some() {
            ("application/x-amz-json-1.1", json)
        } else {
            ("text/xml", text)
        };
        format!(
            "HTTP/1.1 503 Unavailable\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
            text.len()
        )
    };
    match plot.fault {
        Fault::KillBefore => plot.kill(),
        Fault::KillAfter => {
            forward(head, body)?;
            plot.kill();
        }
        Fault::DropAnswer => {
            forward(head, body)?;
        }
        Fault::Unavailable => client.write_all(refuse("ServiceUnavailable").as_bytes())?,
        Fault::Throttled => client.write_all(refuse("RequestLimitExceeded").as_bytes())?,
    }
    Ok(())
}

/// A request's head, without the empty line at its end, and its body; `None` when the client closed without one.
pub fn read_request(client: &mut TcpStream) -> io::Result<Option<(String, Vec<u8>)>> {
    let mut read = Vec::new();
    let mut block = [0; 16 * 1024];
    let head = loop {
        if let Some(end) = read.windows(4).position(|part| part == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).into_owned();
            read.drain(..end + 4);
            break head;
        }
        match client.read(&mut block)? {
            0 => return Ok(None),
            count => read.extend_from_slice(&block[..count]),
        }
    };
    let length = header(&head, "content-length").map_or(Ok(0), str::parse).map_err(io::Error::other)?;
    while read.len() < length {
        match client.read(&mut block)? {
            0 => return Ok(None),
            count => read.extend_from_slice(&block[..count]),
        }
    }
    Ok(Some((head, read)))
}

pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// The name of the operation: SSM has it in a header, EC2, IAM and STS in the form.
pub fn operation(head: &str, body: &[u8]) -> String {
    let target = header(head, "x-amz-target").and_then(|target| target.rsplit('.').next());
    let body = String::from_utf8_lossy(body);
    let action = body.split('&').find_map(|pair| pair.strip_prefix("Action="));
    target.or(action).unwrap_or_else(|| head.lines().next().unwrap_or_default()).to_owned()
}

/// LocalStack's answer, as it came, with the connection's end after it.
pub fn forward(head: &str, body: &[u8]) -> io::Result<Vec<u8>> {
    let address = sandbox().trim_start_matches("http://");
    let mut server = TcpStream::connect(address)?;
    let mut request = String::new();
    for line in head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("connection:")) {
        request.push_str(line);
        request.push_str("\r\n");
    }
    request.push_str("Connection: close\r\n\r\n");
    server.write_all(request.as_bytes())?;
    server.write_all(body)?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    Ok(answer)
}

/// A plain request to `endpoint`, and the whole answer as text.
pub fn request(endpoint: &str, method: &str, path: &str, body: &str) -> String {
    let address = endpoint.trim_start_matches("http://");
    let mut server = TcpStream::connect(address).expect("a server");
    let length = body.len();
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    server.write_all(format!("{head}{body}").as_bytes()).expect("a server");
    let mut answer = String::new();
    server.read_to_string(&mut answer).expect("an answer");
    answer
}
