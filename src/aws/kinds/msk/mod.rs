//! What the kinds of an MSK cluster share: describes, the live spec, waiting, and the operations of an update.

pub mod live;
pub mod status;
pub mod update;
pub mod wait;

use aws_sdk_kafka::types::{Cluster, ClusterState, Configuration};

use crate::aws::{Aws, failed};
use crate::error::StepError;
use kstack_core::kinds::Kind;
use kstack_core::kinds::msk_cluster::adoption_tags;
use kstack_core::model::{Address, Tags, tag};
use kstack_core::observed::Found;

/// The clusters with the stack's name: one at most, as a name is unique in its account and region. Of a discovery of every
/// stack, all those with a stack's tag.
pub async fn fetch(aws: &Aws) -> Result<Vec<Cluster>, StepError> {
    let call = aws.clients.msk.list_clusters_v2().set_cluster_name_filter((!aws.all()).then(|| aws.stack().to_owned()));
    let pages = call.into_paginator().items().send();
    let all = pages.collect::<Result<Vec<_>, _>>().await.map_err(failed("ListClustersV2"))?;
    // The filter takes the beginning of a name.
    let named = |cluster: &Cluster| match aws.all() {
        true => tags(cluster).contains_key(tag::STACK),
        false => cluster.cluster_name() == Some(aws.stack()),
    };
    let found = all.into_iter().filter(named);
    Ok(found.map(|cluster| if aws.adopting { to_be_adopted(aws, cluster) } else { cluster }).collect())
}

/// The cluster as if it had been adopted already: what hangs on it is then found, and a plan shows what differs. One that has the tag
/// of a stack is as it is.
fn to_be_adopted(aws: &Aws, mut cluster: Cluster) -> Cluster {
    if tags(&cluster).contains_key(tag::STACK) {
        return cluster;
    }
    let nodes = cluster.provisioned().and_then(|info| info.broker_node_group_info());
    let network = cluster.serverless().and_then(|info| info.vpc_configs().first());
    let of_brokers = nodes.map(|nodes| nodes.client_subnets());
    let subnets = of_brokers.or(network.map(|network| network.subnet_ids())).unwrap_or_default();
    let rest = cluster.provisioned().and_then(|info| info.encryption_info()).and_then(|info| info.encryption_at_rest());
    let key = rest.and_then(|rest| rest.data_volume_kms_key_id());
    let own = adoption_tags(aws.stack(), subnets, key, true);
    cluster.tags.get_or_insert_default().extend(own);
    cluster
}

/// The configurations that have the stack's name.
pub async fn configurations(aws: &Aws) -> Result<Vec<Configuration>, StepError> {
    let pages = aws.clients.msk.list_configurations().into_paginator().items().send();
    let all = pages.collect::<Result<Vec<_>, _>>().await.map_err(failed("ListConfigurations"))?;
    let mine = |name: &str| if aws.all() { name.starts_with(PREFIX) } else { name == configuration_name(aws.stack()) };
    Ok(all.into_iter().filter(|configuration| configuration.name().is_some_and(mine)).collect())
}

/// What the names of configurations begin with.
pub const PREFIX: &str = "kstack-";

/// The name of a stack's configuration. It is how the configuration is found: MSK gives configurations no tags.
pub fn configuration_name(stack: &str) -> String {
    format!("{PREFIX}{stack}")
}

/// The server properties of a revision, as lines.
pub async fn properties(aws: &Aws, arn: &str, revision: i64) -> Result<Vec<String>, StepError> {
    let key = (arn.to_owned(), revision);
    let mut known = aws.revisions.lock().await;
    if let Some(text) = known.get(&key) {
        return Ok(lines(text));
    }
    let call = aws.clients.msk.describe_configuration_revision().arn(arn).revision(revision);
    let answer = call.send().await.map_err(failed("DescribeConfigurationRevision"))?;
    let text = answer.server_properties().map(|blob| String::from_utf8_lossy(blob.as_ref()).into_owned());
    Ok(lines(known.entry(key).or_insert(text.unwrap_or_default())))
}

/// Properties as sorted lines `key=value`, without comments and spaces that mean nothing.
fn lines(text: &str) -> Vec<String> {
    let entries = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', '!']));
    let mut lines: Vec<String> = entries
        .map(|line| match line.split_once(['=', ':']) {
            Some((key, value)) => format!("{}={}", key.trim(), value.trim()),
            None => format!("{line}="),
        })
        .collect();
    lines.sort();
    lines
}

/// Whether the cluster has the stack's tag.
pub fn is_own(aws: &Aws, cluster: &Cluster) -> bool {
    tags(cluster).get(tag::STACK).is_some_and(|stack| stack == aws.stack())
}

/// A cluster's tags.
pub fn tags(cluster: &Cluster) -> Tags {
    cluster.tags().into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// The stack's own clusters, as of the discovery under way, that other things can hang on: those that were made, and are
/// not on their way out. A discovery of every stack goes without what hangs on them.
pub async fn usable(aws: &Aws) -> Result<Vec<Cluster>, StepError> {
    let all = aws.clusters.since(aws.round(), || fetch(aws)).await?;
    let unusable = [ClusterState::Creating, ClusterState::Deleting, ClusterState::Failed];
    let mine = all.iter().filter(|cluster| is_own(aws, cluster));
    Ok(mine.filter(|cluster| cluster.state().is_none_or(|state| !unusable.contains(state))).cloned().collect())
}

/// What hangs on a cluster and has no tags of its own: it has those of the cluster, with the address of its own kind.
pub fn found_part<K: Kind>(cluster: &Cluster, part: &str, spec: K) -> Found<K> {
    let mut tags = tags(cluster);
    if let Some(address) = tags.get(tag::ADDRESS).and_then(|text| Address::parse(text)) {
        tags.insert(tag::ADDRESS.to_owned(), Address::new(K::NAME, &address.name).to_string());
    }
    Found { id: part_id(cluster.cluster_arn().unwrap_or_default(), part), tags, spec, terminated: false }
}

/// The id of what hangs on a cluster: no id of AWS's, only different from the cluster's own.
pub fn part_id(arn: &str, part: &str) -> String {
    format!("{arn}#{part}")
}

/// The words of AWS about a cluster's state.
pub fn reason(cluster: &Cluster) -> String {
    let info = cluster.state_info();
    let parts = [info.and_then(|info| info.code()), info.and_then(|info| info.message())];
    let text = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
    if text.is_empty() { "AWS gives no reason".to_owned() } else { text }
}
