//! A proxy on the way to a broker: SOCKS5 (RFC 1928, RFC 1929) or HTTP's CONNECT (RFC 9110). Names are resolved by the proxy.

use std::fmt;
use std::net::Ipv4Addr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Server;

/// The longest head of an HTTP answer that is read.
const LONGEST_HEAD: usize = 16 << 10;

/// A proxy, as a URL names it: `socks5://[USER:PASSWORD@]HOST[:PORT]` or `http://…`.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    socks: bool,
    at: Server,
    /// A name and a password, for a proxy that asks for them.
    user: Option<(String, String)>,
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.socks { "socks5" } else { "http" }, self.at)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Proxy {
    /// Reads a URL.
    ///
    /// # Errors
    /// What is wrong with it; nothing of a password is in the words.
    pub fn parse(url: &str) -> Result<Proxy, String> {
        const FORM: &str = "a proxy is socks5://HOST:PORT or http://HOST:PORT, with USER:PASSWORD@ before the host where it asks for them";
        let (scheme, rest) = url.split_once("://").ok_or(FORM)?;
        let (socks, default) = match scheme.to_ascii_lowercase().as_str() {
            "socks5" | "socks5h" => (true, 1080),
            "http" => (false, 80),
            "https" | "socks4" | "socks4a" | "socks" => {
                return Err(format!("kstack does not speak {scheme} with a proxy; {FORM}"));
            }
            _ => return Err(FORM.to_owned()),
        };
        let rest = rest.split_once(['/', '?', '#']).map_or(rest, |(authority, _)| authority);
        let (user, at) = rest.rsplit_once('@').map_or((None, rest), |(user, at)| (Some(user), at));
        let (host, port) = match at.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| FORM)?),
            None => (at, default),
        };
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control() || c == '[' || c == ':') {
            return Err(FORM.to_owned());
        }
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let user = user.map(|user| user.split_once(':').unwrap_or((user, "")));
        let user = user.map(|(name, password)| (decoded(name), decoded(password)));
        if user.as_ref().is_some_and(|(name, password)| name.is_empty() || name.len() > 255 || password.len() > 255) {
            return Err(format!("the proxy's user or password is longer than 255 bytes, or there is no user; {FORM}"));
        }
        Ok(Proxy { socks, at: Server { host: host.to_owned(), port }, user })
    }

    /// A connection to `to` through the proxy.
    ///
    /// # Errors
    /// Whether the proxy or what is behind it is at fault, and why.
    pub async fn connect(&self, to: &Server) -> Result<TcpStream, ProxyError> {
        let gone = |error: std::io::Error| ProxyError::Proxy(format!("the proxy {self} can't be reached: {error}"));
        let mut stream = TcpStream::connect((self.at.host.as_str(), self.at.port)).await.map_err(gone)?;
        match self.socks {
            true => self.socks5(&mut stream, to).await?,
            false => self.http(&mut stream, to).await?,
        }
        Ok(stream)
    }

    fn broken(&self) -> impl Fn(std::io::Error) -> ProxyError {
        move |error| ProxyError::Proxy(format!("the proxy {self} broke the connection: {error}"))
    }

    fn wrong(&self, what: &str) -> ProxyError {
        ProxyError::Proxy(format!("the proxy {self} {what}"))
    }

    async fn socks5(&self, stream: &mut TcpStream, to: &Server) -> Result<(), ProxyError> {
        let methods: &[u8] = if self.user.is_some() { &[5, 2, 0, 2] } else { &[5, 1, 0] };
        stream.write_all(methods).await.map_err(self.broken())?;
        let mut chosen = [0; 2];
        stream.read_exact(&mut chosen).await.map_err(self.broken())?;
        match (chosen, &self.user) {
            ([5, 0], _) => {}
            ([5, 2], Some((name, password))) => {
                let length = |text: &str| u8::try_from(text.len()).unwrap_or(u8::MAX);
                let parts = [&[1, length(name)], name.as_bytes(), &[length(password)], password.as_bytes()];
                stream.write_all(&parts.concat()).await.map_err(self.broken())?;
                let mut answer = [0; 2];
                stream.read_exact(&mut answer).await.map_err(self.broken())?;
                if answer[1] != 0 {
                    return Err(self.wrong("does not take the user and password"));
                }
            }
            ([5, _], None) => return Err(self.wrong("asks for a user and a password, and its URL has none")),
            ([5, _], Some(_)) => return Err(self.wrong("takes no user with a password")),
            _ => return Err(self.wrong("does not speak SOCKS5")),
        }
        let host = match to.host.parse::<Ipv4Addr>() {
            Ok(address) => [&[1][..], &address.octets()].concat(),
            Err(_) => {
                let length = u8::try_from(to.host.len()).map_err(|_| self.wrong("takes no name of that length"))?;
                [&[3, length][..], to.host.as_bytes()].concat()
            }
        };
        let request = [&[5, 1, 0][..], &host, &to.port.to_be_bytes()].concat();
        stream.write_all(&request).await.map_err(self.broken())?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await.map_err(self.broken())?;
        match answer[1] {
            0 => {}
            1 => return Err(self.wrong("failed")),
            2 => return Err(self.wrong("does not allow the connection")),
            3 => return Err(ProxyError::Target("no network leads there, says the proxy".to_owned())),
            4 => return Err(ProxyError::Target("there is no such host, says the proxy".to_owned())),
            5 => return Err(ProxyError::Target("the connection was refused, says the proxy".to_owned())),
            6 => return Err(ProxyError::Target("it does not answer, says the proxy".to_owned())),
            other => return Err(self.wrong(&format!("answers with SOCKS5's code {other}"))),
        }
        // The proxy's own address at the other side, which nobody needs.
        let length = match answer[3] {
            1 => 4,
            4 => 16,
            3 => usize::from(stream.read_u8().await.map_err(self.broken())?),
            _ => return Err(self.wrong("does not speak SOCKS5")),
        };
        let mut rest = vec![0; length + 2];
        stream.read_exact(&mut rest).await.map_err(self.broken())?;
        Ok(())
    }

    async fn http(&self, stream: &mut TcpStream, to: &Server) -> Result<(), ProxyError> {
        let user = self.user.as_ref().map(|(name, password)| STANDARD.encode(format!("{name}:{password}")));
        let user = user.map(|user| format!("Proxy-Authorization: Basic {user}\r\n")).unwrap_or_default();
        let request = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n{user}\r\n");
        stream.write_all(request.as_bytes()).await.map_err(self.broken())?;
        let mut head = Vec::new();
        // Byte by byte: what follows the head is the broker's.
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() > LONGEST_HEAD {
                return Err(self.wrong("does not speak HTTP"));
            }
            head.push(stream.read_u8().await.map_err(self.broken())?);
        }
        let head = String::from_utf8_lossy(&head);
        let status = head.lines().next().unwrap_or_default();
        let code = status.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)).unwrap_or_default();
        match code {
            "200" => Ok(()),
            "407" => Err(self.wrong("asks for another user and password than its URL has")),
            "403" | "405" => Err(self.wrong(&format!("does not allow the connection: {status}"))),
            "502" | "503" | "504" => Err(ProxyError::Target(format!("the proxy says: {status}"))),
            "" => Err(self.wrong("does not speak HTTP")),
            _ => Err(self.wrong(&format!("answers: {status}"))),
        }
    }
}

