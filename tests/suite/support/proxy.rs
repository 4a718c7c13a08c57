//! A proxy between the binary and LocalStack: it records each call, and lets happen to it what may happen on the way.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::rounds::Rounds;
use super::sandbox_of;
use super::stale::Stale;

/// One call that came by.
#[derive(Debug, Clone)]
pub struct Call {
    /// The how manieth it was, from 1.
    pub number: usize,
    pub operation: String,
    /// The service that it is signed for, such as `ec2`.
    #[allow(dead_code, reason = "not the benchmark's")]
    pub service: String,
    /// In which round it was let through, from 1; 0 when there are no rounds.
    pub round: usize,
    /// The request's body: a form or JSON.
    #[allow(dead_code, reason = "the benchmark's")]
    pub body: String,
    /// When it came.
    #[allow(dead_code, reason = "the benchmark's")]
    pub began: Instant,
    /// When its answer was sent; nothing until then.
    #[allow(dead_code, reason = "the benchmark's")]
    pub ended: Option<Instant>,
}

impl Call {
    /// Whether AWS changes something by it.
    pub fn writes(&self) -> bool {
        !["Describe", "Get", "List"].iter().any(|verb| self.operation.starts_with(verb))
    }
}

/// What goes wrong with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The client is killed before the call reaches AWS.
    KillBefore,
    /// The client is killed after AWS has done the call, and never hears of it.
    KillAfter,
    /// AWS does the call; the connection ends without an answer.
    DropAnswer,
    /// AWS does the call; the connection ends in the middle of the answer.
    CutBody,
    /// AWS does the call twice, and the second answer counts: the same call of a run that has died, which came late, was first.
    Twice,
    /// The call does not reach AWS, and no answer ever comes.
    Silence,
    /// AWS does the call, and no answer ever comes.
    SilenceAfter,
    /// AWS answers that it is not available, and has done nothing.
    Unavailable,
    /// AWS answers that there were too many calls, and has done nothing.
    Throttled,
    /// AWS answers with this error code, and has done nothing.
    Refused(&'static str),
}

/// What is chosen for each call.
pub type OfCall<T> = Box<dyn Fn(&Call) -> T + Send + Sync>;

/// What a proxy does with the calls; by itself it passes them on at once.
#[derive(Default)]
pub struct Weather {
    /// What goes wrong with a call, if anything.
    pub fault: Option<OfCall<Option<Fault>>>,
    /// How much longer a call takes.
    pub latency: Option<OfCall<Duration>>,
    /// What is made is not seen for a while.
    pub stale: Option<Stale>,
    /// Calls of this operation wait until [`Proxy::open`].
    pub gate: Option<&'static str>,
    /// Calls pass in rounds.
    pub rounds: Option<Arc<Rounds>>,
}

/// What the connections share.
struct Shared {
    weather: Weather,
    calls: Mutex<Vec<Call>>,
    /// How many calls came.
    count: AtomicUsize,
    /// Whom to kill; 0 until it is known.
    client: AtomicI32,
    open: Mutex<bool>,
    opened: Condvar,
}

/// A proxy on a loopback port. It serves until this process ends.
pub struct Proxy {
    pub endpoint: String,
    shared: Arc<Shared>,
    /// Held by the listener, by this, and by every connection.
    held: Arc<()>,
}

impl Proxy {
    /// Passes every call on at once.
    pub fn counting() -> Proxy {
        Proxy::with(Weather::default())
    }

    /// Passes every call on after `latency`.
    #[allow(dead_code, reason = "the benchmark's")]
    pub fn slow(latency: Duration) -> Proxy {
        Proxy::with(Weather { latency: Some(Box::new(move |_| latency)), ..Weather::default() })
    }

    /// Holds calls back until no more come, and lets them through together: calls of one round can't depend on each other.
    pub fn in_rounds() -> Proxy {
        Proxy::with(Weather { rounds: Some(Rounds::start()), ..Weather::default() })
    }

