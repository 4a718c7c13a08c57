//! An MSK cluster as `kstack status` shows it: its state, what AWS does with it, its brokers, and where clients reach it.

use std::collections::BTreeMap;

use aws_sdk_kafka::operation::get_bootstrap_brokers::GetBootstrapBrokersOutput;
use aws_sdk_kafka::types::{Cluster, ClusterState, NodeInfo};
use serde::Serialize;

use super::{live, reason, usable};
use crate::aws::{Aws, failed};
use crate::error::StepError;
use kstack_core::design::{Provisioned, listeners};

/// What AWS says of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct MskStatus {
    pub arn: String,
    /// AWS's own word: `ACTIVE`, `UPDATING`.
    pub state: String,
    /// Why, where AWS says it.
    pub reason: Option<String>,
    pub kafka: Option<String>,
    pub instance_type: Option<String>,
    pub volume_gib: Option<u64>,
    /// The operation under way.
    pub operation: Option<Underway>,
    pub brokers: Vec<MskBroker>,
    pub listeners: Vec<Servers>,
    /// Where clients of other VPCs reach the brokers by a managed VPC connection: some of the brokers, as AWS names them.
    pub from_vpcs: Vec<Servers>,
    /// Where clients reach the brokers over IPv6: some of them, as AWS names them. None without dual stack.
    pub over_ipv6: Vec<Servers>,
    #[serde(skip)]
    pub provisioned: Option<Provisioned>,
}

/// An operation that AWS works on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Underway {
    pub operation: String,
    pub state: String,
    /// RFC 3339.
    pub since: Option<String>,
}

/// A broker.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MskBroker {
    pub id: u32,
    /// The subnet's AWS id.
    pub subnet: String,
    pub address: Option<String>,
    pub endpoint: Option<String>,
    /// The id of its zone, where AWS says it.
    #[serde(skip)]
    pub zone: Option<String>,
}

/// A listener, with every broker's name and port in the brokers' order: the same text at each call.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Servers {
    /// `iam`, `scram`, `tls` or `plaintext`.
    pub method: &'static str,
    /// Whether it is reached from the internet.
    pub public: bool,
    pub bootstrap_servers: Vec<String>,
}

/// The stack's cluster as it is now; `None` where there is none.
///
/// # Errors
/// AWS's answer.
pub async fn status(aws: &Aws) -> Result<Option<MskStatus>, StepError> {
    let all = aws.clusters.since(aws.round(), || super::fetch(aws)).await?;
    let mine = |cluster: &&Cluster| super::is_own(aws, cluster);
    let Some(cluster) = all.iter().find(mine) else { return Ok(None) };
    let arn = cluster.cluster_arn().unwrap_or_default();
    let spec = live::spec(cluster, String::new(), None);
    let (provisioned, ipv6) = (spec.provisioned, spec.ipv6);
    let known = provisioned.as_ref().filter(|one| !one.kafka.is_empty());
    let mut status = MskStatus {
        arn: arn.to_owned(),
        state: cluster.state().map_or("UNKNOWN", ClusterState::as_str).to_owned(),
        reason: cluster.state_info().map(|_| reason(cluster)),
        kafka: known.map(|one| one.kafka.clone()),
        instance_type: known.map(|one| one.instance_type.clone()),
        volume_gib: known.and_then(|one| one.volume_gib),
        ..MskStatus::default()
    };
    if usable(aws).await?.iter().any(|one| one.cluster_arn() == Some(arn)) {
        if provisioned.is_some() {
            let (brokers, operation) = tokio::try_join!(brokers(aws, arn), underway(aws, cluster))?;
            status.listeners = servers(provisioned.as_ref(), &brokers);
            status.from_vpcs = from_vpcs(aws, arn, provisioned.as_ref()).await?;
            if ipv6 {
                status.over_ipv6 = over_ipv6(bootstrap(aws, arn).await?);
            }
            let zones = zones(cluster);
            let zoned = |broker: MskBroker| MskBroker { zone: zones.get(&broker.subnet).cloned(), ..broker };
            (status.brokers, status.operation) = (brokers.into_iter().map(zoned).collect(), operation);
        } else {
            let answer = bootstrap(aws, arn).await?;
            let bootstrap_servers = of_serverless(&answer);
            status.listeners = vec![Servers { method: "iam", public: false, bootstrap_servers }];
            status.over_ipv6 = over_ipv6(answer);
        }
    }
    status.provisioned = provisioned;
    Ok(Some(status))
}

/// The zone's id of each subnet: AWS names both in the same order.
fn zones(cluster: &Cluster) -> BTreeMap<String, String> {
    let nodes = cluster.provisioned().and_then(|info| info.broker_node_group_info());
    let pairs = nodes.into_iter().flat_map(|nodes| nodes.client_subnets().iter().zip(nodes.zone_ids()));
    pairs.map(|(subnet, zone)| (subnet.clone(), zone.clone())).collect()
}

/// Where clients reach the brokers. GetBootstrapBrokers names three of them, other ones each time; the names of all
/// follow from the brokers' own.
fn servers(cluster: Option<&Provisioned>, brokers: &[MskBroker]) -> Vec<Servers> {
    let with = |port: u16, public: bool| {
        let named = brokers.iter().filter_map(|broker| broker.endpoint.as_ref());
        let name = |endpoint: &String| match endpoint.split_once('.').filter(|_| public) {
            Some((host, rest)) => format!("{host}-public.{rest}:{port}"),
            None => format!("{endpoint}:{port}"),
        };
        named.map(name).collect()
    };
    let mut all = Vec::new();
    for one in listeners(cluster) {
        all.push(Servers { method: one.method, public: false, bootstrap_servers: with(one.port, false) });
        let public = one.public_port.map(|port| with(port, true));
        all.extend(public.map(|bootstrap_servers| Servers { method: one.method, public: true, bootstrap_servers }));
    }
    all
}

