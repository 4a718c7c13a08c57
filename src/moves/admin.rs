//! Connections to each broker of a cluster, kept from one request to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use kafka_protocol::messages::{ApiVersionsResponse, BrokerId, TopicName};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use tokio::sync::Mutex;
use tokio::time::timeout;

use kstack_core::moves::Marks;

use crate::kafka::shape::Shape;
use crate::kafka::{Connection, Link, Server};

/// How long a broker may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a cluster could not be looked at, or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoveError {
    /// No broker answers; or this one does not.
    #[error("{0}")]
    Silent(String),
    /// Kafka refuses.
    #[error("{0}")]
    Kafka(String),
    /// The stack's lease has ended, so another run may be at work.
    #[error("the lease on the stack has ended, so nothing more was started")]
    NoLease,
}

/// An open connection, and the requests that its broker knows.
struct Line {
    connection: Connection,
    versions: ApiVersionsResponse,
}

/// The brokers of a cluster, and how they are asked.
pub struct Admin<'a> {
    pub(super) servers: BTreeMap<u32, Server>,
    pub(super) link: &'a Link,
    /// Whether all brokers share one disk, as processes of one machine do: then its size says nothing of a broker.
    pub(super) one_disk: bool,
    /// Whether a service runs the brokers, as MSK does: its own topics are left to it, and brokers that it has no more are gone.
    pub(super) managed: bool,
    /// The brokers that stay, where that is said: the others leave.
    pub(super) stay: Option<BTreeSet<u32>>,
    /// Brokers of zones that are evacuated.
    pub(super) evacuated: Marks,
    /// Whether this process may write now.
    may_write: &'a dyn Fn() -> bool,
    lines: BTreeMap<u32, Mutex<Option<Line>>>,
}

/// Only builds for tests: the number of requests that change something after which the process dies, as many as it makes.
static DIES_AFTER: LazyLock<Option<AtomicU32>> = LazyLock::new(|| {
    let test = if cfg!(debug_assertions) { std::env::var("KSTACK_TEST_DIE_AFTER").ok()? } else { return None };
    test.parse().ok().map(AtomicU32::new)
});

impl<'a> Admin<'a> {
    /// The brokers at `servers`, by id.
    pub fn new(
        servers: BTreeMap<u32, Server>,
        link: &'a Link,
        one_disk: bool,
        may_write: &'a dyn Fn() -> bool,
    ) -> Admin<'a> {
        let lines = servers.keys().map(|id| (*id, Mutex::new(None))).collect();
        Admin { servers, link, one_disk, managed: false, stay: None, evacuated: Marks::new(), may_write, lines }
    }

    /// The same, whose brokers a service runs where `managed` says so.
    #[must_use]
    pub fn managed(self, managed: bool) -> Admin<'a> {
        Admin { managed, ..self }
    }

    /// The same, where all brokers leave that are not among these.
    #[must_use]
    pub fn staying(self, stay: BTreeSet<u32>) -> Admin<'a> {
        Admin { stay: Some(stay), ..self }
    }

    /// The same, where the zones of these brokers are evacuated.
    #[must_use]
    pub fn evacuating(self, evacuated: Marks) -> Admin<'a> {
        Admin { evacuated, ..self }
    }

    /// Asks one broker.
    pub(super) async fn ask<R>(
        &self,
        broker: u32,
        request: &R,
        shapes: &[(i16, &[Shape])],
    ) -> Result<R::Response, MoveError>
    where
        R: Request + Encodable + HeaderVersion,
        R::Response: Decodable + HeaderVersion,
    {
        let silent = |why: String| MoveError::Silent(format!("broker {broker}: {why}"));
        let (Some(server), Some(line)) = (self.servers.get(&broker), self.lines.get(&broker)) else {
            return Err(silent("it is no broker of this stack".to_owned()));
        };
        let mut line = line.lock().await;
        let open = match line.take() {
            Some(open) => open,
            None => {
                self.link.way.find(std::slice::from_ref(server)).await;
                let opened = Box::pin(Connection::open(server, self.link)).await;
                let (connection, versions) = opened.map_err(|error| silent(error.to_string()))?;
                Line { connection, versions }
            }
        };
        let Line { mut connection, versions } = open;
        let known = versions.api_keys.iter().find(|one| one.api_key == R::KEY);
        let newest = |(version, _): &&(i16, &[Shape])| {
            known.is_some_and(|known| (known.min_version..=known.max_version).contains(version))
        };
        let Some((version, shape)) = shapes.iter().rev().find(newest) else {
            return Err(MoveError::Kafka(format!(
                "broker {broker}: its Kafka is too old for moves by kstack (request {})",
                R::KEY
            )));
        };
        let called = timeout(ANSWER_TIMEOUT, Box::pin(connection.call(request, *version, shape))).await;
        // A connection on which an answer is missing is not used again.
        match called {
            Err(_) => Err(silent(format!("no answer within {} s", ANSWER_TIMEOUT.as_secs()))),
            Ok(Err(why)) => Err(silent(why)),
            Ok(Ok(answer)) => {
                *line = Some(Line { connection, versions });
                Ok(answer)
            }
        }
    }

    /// Asks the brokers one after another, until one answers.
    pub(super) async fn ask_any<R>(&self, request: &R, shapes: &[(i16, &[Shape])]) -> Result<R::Response, MoveError>
    where
        R: Request + Encodable + HeaderVersion,
        R::Response: Decodable + HeaderVersion,
    {
        let mut last = MoveError::Silent("there is no broker".to_owned());
        for broker in self.servers.keys() {
            match self.ask(*broker, request, shapes).await {
                Err(error @ MoveError::Silent(_)) => last = error,
                other => return other,
            }
        }
        Err(last)
    }

    /// Looks, before a request that changes something, whether this process may write.
    pub(super) fn before_write(&self) -> Result<(), MoveError> {
        if (self.may_write)() { Ok(()) } else { Err(MoveError::NoLease) }
    }

    /// Counts a request that has changed something. A test may let the process die here.
    pub async fn written(&self) {
        self.count();
    }

    /// The same.
    pub fn count(&self) {
        if let Some(left) = &*DIES_AFTER
            && left.fetch_sub(1, Ordering::Relaxed) <= 1
        {
            std::process::abort();
        }
    }

    /// The brokers that stay: all, where nothing else is said.
    pub fn stays(&self) -> BTreeSet<u32> {
        self.stay.clone().unwrap_or_else(|| self.ids())
    }

    /// The ids of all brokers that are known.
    pub fn ids(&self) -> BTreeSet<u32> {
        self.servers.keys().copied().collect()
    }
}

/// A text of Kafka's protocol.
pub(super) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub(super) fn topic(name: &str) -> TopicName {
    TopicName(text(name))
}

pub(super) fn broker_ids(ids: &[u32]) -> Vec<BrokerId> {
    ids.iter().filter_map(|id| i32::try_from(*id).ok()).map(BrokerId).collect()
}

pub(super) fn nodes(ids: &[BrokerId]) -> Vec<u32> {
    ids.iter().filter_map(|id| u32::try_from(id.0).ok()).collect()
}

/// Kafka's error in words, unless the code is 0.
pub(super) fn refused(what: &str, code: i16, words: Option<&StrBytes>) -> Result<(), MoveError> {
    crate::kafka::check(what, code).map_err(|why| {
        let words = words.filter(|words| !words.is_empty()).map(|words| format!(": {words}")).unwrap_or_default();
        MoveError::Kafka(format!("{why}{words}"))
    })
}
