//! The way to brokers: directly, through a proxy, or through Session Manager; chosen by the command line, or by what works.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::proxy::{Proxy, ProxyError};
use super::tunnel::{Gate, Tunnels};
use super::{ConnectError, Server};

/// How long a broker may take to accept a connection, directly or by a way of which one knows that it leads there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// The same through a proxy.
const PROXY_TIMEOUT: Duration = Duration::from_secs(10);

/// By which way brokers are reached, as somebody says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    /// Directly where that works; else through this proxy, which the environment names; else through Session Manager.
    Auto(Option<Proxy>),
    Direct,
    Proxy(Proxy),
    /// Through Session Manager, by a tunnel to each broker.
    Ssm,
}

impl Default for Via {
    /// As without a word, and without an environment.
    fn default() -> Via {
        Via::Auto(None)
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Via::Auto(_) => f.write_str("auto"),
            Via::Direct => f.write_str("direct"),
            Via::Proxy(proxy) => write!(f, "{proxy}"),
            Via::Ssm => f.write_str("ssm"),
        }
    }
}

impl Via {
    /// Reads `auto`, `direct`, `ssm` or a proxy's URL.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Via, String> {
        match text {
            "auto" => Ok(Via::Auto(None)),
            "direct" => Ok(Via::Direct),
            "ssm" => Ok(Via::Ssm),
            url if url.contains("://") => Proxy::parse(url).map(Via::Proxy),
            _ => Err("it is auto, direct, ssm, or the URL of a proxy such as socks5://HOST:PORT".to_owned()),
        }
    }

    /// Reads the URL of a proxy.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse_proxy(url: &str) -> Result<Via, String> {
        Proxy::parse(url).map(Via::Proxy)
    }

    /// The same with the proxy that the environment names: `all` is the value of ALL_PROXY. Where a way was named, it stays.
    ///
    /// # Errors
    /// That the variable has no proxy's URL.
    pub fn or_environment(self, all: Option<&str>) -> Result<Via, String> {
        match (self, all.filter(|url| !url.is_empty())) {
            (Via::Auto(None), Some(url)) => {
                // curl takes a name without a scheme as an HTTP proxy.
                let whole = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
                Ok(Via::Auto(Some(Proxy::parse(&whole).map_err(|why| format!("ALL_PROXY: {why}"))?)))
            }
            (via, _) => Ok(via),
        }
    }
}

/// A way, as it is gone.
#[derive(Debug, Clone)]
enum Route {
    Direct,
    Proxy(Proxy),
    /// Without tunnels where there is nothing to make them with.
    Tunnels(Option<Arc<Tunnels>>),
}

/// The way to the brokers of one cluster. What `auto` has found once stays.
#[derive(Debug, Default)]
pub struct Way {
    via: Via,
    tunnels: Option<Arc<Tunnels>>,
    found: Mutex<Option<Route>>,
}

impl Way {
    /// The way that `via` says; `gate` is what tunnels are made with, where that may be done.
    pub fn new(via: Via, gate: Option<Gate>) -> Way {
        Way { via, tunnels: gate.map(|gate| Arc::new(Tunnels::new(gate))), found: Mutex::default() }
    }

    fn route(&self) -> Route {
        match &self.via {
            Via::Direct => Route::Direct,
            Via::Proxy(proxy) => Route::Proxy(proxy.clone()),
            Via::Ssm => Route::Tunnels(self.tunnels.clone()),
            Via::Auto(_) => self.found().unwrap_or(Route::Direct),
        }
    }

    /// Whether connections end in a tunnel of this machine, which takes them whatever is behind it.
    pub(super) fn is_tunnel(&self) -> bool {
        matches!(self.route(), Route::Tunnels(_))
    }

