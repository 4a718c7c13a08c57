//! `kstack status` of an MSK stack: its cluster, what AWS does with it, its brokers, and where clients reach them.

use std::time::Duration;

use serde::Serialize;

use super::error::Failure;
use super::ui;
use crate::aws::Aws;
use crate::aws::kinds::{Broker, MskStatus, msk_status};
use crate::error::{DELETE_FAILED_CLUSTER, StepError};
use crate::wait::{Backoff, Look, poll};
use kstack_core::engines::msk::client_properties::{AuthMethod, client_properties};
use kstack_core::kinds::Subnet;
use kstack_core::observed::Observed;

/// An MSK cluster, with the zones of its brokers.
#[derive(Debug, Serialize)]
pub struct Msk {
    #[serde(flatten)]
    cluster: MskStatus,
    /// The zone of each broker, in their order.
    zones: Vec<Option<String>>,
}

impl Msk {
    /// The cluster with the zones that are known of its subnets.
    pub fn of(cluster: MskStatus, observed: &Observed) -> Msk {
        Msk { zones: zones(&cluster, observed), cluster }
    }

    /// The servers of the first way in.
    pub fn bootstrap_servers(&self) -> Vec<String> {
        self.cluster.listeners.first().map(|one| one.bootstrap_servers.clone()).unwrap_or_default()
    }
}

/// Waits until the cluster is ACTIVE.
///
/// # Errors
/// That it is not within `limit`, or failed; AWS's answer.
pub async fn wait(aws: &Aws, limit: Duration) -> Result<(), Failure> {
    ui::progress("Waiting until the cluster is ACTIVE ...");
    poll("the cluster becoming ACTIVE", limit, Backoff::SECOND, async || {
        aws.begin_round();
        let (state, why) = match msk_status(aws).await? {
            Some(cluster) => (cluster.state, cluster.reason.unwrap_or_default()),
            None => ("absent".to_owned(), String::new()),
        };
        let told = format!("the cluster is {state}");
        match state.as_str() {
            "ACTIVE" => Ok(Look::Ready(())),
            "FAILED" => Err(StepError::Ended { what: told, why, remedy: Some(DELETE_FAILED_CLUSTER) }),
            _ if why.is_empty() => Ok(Look::Missing(told)),
            _ => Ok(Look::Missing(format!("{told}: {why}"))),
        }
    })
    .await
    .map_err(Failure::from)
}

/// The zone of each broker, by its subnet.
fn zones(cluster: &MskStatus, observed: &Observed) -> Vec<Option<String>> {
    let subnets = observed.of::<Subnet>();
    let zone = |id: &str| subnets.values().find(|(live, _)| live.id == id).map(|(_, subnet)| subnet.zone.clone());
    cluster.brokers.iter().map(|broker| zone(&broker.subnet)).collect()
}

/// The properties of a client that connects by `method`.
///
/// # Errors
/// That the cluster can't be reached that way.
pub fn properties(method: AuthMethod, cluster: Option<&MskStatus>) -> Result<String, Failure> {
    let cluster = cluster.ok_or_else(|| Failure::new("the stack has no MSK cluster that is live"))?;
    let one = cluster.provisioned.as_ref();
    let (listener, on) = match method {
        AuthMethod::Iam => ("iam", true),
        AuthMethod::Scram => ("scram", true),
        AuthMethod::Tls => ("tls", one.is_some_and(|one| !one.certificate_authorities.is_empty())),
        AuthMethod::Unauthenticated => ("tls", one.is_some_and(|one| one.unauthenticated)),
        AuthMethod::Plaintext => ("plaintext", true),
    };
    let found = cluster.listeners.iter().find(|one| one.method == listener && !one.public).filter(|_| on);
    let servers = found.filter(|one| !one.bootstrap_servers.is_empty()).ok_or_else(|| {
        let word = method.word();
        Failure::new(format!("the cluster, which is {}, has no listener for `{word}`", cluster.state))
            .hint("turn it on in the stack file, or ask again once the cluster is ACTIVE")
    })?;
    Ok(client_properties(method, &servers.bootstrap_servers.join(",")))
}

/// The brokers' addresses, and a client's properties, for the way to connect that asks the least of a client.
pub fn easiest(cluster: &MskStatus) -> Option<(Vec<String>, String)> {
    let methods =
        [AuthMethod::Unauthenticated, AuthMethod::Plaintext, AuthMethod::Iam, AuthMethod::Scram, AuthMethod::Tls];
    methods.into_iter().find_map(|method| {
        let text = properties(method, Some(cluster)).ok()?;
        let servers = text.lines().find_map(|line| line.strip_prefix("bootstrap.servers="))?;
        Some((servers.split(',').map(str::to_owned).collect(), text))
    })
}

/// The cluster, its brokers, and where clients reach them, for people.
pub fn text(msk: &Msk) -> String {
    let one = &msk.cluster;
    let version = one.kafka.as_deref().map_or_else(|| "serverless".to_owned(), |kafka| format!("Kafka {kafka}"));
    let mut out = format!("MSK cluster {}: {}, {version}\n", one.arn, one.state);
    if let Some(reason) = &one.reason {
        out.push_str(&format!("AWS says: {reason}\n"));
    }
    if let Some(operation) = &one.operation {
        let since = operation.since.as_deref().map(|since| format!(" since {since}")).unwrap_or_default();
        out.push_str(&format!("Under way: {}, {}{since}\n", operation.operation, operation.state));
    }
    if !one.brokers.is_empty() {
        let size = one.volume_gib.map_or_else(|| "-".to_owned(), |size| format!("{size} GiB"));
        let row = |(broker, zone): (&Broker, &Option<String>)| {
            let endpoint = cell(&broker.endpoint);
            vec![
                broker.id.to_string(),
                cell(zone),
                cell(&one.instance_type),
                cell(&broker.address),
                size.clone(),
                endpoint,
            ]
        };
        let rows: Vec<Vec<String>> = one.brokers.iter().zip(&msk.zones).map(row).collect();
        out.push_str(&format!("\n{}", ui::table(&["BROKER", "ZONE", "TYPE", "ADDRESS", "SIZE", "NAME"], &rows)));
    }
    for listener in &one.listeners {
        let side = if listener.public { ", public" } else { "" };
        let servers = listener.bootstrap_servers.join(",");
        out.push_str(&format!("\nBootstrap servers ({}{side}): {servers}\n", listener.method));
    }
    out
}

fn cell(value: &Option<String>) -> String {
    value.clone().unwrap_or_else(|| "-".to_owned())
}
