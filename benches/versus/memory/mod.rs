//! An AWS in memory, over HTTP, so that what is measured are the tools and not an emulator: it keeps what it is told, answers
//! any number of calls at once with what LocalStack answers (`check` compares them), and may take a while for each, as AWS
//! does. What it makes is ready at once. It knows the calls of the benchmark's stacks, and no rules: LocalStack is what the
//! tests use. What no tool makes, such as zones, images and instance types, it has from LocalStack, which it asks once.

mod ec2;
mod groups;
mod hosts;
mod iam;
mod msk;
mod network;
mod ssm;
mod store;
pub mod wire;

use std::collections::{BTreeSet, HashMap};
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use wire::{Answer, Request, error, status};

use crate::support::proxy::{Call, forward, read_request};

/// What LocalStack is asked once: the account's zones, AWS's images and types, and its versions of Kafka.
const CATALOGUE: [&str; 6] = [
    "DescribeAvailabilityZones",
    "DescribeImages",
    "DescribeInstanceTypes",
    "DescribeInstanceTypeOfferings",
    "DescribeVpcEndpointServices",
    "Get /v1/kafka-versions",
];

/// An account in a region; a call, as far as its answer depends on it.
type Place = (String, String);
type Asked = (Place, String, String);

#[derive(Default)]
struct State {
    ec2: HashMap<Place, store::Store>,
    iam: HashMap<String, iam::Iam>,
    ssm: HashMap<Place, ssm::Parameters>,
    msk: HashMap<Place, msk::Msk>,
    catalogue: HashMap<Asked, Vec<u8>>,
    /// Calls that the model does not have.
    unknown: BTreeSet<String>,
    calls: Vec<Call>,
    exchanges: Option<Vec<Exchange>>,
    /// Whether every call goes to LocalStack.
    passes: bool,
}

/// A call and its answer.
#[derive(Debug, Clone)]
pub struct Exchange {
    pub head: String,
    pub body: String,
    pub status: u16,
    /// The answer, with its head.
    pub answer: String,
}

/// AWS in memory on a loopback port. It serves until this process ends.
pub struct Memory {
    pub endpoint: String,
    state: Arc<Mutex<State>>,
}

impl Memory {
    /// One in which each call takes `latency` longer.
    pub fn start(latency: Duration) -> Memory {
        Memory::of(latency, State::default())
    }

    /// One that keeps each call with its answer; or, with `passes`, that has every answer from LocalStack.
    pub fn recording(passes: bool) -> Memory {
        Memory::of(Duration::ZERO, State { exchanges: Some(Vec::new()), passes, ..State::default() })
    }

    fn of(latency: Duration, state: State) -> Memory {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                // A client that goes away ends its connection only.
                thread::spawn(move || serve(client, &state, latency));
            }
        });
        Memory { endpoint, state }
    }

    /// The calls since this was last asked. Each must be one that the model has.
    pub fn take(&self) -> Vec<Call> {
        let mut state = self.state.lock().expect("no panic");
        let unknown = std::mem::take(&mut state.unknown);
        assert!(unknown.is_empty(), "the model of AWS has no {unknown:?}");
        std::mem::take(&mut state.calls)
    }

    /// The exchanges since this was last asked.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.state.lock().expect("no panic").exchanges.replace(Vec::new()).unwrap_or_default()
    }
}

/// Answers the calls of a connection, one after another.
fn serve(mut client: TcpStream, state: &Mutex<State>, latency: Duration) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    while let Some((head, body)) = read_request(&mut client)? {
        let began = Instant::now();
        thread::sleep(latency);
        let asked = Request::read(&head, &body);
        let (status, answer) = answer(state, &asked, &head, &body)?.bytes(&asked);
        client.write_all(&answer)?;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&body).into_owned();
        if let Some(exchanges) = &mut state.exchanges {
            let answer = String::from_utf8_lossy(&answer).into_owned();
            exchanges.push(Exchange { head, body: text.clone(), status, answer });
        }
        let number = state.calls.len() + 1;
        let (operation, service) = (asked.operation, asked.service);
        state.calls.push(Call { number, operation, service, round: 0, body: text, began, ended: Some(Instant::now()) });
    }
    Ok(())
}

fn answer(state: &Mutex<State>, asked: &Request, head: &str, body: &[u8]) -> std::io::Result<Answer> {
    let public = asked.json["Names"][0].as_str().is_some_and(|name| name.starts_with("/aws/"));
    if CATALOGUE.contains(&asked.operation.as_str()) || public {
        return catalogue(state, asked, head, body);
    }
    let place = || (asked.account.clone(), asked.region.clone());
    let mut guard = state.lock().unwrap_or_else(PoisonError::into_inner);
    if guard.passes {
        drop(guard);
        return Ok(Answer::Whole(kept_open(&forward(head, body)?)));
    }
    let state = &mut *guard;
    let known = match asked.service.as_str() {
        "ec2" => ec2::answer(state.ec2.entry(place()).or_default(), asked),
        "iam" | "sts" => iam::answer(state.iam.entry(asked.account.clone()).or_default(), asked),
        "ssm" => ssm::answer(state.ssm.entry(place()).or_default(), asked),
        "kafka" => msk::answer(state.msk.entry(place()).or_default(), state.ec2.entry(place()).or_default(), asked),
        "application-autoscaling" => msk::scaling(asked),
        _ => None,
    };
    Ok(known.unwrap_or_else(|| {
        state.unknown.insert(format!("{} {}", asked.service, asked.operation));
        error(501, "NotInTheModel", &format!("The model has no {}.", asked.operation))
    }))
}

/// LocalStack's answer, which is asked for once.
fn catalogue(state: &Mutex<State>, asked: &Request, head: &str, body: &[u8]) -> std::io::Result<Answer> {
    let place = (asked.account.clone(), asked.region.clone());
    let key = (place, asked.operation.clone(), String::from_utf8_lossy(body).into_owned());
    if let Some(known) = state.lock().unwrap_or_else(PoisonError::into_inner).catalogue.get(&key) {
        return Ok(Answer::Whole(known.clone()));
    }
    let answer = kept_open(&forward(head, body)?);
    if status(&answer) == 200 {
        state.lock().unwrap_or_else(PoisonError::into_inner).catalogue.insert(key, answer.clone());
    }
    Ok(Answer::Whole(answer))
}

/// An answer without the header that ends the connection.
fn kept_open(answer: &[u8]) -> Vec<u8> {
    let Some(end) = answer.windows(4).position(|part| part == b"\r\n\r\n") else { return answer.to_vec() };
    let head = String::from_utf8_lossy(&answer[..end]);
    let lines = head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let mut all = lines.collect::<Vec<_>>().join("\r\n").into_bytes();
    all.extend_from_slice(&answer[end..]);
    all
}
