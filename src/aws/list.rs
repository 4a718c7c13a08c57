//! Every stack of an account and region, by tags and records, in five calls at once.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{Filter, Instance, InstanceStateName};
use serde::Serialize;

use super::{Clients, CloudError, cloud, tags_of};
use crate::lease::{Holder, Record};
use crate::resource::{Tags, tag};

/// What is known of a stack without its file.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct StackSummary {
    pub name: String,
    pub vpcs: usize,
    pub brokers_running: usize,
    pub controllers_running: usize,
    /// Data volumes, and their size in all.
    pub volumes: usize,
    pub volume_gib: u64,
    /// Public addresses, which cost money even where nothing uses them.
    pub elastic_ips: usize,
    pub record: Option<Record>,
    /// Who works on it at the moment.
    pub lease: Option<Holder>,
}

/// The stacks of the clients' account and region: whatever has a VPC, a volume, an instance, a public address, a record or
/// a lease. Tags themselves are not listed, since AWS may show those of deleted resources for a while.
///
/// # Errors
/// AWS's answer.
pub async fn list_stacks(clients: &Clients) -> Result<Vec<StackSummary>, CloudError> {
    let ec2 = &clients.ec2;
    let ours = || Filter::builder().name("tag-key").values(tag::STACK).build();
    let vpcs = async {
        let pages = ec2.describe_vpcs().filters(ours()).max_results(1000).into_paginator().items().send();
        pages.collect::<Result<Vec<_>, _>>().await.map_err(cloud("DescribeVpcs"))
    };
    let volumes = async {
        let pages = ec2.describe_volumes().filters(ours()).max_results(500).into_paginator().items().send();
        pages.collect::<Result<Vec<_>, _>>().await.map_err(cloud("DescribeVolumes"))
    };
    let instances = async {
        let pages = ec2.describe_instances().filters(ours()).max_results(1000).into_paginator().items().send();
        pages.collect::<Result<Vec<_>, _>>().await.map_err(cloud("DescribeInstances"))
    };
    let addresses = async { ec2.describe_addresses().filters(ours()).send().await.map_err(cloud("DescribeAddresses")) };
    let (vpcs, volumes, reservations, addresses, papers) =
        tokio::try_join!(vpcs, volumes, instances, addresses, clients.all_papers("/kstack"))?;
    let mut stacks: BTreeMap<String, StackSummary> = BTreeMap::new();
    let now = jiff::Timestamp::now();
    for (name, papers) in papers {
        let lease = papers.leases.into_values().next_back().filter(|holder| holder.holds(now));
        // A released lease alone is no stack.
        if papers.record.is_some() || lease.is_some() {
            let stack = stacks.entry(name).or_default();
            (stack.record, stack.lease) = (papers.record, lease);
        }
    }
    let mut add = |tags: Tags, count: &dyn Fn(&mut StackSummary, &str)| {
        if let Some(name) = tags.get(tag::STACK) {
            let address = tags.get(tag::ADDRESS).map(String::as_str).unwrap_or_default();
            count(stacks.entry(name.clone()).or_default(), address);
        }
    };
    for vpc in vpcs {
        add(tags_of(vpc.tags.as_deref()), &|stack, _| stack.vpcs += 1);
    }
    for volume in volumes {
        let gib = volume.size().and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
        add(tags_of(volume.tags.as_deref()), &|stack, address| {
            if address.starts_with("volume/") {
                stack.volumes += 1;
                stack.volume_gib += gib;
            }
        });
    }
    for address in addresses.addresses() {
        add(tags_of(Some(address.tags())), &|stack, _| stack.elastic_ips += 1);
    }
    let all = reservations.iter().flat_map(|reservation| reservation.instances());
    let state = |instance: &Instance| instance.state().and_then(|state| state.name()).cloned();
    let ended = [Some(InstanceStateName::Terminated), Some(InstanceStateName::ShuttingDown)];
    for instance in all.filter(|instance| !ended.contains(&state(instance))) {
        let running = usize::from(state(instance) == Some(InstanceStateName::Running));
        add(tags_of(Some(instance.tags())), &|stack, address| match address {
            _ if address.starts_with("instance/broker-") => stack.brokers_running += running,
            _ => stack.controllers_running += running,
        });
    }
    Ok(stacks.into_iter().map(|(name, stack)| StackSummary { name, ..stack }).collect())
}
