//! A connection to a broker: requests and answers of Kafka's protocol, with a limit on every size.

use std::io;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use jiff::Timestamp;
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse, RequestHeader};
use kafka_protocol::protocol::{
    Decodable, Encodable, HeaderVersion, Request, StrBytes, encode_request_header_into_buffer,
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use super::shape::{self, Shape, walk};
use super::{ConnectError, Link, Server, tls};
use crate::pki;

/// How long a broker may take to list its API versions in plaintext. A lost packet is sent again after one second.
const GREETING_TIMEOUT: Duration = Duration::from_secs(4);
/// The same with TLS and a proof of who one is, on a busy machine.
const SECURED_TIMEOUT: Duration = Duration::from_secs(15);
/// The longest answer that is read.
const LONGEST_ANSWER_BYTES: u64 = 64 << 20;
/// The first two bytes of TLS's alerts, which a listener with TLS has for a client without.
const TLS_ALERT: [u8; 2] = [0x15, 0x03];

/// What bytes come and go on: TCP, with or without TLS.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A connection on which requests are answered.
pub struct Connection {
    stream: Box<dyn Stream>,
    requests: i32,
    /// Whether the broker knows a user.
    user: bool,
    /// When the certificate ends that the broker has shown.
    certificate_ends: Option<Timestamp>,
}

/// Why a request has no answer.
#[derive(Debug)]
enum CallError {
    /// The connection itself.
    Broken(io::Error),
    /// What came on it.
    Answer(String),
}

impl CallError {
    fn text(self) -> String {
        match self {
            CallError::Broken(error) => format!("the connection broke: {error}"),
            CallError::Answer(text) => text,
        }
    }
}

impl Connection {
    /// A connection to `broker` by the link's way, known to be to the right one, as whom the link says; and the requests that the
    /// broker knows.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub async fn open(broker: &Server, link: &Link) -> Result<(Connection, ApiVersionsResponse), ConnectError> {
        let stream = link.way.connect(broker).await?;
        let (limit, security) = match link.security.is_plaintext() {
            true => (GREETING_TIMEOUT, "its API versions"),
            false => (SECURED_TIMEOUT, "the handshake"),
        };
        let greeted = timeout(limit, Box::pin(Connection::greet(stream, broker, link))).await;
        greeted.unwrap_or_else(|_| {
            Err(ConnectError::Stranger(format!("no answer within {} s to {security}", limit.as_secs())))
        })
    }

    async fn greet(
        stream: tokio::net::TcpStream,
        broker: &Server,
        link: &Link,
    ) -> Result<(Connection, ApiVersionsResponse), ConnectError> {
        let security = &link.security;
        let (stream, certificate_ends): (Box<dyn Stream>, _) = match security.tls() {
            None => (Box::new(stream), None),
            Some(config) => {
                let secured = tls::secure(stream, broker, config).await;
                let secured = secured.map_err(|error| tls::refusal(&error, broker, security, link.way.is_tunnel()))?;
                let shown = secured.get_ref().1.peer_certificates().and_then(|all| all.first());
                let ends = shown.and_then(|one| pki::ends(one));
                (Box::new(secured), ends)
            }
        };
        let mut connection = Connection { stream, requests: 0, user: security.sasl().is_some(), certificate_ends };
        let versions = match connection.request(&ApiVersionsRequest::default(), 0, shape::API_VERSIONS_0).await {
            Ok(versions) => versions,
            // In TLS 1.3 a broker looks at the client's certificate after the client has seen the handshake's end.
            Err(CallError::Broken(error)) if security.tls().is_some() => {
                return Err(tls::refusal(&error, broker, security, link.way.is_tunnel()));
            }
            Err(CallError::Answer(text)) if text == SPEAKS_TLS => return Err(ConnectError::Refused(text)),
            Err(error) => return Err(ConnectError::Stranger(error.text())),
        };
        check("ApiVersions", versions.error_code).map_err(ConnectError::Stranger)?;
        if let Some(sasl) = security.sasl() {
            sasl.prove(&mut connection, broker).await.map_err(ConnectError::Refused)?;
        }
        Ok((connection, versions))
    }

    /// When the certificate ends that the broker has shown; `None` in plaintext.
    pub fn certificate_ends(&self) -> Option<Timestamp> {
        self.certificate_ends
    }

    /// Sends a request and reads its answer, which must have this shape to its end.
    ///
    /// # Errors
    /// That the connection broke, or what was wrong with the answer.
    pub async fn call<R>(&mut self, request: &R, version: i16, shape: &[Shape]) -> Result<R::Response, String>
    where
        R: Request + Encodable + HeaderVersion,
        R::Response: Decodable + HeaderVersion,
    {
        self.request(request, version, shape).await.map_err(|error| match error {
            // The API versions are told to everybody.
            CallError::Broken(_) if self.requests == 2 && !self.user => {
                "it closed the connection at the first question, as a listener does that asks for a user".to_owned()
            }
            error => error.text(),
        })
    }

    async fn request<R>(&mut self, request: &R, version: i16, shape: &[Shape]) -> Result<R::Response, CallError>
    where
        R: Request + Encodable + HeaderVersion,
        R::Response: Decodable + HeaderVersion,
    {
        self.requests += 1;
        note(R::KEY);
        let wrong = |error: &dyn std::fmt::Display| CallError::Answer(error.to_string());
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.requests)
            .with_client_id(Some(StrBytes::from_static_str("kstack")));
        let mut body = BytesMut::new();
        encode_request_header_into_buffer(&mut body, &header).map_err(|error| wrong(&error))?;
        request.encode(&mut body, version).map_err(|error| wrong(&error))?;
        let length = u32::try_from(body.len()).map_err(|_| wrong(&"the request is too long"))?;
        // At once: with TLS each write is a record.
        let whole = [&length.to_be_bytes()[..], &body].concat();
        self.stream.write_all(&whole).await.map_err(CallError::Broken)?;
        self.stream.flush().await.map_err(CallError::Broken)?;
        let length = self.stream.read_u32().await.map_err(CallError::Broken)?;
        if length.to_be_bytes().starts_with(&TLS_ALERT) {
            return Err(wrong(&SPEAKS_TLS));
        }
        let length = u64::from(length);
        if length > LONGEST_ANSWER_BYTES {
            return Err(wrong(&format!(
                "its answer has {length} bytes, and kstack reads at most {LONGEST_ANSWER_BYTES}"
            )));
        }
        // Memory grows with what arrives, not with what is announced.
        let mut answer = Vec::new();
        (&mut self.stream).take(length).read_to_end(&mut answer).await.map_err(CallError::Broken)?;
        let head = if R::Response::header_version(version) == 0 { shape::HEADER_0 } else { shape::HEADER_1 };
        decode(answer, self.requests, head, shape, version).map_err(CallError::Answer)
    }
}

