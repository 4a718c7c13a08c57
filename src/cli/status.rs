//! `kstack status`: the stack's hosts as they are, and where clients reach them.

use jiff::Timestamp;
use serde::Serialize;

use super::error::Failure;
use super::{place, ui};
use crate::clock;
use crate::cloud_init::CLIENT_PORT;
use crate::expiry::{self, Term};
use crate::kinds::{Broker, Instance, MskStatus, NetworkInterface, Subnet, Volume, msk_status};
use crate::lease::{Holder, Record};
use crate::msk::client_properties::{Method, client_properties};
use crate::plan::rank;
use crate::resource::{Address, Engine, Observed};
use crate::session::{Session, Source};
use crate::stack::read::Scalar as _;

/// Show brokers and controllers with zone, type, state, address and volume, and the bootstrap servers
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack file
    #[arg(value_name = "FILE")]
    file: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Print the properties of a Kafka client of an MSK cluster that connects in this way, ready to paste
    #[arg(long, value_name = "METHOD", value_parser = method, conflicts_with = "json")]
    client_properties: Option<Method>,
}

/// The word of a way to connect.
fn method(text: &str) -> Result<Method, String> {
    Method::parse(text)
}

/// The status for scripts.
#[derive(Debug, Serialize)]
struct Status {
    stack: String,
    region: String,
    /// Resources that are live.
    resources: usize,
    bootstrap_servers: Vec<String>,
    hosts: Vec<Host>,
    #[serde(skip_serializing_if = "Option::is_none")]
    msk: Option<Msk>,
    record: Option<Record>,
    /// Who works on the stack at the moment.
    lease: Option<Holder>,
    /// When the stack goes by itself.
    expires_at: Option<Timestamp>,
    protected: bool,
}

#[derive(Debug, Serialize)]
struct Host {
    name: String,
    zone: Option<String>,
    instance: Option<String>,
    instance_type: Option<String>,
    /// EC2's state; absent when there is no instance.
    state: Option<String>,
    kafka: Option<String>,
    address: Option<String>,
    volume: Option<String>,
    volume_gib: Option<u64>,
}

/// An MSK cluster, with the zones of its brokers.
#[derive(Debug, Serialize)]
struct Msk {
    #[serde(flatten)]
    cluster: MskStatus,
    /// The zone of each broker, in their order.
    zones: Vec<Option<String>>,
}

pub async fn run(args: &Args, sandbox: bool) -> Result<u8, Failure> {
    let (_, parsed) = Source::read(&args.file)?;
    let stack = &parsed.stack;
    let session = Session::open(&place(&stack.region, sandbox)?, &stack.name).await;
    session.aws.begin_round();
    let engine = Engine::of(stack);
    let msk = async { if engine == Engine::Msk { msk_status(&session.aws).await } else { Ok(None) } };
    let papers = session.aws.clients.papers(&stack.name);
    let (observed, msk, papers) = tokio::try_join!(session.observe_of(engine), msk, papers)?;
    if let Some(method) = args.client_properties {
        ui::out(&properties(method, msk.as_ref())?);
        return Ok(0);
    }
    let now = clock::now();
    let lease = papers.holder(now).cloned();
    let term = Term::of(&observed, papers.record.as_ref(), None);
    let hosts = hosts(&observed);
    let brokers = hosts.iter().filter(|host| host.name.starts_with("broker-"));
    let status = Status {
        stack: stack.name.to_string(),
        region: stack.region.to_string(),
        resources: observed.live.len(),
        bootstrap_servers: match &msk {
            Some(msk) => msk.listeners.first().map(|one| one.bootstrap_servers.clone()).unwrap_or_default(),
            None => brokers.filter_map(|host| Some(format!("{}:{CLIENT_PORT}", host.address.as_ref()?))).collect(),
        },
        hosts,
        msk: msk.map(|cluster| Msk { zones: zones(&cluster, &observed), cluster }),
        record: papers.record,
        lease,
        expires_at: term.at(),
        protected: term == Term::Protected,
    };
    if args.json {
        ui::json(&status);
    } else {
        ui::out(&text(&status, now));
    }
    Ok(0)
}

