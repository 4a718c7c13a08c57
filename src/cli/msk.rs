//! An MSK cluster as `status` and `up` show it: its state, its brokers, and where clients reach it.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::error::Failure;
use super::ui;
use crate::aws::{Aws, CloudError};
use crate::kinds::{Broker, MskStatus, Subnet, msk_status};
use crate::msk::client_properties::{Method, client_properties};
use crate::resource::Observed;

/// An MSK cluster, with the zones of its brokers.
#[derive(Debug, Serialize)]
pub struct Status {
    #[serde(flatten)]
    cluster: MskStatus,
    /// The zone of each broker, in their order.
    zones: Vec<Option<String>>,
}

const ACTIVE: &str = "ACTIVE";
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// The stack's cluster, if there is one; with `limit`, once it is ACTIVE or FAILED, or that time is over.
///
/// # Errors
/// AWS's answer.
pub async fn look(aws: &Aws, limit: Option<Duration>) -> Result<Option<MskStatus>, CloudError> {
    let start = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let found = msk_status(aws).await?;
        let over = limit.is_none_or(|limit| start.elapsed() >= limit);
        match &found {
            Some(cluster) if !over && ![ACTIVE, "FAILED"].contains(&cluster.state.as_str()) => {
                if pause == FIRST_PAUSE {
                    ui::progress(&format!("Waiting until the MSK cluster, which is {}, is ACTIVE ...", cluster.state));
                }
            }
            _ => return Ok(found),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        aws.begin_round();
    }
}

/// The state of a cluster that is not ACTIVE, in words.
pub fn not_active(msk: Option<&Status>) -> Option<&str> {
    msk.map_or(Some("not there"), |msk| Some(msk.cluster.state.as_str()).filter(|state| *state != ACTIVE))
}

/// The zone of each broker, by its subnet.
fn zones(cluster: &MskStatus, observed: &Observed) -> Vec<Option<String>> {
    let subnets = observed.of::<Subnet>();
    let zone = |id: &str| subnets.values().find(|(live, _)| live.id == id).map(|(_, subnet)| subnet.zone.clone());
    cluster.brokers.iter().map(|broker| zone(&broker.subnet)).collect()
}

/// The properties of a client that connects by `method`.
pub fn properties(method: Method, cluster: Option<&MskStatus>) -> Result<String, Failure> {
    let cluster = cluster.ok_or_else(|| Failure::new("the stack has no MSK cluster that is live"))?;
    let one = cluster.provisioned.as_ref();
    let (listener, on) = match method {
        Method::Iam => ("iam", true),
        Method::Scram => ("scram", true),
        Method::Tls => ("tls", one.is_some_and(|one| !one.certificate_authorities.is_empty())),
        Method::Unauthenticated => ("tls", one.is_some_and(|one| one.unauthenticated)),
        Method::Plaintext => ("plaintext", true),
    };
    let found = cluster.listeners.iter().find(|one| one.method == listener && !one.public).filter(|_| on);
    let servers = found.filter(|one| !one.bootstrap_servers.is_empty()).ok_or_else(|| {
        let word = method.word();
        Failure::new(format!("the cluster, which is {}, has no listener for `{word}`", cluster.state))
            .hint("turn it on in the stack file, or ask again once the cluster is ACTIVE")
    })?;
    Ok(client_properties(method, &servers.bootstrap_servers.join(",")))
}

impl Status {
    pub fn new(cluster: MskStatus, observed: &Observed) -> Status {
        Status { zones: zones(&cluster, observed), cluster }
    }

    /// Every broker of the first listener that is on.
    pub fn bootstrap_servers(&self) -> Vec<String> {
        self.cluster.listeners.first().map(|one| one.bootstrap_servers.clone()).unwrap_or_default()
    }

    /// The cluster, its brokers, and where clients reach them.
    pub fn text(&self) -> String {
        let one = &self.cluster;
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
            let rows: Vec<Vec<String>> = one.brokers.iter().zip(&self.zones).map(row).collect();
            out.push_str(&format!("\n{}", ui::table(&["BROKER", "ZONE", "TYPE", "ADDRESS", "SIZE", "NAME"], &rows)));
        }
        for listener in &one.listeners {
            let side = if listener.public { ", public" } else { "" };
            let servers = listener.bootstrap_servers.join(",");
            out.push_str(&format!("\nBootstrap servers ({}{side}): {servers}\n", listener.method));
        }
        out
    }
}

fn cell(value: &Option<String>) -> String {
    value.clone().unwrap_or_else(|| "-".to_owned())
}