/// Only builds for tests: writes the key of a request that is sent as a line into the file that is named.
fn note(key: i16) {
    if !cfg!(debug_assertions) {
        return;
    }
    let Some(path) = std::env::var_os("KSTACK_TEST_REQUESTS") else { return };
    if let Ok(mut file) = std::fs::OpenOptions::new().append(true).create(true).open(path) {
        drop(std::io::Write::write_all(&mut file, format!("{key}\n").as_bytes()));
    }
}

/// What is said of a listener that has TLS for a client that has none.
const SPEAKS_TLS: &str = "it speaks TLS there, and kstack spoke plaintext";

/// The body of an answer, when all of it is as it should be.
///
/// # Errors
/// What is wrong with it.
pub fn decode<T: Decodable>(
    answer: Vec<u8>,
    expected: i32,
    head: &[Shape],
    shape: &[Shape],
    version: i16,
) -> Result<T, String> {
    let broken = || "an answer that is not of Kafka's protocol".to_owned();
    let body = walk(head, &answer).ok_or_else(broken)?;
    let correlation = answer.first_chunk().map(|bytes| i32::from_be_bytes(*bytes));
    if correlation != Some(expected) || walk(shape, body).is_none_or(|rest| !rest.is_empty()) {
        return Err(broken());
    }
    let start = answer.len() - body.len();
    let mut body = Bytes::from(answer);
    body.advance(start);
    T::decode(&mut body, version).map_err(|error| format!("an answer that can't be read: {error}"))
}

/// Kafka's error, unless the code is 0.
///
/// # Errors
/// Its name.
pub fn check(what: &str, code: i16) -> Result<(), String> {
    match kafka_protocol::ResponseError::try_from_code(code) {
        None => Ok(()),
        Some(error) => Err(format!("{what} failed with {error:?}")),
    }
}