    pub fn with(weather: Weather) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let shared = Arc::new(Shared {
            weather,
            calls: Mutex::default(),
            count: AtomicUsize::new(0),
            client: AtomicI32::new(0),
            open: Mutex::new(false),
            opened: Condvar::new(),
        });
        let serving = Arc::clone(&shared);
        let held = Arc::new(());
        let hold = Arc::clone(&held);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (shared, hold) = (Arc::clone(&serving), Arc::clone(&hold));
                // A client that goes away in the middle of a call ends that call only.
                thread::spawn(move || {
                    let _hold = hold;
                    serve(client, &shared)
                });
            }
        });
        Proxy { endpoint, shared, held }
    }

    /// Tells whom the faults that kill are for.
    pub fn aim(&self, pid: u32) {
        self.shared.client.store(i32::try_from(pid).expect("a process id"), Ordering::SeqCst);
    }

    /// Lets the calls through that wait at the gate, and all that follow.
    pub fn open(&self) {
        *self.shared.open.lock().expect("no panic") = true;
        self.shared.opened.notify_all();
    }

    /// Waits until no call is under way: what a killed client had sent before is then done.
    pub fn wait_until_quiet(&self) {
        super::poll("no call under way", Duration::from_secs(60), || {
            (Arc::strong_count(&self.held) == 2).then_some(())
        });
    }

    /// How many calls came so far.
    pub fn count(&self) -> usize {
        self.shared.count.load(Ordering::SeqCst)
    }

    /// The calls since this was last asked, in the order in which they came.
    pub fn take(&self) -> Vec<Call> {
        std::mem::take(&mut *self.shared.calls.lock().expect("no panic"))
    }
}

impl Shared {
    /// Kills the client, once it is known who that is.
    fn kill(&self) {
        let pid = super::poll("the client's process id", Duration::from_secs(5), || {
            rustix::process::Pid::from_raw(self.client.load(Ordering::SeqCst))
        });
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }

    /// Records a call.
    fn record(&self, operation: String, service: String, body: &[u8]) -> Call {
        let mut calls = self.calls.lock().expect("no panic");
        let number = self.count.fetch_add(1, Ordering::SeqCst) + 1;
        let call = Call {
            number,
            operation,
            service,
            round: 0,
            body: String::from_utf8_lossy(body).into_owned(),
            began: Instant::now(),
            ended: None,
        };
        calls.push(call.clone());
        call
    }
}

/// One call: one request and one answer to a connection.
fn serve(mut client: TcpStream, shared: &Shared) -> io::Result<()> {
    let Some((head, body)) = read_request(&mut client)? else { return Ok(()) };
    let weather = &shared.weather;
    let call = shared.record(operation(&head, &body), service(&head).to_owned(), &body);
    if let Some(rounds) = &weather.rounds {
        let round = rounds.enter();
        let mut calls = shared.calls.lock().expect("no panic");
        calls.iter_mut().filter(|one| one.number == call.number).for_each(|one| one.round = round);
    }
    if weather.gate == Some(call.operation.as_str()) {
        let closed = shared.open.lock().expect("no panic");
        drop(shared.opened.wait_while(closed, |open| !*open));
    }
    if let Some(latency) = &weather.latency {
        thread::sleep(latency(&call));
    }
    let pass = || match &weather.stale {
        Some(stale) => stale.pass(&call.operation, &head, &body, || forward(&head, &body)),
        None => forward(&head, &body),
    };
    let sent = match weather.fault.as_ref().and_then(|fault| fault(&call)) {
        Some(fault) => misfortune(fault, shared, &mut client, &head, pass),
        None => pass().and_then(|answer| client.write_all(&answer)),
    };
    let mut calls = shared.calls.lock().expect("no panic");
    calls.iter_mut().filter(|one| one.number == call.number).for_each(|one| one.ended = Some(Instant::now()));
    drop(calls);
    if let Some(rounds) = &weather.rounds {
        rounds.leave();
    }
    sent
}

