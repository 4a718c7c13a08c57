//! The brokers of a cluster, any of which may be asked: connections that are kept from one request to the next.

use std::collections::BTreeMap;

use kafka_protocol::messages::ApiVersionsResponse;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::shape::Shape;
use super::{ConnectError, Connection, Link, Server};

/// How long a broker may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How many brokers are tried at once for the first connection.
const AT_ONCE: usize = 6;

/// Why brokers did not do what they were asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrokersError {
    /// No broker can be reached, or lets kstack in: nothing was asked.
    #[error("no broker can be asked: {0}")]
    Unasked(String),
    /// A request was sent, and there is no answer: it may have been done.
    #[error("{0}")]
    Lost(String),
    /// Kafka refuses, or is too old.
    #[error("{0}")]
    Refused(String),
    /// The stack's lease has ended, so another run may be at work.
    #[error("the lease on the stack has ended, so nothing more was started")]
    NoLease,
}

/// An open connection, and the requests that its broker knows.
struct Line {
    broker: Server,
    connection: Connection,
    versions: ApiVersionsResponse,
}

/// The brokers of a cluster, as whom and by which way they are asked, and whether this process may write now.
pub struct Brokers<'a> {
    servers: Vec<Server>,
    link: Link,
    /// Each by its id, where that is known.
    nodes: BTreeMap<u32, Server>,
    /// Where clients with passwords reach them.
    scram: Vec<Server>,
    may_write: &'a dyn Fn() -> bool,
    line: Mutex<Option<Line>>,
    /// Only builds for tests: after how many requests that change something which fault comes.
    fault: Mutex<Option<(u32, Fault)>>,
}

/// What a test lets go wrong at a request that changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// `-3`: the process dies before the third one is sent.
    Before,
    /// `3`: the process dies after it.
    After,
    /// `~3`: it is done, and its answer is lost with the connection.
    Lost,
}

impl Fault {
    /// What `KSTACK_TEST_DIE_IN_KAFKA` says in a build for tests.
    fn asked() -> Option<(u32, Fault)> {
        let text = if cfg!(debug_assertions) { std::env::var("KSTACK_TEST_DIE_IN_KAFKA").ok()? } else { return None };
        Fault::read(&text)
    }

    fn read(text: &str) -> Option<(u32, Fault)> {
        let signs = [("-", Fault::Before), ("~", Fault::Lost)];
        let signed = signs.iter().find_map(|(sign, fault)| Some((text.strip_prefix(sign)?, *fault)));
        let (number, fault) = signed.unwrap_or((text, Fault::After));
        Some((number.parse().ok()?, fault))
    }
}

