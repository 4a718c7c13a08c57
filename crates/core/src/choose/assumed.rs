//! Facts with which a file can be designed without asking AWS: everything that it names is there.

use std::collections::{BTreeMap, BTreeSet};

use std::net::Ipv6Addr;

use ipnet::{Ipv4Net, Ipv6Net};

use crate::design::{Facts, HostedZoneFacts, KeyFacts, NetworkFacts, SubnetFacts, VpcFacts};
use crate::endpoint_services::EndpointService;
use crate::instance_types::{self, Arch, InstanceLimits, InstanceTypes};
use crate::stack::{Iam, Peer, PolicyArn, Stack, SubnetChoice, VpcChoice, Zones};

/// An instance type that carries whatever is asked of it, where the embedded table does not know the file's.
const ANY: InstanceLimits = InstanceLimits {
    arch: Arch::X86,
    memory_mib: 1 << 20,
    ebs_mbs: 1e5,
    ebs_iops: 1_000_000,
    network_gbps: 1e3,
    disks_gb: 1 << 20,
    disks: 1,
    vcpus: 1 << 10,
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
    let named = named.chain(stack.client.iter().map(|client| &client.instance_type));
    let iam = stack.iam();
    let policies = iam.into_iter().flat_map(Iam::named_policies).filter_map(PolicyArn::account);
    let profile = iam.and_then(|iam| iam.instance_profile.as_ref()).and_then(|profile| profile.account());
    let of_iam = policies.chain(profile).next();
    let known = instance_types::embedded();
    let types: InstanceTypes = named.map(|name| (name.clone(), known.get(name).cloned().unwrap_or(ANY))).collect();
    let all: BTreeSet<String> = zones.keys().cloned().collect();
    let version = stack.cluster.msk.as_ref().and_then(|msk| msk.kafka.as_ref());
    let endpoints = stack.network.endpoints.iter().map(|endpoint| &endpoint.0);
    let endpoints = endpoints.chain(stack.network.privatelink.iter().map(|link| &link.service.0));
    let everywhere = || EndpointService { gateway: true, interface: true, zones: all.clone(), by_hand: false };
    Facts {
        endpoints: endpoints.map(|name| (name.clone(), everywhere())).collect(),
        account: stack.account.as_ref().map(|account| account.0.as_str()).or(of_iam).unwrap_or_default().to_owned(),
        caller: String::new(),
        network: network(stack, &zones),
        offers: types.keys().map(|name| (name.clone(), all.clone())).collect(),
        zones,
        types,
        images: [Arch::X86, Arch::Arm].map(|arch| (arch.word().to_owned(), "ami-0".to_owned())).into(),
        msk_versions: version.map(|version| version.to_string()).into_iter().collect(),
        missing_policies: BTreeSet::new(),
        boundary: None,
        papers_key: papers_key(stack),
        bad_secrets: BTreeMap::new(),
        missing_roles: BTreeSet::new(),
    }
}

/// The KMS key that `stack` names for its hosts' keys and certificates. The key of an alias is not known.
fn papers_key(stack: &Stack) -> Option<KeyFacts> {
    let (named, _) = stack.named_papers_key()?;
    let account = stack.account.as_ref().map(|account| account.0.as_str()).unwrap_or_default();
    let id = named.rsplit('/').next().unwrap_or(named);
    let arn = match named.strip_prefix("arn:") {
        Some(_) => named.replace("alias/", "key/"),
        None => format!("arn:aws:kms:{}:{account}:key/{id}", stack.region),
    };
    let (state, usage, spec) = ("Enabled".to_owned(), "ENCRYPT_DECRYPT".to_owned(), "SYMMETRIC_DEFAULT".to_owned());
    Some(KeyFacts { arn, state, usage, spec })
}

/// The VPC, the subnets, the groups and the prefix lists that `stack` names of others' networks: the subnets in one zone after the
/// other, large, and with a way out.
fn network(stack: &Stack, zones: &BTreeMap<String, String>) -> NetworkFacts {
    let existing = stack.network.existing.as_ref();
    let vpc = existing.map_or_else(String::new, |existing| match &existing.vpc {
        VpcChoice::Id(id) => id.0.clone(),
        VpcChoice::Tags(_) => "vpc-0".to_owned(),
    });
    let ids: Vec<String> = match existing.map(|existing| &existing.subnets) {
        None => Vec::new(),
        Some(SubnetChoice::Ids(ids)) => ids.iter().map(|id| id.0.clone()).collect(),
        Some(SubnetChoice::Tags(_)) => zones.keys().map(|zone| format!("subnet-{zone}")).collect(),
    };
    // Of the blocks for measurements (RFC 2544), which are in no network, so that no client of the file is in them.
    let block = |third: usize, length| {
        let third = u8::try_from(third * 16).unwrap_or(u8::MAX);
        Ipv4Net::new_assert([198, 18, third, 0].into(), length)
    };
    let subnets = ids.into_iter().zip(zones.keys().cycle()).enumerate().map(|(index, (id, zone))| SubnetFacts {
        id,
        vpc: vpc.clone(),
        zone: zone.clone(),
        block: Some(block(index, 20)),
        ipv6: Some(Ipv6Net::new_assert(
            Ipv6Addr::new(0x2001, 2, 0, u16::try_from(index).unwrap_or(u16::MAX), 0, 0, 0, 0),
            64,
        )),
        free: 4091,
        used: Vec::new(),
        route_table: "rtb-0".to_owned(),
        default_route: Some("nat-0".to_owned()),
    });
    let named = stack.peers().filter_map(|peer| match peer {
        Peer::Group(id) => Some(id.clone()),
        _ => None,
    });
    let lists = stack.peers().filter_map(|peer| match peer {
        Peer::PrefixList(id) => Some((id.clone(), "IPv4".to_owned())),
        _ => None,
    });
    let own = stack.network.security_groups.iter().map(|id| id.0.clone());
    let vpcs = existing.map(|_| VpcFacts {
        id: vpc.clone(),
        blocks: vec![block(0, 16)],
        dns_support: true,
        dns_hostnames: true,
        ipv6: true,
    });
    NetworkFacts {
        subnets: subnets.collect(),
        vpcs: vpcs.into_iter().collect(),
        endpoints: Vec::new(),
        groups: own.chain(named).map(|id| (id, vpc.clone())).collect(),
        prefix_lists: lists.collect(),
        gateways: None,
        hosted_zone: hosted_zone(stack),
        zones_of_vpc: BTreeMap::new(),
    }
}

/// The hosted zone that `stack` names. With which VPCs it is associated is not known.
fn hosted_zone(stack: &Stack) -> Option<HostedZoneFacts> {
    let dns = stack.network.dns.as_ref()?;
    let id = dns.existing.as_ref()?;
    Some(HostedZoneFacts { id: id.to_string(), name: dns.zone.to_string(), private: true, vpcs: Vec::new() })
}
