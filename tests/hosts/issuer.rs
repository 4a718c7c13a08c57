//! An issuer of OAuth tokens on this machine: its public key for brokers, and tokens for clients, by keys that a test makes.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use kstack_core::cloud_init::Tokens;
use rcgen::{KeyPair, PublicKeyData as _, SigningKey as _};
use serde_json::{Value, json};

const ISSUER: &str = "https://login.example.com/realms/kafka";
const AUDIENCE: &str = "kafka";

/// The tokens of `issuer` that brokers are to take.
pub fn tokens(issuer: &Issuer) -> Tokens {
    let claim = "client_id".to_owned();
    Tokens { issuer: ISSUER.to_owned(), audience: AUDIENCE.to_owned(), jwks: issuer.url("jwks"), claim }
}

/// It answers until the test ends.
pub struct Issuer {
    pub key: KeyPair,
    address: String,
}

impl Issuer {
    pub fn start() -> Issuer {
        let key = KeyPair::generate().expect("a key");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let point = key.der_bytes();
        // An uncompressed point of P-256: 4, and both coordinates.
        let part = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&point[range]);
        let jwks = json!({"keys": [{
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "1", "x": part(1..33), "y": part(33..65),
        }]});
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let jwks = jwks.clone();
                thread::spawn(move || answer(client, &jwks));
            }
        });
        Issuer { key, address }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// A token that `key` signs, with what is usual in one, and these claims besides or instead.
    pub fn token(&self, key: &KeyPair, claims: &[(&str, Value)]) -> String {
        let now = Timestamp::now().as_second();
        let usual = [
            ("sub", "0b9d2f64-service".into()),
            ("iss", ISSUER.into()),
            ("aud", AUDIENCE.into()),
            ("iat", now.into()),
            ("exp", (now + 3600).into()),
        ];
        let all: BTreeMap<&str, Value> = usual.into_iter().chain(claims.iter().cloned()).collect();
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({"alg": "ES256", "kid": "1", "typ": "JWT"})), part(&json!(all)));
        let signature = key.sign(signed.as_bytes()).expect("a signature");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(plain(&signature)))
    }
}

/// The two numbers of a signature in DER, each of 32 bytes, as JWS has them (RFC 7518, 3.4).
fn plain(der: &[u8]) -> Vec<u8> {
    let mut rest = &der[2..];
    let mut all = Vec::new();
    for _ in 0..2 {
        let length = usize::from(rest[1]);
        let number = &rest[2..2 + length];
        let number = &number[number.len().saturating_sub(32)..];
        all.extend(std::iter::repeat_n(0, 32 - number.len()));
        all.extend(number);
        rest = &rest[2 + length..];
    }
    all
}

/// Gives the keys; or to a client that says who it is the token that it has as its id.
fn answer(mut client: TcpStream, jwks: &Value) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte).is_ok_and(|count| count == 1) {
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let value = |name: &str| {
        let of = |line: &str| {
            line.split_once(':')
                .filter(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.trim().to_owned())
        };
        head.lines().find_map(of)
    };
    let length = value("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let _ = client.read_exact(&mut vec![0; length]);
    let token = value("authorization").and_then(|text| {
        let pair = STANDARD.decode(text.strip_prefix("Basic ")?).ok()?;
        Some(String::from_utf8(pair).ok()?.strip_suffix(":secret")?.to_owned())
    });
    let body = match (head.starts_with("GET /jwks "), token) {
        (true, _) => jwks.clone(),
        (false, Some(token)) => json!({"access_token": token, "token_type": "Bearer", "expires_in": 3600}),
        (false, None) => json!({"error": "invalid_client"}),
    };
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = client.write_all((head + &body).as_bytes());
}