    fn found(&self) -> Option<Route> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, route: Route) {
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(route);
    }

    /// Prepares the way to `brokers`: opens tunnels that are missing, and finds a way where one is to be found and none is known yet. It
    /// tries all brokers at once, and fails in nothing: whoever connects hears why that does not work.
    pub async fn find(&self, brokers: &[Server]) {
        if brokers.is_empty() {
            return;
        }
        if let Route::Tunnels(Some(tunnels)) = self.route() {
            tunnels.open(brokers).await;
        }
        let Via::Auto(proxy) = &self.via else { return };
        if self.found().is_some() {
            return;
        }
        let tunnels = self.tunnels.as_ref().filter(|tunnels| tunnels.gate().has_plugin());
        if proxy.is_none() && tunnels.is_none() {
            return;
        }
        let looked = look(brokers, &Route::Direct).await;
        if looked == Looked::Reached {
            return self.keep(Route::Direct);
        }
        if let Some(proxy) = proxy {
            let route = Route::Proxy(proxy.clone());
            if look(brokers, &route).await == Looked::Reached {
                return self.keep(route);
            }
        }
        // A host that refuses is reached: its Kafka does not listen yet.
        if let Some(tunnels) = tunnels.filter(|_| looked == Looked::Silent)
            && tunnels.open(brokers).await
        {
            self.keep(Route::Tunnels(Some(tunnels.clone())));
        }
    }

    /// A connection to `broker`.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn connect(&self, broker: &Server) -> Result<TcpStream, ConnectError> {
        self.route().connect(broker).await
    }

    /// Ends what was started for it.
    pub async fn close(&self) {
        if let Some(tunnels) = &self.tunnels {
            tunnels.close().await;
        }
    }
}

/// What a look at all brokers has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looked {
    /// One accepts connections.
    Reached,
    /// None does, and the host of one says so.
    Refused,
    /// Nothing is heard of any.
    Silent,
}

/// Whether one of `brokers` is reached.
async fn look(brokers: &[Server], route: &Route) -> Looked {
    let mut all: FuturesUnordered<_> = brokers.iter().map(|broker| route.connect(broker)).collect();
    let mut looked = Looked::Silent;
    while let Some(one) = all.next().await {
        match one {
            Ok(_) => return Looked::Reached,
            Err(ConnectError::Unreachable(why)) if why == REFUSED => looked = Looked::Refused,
            Err(_) => {}
        }
    }
    looked
}

/// What is said of a host where nothing listens on the port.
const REFUSED: &str = "the connection was refused";

impl Route {
    async fn connect(&self, to: &Server) -> Result<TcpStream, ConnectError> {
        let late = |limit: Duration| format!("no answer within {} s", limit.as_secs());
        let direct = async |host: &str, port: u16| {
            let connected = timeout(CONNECT_TIMEOUT, TcpStream::connect((host, port))).await;
            let connected = connected.unwrap_or_else(|_| Err(io::Error::other(late(CONNECT_TIMEOUT))));
            connected.map_err(|error| match error.kind() {
                io::ErrorKind::ConnectionRefused => ConnectError::Unreachable(REFUSED.to_owned()),
                _ => ConnectError::Unreachable(error.to_string()),
            })
        };
        match self {
            Route::Direct => direct(&to.host, to.port).await,
            Route::Tunnels(None) => Err(ConnectError::Way(NO_GATE.to_owned())),
            Route::Tunnels(Some(tunnels)) => {
                let port = tunnels.port(to).await.map_err(|why| ConnectError::Way(format!("{to}: {why}")))?;
                direct("127.0.0.1", port).await
            }
            Route::Proxy(proxy) => match timeout(PROXY_TIMEOUT, proxy.connect(to)).await {
                Ok(Ok(stream)) => Ok(stream),
                Ok(Err(ProxyError::Proxy(why))) => Err(ConnectError::Way(why)),
                Ok(Err(ProxyError::Target(why))) => Err(ConnectError::Unreachable(why)),
                Err(_) => {
                    Err(ConnectError::Way(format!("through the proxy {proxy} there was {}", late(PROXY_TIMEOUT))))
                }
            },
        }
    }
}

/// Why there are no tunnels where none can be made.
const NO_GATE: &str =
    "Session Manager has no way there: the stack has no instances of its own that could forward a port";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_are_read() {
        let read = |text: &str| Via::parse(text).map(|via| via.to_string());
        for text in ["auto", "direct", "ssm", "socks5://h:1", "http://h:2"] {
            assert_eq!(read(text), Ok(text.to_owned()));
        }
        for text in ["", "proxy", "ftp://h", "https://h"] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(Via::parse_proxy("direct").is_err());
        let environment = |via: Via, all: &str| via.or_environment(Some(all));
        assert_eq!(environment(Via::Direct, "socks5://h"), Ok(Via::Direct));
        assert_eq!(environment(Via::default(), ""), Ok(Via::default()));
        let named = Via::Auto(Some(Proxy::parse("http://h:3").unwrap()));
        assert_eq!(environment(Via::default(), "h:3"), Ok(named));
        assert!(environment(Via::default(), "ftp://me:canary@h").unwrap_err().starts_with("ALL_PROXY: "));
    }
}