/// Why there is no connection through a proxy.
#[derive(Debug, PartialEq, Eq)]
pub enum ProxyError {
    /// The proxy itself.
    Proxy(String),
    /// What is behind it.
    Target(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[test]
    fn urls_are_read_and_passwords_are_not_shown() {
        let one = Proxy::parse("socks5h://me:can%40ary@proxy.corp:1081/").unwrap();
        assert_eq!(one.user, Some(("me".to_owned(), "can@ary".to_owned())));
        assert_eq!(
            (format!("{one}"), format!("{one:?}")),
            ("socks5://proxy.corp:1081".to_owned(), "socks5://proxy.corp:1081".to_owned())
        );
        assert_eq!(Proxy::parse("HTTP://10.0.0.1").unwrap().to_string(), "http://10.0.0.1:80");
        assert_eq!(Proxy::parse("socks5://localhost").unwrap().to_string(), "socks5://localhost:1080");
        let wrong = [
            "",
            "proxy:80",
            "ftp://x",
            "https://x:1",
            "socks4://x",
            "http://",
            "http://x:port",
            "http://x:70000",
            "http://canary:canary@",
        ];
        for url in wrong {
            let error = Proxy::parse(url).unwrap_err();
            assert!(error.contains("a proxy is socks5://HOST:PORT") && !error.contains("canary"), "{url}: {error}");
        }
    }

    /// A proxy that reads once and gives this answer, and what it was asked.
    async fn answering(answer: &'static [u8]) -> (u16, tokio::task::JoinHandle<Vec<u8>>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = vec![0; 512];
            let length = stream.read(&mut asked).await.unwrap();
            asked.truncate(length);
            stream.write_all(answer).await.unwrap();
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
            asked
        });
        (port, asked)
    }

    #[tokio::test]
    async fn what_a_proxy_answers_is_said() {
        let to = Server { host: "broker".to_owned(), port: 9092 };
        let cases: [(&str, &'static [u8], &str); 9] = [
            ("socks5", &[5, 0xff], "asks for a user and a password"),
            ("socks5", &[4, 0], "does not speak SOCKS5"),
            ("socks5", &[5, 0, 5, 5, 0, 1, 0, 0, 0, 0, 0, 0], "the connection was refused, says the proxy"),
            ("socks5", &[5, 0, 5, 2, 0, 1, 0, 0, 0, 0, 0, 0], "does not allow the connection"),
            ("socks5", b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak SOCKS5"),
            ("http", b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "asks for another user and password"),
            ("http", b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "the proxy says: HTTP/1.1 503"),
            ("http", b"HTTP/1.1 403 Forbidden\r\n\r\n", "does not allow the connection"),
            ("http", b"SSH-2.0-x\r\n\r\n", "does not speak HTTP"),
        ];
        for (scheme, answer, words) in cases {
            let (port, _) = answering(answer).await;
            let proxy = Proxy::parse(&format!("{scheme}://127.0.0.1:{port}")).unwrap();
            let (ProxyError::Proxy(why) | ProxyError::Target(why)) = proxy.connect(&to).await.unwrap_err();
            assert!(why.contains(words), "{words}: {why}");
        }
    }

    #[tokio::test]
    async fn a_user_is_shown_to_an_http_proxy() {
        let (port, asked) = answering(b"HTTP/1.1 200 Connection established\r\n\r\n").await;
        let proxy = Proxy::parse(&format!("http://me:secret@127.0.0.1:{port}")).unwrap();
        drop(proxy.connect(&Server { host: "b".to_owned(), port: 1 }).await.unwrap());
        let asked = String::from_utf8(asked.await.unwrap()).unwrap();
        assert_eq!(asked, "CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\nProxy-Authorization: Basic bWU6c2VjcmV0\r\n\r\n");
    }
}
