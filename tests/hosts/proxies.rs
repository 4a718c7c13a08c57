//! Proxies of the test: SOCKS5 and HTTP's CONNECT on one port of this machine, which know the names that they are told.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// A proxy that runs as long as its runtime.
pub struct Behind {
    port: u16,
}

impl Behind {
    /// Its URL.
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// The same, which leads to this address, whatever is asked for.
    pub fn to(&self, address: Ipv4Addr) -> String {
        format!("http://{address}@127.0.0.1:{}", self.port)
    }
}

/// Starts a proxy that resolves `names`, and addresses.
pub async fn start(names: BTreeMap<String, Ipv4Addr>) -> Behind {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let names = Arc::new(names);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, names.clone()));
        }
    });
    Behind { port }
}

/// Serves one client; a client that goes away ends it.
async fn serve(mut client: TcpStream, names: Arc<BTreeMap<String, Ipv4Addr>>) -> Option<()> {
    let resolve = |host: &str| names.get(host).copied().or_else(|| host.parse().ok());
    let first = client.read_u8().await.ok()?;
    let (target, yes, no) = if first == 5 {
        let count = client.read_u8().await.ok()?;
        client.read_exact(&mut vec![0; count.into()]).await.ok()?;
        client.write_all(&[5, 0]).await.ok()?;
        let mut head = [0; 4];
        client.read_exact(&mut head).await.ok()?;
        let host = match head[3] {
            1 => Some(Ipv4Addr::from(client.read_u32().await.ok()?)),
            _ => {
                let mut name = vec![0; client.read_u8().await.ok()?.into()];
                client.read_exact(&mut name).await.ok()?;
                resolve(&String::from_utf8(name).ok()?)
            }
        };
        let port = client.read_u16().await.ok()?;
        let answer = |code: u8| [vec![5, code, 0, 1], vec![0; 6]].concat();
        (host.map(|host| SocketAddrV4::new(host, port)), answer(0), answer(4))
    } else {
        let mut head = vec![first];
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).ok()?;
        let (host, port) = head.strip_prefix("CONNECT ")?.split(' ').next()?.rsplit_once(':')?;
        // A user's name is where everything leads.
        let user = head.split("Basic ").nth(1).and_then(|rest| rest.split("\r\n").next());
        let user = user.and_then(|user| base64::Engine::decode(&base64::engine::general_purpose::STANDARD, user).ok());
        let user = user.and_then(|user| String::from_utf8(user).ok()?.trim_end_matches(':').parse().ok());
        let host = user.or_else(|| resolve(host));
        let answer = |status: &str| format!("HTTP/1.1 {status}\r\n\r\n").into_bytes();
        let target = host.zip(port.parse().ok()).map(|(host, port)| SocketAddrV4::new(host, port));
        (target, answer("200 Connection established"), answer("502 Bad Gateway"))
    };
    let server = match target {
        Some(target) => TcpStream::connect(target).await.ok(),
        None => None,
    };
    let Some(mut server) = server else { return client.write_all(&no).await.ok() };
    client.write_all(&yes).await.ok()?;
    copy_bidirectional(&mut client, &mut server).await.ok().map(drop)
}
