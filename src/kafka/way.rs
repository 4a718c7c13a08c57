//! The way to brokers: directly, or through a proxy; chosen by the command line, or by what works.

use std::fmt;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::proxy::{Proxy, ProxyError};
use super::{ConnectError, Server};

/// How long a broker may take to accept a connection, directly or by a way of which one knows that it leads there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// The same through a proxy.
const PROXY_TIMEOUT: Duration = Duration::from_secs(10);

/// By which way brokers are reached, as somebody says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    /// Directly where that works; else through this proxy, which the environment names.
    Auto(Option<Proxy>),
    Direct,
    Proxy(Proxy),
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
        }
    }
}

impl Via {
    /// Reads `auto`, `direct` or a proxy's URL.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Via, String> {
        match text {
            "auto" => Ok(Via::Auto(None)),
            "direct" => Ok(Via::Direct),
            url if url.contains("://") => Proxy::parse(url).map(Via::Proxy),
            _ => Err("it is auto, direct, or the URL of a proxy such as socks5://HOST:PORT".to_owned()),
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
}

/// The way to the brokers of one cluster. What `auto` has found once stays.
#[derive(Debug, Default)]
pub struct Way {
    via: Via,
    found: Mutex<Option<Route>>,
}

impl Way {
    /// The way that `via` says.
    pub fn new(via: Via) -> Way {
        Way { via, found: Mutex::default() }
    }

    /// Whether connections end in a tunnel of this machine, which takes them whatever is behind it.
    pub(super) fn is_tunnel(&self) -> bool {
        false
    }

    fn found(&self) -> Option<Route> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, route: Route) {
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(route);
    }

    /// Finds a way to `brokers`, where one is to be found and none is known yet. It tries all of them at once, and fails in nothing:
    /// whoever connects hears why that does not work.
    pub async fn find(&self, brokers: &[Server]) {
        let Via::Auto(proxy) = &self.via else { return };
        if self.found().is_some() || brokers.is_empty() {
            return;
        }
        if any(brokers, &Route::Direct).await {
            self.keep(Route::Direct);
        } else if let Some(proxy) = proxy {
            let route = Route::Proxy(proxy.clone());
            if any(brokers, &route).await {
                self.keep(route);
            }
        }
    }

    /// A connection to `broker`.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn connect(&self, broker: &Server) -> Result<TcpStream, ConnectError> {
        let route = match &self.via {
            Via::Direct => Route::Direct,
            Via::Proxy(proxy) => Route::Proxy(proxy.clone()),
            Via::Auto(_) => self.found().unwrap_or(Route::Direct),
        };
        route.connect(broker).await
    }
}

/// Whether one of `brokers` is reached.
async fn any(brokers: &[Server], route: &Route) -> bool {
    let all = brokers.iter().map(|broker| Box::pin(async { route.connect(broker).await.map_err(drop) }));
    futures::future::select_ok(all).await.is_ok()
}

impl Route {
    async fn connect(&self, to: &Server) -> Result<TcpStream, ConnectError> {
        let late = |limit: Duration| format!("no answer within {} s", limit.as_secs());
        match self {
            Route::Direct => {
                let connected = timeout(CONNECT_TIMEOUT, TcpStream::connect((to.host.as_str(), to.port))).await;
                let connected = connected.unwrap_or_else(|_| Err(io::Error::other(late(CONNECT_TIMEOUT))));
                connected.map_err(|error| ConnectError::Unreachable(error.to_string()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_are_read() {
        let read = |text: &str| Via::parse(text).map(|via| via.to_string());
        for text in ["auto", "direct", "socks5://h:1", "http://h:2"] {
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
