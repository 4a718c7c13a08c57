//! Facts with which a file can be designed without asking AWS: everything that it names is there.

use std::collections::{BTreeMap, BTreeSet};

use crate::design::Facts;
use crate::endpoint_services::EndpointService;
use crate::instance_types::{self, Arch, InstanceLimits, InstanceTypes};
use crate::stack::{Stack, Zones};

/// An instance type that carries whatever is asked of it, where the embedded table does not know the file's.
const ANY: InstanceLimits = InstanceLimits {
    arch: Arch::X86,
    memory_mib: 1 << 20,
    ebs_mbs: 1e5,
    ebs_iops: 1_000_000,
    network_gbps: 1e3,
    disks_gb: 0,
};

/// Facts that have what `stack` names. Good for what kinds of resources it needs, not for their details.
pub fn assumed_facts(stack: &Stack) -> Facts {
    let region = &*stack.region;
    let letters = || 'a'..='f';
    let zones: BTreeMap<String, String> = match &stack.network.zones {
        // A name, or an id of which the name is another one in each account.
        Zones::Named(names) => names
            .iter()
            .zip(letters())
            .map(|(zone, letter)| match zone.starts_with(region) {
                true => (zone.clone(), zone.clone()),
                false => (format!("{region}{letter}"), zone.clone()),
            })
            .collect(),
        Zones::Count(_) => letters().map(|letter| (format!("{region}{letter}"), format!("{letter}"))).collect(),
    };
    let ec2 = stack.cluster.ec2.as_ref();
    let named = ec2.into_iter().flat_map(|ec2| {
        let controllers = ec2.controllers.as_ref().map(|controllers| &controllers.instance_type);
        [Some(&ec2.brokers.instance_type), controllers].into_iter().flatten()
    });
    let known = instance_types::embedded();
    let types: InstanceTypes = named.map(|name| (name.clone(), known.get(name).cloned().unwrap_or(ANY))).collect();
    let all: BTreeSet<String> = zones.keys().cloned().collect();
    let version = stack.cluster.msk.as_ref().and_then(|msk| msk.kafka.as_ref());
    let endpoints = stack.network.endpoints.iter();
    let everywhere = || EndpointService { gateway: true, interface: true, zones: all.clone() };
    Facts {
        endpoints: endpoints.map(|endpoint| (endpoint.0.clone(), everywhere())).collect(),
        account: stack.account.as_ref().map_or_else(String::new, |account| account.0.clone()),
        caller: String::new(),
        offers: types.keys().map(|name| (name.clone(), all.clone())).collect(),
        zones,
        types,
        images: [Arch::X86, Arch::Arm].map(|arch| (arch.word().to_owned(), "ami-0".to_owned())).into(),
        msk_versions: version.map(|version| version.to_string()).into_iter().collect(),
    }
}