/// The zone of each broker, by its subnet.
fn zones(cluster: &MskStatus, observed: &Observed) -> Vec<Option<String>> {
    let subnets = observed.of::<Subnet>();
    let zone = |id: &str| subnets.values().find(|(live, _)| live.id == id).map(|(_, subnet)| subnet.zone.clone());
    cluster.brokers.iter().map(|broker| zone(&broker.subnet)).collect()
}

/// The properties of a client that connects by `method`.
fn properties(method: Method, cluster: Option<&MskStatus>) -> Result<String, Failure> {
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

fn hosts(observed: &Observed) -> Vec<Host> {
    let (volumes, interfaces, instances) =
        (observed.of::<Volume>(), observed.of::<NetworkInterface>(), observed.of::<Instance>());
    let mut names: Vec<&str> = volumes.keys().chain(interfaces.keys()).chain(instances.keys()).copied().collect();
    names.sort_by_cached_key(|name| rank(&Address::new("instance", name)));
    names.dedup();
    let host = |name: &str| {
        let (volume, instance) = (volumes.get(name), instances.get(name));
        Host {
            name: name.to_owned(),
            zone: volume.map(|(_, volume)| volume.zone.clone()),
            instance: instance.map(|(live, _)| live.id.clone()),
            instance_type: instance.map(|(_, instance)| instance.instance_type.clone()),
            state: instance.map(|(_, instance)| instance.state.clone()),
            kafka: instance.and_then(|(_, instance)| instance.kafka.clone()),
            address: interfaces.get(name).map(|(_, interface)| interface.address.clone()),
            volume: volume.map(|(live, _)| live.id.clone()),
            volume_gib: volume.map(|(_, volume)| volume.size_gib),
        }
    };
    names.into_iter().map(host).collect()
}

fn text(status: &Status, now: Timestamp) -> String {
    if status.resources == 0 {
        return format!("Nothing of the stack {} is live in {}.\n", status.stack, status.region);
    }
    let mut out = format!("Stack {} in {}: {} resources\n\n", status.stack, status.region, status.resources);
    match &status.msk {
        Some(msk) => out.push_str(&cluster(msk)),
        None => out.push_str(&on_ec2(status)),
    }
    if let Some(record) = &status.record {
        out.push_str(&format!("Made by {} at {}\n", record.made_by, record.made_at.strftime("%F %T UTC")));
    }
    if let Some(at) = status.expires_at {
        out.push_str(&format!("Expires: {}\n", expiry::shown(at, now)));
    }
    if status.protected {
        out.push_str("Protected: neither `destroy` nor `reap` touches it\n");
    }
    if let Some(holder) = &status.lease {
        out.push_str(&format!(
            "At work: {} on {} (process {}) since {}\n",
            holder.who,
            holder.host,
            holder.pid,
            holder.since.strftime("%F %T UTC")
        ));
    }
    out
}

/// Brokers and controllers on EC2, and where clients reach them.
fn on_ec2(status: &Status) -> String {
    let rows: Vec<Vec<String>> = status
        .hosts
        .iter()
        .map(|host| {
            let size = host.volume_gib.map_or_else(|| "-".to_owned(), |size| format!("{size} GiB"));
            vec![
                host.name.clone(),
                cell(&host.zone),
                cell(&host.instance_type),
                host.state.clone().unwrap_or_else(|| "no instance".to_owned()),
                cell(&host.kafka),
                cell(&host.address),
                cell(&host.volume),
                size,
            ]
        })
        .collect();
    let table = ui::table(&["HOST", "ZONE", "TYPE", "STATE", "KAFKA", "ADDRESS", "VOLUME", "SIZE"], &rows);
    format!("{table}\nBootstrap servers: {}\n", status.bootstrap_servers.join(","))
}

/// An MSK cluster, its brokers, and where clients reach them.
fn cluster(msk: &Msk) -> String {
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
