//! Exporters for Prometheus on a host, with the ports and names that MSK's have: Kafka's metrics by the JMX exporter's agent, without
//! renaming, and the host's by node exporter.
//!
//! Kafka runs without them too: a host that can't fetch one says so, and goes on.

use serde::Serialize;

/// Where Kafka's metrics are, and where the host's are. Source: MSK developer guide, "Set up a Prometheus host".
pub const JMX_PORT: u16 = 11001;
pub const NODE_PORT: u16 = 11002;

/// The last agent on Maven Central; newer ones are on GitHub alone. The checksum is of the file there.
const AGENT: (&str, &str) = (
    "https://repo1.maven.org/maven2/io/prometheus/jmx/jmx_prometheus_javaagent/1.0.1/jmx_prometheus_javaagent-1.0.1.jar",
    "f81d876e8110cbabd4a9cb3fe1740ec2d896ec4bce5cb5049a2d74c40f43781418cea246f40e6afdfabbdf0e162cb837625f496dedcb76aebbba53b6ae7cacba",
);

/// Node exporter where the system has no package of it: without the architecture, and the SHA-256 of each, which are those of the release's
/// own `sha256sums.txt`, as the public recipes of several others have them.
const NODE: &str = "https://github.com/prometheus/node_exporter/releases/download/v1.9.1/node_exporter-1.9.1.linux-";
const NODE_AMD64: &str = "becb950ee80daa8ae7331d77966d94a611af79ad0d3307380907e0ec08f5b4e8";
const NODE_ARM64: &str = "848f139986f63232ced83babe3cad1679efdbb26c694737edc1f4fbd27b96203";

/// The exporters of a host. What kstack itself knows of downloads is not in it, so that a newer kstack rolls no host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Exporters {
    /// The JMX exporter's agent, in place of Maven Central's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<Download>,
    /// Node exporter's archive, in place of the system's package or the release's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<Download>,
}

/// A file of the user's, and its SHA-512 in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Download {
    pub url: String,
    pub sha512: String,
}

/// What the templates see of it.
#[derive(Serialize)]
pub(super) struct ExportersView {
    jmx_port: u16,
    node_port: u16,
    agent_url: String,
    agent_sha512: String,
    /// Whether node exporter comes from the user's archive.
    own_node: bool,
    node_url: String,
    node_sha512: String,
    node_amd64: &'static str,
    node_arm64: &'static str,
}

impl ExportersView {
    pub(super) fn of(exporters: &Exporters) -> ExportersView {
        let (agent_url, agent_sha512) = match &exporters.agent {
            Some(own) => (own.url.clone(), own.sha512.to_ascii_lowercase()),
            None => (AGENT.0.to_owned(), AGENT.1.to_owned()),
        };
        let (node_url, node_sha512) = match &exporters.node {
            Some(own) => (own.url.clone(), own.sha512.to_ascii_lowercase()),
            None => (NODE.to_owned(), String::new()),
        };
        ExportersView {
            jmx_port: JMX_PORT,
            node_port: NODE_PORT,
            agent_url,
            agent_sha512,
            own_node: exporters.node.is_some(),
            node_url,
            node_sha512,
            node_amd64: NODE_AMD64,
            node_arm64: NODE_ARM64,
        }
    }
}
