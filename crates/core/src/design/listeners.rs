//! The ports on which an MSK cluster listens. Pure.

use super::Provisioned;

/// One of a cluster's ways in. Source of the ports: MSK, "Port information", 2026.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listener {
    /// `iam`, `scram`, `tls` or `plaintext`.
    pub method: &'static str,
    pub port: u16,
    /// The port of its public side, where the cluster has public access.
    pub public_port: Option<u16>,
    /// What it is for, in a few words.
    pub what: &'static str,
}

/// The listeners of a cluster; a serverless one has IAM's alone.
pub fn listeners(cluster: Option<&Provisioned>) -> Vec<Listener> {
    let iam = Listener { method: "iam", port: 9098, public_port: None, what: "Kafka clients with IAM" };
    cluster.map_or_else(|| vec![iam], Provisioned::listeners)
}

impl Provisioned {
    /// Clients that prove nothing come by TLS, by plaintext, or by both.
    fn listeners(&self) -> Vec<Listener> {
        let encrypted = self.in_transit != "plaintext";
        let tls = !self.certificate_authorities.is_empty() || self.unauthenticated;
        let all = [
            (self.iam && encrypted, "iam", 9098, Some(9198), "Kafka clients with IAM"),
            (self.scram && encrypted, "scram", 9096, Some(9196), "Kafka clients with SCRAM"),
            (tls && encrypted, "tls", 9094, Some(9194), "Kafka clients with TLS"),
            (self.unauthenticated && self.in_transit != "tls", "plaintext", 9092, None, "Kafka clients in plaintext"),
        ];
        all.into_iter()
            .filter(|(on, ..)| *on)
            .map(|(_, method, port, public, what)| {
                let public_port = public.filter(|_| self.public_access);
                Listener { method, port, public_port, what }
            })
            .collect()
    }

    /// The ports of Prometheus's exporters that are on, each with its name in the file.
    pub fn exporter_ports(&self) -> Vec<(&'static str, u16, &'static str)> {
        let all = [
            (self.jmx_exporter, "jmx", 11001, "Kafka's metrics"),
            (self.node_exporter, "node", 11002, "The hosts' metrics"),
        ];
        all.into_iter().filter(|(on, ..)| *on).map(|(_, name, port, what)| (name, port, what)).collect()
    }
}