/// Their ports differ from broker to broker, so that AWS is asked.
async fn from_vpcs(aws: &Aws, arn: &str, cluster: Option<&Provisioned>) -> Result<Vec<Servers>, StepError> {
    if cluster.is_none_or(|one| one.ways_from_vpcs() == 0) {
        return Ok(Vec::new());
    }
    let answer = bootstrap(aws, arn).await?;
    Ok(named([
        ("iam", answer.bootstrap_broker_string_vpc_connectivity_sasl_iam),
        ("scram", answer.bootstrap_broker_string_vpc_connectivity_sasl_scram),
        ("tls", answer.bootstrap_broker_string_vpc_connectivity_tls),
    ]))
}

fn over_ipv6(answer: GetBootstrapBrokersOutput) -> Vec<Servers> {
    named([
        ("iam", answer.bootstrap_broker_string_sasl_iam_ipv6),
        ("scram", answer.bootstrap_broker_string_sasl_scram_ipv6),
        ("tls", answer.bootstrap_broker_string_tls_ipv6),
        ("plaintext", answer.bootstrap_broker_string_ipv6),
    ])
}

async fn bootstrap(aws: &Aws, arn: &str) -> Result<GetBootstrapBrokersOutput, StepError> {
    let call = aws.clients.msk.get_bootstrap_brokers().cluster_arn(arn);
    call.send().await.map_err(failed("GetBootstrapBrokers"))
}

/// The listeners that AWS names, each with its servers in order.
fn named<const N: usize>(all: [(&'static str, Option<String>); N]) -> Vec<Servers> {
    let servers = |(method, text): (&'static str, Option<String>)| {
        let mut bootstrap_servers: Vec<String> = text?.split(',').map(str::to_owned).collect();
        bootstrap_servers.sort();
        Some(Servers { method, public: false, bootstrap_servers })
    };
    all.into_iter().filter_map(servers).collect()
}

/// Where clients reach the serverless cluster `arn`.
///
/// # Errors
/// AWS's answer.
pub async fn serverless(aws: &Aws, arn: &str) -> Result<Vec<String>, StepError> {
    Ok(of_serverless(&bootstrap(aws, arn).await?))
}

fn of_serverless(answer: &GetBootstrapBrokersOutput) -> Vec<String> {
    let text = answer.bootstrap_broker_string_sasl_iam().unwrap_or_default();
    text.split(',').filter(|one| !one.is_empty()).map(str::to_owned).collect()
}

/// The names of the brokers of the provisioned cluster `arn`, in their order.
///
/// # Errors
/// AWS's answer.
pub async fn names(aws: &Aws, arn: &str) -> Result<Vec<String>, StepError> {
    Ok(brokers(aws, arn).await?.into_iter().filter_map(|broker| broker.endpoint).collect())
}

async fn brokers(aws: &Aws, arn: &str) -> Result<Vec<MskBroker>, StepError> {
    let pages = aws.clients.msk.list_nodes().cluster_arn(arn).into_paginator().items().send();
    let nodes = pages.collect::<Result<Vec<_>, _>>().await.map_err(failed("ListNodes"))?;
    let broker = |node: NodeInfo| {
        let info = node.broker_node_info?;
        let id = info.broker_id? as u32; // AWS gives ids as floating point.
        let (subnet, address) = (info.client_subnet.unwrap_or_default(), info.client_vpc_ip_address);
        let endpoint = info.endpoints.unwrap_or_default().into_iter().next();
        Some((id, MskBroker { id, subnet, address, endpoint, zone: None }))
    };
    let sorted: BTreeMap<u32, MskBroker> = nodes.into_iter().filter_map(broker).collect();
    Ok(sorted.into_values().collect())
}

async fn underway(aws: &Aws, cluster: &Cluster) -> Result<Option<Underway>, StepError> {
    if cluster.state() == Some(&ClusterState::Active) {
        return Ok(None);
    }
    let call = aws.clients.msk.list_cluster_operations_v2().cluster_arn(cluster.cluster_arn().unwrap_or_default());
    let answer = call.send().await.map_err(failed("ListClusterOperationsV2"))?;
    let ended = |state: &str| state.ends_with("_COMPLETE") || state.ends_with("_FAILED");
    let all = answer.cluster_operation_info_list.unwrap_or_default();
    let one = all.into_iter().find(|one| !ended(one.operation_state().unwrap_or_default()));
    Ok(one.map(|one| Underway {
        operation: one.operation_type.unwrap_or_default(),
        state: one.operation_state.unwrap_or_default(),
        since: one.start_time.map(|time| time.to_string()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bootstrap_list_has_every_broker_in_order() {
        let broker = |id| MskBroker {
            endpoint: Some(format!("b-{id}.prod.x.kafka")),
            id,
            subnet: String::new(),
            address: None,
            zone: None,
        };
        let brokers: Vec<MskBroker> = [1, 2, 10, 11].map(broker).into();
        let all = servers(None, &brokers);
        assert_eq!(all[0].bootstrap_servers, [1, 2, 10, 11].map(|id| format!("b-{id}.prod.x.kafka:9098")));
    }
}
