//! The hosts of a stack on EC2, as `kstack status` shows them.

use jiff::Timestamp;
use serde::Serialize;

use crate::health::KafkaHealth;
use kstack_core::certificates::Ends;
use kstack_core::design::{host_of_volume, node_id, volume_name};
use kstack_core::engines::ec2::ebs::MOST_VOLUMES;
use kstack_core::evacuation;
use kstack_core::kinds::instance::VALID;
use kstack_core::kinds::{Instance, NetworkInterface, Volume};
use kstack_core::model::Address;
use kstack_core::observed::Observed;
use kstack_core::plan::rank;
use kstack_core::text::many;

/// A broker or a controller.
#[derive(Debug, Serialize)]
pub(super) struct HostStatus {
    pub name: String,
    pub zone: Option<String>,
    pub instance: Option<String>,
    pub instance_type: Option<String>,
    /// EC2's state; absent when there is no instance.
    pub state: Option<String>,
    pub kafka: Option<String>,
    pub address: Option<String>,
    /// The first data volume.
    pub volume: Option<String>,
    /// Further ones.
    pub more_volumes: Vec<String>,
    /// Of all of them together.
    pub volume_gib: Option<u64>,
    /// Of one that speaks TLS: `valid`, or when the certificate ends that it started with.
    pub certificate: Option<String>,
    /// When that ends.
    pub certificate_ends: Option<Timestamp>,
    /// When the certificate ends that a broker serves, where it was asked.
    pub served_certificate_ends: Option<Timestamp>,
}

impl HostStatus {
    /// The certificate that it should have started with, and that which it serves.
    pub fn ends(&self) -> Ends {
        Ends { started_with: self.certificate_ends, served: self.served_certificate_ends }
    }
}

/// All of them, by role and number.
pub(super) fn hosts(observed: &Observed) -> Vec<HostStatus> {
    let (volumes, interfaces, instances) =
        (observed.of::<Volume>(), observed.of::<NetworkInterface>(), observed.of::<Instance>());
    let owners = volumes.keys().map(|name| host_of_volume(name).0);
    let mut names: Vec<&str> = owners.chain(interfaces.keys().copied()).chain(instances.keys().copied()).collect();
    names.sort_by_cached_key(|name| rank(&Address::new("instance", name)));
    names.dedup();
    let host = |name: &str| {
        let (volume, instance) = (volumes.get(name), instances.get(name));
        let own: Vec<_> =
            volumes.iter().filter(|(one, _)| host_of_volume(one).0 == name).map(|(_, volume)| volume).collect();
        HostStatus {
            name: name.to_owned(),
            zone: evacuation::zone_of(observed, name).map(str::to_owned),
            instance: instance.map(|(live, _)| live.id.clone()),
            instance_type: instance.map(|(_, instance)| instance.instance_type.clone()),
            state: instance.map(|(_, instance)| instance.state.clone()),
            kafka: instance.and_then(|(_, instance)| instance.kafka.clone()),
            address: interfaces.get(name).map(|(_, interface)| interface.address.clone()),
            volume: volume.map(|(live, _)| live.id.clone()),
            more_volumes: (2..=MOST_VOLUMES)
                .filter_map(|number| volumes.get(volume_name(name, number).as_str()))
                .map(|(live, _)| live.id.clone())
                .collect(),
            volume_gib: (!own.is_empty()).then(|| own.iter().map(|(_, volume)| volume.size_gib).sum()),
            certificate: instance.and_then(|(_, instance)| instance.certificate.clone()),
            certificate_ends: instance.and_then(|(_, instance)| instance.certificate_ends),
            served_certificate_ends: None,
        }
    };
    names.into_iter().map(host).collect()
}

/// What is to be said of the hosts' certificates.
pub(super) fn certificates(hosts: &[HostStatus]) -> String {
    let all = hosts.iter().filter_map(|host| Some((host, host.certificate.as_deref()?)));
    let old: Vec<String> =
        all.clone().filter(|(_, one)| *one != VALID).map(|(host, one)| format!("{} {one}", host.name)).collect();
    let served = hosts.iter().filter(|host| host.served_certificate_ends.is_some());
    let same = served.clone().filter(|host| host.ends().difference(&host.name).is_none()).count();
    let known = match served.count() {
        0 => "known is what hosts have started with; no broker could be asked what it serves".to_owned(),
        count => format!("{same} of {} serve what they started with", many(count, "broker")),
    };
    match (all.count(), old.is_empty()) {
        (0, _) => String::new(),
        (count, true) => format!("Certificates: valid on all {count} hosts; {known}\n"),
        (_, false) => format!("Certificates to renew: {}; the next apply rolls these hosts; {known}\n", old.join(", ")),
    }
}

/// Notes the certificates that brokers have shown.
pub(super) fn note_served(hosts: &mut [HostStatus], cluster: &KafkaHealth) {
    for host in hosts.iter_mut().filter(|host| host.name.starts_with("broker-")) {
        let broker = cluster.brokers.iter().find(|broker| node_id(&host.name) == Some(broker.node));
        host.served_certificate_ends = broker.and_then(|broker| broker.certificate_ends);
    }
}
