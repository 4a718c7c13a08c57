//! What the templates see.

use serde::Serialize;

use super::monitoring::ExportersView;
use super::security::SecurityView;
use super::{CLIENT_PORT, CONTROLLER_PORT, Checksum, Host, HostRole, Listener, QUORUM_PORT, Voter, heap_mib};

/// What the templates see: the host, and what follows from it.
#[derive(Serialize)]
pub(super) struct View<'a> {
    #[serde(flatten)]
    host: &'a Host,
    is_broker: bool,
    /// Whether the cluster starts with this node as a voting controller.
    pub(super) is_voter: bool,
    process_roles: &'static str,
    /// `ADDRESS:PORT,..` of the controllers.
    bootstrap_servers: String,
    /// `ID@ADDRESS:PORT:DIRECTORY,..`, as `kafka-storage.sh format --initial-controllers` takes it.
    pub(super) initial_controllers: String,
    /// What clients and brokers are told to reach the broker by.
    advertised_host: String,
    /// The address that the broker's listeners are bound to: nothing for every one that the host has, of IPv6 too.
    listen_host: String,
    client_port: u16,
    controller_port: u16,
    /// `,NAME://ADDRESS:PORT` of each further listener, what it advertises, and `,NAME:PROTOCOL`.
    more_listeners: String,
    more_advertised: String,
    more_protocols: String,
    /// Of a host that speaks TLS.
    tls: Option<SecurityView>,
    /// Who owns its key and certificates, and by which mode they are read.
    papers_owner: &'static str,
    papers_mode: &'static str,
    heap_mib: u64,
    checksum_sha512: Option<String>,
    checksum_url: Option<&'a str>,
    /// The data volumes, in the order of their devices.
    volume_ids: Vec<&'a str>,
    several_volumes: bool,
    /// How many disks of the instance's own are used instead; 0 for volumes.
    disks: u32,
    /// Where they are mounted, each with Kafka's log directory `data` in it.
    mount_points: Vec<String>,
    log_dirs: String,
    exporters: Option<ExportersView>,
}

impl<'a> View<'a> {
    pub(super) fn of(host: &'a Host) -> Self {
        let quorum = if host.phase().uses_tls() { QUORUM_PORT } else { CONTROLLER_PORT };
        let join = |text: &dyn Fn(&Voter) -> String| host.controllers.iter().map(text).collect::<Vec<_>>().join(",");
        let more = |text: &dyn Fn(&Listener) -> String| host.listeners.iter().map(text).collect::<String>();
        let disks = host.own_disks.unwrap_or_default();
        let count = if disks > 0 { disks as usize } else { 1 + host.more_volumes.len() };
        let mount_points = mount_points(count);
        let listen_host = if host.ipv6 { String::new() } else { host.address.to_string() };
        let first = host.controllers.iter().any(|voter| voter.node_id == host.node_id);
        let asked = match host.endpoints.is_empty() {
            true => host.controllers.iter().map(|voter| voter.address).collect(),
            false => host.endpoints.clone(),
        };
        let (checksum_sha512, checksum_url) = match &host.archive_checksum {
            Checksum::Sha512(digits) => (Some(digits.to_ascii_lowercase()), None),
            Checksum::Published(url) => (None, Some(url.as_str())),
        };
        Self {
            is_broker: host.role != HostRole::Controller,
            is_voter: host.role != HostRole::Broker && first && !host.joins,
            process_roles: match host.role {
                HostRole::Broker => "broker",
                HostRole::Controller => "controller",
                HostRole::Combined => "broker,controller",
            },
            bootstrap_servers: asked.iter().map(|address| format!("{address}:{quorum}")).collect::<Vec<_>>().join(","),
            initial_controllers: join(&|voter| {
                format!("{}@{}:{quorum}:{}", voter.node_id, voter.address, voter.directory_id)
            }),
            advertised_host: host.advertised.clone().unwrap_or_else(|| host.address.to_string()),
            client_port: CLIENT_PORT,
            controller_port: CONTROLLER_PORT,
            more_listeners: more(&|one| format!(",{}://{listen_host}:{}", one.name, one.port)),
            listen_host,
            more_advertised: more(&|one| format!(",{}://{}:{}", one.name, one.host, one.advertised_port)),
            more_protocols: more(&|one| format!(",{}:PLAINTEXT", one.name)),
            tls: host.security.as_ref().map(|security| security.view(host)),
            papers_owner: "kafka:kafka",
            papers_mode: "0400",
            heap_mib: heap_mib(host.memory_mib, host.role),
            checksum_sha512,
            checksum_url,
            log_dirs: mount_points.iter().map(|point| format!("{point}/data")).collect::<Vec<_>>().join(","),
            volume_ids: std::iter::once(&host.volume_id).chain(&host.more_volumes).map(String::as_str).collect(),
            several_volumes: count > 1,
            disks,
            exporters: host.monitoring.as_ref().map(ExportersView::of),
            mount_points,
            host,
        }
    }
}

/// Where a host mounts this many volumes.
fn mount_points(volumes: usize) -> Vec<String> {
    let further = (2..=volumes).map(|number| format!("/var/lib/kafka-{number}"));
    std::iter::once("/var/lib/kafka".to_owned()).chain(further).collect()
}
