use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::BytesMut;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiKey, CreateAclsRequest, CreateAclsResponse, ResponseHeader};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::super::acls;
use super::*;

#[test]
fn a_fault_is_before_a_request_after_it_or_of_its_answer() {
    assert_eq!(Fault::read("3"), Some((3, Fault::After)));
    assert_eq!(Fault::read("-3"), Some((3, Fault::Before)));
    assert_eq!(Fault::read("~3"), Some((3, Fault::Lost)));
    assert_eq!(Fault::read("~"), None);
}

/// A broker that does whatever it is asked, and counts that.
async fn serve(mut stream: TcpStream, done: &AtomicUsize) -> Option<()> {
    loop {
        let mut request = vec![0; stream.read_u32().await.ok()? as usize];
        stream.read_exact(&mut request).await.ok()?;
        let number = |at: usize| i16::from_be_bytes([request[at], request[at + 1]]);
        let (key, version) = (ApiKey::try_from(number(0)).ok()?, number(2));
        let correlation = i32::from_be_bytes([request[4], request[5], request[6], request[7]]);
        let mut answer = BytesMut::new();
        let head = ResponseHeader::default().with_correlation_id(correlation);
        head.encode(&mut answer, key.response_header_version(version)).ok()?;
        if key == ApiKey::ApiVersions {
            let acls = ApiVersion::default().with_api_key(CreateAclsRequest::KEY).with_max_version(3);
            ApiVersionsResponse::default().with_api_keys(vec![acls]).encode(&mut answer, version).ok()?;
        } else {
            done.fetch_add(1, Ordering::Relaxed);
            CreateAclsResponse::default().encode(&mut answer, version).ok()?;
        }
        stream.write_u32(u32::try_from(answer.len()).ok()?).await.ok()?;
        stream.write_all(&answer).await.ok()?;
    }
}

#[tokio::test]
async fn a_lost_answer_is_of_a_request_that_was_done_and_the_next_one_has_another_connection() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (connections, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counts = (connections.clone(), done.clone());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counts.0.fetch_add(1, Ordering::Relaxed);
            let done = counts.1.clone();
            tokio::spawn(async move { serve(stream, &done).await });
        }
    });
    let server = Server { host: "127.0.0.1".to_owned(), port };
    let brokers = Brokers::new(vec![server], Link::default(), &|| true);
    *brokers.fault.lock().await = Some((2, Fault::Lost));
    let mut answers = Vec::new();
    for _ in 0..4 {
        let answer = acls::give(&brokers, &[]).await;
        answers.push(answer.is_ok());
        let lost = matches!(answer, Err(BrokersError::Lost(_)));
        let seen = (connections.load(Ordering::Relaxed), done.load(Ordering::Relaxed));
        let expected = [(1, 1), (1, 2), (2, 3), (2, 4)][answers.len() - 1];
        assert_eq!((seen, lost), (expected, answers.len() == 2));
    }
    assert_eq!(answers, [true, false, true, true]);
}