impl<'a> Brokers<'a> {
    /// The brokers at these servers, each by its id.
    pub fn by_id(nodes: BTreeMap<u32, Server>, link: Link, may_write: &'a dyn Fn() -> bool) -> Brokers<'a> {
        let servers = nodes.values().cloned().collect();
        Brokers { nodes, ..Brokers::new(servers, link, may_write) }
    }

    /// The ids that are known.
    pub fn nodes(&self) -> impl Iterator<Item = u32> {
        self.nodes.keys().copied()
    }

    /// The brokers at `servers`.
    pub fn new(servers: Vec<Server>, link: Link, may_write: &'a dyn Fn() -> bool) -> Brokers<'a> {
        Brokers {
            servers,
            link,
            nodes: BTreeMap::new(),
            scram: Vec::new(),
            may_write,
            line: Mutex::default(),
            fault: Mutex::new(Fault::asked()),
        }
    }

    /// Each by its id, how it is asked, and whether this process may write; no broker where ids are not known.
    pub fn each(&self) -> (&BTreeMap<u32, Server>, &Link, &'a dyn Fn() -> bool) {
        (&self.nodes, &self.link, self.may_write)
    }

    /// The same brokers, which clients with passwords reach at `scram`.
    #[must_use]
    pub fn with_scram(self, scram: Vec<Server>) -> Brokers<'a> {
        Brokers { scram, ..self }
    }

    /// Where clients with passwords reach them; empty where that is not known, or nowhere.
    pub fn scram(&self) -> &[Server] {
        &self.scram
    }

    /// Asks a broker; `shapes` are the versions of the request that kstack knows, from the oldest to the newest, with the shapes of their
    /// answers.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn ask<R>(&self, request: &R, shapes: &[(i16, &[Shape])]) -> Result<R::Response, BrokersError>
    where
        R: Request + Encodable + HeaderVersion,
        R::Response: Decodable + HeaderVersion,
    {
        let mut line = self.line.lock().await;
        let open = match line.take() {
            Some(open) => open,
            None => Box::pin(self.open()).await?,
        };
        let (answer, open) = call(open, request, shapes).await?;
        *line = Some(open);
        Ok(answer)
    }

    /// Asks the broker with the id `node`, which alone can answer, on a connection for this.
    ///
    /// # Errors
    /// As [`Brokers::ask`].
    pub async fn ask_node<R>(
        &self,
        node: u32,
        request: &R,
        shapes: &[(i16, &[Shape])],
    ) -> Result<R::Response, BrokersError>
    where
        R: Request + Encodable + HeaderVersion,
        R::Response: Decodable + HeaderVersion,
    {
        let server = self.nodes.get(&node);
        let server = server.ok_or_else(|| BrokersError::Unasked(format!("there is no broker {node}")))?;
        self.link.way.find(std::slice::from_ref(server)).await;
        let opened = Box::pin(Connection::open(server, &self.link)).await;
        let (connection, versions) = opened.map_err(|error| BrokersError::Unasked(format!("{server}: {error}")))?;
        let open = Line { broker: server.clone(), connection, versions };
        Ok(call(open, request, shapes).await?.0)
    }

    /// The same for a request that changes something: not without the lease.
    ///
    /// # Errors
    /// As [`Brokers::ask`].
    pub async fn change_node<R>(
        &self,
        node: u32,
        request: &R,
        shapes: &[(i16, &[Shape])],
    ) -> Result<R::Response, BrokersError>
    where
        R: Request + Encodable + HeaderVersion,
        R::Response: Decodable + HeaderVersion,
    {
        self.write(self.ask_node(node, request, shapes)).await
    }

    /// The same for a request that changes something: not without the lease.
    ///
    /// # Errors
    /// As [`Brokers::ask`].
    pub async fn change<R>(&self, request: &R, shapes: &[(i16, &[Shape])]) -> Result<R::Response, BrokersError>
    where
        R: Request + Encodable + HeaderVersion,
        R::Response: Decodable + HeaderVersion,
    {
        self.write(self.ask(request, shapes)).await
    }

    /// Asks what changes something, while this process may.
    async fn write<T>(&self, asked: impl Future<Output = Result<T, BrokersError>>) -> Result<T, BrokersError> {
        if !(self.may_write)() {
            return Err(BrokersError::NoLease);
        }
        let fault = self.fault().await;
        if fault == Some(Fault::Before) {
            std::process::abort();
        }
        let answer = asked.await;
        match fault {
            Some(Fault::After) => std::process::abort(),
            Some(Fault::Lost) => {
                *self.line.lock().await = None;
                Err(BrokersError::Lost("the answer was taken away by a test".to_owned()))
            }
            Some(Fault::Before) | None => answer,
        }
    }

    /// Reaches a broker, and asks nothing yet.
    ///
    /// # Errors
    /// Why none can be reached.
    pub async fn reach(&self) -> Result<(), BrokersError> {
        let mut line = self.line.lock().await;
        if line.is_none() {
            *line = Some(Box::pin(self.open()).await?);
        }
        Ok(())
    }

    /// A connection to the first broker that lets kstack in.
    async fn open(&self) -> Result<Line, BrokersError> {
        self.link.way.find(&self.servers).await;
        let mut last = None;
        for some in self.servers.chunks(AT_ONCE) {
            let open = |server: &Server| {
                let broker = server.clone();
                Box::pin(async move {
                    let opened = Connection::open(&broker, &self.link).await;
                    opened
                        .map(|(connection, versions)| Line { broker: broker.clone(), connection, versions })
                        .map_err(|error| (broker, error))
                })
            };
            let mut waiting: Vec<_> = some.iter().map(open).collect();
            while !waiting.is_empty() {
                let (opened, _, rest) = futures::future::select_all(waiting).await;
                waiting = rest;
                match opened {
                    Ok(line) => return Ok(line),
                    // Who refuses says more than who is not there.
                    Err((broker, error)) => {
                        if last.is_none() || !matches!(error, ConnectError::Unreachable(_)) {
                            last = Some(format!("{broker}: {error}"));
                        }
                    }
                }
            }
        }
        Err(BrokersError::Unasked(last.unwrap_or_else(|| "there is no broker".to_owned())))
    }

    /// The fault of a test, at the request for which it is.
    async fn fault(&self) -> Option<Fault> {
        let mut waiting = self.fault.lock().await;
        let (left, fault) = waiting.take()?;
        if left <= 1 {
            return Some(fault);
        }
        *waiting = Some((left - 1, fault));
        None
    }

    /// Ends what was started for the way to the brokers.
    pub async fn close(&self) {
        self.link.way.close().await;
    }
}

/// Sends the newest version of the request that both know. The connection is given back where an answer came: one on which an answer is
/// missing is not used again.
async fn call<R>(open: Line, request: &R, shapes: &[(i16, &[Shape])]) -> Result<(R::Response, Line), BrokersError>
where
    R: Request + Encodable + HeaderVersion,
    R::Response: Decodable + HeaderVersion,
{
    let Line { broker, mut connection, versions } = open;
    let known = versions.api_keys.iter().find(|one| one.api_key == R::KEY);
    let newest = |(version, _): &&(i16, &[Shape])| {
        known.is_some_and(|known| (known.min_version..=known.max_version).contains(version))
    };
    let Some((version, shape)) = shapes.iter().rev().find(newest) else {
        return Err(BrokersError::Refused(format!("{broker}: its Kafka does not know the request {}", R::KEY)));
    };
    let called = timeout(ANSWER_TIMEOUT, Box::pin(connection.call(request, *version, shape))).await;
    match called {
        Err(_) => Err(BrokersError::Lost(format!("{broker}: no answer within {} s", ANSWER_TIMEOUT.as_secs()))),
        Ok(Err(why)) => Err(BrokersError::Lost(format!("{broker}: {why}"))),
        Ok(Ok(answer)) => Ok((answer, Line { broker, connection, versions })),
    }
}

/// A text of Kafka's protocol.
pub fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// Kafka's error, with its words, unless the code is 0.
///
/// # Errors
/// That.
pub fn refused(what: &str, code: i16, words: Option<&StrBytes>) -> Result<(), BrokersError> {
    super::check(what, code).map_err(|why| {
        let words = words.filter(|words| !words.is_empty()).map(|words| format!(": {words}")).unwrap_or_default();
        BrokersError::Refused(format!("{why}{words}"))
    })
}

#[cfg(test)]
mod tests;
