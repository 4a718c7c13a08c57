//! Rules of the exporters for Prometheus on EC2 hosts.

use super::check::check_archive;
use super::keys::{Archive, Ec2Monitoring};
use crate::file::{Checker, Nat, Network};

const PATH: &str = "cluster.ec2.monitoring";

pub(super) fn check(checker: &mut Checker<'_>) {
    let monitoring = checker.part::<Option<Ec2Monitoring>>(PATH).flatten();
    let own = monitoring.as_ref().map(|one| (one.agent.as_ref(), one.node.as_ref())).unwrap_or_default();
    let files = [
        ("agent", own.0, "https://files.example.net/jmx_prometheus_javaagent-1.0.1.jar"),
        ("node", own.1, "https://files.example.net/node_exporter-1.9.1.linux-arm64.tar.gz"),
    ];
    for (key, file, example) in files {
        if let Some(file) = file {
            check_archive(&format!("{PATH}.{key}"), file, example, checker);
        }
    }
    let Some(net) = checker.part::<Network>("network").filter(|_| checker.is_mapping("cluster.ec2")) else { return };
    let on = monitoring.as_ref().map(|one| one.prometheus);
    if !net.monitors.is_empty() && on == Some(false) {
        let message = "the hosts have no exporters that could be scraped";
        checker.warning("network.monitors", message, "remove it, or `prometheus: false` below `monitoring`");
    }
    let closed = net.existing.is_none() && net.nat == Nat::None || given::<Archive>(checker, "cluster.ec2.archive");
    let through = given::<String>(checker, "cluster.ec2.proxy");
    if on == Some(true) && own.0.is_none() && closed && !through {
        let message = "hosts fetch the JMX exporter's agent from Maven Central, which they may not reach";
        let help = "put it where they can, and write `agent: {url: ..., sha512: ...}`; Kafka runs without it";
        checker.warning(PATH, message, help);
    }
}

/// Whether the file has the key at `path`.
fn given<T: crate::file::read::Read>(checker: &Checker<'_>, path: &str) -> bool {
    checker.part::<Option<T>>(path).flatten().is_some()
}