/// Lets `fault` happen to one call, which `pass` would do.
fn misfortune(
    fault: Fault,
    shared: &Shared,
    client: &mut TcpStream,
    head: &str,
    pass: impl Fn() -> io::Result<Vec<u8>>,
) -> io::Result<()> {
    match fault {
        Fault::KillBefore => shared.kill(),
        Fault::KillAfter => {
            pass()?;
            shared.kill();
        }
        Fault::DropAnswer => drop(pass()?),
        Fault::CutBody => {
            let answer = pass()?;
            let body = answer.windows(4).position(|part| part == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
            // An answer without a body ends in the middle of its head.
            let cut = if body == answer.len() { body / 2 } else { body + (answer.len() - body) / 2 };
            client.write_all(&answer[..cut])?;
        }
        Fault::Twice => {
            pass()?;
            client.write_all(&pass()?)?;
        }
        Fault::Silence => until_it_goes(client)?,
        Fault::SilenceAfter => {
            pass()?;
            until_it_goes(client)?;
        }
        Fault::Unavailable => client.write_all(&refusal(head, 503, "ServiceUnavailable"))?,
        Fault::Throttled => client.write_all(&refusal(head, 503, "RequestLimitExceeded"))?,
        Fault::Refused(code) => client.write_all(&refusal(head, 400, code))?,
    }
    Ok(())
}

/// Waits until the client gives up.
fn until_it_goes(client: &mut TcpStream) -> io::Result<()> {
    client.set_read_timeout(Some(Duration::from_secs(300)))?;
    let _ = client.read(&mut [0])?;
    Ok(())
}

/// An error as AWS answers it, in the words of the service that was asked.
pub fn refusal(head: &str, status: u16, code: &str) -> Vec<u8> {
    let (kind, text) = if header(head, "x-amz-target").is_some() {
        ("application/x-amz-json-1.1", format!("{{\"__type\":\"{code}\",\"message\":\"a test\"}}"))
    } else if header(head, "content-type").is_some_and(|kind| kind.contains("x-www-form-urlencoded")) {
        let error = format!("<Error><Code>{code}</Code><Message>a test</Message></Error>");
        // EC2 and the other services of this protocol wrap an error in different ways.
        let text = if header(head, "authorization").is_some_and(|sign| sign.contains("/ec2/")) {
            format!("<Response><Errors>{error}</Errors></Response>")
        } else {
            format!("<ErrorResponse>{error}</ErrorResponse>")
        };
        ("text/xml", text)
    } else {
        ("application/json", "{\"message\":\"a test\"}".to_owned())
    };
    let (length, date) = (text.len(), jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT"));
    format!(
        "HTTP/1.1 {status} Refused\r\nDate: {date}\r\nContent-Type: {kind}\r\nx-amzn-errortype: {code}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}"
    )
    .into_bytes()
}

/// A request's head, without the empty line at its end, and its body; `None` when the client closed without one.
pub fn read_request(client: &mut impl io::Read) -> io::Result<Option<(String, Vec<u8>)>> {
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

/// The name of the operation: SSM has it in a header, EC2, IAM and STS in the form; MSK's are a method and a path, as
/// `Get /api/v2/clusters`; CloudWatch's is the end of a path.
pub fn operation(head: &str, body: &[u8]) -> String {
    let target = header(head, "x-amz-target").and_then(|target| target.rsplit('.').next());
    let body = String::from_utf8_lossy(body);
    let action = body.split('&').find_map(|pair| pair.strip_prefix("Action="));
    let mut words = head.split([' ', '?']);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let plain =
        || format!("{}{} {path}", &method[..1.min(method.len())], method.get(1..).unwrap_or_default().to_lowercase());
    let named = path.rsplit_once("/operation/").map(|(_, name)| name);
    target.or(named).or(action).map_or_else(plain, str::to_owned)
}

/// A part of what a call is signed with: the key, the date, the region, the service.
pub fn signed(head: &str, part: usize) -> &str {
    let part = header(head, "authorization").and_then(|sign| sign.split_once("Credential=")?.1.split('/').nth(part));
    part.unwrap_or_default()
}

/// The service that a call is for.
fn service(head: &str) -> &str {
    signed(head, 3)
}

/// The account whose call it is: LocalStack takes an access key of twelve digits for one.
fn account(head: &str) -> &str {
    signed(head, 0)
}

/// The answer of the caller's LocalStack, as it came, with the connection's end after it.
pub fn forward(head: &str, body: &[u8]) -> io::Result<Vec<u8>> {
    let address = sandbox_of(account(head)).trim_start_matches("http://");
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
    request_with(endpoint, method, path, "", body)
}

/// The same, with more headers, each of which ends its line.
pub fn request_with(endpoint: &str, method: &str, path: &str, headers: &str, body: &str) -> String {
    let address = endpoint.trim_start_matches("http://");
    let mut server = TcpStream::connect(address).expect("a server");
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {length}\r\n{headers}Connection: close\r\n\r\n"
    );
    server.write_all(format!("{head}{body}").as_bytes()).expect("a server");
    let mut answer = String::new();
    server.read_to_string(&mut answer).expect("an answer");
    answer
}
