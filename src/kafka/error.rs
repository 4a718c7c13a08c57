//! Why there is no connection to a broker.

/// Why a broker can't be spoken to. The texts go on after the broker's name and a colon.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// Nothing answers there.
    #[error("it can't be reached: {0}")]
    Unreachable(String),
    /// The way to it is at fault: a proxy, or a tunnel.
    #[error("{0}")]
    Way(String),
    /// What answers is no broker.
    #[error("{0}")]
    Stranger(String),
    /// It answers, and one of both does not trust the other.
    #[error("{0}")]
    Refused(String),
}
